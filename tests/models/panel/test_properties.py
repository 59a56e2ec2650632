"""Identities and invariances of the panel core, its formula, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle_files import HERE

import cipa as ci
from cipa.models.panel.common.atoms import term_name
from cipa.models.panel.common.formula import parse_formula

KEYS = {"entity": "firm", "time": "year"}
EXACT = 1e-9  # relative; the same numbers by another road

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


def grunfeld() -> pd.DataFrame:
    return ci.datasets.load("grunfeld").to_frame()


def gaps() -> pd.DataFrame:
    return pd.read_csv(HERE / "panel/data/sim_clusters_gaps.csv")


def ordinary() -> pd.DataFrame:
    """171 firms in 6 years, balanced, columns with means far from zero."""
    rng = np.random.default_rng(0)
    firm, year = np.repeat(np.arange(171), 6), np.tile(np.arange(2010, 2016), 171)
    x = 10 + rng.normal(size=1026) + rng.normal(size=171)[firm]
    z = rng.normal(size=1026) + rng.normal(size=6)[year - 2010]
    y = 0.5 * x - 0.3 * z + rng.normal(size=171)[firm] + rng.normal(size=1026)
    return pd.DataFrame({"firm": firm, "year": year, "lninnov": y, "collab": x, "rd": z})


def fit(formula: str, data: pd.DataFrame, **options: Any) -> Any:
    return ci.Panel(formula, **{**KEYS, **options}).fit(data)


@pytest.mark.parametrize("vcov", ["iid", "hc1", "hc3", ci.clustered("firm", convention="none")], ids=str)
@pytest.mark.parametrize("data", [grunfeld(), gaps(), ordinary()], ids=["balanced", "gaps", "171 x 6"])
def test_sweeping_out_effects_is_the_regression_with_dummies(data: pd.DataFrame, vcov: Any) -> None:
    formula = "inv ~ value + capital" if "inv" in data else "lninnov ~ collab + rd"
    within = fit(formula, data, effects=("entity", "time"), vcov=vcov)
    dummies = fit(f"{formula} + i(firm) + i(year)", data, method="pooled", vcov=vcov)
    for row in within.estimates:
        other = dummies.estimates[row.term]
        assert row.estimate == pytest.approx(other.estimate, rel=1e-8)
        assert row.std_error == pytest.approx(other.std_error, rel=1e-8)
        assert row.p_value == pytest.approx(other.p_value, rel=1e-6)


def test_two_periods_differences_are_entity_and_time_effects() -> None:
    data = gaps()
    two = data[data.year.isin([2014, 2015])]
    two = two[two.groupby("firm").firm.transform("size") == 2]
    change = fit("lninnov ~ collab + rd", two, method="first_difference")
    within = fit("lninnov ~ collab + rd", two, effects=("entity", "time"))
    for row in within.estimates:
        assert change.estimates[row.term].estimate == pytest.approx(row.estimate, rel=1e-8)


def test_mundlak_slopes_are_the_within_slopes() -> None:
    data = gaps()
    mundlak, within = fit("lninnov ~ collab + rd", data, method="mundlak"), fit("lninnov ~ collab + rd", data)
    for row in within.estimates:
        assert mundlak.estimates[row.term].estimate == pytest.approx(row.estimate, rel=1e-8)


def test_random_effects_without_effects_are_pooled() -> None:
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"firm": np.repeat(range(40), 5), "year": np.tile(range(5), 40), "x": rng.normal(size=200)})
    noise = rng.normal(size=200)
    data["y"] = data.x + noise - pd.Series(noise).groupby(data.firm).transform("mean")  # no variance between firms
    found = fit("y ~ x", data, method="random")
    assert found.statistics["sigma_u"].value == 0
    assert "zero_variance_component" in [notice.code for notice in found.notices]
    assert found.estimates["y ~ x"].estimate == pytest.approx(
        fit("y ~ x", data, method="pooled").estimates["y ~ x"].estimate, rel=EXACT
    )


@pytest.mark.parametrize("method", ["pooled", "within", "between", "random", "first_difference", "mundlak"])
def test_row_order_labels_and_units_do_not_matter(method: str) -> None:
    data = gaps()
    first = fit("lninnov ~ collab + rd", data, method=method, vcov=ci.clustered("cluster"))
    moved = data.sample(frac=1, random_state=2).assign(firm=lambda d: "X" + d.firm.str[::-1], rd=lambda d: 1000 * d.rd)
    second = fit("lninnov ~ collab + rd", moved, method=method, vcov=ci.clustered("cluster"))
    for row in first.estimates:
        scale = 1000 if row.term.rhs in ("rd", "mean(rd)") else 1
        other = second.estimates[row.term]
        assert other.estimate * scale == pytest.approx(row.estimate, rel=1e-8)
        assert other.std_error * scale == pytest.approx(row.std_error, rel=1e-8)
        assert other.statistic == pytest.approx(row.statistic, rel=1e-7)


def test_weights_that_are_counts_are_repeated_rows() -> None:
    data = grunfeld().assign(w=lambda d: 1 + (d.year % 3))
    weighted = fit("inv ~ value + capital", data, method="pooled", weights="w")
    repeated = data.loc[data.index.repeat(data.w)].assign(year=lambda d: d.year + 0.0001 * d.groupby(level=0).cumcount())
    plain = fit("inv ~ value + capital", repeated, method="pooled")
    for row in weighted.estimates:
        assert row.estimate == pytest.approx(plain.estimates[row.term].estimate, rel=EXACT)


def test_two_stage_least_squares_by_hand() -> None:
    data = gaps()
    found = fit("lninnov ~ rd + [collab ~ z_partner]", data, method="pooled")
    one = np.ones(len(data))
    X, Z = np.column_stack([one, data.rd, data.collab]), np.column_stack([one, data.rd, data.z_partner])
    slopes = np.linalg.solve(Z.T @ X, Z.T @ data.lninnov.to_numpy())
    assert found.params == pytest.approx(slopes, rel=1e-8)


@pytest.mark.parametrize(
    ("formula", "terms"),
    [
        ("y ~ a*b", ["a", "b", "a:b"]),
        ("y ~ a*b*c - a:b:c", ["a", "b", "a:b", "c", "a:c", "b:c"]),
        ("y ~ (a + b):c", ["a:c", "b:c"]),
        ("log(y) ~ lag(x, 1:2) + log1p(x)", ["lag(x, 1)", "lag(x, 2)", "log1p(x)"]),
        ("y ~ a + b - a", ["b"]),
        ("y ~ `odd name` + 企业", ["odd name", "企业"]),
    ],
)
def test_formulas(formula: str, terms: list[str]) -> None:
    assert [term_name(term) for term in parse_formula(formula).terms] == terms


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("y ~", "ends too early|missing"),
        ("~ x", "outcome is missing"),
        ("y ~ x | firm", "effects="),
        ("y ~ x^2", "square"),
        ("y ~ lgo(x)", "Did you mean 'log'"),
        ("y ~ log(x + 1)", "log1p"),
        ("y ~ __import__('os')", "is not part of the grammar"),
        ("y ~ x + y", "right side too"),
        ("y ~ x:x", "square"),
        ("y ~ lag(x, -1)", "positive"),
        ("y ~ x $ z", "no meaning"),
        ("y ~ [w ~ ]", "instrument"),
    ],
)
def test_formulas_are_refused_with_a_caret(formula: str, said: str) -> None:
    with pytest.raises(ci.SpecificationError, match=said) as found:
        ci.Panel(formula)
    assert "^" in str(found.value)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*"xyz~+-*:()[],1 0", "log(", "lag(", "i(", "\u4e2d", "'", "`"]), max_size=30).map("".join))
def test_any_text_is_a_formula_or_a_plain_error(text: str) -> None:
    try:
        assert parse_formula(text).response
    except ci.SpecificationError as problem:
        assert str(problem)  # noqa: PT017 - either way is right, and both are looked at


def test_lags_use_rows_that_are_dropped_for_another_reason() -> None:
    data = grunfeld()
    data.loc[5, "capital"] = np.nan
    found = fit("inv ~ lag(value) + capital", data)
    assert found.nobs == 200 - 10 - 1
    dropped = next(notice for notice in found.notices if notice.code == "rows_dropped")
    assert "11 of 200 rows" in dropped.text


@pytest.mark.parametrize(
    ("formula", "options", "error", "said"),
    [
        ("inv ~ vlaue", {}, ci.DataError, "Did you mean 'value'"),
        ("inv ~ value + twice", {}, ci.IdentificationError, "'twice' is collinear: it is a linear combination of value"),
        ("inv ~ value + flat", {}, ci.IdentificationError, "'flat' is constant"),
        ("inv ~ value + own", {}, ci.IdentificationError, "absorbed by the effects"),
        ("inv ~ word", {}, ci.DataError, r"one value \('w'\)"),
        ("word ~ value", {}, ci.DataError, "holds words"),
        ("inv ~ log(word)", {}, ci.DataError, "holds words"),
        ("inv ~ log(zero)", {}, ci.DataError, "The logarithm needs positive values"),
        ("inv ~ empty", {}, ci.DataError, "has no value in any of the 200 rows"),
        ("inv ~ value", {"method": "witihn"}, ci.SpecificationError, "Did you mean 'within'"),
        ("inv ~ value", {"effects": ("firm",)}, ci.SpecificationError, "effects='firm' is not known"),
        ("inv ~ value", {"vcov": "hc7"}, ci.SpecificationError, "vcov='hc7' is not known"),
        ("inv ~ value", {"vcov": ci.clustered("frim")}, ci.DataError, "Did you mean 'firm'"),
        ("inv ~ value", {"vcov": ci.clustered("flat")}, ci.InferenceError, "one value"),
        ("inv ~ value", {"method": "random", "weights": "value"}, ci.SpecificationError, "not derived with weights"),
        ("inv ~ value", {"method": "pooled", "absorb": "year"}, ci.SpecificationError, "sweeps out nothing"),
        ("inv ~ value", {"effects": ()}, ci.SpecificationError, "no effects is pooled"),
        ("inv ~ value + [capital ~ value]", {}, ci.IdentificationError, "collinear"),
    ],
)
def test_refusals(formula: str, options: dict[str, Any], error: type[Exception], said: str) -> None:
    data = grunfeld().assign(
        twice=lambda d: 2 * d.value,
        flat=1.0,
        own=lambda d: d.firm * 3.0,
        word="w",
        zero=lambda d: d.value * (d.year > 1940),
        empty=np.nan,
    )
    with pytest.raises(error, match=said):
        fit(formula, data, **options)


def test_few_clusters_are_noted() -> None:
    found = fit("inv ~ value", grunfeld(), vcov=ci.clustered("firm"))
    assert "few_clusters" in [notice.code for notice in found.notices]
    assert found.estimates[0].df == 9


def test_scores_and_bread_make_the_covariance() -> None:
    found = fit("inv ~ value + capital", grunfeld(), vcov="hc0")
    assert found.bread @ found.scores.T @ found.scores @ found.bread == pytest.approx(found.vcov, rel=1e-10)
    assert np.abs(found.scores.sum(axis=0)).max() < 1e-6 * np.abs(found.scores).sum()
