"""A regressor that does not vary, or hardly, beside the constant: refused by name, never solved."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cipa as ci

GRUNFELD = ci.datasets.load("grunfeld").to_frame()
KEYS = {"entity": "firm", "time": "year"}


@pytest.mark.parametrize("value", [1.0, 2.3, 0.1, -7.7, 1e8, 1e-8, 0.0])
@pytest.mark.parametrize("right", ["value + flat", "flat + value", "flat"])
def test_a_constant_column_beside_the_constant_is_refused(value: float, right: str) -> None:
    with pytest.raises(ci.IdentificationError, match="'flat' is constant in the estimation sample"):
        ci.OLS(f"inv ~ {right}").fit(GRUNFELD.assign(flat=value))


@pytest.mark.parametrize("method", ["pooled", "random", "between", "mundlak"])
def test_a_constant_column_is_refused_by_every_method_that_has_a_constant(method: str) -> None:
    with pytest.raises(ci.IdentificationError, match="'flat' is constant"):
        ci.Panel("inv ~ value + flat", method=method, **KEYS).fit(GRUNFELD.assign(flat=2.3))


def test_a_constant_column_in_the_place_of_the_constant_is_one() -> None:
    fit = ci.OLS("inv ~ value + flat - 1").fit(GRUNFELD.assign(flat=2.0))
    usual = ci.OLS("inv ~ value").fit(GRUNFELD)
    assert fit.estimates["inv ~ flat"].estimate == pytest.approx(usual.estimates["inv ~1"].estimate / 2, rel=1e-10)


@pytest.mark.parametrize("ratio", [3e12, 1e14])
def test_a_column_that_hardly_varies_is_refused_with_what_to_do(ratio: float) -> None:
    spread = GRUNFELD.value / GRUNFELD.value.std()
    with pytest.raises(ci.IdentificationError, match=r"'far' (varies by .* around .*Subtract|is constant)"):
        ci.OLS("inv ~ far").fit(GRUNFELD.assign(far=ratio + spread))


@pytest.mark.parametrize("vcov", ["iid", "hc1", "hc3"])
@pytest.mark.parametrize("place", [1e5, 2.0**30])
def test_what_is_not_refused_is_right_wherever_the_zero_of_a_column_lies(vcov: str, place: float) -> None:
    """The column has 20 binary digits, so that it is itself wherever its zero lies."""
    spread = (GRUNFELD.value * 64).round() / 64
    near, far = (ci.OLS("inv ~ z + capital", vcov=vcov).fit(pd.DataFrame(GRUNFELD.assign(z=spread + at))) for at in (0.0, place))
    errors = [fit.estimates["inv ~ z"].std_error for fit in (near, far)]
    assert near.estimates["inv ~ z"].estimate == pytest.approx(far.estimates["inv ~ z"].estimate, rel=1e-9)
    assert errors[1] == pytest.approx(errors[0], rel=1e-9)
    assert np.isclose(near.statistics["r2"].value, far.statistics["r2"].value, rtol=1e-9)


@pytest.mark.parametrize("right", ["capital", "capital + value", "words"])
def test_an_outcome_that_a_regressor_gives_exactly_is_said(right: str) -> None:
    data = GRUNFELD.assign(words=[f"n{firm}" for firm in GRUNFELD.firm], copy=2 * GRUNFELD.capital)
    data["copy"] = 3 * data.firm if right == "words" else data["copy"]
    with pytest.warns(ci.CipaWarning, match="give the outcome exactly") as given:
        fit = ci.OLS(f"copy ~ {right}").fit(data[data.firm < 3])
    assert [notice.code for notice in fit.notices] == ["exact"]
    assert {warning.category for warning in given} == {ci.CipaWarning}  # and none of a library


def test_an_ordinary_fit_is_not_called_exact() -> None:
    fit = ci.Panel("inv ~ value + capital", **KEYS).fit(GRUNFELD)
    assert "exact" not in [notice.code for notice in fit.notices]


@pytest.mark.parametrize("value", [0.0, 0.1, 5.0, -3e9])
@pytest.mark.parametrize("method", ["pooled", "within", "between", "random", "mundlak", "first_difference"])
def test_a_constant_outcome_is_refused_by_every_method(value: float, method: str) -> None:
    with pytest.raises(ci.DataError, match="the outcome 'inv' is constant in the estimation sample"):
        ci.Panel("inv ~ value", method=method, **KEYS).fit(GRUNFELD.assign(inv=value))


def test_an_outcome_that_a_method_makes_constant_is_refused() -> None:
    trend = GRUNFELD.assign(inv=GRUNFELD.year * 2.0)
    for method, said in (("first_difference", "first difference"), ("between", "between")):
        with pytest.raises(ci.DataError, match=f"'inv' is the same in every row of the {said} regression"):
            ci.Panel("inv ~ value", method=method, **KEYS).fit(trend)
    with pytest.raises(ci.DataError, match="the outcome 'inv' is constant"):
        ci.OLS("inv ~ value").fit(GRUNFELD.assign(inv=1.0))


def test_both_effects_by_one_word() -> None:
    word, listed = (ci.Panel("inv ~ value", effects=effects, **KEYS).fit(GRUNFELD) for effects in ("both", ("entity", "time")))
    assert word.model.effects == ("entity", "time")
    assert word.estimates["inv ~ value"].estimate == listed.estimates["inv ~ value"].estimate
