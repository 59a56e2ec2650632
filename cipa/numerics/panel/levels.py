"""Effects by level: what each firm and each year adds, from the part of an outcome that the effects explain together.

    total_n = sum_g a_g[level of row n in effect g]

The parts are fixed up to constants that one effect can give another: in each connected component of the levels the first level of
the second effect is 0 (of every further effect: its first level), and the first effect takes what they give away. The sum over
the effects is verified row by row.

Sources: Abowd, J., Creecy, R. & Kramarz, F. (2002), Census TP-2002-06; Fong, D. & Saunders, M. (2011). SIAM Journal on Scientific
Computing, 33, 2950-2971 (LSMR); fixest::fixef (the same references).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, hstack
from scipy.sparse.linalg import lsmr

from cipa.numerics.algebra.linalg import Array
from cipa.numerics.panel.absorb import DIRECT_LEVELS, TwoEffects
from cipa.numerics.panel.span import Effect, components, group_sums

RECONSTRUCTED = 1e-9
"""Largest difference between the sum of the effects and what they add up to, relative to its spread (or to its size, in
rounding).
"""

ROUNDING = 1e-14
"""What is left of the total, relative to its spread, that needs no further round."""

ROUNDS = 4
"""The first solution and its refinements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelEffects:
    """The effects by level.

    Parameters
    ----------
    values : tuple of (levels,) arrays
        One for each effect.
    references : tuple of (levels,) bool arrays
        Which levels were set to 0.
    verified : bool
        Whether the effects add up to the total.
    """

    values: tuple[Array, ...]
    references: tuple[Array, ...]
    verified: bool


def level_effects(total: Array, effects: Sequence[Effect]) -> LevelEffects:
    """Split an (n,) total that lies in the span of the effects' dummies.

    Parameters
    ----------
    total : (n,) array
    effects : sequence of Effect, at least one
    """
    values = [np.zeros(effect.levels) for effect in effects]
    left = total - total.mean()
    spread = float(np.abs(left).max(initial=0.0))
    split = _splitter(effects)
    for _ in range(ROUNDS):
        if np.abs(left).max(initial=0.0) <= ROUNDING * spread:
            break
        parts = split(left)
        values = [value + part for value, part in zip(values, parts, strict=True)]
        left = left - _sum(parts, effects)
    values[0] = values[0] + total.mean()
    references = _normalised(values, effects)
    gap = float(np.abs(total - _sum(values, effects)).max(initial=0.0))
    size = spread + 1e-6 * float(np.abs(total).max(initial=0.0))
    return LevelEffects(values=tuple(values), references=references, verified=gap <= RECONSTRUCTED * size)


def _sum(values: Sequence[Array], effects: Sequence[Effect]) -> Array:
    total: Array = sum(
        (value[effect.codes] for value, effect in zip(values, effects, strict=True)), np.zeros(len(effects[0].codes))
    )
    return total


def _means(column: Array, effect: Effect) -> Array:
    return group_sums(column, effect) / np.bincount(effect.codes, minlength=effect.levels)


def _splitter(effects: Sequence[Effect]) -> Callable[[Array], list[Array]]:
    """One solution for a total, up to the constants."""
    if len(effects) == 1:
        return lambda total: [_means(total, effects[0])]
    large, small = sorted(range(len(effects)), key=lambda position: -effects[position].levels)[:2]
    direct = None
    if len(effects) == 2 and effects[small].levels <= DIRECT_LEVELS:
        direct = TwoEffects.of(effects[large], effects[small], None)
    if direct is None:
        return lambda total: _iterated(total, effects)

    def directly(total: Array) -> list[Array]:
        parts = [np.empty(0), np.empty(0)]
        parts[small] = direct.small_effects(total)
        parts[large] = _means(total - parts[small][effects[small].codes], effects[large])
        return parts

    return directly


def _iterated(total: Array, effects: Sequence[Effect]) -> list[Array]:
    rows = np.arange(len(total))
    blocks = []
    for effect in effects:  # columns of unit length, as the steps of LSMR like them
        length = np.sqrt(np.bincount(effect.codes, minlength=effect.levels))
        blocks.append(csr_array((1 / length[effect.codes], (rows, effect.codes)), shape=(len(total), effect.levels)))
    found = lsmr(hstack(blocks).tocsr(), total, atol=1e-14, btol=1e-14, conlim=0, maxiter=5000)[0]
    parts, start = [], 0
    for effect in effects:
        length = np.sqrt(np.bincount(effect.codes, minlength=effect.levels))
        parts.append(found[start : start + effect.levels] / length)
        start += effect.levels
    return parts


def _normalised(values: list[Array], effects: Sequence[Effect]) -> tuple[Array, ...]:
    """Move constants into the first effect, in place; returns which levels are 0 by that."""
    references = [np.zeros(effect.levels, dtype=bool) for effect in effects]
    for position in range(1, len(effects)):
        first, later = effects[0], effects[position]
        labels = components(first, later)[1] if len(effects) == 2 else np.zeros(first.levels + later.levels, dtype=np.intp)
        upper, lower = labels[: first.levels], labels[first.levels :]
        names, where = np.unique(lower, return_index=True)
        shift = np.zeros(int(names.max()) + 1)
        shift[names] = values[position][where]
        values[position] = values[position] - shift[lower]
        values[0] = values[0] + shift[upper]
        values[position][where] = 0.0
        references[position][where] = True
    return tuple(references)
