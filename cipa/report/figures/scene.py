"""What is drawn of a model, and where: nodes, items, lines and their labels, as shapes of one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cipa.language.words import unit
from cipa.numerics.algebra.linalg import Array
from cipa.report.figures import svg
from cipa.report.figures.layout import Edge, Node, place, ranks_of
from cipa.report.figures.routes import bowed, place_labels, points_of, routed
from cipa.report.letters import broken, text_width
from cipa.results.answers import Structure
from cipa.results.estimates import Estimate

MANY_ITEMS = 20
"""Beyond so many items the measurement part is left to the table of loadings."""

SIZE, SMALL = 13.0, 11.0
_WIDE, _ITEM_WIDE = 118.0, 88.0  # lines of labels are broken at these widths
_ITEM_STEP, _ITEM_OUT, _ITEM_GAP = 24.0, 92.0, 8.0
_BESIDE = 14.0  # how far two lines between the same nodes bend apart

Box = tuple[float, float, float, float]
"""Centre, half width and half height."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line with an arrow head at its end (for a covariance at both), and its label."""

    control: Array
    row: Estimate
    size: float
    dashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A drawn model.

    Parameters
    ----------
    nodes : tuple of Node
        Constructs and observed variables of the structural part, at their places.
    items : tuple of Node
    lines : tuple of Line
    texts : mapping of name to lines of its label
    paths : tuple of Estimate
        What the lines between nodes show.
    hidden : int
        Items that are not drawn.
    """

    nodes: tuple[Node, ...]
    items: tuple[Node, ...]
    lines: tuple[Line, ...]
    texts: Mapping[str, tuple[str, ...]]
    paths: tuple[Estimate, ...]
    hidden: int

    def drawn(self) -> tuple[list[str], Box]:
        """Shapes, and left, top, width and height of what they cover."""
        shapes = [shape for line in self.lines for shape in _arrow(line)]
        for node in (*self.items, *self.nodes):
            outline = svg.ellipse(node.x, node.y, node.rx, node.ry) if node.latent else None
            shapes.append(outline or svg.rectangle(node.x, node.y, 2 * node.rx, 2 * node.ry))
            shapes.append(svg.label(self.texts[node.name], node.x, node.y, size=SMALL if node in self.items else SIZE))
        labels, boxes = self._labels()
        boxes += [(node.x, node.y, node.rx, node.ry) for node in (*self.items, *self.nodes)]
        boxes += [(float(x), float(y), 2.0, 2.0) for line in self.lines for x, y in points_of(line.control)]
        return [*shapes, *labels], _bounds(boxes)

    def _labels(self) -> tuple[list[str], list[Box]]:
        texts = [(unit(line.row.estimate), line.size) for line in self.lines]
        sizes = [(text_width(text, size) / 2 + 2, size * 0.58) for text, size in texts]
        obstacles = [(node.x, node.y, node.rx, node.ry) for node in (*self.items, *self.nodes)]
        places = place_labels([points_of(line.control) for line in self.lines], sizes, obstacles)
        shapes: list[str] = []
        for (text, size), (w, h), (x, y) in zip(texts, sizes, places, strict=True):
            shapes += [svg.rectangle(x, y, 2 * w, 2 * h, stroke="none"), svg.label([text], x, y, size=size)]
        return shapes, [(x, y, w, h) for (x, y), (w, h) in zip(places, sizes, strict=True)]


def scene_of(
    structure: Structure, rows: Sequence[Estimate], titles: Mapping[str, str], *, measurement: bool | None, group: str | None
) -> Scene:
    """The scene of one group's standardized estimates."""
    latent = set(structure.latent)
    loadings, paths = ([row for row in rows if row.term.op == op] for op in ("=~", "~"))
    upper = [row for row in loadings if row.term.rhs in latent]  # a construct measured by constructs
    items = [row for row in loadings if row.term.rhs not in latent]
    with_items = len(items) <= MANY_ITEMS if measurement is None else measurement
    drawn_upper = upper if with_items or not paths else []
    names = _names(loadings, paths, latent, dimensions=set() if drawn_upper else {row.term.rhs for row in upper})
    edges = [_ends(row) for row in (*paths, *drawn_upper)]
    late = [name for name in names if name not in latent and all(outcome != name for _, outcome in edges)]
    rank = ranks_of(names, edges, late=late)
    squared = {name: value for name, where, _, value in structure.r_squared if where == group}
    texts = {name: _wrapped(titles.get(name, name), squared.get(name)) for name in names}
    fans = {name: tuple(row for row in items if row.term.lhs == name) if with_items else () for name in names}
    last = max(rank.values(), default=0)
    sides = {name: "left" if rank[name] == 0 else "right" if rank[name] == last else "above" for name in names}
    bare = [_node(name, texts[name], latent=name in latent) for name in names]
    sized = [_with_room(node, _fan(node, fans[node.name], sides[node.name]), sides[node.name]) for node in bare]
    placed = place(sized, edges, rank)
    boxes = {name: _fan(node, fans[name], sides[name]) for name, node in placed.items()}
    covariances = _covariances(rows, edges, names)
    return Scene(
        nodes=tuple(placed.values()), items=tuple(box for fan in boxes.values() for box in fan),
        lines=_lines(placed, boxes, fans, (*paths, *drawn_upper), covariances), paths=(*paths, *drawn_upper),
        texts={**texts, **{box.name: tuple(broken(_item(box.name), _ITEM_WIDE, SMALL)) for fan in boxes.values() for box in fan}},
        hidden=0 if with_items else len(items),
    )  # fmt: skip


def _names(loadings: Sequence[Estimate], paths: Sequence[Estimate], latent: set[str], *, dimensions: set[str]) -> list[str]:
    """Constructs and variables of the structural part, causes before outcomes; without dimensions that nothing joins."""
    joined = [*(row.term.rhs for row in paths), *(row.term.lhs for row in paths)]
    every = dict.fromkeys([*(row.term.lhs for row in loadings), *joined])
    return [name for name in every if name in joined or (name in latent and name not in dimensions)]


def _covariances(rows: Sequence[Estimate], edges: Sequence[Edge], names: Sequence[str]) -> list[Estimate]:
    """Covariances of disturbances; of all constructs where no path joins them."""
    dependent = {outcome for _, outcome in edges} or set(names)
    pairs = [row for row in rows if row.term.op == "~~" and row.term.lhs != row.term.rhs]
    return [row for row in pairs if {row.term.lhs, row.term.rhs} <= dependent & set(names)]


def _lines(
    placed: Mapping[str, Node], boxes: Mapping[str, Sequence[Node]], fans: Mapping[str, Sequence[Estimate]],
    paths: Sequence[Estimate], covariances: Sequence[Estimate],
) -> tuple[Line, ...]:  # fmt: skip
    """Paths, covariances and loadings, round every box that is not an end of theirs."""
    items = [box for fan in boxes.values() for box in fan]
    joined = [frozenset(_ends(row)) for row in paths]
    lines = []
    for row in (*paths, *covariances):
        cause, outcome = _ends(row)
        others = [*(node for name, node in placed.items() if name not in (cause, outcome)), *items]
        first, second = placed[cause], placed[outcome]
        if row.term.op == "~~":
            beside = abs(first.x - second.x) < 1
            control = bowed(first, second, others) if beside else routed(first, second, others, least=_far(first, second))
        else:
            twice = joined.count(frozenset((cause, outcome))) > 1
            control = routed(first, second, others, least=_BESIDE if twice else 0.0)
        lines.append(Line(control=control, row=row, size=SIZE, dashed=row.p_value >= 0.05))
    for name, fan in boxes.items():
        for box, row in zip(fan, fans[name], strict=True):
            others = [*(node for other, node in placed.items() if other != name), *(item for item in items if item != box)]
            lines.append(Line(control=routed(placed[name], box, others), row=row, size=SMALL))
    return tuple(lines)


def _far(first: Node, second: Node) -> float:
    """How far a covariance bends: the more, the farther its ends are apart, so that several stand beside each other."""
    return max(30.0, 0.22 * float(np.hypot(first.x - second.x, first.y - second.y)))


def _ends(row: Estimate) -> Edge:
    return (row.term.rhs, row.term.lhs) if row.term.op == "~" else (row.term.lhs, row.term.rhs)


def _wrapped(title: str, r_squared: float | None) -> tuple[str, ...]:
    lines = broken(title, _WIDE, SIZE)
    known = r_squared is not None and np.isfinite(r_squared)
    return tuple([*lines, f"R² = {unit(r_squared)}"] if known and r_squared is not None else lines)


def _node(name: str, lines: Sequence[str], *, latent: bool) -> Node:
    width = max(text_width(line, SIZE) for line in lines)
    height = len(lines) * SIZE * 0.6
    if not latent:
        return Node(name=name, rx=width / 2 + 12, ry=height + 7, latent=False)
    return Node(name=name, rx=max(width * 0.62 + 12, 44), ry=height * (1 + 0.06 * len(lines)) + 12, latent=True)


def _item(name: str) -> str:
    """The column of an item's box."""
    return name.partition("\n")[2]


def _fan(node: Node, rows: Sequence[Estimate], side: str) -> list[Node]:
    """The boxes of a construct's items on its outer side; one item may measure several constructs, so a box has both names."""
    texts = [broken(row.term.rhs, _ITEM_WIDE, SMALL) for row in rows]
    sizes = [(max(text_width(line, SMALL) for line in text) / 2 + 7, len(text) * SMALL * 0.6 + 3.5) for text in texts]
    if not rows:
        return []
    if side == "above":
        centres = _stacked([2 * rx for rx, _ in sizes])
        away = (-1 if node.up else 1) * (node.ry + 66.0 + max(ry for _, ry in sizes))
        places = [(node.x + centre, node.y + away) for centre in centres]
    else:
        away = (-1 if side == "left" else 1) * (node.rx + _ITEM_OUT + max(rx for rx, _ in sizes))
        places = [(node.x + away, node.y + centre) for centre in _stacked([2 * ry for _, ry in sizes])]
    return [
        Node(name=f"{row.term.lhs}\n{row.term.rhs}", rx=rx, ry=ry, latent=False, x=x, y=y)
        for row, (rx, ry), (x, y) in zip(rows, sizes, places, strict=True)
    ]


def _stacked(sizes: Sequence[float]) -> list[float]:
    """Centres of boxes in a row about 0."""
    ends = np.cumsum([max(size + _ITEM_GAP, _ITEM_STEP) for size in sizes])
    starts = np.concatenate([[0.0], ends[:-1]])
    return [float(centre) for centre in (starts + ends) / 2 - ends[-1] / 2]


def _with_room(node: Node, fan: Sequence[Node], side: str) -> Node:
    """A node that knows the room of its items: above and below it, or to its sides."""
    if not fan:
        return replace(node, room=10.0, reach=node.rx)
    tall = max(abs(box.y) + box.ry for box in fan)
    if side == "above":
        return replace(node, room=10.0, tower=tall - node.ry, reach=max(abs(box.x) + box.rx for box in fan))
    return replace(node, room=max(2 * (tall - node.ry), 0.0) + 10, reach=node.rx)


def _arrow(line: Line) -> list[str]:
    head = 8.0 if line.size == SIZE else 6.0
    first, second, before, last = ([float(x) for x in line.control[k]] for k in (0, 1, -2, -1))
    shapes = [svg.stroke(line.control, dashed=line.dashed), svg.head((last[0], last[1]), (before[0], before[1]), size=head)]
    if line.row.term.op == "~~":
        shapes.append(svg.head((first[0], first[1]), (second[0], second[1]), size=head))
    return shapes


def _bounds(boxes: Sequence[Box]) -> Box:
    left, top = min(x - w for x, _, w, _ in boxes) - 12, min(y - h for _, y, _, h in boxes) - 12
    right, bottom = max(x + w for x, _, w, _ in boxes) + 12, max(y + h for _, y, _, h in boxes) + 12
    return left, top, right - left, bottom - top
