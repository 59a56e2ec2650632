"""The space that sets of dummies span: levels, how they are connected, and its dimension.

    rank [D_1 ... D_g]

One set spans as many dimensions as it has levels; two span their sum less the connected components of the graph of their levels.
With more, a set whose levels are unions of another's adds nothing and is left out; what remains is the largest set's levels and
the rank of the others after it is swept out of them, from the eigenvalues of their cross-product. Where that is too large, the
rank is bounded from above: a set adds no more than its levels less the components that it shares with one set before it.

Sources: Abowd, J., Creecy, R. & Kramarz, F. (2002), Census TP-2002-06 (two sets); Correia, S. (2017), reghdfe, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array, hstack
from scipy.sparse.csgraph import connected_components

from cipa.numerics.algebra.linalg import Array, IntArray, symmetric

DENSE_LEVELS = 1000
"""Up to so many levels of all sets but the largest, the eigenvalues take less than a second."""

NULL, CLEAR = 1e-11, 1e-8
"""Eigenvalues, on the scale of a unit diagonal, of what is rounding, and of what is not; between them the rank is not claimed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One set of effects.

    Parameters
    ----------
    codes : (n,) int array
        Level of each row, 0..levels-1; every level occurs.
    levels : int
    """

    codes: IntArray
    levels: int


def group_sums(column: Array, effect: Effect) -> Array:
    """Sum of an (n,) column within each level, (levels,)."""
    return np.bincount(effect.codes, weights=column, minlength=effect.levels)


def nested(effect: Effect, cluster: IntArray) -> bool:
    """Whether each level of an effect lies in one cluster."""
    first = np.zeros(effect.levels, dtype=cluster.dtype)
    first[effect.codes] = cluster
    return bool(np.array_equal(first[effect.codes], cluster))


def components(first: Effect, second: Effect) -> tuple[int, IntArray]:
    """Connected components of the graph whose nodes are the levels and whose edges are the rows.

    Returns
    -------
    int, (first.levels + second.levels,) int array
        Their number, and the component of each level, those of the first effect before those of the second.
    """
    size = first.levels + second.levels
    edges = coo_array((np.ones(len(first.codes)), (first.codes, first.levels + second.codes)), shape=(size, size))
    count, labels = connected_components(edges.tocsr(), directed=False)
    return int(count), labels


def dimension(effects: Sequence[Effect]) -> tuple[int, bool]:
    """Dimension of the span of the dummies, the constant included, and whether it is exact (else an upper bound)."""
    if not effects:
        return 0, True
    ordered = sorted(effects, key=lambda effect: -effect.levels)
    kept: list[Effect] = []
    for effect in ordered:
        if not any(nested(finer, effect.codes) for finer in kept):
            kept.append(effect)
    if len(kept) == 1:
        return kept[0].levels, True
    if len(kept) == 2:
        return kept[0].levels + kept[1].levels - components(*kept)[0], True
    found = _swept_rank(kept) if sum(effect.levels for effect in kept[1:]) <= DENSE_LEVELS else None
    return (_bound(kept), False) if found is None else (kept[0].levels + found, True)


def _swept_rank(effects: Sequence[Effect]) -> int | None:
    """Rank of the dummies of all sets but the first after that is swept out; None where rounding does not tell it."""
    rows = np.arange(len(effects[0].codes))
    ones = np.ones(len(rows))
    large, *others = (csr_array((ones, (rows, effect.codes)), shape=(len(rows), effect.levels)) for effect in effects)
    rest = hstack(others).tocsr()
    cross = (large.T @ rest).tocsr()
    mass = group_sums(ones, effects[0])
    gram = (rest.T @ rest).toarray()
    shares = csr_array(cross.multiply(1 / mass[:, None]))
    left = symmetric(gram - (cross.T @ shares).toarray())
    scale = np.sqrt(gram.diagonal())
    values = np.linalg.eigvalsh(left / np.outer(scale, scale))
    if ((values > NULL) & (values < CLEAR)).any():
        return None
    return int((values >= CLEAR).sum())


def _bound(effects: Sequence[Effect]) -> int:
    total = effects[0].levels
    for position, effect in enumerate(effects[1:], start=1):
        total += effect.levels - max(components(earlier, effect)[0] for earlier in effects[:position])
    return total
