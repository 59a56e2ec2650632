"""What every family of panel models reads: formula, estimation sample, covariance."""
