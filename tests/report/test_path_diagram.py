"""The path diagram: nothing overlaps, nothing is left out."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import cipa as ci
from cipa.report.figures.layout import Node, place, ranks_of

NINE = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"


def holzinger(syntax: str, **options: object) -> object:
    return ci.SEM(syntax, **options).fit(ci.datasets.load("holzinger1939"))  # type: ignore[arg-type]


def random_graph(seed: int) -> tuple[list[Node], list[tuple[str, str]], dict[str, int]]:
    """Up to eight variables, each later one caused by one to three earlier ones."""
    rng = np.random.default_rng(seed)
    names = [f"v{k}" for k in range(rng.integers(3, 9))]
    edges = [
        (names[cause], names[k])
        for k in range(max(2, len(names) // 2), len(names))
        for cause in sorted(rng.choice(k, size=min(k, int(rng.integers(1, 4))), replace=False))
    ]
    nodes = [Node(name=name, rx=60, ry=28, latent=True, room=10) for name in names]
    return nodes, edges, ranks_of(names, edges, late=[])


@pytest.mark.parametrize("seed", range(20))
def test_no_nodes_overlap_and_causes_stand_left(seed: int) -> None:
    nodes, edges, rank = random_graph(seed)
    placed = place(nodes, edges, rank)
    for a, b in combinations(placed.values(), 2):
        assert abs(a.x - b.x) > a.rx + b.rx or abs(a.y - b.y) > a.ry + b.ry
    for cause, outcome in edges:
        assert placed[cause].x < placed[outcome].x
    assert place(nodes, edges, rank) == placed


def test_a_feedback_loop_has_a_place() -> None:
    assert set(ranks_of(["a", "b"], [("a", "b"), ("b", "a")], late=[]).values()) == {0, 1}


def texts(svg: str) -> list[str]:
    root = ET.fromstring(svg)
    return [node.text or "" for node in root.iter() if node.tag.endswith("tspan")]


def test_every_path_and_loading_is_drawn() -> None:
    fit = holzinger(NINE + "\nspeed ~ visual + textual")
    found = texts(ci.path_diagram(fit).svg)
    for row in fit.standardized:  # type: ignore[attr-defined]
        if row.term.op in ("=~", "~"):
            assert f"{row.estimate:.3f}".replace("0.", ".", 1).replace("-", "−") in found, row.term
    assert {"visual", "textual", "speed", "x1", "x9"} <= set(found)
    assert any(text.startswith("R²") for text in found)


def test_a_measurement_model_shows_its_covariances() -> None:
    fit = holzinger(NINE)
    value = f"{fit.standardized['visual ~~ textual'].estimate:.3f}"[1:]  # type: ignore[attr-defined]
    assert value in texts(ci.path_diagram(fit).svg)


def test_paths_that_are_not_significant_are_dashed_and_there() -> None:
    diagram = ci.path_diagram(holzinger("x4 ~ x1 + x2 + x9"))
    assert diagram.svg.count("stroke-dasharray") == 2
    assert "p ≥ .05" in diagram.note


def test_saved_in_any_script_and_well_formed(tmp_path: Path) -> None:
    fit = holzinger("x4 ~ x1")
    path = ci.path_diagram(fit, titles={"x4": "创新绩效 <&>", "x1": "a" * 60}).save(tmp_path / "d.svg")
    root = ET.fromstring(path.read_text(encoding="utf-8"))
    assert "创新绩效 <&>" in texts(path.read_text(encoding="utf-8"))
    assert root.attrib["role"] == "img"


def test_groups_and_refusals() -> None:
    fit = holzinger(NINE, group="school")
    assert ci.path_diagram(fit, group="Pasteur").svg != ci.path_diagram(fit, group="Grant-White").svg
    with pytest.raises(ci.InferenceError, match="no group 'x'"):
        ci.path_diagram(fit, group="x")
    with pytest.raises(ci.InferenceError, match="A path diagram is not derived for panel fits"):
        ci.path_diagram(ci.Panel("inv ~ value").fit(ci.datasets.load("grunfeld")))
