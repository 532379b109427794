"""One file a service: the only package that knows AWS."""
