"""What a session shows: a summary in groups that fits its columns, and representations that fit on a screen."""

from __future__ import annotations

from typing import Any

import pytest

import cipa as ci
from cipa.results.display import p_text, sections_text

FOUR = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\ntextual ~ a*visual\ndouble := 2*a"


def fit(**options: Any) -> Any:
    return ci.SEM(FOUR, **options).fit(ci.datasets.load("holzinger1939"))


def test_a_summary_shows_parameters_in_groups_without_empty_columns() -> None:
    text = str(fit())
    heads = ("Loadings", "Regressions", "Variances", "Defined")
    places = [text.index(f"\n{head}\n") for head in heads]
    assert places == sorted(places)
    assert "Thresholds" not in text
    assert " df  " not in text
    assert " inf" not in text.replace(" information", "")
    assert "nan" not in text.lower()
    assert "< .001" in text
    assert "95% interval" in text
    assert "90% interval" in text  # of the RMSEA


def test_groups_and_levels_stand_in_the_titles() -> None:
    text = str(fit(group="school"))
    assert (
        text.index("Loadings, group Pasteur") < text.index("Variances, group Pasteur") < text.index("Loadings, group Grant-White")
    )


def test_a_t_distribution_is_said_once() -> None:
    text = str(ci.Panel("inv ~ value + capital").fit(ci.datasets.load("grunfeld")))
    assert "t with 188 df" in text
    assert text.count("188") == 2  # the second: the denominator of F
    assert "Entities (firm): 10\n" in text


def test_wide_letters_take_two_columns() -> None:
    lines = sections_text(("", "estimate"), [("Loadings", [("协同 =~ x", "1.000"), ("col =~ y", "0.500")])]).splitlines()
    ends = [len(line) + sum(letter in "协同" for letter in line) for line in lines if line.endswith(("1.000", "0.500"))]
    assert ends[0] == ends[1]


@pytest.mark.parametrize(
    ("value", "text"), [(0.0432, ".043"), (0.0004, "< .001"), (0.9996, "1.000"), (float("nan"), ""), (None, "")]
)
def test_p_values_are_written_as_a_paper_writes_them(value: float | None, text: str) -> None:
    assert p_text(value) == text


@pytest.mark.parametrize(
    "made",
    [
        lambda: fit(), lambda: fit(group="school").estimates, lambda: fit().statistics, lambda: ci.datasets.load("cluster_panel"),
        lambda: ci.modification_indices(fit()), lambda: ci.factor_scores(fit()), lambda: ci.bootstrap(fit(), draws=100, seed=1),
        lambda: ci.residuals(fit()), lambda: ci.SEM(FOUR), lambda: ci.cross_check(ci.SEM("x4 ~ x1").fit(ci.datasets.load("holzinger1939"))),
        lambda: ci.Panel("inv ~ value").fit(ci.datasets.load("grunfeld")),
        lambda: ci.invariance(ci.SEM("visual =~ x1 + x2 + x3"), ci.datasets.load("holzinger1939"), group="school"),
        lambda: ci.SampleMoments(cov=ci.datasets.load("holzinger1939").to_frame()[[f"x{k}" for k in range(1, 10)]].cov(), nobs=301),
    ],
)  # fmt: skip
def test_no_representation_is_longer_than_a_screen_and_a_half(made: Any) -> None:
    text = repr(made())
    assert text.count("\n") <= 60
    assert len(text) <= 60 * 200
    assert max(map(len, text.splitlines())) <= 1000


def test_a_notebook_shows_size_tests_and_notices() -> None:
    data = ci.datasets.load("holzinger1939").to_frame()
    data.loc[0, "x1"] = None
    html = ci.SEM(FOUR).fit(data)._repr_html_()
    assert "Observations: 300" in html
    assert "χ²" in html
    assert "1 of 301 cases were dropped" in html
    assert "<table>" in html
    assert "&lt; .001" in html
