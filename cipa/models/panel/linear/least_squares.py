"""Least squares and two-stage least squares on transformed columns, with collinear columns refused by name.

Sources: Golub, G. & Van Loan, C. (2013), section 5.3 (QR); Greene, W. (2018), section 8.3 (2SLS).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import lapack, solve_triangular

from cipa.errors import IdentificationError
from cipa.numerics.algebra.linalg import Array

COLLINEAR = 1e-10
"""A column whose variance given the columns before it is below this share of its variance carries no information of
its own: its standard deviation would be 1e-5 of the column's, below what data are measured to (as fixest)."""

STEADY = 1e-12
"""A column that varies about the constant by less than this share of its size is steady: of sixteen digits it has four left."""

ABSORBED = 1e-13
"""Share of a column's variance that is left by rounding when the effects explain all of it."""

_ROUNDING = 1e-14  # share of a column's length that is left by rounding when the constant explains all of it


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
    centred : (n, k) array
        Its columns less their projection on the constant, where there is one.
    inner : (k, k) array
        The inverse of their cross-product.
    shares : (k, k) array
        From their coefficients to those of X: bread = shares @ inner @ shares'.
    """

    params: Array
    bread: Array
    residuals: Array
    design: Array
    centred: Array
    inner: Array
    shares: Array


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
    centred, shares = _centred(X, constant)
    _refuse_steady(X, centred, names)
    factor = _triangle(centred, names, spread=spread, constant=constant)
    inverse = solve_triangular(factor, np.eye(len(factor)))
    inner = inverse @ inverse.T
    slopes = inverse @ (inverse.T @ (centred.T @ y))
    slopes = slopes + inverse @ (inverse.T @ (centred.T @ (y - centred @ slopes)))  # refined: as accurate as Q'y, without Q
    return Solution(
        params=shares @ slopes, bread=shares @ inner @ shares.T, residuals=y - centred @ slopes, design=X, centred=centred,
        inner=inner, shares=shares,
    )  # fmt: skip


def _centred(X: Array, constant: Array | None) -> tuple[Array, Array]:
    """The columns less their projection on the constant, and the (k, k) matrix from their coefficients to those of X.

    A regressor far from 0 (mean 1e8, standard deviation 1) is nearly a constant in floating point, and the squares of its
    values lose the digits of its variance; less its mean it is as good as any.
    """
    shares = np.eye(X.shape[1])
    places = np.flatnonzero(np.zeros(X.shape[1], dtype=bool) if constant is None else constant)
    if not places.size:
        return X, shares
    place = int(places[0])
    column = X[:, place]
    means = (column / (column @ column)) @ X
    others = np.arange(X.shape[1]) != place
    centred = X.copy(order="F")
    centred[:, others] -= np.outer(column, means[others])
    shares[place, others] = -means[others]
    return centred, shares


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
    every = np.concatenate([constant, np.zeros(endogenous.shape[1] + instruments.shape[1], dtype=bool)])
    columns = np.hstack([exogenous, endogenous, instruments])
    centred, _ = _centred(columns, every)
    _refuse_steady(columns, centred, [*names, *instrument_names])
    inside = centred[:, k1 : k1 + endogenous.shape[1]]
    Z = np.asfortranarray(np.delete(centred, np.s_[k1 : k1 + endogenous.shape[1]], axis=1))
    first_names = [*names[:k1], *instrument_names]
    first_spread = np.concatenate([spread[:k1], instrument_spread])
    first_constant = np.concatenate([constant, np.zeros(len(instrument_names), dtype=bool)])
    factor = _triangle(Z, first_names, spread=first_spread, constant=first_constant)
    inverse = solve_triangular(factor, np.eye(len(factor)))
    coefficients = inverse @ (inverse.T @ (Z.T @ inside))
    projected = np.asfortranarray(np.hstack([exogenous, endogenous - inside + Z @ coefficients]))
    every = np.concatenate([constant, np.zeros(endogenous.shape[1], dtype=bool)])
    second = least_squares(projected, y, names, spread=spread, constant=every)
    # X b as the projection's plus what the projection leaves of the endogenous columns, in which no constant is left
    left = (inside - Z @ coefficients) @ second.params[k1:]
    return replace(second, residuals=second.residuals - left)


def _triangle(X: Array, names: Sequence[str], *, spread: Array, constant: Array | None) -> Array:
    """R (k, k) of the QR decomposition of X, in the order of the columns; refuses a column that adds nothing."""
    nobs, k = X.shape
    if nobs <= k:
        raise IdentificationError(
            f"The regression has {nobs} row{'s' if nobs > 1 else ''} for {k} parameter{'s' if k > 1 else ''} "
            f"({', '.join(names[:6])}{', …' if k > 6 else ''}). With no more rows than parameters every outcome is fitted "
            "exactly. Use fewer regressors, or data with more rows."
        )
    factored, _, _, info = lapack.dgeqrf(X)
    assert info == 0
    R = np.triu(factored[:k])
    intercept = np.zeros(k, dtype=bool) if constant is None else constant
    flat = (spread == 0) & ~intercept  # a constant; without an intercept it may be the one, and is judged by its length
    reference = np.where(intercept, nobs, np.where(flat, (X**2).sum(axis=0), spread))
    weak = np.flatnonzero(R.diagonal() ** 2 < COLLINEAR * reference)
    if weak.size:
        raise _collinear(R, int(weak[0]), names)
    return np.asarray(R)


def _refuse_steady(X: Array, centred: Array, names: Sequence[str]) -> None:
    """Refuse a column that is constant, or of which rounding decides how it varies about the constant.

    No more rows than columns are refused as such, afterwards.
    """
    if len(X) <= X.shape[1]:
        return
    size, left = (np.sqrt(np.einsum("ij,ij->j", columns, columns) / len(X)) for columns in (X, centred))
    for j in map(int, np.flatnonzero(left <= STEADY * size)):
        if left[j] <= _ROUNDING * size[j]:
            raise _constant(names[j])
        raise IdentificationError(
            f"'{names[j]}' varies by {left[j]:.2g} around {size[j]:.2g}: so little beside the constant that rounding decides its "
            "effect. Subtract a constant from it, or measure it from another zero."
        )


def _constant(name: str) -> IdentificationError:
    return IdentificationError(
        f"'{name}' is constant in the estimation sample. A regressor without variation has no effect to estimate beside the "
        "constant: drop it, or check how the column was read."
    )


def _collinear(R: Array, position: int, names: Sequence[str]) -> IdentificationError:
    """Name the column and those of which it is a combination."""
    combination = solve_triangular(R[:position, :position], R[:position, position]) if position else np.empty(0)
    scale = np.sqrt((R[:, :position] ** 2).sum(axis=0))
    share = np.abs(combination) * scale
    partners = [names[int(i)] for i in np.flatnonzero(share > 1e-6 * max(float(share.max(initial=0.0)), 1e-300))]
    others = [name for name in partners if name != "the constant"] or partners
    if partners == ["the constant"] or not partners:
        return _constant(names[position])
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
