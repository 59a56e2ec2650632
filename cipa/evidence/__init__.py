"""Evidence: whether the measures are sound, and which hypotheses hold."""
