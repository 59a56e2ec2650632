"""What a model says: words, rows, layout."""
