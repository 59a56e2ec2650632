"""Several groups in a report: every table is of one group, of the rows that the model used, and says so."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cipa as ci
from cipa.cli import main
from cipa.report.document import Figure, Table
from cipa.report.outline import outline

GROUPS = ("Pasteur", "Grant-White")
ITEMS = {"visual": ["x1", "x2", "x3"], "textual": ["x4", "x5", "x6"]}
STUDY = """
[study]
title = "Schools"
[sources]
pupils = "pupils.csv"
[constructs.visual]
items = ["x1", "x2", "x3"]
[constructs.textual]
items = ["x4", "x5", "x6"]
[hypotheses]
H1 = "textual ~ visual > 0"
[models.schools]
kind = "sem"
structure = ["textual ~ visual"]
group = "school"
[models.pooled]
kind = "sem"
structure = ["textual ~ visual"]
"""


def written(folder: Path) -> Path:
    """Some answers are missing, so that the models use fewer rows than the source has."""
    frame = ci.datasets.load("holzinger1939").to_frame()[["school", *ITEMS["visual"], *ITEMS["textual"]]]
    frame.loc[::7, "x2"] = np.nan
    frame.to_csv(folder / "pupils.csv", index=False)
    (folder / "study.toml").write_text(STUDY)
    return folder


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return ci.run(written(tmp_path_factory.mktemp("study")))


@cache
def used(group: str | None) -> Any:
    frame = ci.datasets.load("holzinger1939").to_frame()
    frame.loc[::7, "x2"] = np.nan
    frame = frame.dropna(subset=["x2"])
    return frame if group is None else frame[frame.school == group]


@pytest.mark.parametrize(("model", "group"), [("schools", "Pasteur"), ("schools", "Grant-White"), ("pooled", None)])
def test_evidence_is_of_the_rows_of_one_group(analysis: Any, model: str, group: str | None) -> None:
    frame = used(group)
    described = analysis.tables[ci.Key("descriptives", model, group=group)].to_frame().set_index("variable")
    assert set(described["n"]) == {len(frame)}
    assert described.loc["visual", "mean"] == pytest.approx(frame[ITEMS["visual"]].mean(axis=1).mean())
    r = analysis.tables[ci.Key("correlations", model, group=group)].columns["r"]
    assert r == (pytest.approx(np.corrcoef(*[frame[items].mean(axis=1) for items in ITEMS.values()])[0, 1]),)
    ratios = ci.htmt(frame, ITEMS).columns["htmt"]
    assert analysis.tables[ci.Key("htmt", model, group=group)].columns["htmt"] == pytest.approx(ratios)
    distinct = analysis.tables[ci.Key("fornell_larcker", model, group=group)].to_frame().set_index("construct")
    ave = {(row.construct, row.group): row.ave for row in analysis.tables[ci.Key("reliability", model)].to_frame().itertuples()}
    for construct in ITEMS:
        assert distinct.loc[construct, construct] == pytest.approx(ave[construct, group] ** 0.5)


def test_the_tables_of_the_report_name_their_group(analysis: Any) -> None:
    tables = {block.key: block for block in outline(analysis).blocks if isinstance(block, Table)}
    for group in GROUPS:
        for name in ("fornell-larcker", "htmt"):
            assert tables[f"{name}-schools-{group}"].title.endswith(f", group {group}")
    heads = [row.cells[0] for row in tables["reliability-schools"].rows]
    assert heads == [f"{construct}, group {group}" for group in GROUPS for construct in ("textual", "visual")]


def test_the_square_root_of_ave_beside_correlations_is_that_of_the_group(tmp_path: Path) -> None:
    (written(tmp_path) / "study.toml").write_text(STUDY.split("[models.pooled]")[0])
    analysis = ci.run(tmp_path)
    tables = {block.key: block for block in outline(analysis).blocks if isinstance(block, Table)}
    ave = {
        (row.construct, row.group): row.ave for row in analysis.tables[ci.Key("reliability", "schools")].to_frame().itertuples()
    }
    for group in GROUPS:
        table = tables[f"descriptives-schools-{group}"]
        assert table.title.endswith(f"group {group}")
        assert table.notes[0] == "The cases that schools used."
        for k, construct in enumerate(("textual", "visual")):
            assert table.rows[k].cells[4 + k].value == pytest.approx(ave[construct, group] ** 0.5)  # type: ignore[union-attr]


def test_verdicts_name_model_and_group(analysis: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = next(block for block in outline(analysis).blocks if isinstance(block, Table) and block.key == "verdicts")
    assert [row.cells[0] if row.kind == "group" else row.cells[1] for row in table.rows] == [
        "schools", "visual → textual (+), group Pasteur", "visual → textual (+), group Grant-White", "pooled", "visual → textual (+)",
    ]  # fmt: skip
    assert main(["run", str(written(tmp_path)), "--out", str(tmp_path / "out"), "--to", "html"]) == 0
    said = capsys.readouterr().out.splitlines()
    for place in ("schools [Pasteur]", "schools [Grant-White]", "pooled"):
        assert (
            len([line for line in said if re.match(rf"H1 +supported +{re.escape(place)} +textual ~ visual > 0 +b = ", line)]) == 1
        )


def test_there_is_a_panel_for_each_group(analysis: Any) -> None:
    figure = next(block for block in outline(analysis).blocks if isinstance(block, Figure) and block.key == "diagram-schools")
    for group in GROUPS:
        row = analysis.fits["schools"].standardized[f"textual ~ visual [{group}]"]
        assert f">{row.estimate:.3f}<".replace("0.", ".") in figure.svg
        assert f">Group {group}<" in figure.svg
        assert f"Group {group}: " in figure.alt


def test_two_levels_of_two_groups_stand_apart_in_the_report_and_on_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(3)
    cluster = np.repeat(np.arange(60), rng.integers(6, 12, 60))
    x, part = rng.normal(size=len(cluster)), rng.normal(size=60)[cluster]
    frame = pd.DataFrame({"cluster": cluster, "region": np.where(cluster % 2, "inland", "coast"), "x": x})
    for name in ("y1", "y2", "y3"):
        frame[name] = 0.5 * x + part + rng.normal(size=len(cluster))
    frame.to_csv(tmp_path / "firms.csv", index=False)
    (tmp_path / "study.toml").write_text(LEVELS)
    assert main(["run", str(tmp_path), "--to", "html", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    for region in ("coast", "inland"):
        assert f"firms [{region}] [level within]" in said
    assert "level between" not in said
    tables = {block.key: block for block in outline(ci.run(tmp_path)).blocks if isinstance(block, Table)}
    for key in ("measurement-firms", "structural-firms", "verdicts"):
        text = str(tables[key].rows)
        assert all(f", group {region}, level within" in text for region in ("coast", "inland")), key
    (tmp_path / "study.toml").write_text(LEVELS.replace("f ~ x > 0", "f ~ x [level between] > 0"))
    with pytest.raises(ci.SpecificationError, match=r"'f ~ x \[level between\]', which no model of the study holds"):
        ci.run(tmp_path)


LEVELS = """
[study]
title = "Regions"
[sources]
firms = "firms.csv"
[hypotheses]
H1 = "f ~ x > 0"
[models.firms]
kind = "sem"
source = "firms"
cluster = "cluster"
group = "region"
syntax = '''
level: within
f =~ y1 + y2 + y3
f ~ x
level: between
g =~ y1 + y2 + y3
'''
"""
