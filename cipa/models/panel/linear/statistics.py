"""What is said about a linear panel model beside its estimates: shares of variance explained, components, the joint test.

Programs mean different numbers by "R²"; here each has a name (docs/panel.md has the table):

    r2              1 - RSS / TSS, the effects counted as explained        fixest `r2`, linearmodels `rsquared_inclusive`, reghdfe
    R² r2_within       1 - RSS / TSS after all effects are swept out          fixest `wr2`, linearmodels `rsquared`, plm
    r2_within_entity, r2_between, r2_overall
                    squared correlation of the outcome and the index       Stata `xtreg` within, between, overall
                    X b + (effects other than the entity's), demeaned by
                    entity, averaged by entity, as it is

The index holds the effects of time, so that effects=("entity", "time") and i(time) in the formula give the same three numbers. A
method that sweeps out nothing has the last three only, the first of them under the name r2_within; its r2 is that of the
regression that is run (of the quasi-demeaned outcome for random effects, as plm). Weights weigh every sum.

Sources: Stata Longitudinal-Data/Panel-Data Reference Manual, xtreg, Methods and formulas; Bergé, L. (2018), fixest::r2;
Wooldridge, J. (2010). Econometric Analysis of Cross Section and Panel Data, section 10.5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import chdtrc, fdtrc

from cipa.data.panel import PanelKeys
from cipa.language.en import EN
from cipa.models.panel.common.design import Design
from cipa.models.panel.linear.least_squares import Solution
from cipa.models.panel.linear.transform import CONSTANT, Transformed, effects_of, with_entity_means, words_of
from cipa.numerics.algebra.linalg import Array, unit_diagonal
from cipa.numerics.panel.levels import LevelEffects, level_effects
from cipa.numerics.panel.span import Effect, group_sums
from cipa.results.statistics import Statistic, Statistics


def statistics_of(
    model: Any, design: Design, found: Transformed, solution: Solution, *, matrix: Array, df: float | Array, df_resid: int
) -> Statistics:
    """The statistics of a fit.

    Parameters
    ----------
    model : Panel
    design, found, solution : Design, Transformed, Solution
        The estimation sample, the regression that was run, and its solution.
    matrix : (k, k) array
        Covariance of the estimates, for the joint test.
    df : float or (k,) array
        Degrees of freedom of its t distribution; infinity for the normal. With one for each estimate there is no joint F test.
    df_resid : int
    """
    rss = float(solution.residuals @ solution.residuals)
    swept = model.method == "within"
    shares = _swept_shares(model, design, found, rss, df_resid) if swept else _plain_shares(found, solution, df_resid)
    rows = [
        Statistic(name="nobs", value=float(len(solution.residuals)), label=EN("label.nobs")),
        *_sizes(design.keys),
        *shares,
        *(_correlations(model, design, found, solution) if design.keys.named else ()),
        Statistic(name="sigma", value=float(np.sqrt(rss / df_resid)), label=EN("label.sigma")),
        *_components(found),
        *(_joint_test(found, solution.params, matrix, float(df)) if np.ndim(df) == 0 else ()),
    ]
    return Statistics(tuple(rows))


def _sizes(keys: PanelKeys) -> list[Statistic]:
    if not keys.named:
        return []
    return [
        Statistic(name="entities", value=float(keys.n_entities), label=EN("label.entities", column=keys.entity)),
        Statistic(name="times", value=float(keys.n_times), label=EN("label.times", column=keys.time)),
    ]


def log_likelihood(method: str, design: Design, found: Transformed, solution: Solution) -> float:
    """Normal log-likelihood at the estimates and the variance RSS/n.

    A weight divides a row's variance. NaN where there is none.
    """
    if method not in ("pooled", "within") or design.endogenous:
        return float("nan")
    nobs, rss = len(found.y), float(solution.residuals @ solution.residuals)
    if not rss:
        return float("nan")  # every row is fitted exactly, and the likelihood has no maximum
    weighing = 0.0 if design.weights is None else float(np.log(design.weights).sum()) / 2
    return -nobs / 2 * float(np.log(2 * np.pi * rss / nobs) + 1) + weighing


def explained_by_effects(design: Design, found: Transformed, solution: Solution) -> Array:
    """What the swept effects explain together, (n,): the outcome less X b less the residual."""
    root = 1.0 if found.root_weights is None else found.root_weights
    total: Array = design.response - design.regressors @ solution.params - solution.residuals / root
    return total


def swept_levels(model: Any, design: Design, found: Transformed, solution: Solution) -> LevelEffects:
    """The effects of a within regression by level."""
    return level_effects(explained_by_effects(design, found, solution), effects_of(design, model.effects))


def _swept_shares(model: Any, design: Design, found: Transformed, rss: float, df_resid: int) -> list[Statistic]:
    """R² with the effects and R² net of them, each adjusted for the parameters it counts (fixest)."""
    nobs, k = found.X.shape
    weights = np.ones(nobs) if design.weights is None else design.weights
    tss = _about_mean(design.response, weights)
    inside = float(found.y @ found.y)
    words = words_of(design, model.effects)
    adjusted = 1 - rss / tss * (nobs - 1) / df_resid
    adjusted_within = 1 - rss / inside * (df_resid + k) / df_resid
    return [
        Statistic(name="r2", value=1 - rss / tss, label=EN("label.r2.included", effects=words)),
        Statistic(name="r2_adj", value=adjusted, label=EN("label.r2_adj.included", effects=words)),
        Statistic(name="r2_within", value=1 - rss / inside, label=EN("label.r2_within", effects=words)),
        Statistic(name="r2_within_adj", value=adjusted_within, label=EN("label.r2_within_adj", effects=words)),
    ]


def _plain_shares(found: Transformed, solution: Solution, df_resid: int) -> list[Statistic]:
    """R² of the regression that was run, about the mean where it has an intercept; adjusted for its own parameters.

    Quasi-demeaning an unbalanced panel leaves no constant column; then R² is the squared correlation of outcome and fit, as in
    plm.
    """
    nobs, centred = len(found.y), bool(found.constant.any())
    weights = np.ones(nobs) if found.root_weights is None else found.root_weights**2
    outcome = found.y if found.root_weights is None else found.y / found.root_weights
    tss = _about_mean(outcome, weights) if centred else float(found.y @ found.y)
    r2 = 1 - float(solution.residuals @ solution.residuals) / tss
    if found.theta is not None:
        r2 = _squared_correlation(found.y, found.y - solution.residuals, weights)
    adjusted = 1 - (1 - r2) * (nobs - centred) / df_resid
    quasi = found.theta is not None
    return [
        Statistic(name="r2", value=r2, label=EN("label.r2.quasi" if quasi else "label.r2")),
        Statistic(name="r2_adj", value=adjusted, label=EN("label.r2_adj.quasi" if quasi else "label.r2_adj")),
    ]


def _correlations(model: Any, design: Design, found: Transformed, solution: Solution) -> list[Statistic]:
    """Squared correlations of outcome and index within entities, between them and overall (Stata `xtreg`)."""
    index = _index(model, design, found, solution)
    entity = Effect(codes=design.keys.entities, levels=design.keys.n_entities)
    weights = np.ones(design.nobs) if design.weights is None else design.weights
    mass = group_sums(weights, entity)
    y_mean, index_mean = (group_sums(weights * column, entity) / mass for column in (design.response, index))
    y_inside, index_inside = design.response - y_mean[entity.codes], index - index_mean[entity.codes]
    firm = design.keys.entity
    within = Statistic(
        name="r2_within_entity" if model.method == "within" else "r2_within",
        value=_squared_correlation(y_inside, index_inside, weights), label=EN("label.r2_within.correlation", column=firm),
    )  # fmt: skip
    between = _squared_correlation(y_mean, index_mean, np.ones(len(mass)))
    overall = _squared_correlation(design.response, index, weights)
    across = [
        Statistic(name="r2_between", value=between, label=EN("label.r2_between", column=firm)),
        Statistic(name="r2_overall", value=overall, label=EN("label.r2_overall")),
    ]
    return across if model.method == "within" and tuple(model.effects) == ("entity",) and not model.absorb else [within, *across]


def linear_index(model: Any, design: Design, found: Transformed, params: Array) -> Array:
    """X b (n,) on the outcome's scale, with the constant and the means of a Mundlak model."""
    slopes = dict(zip(found.names, params, strict=True))
    index = design.regressors @ np.array([slopes[name] for name in design.names]) + slopes.get(CONSTANT, 0.0)
    if model.method == "mundlak":
        means, labels = with_entity_means(design)
        index = index + means @ np.array([slopes[label] for label in labels])
    return np.asarray(index)


def _index(model: Any, design: Design, found: Transformed, solution: Solution) -> Array:
    """X b (n,) with the effects other than the entity's."""
    index = linear_index(model, design, found, solution.params)
    if model.method != "within" or (tuple(model.effects) == ("entity",) and not model.absorb):
        return index
    index = index + explained_by_effects(design, found, solution)
    if "entity" in model.effects:
        levels = swept_levels(model, design, found, solution)
        index = index - levels.values[0][design.keys.entities] if levels.verified else np.full(design.nobs, np.nan)
    return np.asarray(index)


def _about_mean(column: Array, weights: Array) -> float:
    """Weighted sum of squares of an (n,) column about its weighted mean."""
    centred = column - weights @ column / weights.sum()
    return float(weights @ centred**2)


def _squared_correlation(first: Array, second: Array, weights: Array) -> float:
    """Weighted squared correlation of two (n,) columns; NaN where one of them is constant up to rounding."""
    a, b = (column - weights @ column / weights.sum() for column in (first, second))
    squares = [float(weights @ column**2) for column in (a, b)]
    floor = [float(np.abs(column).max(initial=0.0)) ** 2 * float(weights.sum()) * 1e-24 for column in (first, second)]
    if not (squares[0] > floor[0] and squares[1] > floor[1]):
        return float("nan")
    lengths = np.sqrt(squares)  # one after the other, as their product can be too small for a computer
    return float((weights * a) @ b / lengths[0] / lengths[1]) ** 2


def _components(found: Transformed) -> list[Statistic]:
    parts = found.components
    if not parts:
        return []
    u, e = parts["sigma2_u"], parts["sigma2_e"]
    rows = [
        Statistic(name="sigma_u", value=float(np.sqrt(u)), label=EN("label.sigma_u")),
        Statistic(name="sigma_e", value=float(np.sqrt(e)), label=EN("label.sigma_e")),
        Statistic(name="rho", value=u / (u + e), label=EN("label.rho")),
    ]
    if found.theta is not None:
        rows.append(Statistic(name="theta", value=float(np.median(found.theta)), label=EN("label.theta")))
    return rows


def _joint_test(found: Transformed, params: Array, matrix: Array, df: float) -> list[Statistic]:
    """Wald test that every slope is zero, with the covariance that the fit reports."""
    slopes = np.flatnonzero(~found.constant)
    block, scale = unit_diagonal(matrix[np.ix_(slopes, slopes)])
    q = int(np.linalg.matrix_rank(block, hermitian=True)) if slopes.size else 0
    if q < slopes.size or not q:
        return []
    scaled = params[slopes] / scale
    wald = float(scaled @ np.linalg.solve(block, scaled))
    if np.isfinite(df):
        row = Statistic(
            name="f", value=wald / q, df=float(q), df_denominator=df, p_value=float(fdtrc(q, df, wald / q)), reference="F",
            label=EN("label.f_slopes"),
        )  # fmt: skip
        return [row]
    row = Statistic(
        name="wald", value=wald, df=float(q), p_value=float(chdtrc(q, wald)), reference="chi2", label=EN("label.wald_slopes")
    )
    return [row]
