"""Lines of a path diagram: none passes behind a box that it does not join, no two boxes overlap, labels are broken and whole."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import cipa as ci
from cipa.report.figures.layout import Node
from cipa.report.figures.routes import inside, points_of, routed
from cipa.report.figures.scene import Scene, scene_of
from cipa.report.letters import broken, text_width
from cipa.results.answers import Structure
from cipa.results.estimates import tabulate

LONG = ("协同创新绩效与企业间合作关系的长标签", "Inter-firm collaboration in high-technology clusters, as managers see it")


def random_scene(seed: int, *, long: bool) -> Scene:
    """Two to eight variables, most of them constructs with up to four items, joined by random paths and covariances."""
    rng = np.random.default_rng(seed)
    names = [f"f{k}" for k in range(rng.integers(2, 9))]
    count = int(rng.integers(0, 5))
    latent = [name for name in names if count and rng.random() < 0.7]
    head = "a_very_long_item_name_of_" if long else ""
    terms = [ci.Term(lhs=name, op="=~", rhs=f"{head}{name}_{k}") for name in latent for k in range(count)]
    for k in range(max(1, len(names) // 2), len(names)):
        causes = rng.choice(k, size=min(k, int(rng.integers(1, 4))), replace=False)
        terms += [ci.Term(lhs=names[k], op="~", rhs=names[int(cause)]) for cause in causes]
    terms += [ci.Term(lhs=a, op="~~", rhs=b) for a, b in combinations(names, 2) if rng.random() < 0.15]
    structure = Structure(
        blocks=((None, None),), latent=tuple(latent), observed=(), latent_covs=(), sample_covs=(),
        r_squared=tuple((name, None, None, 0.5) for name in names),
    )  # fmt: skip
    rows = list(tabulate(terms, rng.normal(size=len(terms)), np.full(len(terms), 0.1)))
    titles = {name: LONG[int(rng.integers(2))] for name in names} if long else {}
    return scene_of(structure, rows, titles, measurement=True, group=None)


@pytest.mark.parametrize("long", [False, True], ids=["short", "long"])
@pytest.mark.parametrize("seed", [*range(25), 66, 136, 192])
def test_no_line_passes_behind_a_box_and_no_boxes_overlap(seed: int, long: bool) -> None:
    scene = random_scene(seed, long=long)
    boxes = [*scene.nodes, *scene.items]
    for a, b in combinations(boxes, 2):
        assert abs(a.x - b.x) >= a.rx + b.rx or abs(a.y - b.y) >= a.ry + b.ry, (a.name, b.name)
    for line in scene.lines:
        term = line.row.term
        ends = {term.lhs, term.rhs, f"{term.lhs}\n{term.rhs}"}
        others = [box for box in boxes if box.name not in ends]
        assert not inside(points_of(line.control), others, margin=1.0).any(), term


def test_a_path_past_a_mediator_in_a_row_bends() -> None:
    """x -> m -> y and x -> y: a straight line from x to y would read as a path through m."""
    a, m, b = (Node(name=name, rx=50, ry=25, latent=True, x=250.0 * k) for k, name in enumerate("amb"))
    control = routed(a, b, [m])
    assert len(control) > 2
    assert not inside(points_of(control), [m]).any()
    assert len(routed(a, m, [b])) == 2


def test_a_path_runs_past_the_items_of_a_mediator() -> None:
    """Between a construct and its items a line would read as one of their loadings; the items stand on the other side."""
    fit = ci.SEM("a =~ x1 + x2 + x3\nm =~ x4 + x5 + x6\nb =~ x7 + x8 + x9\nm ~ a\nb ~ m + a").fit(
        ci.datasets.load("holzinger1939")
    )
    structure = fit.answers.structure(fit)  # type: ignore[misc]
    rows = [row for row in fit.standardized if row.term.op in ("=~", "~")]
    scene = scene_of(structure, rows, {}, measurement=True, group=None)
    direct = next(line for line in scene.lines if (line.row.term.lhs, line.row.term.rhs) == ("b", "a"))
    mediator = next(node for node in scene.nodes if node.name == "m")
    items = [item for item in scene.items if item.name.startswith("m\n")]
    crossing = points_of(direct.control)
    beside = crossing[np.abs(crossing[:, 0] - mediator.x) < mediator.rx, 1]
    below = items[0].y > mediator.y
    assert (beside < mediator.y).all() if below else (beside > mediator.y).all()


def test_a_feedback_loop_has_two_lines() -> None:
    fit = ci.SEM("x4 ~ x1 + x7\nx7 ~ x2 + x4\nx4 ~~ 0*x7").fit(ci.datasets.load("holzinger1939"))
    diagram = ci.path_diagram(fit)
    bent = [line for line in diagram.svg.splitlines() if line.startswith("<path") and " Q " in line]
    assert len(bent) >= 2


@pytest.mark.parametrize("text", [*LONG, "supercalifragilisticexpialidociousandlonger", "a", "创新 (R&D) 投入，强度"])
def test_labels_are_broken_not_cut(text: str) -> None:
    lines = broken(text, 118.0, 13.0)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(text_width(line, 13.0) <= 118.0 for line in lines)
    assert not any(line[0] in "，。)" for line in lines)


@pytest.mark.parametrize(("suffix", "starts"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("pdf", b"%PDF"), ("PNG", b"\x89PNG")])
def test_a_file_is_what_its_suffix_says(suffix: str, starts: bytes, tmp_path: Path) -> None:
    diagram = ci.path_diagram(ci.SEM("x4 ~ x1 + x2").fit(ci.datasets.load("holzinger1939")), titles={"x4": LONG[0]})
    first, second = (diagram.save(tmp_path / f"{name}.{suffix}").read_bytes() for name in ("a", "b"))
    assert first.startswith(starts)
    assert first == second


@pytest.mark.parametrize("name", ["figure", "figure.jpg", "figure.svg.docx"])
def test_another_suffix_is_refused(name: str, tmp_path: Path) -> None:
    diagram = ci.path_diagram(ci.SEM("x4 ~ x1 + x2").fit(ci.datasets.load("holzinger1939")))
    with pytest.raises(ci.SpecificationError, match=rf"'{name}' names no kind of picture .* \.svg, \.pdf, \.png"):
        diagram.save(tmp_path / name)
    assert not list(tmp_path.iterdir())
