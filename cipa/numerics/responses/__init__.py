"""Ordered responses: thresholds, polychoric correlations, their stages."""
