"""The nouns, interaction and conversation, and their pure rules."""
