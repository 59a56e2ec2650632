"""Data -> Fit."""
