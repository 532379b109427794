"""What happened, and the telemetry that tells of it."""
