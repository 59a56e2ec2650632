"""How the lines of a path diagram run, and where their labels stand.

A line is straight, unless another box stands in its way or another line joins the same two nodes: then it bends just as far as it
must, as a Bézier curve, first to one side, then to the other. Labels slide along their lines to where they cover nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from cipa.numerics.algebra.linalg import Array, BoolArray
from cipa.report.figures.layout import Node

MARGIN = 5.0
"""How far a line keeps from a box that it does not belong to."""

_POINTS = 49
_STEP, _BENDS = 12.0, 60
_SHIFTS = (0.0, 120.0, -120.0, 260.0, -260.0, 450.0, -450.0)
_SWEEPS = 3


def points_of(control: Array) -> Array:
    """Points (49, 2) along the Bézier curve of 2, 3 or 4 control points."""
    t = np.linspace(0.0, 1.0, _POINTS)[:, None]
    points = [np.broadcast_to(each, (_POINTS, 2)) for each in control]
    while len(points) > 1:
        points = [(1 - t) * a + t * b for a, b in pairwise(points)]
    return np.asarray(points[0])


def inside(points: Array, nodes: Sequence[Node], *, margin: float = MARGIN) -> BoolArray:
    """Which nodes (n,) any of the points (m, 2) lies in or near."""
    if not nodes:
        return np.zeros(0, dtype=bool)
    centre = np.array([(node.x, node.y) for node in nodes])
    radius = np.array([(node.rx, node.ry) for node in nodes]) + margin
    off = np.abs(points[:, None] - centre) / radius
    round_ones = np.array([node.latent for node in nodes])
    return np.asarray(np.where(round_ones, (off**2).sum(axis=2) < 1, off.max(axis=2) < 1).any(axis=0))


def routed(source: Node, target: Node, others: Sequence[Node], *, least: float = 0.0) -> Array:
    """Control points (2 to 4, 2) of a line between two nodes that passes behind none of the others.

    Parameters
    ----------
    source, target : Node
    others : sequence of Node
        All other boxes of the picture.
    least : float
        How far the line bends at least: 0 for a straight one.
    """
    return _settled(source, target, _candidates(source, target, least), others)


def passes_behind(control: Array, others: Sequence[Node]) -> bool:
    """Whether a line passes behind a box that is not its end."""
    return bool(inside(points_of(control), others).any())


def bowed(first: Node, second: Node, others: Sequence[Node]) -> Array:
    """Control points of a curve beside two nodes that stand one below the other: the farther apart, the farther out."""
    up = 1.0 if second.y > first.y else -1.0
    out = 40.0 + 0.4 * abs(second.y - first.y)
    curves = []
    for size in out + 2 * _STEP * np.arange(_BENDS):
        for side in (1.0, -1.0):
            start = (first.x + side * 0.8 * first.rx, first.y + up * 0.58 * first.ry)
            end = (second.x + side * 0.8 * second.rx, second.y - up * 0.58 * second.ry)
            x = (max if side > 0 else min)(start[0], end[0]) + side * size
            curves.append(np.array([start, (x, (start[1] + end[1]) / 2), end]))
    return _settled(first, second, curves, others)


def _settled(source: Node, target: Node, candidates: Sequence[Array], others: Sequence[Node]) -> Array:
    """The first candidate that is clear of the other boxes, or a winding curve that is."""
    control = _clear(candidates, others)
    return _clear([control, *_winding(source, target)], others) if passes_behind(control, others) else control


def _clear(candidates: Iterable[Array], others: Sequence[Node]) -> Array:
    """The first line that passes behind no other box; else one that passes behind the fewest."""
    best, fewest = np.empty((0, 2)), np.inf
    for control in candidates:
        hits = int(inside(points_of(control), others).sum())
        if hits < fewest:
            best, fewest = control, hits
        if not hits:
            break
    return best


def _candidates(source: Node, target: Node, least: float) -> list[Array]:
    """Lines that bend more and more: to the right and below first, then to the other side; simple curves before flat ones."""
    a, b = np.array([source.x, source.y]), np.array([target.x, target.y])
    along = b - a
    normal = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-9)
    normal = normal if normal[0] > 1e-9 or (abs(normal[0]) <= 1e-9 and normal[1] > 0) else -normal
    straight = [] if least else [np.array([border(source, b), border(target, a)])]
    curves = []
    for size in least + _STEP * np.arange(0 if least else 1, _BENDS):
        for bend in (size, -size):
            middle = (a + b) / 2 + 2 * bend * normal
            curves.append(np.array([border(source, middle), middle, border(target, middle)]))
        for bend in (size, -size):
            first, second = a + 0.25 * along + 4 / 3 * bend * normal, b - 0.25 * along + 4 / 3 * bend * normal
            curves.append(np.array([border(source, first), first, second, border(target, second)]))
    level = np.array([1.0 if along[0] >= 0 else -1.0, 0.0])
    reaches = 5 * _STEP * np.arange(1, 12)
    sizes = 2 * _STEP * np.arange(1, _BENDS // 2)
    at_one_end = [middle for reach in reaches for middle in (b - reach * level, a + reach * level)]  # level, between boxes
    at_one_end += [
        a + share * along + 2 * bend * normal for size in sizes for share in (0.85, 0.15, 0.97, 0.03) for bend in (size, -size)
    ]
    curves += [np.array([border(source, middle), middle, border(target, middle)]) for middle in at_one_end]
    return [*straight, *curves]


def _winding(source: Node, target: Node) -> Iterator[Array]:
    """Curves with both control points anywhere about their ends, for the rare line that nothing simpler leads round the boxes."""
    shifts = [np.array([x, y]) for x in _SHIFTS for y in _SHIFTS if x or y]
    for one in shifts:
        for other in shifts:
            first, second = np.array([source.x, source.y]) + one, np.array([target.x, target.y]) + other
            yield np.array([border(source, first), first, second, border(target, second)])


def border(node: Node, towards: Array) -> tuple[float, float]:
    """The point of a node's border in the direction of a point."""
    dx, dy = float(towards[0]) - node.x, float(towards[1]) - node.y
    if node.latent:
        scale = 1 / max(float(np.hypot(dx / node.rx, dy / node.ry)), 1e-9)
    else:
        scale = min(node.rx / max(abs(dx), 1e-9), node.ry / max(abs(dy), 1e-9))
    return node.x + dx * scale, node.y + dy * scale


def place_labels(
    lines: Sequence[Array],
    boxes: Sequence[tuple[float, float]],
    obstacles: Sequence[tuple[float, float, float, float]],
) -> list[tuple[float, float]]:
    """Centres of labels that slide along their lines to where they cover neither nodes nor other labels nor lines.

    Parameters
    ----------
    lines : sequence of points (m, 2) along each line
    boxes : sequence of (half width, half height)
    obstacles : sequence of (x, y, half width, half height)
    """
    steps = np.linspace(0.14, 0.86, 37)
    order = np.array(sorted(range(37), key=lambda k: abs(steps[k] - 0.45)))
    places = [_along(line, steps[order]) for line in lines]
    chosen = [points[0] for points in places]
    for _ in range(_SWEEPS):
        for k, points in enumerate(places):
            cost = np.linspace(0, 0.5, 37)
            for x, y, w, h in obstacles:
                cost = cost + 20 * _overlap(points, boxes[k], (x, y), (w, h))
            for j, other in enumerate(chosen):
                if j != k:
                    cost = cost + 10 * _overlap(points, boxes[k], (float(other[0]), float(other[1])), boxes[j])
                    cost = cost + 2 * _covers(points, boxes[k], lines[j])
            chosen[k] = points[int(np.argmin(cost))]
    return [(float(x), float(y)) for x, y in chosen]


def _along(line: Array, shares: Array) -> Array:
    """Points (m, 2) at shares of a line's length."""
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    return np.stack([np.interp(shares * length[-1], length, line[:, k]) for k in (0, 1)], axis=1)


def _overlap(points: Array, box: tuple[float, float], other: tuple[float, float], size: tuple[float, float]) -> Array:
    width = np.maximum(box[0] + size[0] + 2 - np.abs(points[:, 0] - other[0]), 0)
    height = np.maximum(box[1] + size[1] + 2 - np.abs(points[:, 1] - other[1]), 0)
    return np.asarray((width > 0) & (height > 0), dtype=np.float64)


def _covers(points: Array, box: tuple[float, float], line: Array) -> Array:
    """Whether a line passes through the ellipse around each label."""
    a = (line[None, :-1] - points[:, None]) / np.array(box)
    d = np.diff(line, axis=0)[None] / np.array(box)
    t = np.clip(-(a * d).sum(axis=2) / np.maximum((d**2).sum(axis=2), 1e-12), 0, 1)
    return np.asarray((((a + t[..., None] * d) ** 2).sum(axis=2) < 1).any(axis=1), dtype=np.float64)
