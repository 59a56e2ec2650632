"""Residual moments of least squares: of the moments that were fitted, thresholds and slopes on covariates too."""

from __future__ import annotations

import numpy as np

from cipa.models.sem.fit import SEMFit
from cipa.models.sem.weighted.objective import ends_of
from cipa.models.sem.weighted.target import Target
from cipa.numerics.algebra.linalg import Array

_NOTHING = 1e-10  # share of a sample moment's variance; below it a residual has no variance of its own


def residuals(fit: SEMFit, g: int, kind: str) -> list[tuple[str, str, str, float]]:
    """(lhs, op, rhs, residual) of the moments that were fitted: covariances, means, thresholds, slopes on covariates."""
    objective, point = ends_of(fit)
    target, names, part = objective.targets[g], fit.layout.blocks[g].observed, point.parts[g]
    values = _in_units(target, part.m, kind)
    if kind in ("standardized", "normalized"):
        normal = fit.model.estimator_used == "gls"  # whose weight is the inverse of the normal-theory covariance
        acov = (np.linalg.inv(target.weight) if normal else target.gamma) / target.nobs
        own = acov.diagonal()
        if kind == "standardized":
            D = part.D @ fit.layout.K
            share = target.nobs / fit.nobs
            E = fit.layout.K.T @ objective.information(point, observed=False) @ fit.layout.K
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


def _in_units(target: Target, m: Array, kind: str) -> Array:
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
