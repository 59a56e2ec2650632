"""Residual moments: where the model and the sample part, raw, as correlations, and over their standard errors.

    standardized   r / se,  cov(r) = Q G Q' / n,  Q = I - D (D'W D)^-1 D'W
    normalized     r / se of the sample moment alone (conservative)

G is the covariance of the sample moments, estimated by the inverse information of the unrestricted model or, for robust
errors, by its sandwich (for first-order errors, by the inverse outer product of its scores); W the information of the
moments at the fitted ones, of the kind that the standard errors use.

Sources: Bentler, P. M. (1995). EQS Structural Equations Program Manual; Ogasawara, H. (2001). Behaviormetrika, 28, 1-20;
Maydeu-Olivares, A. (2017). Structural Equation Modeling, 24, 383-394.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cipa.errors import one_of, public
from cipa.models.sem.steps.scaled import expected, h1_meat, kept_moments, moment_jacobian
from cipa.numerics.algebra.linalg import Array, IntArray
from cipa.numerics.moments.normal import Evaluation, evaluate, saturated_information
from cipa.results.display import ResultTable

if TYPE_CHECKING:
    from cipa.models.sem.fit import SEMFit

KINDS = {
    "raw": "sample less implied moments",
    "cor_bentler": "sample less implied correlations, each over the sample's standard deviations (Bentler)",
    "cor": "sample correlations less implied correlations (Bollen)",
    "normalized": "raw residuals over the standard errors of the sample moments",
    "standardized": "raw residuals over their own standard errors",
}
_NOTHING = 1e-10  # share of a sample moment's variance; below it a residual has no variance of its own


@public
def residuals(fit: SEMFit, *, kind: str = "cor_bentler") -> ResultTable:
    """Residual covariances (and means) of the observed variables.

    Parameters
    ----------
    fit : SEMFit
    kind : {"raw", "cor_bentler", "cor", "normalized", "standardized"}

    Returns
    -------
    ResultTable
        group, level, lhs, op ("~~" or "~1"), rhs, residual: lower triangle with diagonal, then means where they are modelled; for least
        squares the moments that were fitted, with thresholds ("|") and slopes on covariates ("~").
        Standardized residuals compare with a standard normal variable; one that has no variance of its own is 0. On two levels the
        residual mean of a variable that has both stands at the between level.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.SEM("f =~ x1 + x2 + x3 + x4").fit(ci.datasets.load("holzinger1939"))
    >>> ci.residuals(fit).to_frame().loc[1, ["lhs", "rhs"]].tolist(), round(ci.residuals(fit).columns["residual"][1], 3)
    (['x2', 'x1'], -0.034)
    """
    one_of(kind, KINDS, what="kind", where="ci.residuals")
    if kind in ("standardized", "normalized"):
        fit.require_one_level(f'ci.residuals(kind="{kind}")')
    rows: list[tuple[Any, ...]] = []
    for g, names in enumerate(block.observed for block in fit.layout.blocks):
        label = (None, fit.levels[g]) if fit.levels else (fit.block_labels[g], None)
        if not fit.by_likelihood:
            rows += [(*label, *row) for row in _of_least_squares(fit, g, kind)]
            continue
        cov, mean = _matrices(fit, g, kind)
        rows += [(*label, names[i], "~~", names[j], float(cov[i, j])) for i in range(len(names)) for j in range(i + 1)]
        if fit.layout.means:
            rows += [(*label, name, "~1", "", float(mean[i])) for i, name in enumerate(names)]
    columns = {head: tuple(row[k] for row in rows) for k, head in enumerate(("group", "level", "lhs", "op", "rhs", "residual"))}
    return ResultTable(title=f"Residuals: {KINDS[kind]}", columns=columns)


def _of_least_squares(fit: SEMFit, g: int, kind: str) -> list[tuple[str, str, str, float]]:
    """(lhs, op, rhs, residual) of the moments that were fitted: covariances, means, thresholds, slopes on covariates."""
    target, names = fit.objective.targets[g], fit.layout.blocks[g].observed
    part = fit.objective.part(fit.point, g)
    values = _in_units(target, part.m, kind)
    if kind in ("standardized", "normalized"):
        normal = fit.model.estimator_used == "gls"  # whose weight is the inverse of the normal-theory covariance
        acov = (np.linalg.inv(target.weight) if normal else target.gamma) / target.nobs
        own = acov.diagonal()
        if kind == "standardized":
            D = part.D @ fit.layout.K
            share = target.nobs / fit.nobs
            E = fit.layout.K.T @ fit.objective.information(fit.point) @ fit.layout.K
            Q = np.eye(len(D)) - share * D @ np.linalg.solve(E, D.T @ target.weight)
            acov = Q @ acov @ Q.T
        variance = acov.diagonal()
        values = np.where(variance > _NOTHING * own, values / np.sqrt(np.maximum(variance, 1e-300)), 0.0)
    th, mean, slope, cov = target.split(values)
    y, x = [names[j] for j in target.outcomes], [names[j] for j in target.covariates]
    numbers = [int((target.owner[:k] == target.owner[k]).sum()) + 1 for k in range(len(target.owner))]
    rows = [(names[i], "~~", names[j], float(value)) for i, j, value in zip(target.rows, target.cols, cov, strict=True)]
    rows += [(names[j], "~1", "", float(value)) for j, value in zip(target.means, mean, strict=True)]
    rows += [(names[j], "|", f"t{k}", float(value)) for j, k, value in zip(target.owner, numbers, th, strict=True)]
    return rows + [(y[i], "~", x[j], float(slope[i, j])) for i in range(len(y)) for j in range(len(x))]


def _in_units(target: Any, m: Array, kind: str) -> Array:
    """Sample less implied moments, raw or in the units of `kind`."""
    raw = target.s - m
    if kind not in ("cor", "cor_bentler"):
        return np.asarray(raw)
    th, mean, slope, cov = target.split(raw)
    sample, implied = target.split(target.s)[3], target.split(m)[3]
    own = target.rows == target.cols
    sd, sd_m = np.ones(int(target.outcomes.max()) + 1), np.ones(int(target.outcomes.max()) + 1)
    sd[target.rows[own]], sd_m[target.rows[own]] = np.sqrt(sample[own]), np.sqrt(implied[own])
    by = sd[target.rows] * sd[target.cols]
    cov = sample / by - implied / (sd_m[target.rows] * sd_m[target.cols]) if kind == "cor" else cov / by
    return np.concatenate([th, mean / sd[target.means], slope.ravel(), cov])


def _matrices(fit: SEMFit, g: int, kind: str) -> tuple[Array, Array]:
    here = fit.point.groups[g].moments
    (S, m), Sigma = fit.sample_moments(g), here.cov
    raw, mean = S - Sigma, m - (here.mean if fit.layout.means else m)
    sd, implied = np.sqrt(S.diagonal()), np.sqrt(Sigma.diagonal())
    if kind == "raw":
        return raw, mean
    if kind == "cor_bentler":
        return raw / np.outer(sd, sd), mean / sd
    if kind == "cor":
        return S / np.outer(sd, sd) - Sigma / np.outer(implied, implied), mean / sd
    variance = _variances(fit, g, standardized=kind == "standardized")
    p = len(S)
    rows, cols = np.tril_indices(p)
    spread = np.zeros((p, p))
    spread[rows, cols] = spread[cols, rows] = variance[: len(rows)]
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(spread > 0, raw / np.sqrt(spread), 0.0)
        z_mean = np.where(variance[len(rows) :] > 0, mean / np.sqrt(variance[len(rows) :]), 0.0)
    return z, z_mean


def _variances(fit: SEMFit, g: int, *, standardized: bool) -> Array:
    """Variances (p(p+1)/2 + p,) of the residual moments; zero where a moment is reproduced whatever the data."""
    block = fit.layout.blocks[g]
    keep = kept_moments(block.exogenous, len(block.observed), means=fit.layout.means)
    acov = _sampling_covariance(fit, g, keep)
    own = acov.diagonal().copy()
    if standardized:
        D, W = _jacobian_and_weight(fit, g)
        total = sum(_information(fit, h) for h in range(len(fit.sample.groups)))
        Q = np.eye(len(keep)) - fit.sample.groups[g].total / fit.nobs * D @ np.linalg.solve(np.asarray(total), D.T @ W)
        acov = Q @ acov @ Q.T
    variance = acov.diagonal()
    found_variances = np.zeros(len(block.observed) * (len(block.observed) + 3) // 2)
    found_variances[keep] = np.where(variance > _NOTHING * own, variance, 0.0)
    return found_variances


def _sampling_covariance(fit: SEMFit, g: int, keep: IntArray) -> Array:
    """Covariance (m, m) of a group's sample moments, by what the fit's standard errors rest on."""
    recipe, group = fit.model.recipe(fit.sample), fit.sample.groups[g]
    found = _evaluation(fit, g, group.saturated.cov, group.saturated.mean)
    meat = h1_meat(fit.sample, g, found, group.saturated.mean, keep) if recipe.se != "standard" else None
    if recipe.se == "first_order":
        return np.linalg.inv(np.asarray(meat))
    inverse = np.linalg.inv(saturated_information(found)[np.ix_(keep, keep)]) / group.total
    return np.asarray(inverse if meat is None else inverse @ meat @ inverse)


def _evaluation(fit: SEMFit, g: int, cov: Array, mean: Array) -> Evaluation:
    """The likelihood at moments; with Q at its expectation where the fit's information is expected."""
    found = evaluate(fit.sample.groups[g].patterns, cov, mean)
    assert found is not None
    return found if fit.model.recipe(fit.sample).information == "observed" else expected(found)


def _jacobian_and_weight(fit: SEMFit, g: int) -> tuple[Array, Array]:
    """D (m, q) and W (m, m) of a group at the fitted moments."""
    block, group, here = fit.layout.blocks[g], fit.sample.groups[g], fit.point.groups[g]
    keep = kept_moments(block.exogenous, len(block.observed), means=fit.layout.means)
    mean = here.moments.mean if fit.layout.means else group.saturated.mean
    found = _evaluation(fit, g, here.moments.cov, mean)
    if fit.model.recipe(fit.sample).se == "first_order":
        W = h1_meat(fit.sample, g, found, mean, keep) / group.total
    else:
        W = saturated_information(found)[np.ix_(keep, keep)]
    return moment_jacobian(fit.layout, fit.point, g)[keep], np.asarray(W)


def _information(fit: SEMFit, g: int) -> Array:
    """n_g / n D'W D of a group."""
    D, W = _jacobian_and_weight(fit, g)
    return np.asarray(fit.sample.groups[g].total / fit.nobs * D.T @ W @ D)
