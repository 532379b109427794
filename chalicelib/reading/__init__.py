"""What a message says before anybody decides anything: its features, and what its words forbid (guard_words/)."""
