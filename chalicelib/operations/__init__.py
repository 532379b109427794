"""Running it: doctor, erasure, deletion requests."""
