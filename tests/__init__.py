"""One file a room, the contract of the platforms, the story, the built package."""
