"""Path diagram of a structural equation model: ellipses for constructs, boxes for observed variables, SVG of our own."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cipa.errors import InferenceError, public
from cipa.report.figures import svg
from cipa.report.figures.layout import Edge, Node, place, place_labels, ranks_of
from cipa.report.words import unit
from cipa.results.estimates import Estimate

_SIZE, _SMALL = 13.0, 11.0
_ITEM_STEP, _ITEM_OUT = 24.0, 130.0
_MANY_ITEMS = 20
"""Beyond so many items the measurement part is left to the table of loadings."""


@dataclass(frozen=True, slots=True)
class PathDiagram:
    """A drawn model.

    Parameters
    ----------
    svg : str
    alt : str
        What the picture shows, in words.
    note : str
        What is drawn and what is not.
    """

    svg: str
    alt: str
    note: str

    def save(self, path: str | Path) -> Path:
        """Write the SVG file."""
        target = Path(path)
        target.write_text(self.svg, encoding="utf-8", newline="\n")
        return target

    def _repr_svg_(self) -> str:
        return self.svg


@public
def path_diagram(
    fit: Any, *, titles: Mapping[str, str] | None = None, measurement: bool | None = None, group: str | None = None
) -> PathDiagram:
    r"""Draw a fitted structural equation model with its completely standardized estimates.

    Parameters
    ----------
    fit : Fit of kind "sem"
    titles : mapping of name to label, optional
    measurement : bool, optional
        Whether to draw the items; default: when there are at most 20.
    group : str, optional
        Which group; default the first.

    Returns
    -------
    PathDiagram
        Dashed lines have p ≥ .05; no path is ever left out.

    Examples
    --------
    >>> import cipa as ci, pathlib, tempfile
    >>> fit = ci.SEM("visual =~ x1 + x2 + x3\nx4 ~ visual").fit(ci.datasets.load("holzinger1939"))
    >>> place = pathlib.Path(tempfile.mkdtemp()) / "figure.svg"
    >>> _ = ci.path_diagram(fit).save(place)
    >>> "visual" in place.read_text(encoding="utf-8")
    True
    """
    if fit.kind != "sem":
        raise InferenceError(
            f"A path diagram shows a structural equation model; this fit is a {fit.kind} model. See ci.compare for tables."
        )
    if fit.levels:
        raise InferenceError(
            f"A path diagram of two levels ({' and '.join(fit.levels)}) is not drawn in this version. The estimates are in fit.estimates, with"
            " their level; the model of one level can be drawn from a fit without 'level:' blocks."
        )
    label = group if group is not None else (fit.group_labels[0] if len(fit.group_labels) > 1 else None)
    rows = [row for row in fit.standardized if row.term.group == label and row.term.op in ("=~", "~", "~~")]
    if not rows:
        raise InferenceError(f"This fit has no group '{label}'. Groups: {', '.join(fit.group_labels)}.")
    scene = _Scene.of(fit, rows, titles or {}, measurement)
    return scene.drawn()


@dataclass(frozen=True, slots=True)
class _Scene:
    """What is drawn: nodes with places, paths, items of each construct, covariances of disturbances."""

    nodes: Mapping[str, Node]
    paths: tuple[Estimate, ...]
    items: Mapping[str, tuple[Estimate, ...]]
    covariances: tuple[Estimate, ...]
    lines: Mapping[str, tuple[str, ...]]
    sides: Mapping[str, str]
    hidden: str

    @classmethod
    def of(cls, fit: Any, rows: Sequence[Estimate], titles: Mapping[str, str], measurement: bool | None) -> _Scene:
        latent = set(fit.latent)
        loadings = [row for row in rows if row.term.op == "=~"]
        paths = [row for row in rows if row.term.op == "~"]
        upper = [row for row in loadings if row.term.rhs in latent]  # a construct measured by constructs
        structural = {name for row in paths for name in (row.term.lhs, row.term.rhs)}
        items = [row for row in loadings if row.term.rhs not in latent]
        with_items = len(items) <= _MANY_ITEMS if measurement is None else measurement
        drawn_upper = upper if with_items or not paths else []
        dimensions = {row.term.rhs for row in upper}
        names = [name for name in dict.fromkeys([*(row.term.lhs for row in loadings), *structural_order(paths)])
                 if name in structural or (name in latent and (drawn_upper or name not in dimensions))]  # fmt: skip
        edges: list[Edge] = [(row.term.rhs, row.term.lhs) for row in paths] + [
            (row.term.lhs, row.term.rhs) for row in drawn_upper
        ]
        late = [name for name in names if name not in latent and all(outcome != name for _, outcome in edges)]
        rank = ranks_of(names, edges, late=late)
        own = {name: tuple(row for row in items if row.term.lhs == name) if with_items else () for name in names}
        last = max(rank.values(), default=0)
        sides = {name: "left" if rank[name] == 0 else "right" if rank[name] == last else "above" for name in names}
        squared = {name: value for name, where, value in fit.r_squared_rows if where == rows[0].term.group and name in structural}
        lines = {name: _wrapped(titles.get(name, name), squared.get(name)) for name in names}
        nodes = [_node(name, lines[name], own[name], sides[name], latent=name in latent) for name in names]
        dependent = {outcome for _, outcome in edges} or set(names)  # without paths, the constructs' covariances are the model
        pairs = [row for row in rows if row.term.op == "~~" and row.term.lhs != row.term.rhs]
        covariances = [row for row in pairs if {row.term.lhs, row.term.rhs} <= dependent & set(names)]
        hidden = "" if with_items or not items else f" The {len(items)} items are in the table of loadings."
        return cls(place(nodes, edges, rank), (*paths, *drawn_upper), own, tuple(covariances), lines, sides, hidden)

    def drawn(self) -> PathDiagram:
        shapes, boxes = self._lines()
        for name, node in self.nodes.items():
            shape = (
                svg.ellipse(node.x, node.y, node.rx, node.ry)
                if node.latent
                else svg.rectangle(node.x, node.y, 2 * node.rx, 2 * node.ry)
            )
            shapes += [shape, svg.label(self.lines[name], node.x, node.y, size=_SIZE)]
            boxes.append((node.x, node.y, node.rx, node.ry))
        note = (
            "Completely standardized estimates; dashed: p ≥ .05. Ellipses are constructs, boxes observed variables; R² stands in dependent"
            f" ones. Not drawn: variances, covariances of {'exogenous variables, and of ' if self.paths else ''}items' residuals.{self.hidden}"
        )
        alt = "Path diagram. " + "; ".join(f"{_ends(row)[0]} to {_ends(row)[1]} {unit(row.estimate)}" for row in self.paths) + "."
        return PathDiagram(svg=svg.picture(shapes, box=_bounds(boxes), title="Path diagram", description=alt), alt=alt, note=note)

    def _lines(self) -> tuple[list[str], list[tuple[float, float, float, float]]]:
        """Arrows and their labels, and the boxes that they take."""
        shapes: list[str] = []
        boxes: list[tuple[float, float, float, float]] = []
        ends: list[tuple[Any, Any]] = []
        labels: list[tuple[str, float]] = []
        for row in self.paths:
            cause, outcome = (self.nodes[name] for name in _ends(row))
            start, end = _border(cause, outcome), _border(outcome, cause)
            shapes += [svg.line(start, end, dashed=row.p_value >= 0.05), svg.head(end, start)]
            ends.append((np.array(start), np.array(end)))
            labels.append((unit(row.estimate), _SIZE))
        for row in self.covariances:
            shapes += self._covariance(row, ends, labels)
        for name, rows in self.items.items():
            for row, (x, y) in zip(rows, _fan(self.nodes[name], len(rows), self.sides[name]), strict=True):
                box = Node(name=row.term.rhs, rx=svg.text_width(row.term.rhs, _SMALL) / 2 + 7, ry=10, latent=False, x=x, y=y)
                start, end = _border(self.nodes[name], box), _border(box, self.nodes[name])
                shapes += [svg.line(start, end), svg.head(end, start, size=6)]
                shapes += [svg.rectangle(x, y, 2 * box.rx, 2 * box.ry), svg.label([row.term.rhs], x, y, size=_SMALL)]
                ends.append((np.array(start), np.array(end)))
                labels.append((unit(row.estimate), _SMALL))
                boxes.append((x, y, box.rx, box.ry))
        obstacles = [*boxes, *((node.x, node.y, node.rx, node.ry) for node in self.nodes.values())]
        sizes = [(svg.text_width(text, size) / 2 + 2, size * 0.58) for text, size in labels]
        for (text, size), (w, h), (x, y) in zip(labels, sizes, place_labels(ends, sizes, obstacles), strict=True):
            shapes += [svg.rectangle(x, y, 2 * w, 2 * h, stroke="none"), svg.label([text], x, y, size=size)]
            boxes.append((x, y, w, h))
        return shapes, boxes

    def _covariance(self, row: Estimate, ends: list[tuple[Any, Any]], labels: list[tuple[str, float]]) -> list[str]:
        """A curved double arrow between two disturbances, on the right of nodes in one column."""
        first, second = self.nodes[row.term.lhs], self.nodes[row.term.rhs]
        side = first.rx * 0.75
        start = (first.x + side, first.y + np.copysign(first.ry * 0.66, second.y - first.y))
        end = (second.x + side, second.y + np.copysign(second.ry * 0.66, first.y - second.y))
        bend = ((start[0] + end[0]) / 2 + max(60.0, 0.45 * abs(start[1] - end[1])), (start[1] + end[1]) / 2)
        middle = np.array([(start[0] + 2 * bend[0] + end[0]) / 4, (start[1] + 2 * bend[1] + end[1]) / 4])
        up = np.array([0.0, 30.0])
        ends.append((middle - up, middle + up))
        labels.append((unit(row.estimate), _SIZE))
        return [svg.curve(start, bend, end, dashed=row.p_value >= 0.05), svg.head(end, bend), svg.head(start, bend)]


def structural_order(paths: Sequence[Estimate]) -> list[str]:
    """Variables of the structural part: causes before outcomes, in the order written."""
    return [*(row.term.rhs for row in paths), *(row.term.lhs for row in paths)]


def _ends(row: Estimate) -> tuple[str, str]:
    return (row.term.lhs, row.term.rhs) if row.term.op == "=~" else (row.term.rhs, row.term.lhs)


def _wrapped(title: str, r_squared: float | None) -> tuple[str, ...]:
    lines = textwrap.wrap(title, 17)[:3] or [title]
    known = r_squared is not None and np.isfinite(r_squared)
    return tuple([*lines, f"R² = {unit(r_squared)}"] if known and r_squared is not None else lines)


def _node(name: str, lines: Sequence[str], items: Sequence[Estimate], side: str, *, latent: bool) -> Node:
    width = max(svg.text_width(line, _SIZE) for line in lines)
    height = len(lines) * _SIZE * 0.6
    rx, ry = (max(width * 0.62 + 12, 44), height + 14) if latent else (width / 2 + 12, height + 7)
    fan = len(items) * _ITEM_STEP
    room = max(fan - 2 * ry, 0.0) if side in ("left", "right") else (2 * 80.0 if items else 0.0)
    return Node(name=name, rx=rx, ry=ry, latent=latent, room=room + 10)


def _fan(node: Node, count: int, side: str) -> list[tuple[float, float]]:
    """Places of a construct's items on its outer side."""
    middle = (count - 1) / 2
    if side in ("left", "right"):
        x = node.x + (-1 if side == "left" else 1) * (node.rx + _ITEM_OUT)
        return [(x, node.y + (k - middle) * _ITEM_STEP) for k in range(count)]
    direction = -1 if node.y <= 0 else 1
    return [(node.x + (k - middle) * 58.0, node.y + direction * (node.ry + 78.0)) for k in range(count)]


def _border(node: Node, other: Node) -> tuple[float, float]:
    """The point of a node's border in the direction of another."""
    dx, dy = other.x - node.x, other.y - node.y
    if node.latent:
        scale = 1 / max(float(np.hypot(dx / node.rx, dy / node.ry)), 1e-9)
    else:
        scale = min(node.rx / max(abs(dx), 1e-9), node.ry / max(abs(dy), 1e-9))
    return node.x + dx * scale, node.y + dy * scale


def _bounds(boxes: Sequence[tuple[float, float, float, float]]) -> tuple[float, float, float, float]:
    left, top = min(x - w for x, _, w, _ in boxes) - 12, min(y - h for _, y, _, h in boxes) - 12
    right, bottom = max(x + w for x, _, w, _ in boxes) + 12, max(y + h for _, y, _, h in boxes) + 12
    return left, top, right - left, bottom - top
