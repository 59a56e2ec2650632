"""Indirect effects, simple slopes, Johnson-Neyman, comparisons: one function for every family of fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from oracle_files import HERE, case, sem_fit
from oracle_report import agree
from scipy.special import ndtr, ndtri, stdtrit

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


def moderated(change: float, noise: float) -> Any:
    """A cross-section in which the slope of x is 0.5 + change * z, z far from 0."""
    rng = np.random.default_rng(7)
    x, z, error = rng.normal(size=(3, 200))
    z = 3 + 2 * z
    data = pd.DataFrame({"x": x, "z": z, "y": 0.5 * x + 0.3 * z + change * x * z + noise * error})
    return ci.OLS("y ~ x + z + x:z").fit(data), data


def significant(fit: Any, values: Any) -> Any:
    return np.array(ci.simple_slopes(fit, "y ~ x", by="z", values=values).columns["p_value"]) < 0.05


def test_the_share_outside_the_bounds_is_that_of_the_cases_whose_slope_is_significant() -> None:
    fit, data = moderated(change=-0.2, noise=1.0)
    found = ci.johnson_neyman(fit, "y ~ x", by="z").to_frame().iloc[0]
    assert found.significant == "outside"
    expected = significant(fit, data.z).mean()
    assert 0.2 < expected < 0.9
    assert abs(expected - 0.5) > 0.02
    assert (found.share, found.share_inside) == pytest.approx((expected, 1 - expected), abs=1e-12)


def test_a_slope_that_is_significant_nowhere() -> None:
    fit, _ = moderated(change=0.0, noise=60.0)
    found = ci.johnson_neyman(fit, "y ~ x", by="z").to_frame().iloc[0]
    assert (found.significant, found.share) == ("nowhere", 0.0)
    assert not significant(fit, np.linspace(-1e3, 1e3, 4001)).any()


def test_bounds_keep_their_digits_where_the_other_bound_is_far_away() -> None:
    fit, _ = moderated(change=-0.2, noise=1.0)
    level = 1 - fit.estimates["y ~ x:z"].p_value * (1 - 1e-9)  # the slope's change is just significant
    found = ci.johnson_neyman(fit, "y ~ x", by="z", level=level).to_frame().iloc[0]
    near, far = sorted((found.bound_low, found.bound_high), key=abs)
    assert abs(far / near) > 1e6
    slope = ci.simple_slopes(fit, "y ~ x", by="z", values=[near]).to_frame().iloc[0]
    assert abs(slope.statistic) == pytest.approx(stdtrit(slope.df, (1 + level) / 2), rel=1e-11)


def test_values_of_a_moderator_are_told_in_standard_deviations_from_its_mean() -> None:
    fit, data = moderated(change=-0.2, noise=1.0)
    values = [0.0, data.z.mean(), data.z.mean() + 1.5 * data.z.std()]
    at = ci.simple_slopes(fit, "y ~ x", by="z", values=values).columns["at"]
    assert at == pytest.approx([-data.z.mean() / data.z.std(), 0.0, 1.5], abs=1e-9)


def test_a_model_without_means_evaluates_slopes_at_the_moderators_mean() -> None:
    _, data = moderated(change=-0.2, noise=1.0)
    data = data.assign(w=5 + data.x.to_numpy()[::-1])
    text = "y ~ x + z + x:z + w + x:w"
    plain, means, least = ci.SEM(text).fit(data), ci.SEM(text, meanstructure=True).fit(data), ci.OLS(text).fit(data)
    b = [plain.estimates[f"y ~ {name}"].estimate for name in ("x", "x:z", "x:w")]
    for fit in (plain, means, least):
        found = ci.simple_slopes(fit, "y ~ x", by="z", at=[0])
        assert found.columns["value"][0] == pytest.approx(data.z.mean(), rel=1e-9)
        assert found.columns["estimate"][0] == pytest.approx(b[0] + b[1] * data.z.mean() + b[2] * data.w.mean(), rel=1e-7)


def test_the_order_of_the_terms_does_not_matter_to_a_slope() -> None:
    data = ci.datasets.load("grunfeld")
    fits = [
        ci.Panel(f"inv ~ {right}").fit(data) for right in ("value + capital + value:capital", "value:capital + capital + value")
    ]
    one, two = (ci.simple_slopes(fit, "inv ~ value", by="capital").to_frame() for fit in fits)
    assert two["std_error"].to_numpy() == pytest.approx(one["std_error"].to_numpy(), rel=1e-7)


def test_a_slope_has_the_least_degrees_of_freedom_of_its_coefficients() -> None:
    fit = ci.Panel("inv ~ value*capital", vcov=ci.cr2("firm")).fit(ci.datasets.load("grunfeld"))
    every = [fit.estimates[f"inv ~ {name}"].df for name in ("value", "value:capital")]
    assert max(every) > 1.05 * min(every)
    row = ci.simple_slopes(fit, "inv ~ value", by="capital", at=[1]).to_frame().iloc[0]
    assert row.df == min(every)
    assert row.conf_high - row.estimate == pytest.approx(stdtrit(min(every), 0.975) * row.std_error, rel=1e-10)


def test_the_p_value_of_draws_is_two_sided() -> None:
    data = ci.datasets.load("holzinger1939").to_frame()
    fits = [ci.SEM("y ~ x").fit(pd.DataFrame({"x": data.x2, "y": sign * data.x7})) for sign in (1, -1)]
    for fit in fits:  # a path of one step has normal draws
        row = fit.estimates["y ~ x"]
        expected = 2 * ndtr(-abs(row.statistic))
        assert 0.05 < expected < 0.6
        found = ci.indirect(fit, "x -> y", draws=100_000, seed=3)[0]
        assert found.p_value == pytest.approx(expected, abs=0.006)


def test_draws_prove_no_p_value_below_two_of_their_number() -> None:
    fit = ci.SEM("x5 ~ x4").fit(ci.datasets.load("holzinger1939"))
    assert ci.indirect(fit, "x4 -> x5", draws=1000, seed=1)[0].p_value == pytest.approx(2 / 1000, rel=1e-12)


def test_draws_have_the_spread_of_a_product() -> None:
    data = ci.datasets.load("holzinger1939").to_frame()
    fit = ci.SEM("m ~ x1\nx7 ~ m").fit(data.assign(m=100 * data.x4))  # steps whose variances differ ten thousandfold and more
    a, b = fit.estimates["m ~ x1"], fit.estimates["x7 ~ m"]
    exact = np.sqrt((a.estimate * b.std_error) ** 2 + (b.estimate * a.std_error) ** 2 + (a.std_error * b.std_error) ** 2)
    assert ci.indirect(fit, "x1 -> m -> x7", draws=100_000, seed=5)[0].std_error == pytest.approx(exact, rel=0.015)


@pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")
def test_the_interval_of_a_product_is_accelerated_by_its_own_jackknife() -> None:
    data = ci.datasets.load("holzinger1939").to_frame().head(60)
    drawn = ci.bootstrap(ci.SEM("x4 ~ x1\nx7 ~ x4").fit(data), draws=200, seed=2, conf_type="bca")
    terms = [str(row.term) for row in drawn.estimates]
    columns = [terms.index("x4 ~ x1"), terms.index("x7 ~ x4")]
    assert drawn.jackknife is not None
    products, left_out = drawn.draws[:, columns].prod(axis=1), drawn.jackknife[:, columns].prod(axis=1)
    row = ci.indirect(drawn, "x1 -> x4 -> x7")[0]
    shift, bends = ndtri((products < row.estimate).mean()), left_out.mean() - left_out
    acceleration = (bends**3).sum() / (6 * (bends**2).sum() ** 1.5)  # Efron (1987), eqs. 6.4 and 6.6
    z = shift + ndtri(np.array([0.025, 0.975]))
    expected = np.quantile(products, ndtr(shift + z / (1 - acceleration * z)))
    assert abs(acceleration) > 1e-3
    assert [row.conf_low, row.conf_high] == pytest.approx(expected, rel=1e-10)
    assert row.std_error == pytest.approx(np.std(products, ddof=1), rel=1e-12)


def test_options_are_checked() -> None:
    fit = ci.Panel("inv ~ value*capital").fit(ci.datasets.load("grunfeld"))
    with pytest.raises(ci.SpecificationError, match="level=95"):
        ci.johnson_neyman(fit, "inv ~ value", by="capital", level=95)
    with pytest.raises(ci.SpecificationError, match="draws=10"):
        ci.indirect(fit, "value -> inv", draws=10, seed=1)
    with pytest.raises(ci.SpecificationError, match=r"ci\.indirect: seed=None\. Draws that cannot be repeated prove nothing"):
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
    with pytest.raises(ci.SpecificationError, match="1 different names for 2 fits"):
        ci.compare(panel, path, names=["one"])
    with pytest.raises(ci.SpecificationError, match="at least one fit"):
        ci.compare()


def three_ways(n: int = 150) -> pd.DataFrame:
    rng = np.random.default_rng(6)
    x, z, w = rng.standard_normal((3, n)) + np.array([[0.0], [1.0], [2.0]])
    firm = np.arange(n) // 5
    y = x + 0.5 * z + 0.4 * x * z - 0.3 * x * w + 0.5 * x * z * w + firm / 20 + rng.standard_normal(n)
    return pd.DataFrame({"firm": firm, "year": np.arange(n) % 5, "x": x, "z": z, "w": w, "y": y})


@pytest.mark.parametrize("family", ["within", "pooled", "sem"])
def test_a_slope_takes_products_of_three_with_the_third_at_its_mean(family: str) -> None:
    """By hand: centring w does not change the model, and makes x + z x:z the slope where w is at its mean."""
    data = three_ways()
    if family == "sem":
        fit = ci.SEM("y ~ x + z + w + x:z + x:w + z:w + x:z:w").fit(data)
    else:
        fit = ci.Panel("y ~ x*z*w", method=family, entity="firm", time="year").fit(data)
    names = ["x", "x:z", "x:w", "x:z:w"]
    places = [[str(term) for term in fit.terms].index(f"y ~ {name}") for name in names]
    table = ci.simple_slopes(fit, "y ~ x", by="z", values=[0.0, 1.0, -2.5]).columns
    for position, z in enumerate((0.0, 1.0, -2.5)):
        g = np.array([1.0, z, data.w.mean(), z * data.w.mean()])
        assert table["estimate"][position] == pytest.approx(g @ fit.params[places], rel=1e-9)
        assert table["std_error"][position] == pytest.approx(np.sqrt(g @ fit.vcov[np.ix_(places, places)] @ g), rel=1e-9)
    assert "Held at the mean: w" in str(ci.simple_slopes(fit, "y ~ x", by="z"))
    other = ci.simple_slopes(fit, "y ~ x", by="w", at=[0]).columns["estimate"][0]
    assert other == pytest.approx(ci.simple_slopes(fit, "y ~ x", by="z", at=[0]).columns["estimate"][0], rel=1e-9)


@pytest.mark.parametrize("formula", ["y ~ x*z + square(x)", "y ~ x*z + log(x)", "y ~ x*z + x:square(z) + square(z)"])
def test_a_variable_in_two_forms_has_no_slope_that_is_a_line(formula: str) -> None:
    fit = ci.OLS(formula).fit(three_ways().assign(x=lambda data: np.exp(data.x)))
    with pytest.raises(ci.InferenceError, match="stands in the equation of y as"):
        ci.simple_slopes(fit, "y ~ x", by="z")


def test_the_product_of_a_variable_with_itself_is_its_square() -> None:
    data = three_ways().assign(q=lambda data: data.x**2)
    found, want = ci.SEM("y ~ x + x:x").fit(data), ci.OLS("y ~ x + q").fit(data)
    assert found.estimates["y ~ x:x"].estimate == pytest.approx(want.estimates["y ~ q"].estimate, rel=1e-7)
    b = {name: found.estimates[f"y ~ {name}"].estimate for name in ("x", "x:x")}
    slopes = ci.simple_slopes(found, "y ~ x", by="x", values=[0.0, 3.0]).columns["estimate"]
    assert slopes == pytest.approx([b["x"], b["x"] + 6 * b["x:x"]], rel=1e-9)
    cubic = ci.SEM("y ~ x + x:x + x:x:x").fit(data)
    with pytest.raises(ci.InferenceError, match="'y ~ x:x:x' makes the effect of x a curve in x"):
        ci.simple_slopes(cubic, "y ~ x", by="x")


def test_other_moderators_may_be_levels_of_words() -> None:
    data = three_ways().assign(kind=np.array(list("abc"))[np.arange(150) % 3])
    fit = ci.OLS("y ~ x*z + x:kind + x:i(year)").fit(data)
    b = {str(term)[4:]: value for term, value in zip(fit.terms, fit.params, strict=True)}
    shares = {f"kind[{k}]": float((data.kind == k).mean()) for k in "bc"} | {f"i(year){k}": 0.2 for k in range(1, 5)}
    want = b["x"] + sum(b[f"x:{name}"] * share for name, share in shares.items())
    assert ci.simple_slopes(fit, "y ~ x", by="z", values=[0.0]).columns["estimate"][0] == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize("unit", [1e-6, 1e6, 1e10])
def test_the_interval_of_draws_does_not_depend_on_units(unit: float) -> None:
    """The same seed gave other draws in other units, whose eigenvectors differ; the smallest variances were rounding."""
    data = ci.datasets.load("holzinger1939").to_frame().rename(columns={"x1": "x", "x4": "m", "x7": "y"})
    plain, scaled = (ci.SEM("m ~ x\ny ~ m + x", estimator="mlr").fit(data.assign(x=data.x * scale)) for scale in (1.0, unit))
    want, found = (ci.indirect(fit, "x -> m -> y", draws=20_000, seed=3)[0] for fit in (plain, scaled))
    for name in ("conf_low", "conf_high", "std_error"):
        assert getattr(found, name) * unit == pytest.approx(getattr(want, name), rel=1e-6)
