"""What is remembered: the store, which owns its keys, over a table."""
