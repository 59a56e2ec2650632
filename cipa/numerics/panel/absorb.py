"""Sweeping out effects: the residuals of columns on sets of dummies, without forming the dummies.

One set of effects is a subtraction of group means. Two sets, one of which is small (years), are exact: the Schur
complement of the dummies' normal equations is solved once. Anything larger is a fixed point of alternating
projections, found by conjugate gradients.

Sources: Wansbeek, T. & Kapteyn, A. (1989). Journal of Econometrics, 41, 341-361 (two-way effects, unbalanced);
Gaure, S. (2013). Computational Statistics & Data Analysis, 66, 8-18; Correia, S. (2017), reghdfe, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import pinvh
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from cipa.numerics.algebra.linalg import Array, BoolArray, IntArray, symmetric

DIRECT_LEVELS = 600
"""Up to so many levels of the smaller of two effects, the dense Schur complement is cheaper than iterations."""

CG_TOLERANCE = 1e-12
"""Norm of the remaining adjustment, relative to the column: three digits beyond what any estimate reports."""

CG_MAX_ITERATIONS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One set of effects.

    Parameters
    ----------
    codes : (n,) int array
        Level of each row, 0..levels-1; every level occurs.
    levels : int
    """

    codes: IntArray
    levels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Absorbed:
    """Columns after the effects are swept out.

    Parameters
    ----------
    values : (n, k) array
        Residuals, in Fortran order.
    rank : int
        Dimension of the space that the effects span, the constant included.
    exact_rank : bool
        False with more than two effects, where the rank is the upper bound sum(levels) - (effects - 1).
    iterations : int
        0 for a direct solution.
    converged : bool
    """

    values: Array
    rank: int
    exact_rank: bool = True
    iterations: int = 0
    converged: bool = True


def group_sums(column: Array, effect: Effect) -> Array:
    """Sum of an (n,) column within each level, (levels,)."""
    return np.bincount(effect.codes, weights=column, minlength=effect.levels)


def absorb(columns: Array, effects: Sequence[Effect], *, weights: Array | None = None) -> Absorbed:
    """Residuals of (n, k) columns on the dummies of all effects, weighted.

    Parameters
    ----------
    columns : (n, k) array
    effects : sequence of Effect
        None of them leaves the columns as they are.
    weights : (n,) array, optional
        Positive weights of the rows.

    Returns
    -------
    Absorbed
        The residuals are not multiplied by the weights.
    """
    if not effects:
        return Absorbed(values=np.array(columns, order="F"), rank=0)
    if len(effects) == 1:
        return Absorbed(values=_demeaned(columns, effects[0], weights), rank=effects[0].levels)
    large, small = sorted(effects[:2], key=lambda effect: -effect.levels)
    if len(effects) == 2 and small.levels <= DIRECT_LEVELS:
        return _two_effects(columns, large, small, weights)
    return _alternating(columns, effects, weights)


def effect_leverage(effects: Sequence[Effect], nobs: int, *, weights: Array | None = None) -> Array:
    """Diagonal (n,) of the hat matrix of at most two sets of dummies, the smaller one within DIRECT_LEVELS."""
    if not effects:
        return np.zeros(nobs)
    large, *rest = sorted(effects, key=lambda effect: -effect.levels)
    own = np.ones(nobs) if weights is None else weights
    mass = group_sums(own, large)
    leverage = own / mass[large.codes]
    if not rest:
        return leverage
    small = rest[0]
    shares = _cross(large, small, own).multiply(1 / mass[:, None]).toarray()
    inverse = pinvh(_schur(large, small, own))
    # row (i, t) of the swept dummies is e_t - m_i; its quadratic form is expanded to stay (n,)-sized
    cross = shares @ inverse
    own_part = np.einsum("it,it->i", cross, shares)
    quadratic = inverse.diagonal()[small.codes] - 2 * cross[large.codes, small.codes] + own_part[large.codes]
    total: Array = leverage + own * quadratic
    return total


def _demeaned(columns: Array, effect: Effect, weights: Array | None) -> Array:
    mass = _mass(effect, weights)
    values = np.empty(columns.shape, order="F")
    for position in range(columns.shape[1]):
        column = columns[:, position]
        sums = group_sums(column if weights is None else column * weights, effect)
        np.subtract(column, (sums / mass)[effect.codes], out=values[:, position])
    return values


def _mass(effect: Effect, weights: Array | None) -> Array:
    counts = np.bincount(effect.codes, weights=weights, minlength=effect.levels)
    return counts.astype(np.float64)


def _cross(large: Effect, small: Effect, weights: Array) -> csr_array:
    """Weight that a level of each effect shares with a level of the other, (large, small), sparse."""
    return csr_array((weights, (large.codes, small.codes)), shape=(large.levels, small.levels))


def _schur(large: Effect, small: Effect, weights: Array) -> Array:
    """D2' M1 D2, (small, small): the dummies of the small effect after the large one is swept out."""
    cross = _cross(large, small, weights)
    mass = group_sums(weights, large)
    scaled = cross.multiply(1 / mass[:, None])
    schur = np.diag(group_sums(weights, small)) - (cross.T @ scaled).toarray()
    return symmetric(schur)


def _two_effects(columns: Array, large: Effect, small: Effect, weights: Array | None) -> Absorbed:
    own = np.ones(len(columns)) if weights is None else weights
    schur = _schur(large, small, own)
    components = _components(schur)
    values = _demeaned(columns, large, weights)
    right = np.empty((small.levels, columns.shape[1]))
    for position in range(columns.shape[1]):
        column = values[:, position]
        right[:, position] = group_sums(column if weights is None else column * own, small)
    effects = pinvh(schur) @ right
    mass = group_sums(own, large)
    shares = _cross(large, small, own).multiply(1 / mass[:, None]).tocsr()
    for position in range(columns.shape[1]):
        level = shares @ effects[:, position]
        values[:, position] -= effects[small.codes, position] - level[large.codes]
    return Absorbed(values=values, rank=large.levels + small.levels - components)


def _components(schur: Array) -> int:
    """Number of groups of levels that no row connects; the Schur complement is zero between them."""
    connected = np.abs(schur) > 1e-10 * max(float(np.abs(schur).max()), 1e-300)
    count, _ = connected_components(csr_array(connected.astype(np.float64)), directed=False)
    return count


def _alternating(columns: Array, effects: Sequence[Effect], weights: Array | None) -> Absorbed:
    """Solve (I - T) z = (I - T) y by conjugate gradients, T the symmetric sweep; the residual is y - z."""
    order = [*effects, *effects[-2::-1]]  # forth and back, so that T is symmetric in the weighted inner product
    inner = np.ones(len(columns)) if weights is None else weights

    def adjusted(values: Array) -> Array:
        swept = values
        for effect in order:
            swept = _demeaned(swept, effect, weights)
        return values - swept

    residual = adjusted(columns)
    solution = np.zeros_like(residual, order="F")
    direction = residual.copy(order="F")
    norm = inner @ residual**2
    target = CG_TOLERANCE**2 * np.maximum(inner @ columns**2, 1e-300)
    iterations = 0
    while (norm > target).any() and iterations < CG_MAX_ITERATIONS:
        image = adjusted(direction)
        length = _ratio(norm, inner @ (direction * image), active=norm > target)
        solution += length * direction
        residual -= length * image
        following = inner @ residual**2
        direction = residual + _ratio(following, norm, active=norm > target) * direction
        norm, iterations = following, iterations + 1
    values = np.asfortranarray(columns - solution)
    rank = sum(effect.levels for effect in effects) - (len(effects) - 1)
    return Absorbed(
        values=values, rank=rank, exact_rank=False, iterations=iterations, converged=bool((norm <= target).all())
    )  # fmt: skip


def _ratio(numerator: Array, denominator: Array, *, active: BoolArray) -> Array:
    usable = active & (denominator > 0)
    return np.where(usable, numerator / np.where(usable, denominator, 1.0), 0.0)
