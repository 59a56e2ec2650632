"""Residual moments of maximum likelihood, raw, as correlations, and over their standard errors.

    standardized   r / se,  cov(r) = Q G Q' / n,  Q = I - D (D'W D)^-1 D'W
    normalized     r / se of the sample moment alone (conservative)

G is the covariance of the sample moments, estimated by the inverse information of the unrestricted model or, for robust
errors, by its sandwich (for first-order errors, by the inverse outer product of its scores); W the information of the
moments at the fitted ones, of the kind that the standard errors use.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cipa.models.sem.fit import SEMFit
from cipa.models.sem.likelihood.objective import ends_of
from cipa.models.sem.likelihood.scaled import expected, h1_meat, kept_moments, moment_jacobian
from cipa.models.sem.steps.residuals import residual_rows
from cipa.numerics.algebra.linalg import Array, IntArray
from cipa.numerics.moments.normal import Evaluation, evaluate, saturated_information

_NOTHING = 1e-10  # share of a sample moment's variance; below it a residual has no variance of its own


def residuals(fit: SEMFit, g: int, kind: str) -> Iterator[tuple[str, str, str, float]]:
    """(lhs, op, rhs, residual) of a group."""
    group = fit.sample.groups[g]
    variances = _variances(fit, g, standardized=kind == "standardized") if kind in ("standardized", "normalized") else None
    return residual_rows(
        fit.layout.blocks[g].observed, (group.saturated.cov, group.saturated.mean), fit.point.blocks[g], kind,
        means=fit.layout.means,
        variances=variances,
    )  # fmt: skip


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
    recipe, group = fit.recipe, fit.sample.groups[g]
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
    return found if fit.recipe.information == "observed" else expected(found)


def _jacobian_and_weight(fit: SEMFit, g: int) -> tuple[Array, Array]:
    """D (m, q) and W (m, m) of a group at the fitted moments."""
    block, group, implied = fit.layout.blocks[g], fit.sample.groups[g], fit.point.blocks[g]
    keep = kept_moments(block.exogenous, len(block.observed), means=fit.layout.means)
    mean = implied.mean if fit.layout.means else group.saturated.mean
    found = _evaluation(fit, g, implied.cov, mean)
    if fit.recipe.se == "first_order":
        W = h1_meat(fit.sample, g, found, mean, keep) / group.total
    else:
        W = saturated_information(found)[np.ix_(keep, keep)]
    return moment_jacobian(fit.layout, ends_of(fit)[1], g)[keep], np.asarray(W)


def _information(fit: SEMFit, g: int) -> Array:
    """n_g / n D'W D of a group."""
    D, W = _jacobian_and_weight(fit, g)
    return np.asarray(fit.sample.groups[g].total / fit.nobs * D.T @ W @ D)
