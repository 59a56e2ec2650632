"""What each method does to the columns before least squares.

- pooled: nothing.
- within: sweeps out entity effects, time effects, both, or further ones (`absorb`).
- between: means over the rows of each entity (or time).
- first_difference: x_t - x_{t-1} between adjacent periods; a gap is not differenced across.
- random and mundlak: quasi-demeaning by the estimated variance components (`cipa.models.panel.linear.random`).

Sources: Wooldridge, J. (2010). Econometric Analysis of Cross Section and Panel Data, ch. 10; Baltagi, B. (2021).
Econometric Analysis of Panel Data, ch. 2, 3 and 9; Mundlak, Y. (1978). Econometrica, 46, 69-85.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from cipa.data.panel import PanelKeys
from cipa.errors import ConvergenceError, DataError
from cipa.language.en import EN
from cipa.models.panel.common.design import Design
from cipa.models.panel.linear.least_squares import ABSORBED, refuse_absorbed
from cipa.numerics.algebra.linalg import Array, BoolArray, IntArray
from cipa.numerics.panel.absorb import DIRECT_LEVELS, Absorbed, absorb, effect_leverage
from cipa.numerics.panel.span import Effect, group_sums
from cipa.results.covariance import Rows
from cipa.results.fit import Notice
from cipa.terms import Term

CONSTANT = "the constant"

_FLAT = 1e-14  # range of an outcome over its size that is rounding
_FLAT_OUTCOME = "is constant in the estimation sample"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transformed:
    """The columns of the regression that a method runs.

    Parameters
    ----------
    y : (m,) array
    X : (m, k) array
        The intercept first, where there is one; the instrumented columns last.
    Z : (m, l) array
        Instruments.
    names : tuple of str, length k
    terms : tuple of Term, length k
    constant : (k,) bool array
    spread, instrument_spread : (k,), (l,) arrays
        Sum of squares of the columns about their mean, before the transformation.
    rows : Rows
    keys : PanelKeys
        Of the m rows.
    scale_y, scale_x : float and (k,) array
        Standard deviations for standardized estimates; NaN for the intercept.
    normal : bool
        Whether tests refer to the normal distribution.
    lag_factor : (m,) array or None
        Square roots of the weights, by which the columns are multiplied.
    theta : (m,) array or None
        The share of the mean that is taken off (random effects).
    components : mapping of str to float
        Variance components.
    source : (m,) int array or None
        The row of the estimation sample that each of the m rows stands for; None where they are the same.
    averaged : Effect or None
        Over whose levels the rows are means (between).
    notices : tuple of Notice
    """

    y: Array
    X: Array
    Z: Array
    names: tuple[str, ...]
    terms: tuple[Term, ...]
    constant: BoolArray
    spread: Array
    instrument_spread: Array
    rows: Rows
    keys: PanelKeys
    scale_y: float
    scale_x: Array
    normal: bool = False
    root_weights: Array | None = None
    theta: Array | None = None
    components: Mapping[str, float] = field(default_factory=dict)
    source: IntArray | None = None
    averaged: Effect | None = None
    notices: tuple[Notice, ...] = ()

    def leverage(self, bread: Array, design: Array) -> Array | None:
        """Diagonal (m,) of the hat matrix with all dummies, or None where it has no closed form."""
        effects = self.rows.effects
        if len(effects) > 2 or (len(effects) == 2 and min(effect.levels for effect in effects) > DIRECT_LEVELS):
            return None
        weights = None if self.root_weights is None else self.root_weights**2
        dummies = effect_leverage(effects, len(self.y), weights=weights)
        if not dummies.verified:
            return None
        total: Array = dummies.values + np.einsum("ij,jk,ik->i", design, bread, design)
        return total


def stacked(design: Design, *, intercept: bool) -> tuple[Array, Array, Array, tuple[str, ...], tuple[Term, ...]]:
    """The columns y (n,), X (n, k) with the intercept first, Z (n, l), and the names and terms of X."""
    names = tuple(design.names)
    terms = tuple(design.term(name) for name in names)
    if not intercept:
        return design.response, design.regressors, design.instruments, names, terms
    X = np.empty((design.nobs, len(names) + 1), order="F")
    X[:, 0] = 1.0
    X[:, 1:] = design.regressors
    return design.response, X, design.instruments, (CONSTANT, *names), (design.intercept_term, *terms)


def sum_of_squares(columns: Array) -> Array:
    """Sum of squares of (n, k) columns about their means, (k,)."""
    found = np.empty(columns.shape[1])
    for position in range(columns.shape[1]):
        column = columns[:, position]
        centred = column - column.mean()
        found[position] = centred @ centred
    # what rounding leaves of a constant column is not a spread
    largest = np.abs(columns).max(axis=0, initial=0.0) if len(columns) else np.zeros(columns.shape[1])
    return np.where(found <= len(columns) * (1e-14 * largest) ** 2, 0.0, found)


def pooled(design: Design) -> Transformed:
    """Columns as they are, weighted."""
    y, X, Z, names, terms = stacked(design, intercept=design.formula.intercept)
    root = None if design.weights is None else np.sqrt(design.weights)
    constant = np.array([name == CONSTANT for name in names], dtype=bool)
    spread, other = sum_of_squares(X), sum_of_squares(Z)
    scale_y, scale_x = deviations(y, X, constant)
    if root is not None:
        y, X, Z = y * root, X * root[:, None], Z * root[:, None]
    return Transformed(
        y=y, X=X, Z=Z, names=names, terms=terms, constant=constant, spread=spread, instrument_spread=other,
        rows=rows_of(design.keys, design.clusters), keys=design.keys, scale_y=scale_y, scale_x=scale_x, root_weights=root,
    )  # fmt: skip


def within(design: Design, effects: Sequence[str]) -> Transformed:
    """Effects swept out; the constant goes with them."""
    y, X, Z, names, terms = stacked(design, intercept=False)
    swept, words = effects_of(design, effects), words_of(design, effects)
    before = sum_of_squares(X)
    columns = np.empty((design.nobs, 1 + X.shape[1] + Z.shape[1]), order="F")
    columns[:, 0], columns[:, 1 : 1 + X.shape[1]], columns[:, 1 + X.shape[1] :] = y, X, Z
    found = absorb(columns, swept, weights=design.weights)
    refuse_unconverged(found, words)
    k = X.shape[1]
    ty, tX, tZ = found.values[:, 0], found.values[:, 1 : 1 + k], found.values[:, 1 + k :]
    refuse_absorbed(before, _squares(tX), names, effects=words)
    _refuse_no_outcome(design, float(sum_of_squares(y[:, None])[0]), float(ty @ ty), words)
    root = None if design.weights is None else np.sqrt(design.weights)
    none = np.zeros(k, dtype=bool)
    scale_y, scale_x = deviations(ty, tX, none)
    if root is not None:
        ty, tX, tZ = ty * root, tX * root[:, None], tZ * root[:, None]
    return Transformed(
        y=ty, X=tX, Z=tZ, names=names, terms=terms, constant=none, spread=before, instrument_spread=sum_of_squares(Z),
        rows=rows_of(design.keys, design.clusters, effects=swept, rank=found.rank), keys=design.keys,
        scale_y=scale_y, scale_x=scale_x, root_weights=root, notices=_rank_notice(found, swept),
    )  # fmt: skip


def between(design: Design, effects: Sequence[str]) -> Transformed:
    """Means over the rows of each entity (or time); one row for each, unweighted as in plm and Stata's `xtreg, be`."""
    y, X, Z, names, terms = stacked(design, intercept=design.formula.intercept)
    keys = design.keys
    by_time = tuple(effects) == ("time",)
    effect = Effect(codes=keys.times, levels=keys.n_times) if by_time else Effect(codes=keys.entities, levels=keys.n_entities)
    first = first_rows(effect)
    constant = np.array([name == CONSTANT for name in names], dtype=bool)
    means, other = group_means(X, effect), group_means(Z, effect)
    outcome = group_means(y[:, None], effect)[:, 0]
    scale_y, scale_x = deviations(outcome, means, constant)
    clusters = clusters_of_rows(design.clusters, source=first, averaged=effect)
    return Transformed(
        y=outcome, X=means, Z=other, names=names, terms=terms, constant=constant,
        spread=sum_of_squares(X), instrument_spread=sum_of_squares(Z),
        rows=_rows_of_means(keys.take(first), clusters, by_time=by_time), keys=keys.take(first), scale_y=scale_y, scale_x=scale_x,
        source=first, averaged=effect,
    )  # fmt: skip


def first_difference(design: Design) -> Transformed:
    """Differences between adjacent periods; the intercept is a common trend, as in plm.

    plm differences adjacent rows, whatever their years; the two agree where no entity has a gap.
    """
    y, X, Z, names, terms = stacked(design, intercept=False)
    earlier = design.keys.earlier_row(1)
    later = np.flatnonzero(earlier >= 0)
    if not later.size:
        raise DataError(
            f"{design.data.name}: no entity has two adjacent periods in the estimation sample. A first difference needs them:"
            ' check the time key, or use method="within".'
        )
    before = earlier[later]
    dy, dX, dZ = y[later] - y[before], X[later] - X[before], Z[later] - Z[before]
    spread = sum_of_squares(X)
    refuse_absorbed(spread, _squares(dX), names, effects="differences")
    constant = np.zeros(len(names), dtype=bool)
    scale_y, scale_x = deviations(dy, dX, constant)
    if design.formula.intercept:
        dX = np.asfortranarray(np.hstack([np.ones((len(later), 1)), dX]))
        names, terms = (CONSTANT, *names), (design.intercept_term, *terms)
        spread, scale_x = np.concatenate([[0.0], spread]), np.concatenate([[np.nan], scale_x])
        constant = np.concatenate([[True], constant])
    keys = design.keys.take(later)
    lost = design.nobs - len(later) - design.keys.n_entities
    notices = (_gap_notice(lost),) if lost > 0 else ()
    clusters = clusters_of_rows(design.clusters, source=later, averaged=None)
    return Transformed(
        y=dy, X=np.asfortranarray(dX), Z=dZ, names=names, terms=terms, constant=constant, spread=spread,
        instrument_spread=sum_of_squares(Z), rows=rows_of(keys, clusters), keys=keys,
        scale_y=scale_y, scale_x=scale_x, notices=notices, source=later,
    )  # fmt: skip


def effects_of(design: Design, effects: Sequence[str]) -> tuple[Effect, ...]:
    """The sets of effects, in the order entity, time, absorbed columns."""
    keys = design.keys
    found = []
    if "entity" in effects:
        found.append(Effect(codes=keys.entities, levels=keys.n_entities))
    if "time" in effects:
        found.append(Effect(codes=keys.times, levels=keys.n_times))
    found += [Effect(codes=codes, levels=int(codes.max()) + 1) for codes in design.absorbed.values()]
    return tuple(found)


def words_of(design: Design, effects: Sequence[str]) -> str:
    """The effects in words ("firm and year effects")."""
    keys = design.keys
    named = [{"entity": keys.entity, "time": keys.time}[effect] for effect in ("entity", "time") if effect in effects]
    return EN("effects", names=(*named, *design.absorbed))


def group_means(columns: Array, effect: Effect) -> Array:
    """Means (levels, k) of (n, k) columns."""
    counts = np.bincount(effect.codes, minlength=effect.levels)
    means = np.empty((effect.levels, columns.shape[1]), order="F")
    for position in range(columns.shape[1]):
        means[:, position] = group_sums(columns[:, position], effect) / counts
    return means


def first_rows(effect: Effect) -> IntArray:
    """The first row of each level, (levels,)."""
    return np.unique(effect.codes, return_index=True)[1]


def with_entity_means(design: Design) -> tuple[Array, tuple[str, ...]]:
    """The entity means (n, m) of the regressors that vary within entities, and their names "mean(x)"."""
    effect = Effect(codes=design.keys.entities, levels=design.keys.n_entities)
    total = sum_of_squares(design.regressors)
    means = group_means(design.regressors, effect)[effect.codes]
    inside = _squares(design.regressors - means)
    across = sum_of_squares(means)
    kept = np.flatnonzero((inside > ABSORBED * total) & (across > ABSORBED * total))
    return np.asfortranarray(means[:, kept]), tuple(f"mean({design.names[i]})" for i in kept)


def deviations(y: Array, X: Array, constant: BoolArray) -> tuple[float, Array]:
    """Standard deviations (divisor n - 1) of the outcome and the columns, NaN for the intercept."""
    count = max(len(y) - 1, 1)
    scale_y = float(np.sqrt(sum_of_squares(y[:, None])[0] / count))
    return scale_y, np.where(constant, np.nan, np.sqrt(sum_of_squares(X) / count))


def rows_of(keys: PanelKeys, clusters: Mapping[str, IntArray], *, effects: tuple[Effect, ...] = (), rank: int = 0) -> Rows:
    """What the sandwich needs to know about the rows."""
    return Rows(
        entities=keys.entities, periods=keys.periods, times=keys.times, span=keys.span if keys.named else 0,
        n_times=keys.n_times if keys.named else 0,
        clusters=clusters, effects=effects, effect_rank=rank,
    )  # fmt: skip


def _rows_of_means(keys: PanelKeys, clusters: Mapping[str, IntArray], *, by_time: bool) -> Rows:
    """Rows of means: those of entities have no time, those of times are the series of one entity."""
    rows = rows_of(keys, clusters)
    return replace(rows, entities=np.zeros_like(rows.entities)) if by_time else replace(rows, span=0, n_times=0)


def clusters_of_rows(
    clusters: Mapping[str, IntArray], *, source: IntArray | None, averaged: Effect | None
) -> dict[str, IntArray]:
    """The clusters of the rows that a method keeps or averages.

    Parameters
    ----------
    clusters : mapping of str to (n,) int array
        Of the estimation sample.
    source, averaged
        As in Transformed.
    """
    if source is None:
        return dict(clusters)
    if averaged is None:
        return {name: _recode(codes[source]) for name, codes in clusters.items()}
    return {name: _constant_within(codes, averaged, source, name) for name, codes in clusters.items()}


def _squares(columns: Array) -> Array:
    return np.array([column @ column for column in columns.T])


def _recode(codes: IntArray) -> IntArray:
    return np.unique(codes, return_inverse=True)[1].reshape(-1)


def _constant_within(codes: IntArray, effect: Effect, first: IntArray, name: str) -> IntArray:
    if not np.array_equal(codes[first][effect.codes], codes):
        raise DataError(
            f"method=\"between\" has one row for each entity, and the cluster column '{name}' changes within an entity. A mean"
            " then belongs to several clusters. Cluster by a column that is constant within entities."
        )
    return _recode(codes[first])


def refuse_unconverged(found: Absorbed, words: str) -> None:
    """Refuse columns that still have means within the levels of an effect."""
    if not found.converged:
        after = f" after {found.iterations} iterations" if found.iterations else ""
        raise ConvergenceError(
            f"Sweeping out the {words} left means within their levels that do not vanish{after}. The rows connect the effects too"
            " weakly to separate them, and every estimate would be off. Drop entities that are seen in one combination only, or "
            "one set of effects."
        )


def refuse_flat(values: Array, design: Design, *, after: str = "") -> None:
    """Refuse an outcome (m,) that is the same in every row, as it is or `after` what the method does to it."""
    if len(values) < 2 or np.ptp(values) > _FLAT * np.abs(values).max():
        return
    raise _unexplainable(design, f"is the same in every row {after}" if after else _FLAT_OUTCOME, "take another method")


def _refuse_no_outcome(design: Design, before: float, after: float, words: str) -> None:
    if after <= ABSORBED * before:
        why = _FLAT_OUTCOME if before == 0 else f"has no variation left after the {words} are swept out"
        raise _unexplainable(design, why, "use fewer effects")


def _unexplainable(design: Design, why: str, advice: str) -> DataError:
    return DataError(
        f"{design.data.name}: the outcome '{design.response_name}' {why}. There is nothing to explain. Check the column, or "
        f"{advice}."
    )


def _rank_notice(found: Absorbed, effects: Sequence[Effect]) -> tuple[Notice, ...]:
    if found.exact_rank:
        return ()
    return (Notice(code="effect_rank", values={"sets": len(effects), "rank": found.rank}),)


def _gap_notice(lost: int) -> Notice:
    return Notice(code="gaps_not_differenced", values={"rows": lost})
