"""Weighted least squares: the objective, and the fit."""
