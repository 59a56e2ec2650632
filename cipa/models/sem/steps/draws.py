"""What refits to resampled cases come to: which are admissible, and all of them side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cipa.models.sem.declare.layout import Layout
from cipa.numerics.algebra.linalg import Array, BoolArray
from cipa.results.answers import Draws


def admissible_draws(layout: Layout, values: Array, covs: Sequence[Array]) -> BoolArray:
    """Which draws (R,) have no negative variance and positive semidefinite covariances of the latent variables.

    Parameters
    ----------
    values : (R, m) array
        All rows of the estimates.
    covs : sequence of (R, v, v) arrays
        Block by block, the implied covariance of all its variables, the observed ones first.
    """
    variances = [p for p, row in enumerate(layout.rows) if row.op == "~~" and row.lhs == row.rhs]
    admissible = (values[:, variances] >= 0).all(axis=1)
    for block, T in zip(layout.blocks, covs, strict=True):
        latent = T[:, len(block.observed) :, len(block.observed) :]
        if latent.shape[1] > 1:
            smallest = np.linalg.eigvalsh(latent)[:, 0]
            admissible &= smallest >= -1e-8 * np.abs(latent).max(axis=(1, 2))
    return np.asarray(admissible)


def stacked(draws: Sequence[tuple[Array, float, bool] | None], size: int) -> Draws:
    """Values (size,), chi-square and admissibility of each draw, one below the other; None where the search did not converge."""
    converged = np.array([one is not None for one in draws])
    values = np.full((len(draws), size), np.nan)
    chisq, admissible = np.full(len(draws), np.nan), np.zeros(len(draws), dtype=np.bool_)
    for r, one in enumerate(draws):
        if one is not None:
            values[r], chisq[r], admissible[r] = one
    return Draws(values=values, chisq=chisq, converged=converged, admissible=admissible)
