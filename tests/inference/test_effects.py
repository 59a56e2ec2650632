"""Indirect effects, simple slopes, Johnson-Neyman, comparisons: one function for every family of fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from oracle_files import HERE, case, sem_fit
from oracle_report import agree

import cipa as ci
from cipa.results.questions import spread

TOLERANCE = 1e-8  # relative, against fixest's coefficients and the delta method by hand in R


def produc() -> Any:
    data = pd.read_csv(HERE / "panel/data/produc.csv")
    data = data.assign(lpc=np.log(data.pc), u_c=data.unemp - data.unemp.mean())
    return ci.Panel(
        "log(gsp) ~ lpc*u_c + log(emp) + log(pcap)",
        effects=("entity", "time"),
        entity="state",
        time="year",
        vcov=ci.clustered("state"),
    ).fit(data)


def test_simple_slopes_against_the_reference() -> None:
    expected, fit = case("panel", "produc_moderation_fe"), produc()
    found = ci.simple_slopes(fit, "log(gsp) ~ lpc", by="u_c").to_frame()
    for (_, row), other in zip(found.iterrows(), expected["simple_slopes"], strict=True):
        for mine, theirs in {"estimate": "effect", "std_error": "se", "statistic": "t", "p_value": "p"}.items():
            agree("panel", "produc_moderation_fe", [(f"simple slope, {mine}", row[mine], other[theirs])], rtol=1e-7)
        assert [row.conf_low, row.conf_high] == pytest.approx(other["ci95"], rel=1e-6)
    assert spread(fit, "u_c").sd == pytest.approx(expected["spec"]["moderator_sd"], rel=TOLERANCE)


def test_johnson_neyman_against_the_reference() -> None:
    expected = case("panel", "produc_moderation_fe")
    row = ci.johnson_neyman(produc(), "log(gsp) ~ lpc", by="u_c").to_frame().iloc[0]
    bounds = zip(("lower bound", "upper bound"), (row.bound_low, row.bound_high), expected["johnson_neyman_95"], strict=True)
    agree("panel", "produc_moderation_fe", list(bounds), rtol=TOLERANCE)
    assert row.significant == "inside"
    assert row.share == pytest.approx(expected["share_of_sample_inside_jn"], rel=TOLERANCE)


def test_at_a_bound_the_slope_is_just_significant() -> None:
    fit = produc()
    bounds = ci.johnson_neyman(fit, "log(gsp) ~ lpc", by="u_c", level=0.90).to_frame().iloc[0]
    for value in (bounds.bound_low, bounds.bound_high):
        slope = ci.simple_slopes(fit, "log(gsp) ~ lpc", by="u_c", values=[value]).to_frame().iloc[0]
        assert slope.p_value == pytest.approx(0.10, abs=1e-9)


def test_the_slope_where_the_moderator_is_zero_is_the_main_effect() -> None:
    fit = produc()
    zero = ci.simple_slopes(fit, "log(gsp) ~ lpc", by="u_c", values={"u_c": [0.0]}).to_frame().iloc[0]
    main = fit.estimates["log(gsp) ~ lpc"]
    assert (zero.estimate, zero.std_error) == pytest.approx((main.estimate, main.std_error), rel=1e-12)


def test_other_moderators_are_held_at_their_means() -> None:
    data = ci.datasets.load("grunfeld")
    fit = ci.Panel("inv ~ value*capital + value:year + year", method="pooled").fit(data)
    found = ci.simple_slopes(fit, "inv ~ value", by="capital", values=[0.0])
    expected = fit.estimates["inv ~ value"].estimate + fit.estimates["inv ~ value:year"].estimate * data["year"].mean()
    assert found.columns["estimate"][0] == pytest.approx(expected, rel=1e-10)
    assert found.notes == ("Held at the mean: year.",)


def test_indirect_effects_are_the_defined_effects_of_the_syntax() -> None:
    fit = sem_fit("mediation_delta")
    defined = next(row for row in fit.estimates if row.term.op == ":=" and "*" in row.term.rhs and row.term.rhs.count("*") == 1)
    labels = defined.term.rhs.replace(" ", "").split("*")
    first, second = (next(row.term for row in fit.estimates if row.label == label) for label in labels)
    found = ci.indirect(fit, f"{first.rhs} -> {first.lhs} -> {second.lhs}")[0]
    assert found.estimate == pytest.approx(defined.estimate, rel=1e-10)
    assert found.std_error == pytest.approx(defined.std_error, rel=1e-8)
    assert found.standardized == pytest.approx(defined.standardized, rel=1e-8)


def test_monte_carlo_agrees_with_the_delta_method_and_is_reproducible() -> None:
    fit = sem_fit("mediation_delta")
    steps = [row.term for row in fit.estimates if row.term.op == "~"]
    path = next(f"{a.rhs} -> {a.lhs} -> {b.lhs}" for a in steps for b in steps if b.rhs == a.lhs)
    delta, drawn, again, other = (
        ci.indirect(fit, path, draws=draws, seed=seed)[0] for draws, seed in ((0, 1), (50_000, 1), (50_000, 1), (50_000, 2))
    )
    assert repr(drawn) == repr(again)  # a NaN equals no NaN, but reads alike
    assert drawn.conf_low != other.conf_low
    assert drawn.std_error == pytest.approx(delta.std_error, rel=0.06)
    assert drawn.conf_low == pytest.approx(delta.conf_low, abs=0.25 * delta.std_error)


def test_groups_have_an_effect_each() -> None:
    fit = ci.SEM("x4 ~ x1\nx7 ~ x4", group="school").fit(ci.datasets.load("holzinger1939"))
    assert [row.term.group for row in ci.indirect(fit, "x1 -> x4 -> x7")] == ["Pasteur", "Grant-White"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda fit: ci.indirect(fit, "value -> profit -> inv"), "no coefficient 'profit ~ value'"),
        (lambda fit: ci.simple_slopes(fit, "inv ~ value", by="year"), "no product term"),
        (lambda fit: ci.simple_slopes(fit, "inv ~ value:capital", by="capital"), "is not a slope"),
        (lambda fit: ci.johnson_neyman(fit, "inv ~ value", by="capitla"), "Did you mean 'capital'"),
    ],
)
def test_what_the_fit_does_not_hold_is_refused(call: Any, said: str) -> None:
    fit = ci.Panel("inv ~ value*capital").fit(ci.datasets.load("grunfeld"))
    with pytest.raises(ci.InferenceError, match=said):
        call(fit)


def test_options_are_checked() -> None:
    fit = ci.Panel("inv ~ value*capital").fit(ci.datasets.load("grunfeld"))
    with pytest.raises(ci.SpecificationError, match="level=95"):
        ci.johnson_neyman(fit, "inv ~ value", by="capital", level=95)
    with pytest.raises(ci.SpecificationError, match="draws=10"):
        ci.indirect(fit, "value -> inv", draws=10, seed=1)
    with pytest.raises(ci.SpecificationError, match="need a seed"):
        ci.indirect(fit, "value -> inv", draws=5000)


def test_families_stand_side_by_side() -> None:
    data = ci.datasets.load("grunfeld")
    panel = ci.Panel("inv ~ value + capital", method="pooled").fit(data)
    path = ci.SEM("inv ~ value + capital", meanstructure=True).fit(data)
    table = ci.compare(panel, path, names=["least squares", "path model"]).to_frame().set_index("term")
    assert table.loc["inv ~ value", "least squares estimate"] == pytest.approx(
        table.loc["inv ~ value", "path model estimate"], rel=1e-9
    )
    assert np.isnan(table.loc["inv ~~ inv", "least squares estimate"])
    assert "Pooled" in str(ci.compare(panel)) or "pooled" in str(ci.compare(panel))
    with pytest.raises(ci.SpecificationError, match="1 names for 2 fits"):
        ci.compare(panel, path, names=["one"])
    with pytest.raises(ci.SpecificationError, match="at least one fit"):
        ci.compare()
