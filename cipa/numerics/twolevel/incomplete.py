"""Cases with missing values on two levels: full information likelihood, gradient, Hessian and scores by cluster.

Given the cluster's part b ~ N(0, Sigma_B), its cases are independent. Case i with pattern r has P_r, the inverse of the seen part
of Sigma_W padded with zeros, and x_i = y_i - mu. The between-only values z of a cluster are seen without error; K is the inverse
of their part of Sigma_B, padded. With A = sum_i P_r(i), S = Sigma_B - Sigma_B K Sigma_B (the covariance of b given z) and b0 =
Sigma_B K (z - mu_z),

    Omega~ = A - A M A,   M = (S^-1 + A)^-1,   g = sum_i P_r (x_i - b0),   alpha~ = g - A M g,   h = b0 + S alpha~  (= E b)
    -2 log L_j = sum_i [log|Sigma_W,i| + (x_i - b0)' P_r (x_i - b0)] - g' M g + log|I + A S| + log|Sigma_zz| + (z - mu_z)' K (z -
    mu_z) + const.

Where Sigma_B is much larger than Sigma_W these differences lose their digits, twice over. With A = F F', C = I + F' S F and F k =
g they are

    Omega~ = F C^-1 F',   alpha~ = F C^-1 k,   g' M g = k' k - k' C^-1 k,

and only one is left. The derivatives are, with Q = I - K Sigma_B and e_i = x_i - h,

    in Sigma_B    Omega - alpha alpha',  Omega = K + Q Omega~ Q',  alpha = K (z - mu_z) + Q alpha~            in mu    -alpha
    in Sigma_W    sum_i P_r - P_r (M + e_i e_i') P_r

(each half). Since h = Sigma_B alpha and M = Sigma_B - Sigma_B Omega Sigma_B, the Hessian needs these alone, with T = I - Omega
Sigma_B:

    along Sigma_W   dP = -P dW P,  dalpha = T sum_i dP e_i,  dOmega = T dA T',  dM = -M dA M
    along Sigma_B   dalpha = -Omega dB alpha,  dOmega = -Omega dB Omega,  dM = T' dB T
    along mu        dalpha = -Omega dmu,  de_i = -T' dmu

Its expectation drops what the data bring. All is taken over cells, the cases of a cluster with one pattern.

Sources: Rosseel, Y. (2021). Psych, 3, 197-232 (likelihood); du Toit, S. H. C. & du Toit, M. (2008), in de Leeuw & Meijer (eds.),
Handbook of Multilevel Analysis, ch. 12.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cipa.numerics.algebra.linalg import Array, BoolArray, IntArray, batched_inverse_and_logdet, symmetric
from cipa.numerics.twolevel.complete import Parts, smooth, sums

_DIGITS = 1e-9  # share of a sum of squares that its difference must keep
_SINGULAR = 1e4  # trace of C^-1: at most p when Sigma_B is positive; beyond it the likelihood is unbounded


@dataclass(frozen=True, slots=True, kw_only=True)
class IncompleteClusters:
    """Cases in clusters and patterns; all arrays over the p variables, 0 where not seen.

    within (q,), between (r,), size (J,) : as of `Clusters`.
    seen (R, p), cases (R,) : patterns of the within-level variables, and their cases.
    cluster, pattern, count (C,), mean (C, p), scatter (C, p, p) : of the cells, in the order of clusters; first (J,) where each
    starts. table (J, R) : cases of each cluster with each pattern. order (C,), start (R,) : the cells pattern by pattern.
    z (J, p), kind (J,), known (S, p) : between-only values, and which are known.
    """

    within: IntArray
    between: IntArray
    size: IntArray
    seen: BoolArray
    cases: Array
    cluster: IntArray
    pattern: IntArray
    count: Array
    mean: Array
    scatter: Array
    first: IntArray
    table: Array
    order: IntArray
    start: IntArray
    z: Array
    kind: IntArray
    known: BoolArray

    @property
    def nobs(self) -> int:
        """Cases, N."""
        return int(self.size.sum())

    @property
    def nclusters(self) -> int:
        """Clusters, J."""
        return len(self.size)

    @property
    def variables(self) -> int:
        """Variables, p."""
        return int(self.mean.shape[1])


def incomplete_clusters(values: Array, codes: IntArray, *, within: IntArray, between: IntArray) -> IncompleteClusters:
    """Sort cases (n, p), NaN where not seen, into clusters with codes (n,) 0, 1, ..., J - 1, and patterns."""
    p = values.shape[1]
    alone = np.setdiff1d(between, within)
    there = ~np.isnan(values)
    own = there.copy()
    own[:, alone] = False
    seen, pattern = np.unique(own, axis=0, return_inverse=True)
    pattern = pattern.reshape(-1)
    cells, cell = np.unique(codes * len(seen) + pattern, return_inverse=True)
    cell = cell.reshape(-1)
    x = np.where(own, values, 0.0)
    count = np.bincount(cell).astype(np.float64)
    mean = sums(x, cell, len(cells)) / count[:, None]
    apart = x - mean[cell]
    scatter = sums(apart[:, :, None] * apart[:, None, :], cell, len(cells))
    size = np.bincount(codes)
    given = sums(there.astype(np.float64), codes, len(size))
    z = np.zeros((len(size), p))
    z[:, alone] = (sums(np.nan_to_num(values), codes, len(size)) / np.maximum(given, 1.0))[:, alone]
    has = np.zeros((len(size), p), dtype=np.bool_)
    has[:, alone] = given[:, alone] > 0
    known, kind = np.unique(has, axis=0, return_inverse=True)
    cluster, which = cells // len(seen), cells % len(seen)
    table = np.zeros((len(size), len(seen)))
    table[cluster, which] = count
    order = np.argsort(which, kind="stable")
    return IncompleteClusters(
        within=within, between=between, size=size, seen=seen, cases=np.bincount(pattern).astype(np.float64), cluster=cluster,
        pattern=which, count=count, mean=mean, scatter=scatter, first=np.searchsorted(cluster, np.arange(len(size))), table=table,
        order=order, start=np.searchsorted(which[order], np.arange(len(seen))), z=z, kind=kind.reshape(-1), known=known,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class IncompleteTwoLevel:
    """The likelihood at Sigma_W, Sigma_B, mu.

    Value, W (q, q), B (r, r), w (p,), mean (p,) as of `TwoLevel`, and the letters of the head.

    P (R, p, p), M, outer (Omega), T (J, p, p), cov (p, p) is Sigma_B, alpha, part (h) (J, p), e (C, p), spread (R, p, p) the sum
    over a pattern's cases of e e'.
    """

    value: float
    W: Array
    B: Array
    w: Array
    mean: Array
    P: Array
    M: Array
    outer: Array
    T: Array
    cov: Array
    alpha: Array
    part: Array
    e: Array
    spread: Array


def evaluate(c: IncompleteClusters, within: Array, between: Array, mean: Array) -> IncompleteTwoLevel | None:
    """Evaluate at Sigma_W (q, q), Sigma_B (r, r), mu (p,); None where some covariance is not positive definite."""
    p = c.variables
    full, B = np.eye(p), np.zeros((p, p))
    full[np.ix_(c.within, c.within)] = within
    B[np.ix_(c.between, c.between)] = between
    rows, outside = _padded(full, c.seen), _padded(B, c.known)
    if rows is None or outside is None:
        return None
    (P, logdet), (K, logdet_z) = rows, outside
    inner = _given_z(c, P, B - B @ K @ B)
    if inner is None:
        return None
    x = np.where(c.seen[c.pattern], c.mean - mean, 0.0)
    pulled = _pulled(c, P, inner, K, B, x, np.where(c.known[c.kind], c.z - mean, 0.0))
    if pulled is None:
        return None
    alpha, outer, quadratic = pulled
    pooled = _by_pattern(c, c.scatter)
    quadratic += float(np.einsum("rij,rij->", P, pooled))
    value = (float(c.cases @ logdet) + float(inner.logdet.sum()) + float(logdet_z[c.kind].sum()) + quadratic) / (2 * c.nobs)
    part, M = alpha @ B, B - B @ outer @ B
    e = np.where(c.seen[c.pattern], x - part[c.cluster], 0.0)
    spread = pooled + _by_pattern(c, c.count[:, None, None] * e[:, :, None] * e[:, None, :])
    W = np.einsum("r,rij->ij", c.cases, P) - (P @ (spread + _weighted(c, M)) @ P).sum(axis=0)
    shared = outer.sum(axis=0) - alpha.T @ alpha
    return IncompleteTwoLevel(
        value=value, W=W[np.ix_(c.within, c.within)] / c.nobs, B=shared[np.ix_(c.between, c.between)] / c.nobs,
        w=alpha.sum(axis=0) / c.nobs, mean=mean, P=P, M=M, outer=outer, T=np.eye(p) - outer @ B, cov=B, alpha=alpha, part=part,
        e=e,
        spread=spread,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """Of each cluster, given z: F, C^-1 (J, p, p), log|C| (J,); `root`, lower triangular, is F with I where nothing is seen."""

    F: Array
    inverse: Array
    logdet: Array
    root: Array


def _given_z(c: IncompleteClusters, P: Array, S: Array) -> _Given | None:
    """With S (S, p, p) for each kind of known between-only values; None where C is not (clearly) positive definite."""
    A = (c.table @ P.reshape(len(P), -1)).reshape(-1, c.variables, c.variables)
    eye, seen = np.eye(c.variables), np.diagonal(A, axis1=1, axis2=2) > 0
    try:
        root = np.linalg.cholesky(np.where(seen[:, :, None], A, eye))
    except np.linalg.LinAlgError:  # Sigma_W is positive definite only up to rounding
        return None
    F = root * seen[:, None, :]
    found = batched_inverse_and_logdet(eye + np.swapaxes(F, 1, 2) @ S[c.kind] @ F)
    if found is None or (np.einsum("jaa->j", found[0]) > _SINGULAR).any():
        return None
    return _Given(F=F, inverse=found[0], logdet=found[1], root=root)


def _pulled(
    c: IncompleteClusters, P: Array, given: _Given, K: Array, B: Array, x: Array, z: Array
) -> tuple[Array, Array, float] | None:
    """Alpha (J, p), Omega (J, p, p), and the quadratic form of the cells' means x (C, p) and the between-only values z (J, p).

    None where the form, a difference, has lost its digits: where clusters vary some 1e9 times as much as their means should.
    """
    BK = (B @ K)[c.kind]
    Kz, apart = _times(K[c.kind], z), x - _times(BK, z)[c.cluster]
    Px = _times(P[c.pattern], apart)
    g = np.add.reduceat(c.count[:, None] * Px, c.first, axis=0)
    k = np.linalg.solve(given.root, g[:, :, None])[:, :, 0]
    Ck, Q = _times(given.inverse, k), np.eye(c.variables) - np.swapaxes(BK, 1, 2)
    QF = Q @ given.F
    alpha, outer = Kz + _times(QF, Ck), K[c.kind] + QF @ given.inverse @ np.swapaxes(QF, 1, 2)
    whole = float(c.count @ np.einsum("ci,ci->c", apart, Px)) + float(np.sum(z * Kz))
    quadratic = whole - float(np.sum(k * k)) + float(np.sum(k * Ck))
    return (alpha, outer, quadratic) if quadratic >= _DIGITS * whole else None


def _by_pattern(c: IncompleteClusters, cells: Array) -> Array:
    """Sums (R, ...) over the cells (C, ...) of each pattern."""
    return np.asarray(np.add.reduceat(cells[c.order], c.start, axis=0))


def _weighted(c: IncompleteClusters, matrices: Array) -> Array:
    """Sums (R, p, p) of each cluster's matrix (J, p, p), once for each of its cases with the pattern."""
    return (c.table.T @ matrices.reshape(len(matrices), -1)).reshape(-1, c.variables, c.variables)


def _padded(matrix: Array, seen: BoolArray) -> tuple[Array, Array] | None:
    """Inverses of the seen parts (R, p, p), padded with zeros, and their log-determinants (R,)."""
    both = seen[:, :, None] & seen[:, None, :]
    found = batched_inverse_and_logdet(np.where(both, matrix, np.eye(len(matrix))))
    return None if found is None else (found[0] * both, found[1])


def _times(matrices: Array, vectors: Array) -> Array:
    return np.asarray((matrices @ vectors[..., None])[..., 0])


def loglik(c: IncompleteClusters, value: float) -> float:
    """The full log-likelihood, constants included, from the `value` of `evaluate`."""
    cells = float(c.cases @ c.seen.sum(axis=1)) + float(c.known[c.kind].sum())
    return -value * c.nobs - cells * math.log(2 * math.pi) / 2


def curvature(found: IncompleteTwoLevel, parts: Parts, c: IncompleteClusters, *, observed: bool) -> Array:
    """The part of the Hessian (k, k) of the value made of first derivatives; not `observed`: its expectation."""
    total = np.zeros((parts.U.shape[1],) * 2)
    for a, (u, v, t) in enumerate(zip(parts.U.T, parts.V.T, parts.t, strict=True)):
        W, B, w = np.zeros_like(found.cov), np.zeros_like(found.cov), np.zeros(c.variables)
        if v.any():
            change = np.outer(u, v) + np.outer(v, u)
            slope = (_along_within if parts.within[a] else _along_between)(found, c, change, observed)
            W, B, w = W + slope[0], B + slope[1], w + slope[2]
        if t:
            slope = _along_mean(found, c, t * u, observed)
            W, B, w = W + slope[0], B + slope[1], w + slope[2]
        total[a] = (parts.U * np.where(parts.within, W @ parts.V, B @ parts.V)).sum(axis=0) - parts.t * (w @ parts.U)
    return symmetric(total) / c.nobs


def _along_within(f: IncompleteTwoLevel, c: IncompleteClusters, dW: Array, observed: bool) -> tuple[Array, Array, Array]:
    """Derivatives (N times) of W, B (p, p) and w (p,) of the value along Sigma_W; not `observed`: their expectation."""
    dP = -f.P @ dW @ f.P
    dA = (c.table @ dP.reshape(len(dP), -1)).reshape(-1, c.variables, c.variables)
    douter, dM = f.T @ dA @ np.swapaxes(f.T, 1, 2), -f.M @ dA @ f.M
    if not observed:
        return -_inner(f, c, dP, _weighted(c, f.M), _weighted(c, dM)), -douter.sum(axis=0), np.zeros(c.variables)
    pulled = np.add.reduceat(c.count[:, None] * _times(dP[c.pattern], f.e), c.first, axis=0)
    dalpha = _times(f.T, pulled)
    moved = _moved(f, c, -dalpha @ f.cov) + _weighted(c, dM)
    return _inner(f, c, dP, f.spread + _weighted(c, f.M), moved), _outer(f, douter, dalpha), dalpha.sum(axis=0)


def _along_between(f: IncompleteTwoLevel, c: IncompleteClusters, dB: Array, observed: bool) -> tuple[Array, Array, Array]:
    """The same along Sigma_B."""
    douter, dM = -f.outer @ dB @ f.outer, np.swapaxes(f.T, 1, 2) @ dB @ f.T
    none = np.zeros_like(f.P)
    if not observed:
        return -_inner(f, c, none, none, _weighted(c, dM)), -douter.sum(axis=0), np.zeros(c.variables)
    dalpha = -_times(f.outer, f.alpha @ dB)
    moved = _moved(f, c, -_times(np.swapaxes(f.T, 1, 2), f.alpha @ dB)) + _weighted(c, dM)
    return _inner(f, c, none, none, moved), _outer(f, douter, dalpha), dalpha.sum(axis=0)


def _along_mean(f: IncompleteTwoLevel, c: IncompleteClusters, dmu: Array, observed: bool) -> tuple[Array, Array, Array]:
    """The same along mu."""
    dalpha, none = -f.outer @ dmu, np.zeros_like(f.P)
    if not observed:
        return np.zeros_like(f.cov), np.zeros_like(f.cov), dalpha.sum(axis=0)
    moved = _moved(f, c, -np.swapaxes(f.T, 1, 2) @ dmu)
    return _inner(f, c, none, none, moved), _outer(f, np.zeros_like(f.outer), dalpha), dalpha.sum(axis=0)


def _moved(f: IncompleteTwoLevel, c: IncompleteClusters, de: Array) -> Array:
    """The derivative (R, p, p) of the sum of e e', when e of each cluster's cases moves by de (J, p)."""
    cross = _by_pattern(c, (c.count[:, None] * f.e)[:, :, None] * de[c.cluster][:, None, :])
    return cross + np.swapaxes(cross, 1, 2)


def _inner(f: IncompleteTwoLevel, c: IncompleteClusters, dP: Array, held: Array, moved: Array) -> Array:
    """The derivative of sum_r [N_r P_r - P_r held P_r]."""
    cross = dP @ held @ f.P
    return np.asarray(np.einsum("r,rij->ij", c.cases, dP) - (cross + np.swapaxes(cross, 1, 2) + f.P @ moved @ f.P).sum(axis=0))


def _outer(f: IncompleteTwoLevel, douter: Array, dalpha: Array) -> Array:
    """The derivative of the sum of Omega - alpha alpha'."""
    mixed = f.alpha.T @ dalpha
    return np.asarray(douter.sum(axis=0) - mixed - mixed.T)


def scores(found: IncompleteTwoLevel, parts: Parts, c: IncompleteClusters) -> Array:
    """Gradient (J, k) of the log-likelihood of each cluster."""
    f, P = found, found.P[c.pattern]
    spread = c.scatter + c.count[:, None, None] * (f.M[c.cluster] + f.e[:, :, None] * f.e[:, None, :])
    inner = np.add.reduceat(c.count[:, None, None] * P - P @ spread @ P, c.first, axis=0)
    outer = f.outer - f.alpha[:, :, None] * f.alpha[:, None, :]
    slopes = [np.einsum("ak,jab,bk->jk", parts.U, one, parts.V, optimize=True) for one in (inner, outer)]
    return np.asarray(parts.t * (f.alpha @ parts.U) - np.where(parts.within, *slopes))


def starting_moments(c: IncompleteClusters) -> tuple[Array, Array, Array]:
    """Sigma_W, Sigma_B, mu from available values.

    Pooled products of deviations, covariances of cluster means, both made positive.
    """
    counts = sums(c.count[:, None] * c.seen[c.pattern], c.cluster, c.nclusters)
    totals = sums(c.count[:, None] * c.mean, c.cluster, c.nclusters)
    known = (counts > 0) | c.known[c.kind]
    means = np.where(counts > 0, totals / np.maximum(counts, 1.0), c.z)
    mu = np.where(known, means, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    apart = np.where(c.seen[c.pattern], c.mean - means[c.cluster], 0.0)
    products = (c.scatter + c.count[:, None, None] * apart[:, :, None] * apart[:, None, :]).sum(axis=0)
    seen = c.seen.astype(np.float64)
    pairs = (seen * c.cases[:, None]).T @ seen
    lost = (counts > 0).astype(np.float64)
    W = (products / np.maximum(pairs - lost.T @ lost, 1.0))[np.ix_(c.within, c.within)]
    gaps = np.where(known, means - mu, 0.0)
    both = known.astype(np.float64)
    total = gaps.T @ gaps / np.maximum(both.T @ both, 1.0)
    padded = np.zeros_like(total)
    padded[np.ix_(c.within, c.within)] = W * float(np.mean(1 / c.size))
    index = np.ix_(c.between, c.between)
    return smooth(W, W.diagonal()), smooth((total - padded)[index], total[index].diagonal()), mu
