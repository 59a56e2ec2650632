"""Complete cases on two levels: likelihood, gradient, Hessian and scores by cluster, from moments of each cluster size.

    y_ij = mu + b_j + w_ij,   b_j ~ N(0, Sigma_B),   w_ij ~ N(0, Sigma_W)

Of p variables, q vary within clusters and r between them; rows of Sigma_W and Sigma_B that a variable does not have are zero.
The n_j - 1 contrasts within a cluster and its mean m_j are independent, so that with N cases in J clusters

    -2 log L = (N - J) [log|Sigma_W| + tr(Sigma_W^-1 S_PW)]
             + sum_s J_s [log|V_s| + tr(V_s^-1 (C_s + d_s d_s'))] + q sum_s J_s log n_s + (N q + J (p - q)) log(2 pi),
    V_s = Sigma_B + Sigma_W / n_s,

where s runs over the distinct cluster sizes n_s, each with J_s clusters whose means have covariance C_s and average mu + d_s;
S_PW is the pooled within-cluster covariance, divisor N - J. A variable that does not vary within clusters (p - q of them) enters
by its value, as a mean does. Derivatives are of rank two (see `ram.py`): of a parameter of the within level, dSigma_W = u v' + v
u' and dV_s = dSigma_W / n_s; of one of the between level, dV_s = u v' + v u'.

Sources: McDonald, R. P. & Goldstein, H. (1989). British Journal of Mathematical and Statistical Psychology, 42, 215-232, eqs.
4-12; Muthén, B. (1994). Sociological Methods & Research, 22, 376-398, eqs. 12-15; Lee, S.-Y. (1990). Biometrika, 77, 763-772;
Rosseel, Y. (2021). Psych, 3, 197-232.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cipa.numerics.algebra.linalg import Array, BoolArray, IntArray, batched_inverse_and_logdet, inverse_and_logdet
from cipa.numerics.moments import ram

_SINGULAR = 1e4
"""tr(V_s^-1 Sigma_W / n_s), at most q when Sigma_B is positive; beyond, a V_s is so small that the likelihood is unbounded."""

_FLOOR = 1e-2  # starting variances between clusters, least share of the variance of the cluster means


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """Cases in clusters, as the likelihood and its scores need them.

    within (q,), between (r,) : positions, among the p variables, of those that vary within and between clusters.
    size (J,), mean (J, p) : of each cluster; kind (J,) : which of the R distinct sizes it has.
    deviations (N, q) : cases less their cluster's mean, cluster by cluster; first (J,) : where each cluster starts.
    pooled (q, q) : S_PW, divisor N - J.
    sizes (R,), counts (R,), means (R, p), covs (R, p, p) : of the cluster means of each size, divisor the count.
    """

    within: IntArray
    between: IntArray
    size: IntArray
    mean: Array
    kind: IntArray
    deviations: Array
    first: IntArray
    pooled: Array
    sizes: Array
    counts: Array
    means: Array
    covs: Array

    @property
    def nobs(self) -> int:
        """Cases, N."""
        return len(self.deviations)

    @property
    def nclusters(self) -> int:
        """Clusters, J."""
        return len(self.size)

    @property
    def variables(self) -> int:
        """Variables, p."""
        return int(self.mean.shape[1])


def clusters_of(values: Array, codes: IntArray, *, within: IntArray, between: IntArray) -> Clusters:
    """Sort cases (n, p) into clusters, whose codes (n,) are 0, 1, ..., J - 1, all of them used."""
    order = np.argsort(codes, kind="stable")
    size = np.bincount(codes)
    first = np.concatenate([[0], np.cumsum(size)[:-1]])
    mean = np.add.reduceat(values[order], first, axis=0) / size[:, None]
    deviations = values[order][:, within] - np.repeat(mean[:, within], size, axis=0)
    sizes, kind = np.unique(size, return_inverse=True)
    kind = kind.reshape(-1)
    counts = np.bincount(kind).astype(np.float64)
    means = sums(mean, kind, len(sizes)) / counts[:, None]
    apart = mean - means[kind]
    covs = sums(apart[:, :, None] * apart[:, None, :], kind, len(sizes)) / counts[:, None, None]
    pooled = deviations.T @ deviations / max(len(values) - len(size), 1)
    return Clusters(
        within=within, between=between, size=size, mean=mean, kind=kind, deviations=deviations, first=first, pooled=pooled,
        sizes=sizes.astype(np.float64), counts=counts, means=means, covs=covs,
    )  # fmt: skip


def sums(rows: Array, kind: IntArray, length: int) -> Array:
    """Sums (length, ...) of rows (J, ...) by kind (J,), of which every one occurs."""
    order = np.argsort(kind, kind="stable")
    first = np.searchsorted(kind[order], np.arange(length))
    return np.asarray(np.add.reduceat(rows[order], first, axis=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoLevel:
    """The likelihood at Sigma_W, Sigma_B, mu, with what its derivatives need.

    value : -log L / N without the constant in log(2 pi).
    W (q, q), B (r, r), w (p,) : its differential is tr(W dSigma_W) / 2 + tr(B dSigma_B) / 2 - w' dmu.
    P0, Q0 (q, q) : Sigma_W^-1, and P0 S_PW P0. P, Q (R, p, p), Pd (R, p) : V_s^-1, P (C_s + d d') P, P d of each size.
    weights (1 + R,) : (N - J) / N, and J_s / N. mean (p,) : mu.
    """

    value: float
    W: Array
    B: Array
    w: Array
    P0: Array
    Q0: Array
    P: Array
    Q: Array
    Pd: Array
    weights: Array
    mean: Array


def evaluate(clusters: Clusters, within: Array, between: Array, mean: Array) -> TwoLevel | None:
    """Evaluate at Sigma_W (q, q), Sigma_B (r, r), mu (p,); None when Sigma_W or some V_s is not (clearly) positive definite."""
    c, p = clusters, clusters.variables
    inner = inverse_and_logdet(within)
    if inner is None:
        return None
    P0, logdet0 = inner
    V = np.zeros((len(c.sizes), p, p))
    V[:, c.within[:, None], c.within] = within / c.sizes[:, None, None]
    V[:, c.between[:, None], c.between] += between
    outer = batched_inverse_and_logdet(V)
    if outer is None:
        return None
    P, logdets = outer
    if (np.einsum("sij,ij->s", P[:, c.within[:, None], c.within], within) > _SINGULAR * c.sizes).any():
        return None
    d = c.means - mean
    Pd = np.einsum("sij,sj->si", P, d)
    Q = P @ c.covs @ P + Pd[:, :, None] * Pd[:, None, :]
    weights = np.concatenate([[c.nobs - c.nclusters], c.counts]) / c.nobs
    quadratic = np.einsum("sij,sij->s", P, c.covs) + np.einsum("si,si->s", d, Pd)
    terms = logdets + quadratic + len(c.within) * np.log(c.sizes)
    value = (weights[0] * (logdet0 + float(np.sum(P0 * c.pooled))) + float(weights[1:] @ terms)) / 2
    Q0 = P0 @ c.pooled @ P0
    gap = P - Q
    shared = np.einsum("s,sij->ij", weights[1:] / c.sizes, gap)[np.ix_(c.within, c.within)]
    return TwoLevel(
        value=value, W=weights[0] * (P0 - Q0) + shared, B=np.einsum("s,sij->ij", weights[1:], gap)[np.ix_(c.between, c.between)],
        w=weights[1:] @ Pd, P0=P0, Q0=Q0, P=P, Q=Q, Pd=Pd, weights=weights, mean=mean,
    )  # fmt: skip


def loglik(clusters: Clusters, value: float) -> float:
    """The full log-likelihood, constants included, from the `value` of `evaluate`."""
    p, q = clusters.variables, len(clusters.within)
    cells = clusters.nobs * q + clusters.nclusters * (p - q)
    return -value * clusters.nobs - cells * math.log(2 * math.pi) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Rank-two factors of k parameters: U, V (p, k), t (k,) with dmu = t u, and which belong to the within level (k,)."""

    U: Array
    V: Array
    t: Array
    within: BoolArray


def curvature(found: TwoLevel, parts: Parts, clusters: Clusters, *, observed: bool) -> Array:
    """The part of the Hessian (k, k) of the value made of first derivatives; not `observed`: its expectation."""
    Q0, Q = (found.Q0, found.Q) if observed else (found.P0, found.P)
    Pd = found.Pd if observed else np.zeros_like(found.Pd)
    spread = np.where(parts.within, 1 / clusters.sizes[:, None], 1.0)
    outer = ram.Factors(U=parts.U, V=parts.V, t=parts.t)
    total = ram.curvature(outer, found.P, Q, Pd, found.weights[1:], spread=spread)
    own = np.flatnonzero(parts.within)
    inner = ram.Factors(U=parts.U[np.ix_(clusters.within, own)], V=parts.V[np.ix_(clusters.within, own)], t=np.zeros(len(own)))
    none = np.zeros((1, len(clusters.within)))
    total[np.ix_(own, own)] += ram.curvature(inner, found.P0[None], Q0[None], none, found.weights[:1])
    return total


def scores(found: TwoLevel, parts: Parts, clusters: Clusters) -> Array:
    """Gradient (J, k) of the log-likelihood of each cluster."""
    c = clusters
    a = np.einsum("jab,jb->ja", found.P[c.kind], c.mean - found.mean)
    aU = a @ parts.U
    base = np.einsum("ak,sab,bk->sk", parts.U, found.P, parts.V, optimize=True)
    spread = np.where(parts.within, 1 / c.size[:, None], 1.0)
    total = (aU * (a @ parts.V) - base[c.kind]) * spread + parts.t * aU
    own = np.flatnonzero(parts.within)
    U, V = parts.U[np.ix_(c.within, own)], parts.V[np.ix_(c.within, own)]
    z = c.deviations @ found.P0
    sums = np.add.reduceat((z @ U) * (z @ V), c.first, axis=0)
    total[:, own] += sums - (c.size[:, None] - 1) * np.einsum("ak,ab,bk->k", U, found.P0, V)
    return np.asarray(total)


def starting_moments(c: Clusters) -> tuple[Array, Array, Array]:
    """Sigma_W = S_PW, Sigma_B from the covariance of the cluster means less S_PW / n (harmonic mean of the sizes), and mu."""
    mu = c.mean.mean(axis=0)
    total = (c.mean - mu).T @ (c.mean - mu) / c.nclusters
    padded = np.zeros_like(total)
    padded[np.ix_(c.within, c.within)] = c.pooled * float(np.mean(1 / c.size))
    index = np.ix_(c.between, c.between)
    return c.pooled.copy(), smooth((total - padded)[index], total[index].diagonal()), mu


def smooth(cov: Array, variances: Array) -> Array:
    """A covariance matrix, its eigenvalues on the scale of the variances (r,) kept positive."""
    scale = np.sqrt(np.maximum(variances, 1e-300))
    values, vectors = np.linalg.eigh(cov / np.outer(scale, scale))
    return np.asarray((vectors * np.maximum(values, _FLOOR)) @ vectors.T * np.outer(scale, scale))
