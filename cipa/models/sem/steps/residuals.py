"""Residual covariances and means of a block, raw, as correlations, or over standard errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from cipa.numerics.algebra.linalg import Array
from cipa.numerics.moments.ram import Implied


def residual_rows(
    names: Sequence[str], sample: tuple[Array, Array], implied: Implied, kind: str, *, means: bool, variances: Array | None = None
) -> Iterator[tuple[str, str, str, float]]:  # fmt: skip
    """(lhs, op, rhs, residual): lower triangle with diagonal, then means where they are modelled.

    Parameters
    ----------
    sample : covariance (p, p) and mean (p,)
    kind : {"raw", "cor_bentler", "cor", "normalized", "standardized"}
    variances : (p (p + 1) / 2 + p,) array, optional
        Of the residuals (row-wise vech, then means), for the last two kinds; 0 for a moment that is reproduced whatever the data
        (its residual is 0), NaN for one whose residual has no standard error (it is NaN).
    """
    cov, mean = _in_units(sample, implied, kind, means=means, variances=variances)
    for i, name in enumerate(names):
        for j in range(i + 1):
            yield name, "~~", names[j], float(cov[i, j])
    for i, name in enumerate(names if means else ()):
        yield name, "~1", "", float(mean[i])


def _in_units(
    sample: tuple[Array, Array], implied: Implied, kind: str, *, means: bool, variances: Array | None
) -> tuple[Array, Array]:
    (S, m), Sigma = sample, implied.cov
    raw, mean = S - Sigma, m - (implied.mean if means else m)
    sd, implied_sd = np.sqrt(S.diagonal()), np.sqrt(Sigma.diagonal())
    if kind == "raw":
        return raw, mean
    if kind == "cor_bentler":
        return raw / np.outer(sd, sd), mean / sd
    if kind == "cor":
        return S / np.outer(sd, sd) - Sigma / np.outer(implied_sd, implied_sd), mean / sd
    assert variances is not None
    rows, cols = np.tril_indices(len(S))
    spread = np.zeros_like(S)
    spread[rows, cols] = spread[cols, rows] = variances[: len(rows)]
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(spread == 0, 0.0, raw / np.sqrt(spread))
        z_mean = np.where(variances[len(rows) :] == 0, 0.0, mean / np.sqrt(variances[len(rows) :]))
    return z, z_mean
