"""Variances of the residual moments of a two-level fit, and which residuals have none of their own.

    r = b - b(theta),    cov(r) = Q G Q',    Q = I - D (D'W D)^-1 D'W

b are the unrestricted vech Sigma_W, vech Sigma_B and mu without those of held exogenous variables, D the derivatives of b(theta),
G the covariance of the unrestricted estimates (inverse information, or its sandwich with the scores of clusters) and W the
information of b. With complete cases both informations are expected ones, W at the fitted moments: the observed one differs from
it by the deviations of the data, which with 40 clusters is enough to spoil Q. With missing values the expected information would
need the law of what is missing; there both are observed, at the unrestricted moments.

The formula is of first order. It says nothing of a residual that to first order is not there, and two quantities find these:

    own      (W Q)_ii = 0: a free parameter moves this moment and no other, so that freeing it would not change the fit
    moved    the variance of (q_i - q_i*)'b, q_i* being row i of Q with the observed information at the unrestricted covariance
             matrices and the fitted means: under the model both rows are the same to first order, and this is of second

A residual of which the variance (by W) is below a hundredth of the moment's has no standard error if the moment is its own, or
if `moved` is more than a quarter of its variance: it echoes the residuals of other moments, or is noise of second order.

Sources: Bentler, P. M. (1995). EQS Structural Equations Program Manual; Maydeu-Olivares, A. (2017). Structural Equation
Modeling, 24, 383-394 (one level); Lee, S.-Y. (1990). Biometrika, 77, 763-772 (the unrestricted two-level model).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag, solve_triangular

from cipa.errors import InferenceError
from cipa.models.sem.cases.sample import Levels
from cipa.models.sem.declare.layout import levels_of_group
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.steps.covariance import scaled_inverse
from cipa.models.sem.twolevel.objective import ends_of
from cipa.numerics.algebra.linalg import Array, BoolArray, IntArray, cholesky_or_none
from cipa.numerics.moments import ram
from cipa.numerics.twolevel import kernel
from cipa.numerics.twolevel.incomplete import IncompleteClusters
from cipa.numerics.twolevel.kernel import Found

_SMALL = 0.01  # share of a moment's variance, below which it is asked whether the residual is there to first order
_OWN = 1e-10  # share of (W)_ii, below which (W Q)_ii is 0
_SECOND = 0.25  # share of a residual's variance, above which what the second order contributes is too much
_ROUNDING = 1e-10  # share of a moment's variance, below which that of its residual is rounding
_RANK = 1e-8  # share of the length of a column of L'D, below which the others span it


def residual_variances(fit: SEMFit, keep: Sequence[IntArray]) -> list[Array]:
    """Variances (m,) of the residuals of each group's unrestricted moments `keep`; NaN for one not there to first order."""
    cov, there = residual_covariance(fit, keep)
    return np.split(np.where(there, cov.diagonal(), np.nan), np.cumsum([len(own) for own in keep])[:-1])


def residual_covariance(fit: SEMFit, keep: Sequence[IntArray]) -> tuple[Array, BoolArray]:
    """Q G Q' (m, m) of the residuals of all groups' unrestricted moments `keep`, and which are there to first order (m,).

    Moments of different groups are independent; parameters that groups share make their residuals depend on each other.
    """
    observed = [
        isinstance(one.clusters, IncompleteClusters) and fit.recipe.information == "observed" for one in fit.sample.levels
    ]
    parts = [_parts(fit, g, own, observed=observed[g]) for g, own in enumerate(keep)]
    A, W, other, G = (block_diag(*blocks) for blocks in zip(*parts, strict=True))
    unit = 1 / np.sqrt(np.abs(A.diagonal()))
    units = np.outer(unit, unit)
    D = np.vstack([_slopes(fit, g)[own] for g, own in enumerate(keep)]) / unit[:, None]
    D = D / np.maximum(np.linalg.norm(D, axis=0), 1e-300)
    here = _projected(D, W * units)
    gap = here.Q - _other(D, other * units)
    G = G / units
    cov, moved = here.Q @ G @ here.Q.T, np.einsum("ij,jk,ik->i", gap, G, gap, optimize=True)
    second = moved + _ROUNDING * G.diagonal() > _SECOND * cov.diagonal()
    there = ~((here.share < _SMALL) & (here.own | second))
    return np.asarray(cov * units), np.asarray(there)


def _parts(fit: SEMFit, g: int, keep: IntArray, *, observed: bool) -> tuple[Array, Array, Array, Array]:
    """Of a group's moments `keep`: information at the unrestricted moments, W, W by another point and kind, and G."""
    levels, fitted = fit.sample.levels[g], ends_of(fit)[1].groups[g].likelihood
    A = _information(levels, levels.free.found, keep, observed=observed)
    W = A if observed else _information(levels, fitted, keep, observed=False)
    other = _information(levels, _with_means(levels, fitted.mean), keep, observed=True)
    return A, W, other, _covariance(fit, levels, keep, A)


def unrestricted_variances(fit: SEMFit, keep: Sequence[IntArray]) -> list[Array]:
    """Variances (m,) of each group's unrestricted moments `keep`, by what the fit's standard errors rest on."""
    observed = fit.recipe.information == "observed"
    return [
        _covariance(fit, levels, own, _information(levels, levels.free.found, own, observed=observed)).diagonal()
        for levels, own in zip(fit.sample.levels, keep, strict=True)
    ]


def _covariance(fit: SEMFit, levels: Levels, keep: IntArray, information: Array) -> Array:
    """Covariance (m, m) of the unrestricted moments `keep`."""
    inverse = scaled_inverse(information)
    if fit.recipe.se == "standard":
        return inverse
    scores = kernel.scores(levels.free.found, levels.free.parts, levels.clusters)[:, keep]
    return np.asarray(inverse @ (scores.T @ scores) @ inverse)


def _information(levels: Levels, found: Found, keep: IntArray, *, observed: bool) -> Array:
    """Information (m, m) of a group's unrestricted moments `keep`, at the moments of `found`."""
    c = levels.clusters
    return np.asarray(kernel.curvature(found, levels.free.parts, c, observed=observed)[np.ix_(keep, keep)] * c.nobs)


def _with_means(levels: Levels, mean: Array) -> Found:
    """The likelihood at the unrestricted covariance matrices and other means (or, where it has no value there, at their own)."""
    free = levels.free
    return kernel.evaluate(levels.clusters, free.within, free.between, mean) or free.found


def _slopes(fit: SEMFit, g: int) -> Array:
    """Derivatives of a group's vech Sigma_W, vech Sigma_B (row-wise) and mu in eta, as the fit implies them."""
    c, layout, point = fit.sample.levels[g].clusters, fit.layout, ends_of(fit)[1]
    inner, outer = (len(rows) * (len(rows) + 1) // 2 for rows in (c.within, c.between))
    full = np.zeros((inner + outer + c.variables, layout.nfree))
    pair, places = levels_of_group(g), ((c.within, 0), (c.between, inner))
    for block, moments, (rows, first) in zip(layout.blocks[pair], point.blocks[pair], places, strict=True):
        slopes = ram.jacobian(ram.factors(moments, block.places), with_means=True)
        size = len(slopes) - len(rows)
        full[first : first + size, block.free] = slopes[:size]
        full[np.ix_(inner + outer + rows, block.free)] = slopes[size:]
    return np.asarray(full @ layout.K)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Projection:
    """Q (m, m); per moment the variance of its residual as a share of its own by W alone; which moments are their own."""

    Q: Array
    share: Array
    own: Array


def _projected(D: Array, W: Array) -> _Projection:
    """By W = L L' and the orthogonal projection I - P on what L'D (of full rank, which is verified) does not span."""
    L = cholesky_or_none(W)
    basis, corner = np.linalg.qr((np.eye(len(W)) if L is None else L.T) @ D)
    if L is None or (np.abs(corner.diagonal()) < _RANK * np.linalg.norm(corner, axis=0)).any():
        raise InferenceError(
            'ci.residuals(kind="standardized"): at these estimates the information of the unrestricted moments is not positive '
            "definite, or some parameters move the same moments. What the model leaves free is then not determined, and "
            'residuals have no standard errors. Use kind="cor", or fewer variables at the between level.'
        )
    outside = L.T - basis @ (basis.T @ L.T)
    inverse = solve_triangular(L.T, np.eye(len(W)), lower=False)
    left = inverse - (inverse @ basis) @ basis.T
    return _Projection(
        Q=left @ L.T, share=(left**2).sum(axis=1) / (inverse**2).sum(axis=1),
        own=(outside**2).sum(axis=0) < _OWN * W.diagonal(),
    )  # fmt: skip


def _other(D: Array, W: Array) -> Array:
    """Q of a W that may not be positive definite."""
    WD = W @ D
    return np.asarray(np.eye(len(D)) - D @ np.linalg.solve(D.T @ WD, WD.T))
