"""Fit -> intervals, effects, tests."""
