"""Means, thresholds, slopes, variances and correlations of continuous and ordered variables, with their joint covariance.

An ordered variable is a normal variable seen through thresholds; given covariates x, its mean is x'beta and its variance 1.
Step one takes each variable by itself: ordered probit, or linear regression. Step two takes each pair, given step one: the
correlation of the two residuals by maximum likelihood (polychoric, polyserial or product-moment). With the casewise scores u of
step one and v of step two, and

    B = [A11 0; A21 A22],  A11 = sum u u' (within variables),  A21 = sum v d(log p)/d(step one)',  A22 = sum v^2,

the covariance of the estimates is B^-1 (sum [u v][u v]') B^-T (Muthén 1984). A case that lacks a variable, or a pair, has score 0
there. Correlations with continuous variables are then turned into covariances (delta method). With sampling weights w every sum
over cases is weighted, but that of [u v][u v]', whose scores are multiplied by w; with clusters it is over the clusters' sums of
scores, with the factor G/(G - 1) (Asparouhov & Muthén 2005).

Sources: Olsson, U. (1979). Psychometrika, 44, 443-460; Olsson, Drasgow & Dorans (1982). Psychometrika, 47, 337-347; Muthén, B.
(1984). Psychometrika, 49, 115-132; Muthén & Satorra (1995). Psychometrika, 60, 489-503; Asparouhov & Muthén (2005). Multivariate
statistical modeling with survey data, Proceedings of the Federal Committee on Statistical Methodology conference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from cipa.numerics.algebra.linalg import Array, BoolArray, IntArray, symmetric
from cipa.numerics.responses.polychoric import (
    LIMIT,
    SHORT,
    TINY,
    bivariate_density,
    bivariate_normal,
    table_correlations,
    table_scores,
    without_empty_cells,
)
from cipa.numerics.responses.probit import ROOT, density, probit, probit_scores

_ITERATIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """What p variables tell, given q covariates (or none).

    thresholds (t,) of the ordered variables, variable by variable, and their owner (t,); means (c,) of the continuous ones, in
    order; slopes (p, q); cov (p, p), residual covariances, 1 in the diagonal of ordered variables; gamma (m, m), n times the
    covariance of (thresholds, means, slopes row by row, covariances at rows, cols); rows, cols (r,): the lower triangle with the
    variances of continuous variables; converged, whether every pair did; mended, fourfold tables with an empty cell.
    """

    thresholds: Array
    owner: IntArray
    means: Array
    slopes: Array
    cov: Array
    rows: IntArray
    cols: IntArray
    gamma: Array
    converged: bool
    mended: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """Step one for one variable.

    params (m,): thresholds or the mean, then slopes, then the variance of a continuous one. scores (n, m), 0 where missing, and
    the sampling weights (n,), which are not in them.
    lower, upper (n,): where an ordered variable's residual lies; z (n,): the standardized residual of a continuous one.
    """

    ordered: bool
    params: Array
    scores: Array
    weights: Array
    seen: BoolArray
    codes: IntArray
    edges: Array
    lower: Array
    upper: Array
    z: Array

    @property
    def sd(self) -> float:
        """Standard deviation of the residual."""
        return 1.0 if self.ordered else math.sqrt(self.params[-1])


def moments_of(
    values: Array, categories: Sequence[int], covariates: Array | None = None, *, weights: Array | None = None,
    clusters: IntArray | None = None,
) -> Moments:  # fmt: skip
    """Moments of (n, p) values: codes 0..K-1 where `categories` is K, numbers where it is 0; NaN where missing.

    Parameters
    ----------
    covariates : (n, q) array, optional
        Without missing values.
    weights : (n,) array, optional
        Sampling weights, of mean 1.
    clusters : (n,) array, optional
        Codes of the clusters, within which cases depend on one another.
    """
    n, p = values.shape
    w = np.ones(n) if weights is None else weights
    x = np.empty((n, 0)) if covariates is None else covariates
    margins = [_margin(values[:, j], categories[j], x, w) for j in range(p)]
    first = np.concatenate([[0], np.cumsum([len(one.params) for one in margins])])
    pairs = [(i, j) for i in range(p) for j in range(i)]
    v, A21, rho = np.zeros((n, len(pairs))), np.zeros((len(pairs), first[-1])), np.zeros(len(pairs))
    by_table = _by_table(margins, pairs) if not x.shape[1] else {}
    converged, mended = True, 0
    for k, (i, j) in enumerate(pairs):
        rho[k], state, v[:, k], slopes = by_table.get(k) or _pair(margins[i], margins[j], x)
        converged &= state.converged
        mended += state.mended
        for variable, slope in zip((i, j), slopes, strict=True):
            A21[k, first[variable] : first[variable + 1]] = slope
    gamma = _joint_covariance(margins, first, v, A21, clusters)
    return _assembled(margins, first, pairs, rho, gamma, q=x.shape[1], converged=converged, mended=mended)


def _joint_covariance(margins: Sequence[Margin], first: IntArray, v: Array, A21: Array, clusters: IntArray | None) -> Array:
    """N times the covariance of (step one, correlations): B^-1 (sum [u v][u v]') B^-T."""
    u, w = np.hstack([one.scores for one in margins]), margins[0].weights
    inverse = np.zeros((u.shape[1], u.shape[1]))
    for one, start in zip(margins, first, strict=False):
        here = slice(start, start + len(one.params))
        inverse[here, here] = np.linalg.inv((one.scores * w[:, None]).T @ one.scores)
    A22 = np.maximum((v**2 * w[:, None]).sum(axis=0), 1e-300)
    influence = np.hstack([u @ inverse, (v - u @ inverse @ A21.T) / A22]) * w[:, None]
    if clusters is not None:
        sums = np.zeros((int(clusters.max()) + 1, influence.shape[1]))
        np.add.at(sums, clusters, influence)
        influence = sums * math.sqrt(len(sums) / (len(sums) - 1))
    return symmetric(influence.T @ influence) * len(u)


def _assembled(
    margins: Sequence[Margin], first: IntArray, pairs: Sequence[tuple[int, int]], rho: Array, gamma: Array, *, q: int,
    converged: bool, mended: int,
) -> Moments:  # fmt: skip
    """Correlations as covariances, and the order that models use."""
    t, p = int(first[-1]), len(margins)
    sd = np.array([one.sd for one in margins])
    cov = np.diag(sd**2)
    continuous = [j for j, one in enumerate(margins) if not one.ordered]
    H = np.eye(len(gamma))
    for k, (i, j) in enumerate(pairs):
        cov[i, j] = cov[j, i] = rho[k] * sd[i] * sd[j]
        H[t + k, t + k] = sd[i] * sd[j]
        for own, other in ((i, j), (j, i)):
            if not margins[own].ordered:
                H[t + k, first[own + 1] - 1] = rho[k] * sd[other] / (2 * sd[own])
    rows, cols = np.tril_indices(p)
    kept = (rows != cols) | np.isin(rows, continuous)
    rows, cols = rows[kept], cols[kept]
    place = {pair: t + k for k, pair in enumerate(pairs)} | {(j, j): int(first[j + 1]) - 1 for j in continuous}
    counts = [len(one.params) - q - (not one.ordered) for one in margins]
    order = [int(first[j]) + k for j, margin in enumerate(margins) if margin.ordered for k in range(counts[j])]
    order += [int(first[j]) for j in continuous]
    order += [int(first[j]) + counts[j] + k for j in range(p) for k in range(q)]
    order += [place[int(i), int(j)] for i, j in zip(rows, cols, strict=True)]
    gamma = H @ gamma @ H.T
    return Moments(
        thresholds=np.concatenate([one.params[:size] for one,
        size in zip(margins, counts, strict=True) if one.ordered] or [np.empty(0)]),
        owner=np.array([j for j, one in enumerate(margins) if one.ordered for _ in range(counts[j])], dtype=np.intp),
        means=np.array([margins[j].params[0] for j in continuous]),
        slopes=np.array([one.params[size : size + q] for one, size in zip(margins, counts, strict=True)]).reshape(p, q),
        cov=cov, rows=rows, cols=cols, gamma=gamma[np.ix_(order, order)], converged=converged, mended=mended,
    )  # fmt: skip


def _margin(values: Array, categories: int, x: Array, w: Array) -> Margin:
    seen = ~np.isnan(values)
    if not categories:
        return _regression(values, seen, x, w)
    codes = np.where(seen, values, 0).astype(np.intp)
    share = np.cumsum(np.bincount(codes[seen], weights=w[seen], minlength=categories)) / w[seen].sum()
    thresholds, slopes = ndtri(share[:-1]), np.zeros(x.shape[1])
    if x.shape[1]:
        thresholds, slopes = probit(codes[seen], x[seen], thresholds, w[seen])
    edges = np.concatenate([[-np.inf], thresholds, [np.inf]])
    centre = x @ slopes
    lower, upper = edges[codes] - centre, edges[codes + 1] - centre
    scores = np.where(seen[:, None], probit_scores(codes, x, lower, upper, categories), 0.0)
    return Margin(
        ordered=True, params=np.concatenate([thresholds, slopes]), scores=scores, weights=w, seen=seen, codes=codes, edges=edges,
        lower=lower, upper=upper, z=np.zeros(len(values)),
    )  # fmt: skip


def _regression(values: Array, seen: BoolArray, x: Array, w: Array) -> Margin:
    """Least squares with the maximum-likelihood variance."""
    design = np.column_stack([np.ones(len(values)), x])
    root = np.sqrt(w[seen])
    beta = np.linalg.lstsq(design[seen] * root[:, None], values[seen] * root, rcond=None)[0]
    error = np.where(seen, values - design @ beta, 0.0)
    variance = float(error @ (w * error)) / float(w[seen].sum())
    scores = np.column_stack([design * error[:, None] / variance, (error**2 / variance - 1) / (2 * variance)])
    nothing = np.zeros(len(values))
    return Margin(
        ordered=False, params=np.concatenate([beta, [variance]]), scores=np.where(seen[:, None], scores, 0.0), weights=w,
        seen=seen,
        codes=nothing.astype(np.intp), edges=np.empty(0), lower=nothing, upper=nothing, z=error / math.sqrt(variance),
    )  # fmt: skip


Waves = tuple[Array, Array]
"""Casewise derivatives of log p: in the lower and upper edge of an ordered variable, or in mean and variance of a continuous
one.
"""

Kind = Callable[[float, Margin, Margin], tuple[Array, Array, Waves, Waves]]
"""A pair's log-likelihood (n,), its derivative in the correlation (n,), and both variables' waves."""


@dataclass(frozen=True, slots=True)
class State:
    """Whether a pair's search converged, and whether its table had an empty cell mended."""

    converged: bool
    mended: bool = False


Found = tuple[float, State, Array, tuple[Array, Array]]
"""A pair's correlation, how it was found, scores v (n,), and the sums of v d(log p)/d(step one) of either variable."""


def _by_table(margins: Sequence[Margin], pairs: Sequence[tuple[int, int]]) -> dict[int, Found]:
    """The pairs of ordered variables without covariates: only their tables count, and tables of a shape go together."""
    found: dict[int, Found] = {}
    shapes: dict[tuple[int, int], list[int]] = {}
    indicators = [(one.codes[:, None] == np.arange(len(one.edges) - 1)) & one.seen[:, None] for one in margins]
    for k, (i, j) in enumerate(pairs):
        if margins[i].ordered and margins[j].ordered:
            shapes.setdefault((len(margins[i].edges), len(margins[j].edges)), []).append(k)
    for chosen in shapes.values():
        first, second = [pairs[k][0] for k in chosen], [pairs[k][1] for k in chosen]
        tables = np.array(
            [(indicators[i] * margins[i].weights[:, None]).T @ indicators[j] for i, j in zip(first, second, strict=True)]
        )
        one, two = (np.array([margins[i].edges for i in side]) for side in (first, second))
        mended, adjusted = (
            without_empty_cells(tables) if tables.shape[1:] == (2, 2) else (tables, np.zeros(len(tables), dtype=np.bool_))
        )
        rho, done = table_correlations(mended, one, two)
        scores, slopes = table_scores(rho, one, two)
        sums = [np.einsum("pab,pab,pabt->pt", tables, scores, slope) for slope in slopes]
        for q, (k, i, j) in enumerate(zip(chosen, first, second, strict=True)):
            v = np.where(margins[i].seen & margins[j].seen, scores[q][margins[i].codes, margins[j].codes], 0.0)
            state = State(converged=bool(done[q]), mended=bool(adjusted[q]))
            found[k] = float(rho[q]), state, v, (sums[0][q], sums[1][q])
    return found


def _pair(one: Margin, two: Margin, x: Array) -> Found:
    """A pair, case by case."""
    both = one.seen & two.seen
    kind = _both_ordered if one.ordered and two.ordered else _both_continuous
    swapped = two.ordered and not one.ordered
    if one.ordered != two.ordered:
        kind = _polyserial
    if swapped:
        one, two = two, one
    rho, done = _search(kind, one, two, both)
    score, wave_one, wave_two = kind(rho, one, two)[1:]
    score = np.where(both, score, 0.0)
    weighted = score * one.weights
    found = (_onto(one, wave_one, weighted, x), _onto(two, wave_two, weighted, x))
    return rho, State(done), score, (found[1], found[0]) if swapped else found


def _search(kind: Kind, one: Margin, two: Margin, both: BoolArray) -> tuple[float, bool]:
    """Maximum-likelihood correlation given step one, by scoring steps in Fisher's z with halving, then secants.

    As `table_correlations`, with the sum of squared scores in the place of the expected information.
    """
    limit = math.atanh(LIMIT)
    a, b = _rough(one)[both], _rough(two)[both]
    z = math.atanh(min(max(float(np.corrcoef(a, b)[0, 1]), -0.9), 0.9)) if a.std() > 0 < b.std() else 0.0
    w = one.weights[both]

    def at(place: float) -> tuple[float, float, float]:
        """Log-likelihood, its derivative in z, and the sum of squared scores."""
        value, score, _, _ = kind(math.tanh(place), one, two)
        inner = 1 - math.tanh(place) ** 2
        return float(w @ value[both]), float(w @ score[both]) * inner, float(w @ score[both] ** 2) * inner**2

    total, gradient, bend = at(z)
    moved, beyond = math.inf, False
    for _ in range(_ITERATIONS):
        step = gradient / max(bend, 1e-300)
        for _halving in range(40):
            trial = min(max(z + step, -limit), limit)
            reached, there, squares = at(trial)
            if reached >= total - 1e-13 * abs(total):
                break
            step /= 2
        moved = abs(trial - z)
        beyond = beyond or gradient * there < 0
        met = bend if moved < SHORT else (gradient - there) / (trial - z)
        z, total, gradient, bend = trial, reached, there, met if beyond and met > 0 else squares
        if moved < 1e-13:
            break
    return math.tanh(z), moved < 1e-8 and abs(z) < limit


def _rough(margin: Margin) -> Array:
    """A residual to start from: the standardized one, or the middle of the interval."""
    if not margin.ordered:
        return margin.z
    return np.asarray((np.clip(margin.lower, -3, 3) + np.clip(margin.upper, -3, 3)) / 2)


def _onto(margin: Margin, waves: Waves, score: Array, x: Array) -> Array:
    """Sum over cases of score times d(log p)/d(params of step one)."""
    first, second = score * waves[0], score * waves[1]
    if not margin.ordered:
        return np.concatenate([[first.sum()], first @ x, [second.sum()]])
    size = len(margin.edges)
    edges = np.bincount(margin.codes, weights=first, minlength=size) + np.bincount(
        margin.codes + 1, weights=second, minlength=size
    )
    return np.concatenate([edges[1:-1], -(first + second) @ x])


def _both_ordered(rho: float, one: Margin, two: Margin) -> tuple[Array, Array, Waves, Waves]:
    """Log-likelihood (n,) of two ordered variables, its derivative in rho, and in both variables' edges."""
    r = np.array(rho)
    corners = [
        (a, b, sign)
        for a, sa in ((one.upper, 1), (one.lower, -1))
        for b, sb in ((two.upper, 1), (two.lower, -1))
        for sign in [sa * sb]
    ]
    probability = np.maximum(sum(sign * bivariate_normal(a, b, r) for a, b, sign in corners), TINY)
    slope = sum(sign * bivariate_density(a, b, r) for a, b, sign in corners) / probability
    root = math.sqrt(1 - rho * rho)

    def wave(edge: Array, other: Margin) -> Array:
        finite = np.where(np.isfinite(edge), edge, 0.0)
        conditional = ndtr((other.upper - rho * finite) / root) - ndtr((other.lower - rho * finite) / root)
        return np.asarray(density(edge) * conditional / probability)

    waves = [(-wave(own.lower, other), wave(own.upper, other)) for own, other in ((one, two), (two, one))]
    return np.log(probability), slope, waves[0], waves[1]


def _polyserial(rho: float, one: Margin, two: Margin) -> tuple[Array, Array, Waves, Waves]:
    """The same for an ordered variable `one` and a continuous variable `two`."""
    root, z, sd = math.sqrt(1 - rho * rho), two.z, two.sd
    upper, lower = (one.upper - rho * z) / root, (one.lower - rho * z) / root
    probability = np.maximum(ndtr(upper) - ndtr(lower), TINY)
    above, below = density(upper) / probability, density(lower) / probability
    finite_upper, finite_lower = (np.where(np.isfinite(edge), edge, 0.0) for edge in (one.upper, one.lower))
    slope = (above * (rho * finite_upper - z) - below * (rho * finite_lower - z)) / root**3
    drift = (above - below) * rho / root
    log_density = -(z**2) / 2 - math.log(sd * ROOT)
    continuous = ((z + drift) / sd, (z**2 - 1 + z * drift) / (2 * sd**2))
    return np.log(probability) + log_density, slope, (-below / root, above / root), continuous


def _both_continuous(rho: float, one: Margin, two: Margin) -> tuple[Array, Array, Waves, Waves]:
    """The same for two continuous variables: the bivariate normal density."""
    rest, a, b = 1 - rho * rho, one.z, two.z
    value = -math.log(2 * math.pi * one.sd * two.sd) - math.log(rest) / 2 - (a * a - 2 * rho * a * b + b * b) / (2 * rest)
    slope = (rho * rest + a * b * (1 + rho * rho) - rho * (a * a + b * b)) / rest**2
    waves = [
        ((own - rho * other) / (rest * sd), (own * (own - rho * other) / rest - 1) / (2 * sd**2))
        for own, other, sd in ((a, b, one.sd), (b, a, two.sd))
    ]
    return value, slope, waves[0], waves[1]
