"""SampleMoments: a covariance matrix (and means) as the data of a structural equation model."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cipa.errors import DataError, public
from cipa.numerics.algebra.linalg import Array, cholesky_or_none, frozen

_ASYMMETRY = 1e-6  # relative; printed matrices are rounded, and more than this is a typing error


@public
@dataclass(frozen=True, slots=True, kw_only=True, init=False)
class SampleMoments:
    """Sample covariance matrix, means and number of observations of one group.

    Parameters
    ----------
    cov : DataFrame (p, p)
        Covariance matrix with divisor n - 1, named in its columns; only the lower triangle may be filled.
        An array is accepted together with `names`.
    mean : Series, sequence or mapping of length p, optional
        Means, in the order (or with the names) of `cov`.
    nobs : int
        Number of observations.
    names : sequence of str, optional
        Names, when `cov` is an array.
    group : str, optional
        Label of the group.
    dropped : int
        Incomplete cases that were left out when the moments were computed; a fit reports them.

    Raises
    ------
    DataError
        When the matrix is not square, symmetric and positive definite, or names are missing.

    Examples
    --------
    >>> S = pd.DataFrame([[1.0, 0.4], [0.4, 1.0]], columns=["x", "y"])
    >>> SampleMoments(cov=S, nobs=100).names
    ('x', 'y')
    """

    names: tuple[str, ...]
    cov: Array
    mean: Array | None
    nobs: int
    group: str | None
    dropped: int

    def __init__(
        self, *, cov: Any, nobs: int, mean: Any = None, names: Any = None, group: str | None = None, dropped: int = 0
    ) -> None:
        matrix, found = _named_matrix(cov, names)
        if nobs < 2:
            raise DataError(
                f"SampleMoments: nobs={nobs}. Errors and tests rest on the number of cases that a covariance matrix came from: "
                "give it, at least 2."
            )
        object.__setattr__(self, "names", found)
        object.__setattr__(self, "cov", frozen(_checked(matrix, found)))
        object.__setattr__(self, "mean", None if mean is None else frozen(_means(mean, found)))
        object.__setattr__(self, "nobs", int(nobs))
        object.__setattr__(self, "group", group)
        object.__setattr__(self, "dropped", int(dropped))

    @property
    def digest(self) -> str:
        """SHA-256 of names and numbers."""
        found = hashlib.sha256("\0".join(self.names).encode())
        found.update(self.cov.tobytes())
        if self.mean is not None:
            found.update(self.mean.tobytes())
        found.update(str(self.nobs).encode())
        return found.hexdigest()


def _named_matrix(cov: Any, names: Any) -> tuple[Array, tuple[str, ...]]:
    if isinstance(cov, pd.DataFrame):
        names = cov.columns if names is None else names
    elif names is None:
        raise DataError(
            "SampleMoments: cov has no names, and a model finds its variables by name. Give cov as a DataFrame with the "
            "variables' names, or add names=[...]."
        )
    matrix = _numbers(cov, what="cov")
    found = tuple(str(name) for name in names)
    if matrix.ndim != 2 or matrix.shape != (len(found), len(found)):
        raise DataError(
            f"SampleMoments: cov has shape {matrix.shape} for {len(found)} names, so that it is open which number is whose. Give "
            "a square matrix, with a row and a column for each name."
        )
    twice = next((name for name in found if found.count(name) > 1), None)
    if twice is not None:
        raise DataError(
            f"SampleMoments: the name '{twice}' stands twice. Which row a model means is not decided: give each variable a name "
            "of its own."
        )
    return matrix, found


def _numbers(values: Any, *, what: str) -> Array:
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as problem:
        raise DataError(
            f"SampleMoments: {what} is not made of numbers ({problem}). Moments are numbers in rows of one length: give an "
            "array, or a DataFrame with the variables' names."
        ) from problem


def _checked(matrix: Array, names: tuple[str, ...]) -> Array:
    upper = np.triu(matrix, 1)
    if np.isnan(upper).all(where=np.triu(np.ones_like(matrix, dtype=bool), 1)) or not upper.any():
        matrix = np.tril(matrix) + np.tril(matrix, -1).T
    if not np.isfinite(matrix).all():
        row, col = (int(place[0]) for place in np.nonzero(~np.isfinite(matrix)))
        raise DataError(
            f"SampleMoments: the covariance of {names[row]} and {names[col]} is {matrix[row, col]:g}, and every one of them "
            "enters the likelihood. Fill the cell, or leave one of the two out."
        )
    scale = np.sqrt(np.outer(np.abs(matrix.diagonal()), np.abs(matrix.diagonal())))
    gap = np.abs(matrix - matrix.T) > _ASYMMETRY * np.maximum(scale, 1e-300)
    if gap.any():
        row, col = (int(place[0]) for place in np.nonzero(gap))
        raise DataError(
            f"SampleMoments: cov is not symmetric: {names[row]}, {names[col]} is {matrix[row, col]:g} on one side"
            f" and {matrix[col, row]:g} on the other. Correct the cell, or leave the upper triangle empty."
        )
    matrix = (matrix + matrix.T) / 2
    flat = np.flatnonzero(matrix.diagonal() <= 0)
    if flat.size:
        raise DataError(
            f"SampleMoments: the variance of {names[flat[0]]} is {matrix.diagonal()[flat[0]]:g}. A variance is positive:"
            " mend the diagonal, or leave that variable out."
        )
    if cholesky_or_none(matrix / np.sqrt(np.outer(matrix.diagonal(), matrix.diagonal()))) is None:
        raise DataError(
            "SampleMoments: cov is not positive definite: no data have this matrix. Look for a typing error, for a"
            " variable that is a sum of others, or for correlations computed from different cases."
        )
    return matrix


def _means(mean: Any, names: tuple[str, ...]) -> Array:
    if isinstance(mean, (pd.Series, dict)):
        missing = [name for name in names if name not in mean]
        if not missing:
            mean = [mean[name] for name in names]
        elif isinstance(mean, dict) or len(missing) < len(names):
            raise DataError(
                f"SampleMoments: mean has no entry for {', '.join(missing)}. A mean that is not given is not 0: add it, or leave "
                "mean= out."
            )
    values = _numbers(mean, what="mean")
    if values.shape != (len(names),) or not np.isfinite(values).all():
        raise DataError(
            f"SampleMoments: mean has shape {values.shape}; a mean that is not given is not 0. Give a finite number for each of "
            f"{', '.join(names)}, or leave mean= out."
        )
    return values
