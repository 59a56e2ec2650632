"""Linear panel models by least squares."""
