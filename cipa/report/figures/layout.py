"""Where the variables of a path diagram stand: causes left, outcomes right, no line through a node.

Nodes are ranked by the longest path that leads to them (Sugiyama, Tagawa & Toda 1981). Within a rank, order, spacing and
a gap are searched rank by rank for the fewest lines through nodes, then the fewest crossings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, permutations

import numpy as np

from cipa.numerics.algebra.linalg import Array

RANK_GAP = 250.0
_BETWEEN = 120.0  # between what stands in two ranks, for the labels of their lines
_SWEEPS = 3
_FEW = 5  # ranks of at most so many nodes are searched over all orders


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A variable: its place, half its width and half its height, and the room of its items.

    `room` is what they take above and below it together, `reach` to each side; `tower` what they take on one side, above the node
    where `up` holds, else below.
    """

    name: str
    rx: float
    ry: float
    latent: bool
    x: float = 0.0
    y: float = 0.0
    room: float = 0.0
    reach: float = 0.0
    tower: float = 0.0
    up: bool = True


Edge = tuple[str, str]
"""From the cause to the outcome."""


def ranks_of(names: Sequence[str], edges: Sequence[Edge], *, late: Sequence[str]) -> dict[str, int]:
    """Rank of each variable: the longest path to it; a variable in `late` stands just before its first outcome.

    A feedback loop is cut at its last edge.
    """
    rank = dict.fromkeys(names, 0)
    for _ in range(len(names) + 1):
        moved = False
        for cause, outcome in edges:
            if rank[outcome] <= rank[cause]:
                rank[outcome], moved = rank[cause] + 1, True
        if not moved:
            break
    else:
        order = {name: k for k, name in enumerate(names)}
        forward = [edge for edge in edges if order[edge[0]] < order[edge[1]]]
        return ranks_of(names, forward, late=late)
    for name in late:
        outcomes = [rank[outcome] for cause, outcome in edges if cause == name]
        if outcomes and min(outcomes) > 1:
            rank[name] = min(outcomes) - 1
    return rank


def place(nodes: Sequence[Node], edges: Sequence[Edge], rank: Mapping[str, int]) -> dict[str, Node]:
    """Coordinates of every node."""
    columns = [[node for node in nodes if rank[node.name] == level] for level in range(max(rank.values(), default=0) + 1)]
    across = _across(columns)
    placed = {
        node.name: node
        for x, column in zip(across, columns, strict=True)
        for node in _stacked(column, x, gap=1.15, hole=(0, 0.0))
    }
    for _ in range(_SWEEPS):
        for level, column in enumerate(columns):
            inner = 0 < level < len(columns) - 1
            trials = [
                {**placed, **{node.name: node for node in trial}}
                for trial in _arrangements(_orders(column, placed, edges), across[level], inner=inner)
            ]
            costs = [_cost(trial, edges) for trial in trials]
            best = int(np.argmin(costs))
            if costs[best] < _cost(placed, edges) - 1e-9:
                placed = trials[best]
    return placed


def _across(columns: Sequence[Sequence[Node]]) -> list[float]:
    """Horizontal places of the ranks: apart as their widest nodes and items need."""
    half = [max((max(node.rx, node.reach) for node in column), default=0.0) for column in columns]
    gaps = [max(RANK_GAP, a + b + _BETWEEN) for a, b in pairwise(half)]
    return [sum(gaps[:level]) for level in range(len(columns))]


def _orders(column: Sequence[Node], placed: Mapping[str, Node], edges: Sequence[Edge]) -> list[list[Node]]:
    """Orders of a rank that are tried: all of a few nodes.

    Else the one there is with two neighbours swapped, turned, or by their ties.
    """
    if len(column) <= _FEW:
        return [list(order) for order in permutations(column)]
    here = sorted(column, key=lambda node: placed[node.name].y)
    tied = {node.name: [placed[b if a == node.name else a].y for a, b in edges if node.name in (a, b)] for node in column}
    middle = sorted(here, key=lambda node: float(np.mean(tied[node.name])) if tied[node.name] else placed[node.name].y)
    swapped = [[*here[:k], here[k + 1], here[k], *here[k + 2 :]] for k in range(len(here) - 1)]
    return [here, middle, here[::-1], *swapped]


def _arrangements(orders: Sequence[Sequence[Node]], x: float, *, inner: bool) -> list[list[Node]]:
    size = len(orders[0]) if orders else 0
    holes = [(0, 0.0), *[(at, gap) for at in range(1, size) for gap in (90.0, 180.0)]] if inner else [(0, 0.0)]
    if inner and size == 1:  # off the middle, by so much that its items are too
        aside = 120.0 + orders[0][0].tower
        holes += [(0, aside), (1, aside)]
    flips = (False, True) if size and any(node.tower for node in orders[0]) else (False,)
    return [
        _stacked(order, x, gap=gap, hole=hole, flip=flip)
        for order in orders
        for gap in (1.15, 1.5)
        for hole in holes
        for flip in flips
    ]


def _stacked(column: Sequence[Node], x: float, *, gap: float, hole: tuple[int, float], flip: bool = False) -> list[Node]:
    """Nodes one below the other about y = 0, with a hole before position `hole[0]`; items outwards, or flipped inwards."""
    at, size = hole
    y, centres = 0.0, []
    turned = [replace(node, up=(2 * k < len(column)) != flip) for k, node in enumerate(column)]
    for k, node in enumerate(turned):
        if k == at and size:
            y += size
        y += node.tower if node.up else 0.0
        half = (node.ry + node.room / 2) * gap
        centres.append(y + half)
        y += 2 * half + (0.0 if node.up else node.tower)
    if at == len(column) and size:
        y += size
    return [replace(node, x=x, y=centre - y / 2) for node, centre in zip(turned, centres, strict=True)]


def _cost(placed: Mapping[str, Node], edges: Sequence[Edge]) -> float:
    names = list(placed)
    index = {name: k for k, name in enumerate(names)}
    centre = np.array([(placed[name].x, placed[name].y) for name in names])
    radius = np.array([(placed[name].rx + 6, placed[name].ry + 6) for name in names])
    pairs = np.array([(index[cause], index[outcome]) for cause, outcome in edges], dtype=np.intp).reshape(-1, 2)
    start, end = centre[pairs[:, 0]], centre[pairs[:, 1]]
    through = _through(start, end, centre, radius)
    through[np.arange(len(pairs)), pairs[:, 0]] = False
    through[np.arange(len(pairs)), pairs[:, 1]] = False
    height = float(np.ptp(centre[:, 1])) if len(centre) else 0.0
    steepness = float(np.abs(start[:, 1] - end[:, 1]).sum())
    return (
        1e4 * float(through.sum())
        + 2e3 * _among_items(placed, start, end, pairs)
        + 40 * _crossings(start, end, pairs)
        + 0.05 * steepness
        + 0.2 * height
    )


def _among_items(placed: Mapping[str, Node], start: Array, end: Array, pairs: Array) -> int:
    """How many lines run between a node and the items above or below it, though they belong to neither."""
    towers = [(k, node) for k, node in enumerate(placed.values()) if node.tower]
    if not towers or not len(pairs):
        return 0
    owner = np.array([k for k, _ in towers])
    middle = np.array([(node.x, node.y + (-1 if node.up else 1) * (node.ry + node.tower / 2)) for _, node in towers])
    radius = np.array([(node.reach, node.tower / 2 + 6) for _, node in towers])
    return int((_through(start, end, middle, radius) & (pairs[:, :1] != owner) & (pairs[:, 1:] != owner)).sum())


def _through(start: Array, end: Array, centre: Array, radius: Array) -> Array:
    """Which lines (e) pass through which nodes (n), as ellipses: (e, n)."""
    a = (start[:, None] - centre[None]) / radius[None]
    d = (end[:, None] - start[:, None]) / radius[None]
    length = np.maximum((d**2).sum(axis=2), 1e-12)
    t = np.clip(-(a * d).sum(axis=2) / length, 0, 1)
    return np.asarray(((a + t[..., None] * d) ** 2).sum(axis=2) < 1)


def _crossings(start: Array, end: Array, pairs: Array) -> int:
    def side(p: Array, q: Array, r: Array) -> Array:
        cross = (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0])
        return np.asarray(np.sign(cross))

    s, e, t, f = start[:, None], end[:, None], start[None], end[None]
    met = (side(s, e, t) * side(s, e, f) < 0) & (side(t, f, s) * side(t, f, e) < 0)
    shared = (pairs[:, None, :, None] == pairs[None, :, None, :]).any(axis=(2, 3))
    return int(np.triu(met & ~shared, 1).sum())
