"""Implied and unrestricted moments of the multivariate normal."""
