"""Random effects: variance components after Swamy and Arora, and quasi-demeaning.

    y_it = x_it'b + mu_i + e_it,      theta_i = 1 - sqrt(sigma_e^2 / (sigma_e^2 + T_i sigma_u^2))

Two conventions exist for unbalanced panels, and they differ (by per cent in the coefficients):

- "swar", as plm: the between sum of squares weights each entity by T_i, and its expectation is matched exactly
  (Baltagi & Chang 1994, eq. 12): sigma_u^2 = (RSS_B - (N - K) sigma_e^2) / (n - tr((X_B'X_B)^-1 X_B' J X_B)).
- "swar_stata", as Stata's `xtreg, re`: unweighted means and the harmonic mean of T_i,
  sigma_u^2 = RSS_b / (N - K) - sigma_e^2 / T_h.

Both are the textbook estimator when the panel is balanced. Sources: Swamy, P. & Arora, S. (1972). Econometrica, 40,
261-275; Baltagi, B. & Chang, Y.-J. (1994). Journal of Econometrics, 62, 67-89; Baltagi (2021), ch. 2.3, 3.3, 9.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr

from cipa.errors import IdentificationError, SpecificationError
from cipa.models.panel.common.design import Design
from cipa.models.panel.linear.least_squares import ABSORBED
from cipa.models.panel.linear.transform import (
    CONSTANT,
    Transformed,
    deviations,
    group_means,
    refuse_unconverged,
    rows_of,
    stacked,
    sum_of_squares,
    with_entity_means,
)
from cipa.numerics.algebra.linalg import Array, BoolArray
from cipa.numerics.panel.absorb import absorb
from cipa.numerics.panel.span import Effect
from cipa.results.fit import Notice

_RANK = 1e-7
"""A diagonal of R below this share of the column's length marks a column the auxiliary regressions can do without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Auxiliary:
    """A regression of which only the sum of squares is used.

    Parameters
    ----------
    rss : float
    rank : int
    basis : (n, rank) array
        Orthonormal basis of the columns.
    """

    rss: float
    rank: int
    basis: Array


def random_effects(design: Design, effects: Sequence[str], *, method: str, mundlak: bool = False) -> Transformed:
    """Quasi-demeaned columns.

    Parameters
    ----------
    design : Design
    effects : sequence of {"entity", "time"}
        Both at once need a balanced panel.
    method : {"swar", "swar_stata"}
    mundlak : bool
        Add the entity means of the regressors that vary within entities (Mundlak 1978).
    """
    y, X, Z, names, terms = stacked(design, intercept=design.formula.intercept)
    if mundlak:
        means, labels = with_entity_means(design)
        X = np.asfortranarray(np.hstack([X, means]))
        names, terms = (*names, *labels), (*terms, *(design.term(label) for label in labels))
    keys = design.keys
    constant = np.array([name == CONSTANT for name in names], dtype=bool)
    spread = sum_of_squares(X)
    if set(effects) == {"entity", "time"}:
        ty, tX, theta, components = _two_way(design, y, X, _about_means(X, constant), method=method)
    else:
        effect = _effect(design, effects)
        components = one_way_components(y, _about_means(X, constant), effect, method=method)
        theta = theta_of(effect, components["sigma2_u"], components["sigma2_e"])
        ty, tX = quasi_demeaned(y[:, None], effect, theta)[:, 0], quasi_demeaned(X, effect, theta)
        theta = theta[effect.codes]
    scale_y, scale_x = deviations(y, X, constant)
    return Transformed(
        y=ty, X=tX, Z=Z, names=names, terms=terms, constant=constant, spread=spread, instrument_spread=sum_of_squares(Z),
        rows=rows_of(keys, design.clusters), keys=keys, scale_y=scale_y, scale_x=scale_x, normal=True, theta=theta,
        components=components, notices=_zero_notice(components),
    )  # fmt: skip


def _about_means(X: Array, constant: BoolArray) -> Array:
    """The columns (n, k) about their means, where a constant takes these: far from 0 they would cost digits."""
    return X - np.where(constant, 0.0, X.mean(axis=0)) if constant.any() else X


def one_way_components(y: Array, X: Array, effect: Effect, *, method: str) -> dict[str, float]:
    """Variance components of one set of random effects: sigma2_e and sigma2_u, not below 0.

    Parameters
    ----------
    y : (n,) array
    X : (n, k) array
        With the constant.
    effect : Effect
    method : {"swar", "swar_stata"}
    """
    nobs, groups = len(y), effect.levels
    inside = _within_regression(y, X, (effect,))
    df = nobs - groups - inside.rank
    if df <= 0:
        raise _too_small("within", nobs, groups + inside.rank)
    sigma2_e = inside.rss / df
    size = np.bincount(effect.codes, minlength=groups).astype(np.float64)
    means = group_means(np.column_stack([y, X]), effect)
    root = np.sqrt(size) if method == "swar" else np.ones(groups)
    across = auxiliary(means[:, 0] * root, means[:, 1:] * root[:, None])
    if groups <= across.rank:
        raise _too_small("between", groups, across.rank)
    if method == "swar":
        trace = float((size[:, None] * across.basis**2).sum())
        raw = (across.rss - (groups - across.rank) * sigma2_e) / (nobs - trace)
    else:
        raw = across.rss / (groups - across.rank) - sigma2_e * float((1 / size).mean())
    return {"sigma2_e": sigma2_e, "sigma2_u": max(raw, 0.0), "raw_u": raw}


def theta_of(effect: Effect, sigma2_u: float, sigma2_e: float) -> Array:
    """The share of the mean that is taken off, theta (levels,)."""
    size = np.bincount(effect.codes, minlength=effect.levels)
    return np.asarray(1 - np.sqrt(sigma2_e / (sigma2_e + size * sigma2_u)))


def quasi_demeaned(columns: Array, effect: Effect, theta: Array) -> Array:
    """Columns (n, k) less theta (levels,) times their group means."""
    means = theta[:, None] * group_means(columns, effect)
    found = np.empty(columns.shape, order="F")
    for position in range(columns.shape[1]):
        np.subtract(columns[:, position], means[effect.codes, position], out=found[:, position])
    return found


def auxiliary(y: Array, X: Array) -> Auxiliary:
    """Residual sum of squares of y (n,) on X (n, k), with columns that add nothing left out (pivoted QR)."""
    length = np.sqrt((X**2).sum(axis=0))
    used = X[:, length > 0] / length[length > 0]
    if not used.shape[1]:
        return Auxiliary(rss=float(y @ y), rank=0, basis=np.empty((len(y), 0)))
    Q, R, _ = qr(used, mode="economic", pivoting=True)
    rank = int((np.abs(np.diagonal(R)) > _RANK).sum())
    basis = Q[:, :rank]
    residual = y - basis @ (basis.T @ y)
    residual = residual - basis @ (basis.T @ residual)
    return Auxiliary(rss=float(residual @ residual), rank=rank, basis=basis)


def _within_regression(y: Array, X: Array, effects: tuple[Effect, ...]) -> Auxiliary:
    found = absorb(np.column_stack([y, X]), effects)
    refuse_unconverged(found, "effects")
    swept = found.values
    before = sum_of_squares(X)
    moving = (swept[:, 1:] ** 2).sum(axis=0) > np.maximum(ABSORBED * before, 0.0)
    return auxiliary(swept[:, 0], swept[:, 1:][:, moving & (before > 0)])


def _effect(design: Design, effects: Sequence[str]) -> Effect:
    keys = design.keys
    if tuple(effects) == ("time",):
        return Effect(codes=keys.times, levels=keys.n_times)
    return Effect(codes=keys.entities, levels=keys.n_entities)


def _two_way(design: Design, y: Array, X: Array, about: Array, *, method: str) -> tuple[Array, Array, Array, dict[str, float]]:
    """Balanced two-way components and transformation (Baltagi 2021, ch. 3.3): sigma_1^2 = sigma_e^2 + T sigma_u^2."""
    keys = design.keys
    if not keys.balanced or method != "swar":
        raise SpecificationError(
            'ci.Panel: two-way random effects are derived here for balanced panels with random_method="swar" only, and this panel'
            f' {"is not balanced" if not keys.balanced else "asks for " + method}. Use effects=("entity",) with i({keys.time}) '
            "in the formula, which is the usual choice for short panels."
        )
    entity = Effect(codes=keys.entities, levels=keys.n_entities)
    time = Effect(codes=keys.times, levels=keys.n_times)
    N, T = keys.n_entities, keys.n_times
    inside = _within_regression(y, about, (entity, time))
    df = (N - 1) * (T - 1) - inside.rank
    if df <= 0:
        raise _too_small("within", (N - 1) * (T - 1), inside.rank)
    sigma2_e = inside.rss / df
    sigma2_1, sigma2_2 = (_between_variance(y, about, effect) for effect in (entity, time))
    raw_u, raw_t = (sigma2_1 - sigma2_e) / T, (sigma2_2 - sigma2_e) / N
    sigma2_u, sigma2_t = max(raw_u, 0.0), max(raw_t, 0.0)
    theta_u = 1 - np.sqrt(sigma2_e / (sigma2_e + T * sigma2_u))
    theta_t = 1 - np.sqrt(sigma2_e / (sigma2_e + N * sigma2_t))
    both = theta_u + theta_t + np.sqrt(sigma2_e / (sigma2_e + T * sigma2_u + N * sigma2_t)) - 1
    columns = np.column_stack([y, X])
    entity_means, time_means = group_means(columns, entity), group_means(columns, time)
    found = columns - theta_u * entity_means[keys.entities] - theta_t * time_means[keys.times] + both * columns.mean(axis=0)
    components = {"sigma2_e": sigma2_e, "sigma2_u": sigma2_u, "raw_u": raw_u, "sigma2_time": sigma2_t, "theta_time": theta_t}
    return found[:, 0], np.asfortranarray(found[:, 1:]), np.full(len(y), theta_u), components


def _between_variance(y: Array, X: Array, effect: Effect) -> float:
    """Mean square of the regression on means, times the rows in each mean."""
    means = group_means(np.column_stack([y, X]), effect)
    across = auxiliary(means[:, 0], means[:, 1:])
    if effect.levels <= across.rank:
        raise _too_small("between", effect.levels, across.rank)
    return len(y) / effect.levels * across.rss / (effect.levels - across.rank)


def _too_small(which: str, rows: int, parameters: int) -> IdentificationError:
    return IdentificationError(
        f"The variance components need the {which} regression, and it has {rows} rows for {parameters} parameters. Use fewer"
        ' regressors, or method="within", which needs no variance components.'
    )


def _zero_notice(components: dict[str, float]) -> tuple[Notice, ...]:
    if components["raw_u"] > 0:
        return ()
    return (Notice(code="zero_variance_component", values={"estimate": components["raw_u"]}, severity="warning"),)
