"""Verdicts: what each interval says about each claim."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import cipa as ci
from cipa.evidence.verdicts import judge
from cipa.results.estimates import Estimates, tabulate


def fit_of(estimate: float, error: float, *, scale: float = 1.0) -> Any:
    rows = tabulate([ci.Term.parse("y ~ x")], np.array([estimate]), np.array([error]), standardized=np.array([estimate * scale]))
    return SimpleNamespace(estimates=rows, conf_level=0.95)


def verdict(claim: str, estimate: float, error: float, **options: float) -> Any:
    fits = {"m": fit_of(estimate, error, **options)}
    return judge((ci.Hypothesis.parse("H", claim),), fits, smallest_effect=0.10, seed=1, failures={})[0]


@pytest.mark.parametrize(
    ("claim", "estimate", "error", "word"),
    [
        ("y ~ x > 0", 0.30, 0.10, "supported"),
        ("y ~ x > 0", -0.30, 0.10, "contrary"),
        ("y ~ x < 0", -0.30, 0.10, "supported"),
        ("y ~ x < 0", 0.30, 0.10, "contrary"),
        ("y ~ x != 0", -0.30, 0.10, "supported"),
        ("y ~ x > 0", 0.01, 0.02, "not supported"),
        ("y ~ x > 0", 0.10, 0.20, "inconclusive"),
        ("y ~ x > 0", -0.10, 0.06, "not supported"),
        ("y ~ x < 0", 0.10, 0.06, "not supported"),
        ("y ~ x != 0", 0.001, 0.02, "not supported"),
        ("y ~ x != 0", 0.001, 0.09, "inconclusive"),
        ("y ~ x != 0", 0.08, 0.06, "inconclusive"),
        ("y ~ x != 0", -0.08, 0.06, "inconclusive"),
    ],
)
def test_words(claim: str, estimate: float, error: float, word: str) -> None:
    assert verdict(claim, estimate, error).verdict == word


def test_the_smallest_effect_is_standardized() -> None:
    assert verdict("y ~ x > 0", 10.0, 20.0, scale=0.001).verdict == "not supported"
    assert verdict("y ~ x > 0", 0.001, 0.002, scale=100.0).verdict == "inconclusive"


def test_power_is_against_the_smallest_effect_not_the_observed() -> None:
    # a two-sided 5 % test of an effect of 2.8 standard errors has a power of .80
    assert verdict("y ~ x > 0", 0.05, 0.10 / 2.8016).power == pytest.approx(0.80, abs=0.0005)
    assert "power 0.80" in verdict("y ~ x > 0", 0.06, 0.10 / 2.8016).reason


def test_power_counts_both_tails_and_standardizes_the_error() -> None:
    # one standard error: Phi(1 - 1.95996) + Phi(-1 - 1.95996) = 0.168535 + 0.001540
    assert verdict("y ~ x > 0", 0.05, 0.10).power == pytest.approx(0.170075, abs=1e-6)
    assert verdict("y ~ x > 0", 0.5, 1.0, scale=0.1).power == pytest.approx(0.170075, abs=1e-6)


def test_an_interval_that_ends_at_zero_covers_it() -> None:
    for bound, claim in (("conf_high", "y ~ x < 0"), ("conf_low", "y ~ x > 0")):
        fit = fit_of(-0.3 if bound == "conf_high" else 0.3, 0.15)
        fit.estimates = Estimates((replace(fit.estimates[0], **{bound: 0.0}),), 0.95)
        found = judge((ci.Hypothesis.parse("H", claim),), {"m": fit}, smallest_effect=0.1, seed=1, failures={})[0]
        assert found.verdict == "inconclusive"


def test_a_fixed_parameter_holds_no_effect() -> None:
    term = ci.Term.parse("y ~ x")
    fixed = tabulate([term], np.array([1.0]), np.array([np.nan]), statuses=["fixed"], standardized=np.array([1.0]))
    fits = {"m": SimpleNamespace(estimates=fixed, conf_level=0.95)}
    found = judge((ci.Hypothesis.parse("H", "y ~ x > 0"),), fits, smallest_effect=0.1, seed=1, failures={})
    assert [(one.verdict, one.reason) for one in found] == [("not tested", "No fitted model holds this effect.")]


@pytest.mark.parametrize(
    ("place", "values"), [("", [0.3, 0.5, 0.7, 0.9]), (" [north]", [0.3, 0.5]), (" [level between]", [0.5, 0.9]),
                          (" [north] [level between]", [0.5]), (" [level top]", [])],
)  # fmt: skip
def test_a_claim_is_judged_in_every_group_and_level_that_it_names_or_in_all(place: str, values: list[float]) -> None:
    terms = [ci.Term.parse(f"y ~ x [{group}] [level {level}]") for group in ("north", "south") for level in ("within", "between")]
    rows = tabulate(terms, np.array([0.3, 0.5, 0.7, 0.9]), np.full(4, 0.1), standardized=np.array([0.3, 0.5, 0.7, 0.9]))
    fits = {"m": SimpleNamespace(estimates=rows, conf_level=0.95)}
    found = judge((ci.Hypothesis.parse("H", f"y ~ x{place} > 0"),), fits, smallest_effect=0.1, seed=1, failures={})
    assert [one.estimate.estimate for one in found if one.estimate] == values
    assert {one.verdict for one in found} == ({"supported"} if values else {"not tested"})


def test_what_is_not_tested_says_why() -> None:
    planned = ci.Hypothesis.parse("H", "y ~ x > 0", planned="next year")
    found = judge((planned,), {"m": fit_of(1, 0.1)}, smallest_effect=0.1, seed=1, failures={})[0]
    assert (found.verdict, found.reason) == ("not tested", "next year")
    failed = judge((ci.Hypothesis.parse("H", "y ~ z > 0"),), {}, smallest_effect=0.1, seed=1, failures={"m": "no maximum"})[0]
    assert failed.reason == "The model m could not be fitted."
    assert (
        judge((ci.Hypothesis.parse("H", "y ~ z > 0"),), {"m": fit_of(1, 1)}, smallest_effect=0.1, seed=1, failures={})[0].verdict
        == "not tested"
    )


def test_an_estimate_without_an_error_has_no_verdict() -> None:
    assert verdict("y ~ x > 0", 1.0, float("nan")).verdict == "not tested"


def test_each_group_has_its_verdict() -> None:
    fit = ci.SEM("x4 ~ x1", group="school").fit(ci.datasets.load("holzinger1939"))
    found = judge((ci.Hypothesis.parse("H", "x4 ~ x1 > 0"),), {"m": fit}, smallest_effect=0.1, seed=1, failures={})
    assert [one.estimate.term.group for one in found if one.estimate] == ["Pasteur", "Grant-White"]
    single = judge((ci.Hypothesis.parse("H", "x4 ~ x1 [Pasteur] > 0"),), {"m": fit}, smallest_effect=0.1, seed=1, failures={})
    assert len(single) == 1
    assert isinstance(fit.estimates, Estimates)
