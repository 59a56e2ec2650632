"""Weighted least squares of moments: GLS, ULS, WLS, DWLS, for continuous and for ordered variables.

    F = (s - m)' W (s - m) / 2,    chi-square = 2 n F

m holds thresholds, means, slopes on covariates, and covariances; W is the normal-theory weight (GLS), the identity (ULS), the
inverse of the moments' covariance (WLS) or of its diagonal (DWLS). With a (p,) the scales of the response variables (1 for
continuous ones), and Sigma, mu, Pi what the model implies given the covariates,

    thresholds a (tau - mu),   means mu,   slopes a Pi,   covariances a_i a_j Sigma_ij.

An ordered variable's scale is a parameter, usually fixed at 1, while its residual variance follows from it (delta
parameterization); or its residual variance is a parameter, usually fixed at 1, and its scale is Sigma_ii^(-1/2) (theta).

Sources: Browne, M. W. (1974, 1984). South African Statistical Journal, 8, 1-24; British Journal of Mathematical and
Statistical Psychology, 37, 62-83; Muthén, B. (1984). Psychometrika, 49, 115-132; Muthén & Asparouhov (2002), Mplus Web Note 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cipa.models.sem.declare.layout import Block, Layout
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.weighted.derived import Residuals, predicting, scales_of, with_residuals
from cipa.models.sem.weighted.target import Target
from cipa.numerics.algebra.linalg import Array, IntArray, symmetric
from cipa.numerics.moments import ram


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A group at one eta: moments given the covariates, scales a (p,), thresholds tau (t,), implied m (m,), Jacobian D (m, k).

    `derived`, where residual variances follow that count elsewhere: what they are, J, and the part in whose D they are
    parameters.
    """

    given: ram.Implied
    factors: ram.Factors
    a: Array
    da: Array
    tau: Array
    m: Array
    D: Array
    derived: tuple[Residuals, Array, Part] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedPoint:
    """All groups at one eta: theta (k,), value, gradient (q,), implied moments, and the parts from which they come."""

    theta: Array
    value: float
    gradient: Array
    blocks: tuple[ram.Implied, ...]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedSquares:
    """The objective: the mean of the groups' F by their n_g - 1. `bases` hold the covariates' sample moments."""

    layout: Layout
    bases: tuple[ram.Matrices, ...]
    targets: tuple[Target, ...]
    switch: float = 1e-2

    @property
    def weights(self) -> Array:
        """Weights (n_g - 1) / n of the groups in the objective."""
        return np.array([target.nobs - 1 for target in self.targets]) / self.nobs

    @property
    def shares(self) -> Array:
        """Shares n_g / n of the groups in the information."""
        return np.array([target.nobs for target in self.targets]) / self.nobs

    @property
    def nobs(self) -> int:
        """Cases of all groups."""
        return sum(target.nobs for target in self.targets)

    @property
    def units(self) -> None:
        """None: there are no casewise scores."""
        return

    def evaluate(self, eta: Array) -> WeightedPoint | None:
        """Value and gradient at eta (q,)."""
        layout = self.layout
        theta = layout.to_theta(eta)
        total, slope, parts, blocks = 0.0, np.zeros(layout.nfree), [], []
        for block, base, target, share in zip(layout.blocks, self.bases, self.targets, self.weights, strict=True):
            part = _part(block, base, target, theta)
            if part is None:
                return None
            v = target.weight @ (target.s - part.m)
            total += share * float((target.s - part.m) @ v) / 2
            slope -= share * part.D.T @ v
            parts.append(part)
            full, values = (part.derived[0].block, part.derived[0].theta) if part.derived else (block, theta)
            blocks.append(ram.implied(ram.place(full.places, values[full.free], base)) or part.given)
        return WeightedPoint(
            theta=theta, value=total, gradient=layout.K.T @ slope if layout.tied else slope, blocks=tuple(blocks),
            parts=tuple(parts)
        )  # fmt: skip

    def curvature(self, point: WeightedPoint, *, exact: bool) -> Array:
        """Hessian (q, q), exact or Gauss-Newton."""
        full = self._squares(point, self.weights)
        if exact:
            for block, target, part, weight in zip(self.layout.blocks, self.targets, point.parts, self.weights, strict=True):
                full -= weight * _second_order(block, target, part, target.weight @ (target.s - part.m))
        full = symmetric(full)
        return self.layout.K.T @ full @ self.layout.K if self.layout.tied else full

    def information(self, point: WeightedPoint, *, observed: bool) -> Array:
        """D'W D (k, k), the mean over cases; the weight takes the place of an information, and there is no observed one."""
        assert not observed
        return symmetric(self._squares(point, self.shares))

    def derivatives(self, extended: Layout, point: WeightedPoint, values: Array) -> tuple[Array, Array]:
        """Gradient (k,) and D'W D (k, k) in the parameters of an extended layout, whose new ones have `values`."""
        theta = np.concatenate([point.theta, values])
        gradient, information = np.zeros(len(theta)), np.zeros((len(theta), len(theta)))
        groups = zip(extended.blocks, self.bases, self.targets, self.weights, self.shares, strict=True)
        for block, base, target, weight, share in groups:
            part = _part(block, base, target, theta)
            assert part is not None  # the moments are those of the fit
            gradient -= weight * part.D.T @ (target.weight @ (target.s - part.m))
            information += share * part.D.T @ target.weight @ part.D
        return gradient, information

    def _squares(self, point: WeightedPoint, weights: Array) -> Array:
        parts = zip(self.targets, point.parts, weights, strict=True)
        return np.asarray(sum(weight * part.D.T @ target.weight @ part.D for target, part, weight in parts))

    def scores(self, point: WeightedPoint) -> None:
        """None: there is no likelihood."""
        return

    def noise(self, point: WeightedPoint) -> Array:
        """D'W G W D (k, k), the covariance of sqrt(n) times the gradient."""
        noise = np.zeros((self.layout.nfree, self.layout.nfree))
        for target, part, share in zip(self.targets, point.parts, self.shares, strict=True):
            WD = target.weight @ part.D
            noise += share * WD.T @ target.gamma @ WD
        return noise

    def jacobians(self, point: WeightedPoint) -> list[Array]:
        """D (m, k) of each group."""
        return [part.D for part in point.parts]


def without_covariates(base: ram.Matrices, target: Target) -> ram.Matrices:
    """The matrices given the covariates: their own moments are zero."""
    x = target.covariates
    if not len(x):
        return base
    S, M = base.S.copy(), base.M.copy()
    S[x], S[:, x], M[x] = 0.0, 0.0, 0.0
    return ram.Matrices(A=base.A, S=S, M=M, observed=base.observed)


def _part(block: Block, base: ram.Matrices, target: Target, theta: Array) -> Part | None:
    """The part of a group; None where nothing is implied."""
    if not predicting(block):
        return _direct(block, base, target, theta)
    residuals = with_residuals(block, without_covariates(base, target), theta)
    part = _direct(residuals.block, base, target, residuals.theta) if residuals else None
    if residuals is None or part is None:
        return None
    i = residuals.ordered
    raw = np.zeros((len(part.a) * (len(part.a) + 1) // 2, len(residuals.theta)))
    raw[:, residuals.block.free] = ram.jacobian(part.factors, with_means=False)
    J = residuals.along(raw[i * (i + 1) // 2 + i])
    return replace(part, D=part.D @ J, da=part.da @ J, derived=(residuals, J, part))


def _direct(block: Block, base: ram.Matrices, target: Target, theta: Array) -> Part | None:
    """The part of a group whose parameters are all in theta."""
    given = ram.implied(ram.place(block.places, theta[block.free], without_covariates(base, target)))
    if given is None or not np.isfinite(given.cov).all():
        return None
    Sigma, mu, y, x = given.cov, given.mean, target.outcomes, target.covariates
    factors = ram.factors(given, block.places)
    raw = np.zeros((len(Sigma) * (len(Sigma) + 3) // 2, len(theta)))
    raw[:, block.free] = ram.jacobian(factors, with_means=True)
    dmu = raw[-len(mu) :]
    a, da, tau, dtau = np.ones(len(mu)), np.zeros((len(mu), len(theta))), np.empty(0), np.empty((0, len(theta)))
    if block.ordinal is not None:
        own = block.ordinal
        tau, dtau = _placed(own.free, own.value, theta)
        a, da = _placed(own.scale_free, own.scale_value, theta)
        if own.theta:
            i = np.flatnonzero(own.ordered)
            variances = Sigma[i, i]
            if not (variances > 0).all():
                return None
            a, da = a.copy(), da.copy()
            a[i] = variances**-0.5
            da[i] = -(variances**-1.5)[:, None] / 2 * raw[i * (i + 1) // 2 + i]
    B, places = given.B, block.places
    slopes, r, c, o = given.G[np.ix_(y, x)], target.rows, target.cols, target.owner
    dslopes = np.zeros((len(y), len(x), len(theta)))
    if len(x):
        dslopes[:, :, block.free] = np.where(places.kind == 0, B[y][:, None, places.row] * B[places.col][:, x].T[None], 0.0)
    m = np.concatenate([a[o] * (tau - mu[o]), mu[target.means], (a[y, None] * slopes).ravel(), a[r] * a[c] * Sigma[r, c]])
    D = np.vstack([
        a[o, None] * (dtau - dmu[o]) + (tau - mu[o])[:, None] * da[o],
        dmu[target.means],
        (a[y, None, None] * dslopes + slopes[:, :, None] * da[y][:, None]).reshape(-1, len(theta)),
        (a[r] * a[c])[:, None] * raw[r * (r + 1) // 2 + c] + Sigma[r, c][:, None] * (a[c, None] * da[r] + a[r, None] * da[c]),
    ])  # fmt: skip
    return Part(given=given, factors=factors, a=a, da=da, tau=tau, m=m, D=D)


def _placed(free: IntArray, value: Array, theta: Array) -> tuple[Array, Array]:
    """Values, of theta where `free` is a position and fixed where it is -1, with their derivatives."""
    derivative = np.zeros((len(free), len(theta)))
    at = np.flatnonzero(free >= 0)
    derivative[at, free[at]] = 1.0
    return np.where(free >= 0, theta[free], value), derivative


def _second_order(block: Block, target: Target, part: Part, v: Array) -> Array:
    """Sum of v times the second derivatives (k, k) of the moments."""
    if part.derived is None:
        return _bend(block, target, part, v, np.zeros(len(part.a)))
    residuals, J, direct = part.derived
    o, k, own = residuals.ordered, residuals.size, block.ordinal
    assert own is not None
    mu = np.zeros(len(part.a))
    mu[o] = np.linalg.solve(residuals.M.T, direct.D[:, k:].T @ v)
    total = _bend(residuals.block, target, direct, v, mu)
    for i in o[own.scale_free[o] >= 0]:
        total[own.scale_free[i], own.scale_free[i]] += 6 * mu[i] * scales_of(own, residuals.theta)[i] ** -4
    return np.asarray(J.T @ total @ J)


def _bend(block: Block, target: Target, part: Part, v: Array, mu: Array) -> Array:
    """Second derivatives (k, k) of v'm less those of mu' diag(Sigma)."""
    given, a = part.given, part.a
    Sigma, B, y, x = given.cov, given.B, target.outcomes, target.covariates
    v_th, v_mean, v_slope, v_cov = target.split(v)
    V = np.zeros_like(Sigma)
    V[target.rows, target.cols] = v_cov
    V = V + V.T - np.diag(V.diagonal())
    off = V - np.diag(V.diagonal())
    w = np.zeros(len(Sigma))
    np.add.at(w, target.means, v_mean)
    np.add.at(w, target.owner, -v_th * a[target.owner])
    h = (off * Sigma) @ a  # derivative of v'm in each scale
    np.add.at(h, target.owner, v_th * (part.tau - given.mean[target.owner]))
    h[y] += (v_slope * given.G[np.ix_(y, x)]).sum(axis=1)
    weights = V * np.outer(a, a) + np.diag(V.diagonal() * a**2 - 2 * mu)
    own = block.ordinal
    scaled = np.flatnonzero(own.ordered) if own is not None and own.theta else np.empty(0, dtype=np.intp)
    weights[scaled, scaled] -= h[scaled] * Sigma[scaled, scaled] ** -1.5
    found = ram.second_order(given, block.places, weights, -w)
    if len(x):
        Q = (B[y].T @ (a[y, None] * v_slope)) @ B[:, x].T
        d = np.flatnonzero(block.places.kind == 0)
        i, j = block.places.row[d][:, None], block.places.col[d][:, None]
        found[np.ix_(d, d)] += Q[i.T, j] * B[j.T, i] + Q[i, j.T] * B[j, i.T]
    total = np.zeros((part.D.shape[1], part.D.shape[1]))
    total[np.ix_(block.free, block.free)] = found
    return total + _of_scales(block, target, part, v, off, h) if own is not None else total


def _of_scales(block: Block, target: Target, part: Part, v: Array, off: Array, h: Array) -> Array:
    """The part of `_second_order` in which a scale is differentiated."""
    own = block.ordinal
    assert own is not None
    given, a, da = part.given, part.a, part.da
    v_th, _, v_slope, _ = target.split(v)
    size = da.shape[1]
    Sigma = given.cov
    raw = np.zeros((len(Sigma) * (len(Sigma) + 3) // 2, size))
    raw[:, block.free] = ram.jacobian(part.factors, with_means=True)
    dmu = raw[-len(Sigma) :]
    dh = np.zeros_like(da)
    r, c = np.tril_indices(len(Sigma), -1)
    weighted = off[r, c][:, None] * raw[r * (r + 1) // 2 + c]
    np.add.at(dh, r, a[c, None] * weighted)
    np.add.at(dh, c, a[r, None] * weighted)
    np.add.at(dh, target.owner, v_th[:, None] * (_placed(own.free, own.value, np.zeros(size))[1] - dmu[target.owner]))
    if len(target.covariates):
        y, x, places = target.outcomes, target.covariates, block.places
        dslopes = np.zeros((len(y), size))
        wave = np.where(places.kind == 0, given.B[y][:, places.row] * (v_slope @ given.B[places.col][:, x].T), 0.0)
        dslopes[:, block.free] = wave
        dh[y] += dslopes
    cross = da.T @ dh
    total = cross + cross.T + da.T @ (off * Sigma) @ da
    if own.theta:
        i = np.flatnonzero(own.ordered)
        dvariance = raw[i * (i + 1) // 2 + i]
        total += dvariance.T @ ((0.75 * h[i] * Sigma[i, i] ** -2.5)[:, None] * dvariance)
    return np.asarray(total)


def ends_of(fit: SEMFit) -> tuple[WeightedSquares, WeightedPoint]:
    """Objective and end point of a fit by this method."""
    assert isinstance(fit.objective, WeightedSquares)
    assert isinstance(fit.point, WeightedPoint)
    return fit.objective, fit.point


def baseline(objective: WeightedSquares) -> tuple[float, tuple[Array, ...]]:
    """2F of the independence model, and its Jacobians (m_g, k): covariances are zero, but for those among exogenous variables."""
    total, jacobians, width = 0.0, [], 0
    layout = objective.layout
    for block, roles, target, share in zip(layout.blocks, layout.roles, objective.targets, objective.weights, strict=True):
        given = np.isin(block.observed, roles.exogenous)
        free = np.ones(len(target.s), dtype=bool)
        free[len(free) - len(target.rows) :] = (target.rows == target.cols) | (given[target.rows] & given[target.cols])
        D = np.eye(len(target.s))[:, free]
        W = target.weight
        residual = target.s - D @ np.linalg.solve(D.T @ W @ D, D.T @ W @ target.s)
        total += share * float(residual @ W @ residual)
        jacobians.append(np.hstack([np.zeros((len(D), width)), D]))
        width += D.shape[1]
    return total, tuple(np.hstack([D, np.zeros((len(D), width - D.shape[1]))]) for D in jacobians)


def traces(objective: WeightedSquares, jacobians: Sequence[Array]) -> tuple[float, float]:
    """tr(U G) and tr((U G)^2) over groups, U = W - W D (D'W D)^-1 D'W."""
    E, first, second = 0.0, 0.0, 0.0
    trace = squares = 0.0
    for target, share, D in zip(objective.targets, objective.shares, jacobians, strict=True):
        WG, WD = target.weight @ target.gamma, target.weight @ D
        E, first = E + share * D.T @ WD, first + share * D.T @ WG @ WD
        second = second + share * D.T @ (WG @ (WG @ WD))
        trace += float(np.trace(WG))
        squares += float(np.sum(WG * WG.T))
    H = np.linalg.solve(np.asarray(E), np.asarray(first))
    ug = trace - float(np.trace(H))
    return ug, squares - 2 * float(np.trace(np.linalg.solve(np.asarray(E), np.asarray(second)))) + float(np.sum(H * H.T))
