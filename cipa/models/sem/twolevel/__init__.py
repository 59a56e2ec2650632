"""Two-level structural equation models: `level:` blocks, random intercepts."""
