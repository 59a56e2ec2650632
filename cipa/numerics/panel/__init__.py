"""Effects of firms and years."""
