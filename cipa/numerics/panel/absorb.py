"""Sweeping out effects: the residuals of columns on sets of dummies, without forming the dummies.

One set of effects is a subtraction of group means. Two sets, one of which is small (years), are direct: the Schur complement of
the dummies' normal equations is solved. It is singular once for each connected component of the bipartite graph of levels; one
level of each component is the reference, and what is left is positive definite. Anything larger is a fixed point of alternating
projections, found by conjugate gradients.

Every result is verified: what is left of a column has no mean within any level (`SHARE`). Where that fails, what is left is swept
again, as in iterative refinement; where it still fails, `Absorbed.converged` is False and the model refuses.

Sources: Wansbeek, T. & Kapteyn, A. (1989). Journal of Econometrics, 41, 341-361 (two-way effects, unbalanced); Abowd, J., Creecy,
R. & Kramarz, F. (2002), Census TP-2002-06 (connected groups); Gaure, S. (2013). Computational Statistics & Data Analysis, 66,
8-18; Correia, S. (2017), reghdfe, section 3; Higham, N. (2002). Accuracy and Stability of Numerical Algorithms, ch. 12
(refinement).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.sparse import csr_array

from cipa.numerics.algebra.linalg import Array, BoolArray, IntArray, symmetric
from cipa.numerics.panel.span import Effect, components, dimension, group_sums

DIRECT_LEVELS = 600
"""Up to so many levels of the smaller of two effects, the dense Schur complement is cheaper than iterations."""

SHARE = 1e-10
"""Largest length of the means within the levels of an effect, relative to what is left of the column: three digits beyond
print.
"""

NOTHING = 1e-15
"""Length of what is left, relative to the column about its mean, that is rounding of a column which the effects explain fully."""

SWEEPS = 6
"""The first solution and its refinements; two are enough unless the levels are hardly connected."""

CG_TOLERANCE = 1e-13
"""Norm of the remaining adjustment, relative to the column: the levels' weak connections enlarge it, up to 1e3 in ordinary
panels.
"""

CG_MAX_ITERATIONS = 2000


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
        False where the rank is an upper bound (`span.dimension`).
    iterations : int
        0 for a direct solution.
    converged : bool
        Whether the means within levels vanish (`SHARE`).
    """

    values: Array
    rank: int
    exact_rank: bool = True
    iterations: int = 0
    converged: bool = True


Sweep = Callable[[Array], tuple[Array, int]]
"""From (n, k) columns to what is left of them, and the iterations it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leverage:
    """Diagonal (n,) of the hat matrix of the dummies, and whether its sum is the rank of the dummies."""

    values: Array
    verified: bool


def absorb(columns: Array, effects: Sequence[Effect], *, weights: Array | None = None, ranked: bool = True) -> Absorbed:
    """Residuals of (n, k) columns on the dummies of all effects, weighted.

    Parameters
    ----------
    columns : (n, k) array
    effects : sequence of Effect
        None of them leaves the columns as they are.
    weights : (n,) array, optional
        Positive weights of the rows.
    ranked : bool
        Whether the dimension of the effects is asked for; else it is given as 0.

    Returns
    -------
    Absorbed
        The residuals are not multiplied by the weights.
    """
    if not effects:
        return Absorbed(values=np.array(columns, order="F"), rank=0)
    values = np.asfortranarray(columns - columns.mean(axis=0))  # the constant is in the span; means far from 0 cost digits
    sweep, floor = _sweep(effects, weights), NOTHING**2 * _lengths(values, weights)
    iterations, loose = 0, np.ones(values.shape[1], dtype=bool)
    for _ in range(SWEEPS):
        values[:, loose], taken = sweep(values[:, loose])
        iterations += taken
        loose = ~_swept(values, effects, weights, floor=floor)
        if not loose.any():
            break
    rank, exact = dimension(effects) if ranked else (0, False)
    return Absorbed(values=values, rank=rank, exact_rank=exact, iterations=iterations, converged=not loose.any())


def effect_leverage(effects: Sequence[Effect], nobs: int, *, weights: Array | None = None) -> Leverage:
    """Diagonal of the hat matrix of at most two sets of dummies, the smaller one within DIRECT_LEVELS."""
    if not effects:
        return Leverage(values=np.zeros(nobs), verified=True)
    row_weights = np.ones(nobs) if weights is None else weights
    large, *rest = sorted(effects, key=lambda effect: -effect.levels)
    leverage = row_weights / group_sums(row_weights, large)[large.codes]
    rank, _ = dimension(effects)
    direct = TwoEffects.of(large, rest[0], weights) if rest else None
    if direct is not None:
        leverage = leverage + row_weights * direct.quadratic_form()
    return Leverage(values=leverage, verified=bool(abs(float(leverage.sum()) - rank) <= SHARE * nobs))


def _lengths(values: Array, weights: Array | None) -> Array:
    """Weighted sum of squares of (n, k) columns, (k,)."""
    return np.array([column @ (column if weights is None else column * weights) for column in values.T])


def _swept(values: Array, effects: Sequence[Effect], weights: Array | None, *, floor: Array) -> BoolArray:
    """Which (k,) columns have no means within levels any more: the length of the means is SHARE of the column's, or less.

    A column of which no more than `floor` (k,), a sum of squares, is left has nothing left.
    """
    done = np.empty(values.shape[1], dtype=bool)
    masses = [_mass(effect, weights) for effect in effects]
    for position in range(values.shape[1]):
        column = values[:, position]
        weighted = column if weights is None else column * weights
        length = weighted @ column
        worst = max(float((group_sums(weighted, effect) ** 2 / mass).sum()) for effect, mass in zip(effects, masses, strict=True))
        done[position] = worst <= SHARE**2 * length or length <= floor[position]
    return done


def _sweep(effects: Sequence[Effect], weights: Array | None) -> Sweep:
    """One solution of the normal equations of the dummies, by the road that the number of levels asks for."""
    if len(effects) == 1:
        return lambda columns: (_demeaned(columns, effects[0], weights), 0)
    large, small, *others = sorted(effects, key=lambda effect: -effect.levels)
    direct = TwoEffects.of(large, small, weights) if not others and small.levels <= DIRECT_LEVELS else None
    if direct is not None:
        return lambda columns: (direct.swept(columns), 0)
    return lambda columns: _alternating(columns, effects, weights)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoEffects:
    """The normal equations of two sets of dummies, the large one swept out of the small one.

    The Schur complement D2' M1 D2 is the Laplacian of a graph on the levels of the small effect: off the diagonal minus the
    weight a_ts = sum_i w_it w_is / m_i by which two levels are connected, on it the sum of its row. Written so, no digits cancel.

    Parameters
    ----------
    large, small : Effect
    weights : (n,) array or None
    shares : (large.levels, small.levels) sparse array
        Weight of each small level within each large one, over the large one's.
    kept : (q,) int array
        Levels of the small effect other than the reference of each component.
    factor : (q, q) array
        Lower Cholesky factor of the Laplacian of the kept levels, on its unit-diagonal scale.
    scale : (q,) array
        Square root of that diagonal.
    """

    large: Effect
    small: Effect
    weights: Array | None
    shares: csr_array
    kept: IntArray
    factor: Array
    scale: Array

    @classmethod
    def of(cls, large: Effect, small: Effect, weights: Array | None) -> TwoEffects | None:
        """None where the levels are connected so weakly that the factorisation breaks down."""
        row_weights = np.ones(len(large.codes)) if weights is None else weights
        cross = csr_array((row_weights, (large.codes, small.codes)), shape=(large.levels, small.levels))
        shares = cross.multiply(1 / group_sums(row_weights, large)[:, None]).tocsr()
        connection = symmetric((cross.T @ shares).toarray())
        np.fill_diagonal(connection, 0.0)
        _, labels = components(large, small)
        references = np.unique(labels[large.levels :], return_index=True)[1]
        kept = np.setdiff1d(np.arange(small.levels), references)
        laplacian = np.diag(connection.sum(axis=1)) - connection
        scale = np.sqrt(laplacian.diagonal()[kept])
        try:
            factor, _ = cho_factor(laplacian[np.ix_(kept, kept)] / np.outer(scale, scale), lower=True)
        except LinAlgError:
            return None
        return cls(large=large, small=small, weights=weights, shares=shares, kept=kept, factor=factor, scale=scale)

    def solved(self, right: Array) -> Array:
        """Effects (small.levels, k) that solve Laplacian @ effects = right, 0 at the references."""
        effects = np.zeros_like(right)
        scaled = right[self.kept] / self.scale[:, None]
        effects[self.kept] = cho_solve((self.factor, True), scaled) / self.scale[:, None]
        return effects

    def swept(self, columns: Array) -> Array:
        """What is left of (n, k) columns."""
        values = _demeaned(columns, self.large, self.weights)
        effects = self.solved(self.right_side(values))
        level = self.shares @ effects
        for position in range(columns.shape[1]):
            values[:, position] -= effects[self.small.codes, position] - level[self.large.codes, position]
        return values

    def right_side(self, demeaned: Array) -> Array:
        """Sums (small.levels, k) within the small effect of (n, k) columns that the large one is swept out of."""
        right = np.empty((self.small.levels, demeaned.shape[1]))
        for position in range(demeaned.shape[1]):
            column = demeaned[:, position]
            right[:, position] = group_sums(column if self.weights is None else column * self.weights, self.small)
        return right

    def small_effects(self, column: Array) -> Array:
        """Coefficients (small.levels,) of the small effect's dummies when an (n,) column is regressed on both; references 0."""
        effects: Array = self.solved(self.right_side(_demeaned(column[:, None], self.large, self.weights)))[:, 0]
        return effects

    def quadratic_form(self) -> Array:
        """The form (n,) of each row e_t - m_i of the swept dummies in the inverse Laplacian, expanded to stay (n,)-sized."""
        inverse = symmetric(self.solved(np.eye(self.small.levels)))
        cross = self.shares @ inverse
        square = self.shares.multiply(cross).sum(axis=1)
        form: Array = inverse.diagonal()[self.small.codes] - 2 * cross[self.large.codes, self.small.codes]
        total: Array = form + square[self.large.codes]
        return total


def _alternating(columns: Array, effects: Sequence[Effect], weights: Array | None) -> tuple[Array, int]:
    """Solve (I - T) z = (I - T) y by conjugate gradients, T the symmetric sweep; what is left is y - z."""
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
    return np.asfortranarray(columns - solution), iterations


def _ratio(numerator: Array, denominator: Array, *, active: BoolArray) -> Array:
    usable = active & (denominator > 0)
    return np.where(usable, numerator / np.where(usable, denominator, 1.0), 0.0)
