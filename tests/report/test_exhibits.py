"""The promise of the roof: what is added from outside stands in the report, and no name of a study is taken apart."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import cipa as ci
from cipa.evidence.exhibits import EXHIBITS, Exhibit
from cipa.language.words import decimal
from cipa.models.kinds import KINDS, Kind, formula
from cipa.report.document import Heading, Note, Table
from cipa.report.outline import outline
from cipa.report.writers.html import render_html
from cipa.report.writers.pdf import render_pdf
from cipa.results.answers import Answers
from cipa.results.display import ResultTable
from cipa.results.estimates import tabulate
from cipa.results.statistics import Statistic, Statistics


@dataclass(frozen=True)
class Middle:
    """A toy family: the median of a column, with a rough standard error. Its only term is of a kind that no other section shows."""

    column: str

    @property
    def declared_terms(self) -> tuple[ci.Term, ...]:
        return (ci.Term(lhs=self.column, op="~~", rhs=self.column),)

    def fit(self, data: ci.Dataset, *, start: Any = None) -> ci.Fit:
        values = data.numeric([self.column])[:, 0]
        middle, error = float(np.median(values)), float(1.2533 * values.std() / np.sqrt(len(values)))
        return ci.Fit(
            model=self, data=data, kind="middle", terms=self.declared_terms, params=np.array([middle]), vcov=np.array([[error**2]]),
            nobs=len(values), df_resid=float(len(values) - 1), npar=1, title="A median",
            estimates=tabulate(self.declared_terms, np.array([middle]), np.array([error])),
            statistics=Statistics((Statistic(name="spread", value=2.5, label="Toy spread"),)),
            answers=Answers(family="medians", facts=lambda fit: (("Toy fact", f"of {fit.model.column}"),)),
        )  # fmt: skip


STUDY = """
[study]
title = "Toy"
[sources]
firms = "grunfeld"
[hypotheses]
H1 = "inv ~ value > 0"
[models.within]
kind = "panel"
formula = "inv ~ value"
[models.centre]
kind = "middle"
label = "The toy model"
formula = "capital"
"""


def study(folder: Path, text: str) -> Path:
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "toy_family", SimpleNamespace(Middle=Middle))
    monkeypatch.setitem(KINDS, "middle", Kind(module="toy_family", name="Middle", text=formula))
    toy = Exhibit(
        name="toy",
        wanted=lambda analysis: [ci.Key("toy", model) for model in analysis.fits],
        compute=lambda analysis, key: ResultTable(
            title="Toy evidence", columns={"what": ("cases",), "how many": (float(analysis.fits[key.model].nobs),)}
        ),
    )
    monkeypatch.setitem(EXHIBITS, "toy", toy)


@pytest.mark.usefixtures("toys")
def test_a_family_and_an_exhibit_from_outside_stand_in_the_report(tmp_path: Path) -> None:
    analysis = ci.run(study(tmp_path, STUDY))
    assert analysis.tables[ci.Key("toy", "centre")].columns["how many"] == (200.0,)
    document = outline(analysis)
    tables = {block.key: block for block in document.blocks if isinstance(block, Table)}
    assert "The toy model" in [block.text for block in document.blocks if isinstance(block, Heading)]
    assert tables["estimates-centre"].rows[0].cells[:2] == ("capital ~~ capital", analysis.fits["centre"].params[0])
    assert [row.cells[0] for row in tables["facts-centre"].rows] == ["Toy fact", "Toy spread"]
    assert {key for key in tables if key.startswith("toy")} == {"toy-within", "toy-centre"}
    text = render_html(document)
    for words in ("of capital", "Toy spread", "Toy evidence, The toy model"):
        assert words in text
    assert render_pdf(document).startswith(b"%PDF")
    ci.publish(analysis, tmp_path / "out", formats=("html",))
    written = json.loads((tmp_path / "out/results.json").read_text(encoding="utf-8"))
    found = [one for one in written["tables"] if one["exhibit"] == "toy"]
    assert [one["model"] for one in found] == ["within", "centre"]
    assert found[0]["columns"] == {"what": ["cases"], "how many": [200.0]}


@pytest.mark.usefixtures("toys")
def test_every_fit_is_shown(tmp_path: Path) -> None:
    analysis = ci.run(study(tmp_path, STUDY))
    text = render_html(outline(analysis))
    for fit in analysis.fits.values():
        for row in fit.estimates:
            assert decimal(row.estimate) in text, row.term


def test_a_model_may_be_called_as_one_likes(tmp_path: Path) -> None:
    text = """
[study]
title = "Names"
[sources]
firms = "grunfeld"
[hypotheses]
H1 = "inv ~ value:capital > 0"
[models."a:b"]
kind = "panel"
formula = "inv ~ value*capital"
[models."htmt:x ~ y"]
kind = "panel"
formula = "inv ~ value*capital"
method = "pooled"
"""
    analysis = ci.run(study(tmp_path, text))
    key = ci.Key("simple_slopes", "a:b", path="inv ~ value", moderator="capital")
    assert len(analysis.tables[key]) == 3
    files = ci.publish(analysis, tmp_path / "out")
    assert (tmp_path / "out/report.pdf") in files
    keys = [block.key for block in outline(analysis).blocks if isinstance(block, Table)]
    assert len(keys) == len(set(keys))


def test_what_is_not_derived_is_said_and_the_rest_is_there(tmp_path: Path) -> None:
    """A table that one model refuses does not lose the report of the others."""
    rng = np.random.default_rng(4)
    firm = np.repeat(np.arange(60), 8)
    between = rng.normal(size=60)[firm]
    common = rng.normal(size=480)
    columns = [f"y{k}" for k in (1, 2, 3)]
    values = {name: between + common + rng.normal(size=480) for name in columns}
    lines = [
        ",".join(["firm", *columns]),
        *(",".join([str(firm[i]), *(f"{values[c][i]:.4f}" for c in columns)]) for i in range(480)),
    ]
    (tmp_path / "d.csv").write_text("\n".join(lines))
    text = """
[study]
title = "Levels"
[sources]
d = "d.csv"
[models.levels]
kind = "sem"
cluster = "firm"
syntax = '''
level: 1
  w =~ y1 + y2 + y3
level: 2
  b =~ y1 + y2 + y3
'''
"""
    analysis = ci.run(study(tmp_path, text))
    assert set(analysis.refusals) >= {ci.Key("reliability", "levels")}
    assert not [key for key in analysis.tables if key.exhibit == "htmt"]  # the same items on both levels
    notes = [block.text for block in outline(analysis).blocks if isinstance(block, Note)]
    assert any("levels: there is no table of reliability. ci.reliability: this fit has the levels" in note for note in notes)
    assert any("path diagram of two levels" in note for note in notes)
    loadings = next(block for block in outline(analysis).blocks if isinstance(block, Table) and block.key == "measurement-levels")
    heads = [row.cells[0] for row in loadings.rows if row.kind == "group"]
    assert len(heads) == len(set(heads)) == 2
