"""What is deployed: resources, package, deployment, costs."""
