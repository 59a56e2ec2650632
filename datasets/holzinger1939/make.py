"""These are observed data: nothing makes them. README.md names their source and licence."""
