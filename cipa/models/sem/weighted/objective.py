"""Weighted least squares of moments: GLS, ULS, WLS, DWLS, for continuous and for ordered variables.

    F = (s - sigma)' W (s - sigma) / 2,    chi-square = 2 n F

s holds covariances (below and on the diagonal), means where they are modelled, or thresholds and polychoric correlations;
W is the normal-theory weight (GLS), the identity (ULS), the inverse of the moments' covariance (WLS) or of its diagonal
(DWLS). Standard errors divide by n - 1, as lavaan's do.

Sources: Browne, M. W. (1974, 1984). South African Statistical Journal, 8, 1-24; British Journal of Mathematical and
Statistical Psychology, 37, 62-83; Muthén, B. (1984). Psychometrika, 49, 115-132; Muthén, du Toit & Spisic (1997).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cipa.models.sem.discrepancy import GroupPoint, LikelihoodPoint
from cipa.models.sem.layout import Layout
from cipa.numerics import ram
from cipa.numerics.linalg import Array, IntArray, symmetric
from cipa.numerics.normal import Evaluation, Patterns, complete_pattern, evaluate, saturated_information
from cipa.numerics.polychoric import OrdinalMoments


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The moments of a group that a model is fitted to.

    s (m,): thresholds (t,), covariances or correlations, means. rows, cols (c,): which covariances. means: whether means follow.
    weight (m, m); gamma (m, m), n times the covariance of s. cov (p, p), mean (p,): the sample's, for residuals.
    """

    s: Array
    thresholds: int
    rows: IntArray
    cols: IntArray
    means: bool
    weight: Array
    gamma: Array
    nobs: int

    def implied(self, thresholds: Array, cov: Array, mean: Array) -> Array:
        """Sigma (m,) of implied moments."""
        parts = [thresholds, cov[self.rows, self.cols]]
        return np.concatenate([*parts, mean] if self.means else parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedSquares:
    """The objective of weighted least squares; `targets` and `shares` (n_g / n) by group."""

    layout: Layout
    bases: tuple[ram.Matrices, ...]
    targets: tuple[Target, ...]
    weights: Array
    switch: float = 1e-2

    @property
    def patterns(self) -> tuple[Patterns, ...]:
        """Sample moments as complete patterns."""
        return tuple(complete_pattern(np.eye(base.observed), np.zeros(base.observed), 1.0) for base in self.bases)

    def evaluate(self, eta: Array) -> LikelihoodPoint | None:
        """Value and gradient at eta (q,)."""
        layout = self.layout
        theta = layout.to_theta(eta)
        total, slope, points = 0.0, np.zeros(layout.nfree), []
        for block, base, target, share in zip(layout.blocks, self.bases, self.targets, self.weights, strict=True):
            moments = ram.implied(ram.place(block.places, theta[block.free], base))
            if moments is None or not np.isfinite(moments.cov).all():
                return None
            residual = target.s - target.implied(theta[block.thresholds], moments.cov, moments.mean)
            v = target.weight @ residual
            total += share * float(residual @ v) / 2
            factors = ram.factors(moments, block.places)
            found = _evaluation(target, v, len(moments.cov), moments)
            slope[block.free] += share * ram.gradient(factors, found.W, found.w)
            np.add.at(slope, block.thresholds, -share * v[: target.thresholds])
            points.append(GroupPoint(moments=moments, likelihood=found, factors=factors))
        return LikelihoodPoint(
            theta=theta, value=total, gradient=layout.K.T @ slope if layout.tied else slope, groups=tuple(points)
        )

    def curvature(self, point: LikelihoodPoint, *, exact: bool) -> Array:
        """Hessian (q, q), exact or Gauss-Newton."""
        full = self.information(point, observed=exact)
        return self.layout.K.T @ full @ self.layout.K if self.layout.tied else full

    def information(self, point: LikelihoodPoint, *, observed: bool) -> Array:
        """D'W D (k, k), with the second derivatives of the moments when `observed`."""
        total = np.zeros((self.layout.nfree, self.layout.nfree))
        for block, target, here, share, D in zip(
            self.layout.blocks, self.targets, point.groups, self.weights, self.jacobians(point), strict=True
        ):
            total += share * D.T @ target.weight @ D
            if observed:
                second = ram.second_order(here.moments, block.places, here.likelihood.W, here.likelihood.w)
                total[np.ix_(block.free, block.free)] += share * second
        return symmetric(total)

    def jacobians(self, point: LikelihoodPoint) -> list[Array]:
        """D (m, k) of each group."""
        found = []
        for block, target, here in zip(self.layout.blocks, self.targets, point.groups, strict=True):
            part = ram.jacobian(here.factors, with_means=True)
            p = len(here.moments.cov)
            D = np.zeros((len(target.s), self.layout.nfree))
            t, c = target.thresholds, len(target.rows)
            D[np.arange(t), block.thresholds] = 1.0
            D[t : t + c, block.free] = part[target.rows * (target.rows + 1) // 2 + target.cols]
            if target.means:
                D[t + c :, block.free] = part[p * (p + 1) // 2 :]
            found.append(D)
        return found


def _evaluation(target: Target, v: Array, p: int, moments: ram.Implied) -> Evaluation:
    """V as the W and w of a differential tr(W dSigma) / 2 - w' dmu; P is the implied inverse, for what needs it."""
    t, c = target.thresholds, len(target.rows)
    W = np.zeros((p, p))
    W[target.rows, target.cols] = -v[t : t + c]
    W = W + W.T  # a variance enters once, and tr / 2 halves it: doubling the diagonal is right
    w = v[t + c :] if target.means else np.zeros(p)
    return Evaluation(value=0.0, W=W, w=w, P=np.zeros((1, p, p)), Q=np.zeros((1, p, p)), Pd=np.zeros((1, p)), weights=np.ones(1))


def continuous_target(kind: str, cov: Array, mean: Array, gamma: Array, *, means: bool, nobs: int) -> Target:
    """Covariances (divisor n - 1) and means of continuous variables.

    Parameters
    ----------
    kind : {"gls", "uls", "wls", "dwls"}
    gamma : (m, m) array
        n times the covariance of the moments, row-wise vech then means.
    """
    p = len(cov)
    rows, cols = np.tril_indices(p)
    size = len(rows) + (p if means else 0)
    used = gamma[:size, :size]
    s = np.concatenate([cov[rows, cols], mean]) if means else cov[rows, cols]
    if kind == "gls":
        found = evaluate(complete_pattern(cov, mean, nobs), cov, mean)
        assert found is not None
        weight = saturated_information(found)[:size, :size]
    else:
        weight = weight_of(kind, used)
    return Target(s=s, thresholds=0, rows=rows, cols=cols, means=means, weight=weight, gamma=used, nobs=nobs)


def ordinal_target(kind: str, moments: OrdinalMoments, nobs: int) -> Target:
    """Thresholds and polychoric correlations of ordered variables."""
    rows, cols = np.tril_indices(len(moments.correlations), -1)
    return Target(
        s=np.concatenate([moments.thresholds, moments.correlations[rows, cols]]), thresholds=len(moments.thresholds), rows=rows, cols=cols,
        means=False, weight=weight_of(kind, moments.gamma), gamma=moments.gamma, nobs=nobs,
    )  # fmt: skip


def weight_of(kind: str, gamma: Array) -> Array:
    """W (m, m) of ULS, DWLS or WLS."""
    if kind == "uls":
        return np.eye(len(gamma))
    return np.diag(1 / gamma.diagonal()) if kind == "dwls" else symmetric(np.linalg.inv(gamma))


def baseline(objective: WeightedSquares) -> tuple[float, tuple[Array, ...]]:
    """2F of the independence model, and its Jacobians: thresholds, variances and means free, covariances zero."""
    total, jacobians = 0.0, []
    for target, share in zip(objective.targets, objective.weights, strict=True):
        t, c = target.thresholds, len(target.rows)
        free = np.ones(len(target.s), dtype=bool)
        free[t : t + c] = target.rows == target.cols
        D = np.eye(len(target.s))[:, free]
        W = target.weight
        residual = target.s - D @ np.linalg.solve(D.T @ W @ D, D.T @ W @ target.s)
        total += share * float(residual @ W @ residual)
        jacobians.append(D)
    return total, tuple(jacobians)


def traces(objective: WeightedSquares, jacobians: Sequence[Array]) -> tuple[float, float]:
    """tr(U G) and tr((U G)^2) over groups, U = W - W D (D'W D)^-1 D'W."""
    E, first, second = 0.0, 0.0, 0.0
    trace = squares = 0.0
    for target, share, D in zip(objective.targets, objective.weights, jacobians, strict=True):
        WG, WD = target.weight @ target.gamma, target.weight @ D
        E, first = E + share * D.T @ WD, first + share * D.T @ WG @ WD
        second = second + share * D.T @ (WG @ (WG @ WD))
        trace += float(np.trace(WG))
        squares += float(np.sum(WG * WG.T))
    H = np.linalg.solve(np.asarray(E), np.asarray(first))
    ug = trace - float(np.trace(H))
    return ug, squares - 2 * float(np.trace(np.linalg.solve(np.asarray(E), np.asarray(second)))) + float(np.sum(H * H.T))


def with_unit_variances(layout: Layout, bases: Sequence[ram.Matrices], theta: Array) -> tuple[Layout, tuple[ram.Matrices, ...]]:
    """Residual variances that make the variance of every ordered response variable 1 (delta parameterization)."""
    blocks, found = [], []
    values: dict[tuple[int, str], float] = {}
    for g, (block, base) in enumerate(zip(layout.blocks, bases, strict=True)):
        moments = ram.implied(ram.place(block.places, theta[block.free], base))
        assert moments is not None
        S = base.S.copy()
        p = base.observed
        S[np.arange(p), np.arange(p)] += 1.0 - moments.cov.diagonal()
        values |= {(g, name): float(S[i, i]) for i, name in enumerate(block.observed)}
        mended = replace(base, S=S)
        found.append(mended)
        blocks.append(replace(block, base=mended))
    rows = tuple(
        replace(row, value=values[row.group, row.lhs])
        if row.op == "~~" and row.lhs == row.rhs and (row.group, row.lhs) in values
        else row
        for row in layout.rows
    )
    return replace(layout, rows=rows, blocks=tuple(blocks)), tuple(found)
