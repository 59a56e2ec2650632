"""Panel models."""
