"""X: posts, mentions, direct messages."""
