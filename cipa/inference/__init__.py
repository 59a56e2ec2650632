"""Inference: from a fit of any family to effects, intervals and comparisons."""
