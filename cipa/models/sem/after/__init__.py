"""What is asked of a fitted structural equation model: modification indices, residuals, factor scores."""
