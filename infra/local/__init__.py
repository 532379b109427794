"""The embedded AWS and what stands round it on this machine."""
