"""What a terminal and a notebook show: no empty or infinite cells, labelled statistics, whole degrees of freedom."""

from __future__ import annotations

from pathlib import Path

import pytest

import cipa as ci

TESTS = ci.datasets.load("holzinger1939")
MEASURED = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6"


def test_a_statistic_is_shown_in_words() -> None:
    fit = ci.SEM(f"{MEASURED}\ntextual ~ b*visual").fit(TESTS)
    assert str(ci.wald_test(fit, "b == 0")) == "Wald test: 27.410 (1 df), p < .001"
    assert repr(fit.statistics["chisq"]) == "<Statistic 'chisq'; χ²: 24.361 (8 df), p = .002>"
    panel = ci.OLS("x1 ~ x2 + x3").fit(TESTS)
    assert str(panel.statistics["f"]) == "F test of all slopes: 41.736 (2, 298 df), p < .001"


def test_an_estimate_is_shown_in_words_without_infinite_degrees() -> None:
    row = ci.SEM(f"{MEASURED}\ntextual ~ b*visual").fit(TESTS).estimates["b"]
    said = "textual ~ visual (b): 0.503, SE 0.096, z = 5.235, p < .001, interval [0.315, 0.692], standardized 0.461"
    assert (str(row), repr(row)) == (said, f"<Estimate {said}>")
    assert str(ci.SEM(MEASURED).fit(TESTS).estimates["visual =~ x1"]).startswith("visual =~ x1: 1.000, standardized 0.7")
    assert "t = " in str(ci.OLS("x1 ~ x2").fit(TESTS).estimates["x1 ~ x2"])
    assert "(299 df)" in str(ci.OLS("x1 ~ x2").fit(TESTS).estimates["x1 ~ x2"])


def test_tables_show_whole_degrees_of_freedom_and_no_none() -> None:
    ladder = ci.invariance(ci.SEM(MEASURED), TESTS, group="school")
    text = str(ladder)
    assert "None" not in text
    assert "16.000" not in text
    assert "4.96e-05" not in text
    assert "<td>16</td>" in ladder._repr_html_()
    tested = str(ci.lr_test(ci.SEM(f"{MEASURED}\nvisual ~~ 0*textual").fit(TESTS), ci.SEM(MEASURED).fit(TESTS)))
    assert " 9 " in tested
    assert "9.000" not in tested


@pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")
def test_a_bootstrap_in_a_notebook_is_the_table_of_its_text() -> None:
    draws = ci.bootstrap(ci.OLS("x1 ~ x2").fit(TESTS), draws=100, seed=1)
    html = draws._repr_html_()
    assert "inf" not in html.replace("interval", "")
    assert html.startswith("<p>Bootstrap (case), 100 draws, seed 1")
    assert "Regressions" in html


def test_measures_of_fit_are_plain_numbers() -> None:
    assert {type(value) for value in ci.fit_measures(ci.SEM(MEASURED).fit(TESTS)).values()} == {float}


@pytest.mark.parametrize(
    ("path", "kind", "said"),
    [
        (None, ci.CipaError, "path= is None"),
        (5, ci.CipaError, "path= is 5"),
        ("nowhere/x.png", ci.DataError, "there is no folder 'nowhere'"),
    ],
)
def test_a_diagram_is_saved_or_says_why_not(
    path: object, kind: type[Exception], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    diagram = ci.path_diagram(ci.SEM(MEASURED).fit(TESTS))
    with pytest.raises(kind, match=said):
        diagram.save(path)  # type: ignore[arg-type]


def test_a_table_stands_in_columns_with_wide_letters() -> None:
    frame = TESTS.to_frame().rename(columns={"x1": "视觉感知能力", "x2": "b"})
    lines = str(ci.descriptives(frame, ["视觉感知能力", "b"])).splitlines()[1:4]
    ends = [sum(2 if letter > "\u2e80" else 1 for letter in line.split("301")[0]) for line in lines[1:]]
    assert ends[0] == ends[1]
