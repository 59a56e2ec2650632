"""Index draws for resampling: one seed sequence, one child for each draw, so that no draw depends on the others.

Sources: Efron, B. & Tibshirani, R. (1993). An Introduction to the Bootstrap; Davison & Hinkley (1997), ch. 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from cipa.numerics.algebra.linalg import Array, IntArray


def generators(seed: int, draws: int) -> Iterator[np.random.Generator]:
    """A generator for each draw; draw r is the same whatever the number of draws or workers."""
    for child in np.random.SeedSequence(seed).spawn(draws):
        yield np.random.Generator(np.random.PCG64(child))


def case_rows(rng: np.random.Generator, sizes: Sequence[int]) -> list[IntArray]:
    """Rows drawn with replacement within groups of the given sizes."""
    return [rng.integers(size, size=size) for size in sizes]


def cluster_rows(rng: np.random.Generator, codes: IntArray) -> IntArray:
    """Rows of whole clusters drawn with replacement; `codes` (n,) are 0..G-1."""
    order = np.argsort(codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(codes))])
    drawn = rng.integers(len(starts) - 1, size=len(starts) - 1)
    return np.concatenate([order[starts[g] : starts[g + 1]] for g in drawn])


def quantiles(draws: Array, probabilities: Array) -> Array:
    """Quantiles (k,) of the columns of (R, k) draws, each at its own probability (linear interpolation, R's type 7)."""
    ordered = np.sort(draws, axis=0)
    place = np.clip(probabilities, 0, 1) * (len(ordered) - 1)
    low = np.floor(place).astype(np.intp)
    high = np.minimum(low + 1, len(ordered) - 1)
    column = np.arange(ordered.shape[1])
    share = place - low
    return np.asarray(ordered[low, column] * (1 - share) + ordered[high, column] * share)
