"""The report: what it holds, that strangers' text stays text, that the same study gives the same bytes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import cipa as ci
from cipa.report.document import Figure, Table
from cipa.report.outline import outline
from cipa.report.writers.html import render_html
from cipa.report.writers.pdf import render_pdf

ANALYSES = Path(__file__).parent.parent.parent / "analyses"


@cache
def analysis() -> Any:
    return ci.run(ANALYSES / "internet_plus")


def test_the_report_holds_every_part() -> None:
    blocks = outline(analysis()).blocks
    keys = [block.key for block in blocks if isinstance(block, (Table, Figure))]
    for key in ("verdicts", "sample", "descriptives-survey", "measurement-survey", "reliability-survey", "fornell-larcker-survey", "htmt-survey",
                "structural-survey",
                "diagram-survey", "regressions-pooled", "slopes-firm_year-lp-iplus", "versions"):  # fmt: skip
        assert key in keys, key
    assert all(block.rows for block in blocks if isinstance(block, Table))
    assert all(len(row.cells) == len(block.columns) for block in blocks if isinstance(block, Table) for row in block.rows)


def test_numbers_in_the_report_are_those_of_the_fit() -> None:
    found = analysis()
    row = found.fits["survey"].estimates["CIP ~ COL"]
    table = next(block for block in outline(found).blocks if isinstance(block, Table) and block.key == "structural-survey")
    cells = next(
        line.cells for line in table.rows if line.cells[0] == "Inter-firm collaboration → Collaborative innovation performance"
    )
    assert cells[1:6] == (row.estimate, row.std_error, (row.conf_low, row.conf_high), row.p_value, row.standardized)
    assert cells[6] == "H2"


def test_results_json_reads_back_at_full_precision(tmp_path: Path) -> None:
    ci.publish(analysis(), tmp_path / "r", formats=("html",))
    found = json.loads((tmp_path / "r/results.json").read_text(encoding="utf-8"))
    model = found["models"]["survey"]
    fit = analysis().fits["survey"]
    assert [row["estimate"] for row in model["estimates"]] == [row.estimate for row in fit.estimates]
    assert {row["name"]: row["value"] for row in model["statistics"]}["chisq"] == fit.statistics["chisq"].value
    assert len(found["verdicts"]) == 19
    assert found["data"]["survey"]["sha256"] == analysis().datasets["survey"].digest


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_one_well_formed_file_without_network_or_script() -> None:
    text = render_html(outline(analysis()))
    parser = Tags()
    parser.feed(text)
    assert not parser.open
    assert "script" not in {tag for tag, _ in parser.seen}
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text)
    assert all(attributes.get("alt") for tag, attributes in parser.seen if tag == "img")
    ids = [attributes["id"] for _, attributes in parser.seen if "id" in attributes]
    assert len(ids) == len(set(ids))


HOSTILE = '<script>alert(1)</script> #eval("1") $x$ \\ {{ 7*7 }} " onload="x'


def test_text_of_a_stranger_stays_text(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "study.toml").write_text(
        f"[study]\ntitle = '''{HOSTILE}'''\n[sources.d]\npath = 'grunfeld'\n[sources.d.labels]\nvalue = '''{HOSTILE}'''\n"
        f"[models.m]\nkind = 'panel'\nlabel = '''{HOSTILE}'''\nformula = 'inv ~ value*capital'\n[report]\nnote = '''{HOSTILE}'''\n"
        f"[hypotheses]\nH1 = {{ claim = 'inv ~ value:capital > 0', label = '''{HOSTILE}''' }}\n"
    )
    found = ci.run(folder)
    text = render_html(outline(found))
    assert "<script" not in text
    assert "{{ 7*7 }}" in text
    assert "&lt;script&gt;" in text
    assert render_pdf(outline(found)).startswith(b"%PDF")
    assert "<script" not in next(block.svg for block in outline(found).blocks if isinstance(block, Figure))


SCRIPT = """
import sys, cipa as ci
for name in ("internet_plus", "political_democracy"):
    ci.publish(ci.run(f"{sys.argv[1]}/{name}"), name)
"""


def test_two_runs_in_different_folders_give_the_same_bytes(tmp_path: Path) -> None:
    found = []
    for name, seed in (("one", "1"), ("two", "2")):
        folder = tmp_path / name
        folder.mkdir()
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(ANALYSES)], cwd=folder, check=True, env={**environment(), "PYTHONHASHSEED": seed}
        )
        found.append(
            {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
        )
    one, two = found
    assert one.keys() == two.keys()
    assert len(one) == 9
    for name, content in one.items():
        assert content == two[name], name


def environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(ANALYSES.parent)}


def test_the_number_of_workers_does_not_matter() -> None:
    one, four = ci.run(ANALYSES / "grunfeld"), ci.run(ANALYSES / "grunfeld", jobs=4)
    assert render_html(outline(one)) == render_html(outline(four))
    with pytest.raises(ci.SpecificationError, match="jobs=0"):
        ci.run(ANALYSES / "grunfeld", jobs=0)


def test_another_seed_moves_the_monte_carlo_intervals_only() -> None:
    one, two = ci.run(ANALYSES / "political_democracy"), ci.run(ANALYSES / "political_democracy", seed=7)
    pairs = [(a.estimate, b.estimate) for a, b in zip(one.verdicts, two.verdicts, strict=True)]
    assert [a == b for a, b in pairs] == [True, True, True, False]
    assert two.seed == 7


def test_publish_refuses_what_it_cannot_do_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ci.SpecificationError, match="formats='dcox' is not known"):
        ci.publish(analysis(), tmp_path / "r", formats=("html", "dcox"))
    with pytest.raises(ci.SpecificationError, match="language='fr'"):
        ci.publish(analysis(), tmp_path / "r", language="fr")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ci.SpecificationError, match="'file' is a file"):
        ci.publish(analysis(), tmp_path / "file")
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_failed_model_is_in_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ci.ConvergenceError("no maximum")

    monkeypatch.setattr("cipa.analysis.fit_with", fails)
    found = ci.run(ANALYSES / "political_democracy")
    assert found.failures == {"democracy": "no maximum"}
    assert {one.verdict for one in found.verdicts} == {"not tested"}
    assert "The model democracy could not be fitted. no maximum" in render_html(outline(found))


def test_a_model_without_hypotheses_or_measures_has_a_report_too(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(
        "[study]\ntitle = 't'\n[sources]\nd = 'holzinger1939'\n[models.m]\nkind = 'sem'\nsyntax = 'x4 ~ x1 + x2'\n"
    )
    found = ci.publish(ci.run(tmp_path), tmp_path / "out")
    assert {path.name for path in found} == {"report.html", "report.pdf", "results.json", "figure1-diagram-m.svg"}
    assert "The model is saturated" in (tmp_path / "out/report.html").read_text(encoding="utf-8")
