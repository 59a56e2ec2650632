"""The multivariate normal log-likelihood, complete and with missing values, through moments of missing patterns.

Cases with the same holes form a pattern; a pattern enters through its count, its mean and its covariance (divisor
n_r). Arrays are zero-padded to p, so that all patterns are one batch; complete data are a single pattern.

The saturated (unrestricted) moments come from EM in gradient form: with P_r the padded inverse of pattern r,

    W = sum_r n_r/n (P_r - P_r (S_r + d_r d_r') P_r),   w = sum_r n_r/n P_r d_r,
    mu <- mu + Sigma w,   Sigma <- Sigma - Sigma W Sigma - (Sigma w)(Sigma w)',

and end with pairs of steps extrapolated (SQUAREM), until the gradient is rounding: that is checked.

Sources: Dempster, Laird & Rubin (1977), JRSS B 39; Little & Rubin (2019), Statistical Analysis with Missing Data,
ch. 11; Arbuckle (1996), full information maximum likelihood.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from cipa.numerics.algebra.linalg import (
    Array,
    BoolArray,
    IntArray,
    batched_inverse_and_logdet,
    inverse_and_logdet,
    symmetric,
)

EM_TOLERANCE = 1e-12
"""Change of the mean log-likelihood per case at which EM stops; chi-square is then good to n * 1e-12."""

EM_MAX_ITERATIONS = 5000

_NEAR = 1e-6  # the same, at which pairs of steps are extrapolated
_PAIRS, _STATIONARY = 400, 1e-11  # of accelerated steps: how many, and the gradient in standard deviations at which they end

_SAFE_SHIFT = 1e3
"""Squared mean over variance up to which raw products lose at most three of sixteen digits, and centring is spared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patterns:
    """Moments of R missing-data patterns of p variables.

    counts (R,); observed (R, p) bool; means (R, p), zero where not observed; covs (R, p, p), divisor n_r, zero where not
    observed; membership (n,), the pattern of each case (-1: no value observed), or empty when there are no cases.
    """

    counts: Array
    observed: BoolArray
    means: Array
    covs: Array
    membership: IntArray

    @property
    def nobs(self) -> int:
        """Cases with at least one observed value."""
        return round(float(self.counts.sum()))

    @property
    def total(self) -> float:
        """What the cases count together: their number, or the sum of their weights."""
        return float(self.counts.sum())

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return len(self.counts) == 1 and bool(self.observed.all())


def complete_pattern(cov: Array, mean: Array, nobs: float) -> Patterns:
    """One pattern without holes: cov (p, p) with divisor n, mean (p,)."""
    return Patterns(
        counts=np.array([float(nobs)]),
        observed=np.ones((1, len(mean)), dtype=bool),
        means=mean[None],
        covs=cov[None],
        membership=np.empty(0, dtype=np.intp),
    )


def patterns_of(values: Array, weights: Array | None = None) -> Patterns:
    """Patterns of (n, p) values with NaN for missing; cases without any value belong to none.

    `weights` (n,) make every case count so often; then counts are sums of weights and moments are weighted.
    """
    if np.isfinite(values.sum()):  # a sum is finite only when every value is
        cov, mean = moments(values, weights)
        total = len(values) if weights is None else float(weights.sum())
        return replace(complete_pattern(cov, mean, total), membership=np.zeros(len(values), dtype=np.intp))
    seen = ~np.isnan(values)
    packed = np.packbits(seen, axis=1)
    _, first, label = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")  # order of appearance in the data
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    membership = rank[label.reshape(-1)]
    observed = seen[first[order]]
    if not observed.any(axis=1).all():
        empty = int(np.flatnonzero(~observed.any(axis=1))[0])
        membership = np.where(membership == empty, -1, membership - (membership > empty))
        observed = np.delete(observed, empty, axis=0)
    count, size = observed.shape
    means, covs = np.zeros((count, size)), np.zeros((count, size, size))
    for r in range(count):
        inside = observed[r]
        mine = membership == r
        cov, mean = moments(values[mine][:, inside], None if weights is None else weights[mine])
        means[r, inside] = mean
        covs[r][np.ix_(inside, inside)] = cov
    seen_rows = membership >= 0
    every = None if weights is None else weights[seen_rows]
    counts = np.bincount(membership[seen_rows], weights=every, minlength=count).astype(np.float64)
    return Patterns(counts=counts, observed=observed, means=means, covs=covs, membership=membership)


def moments(values: Array, weights: Array | None = None) -> tuple[Array, Array]:
    """Covariance (p, p), divisor n (or the sum of the weights), and mean (p,) of complete (n, p) values."""
    count = len(values)
    if weights is not None:
        share = weights / weights.sum()
        mean = share @ values
        centred = values - mean
        return symmetric((centred * share[:, None]).T @ centred), mean
    mean = np.full(count, 1 / count) @ values
    products = values.T @ values / count
    if (mean**2 <= _SAFE_SHIFT * (products.diagonal() - mean**2)).all():
        return products - np.multiply.outer(mean, mean), mean
    centred = values - mean
    return centred.T @ centred / count, mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The likelihood at Sigma, mu, with what its derivatives need.

    value : mean over cases of -log-likelihood without the constant p log(2 pi) / 2.
    W (p, p), w (p,) : its differential is tr(W dSigma) / 2 - w' dmu.
    P (R, p, p), Q (R, p, p) or None, Pd (R, p), weights (R,) : by pattern, for the Hessian.
    """

    value: float
    W: Array
    w: Array
    P: Array
    Q: Array
    Pd: Array
    weights: Array


def evaluate(patterns: Patterns, cov: Array, mean: Array) -> Evaluation | None:
    """Evaluate the normal likelihood at cov (p, p), mean (p,); None when cov is not positive definite."""
    if patterns.complete:
        return _evaluate_complete(patterns, cov, mean)
    seen = patterns.observed
    both = seen[:, :, None] & seen[:, None, :]
    padded = np.where(both, cov, 0.0)
    index = np.arange(len(cov))
    padded[:, index, index] += ~seen
    found = batched_inverse_and_logdet(padded)
    if found is None:
        return None
    P, logdets = found[0] * both, found[1]
    d = np.where(seen, patterns.means - mean, 0.0)
    Pd = np.einsum("rij,rj->ri", P, d)
    Q = P @ patterns.covs @ P + Pd[:, :, None] * Pd[:, None, :]
    weights = patterns.counts / patterns.counts.sum()
    quadratic = np.einsum("rij,rij->r", P, patterns.covs) + np.einsum("ri,ri->r", d, Pd)
    value = float(weights @ (logdets + quadratic)) / 2
    return Evaluation(value=value, W=np.einsum("r,rij->ij", weights, P - Q), w=weights @ Pd, P=P, Q=Q, Pd=Pd, weights=weights)


def _evaluate_complete(patterns: Patterns, cov: Array, mean: Array) -> Evaluation | None:
    found = inverse_and_logdet(cov)
    if found is None:
        return None
    P, logdet = found
    S, d = patterns.covs[0], patterns.means[0] - mean
    Pd = P @ d
    PS = P @ S
    Q = PS @ P + np.multiply.outer(Pd, Pd)
    value = (logdet + float(PS.trace()) + float(d @ Pd)) / 2
    return Evaluation(value=value, W=P - Q, w=Pd, P=P[None], Q=Q[None], Pd=Pd[None], weights=np.ones(1))


def loglik(patterns: Patterns, value: float) -> float:
    """The full log-likelihood, constants included, from the mean negative one of `evaluate`."""
    values_seen = float(patterns.counts @ patterns.observed.sum(axis=1))
    return -value * patterns.total - values_seen * math.log(2 * math.pi) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturated:
    """Unrestricted moments: cov (p, p), mean (p,), log-likelihood, EM iterations, whether EM converged."""

    cov: Array
    mean: Array
    loglik: float
    iterations: int
    converged: bool


def saturated(patterns: Patterns) -> Saturated | None:
    """Maximum-likelihood estimates of an unrestricted mean and covariance; None when they are not positive definite."""
    if patterns.complete:
        cov, mean = patterns.covs[0], patterns.means[0]
        found = evaluate(patterns, cov, mean)
        return (
            None
            if found is None
            else Saturated(cov=cov, mean=mean, loglik=loglik(patterns, found.value), iterations=0, converged=True)
        )
    mean, variances = available_moments(patterns)
    cov, previous, tolerance = np.diag(variances), np.inf, _NEAR
    for iteration in range(1, EM_MAX_ITERATIONS + 1):
        found = evaluate(patterns, cov, mean)
        if found is None:
            return None
        if previous - found.value < tolerance:
            ended = _squared(patterns, cov, mean, found)
            if ended is not None:
                cov, mean, value = ended
                return Saturated(cov=cov, mean=mean, loglik=loglik(patterns, value), iterations=iteration, converged=True)
            if tolerance == EM_TOLERANCE:
                return Saturated(cov=cov, mean=mean, loglik=loglik(patterns, found.value), iterations=iteration, converged=False)
            tolerance = EM_TOLERANCE
        previous = found.value
        cov, mean = _em_step(cov, mean, found)
    return Saturated(cov=cov, mean=mean, loglik=loglik(patterns, previous), iterations=EM_MAX_ITERATIONS, converged=False)


def _em_step(cov: Array, mean: Array, found: Evaluation) -> tuple[Array, Array]:
    shift = cov @ found.w
    return symmetric(cov - cov @ found.W @ cov - np.multiply.outer(shift, shift)), mean + shift


def _squared(patterns: Patterns, cov: Array, mean: Array, found: Evaluation) -> tuple[Array, Array, float] | None:
    """EM whose pairs of steps are extrapolated, to where the gradient is rounding; None where that is not reached.

    Source: Varadhan, R. & Roland, C. (2008). Scandinavian Journal of Statistics, 35, 335-353, scheme S3.
    """
    sd = np.sqrt(cov.diagonal())
    unit = np.multiply.outer(sd, sd)
    for _ in range(_PAIRS):
        if max(np.abs(found.W * unit).max(), np.abs(found.w * sd).max()) < _STATIONARY:
            return cov, mean, found.value
        one = _em_step(cov, mean, found)
        first = evaluate(patterns, *one)
        if first is None:
            return None
        two = _em_step(*one, first)
        first_move, second_move = _move((cov, mean), one, sd), _move(one, two, sd)
        bend = float(np.linalg.norm(second_move - first_move))
        length = max(float(np.linalg.norm(first_move)) / bend, 1.0) if bend > 0 else 1.0
        far = [x + 2 * length * (y - x) + length**2 * (z - 2 * y + x) for x, y, z in zip((cov, mean), one, two, strict=True)]
        ahead = evaluate(patterns, *far)
        if ahead is not None and ahead.value <= found.value:
            two = _em_step(far[0], far[1], ahead)
        there = evaluate(patterns, *two)
        if there is None:
            return None
        (cov, mean), found = two, there
    return None


def _move(here: tuple[Array, Array], there: tuple[Array, Array], sd: Array) -> Array:
    """From moments to moments (p * p + p,), in standard deviations."""
    return np.concatenate([((there[0] - here[0]) / np.multiply.outer(sd, sd)).ravel(), (there[1] - here[1]) / sd])


def available_moments(patterns: Patterns) -> tuple[Array, Array]:
    """Means and variances (p,), divisor n_j, of the available values of each variable."""
    seen = patterns.counts[:, None] * patterns.observed
    count = np.maximum(seen.sum(axis=0), 1.0)
    mean = (seen * patterns.means).sum(axis=0) / count
    spread = np.einsum("rii->ri", patterns.covs) + np.where(patterns.observed, patterns.means - mean, 0.0) ** 2
    return mean, (patterns.counts[:, None] * spread).sum(axis=0) / count


def pairwise_moments(values: Array, weights: Array | None = None) -> tuple[Array, Array]:
    """Covariances (p, p) of the cases that have both of two variables, divisor n_ij - 1 times (n - 1) / n, and means (p,).

    `values` (n, p) with NaN for missing; `weights` (n,) count a case so often. The matrix need not be positive definite; NaN for
    a pair with fewer than two cases.
    """
    w = np.ones(len(values)) if weights is None else weights
    seen = (~np.isnan(values)).astype(np.float64)
    x = np.nan_to_num(values)
    mean = (w @ x) / (w @ seen)
    x = np.where(seen > 0, values - mean, 0.0)
    count = (seen * w[:, None]).T @ seen
    sums = (x * w[:, None]).T @ seen
    shared = np.maximum(count, 2.0)
    n = float(w.sum())
    cov = ((x * w[:, None]).T @ x - sums * sums.T / shared) / (shared - 1) * (n - 1) / n
    return np.where(seen.T @ seen > 1, cov, np.nan), mean


def pairwise_covariance(values: Array, cov: Array, mean: Array) -> Array:
    """N times the covariance of pairwise moments (row-wise vech, then means), by the cases that each rests on.

    Source: van Praag, B. M. S., Dijkstra, T. K. & van Velzen, J. (1985). Psychometrika, 50, 25-36.
    """
    seen = ~np.isnan(values)
    x = np.where(seen, values - mean, 0.0)
    rows, cols = np.tril_indices(values.shape[1])
    both = seen[:, rows] & seen[:, cols]
    z = np.hstack([(x[:, rows] * x[:, cols] - cov[rows, cols]) * both / both.mean(axis=0), x / seen.mean(axis=0)])
    return np.asarray(z.T @ z / len(z))


def saturated_information(found: Evaluation) -> Array:
    """Observed information (p(p+1)/2 + p, same) of unrestricted moments, per case: row-wise vech Sigma, then mu.

    `found` is the likelihood at the moments where it is wanted. With P and R = 2Q - P of each pattern, the part of
    (ij), (kl) is sum_r w_r (P_ik R_jl + R_ik P_jl + P_il R_jk + R_il P_jk) / 2, halved for each i = j and k = l.
    """
    P, Pd, w = found.P, found.Pd, found.weights
    p = P.shape[1]
    R = 2 * found.Q - P
    kron = ((P * w[:, None, None]).reshape(len(P), -1).T @ R.reshape(len(R), -1)).reshape(p, p, p, p)  # [i, k, j, l]
    rows, cols = np.tril_indices(p)
    half = np.where(rows == cols, 0.5, 1.0)
    i, j, k, l = rows[:, None], cols[:, None], rows[None], cols[None]  # noqa: E741
    covariances = (kron[i, k, j, l] + kron[j, l, i, k] + kron[i, l, j, k] + kron[j, k, i, l]) / 2 * half[:, None] * half
    triple = np.einsum("r,rk,ril->kil", w, Pd, P)  # d'P e_k P_il
    m = np.arange(p)[:, None]
    crossed = (triple[rows[None], m, cols[None]] + triple[cols[None], m, rows[None]]) * half
    return np.block([[covariances, crossed.T], [crossed, np.einsum("r,rij->ij", w, P)]])


def saturated_scores(values: Array, patterns: Patterns, found: Evaluation, mean: Array) -> Array:
    """Casewise derivatives (n, p(p+1)/2 + p) of the log-likelihood in unrestricted moments: row-wise vech Sigma, then mu.

    With a = P (x - mu) of the case's pattern: (a_i a_j - P_ij), halved for i = j, and a.
    """
    p = values.shape[1]
    rows, cols = np.tril_indices(p)
    half = np.where(rows == cols, 0.5, 1.0)
    scores = np.zeros((len(values), len(rows) + p))
    for r, P in enumerate(found.P):
        mine = np.flatnonzero(patterns.membership == r)
        a = np.where(patterns.observed[r], values[mine] - mean, 0.0) @ P
        scores[np.ix_(mine, np.arange(len(rows)))] = (a[:, rows] * a[:, cols] - P[rows, cols]) * half
        scores[np.ix_(mine, np.arange(len(rows), len(rows) + p))] = a
    return scores
