"""Numbers as words."""

from __future__ import annotations

import math

import pytest

import cipa as ci
from cipa.language.en import EN
from cipa.language.en.grammar import counted, listed
from cipa.language.words import decimal, equals_p, level, p_value, per_cent, statistic, unit
from cipa.report.document import Cell
from cipa.report.fit_sentence import fit_sentence
from cipa.report.words import arrow, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.23456, "1.235"), (-0.5, "−0.500"), (0.0, "0.000"), (-0.0, "0.000"), (0.00042, "0.0004"), (-0.00042, "−0.0004"), (0.00004, "0.00004"),
     (0.00000321, "3.2×10⁻⁶"), (-1234.5, "−1234.500"), (math.inf, "∞")],
)  # fmt: skip
def test_decimals(value: float, text: str) -> None:
    assert decimal(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.345, ".345"), (-0.345, "−.345"), (1.2, "1.200"), (0.99999, "1.000"), (-0.0001, ".000")]
)
def test_units(value: float, text: str) -> None:
    assert unit(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0004, "< .001"), (0.001, ".001"), (0.0496, ".050"), (0.32, ".320"), (1.0, "1.000")]
)
def test_p_values(value: float, text: str) -> None:
    assert p_value(value) == text


def test_cells() -> None:
    assert shown(None, "estimate") == shown(float("nan"), "p") == shown((float("nan"), 1.0), "interval") == ""
    assert shown((-0.1, 0.25), "interval") == "[−0.100, 0.250]"
    assert shown(Cell(0.02, "paren"), "text") == "(0.020)"
    assert shown(12.0, "int") == "12"
    assert shown("<b>", "text") == "<b>"
    assert statistic(3.14159) == "3.14"
    assert level(1.0) == "1"
    assert level(-0.5) == "−0.500"


def test_prose() -> None:
    assert equals_p(0.0001) == "p < .001"
    assert equals_p(0.25) == "p = .250"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a"]) == "a"
    assert counted(1, "hypothesis") == "1 hypothesis"
    assert counted(3, "model") == "3 models"
    assert per_cent(0.065) == "6.5 %"
    assert per_cent(0.65) == "65 %"
    assert arrow(ci.Term.parse("y ~ x:z"), {"y": "Profit"}) == "x × z → Profit"
    assert arrow(ci.Path.parse("a -> b -> c"), {}) == "a → b → c"


def test_the_fit_of_a_model_in_a_sentence() -> None:
    data = ci.datasets.load("holzinger1939")
    nine = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
    plain, scaled = (fit_sentence(ci.SEM(nine, estimator=name).fit(data).statistics, EN) for name in ("ml", "mlmvs"))
    assert plain.startswith(
        "χ²(24) = 85.31, p < .001; CFI = .931, TLI = .896, RMSEA = .092 (90% interval .071 to .114), SRMR = .065"
    )
    assert scaled.startswith(
        "Scaled χ²(19.95) = 67.23, p < .001 (scaling factor 1.269; unscaled χ²(24) = 85.31); robust CFI = .932,"
    )
    assert "robust RMSEA = .091 (90% interval .070 to .113), SRMR = .065." in scaled
