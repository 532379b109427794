"""Recorded deliveries through the real handlers on a virtual clock."""
