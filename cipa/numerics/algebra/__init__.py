"""Linear algebra and derivatives."""
