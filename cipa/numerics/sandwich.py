"""The meat of the sandwich, from casewise scores: heteroskedastic, clustered, kernel-weighted.

Every function takes scores (n, k), the gradient of each row's objective, and returns a symmetric (k, k) matrix; no
small-sample factor is applied here. The covariance of the estimates is bread @ meat @ bread.

Sources: White, H. (1980). Econometrica, 48, 817-838; Arellano, M. (1987). Oxford Bulletin, 49, 431-434; Cameron, C.,
Gelbach, J. & Miller, D. (2011). JBES, 29, 238-249 (several ways); Newey, W. & West, K. (1987). Econometrica, 55,
703-708; Driscoll, J. & Kraay, A. (1998). REStat, 80, 549-560.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from cipa.numerics.algebra.linalg import Array, BoolArray, IntArray, symmetric

UNITS = 1e10
"""Ratio of variances beyond which eigenvectors of one matrix cannot hold both: rounding of the largest reaches the smallest's
digits.
"""

CANCELLED = 1e-11
"""Standard error relative to the sum of absolute scores that is left by rounding where they cancel; a true one is about
1/sqrt(n).
"""


def heteroskedastic_meat(scores: Array) -> Array:
    """Sum of s_i s_i', (k, k)."""
    return scores.T @ scores


def summed_scores(scores: Array, codes: IntArray, groups: int) -> Array:
    """Scores summed within each group, (groups, k)."""
    return np.column_stack([np.bincount(codes, weights=column, minlength=groups) for column in scores.T])


def clustered_meat(scores: Array, codes: IntArray, groups: int) -> Array:
    """Sum over groups of (sum s_i)(sum s_i)', (k, k)."""
    sums = summed_scores(scores, codes, groups)
    return sums.T @ sums


def casewise_meat(scores: Array, clusters: IntArray | None = None, strata: IntArray | None = None) -> Array:
    """Sum (k, k) of outer products of scores; by cluster with the factor G/(G - 1) where there are clusters.

    Parameters
    ----------
    scores : (n, k) array
    clusters : (n,) int array, optional
        Codes 0..G-1.
    strata : (n,) int array, optional
        Groups of the cases, each with its own G; a cluster may have cases in several of them.
    """
    if clusters is None:
        return heteroskedastic_meat(scores)
    home = np.zeros(len(clusters), dtype=np.intp) if strata is None else strata
    counts = np.array([len(np.unique(clusters[home == stratum])) for stratum in range(int(home.max()) + 1)], dtype=np.float64)
    factors = np.sqrt(counts / np.maximum(counts - 1, 1))
    return clustered_meat(scores * factors[home, None], clusters, int(clusters.max()) + 1)


def multiway_meats(scores: Array, codes: Sequence[IntArray]) -> tuple[tuple[Array, int, int], ...]:
    """The inclusion-exclusion parts of multi-way clustering.

    Parameters
    ----------
    scores : (n, k) array
    codes : sequence of (n,) int arrays
        One for each way.

    Returns
    -------
    tuple of (meat (k, k), sign, groups)
        The matrix of each non-empty subset of the ways, +1 for an odd number of ways and -1 for an even one; the
        caller applies its factor to each part and adds them up.
    """
    parts = []
    for size in range(1, len(codes) + 1):
        for chosen in combinations(codes, size):
            code, groups = intersect(chosen)
            parts.append((clustered_meat(scores, code, groups), 1 if size % 2 else -1, groups))
    return tuple(parts)


def intersect(codes: Sequence[IntArray]) -> tuple[IntArray, int]:
    """Codes 0..G-1 of the combinations that occur of several groupings, and G."""
    joint = np.asarray(codes[0], dtype=np.int64)
    for code in codes[1:]:
        joint = joint * (int(code.max()) + 1) + code
    levels, code = np.unique(joint, return_inverse=True)
    return code.reshape(-1), len(levels)


def bartlett(lags: int) -> Array:
    """Weights 1 - l / (L + 1) of lags 1..L."""
    return 1 - np.arange(1, lags + 1) / (lags + 1)


def driscoll_kraay_meat(scores: Array, periods: IntArray, span: int, lags: int) -> Array:
    """Kernel meat of the scores summed over entities in each period.

    Parameters
    ----------
    scores : (n, k) array
    periods : (n,) int array
        Position of the row on the time axis, 0..span-1; a period without rows counts as one.
    span : int
    lags : int
        Bartlett bandwidth L; 0 clusters by time.
    """
    sums = summed_scores(scores, periods, span)
    meat = sums.T @ sums
    for lag, weight in enumerate(bartlett(lags), start=1):
        if lag < span:
            gamma = sums[lag:].T @ sums[:-lag]
            meat = meat + weight * (gamma + gamma.T)
    return symmetric(meat)


def newey_west_meat(scores: Array, entities: IntArray, periods: IntArray, lags: int) -> Array:
    """Kernel meat within each entity; pairs of rows are matched by their periods, so that a gap is a gap.

    Parameters
    ----------
    scores : (n, k) array
    entities, periods : (n,) int array
        An entity has at most one row in a period.
    lags : int
        Bartlett bandwidth L.
    """
    width = int(periods.max(initial=0)) + 1 + lags
    key = entities.astype(np.int64) * width + periods
    order = np.argsort(key, kind="stable")
    ordered, sorted_scores = key[order], scores[order]
    meat = heteroskedastic_meat(scores)
    for lag, weight in enumerate(bartlett(lags), start=1):
        place = np.searchsorted(ordered, ordered - lag)
        place = np.minimum(place, len(ordered) - 1)
        found = ordered[place] == ordered - lag
        gamma = sorted_scores[found].T @ sorted_scores[place[found]]
        meat = meat + weight * (gamma + gamma.T)
    return symmetric(meat)


def nearest_positive(matrix: Array) -> tuple[Array, bool]:
    """A symmetric (k, k) matrix with its negative eigenvalues set to zero, and whether any was.

    Multi-way clustering subtracts; with few groups the difference need not be positive semidefinite (Cameron, Gelbach and Miller
    2011, section 2.3). The eigenvalues are those of the matrix in the units of the data, as there; where its variances differ by
    more than `UNITS`, small ones would be lost in the rounding of large ones, and the eigenvalues are those of the matrix with
    unit diagonal.
    """
    spread = np.abs(matrix.diagonal())
    positive = spread[spread > 0]
    scale = np.ones(len(matrix))
    if positive.size and positive.max() > UNITS * positive.min():
        scale = np.sqrt(np.where(spread > 0, spread, 1.0))
    values, vectors = np.linalg.eigh(symmetric(matrix / np.outer(scale, scale)))
    if values.size == 0 or values[0] >= -1e-12 * max(float(values[-1]), 1e-300):
        return matrix, False
    # added to the matrix, so that what is not concerned keeps its digits
    below = vectors[:, values < 0] * np.sqrt(-values[values < 0])
    return symmetric(matrix + below @ below.T * np.outer(scale, scale)), True


def rounding_only(matrix: Array, bread: Array, scores: Array) -> BoolArray:
    """Which (k,) variances of a sandwich are nothing but rounding: the scores of each group add up to zero.

    Parameters
    ----------
    matrix : (k, k) array
        bread @ meat @ bread.
    bread : (k, k) array
    scores : (n, k) array
    """
    size = np.abs(bread) @ np.abs(scores).sum(axis=0)
    found: BoolArray = np.sqrt(np.maximum(matrix.diagonal(), 0.0)) <= CANCELLED * size
    return found
