"""The same model values, fitted by other programs."""
