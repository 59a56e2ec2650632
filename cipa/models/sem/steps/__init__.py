"""The steps every method shares: starts, search, covariance, indices, standardizing."""
