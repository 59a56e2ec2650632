"""Where the variables of a path diagram stand: causes left, outcomes right, no line through a node.

Nodes are ranked by the longest path that leads to them (Sugiyama, Tagawa & Toda 1981). Within a rank, order, spacing and
a gap are searched rank by rank for the fewest lines through nodes, then the fewest crossings; labels slide along their
lines to where they cover nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from cipa.numerics.algebra.linalg import Array

RANK_GAP = 250.0
_SWEEPS = 3
_FEW = 5  # ranks of at most so many nodes are searched over all orders


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A variable: its place, half its width and half its height, and the room that its items take above or below."""

    name: str
    rx: float
    ry: float
    latent: bool
    x: float = 0.0
    y: float = 0.0
    room: float = 0.0


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
    placed = {
        node.name: node for level, column in enumerate(columns) for node in _stacked(column, level, gap=1.15, hole=(0, 0.0))
    }
    for _ in range(_SWEEPS):
        for level, column in enumerate(columns):
            trials = [
                {**placed, **{node.name: node for node in trial}} for trial in _arrangements(column, level, last=len(columns) - 1)
            ]
            costs = [_cost(trial, edges) for trial in trials]
            best = int(np.argmin(costs))
            if costs[best] < _cost(placed, edges) - 1e-9:
                placed = trials[best]
    return placed


def _arrangements(column: Sequence[Node], level: int, *, last: int) -> list[list[Node]]:
    orders = [list(order) for order in permutations(column)] if len(column) <= _FEW else [list(column), list(column)[::-1]]
    inner = 0 < level < last
    holes = [(0, 0.0), *[(at, size) for at in range(1, len(column)) for size in (90.0, 180.0)]] if inner else [(0, 0.0)]
    if inner and len(column) == 1:
        holes += [(0, 120.0), (1, 120.0)]
    return [_stacked(order, level, gap=gap, hole=hole) for order in orders for gap in (1.15, 1.5) for hole in holes]


def _stacked(column: Sequence[Node], level: int, *, gap: float, hole: tuple[int, float]) -> list[Node]:
    """Nodes one below the other about y = 0, with a hole before position `hole[0]`."""
    at, size = hole
    y, centres = 0.0, []
    for k, node in enumerate(column):
        if k == at and size:
            y += size
        half = node.ry + node.room / 2
        y += half * gap
        centres.append(y)
        y += half * gap
    if at == len(column) and size:
        y += size
    return [replace(node, x=level * RANK_GAP, y=centre - y / 2) for node, centre in zip(column, centres, strict=True)]


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
    return 1e4 * float(through.sum()) + 40 * _crossings(start, end, pairs) + 0.05 * steepness + 0.2 * height


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


def place_labels(
    lines: Sequence[tuple[Array, Array]],
    boxes: Sequence[tuple[float, float]],
    obstacles: Sequence[tuple[float, float, float, float]],
) -> list[tuple[float, float]]:
    """Centres of labels that slide along their lines to where they cover neither nodes nor other labels nor lines.

    Parameters
    ----------
    lines : sequence of (2,) start and end
    boxes : sequence of (half width, half height)
    obstacles : sequence of (x, y, half width, half height)
    """
    steps = np.linspace(0.16, 0.84, 35)
    order = np.array(sorted(range(35), key=lambda k: abs(steps[k] - 0.45)))
    chosen: list[tuple[float, float]] = [tuple(((a + b) / 2).tolist()) for a, b in lines]
    for _ in range(_SWEEPS):
        for k, (a, b) in enumerate(lines):
            points = a + steps[order][:, None] * (b - a)
            cost = np.linspace(0, 0.5, 35)
            for x, y, w, h in obstacles:
                cost = cost + 20 * _overlap(points, boxes[k], (x, y), (w, h))
            for j, other in enumerate(chosen):
                if j != k:
                    cost = cost + 10 * _overlap(points, boxes[k], other, boxes[j])
                    cost = cost + 2 * _covers(points, boxes[k], lines[j])
            chosen[k] = tuple(points[int(np.argmin(cost))].tolist())
    return chosen


def _overlap(points: Array, box: tuple[float, float], other: tuple[float, float], size: tuple[float, float]) -> Array:
    width = np.maximum(box[0] + size[0] + 2 - np.abs(points[:, 0] - other[0]), 0)
    height = np.maximum(box[1] + size[1] + 2 - np.abs(points[:, 1] - other[1]), 0)
    return np.asarray((width > 0) & (height > 0), dtype=np.float64)


def _covers(points: Array, box: tuple[float, float], line: tuple[Array, Array]) -> Array:
    """Whether a line passes through the ellipse around each label."""
    start, end = (np.broadcast_to(one, points.shape) for one in line)
    a, d = (start - points) / np.array(box), (end - start) / np.array(box)
    t = np.clip(-(a * d).sum(axis=1) / np.maximum((d**2).sum(axis=1), 1e-12), 0, 1)
    return np.asarray(((a + t[:, None] * d) ** 2).sum(axis=1) < 1, dtype=np.float64)
