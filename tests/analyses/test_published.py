"""The shipped analyses: real data give the published numbers, scripts run, the simulated study gives its reference."""

from __future__ import annotations

import json
import runpy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import cipa as ci

ANALYSES = Path(__file__).parent.parent.parent / "analyses"


@cache
def analysis(name: str) -> Any:
    return ci.run(ANALYSES / name)


def published(tmp_path: Path, name: str) -> dict[str, Any]:
    ci.publish(analysis(name), tmp_path / name, formats=("html",))
    return json.loads((tmp_path / name / "results.json").read_text(encoding="utf-8"))


def test_bollen_1989(tmp_path: Path) -> None:
    """Bollen (1989), ch. 8: chi-square 38.13 with 35 df; estimates as printed by lavaan's documentation of the same model."""
    found = published(tmp_path, "political_democracy")["models"]["democracy"]
    statistics = {row["name"]: row for row in found["statistics"]}
    assert round(statistics["chisq"]["value"], 2) == 38.13
    assert statistics["chisq"]["df"] == 35
    assert round(statistics["chisq"]["p_value"], 3) == 0.329
    rows = {row["term"]: row for row in found["estimates"]}
    printed = {
        "ind60 =~ x2": (2.180, 0.139), "ind60 =~ x3": (1.819, 0.152), "dem60 =~ y2": (1.257, 0.182), "dem60 =~ y3": (1.058, 0.151),
        "dem60 =~ y4": (1.265, 0.145), "dem65 =~ y6": (1.186, 0.169), "dem65 =~ y7": (1.280, 0.160), "dem65 =~ y8": (1.266, 0.158),
        "dem60 ~ ind60": (1.483, 0.399), "dem65 ~ ind60": (0.572, 0.221), "dem65 ~ dem60": (0.837, 0.098), "y1 ~~ y5": (0.624, 0.358),
        "y2 ~~ y4": (1.313, 0.702), "y2 ~~ y6": (2.153, 0.734), "y3 ~~ y7": (0.795, 0.608), "y4 ~~ y8": (0.348, 0.442),
        "y6 ~~ y8": (1.356, 0.568),
    }  # fmt: skip
    for term, (estimate, error) in printed.items():
        assert round(rows[term]["estimate"], 3) == estimate, term
        assert round(rows[term]["std_error"], 3) == error, term


BALTAGI = {
    "pooled": {"value": (0.116, 0.006), "capital": (0.231, 0.025)},
    "between": {"value": (0.135, 0.029), "capital": (0.032, 0.191)},
    "within": {"value": (0.110, 0.012), "capital": (0.310, 0.017)},
    "random": {"value": (0.110, 0.010), "capital": (0.308, 0.017)},
    "twoway": {"value": (0.118, 0.014), "capital": (0.358, 0.023)},
}
"""Baltagi, Econometric Analysis of Panel Data, Tables 2.1 and 3.1 (Swamy-Arora for random effects)."""


@pytest.mark.parametrize("model", BALTAGI)
def test_baltagi(model: str, tmp_path: Path) -> None:
    rows = {row["term"]: row for row in published(tmp_path, "grunfeld")["models"][model]["estimates"]}
    for name, (estimate, error) in BALTAGI[model].items():
        # the book prints three decimals; its last digit may be off by one
        assert rows[f"inv ~ {name}"]["estimate"] == pytest.approx(estimate, abs=0.0015)
        assert rows[f"inv ~ {name}"]["std_error"] == pytest.approx(error, abs=0.0015)


def test_internet_plus_verdicts_and_panel_reference() -> None:
    found = analysis("internet_plus")
    words = {one.hypothesis.name: one.verdict for one in found.verdicts}
    assert {name for name, word in words.items() if word == "supported"} == {
        *("H1", "H2", "H4a", "H4b", "H5a", "H5b", "H6a", "H6b", "H6c", "H6d", "P-H1", "P-H2", "P-H4")
    }
    assert words["H3"] == "inconclusive"
    assert {words[name] for name in ("H7a", "H7b", "H7c", "H7d", "H8")} == {"not tested"}
    row = found.fits["firm_year"].estimates["ln_nps ~ ln_rd"]
    assert row.estimate == pytest.approx(0.172, abs=0.0015)  # an independent program's, without adoption in the model
    assert found.fits["survey"].nobs == 561


@pytest.mark.parametrize("name", ["internet_plus", "political_democracy", "grunfeld"])
def test_scripts_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(ANALYSES / name / "run.py"))
    assert len(capsys.readouterr().out.splitlines()) > 20
