"""Arrays: read-only copies, half-vectorisation, safe solves.

Sources: Magnus, J. R. & Neudecker, H. (1999). Matrix Differential Calculus, ch. 3 (vech, duplication matrix).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack

Array = npt.NDArray[Any]
"""A float64 array; the name says what the loose type cannot, and every docstring says its shape."""
IntArray = npt.NDArray[Any]
BoolArray = npt.NDArray[Any]


def frozen(values: npt.ArrayLike, *, dtype: Any = np.float64) -> npt.NDArray[Any]:
    """Return a read-only copy of `values`."""
    copy = np.array(values, dtype=dtype)
    copy.setflags(write=False)
    return copy


def vech_indices(size: int) -> tuple[IntArray, IntArray]:
    """Row and column indices of the lower triangle, column by column, as vech stacks it."""
    columns, rows = np.triu_indices(size)
    return rows, columns


def vech(matrix: Array) -> Array:
    """Stack the lower triangle of symmetric (..., p, p) matrices column by column into (..., p(p+1)/2)."""
    rows, columns = vech_indices(matrix.shape[-1])
    return matrix[..., rows, columns]


def symmetric(matrix: Array) -> Array:
    """The symmetric part of (..., p, p) matrices."""
    return (matrix + np.swapaxes(matrix, -1, -2)) / 2


def cholesky_or_none(matrix: Array) -> Array | None:
    """Lower Cholesky factor of a (p, p) matrix, or None when it is not positive definite."""
    factor, info = lapack.dpotrf(matrix, lower=1, clean=1)
    return factor if info == 0 else None


def inverse_and_logdet(matrix: Array) -> tuple[Array, float] | None:
    """Inverse and log-determinant of a symmetric positive-definite (p, p) matrix; None when it is not."""
    factor, info = lapack.dpotrf(matrix, lower=1, clean=1)
    if info != 0:
        return None
    logdet = 2.0 * float(np.log(factor.diagonal()).sum())
    lower, info = lapack.dpotri(factor, lower=1)  # the upper triangle stays zero
    inverse = lower + lower.T
    inverse.flat[:: len(inverse) + 1] /= 2
    return inverse, logdet


def batched_inverse_and_logdet(matrices: Array) -> tuple[Array, Array] | None:
    """Inverses and log-determinants of (R, p, p) symmetric matrices; None when any is not positive definite."""
    try:
        factors = np.linalg.cholesky(matrices)
        inverses = np.linalg.inv(matrices)
    except np.linalg.LinAlgError:  # not positive definite, or so only up to rounding
        return None
    logdets = 2.0 * np.log(np.diagonal(factors, axis1=-2, axis2=-1)).sum(-1)
    return symmetric(inverses), logdets


def unit_diagonal(matrix: Array) -> tuple[Array, Array]:
    """A covariance (p, p) in units in which every variance is 1, and the square roots (p,) of its diagonal; 1 where that is 0.

    The rank of a covariance depends on its units in floating point; this one's does not.
    """
    diagonal = matrix.diagonal()
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    return matrix / np.outer(scale, scale), scale


def null_space(matrix: Array, *, tolerance: float = 1e-10) -> Array:
    """Orthonormal basis (q, q - rank) of the null space of an (r, q) matrix."""
    if matrix.size == 0:
        return np.eye(matrix.shape[1])
    _, singular, right = np.linalg.svd(matrix)
    rank = int((singular > tolerance * max(singular[0], 1.0)).sum()) if singular.size else 0
    return right[rank:].T.copy()
