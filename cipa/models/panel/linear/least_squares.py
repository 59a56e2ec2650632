"""Least squares and two-stage least squares on transformed columns, with collinear columns refused by name.

Sources: Golub, G. & Van Loan, C. (2013), section 5.3 (QR); Greene, W. (2018), section 8.3 (2SLS).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack, solve_triangular

from cipa.errors import IdentificationError
from cipa.numerics.algebra.linalg import Array

COLLINEAR = 1e-10
"""A column whose variance given the columns before it is below this share of its variance carries no information of
its own: its standard deviation would be 1e-5 of the column's, below what data are measured to (as fixest)."""

STEADY = 1e-11
"""A column whose sum of squares given the columns before it is below this share of its own sum of squares is one of them, or
varies by less than 3e-6 of its size: products of it, as robust errors take them, would keep fewer than three digits."""

ABSORBED = 1e-13
"""Share of a column's variance that is left by rounding when the effects explain all of it."""

_ROUNDING = 1e-13  # share of a column's length that is left by rounding when the constant explains all of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """Least squares.

    Parameters
    ----------
    params : (k,) array
    bread : (k, k) array
        (X'X)^-1, with the projected X of two-stage least squares.
    residuals : (n,) array
        y - X b with the X as observed.
    design : (n, k) array
        The (projected) X whose products with the residuals are the scores.
    """

    params: Array
    bread: Array
    residuals: Array
    design: Array


def least_squares(X: Array, y: Array, names: Sequence[str], *, spread: Array, constant: Array | None = None) -> Solution:
    """Regress y (n,) on X (n, k).

    Parameters
    ----------
    X : (n, k) array
    y : (n,) array
    names : sequence of str, length k
        For messages.
    spread : (k,) array
        Sum of squares of each column about its mean, before transformation, for the test of collinearity.
    constant : (k,) bool array, optional
        Marks the intercept, whose sum of squares is not a spread.

    Raises
    ------
    IdentificationError
        When a column is a combination of those before it (named), or there are fewer rows than columns.
    """
    factor = _triangle(X, names, spread=spread, constant=constant)
    inverse = solve_triangular(factor, np.eye(len(factor)))
    bread = inverse @ inverse.T
    params = inverse @ (inverse.T @ (X.T @ y))
    params = params + inverse @ (inverse.T @ (X.T @ (y - X @ params)))  # refined: as accurate as Q'y, without forming Q
    return Solution(params=params, bread=bread, residuals=y - X @ params, design=X)


def two_stage(
    exogenous: Array, endogenous: Array, instruments: Array, y: Array, names: Sequence[str], instrument_names: Sequence[str],
    *, spread: Array, instrument_spread: Array, constant: Array,
) -> Solution:  # fmt: skip
    """Two-stage least squares: the endogenous columns are projected on exogenous columns and instruments.

    Parameters
    ----------
    exogenous : (n, k1) array
    endogenous : (n, k2) array
    instruments : (n, l) array, l >= k2
    y : (n,) array
    names, instrument_names : sequences of str, lengths k1 + k2 and l
    spread, instrument_spread : (k1 + k2,), (l,) arrays
    constant : (k1,) bool array
    """
    k1 = exogenous.shape[1]
    Z = np.asfortranarray(np.hstack([exogenous, instruments]))
    first_names = [*names[:k1], *instrument_names]
    first_spread = np.concatenate([spread[:k1], instrument_spread])
    first_constant = np.concatenate([constant, np.zeros(len(instrument_names), dtype=bool)])
    factor = _triangle(Z, first_names, spread=first_spread, constant=first_constant)
    inverse = solve_triangular(factor, np.eye(len(factor)))
    coefficients = inverse @ (inverse.T @ (Z.T @ endogenous))
    projected = np.asfortranarray(np.hstack([exogenous, Z @ coefficients]))
    every = np.concatenate([constant, np.zeros(endogenous.shape[1], dtype=bool)])
    second = least_squares(projected, y, names, spread=spread, constant=every)
    observed = np.hstack([exogenous, endogenous])
    return Solution(params=second.params, bread=second.bread, residuals=y - observed @ second.params, design=projected)


def _triangle(X: Array, names: Sequence[str], *, spread: Array, constant: Array | None) -> Array:
    """R (k, k) of the QR decomposition of X, in the order of the columns; refuses a column that adds nothing."""
    nobs, k = X.shape
    if nobs <= k:
        raise IdentificationError(
            f"The regression has {nobs} row{'s' if nobs > 1 else ''} for {k} parameter{'s' if k > 1 else ''} "
            f"({', '.join(names[:6])}{', …' if k > 6 else ''}). With no more "
            "rows than parameters every outcome is fitted exactly. Use fewer regressors, or data with more rows."
        )
    factored, _, _, info = lapack.dgeqrf(X)
    assert info == 0
    R = np.triu(factored[:k])
    reference = np.maximum(np.where(np.zeros(k, dtype=bool) if constant is None else constant, nobs, spread), 1e-300)
    size = (R**2).sum(axis=0)
    weak = np.flatnonzero(R.diagonal() ** 2 < np.maximum(COLLINEAR * reference, STEADY * size))
    if weak.size:
        raise _collinear(R, int(weak[0]), names, nobs=nobs)
    return np.asarray(R)


def _collinear(R: Array, position: int, names: Sequence[str], *, nobs: int) -> IdentificationError:
    """Name the column and those of which it is a combination."""
    combination = solve_triangular(R[:position, :position], R[:position, position]) if position else np.empty(0)
    scale = np.sqrt((R[:, :position] ** 2).sum(axis=0))
    share = np.abs(combination) * scale
    partners = [names[int(i)] for i in np.flatnonzero(share > 1e-6 * max(float(share.max(initial=0.0)), 1e-300))]
    others = [name for name in partners if name != "the constant"] or partners
    size, left = float(np.sqrt((R[:, position] ** 2).sum())), abs(float(R[position, position]))
    if partners == ["the constant"] and left > _ROUNDING * size:
        return IdentificationError(
            f"'{names[position]}' varies by {left / np.sqrt(nobs):.2g} around {size / np.sqrt(nobs):.2g}: so little beside the "
            "constant that rounding decides its effect. Subtract a constant from it, or measure it from another zero."
        )
    if partners == ["the constant"] or not partners:
        return IdentificationError(
            f"'{names[position]}' is constant in the estimation sample. A regressor without variation has no effect to"
            " estimate beside the constant: drop it, or check how the column was read."
        )
    return IdentificationError(
        f"'{names[position]}' is collinear: it is a linear combination of {', '.join(others)}. Their separate effects are not"
        " identified (the data would fit equally well with any share for each). Drop one of them."
    )


def refuse_absorbed(before: Array, after: Array, names: Sequence[str], *, effects: str) -> None:
    """Refuse columns that the effects explain fully.

    Parameters
    ----------
    before : (k,) array
        Sum of squares about the mean.
    after : (k,) array
        Sum of squares after the effects are swept out.
    names : sequence of str, length k
    effects : str
        What was swept out, in words.
    """
    gone = np.flatnonzero(after <= ABSORBED * before)
    flat = [names[int(i)] for i in gone if before[i] == 0]
    if flat:
        raise IdentificationError(
            f"'{flat[0]}' is constant in the estimation sample. A regressor without variation has no effect to estimate: drop"
            " it, or check how the column was read."
        )
    if gone.size:
        listed = ", ".join(f"'{names[int(i)]}'" for i in gone)
        one = gone.size == 1
        raise IdentificationError(
            f"{listed} {'has' if one else 'have'} no variation left after the {effects} are swept out: "
            f"{'it is' if one else 'they are'} absorbed by the effects, so the effect is not identified. Drop "
            f"{'it' if one else 'them'} (for a moderator m write"
            ' x + x:m, without m itself), or use method="random", "between" or "mundlak".'
        )
