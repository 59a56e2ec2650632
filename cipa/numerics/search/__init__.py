"""Minimising: one problem, one under constraints, many at once."""
