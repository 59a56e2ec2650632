"""What can be asked of a fit is asked of every family: bootstrap, Wald tests, power, another covariance; refusals name the family."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cipa as ci
from cipa.results.answers import Answers


def grunfeld(**options: Any) -> Any:
    return ci.Panel("inv ~ value + capital", **options).fit(ci.datasets.load("grunfeld"))


def school() -> Any:
    return ci.SEM("visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\ntextual ~ a*visual", information="observed").fit(
        ci.datasets.load("holzinger1939")
    )


def test_the_bootstrap_of_a_panel_draws_whole_firms() -> None:
    fit = grunfeld(effects=("entity", "time"))
    again = ci.bootstrap(fit, draws=200, seed=1)
    assert (again.kind, again.failed) == ("entity", 0)
    assert np.array_equal(again.draws, ci.bootstrap(fit, draws=200, seed=1, kind="entity").draws)


def test_bootstrap_errors_of_many_firms_are_the_clustered_ones() -> None:
    rng = np.random.default_rng(8)
    firm = np.repeat(np.arange(200), 4)
    x = rng.normal(size=800) + rng.normal(size=200)[firm]
    y = 0.5 * x + rng.normal(size=200)[firm] + rng.normal(size=800) * (1 + np.abs(x))
    data = pd.DataFrame({"firm": firm, "year": np.tile(np.arange(4), 200), "x": x, "y": y})
    fit = ci.Panel("y ~ x", entity="firm", time="year", vcov=ci.clustered("firm")).fit(data)
    ratio = ci.bootstrap(fit, draws=400, seed=1).estimates[0].std_error / fit.estimates[0].std_error
    assert ratio == pytest.approx(1.0, abs=0.12)  # three Monte Carlo errors of 400 draws


def test_a_firm_drawn_twice_counts_as_two() -> None:
    """The fit to data in which each firm stands twice, under two names, has the same estimates: the refit of that draw."""
    fit = grunfeld()
    again = fit.answers.refit(fit, "entity")
    twice = np.concatenate([np.arange(fit.data.nobs)] * 2)
    found = again.run([[twice]])
    assert found.values[0] == pytest.approx([row.estimate for row in fit.estimates], rel=1e-10)


def test_the_bootstrap_of_a_cross_section_is_that_of_least_squares() -> None:
    data = ci.datasets.load("holzinger1939")
    fit = ci.OLS("x4 ~ x1 + x2").fit(data)
    drawn = ci.bootstrap(fit, draws=100, seed=3)
    again = fit.answers.refit(fit, None)
    rows = np.arange(301)[::-1].copy()
    assert (drawn.kind, again.kind) == ("case", "case")
    assert again.run([[rows]]).values[0] == pytest.approx([row.estimate for row in fit.estimates], rel=1e-10)


@pytest.mark.parametrize("kind", ["case", "cluster", "parametric"])
def test_kinds_that_a_panel_does_not_have_are_refused_with_those_it_has(kind: str) -> None:
    with pytest.raises(ci.InferenceError, match='kind="entity"'):
        ci.bootstrap(grunfeld(), draws=100, seed=1, kind=kind)


def test_bca_of_an_indirect_effect_is_bca() -> None:
    """Acceleration moves the interval: bca differs from bc, and its bounds are those of the product's own draws."""
    fit = ci.SEM("x4 ~ x1 + x2\nx7 ~ x4 + x1").fit(ci.datasets.load("holzinger1939"))
    drawn = ci.bootstrap(fit, draws=500, seed=2, conf_type="bca")
    plain = replace(drawn, conf_type="bc", jackknife=None)
    bca, bc = (ci.indirect(one, "x1 -> x4 -> x7")[0] for one in (drawn, plain))
    assert drawn.jackknife is not None
    assert drawn.jackknife.shape[0] == 301
    assert (bca.conf_low, bca.conf_high) != (bc.conf_low, bc.conf_high)
    labelled = ci.SEM("x4 ~ a*x1 + x2\nx7 ~ b*x4 + x1\nind := a*b").fit(ci.datasets.load("holzinger1939"))
    defined = ci.bootstrap(labelled, draws=500, seed=2, conf_type="bca").estimates["ind"]
    assert (bca.conf_low, bca.conf_high) == pytest.approx((defined.conf_low, defined.conf_high), rel=1e-9)


def test_fixed_rows_have_no_bootstrap_interval() -> None:
    drawn = ci.bootstrap(ci.SEM("x4 ~ x1 + x2").fit(ci.datasets.load("holzinger1939")), draws=100, seed=1)
    fixed = [row for row in drawn.estimates if row.status == "fixed"]
    assert len(fixed) == 3  # moments of the exogenous variables vary from draw to draw, and are no estimates
    assert all(np.isnan([row.std_error, row.conf_low, row.conf_high]).all() for row in fixed)


def test_wald_tests_name_the_regressors_of_a_regression() -> None:
    fit = grunfeld(method="pooled")
    found = ci.wald_test(fit, "value == capital")
    gap = np.array([1.0, -1.0])
    free = [k for k, term in enumerate(fit.terms) if term.op == "~"]
    b, V = fit.params[free], fit.vcov[np.ix_(free, free)]
    assert found.value == pytest.approx((gap @ b) ** 2 / (gap @ V @ gap), rel=1e-12)
    with pytest.raises(ci.InferenceError, match="Did you mean 'capital'"):
        ci.wald_test(fit, "value == capitol")


def test_power_of_a_panel_model_by_draws_from_its_fit() -> None:
    fit = grunfeld(method="random")
    found = ci.power(fit.model, population=fit, params={"inv ~ value": 0.0}, terms=["inv ~ value"], draws=300, seed=1)
    columns = found.table.columns
    assert columns["population"] == (0.0,)
    assert columns["power"][0] == pytest.approx(0.05, abs=0.04)  # the size of the test: three Monte Carlo errors
    assert columns["coverage"][0] == pytest.approx(0.95, abs=0.04)
    with pytest.raises(ci.InferenceError, match="no law of its own"):
        ci.power(fit.model, terms=["inv ~ value"])


def test_the_relative_bias_of_power_has_the_sign_of_the_bias() -> None:
    """Labels in a fitted mean: with a population value above the estimates' average the relative bias is negative."""
    fit = grunfeld()
    found = ci.power(fit.model, population=fit, terms=["inv ~ value"], draws=60, seed=4).table.columns
    average, truth = found["average"][0], found["population"][0]
    assert found["relative_bias"][0] == pytest.approx((average - truth) / abs(truth), rel=1e-12)
    assert average != truth


def test_the_monte_carlo_p_value_counts_both_sides() -> None:
    """Twice the smaller side, against independent draws of the two steps (which do not covary here)."""
    fit = ci.SEM("x4 ~ x1 + x2\nx7 ~ x4 + x1").fit(ci.datasets.load("holzinger1939"))
    row = ci.indirect(fit, "x2 -> x4 -> x7", draws=20000, seed=1)[0]
    steps = [fit.estimates["x4 ~ x2"], fit.estimates["x7 ~ x4"]]
    normal = np.random.default_rng(9).normal(size=(400000, 2)) * [one.std_error for one in steps] + [
        one.estimate for one in steps
    ]
    below = float((normal.prod(axis=1) < 0).mean())
    assert row.p_value == pytest.approx(2 * min(below, 1 - below), rel=0.05)


@pytest.mark.parametrize(
    "options, kind",
    [({"estimator": "mlr"}, "hc0"), ({"cluster": "ten"}, ci.clustered("ten", convention="none"))],
    ids=["hc0", "clustered"],
)
def test_another_covariance_of_a_structural_equation_model_is_that_of_its_own_option(options: Any, kind: Any) -> None:
    data = ci.datasets.load("holzinger1939").to_frame().assign(ten=lambda table: table.index // 10)
    fit = ci.SEM(school().model.syntax, information="observed").fit(data)
    reference = ci.SEM(fit.model.syntax, information="observed", meanstructure=False, **options).fit(data)
    again = ci.vcov(fit, kind, data=data)
    factor = 1.0 if kind == "hc0" else np.sqrt(31 / 30)  # G / (G - 1), which cluster= has and convention "none" has not
    assert again.estimates["a"].std_error * factor == pytest.approx(reference.estimates["a"].std_error, rel=1e-6)
    assert again.estimates["a"].estimate == fit.estimates["a"].estimate
    assert "vcov" in [notice.code for notice in again.notices]


@pytest.mark.parametrize(
    "question",
    [
        lambda fit: ci.bootstrap(fit, draws=100, seed=1), lambda fit: ci.vcov(fit, "hc0"), lambda fit: ci.residuals(fit),
        lambda fit: ci.predict(fit), lambda fit: ci.score_test(fit), lambda fit: ci.simulate(fit, seed=1),
    ],
)  # fmt: skip
def test_what_a_family_does_not_derive_is_refused_in_the_same_words(question: Any) -> None:
    bare = replace(school(), answers=Answers())
    with pytest.raises(
        ci.InferenceError, match=r"is not derived for fits of this engine: .*\. Fit the model with the native engine\."
    ):
        question(bare)


def test_the_likelihood_ratio_of_regressions_is_n_times_the_log_of_their_sums_of_squares() -> None:
    data = ci.datasets.load("grunfeld").to_frame()
    general, restricted = (ci.OLS(f"inv ~ {right}").fit(data) for right in ("value + capital", "value"))
    row = ci.lr_test(restricted, general).to_frame().iloc[1]
    sums = []
    for names in (["value"], ["value", "capital"]):
        X = np.column_stack([np.ones(len(data)), data[names]])
        sums.append(np.linalg.lstsq(X, data["inv"].to_numpy(), rcond=None)[1][0])
    assert (row.chisq_diff, row.df_diff) == pytest.approx((len(data) * np.log(sums[0] / sums[1]), 1), rel=1e-8)


def test_a_model_with_more_degrees_of_freedom_that_fits_better_is_not_nested() -> None:
    data = ci.datasets.load("holzinger1939")
    alone = "\nx1 ~~ x1\nx5 ~~ x5\nx6 ~~ x6"
    better, worse = (ci.SEM(text + alone).fit(data) for text in ("x4 ~~ x5", "x4 ~~ x1\nx1 ~~ x6"))
    assert better.df_resid > worse.df_resid
    with pytest.raises(ci.InferenceError, match="fits better"):
        ci.lr_test(better, worse)


def test_a_score_test_has_one_degree_of_freedom() -> None:
    data = ci.datasets.load("holzinger1939")
    found = ci.score_test(ci.SEM("x4 ~ a*x1 + a*x2").fit(data)).to_frame()
    # of a standard normal squared: P(chi-square > x) = erfc(sqrt(x / 2))
    assert found["p_value"].tolist() == pytest.approx([math.erfc(math.sqrt(x / 2)) for x in found["chisq"]], rel=1e-9)


def test_with_two_outcomes_the_name_of_a_regressor_names_no_coefficient() -> None:
    fit = ci.SEM("x4 ~ x1\nx7 ~ x1").fit(ci.datasets.load("holzinger1939"))
    with pytest.raises(ci.InferenceError, match="'x1' is not the label"):
        ci.wald_test(fit, "x1 == 0")


def units(scale: float, n: int = 60) -> pd.DataFrame:
    """A regression whose regressors are measured in very different units."""
    rng = np.random.default_rng(8)
    x, z, region = rng.standard_normal(n), rng.standard_normal(n), rng.integers(0, 6, n)
    return pd.DataFrame({"x": x * scale, "z": z / scale, "y": x + 0.3 * z + rng.standard_normal(n), "region": region})


@pytest.mark.parametrize("scale", [1e-4, 1e4, 1e8, 1e12])
def test_joint_tests_do_not_depend_on_the_units_of_the_regressors(scale: float) -> None:
    """With other units the variances differ by powers of ten, and a rank in those units is that of rounding."""
    plain, scaled = (ci.OLS("y ~ x + z").fit(units(unit)) for unit in (1.0, scale))
    assert scaled.statistics["f"].value == pytest.approx(plain.statistics["f"].value, rel=1e-9)
    found, want = (ci.wald_test(fit, "x == 0; z == 0") for fit in (scaled, plain))
    assert (found.value, found.p_value) == pytest.approx((want.value, want.p_value), rel=1e-9)
    assert found.value == pytest.approx(plain.statistics["f"].value, rel=1e-12)
    structural = ci.wald_test(ci.SEM("y ~ a*x + b*z").fit(units(scale)), "a == 0; b == 0")
    assert structural.value == pytest.approx(
        ci.wald_test(ci.SEM("y ~ a*x + b*z").fit(units(1.0)), "a == 0; b == 0").value, rel=1e-6
    )


@pytest.mark.parametrize("vcov", ["iid", ci.clustered("region"), ci.cr2("region")], ids=str)
def test_a_wald_test_of_one_regressor_is_its_t_test(vcov: Any) -> None:
    """With six clusters the chi-square distribution gave a p-value far below that of the table of estimates."""
    fit = ci.OLS("y ~ x*z", vcov=vcov).fit(units(1.0))
    for name in ("x", "z", "x:z"):
        found, row = ci.wald_test(fit, f"`{name}` == 0"), fit.estimates[f"y ~ {name}"]
        assert (found.value, found.p_value) == pytest.approx((row.statistic**2, row.p_value), rel=1e-10)
        assert (found.reference, found.df, found.df_denominator) == ("F", 1.0, pytest.approx(row.df))
        assert ci.wald_test(fit, f"`y ~ {name}` == 0").value == found.value
    with pytest.raises(ci.InferenceError, match="Did you mean 'x:z'"):
        ci.wald_test(fit, "`x:y` == 0")


def test_coverage_is_that_of_the_intervals_of_the_fit() -> None:
    """Five degrees of freedom: intervals of the normal distribution hold the truth in .89 of the samples."""
    fit = ci.OLS("y ~ x + z").fit(units(1.0, n=8))
    found = ci.power(fit.model, population=fit, draws=1500, seed=1).table.columns
    assert found["coverage"] == pytest.approx([0.95] * 3, abs=4 * np.sqrt(0.95 * 0.05 / 1500))


def firms() -> pd.DataFrame:
    """An unbalanced panel of string keys, rows out of order."""
    rng = np.random.default_rng(21)
    firm, year = np.repeat(np.arange(14), 6), np.tile(np.arange(2000, 2006), 14)
    x, z = rng.standard_normal((2, len(firm)))
    data = pd.DataFrame({"firm": [f"f{k}" for k in firm], "year": year, "x": x, "z": z, "region": firm % 3})
    data["y"] = x + 0.2 * z + firm / 5 + rng.standard_normal(len(firm))
    data = data.assign(w=rng.gamma(2.0, size=len(firm)), m=x + z, other=np.exp(data.y / 4))
    return data[rng.random(len(data)) < 0.85].sample(frac=1, random_state=1)


def firm_fit(formula: str, **options: Any) -> Any:
    return ci.Panel(formula, entity="firm", time="year", **options).fit(firms())


@pytest.mark.parametrize("weights", [None, "w"])
def test_the_likelihood_ratio_of_regressions_is_that_of_their_sums_of_squares(weights: str | None) -> None:
    """-2 log L = n log(RSS / n) + a constant; the effects are parameters, and models nest by their columns, not by their names."""
    small, large = firm_fit("y ~ m", weights=weights), firm_fit("y ~ x + z", effects=("entity", "time"), weights=weights)
    found = ci.lr_test(large, small).columns
    rss = [float(fit.solution.residuals @ fit.solution.residuals) for fit in (small, large)]
    assert found["chisq_diff"][1] == pytest.approx(small.nobs * math.log(rss[0] / rss[1]), rel=1e-9)
    assert found["df_diff"][1] == small.df_resid - large.df_resid == 6
    counted = small.nobs - small.df_resid
    assert found["aic"][1] == pytest.approx(-2 * small.loglik + 2 * counted, rel=1e-12)
    dummies = firm_fit("y ~ x + z + i(firm) + i(year)", method="pooled", weights=weights)
    assert ci.lr_test(small, dummies).columns["chisq_diff"][1] == pytest.approx(found["chisq_diff"][1], rel=1e-9)
    years = firm_fit("y ~ x", effects=("time",), weights=weights)
    assert ci.lr_test(years, dummies).columns["df_diff"][1] == years.df_resid - dummies.df_resid


@pytest.mark.parametrize(
    ("small", "large", "said"),
    [
        (("y ~ x", {"method": "random"}), ("y ~ x + z", {"method": "random"}), "has no likelihood of its rows"),
        (("y ~ x", {"method": "between"}), ("y ~ x + z", {"method": "between"}), "has no likelihood of its rows"),
        (("y ~ z", {}), ("y ~ z + [x ~ m]", {}), "has no likelihood of its rows"),
        (("y ~ x", {}), ("log(other) ~ x + z", {}), "outcomes differ"),
        (("y ~ x", {"weights": "w"}), ("y ~ x + z", {}), "weighed differently"),
        (("y ~ w", {}), ("y ~ x + z", {}), "'w' of the smaller model"),
        (("y ~ x", {"effects": ("time",)}), ("y ~ x + z", {}), "an effect of the smaller model"),
    ],
)
def test_likelihoods_that_do_not_compare_are_refused(small: Any, large: Any, said: str) -> None:
    with pytest.raises(ci.InferenceError, match=said):
        ci.lr_test(firm_fit(small[0], **small[1]), firm_fit(large[0], **large[1]))


def test_a_likelihood_ratio_says_that_it_does_not_take_the_errors_of_the_fits() -> None:
    fits = [firm_fit(formula, vcov=ci.clustered("region")) for formula in ("y ~ x", "y ~ x + z")]
    assert "ci.wald_test takes theirs" in str(ci.lr_test(*fits))
    with pytest.raises(ci.InferenceError, match="different data or variables"):
        ci.lr_test(firm_fit("y ~ x + z", method="pooled"), ci.SEM("y ~ x + 0*z").fit(firms()))


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("y ~ x + z", {}),
        ("y ~ x + z", {"method": "first_difference"}),
        ("y ~ x + z", {"method": "random"}),
        ("y ~ x + lag(z)", {"method": "pooled"}),
        ("y ~ x + z", {"effects": ("time",), "absorb": ("firm",)}),
    ],
)
def test_clusters_of_years_do_not_cut_firms_apart(formula: str, options: dict[str, Any]) -> None:
    """A year drawn twice made a second firm of a firm's rows, with effects of its own: errors up to twice those of clusters."""
    fit = firm_fit(formula, vcov=ci.clustered("year"), **options)
    with pytest.raises(ci.InferenceError, match="cut the rows of one firm apart"):
        ci.bootstrap(fit, draws=100, seed=1, kind="cluster")


@pytest.mark.parametrize("options", [{"method": "pooled"}, {"effects": ("time",)}], ids=str)
def test_clusters_of_years_are_drawn_where_firms_do_not_matter(options: dict[str, Any]) -> None:
    fit = firm_fit("y ~ x + z", vcov=ci.clustered("year"), **options)
    drawn = ci.bootstrap(fit, draws=100, seed=1, kind="cluster")
    assert np.isfinite(drawn.draws).all()
    again = ci.bootstrap(firm_fit("y ~ x + z", vcov=ci.clustered("region")), draws=100, seed=1, kind="cluster")
    assert again.failed == 0  # regions hold whole firms


@pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")
def test_a_difference_is_that_of_the_likelihoods_where_the_chi_square_is_cut_at_zero() -> None:
    """A negative variance between clusters makes the model likelier than the unrestricted one, whose covariances are none such."""
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"g": rng.integers(0, 50, 500)})
    data["group"] = np.where(data.g < 25, "a", "b")
    u = rng.normal(size=50)[data.g]
    data["x"], data["z"] = rng.normal(size=500) + 0.5 * u, rng.normal(size=500)
    data["y"] = 0.4 * data.x + 0.2 * data.z + u + rng.normal(size=500)
    data["v"] = 0.5 * data.y + rng.normal(size=500) + 0.3 * u
    text = "level: 1\ny ~ x + {}z\nv ~ y\nlevel: 2\ny ~~ y\nv ~ y"
    general, restricted = (ci.SEM(text.format(factor), cluster="g", group="group").fit(data) for factor in ("", "0*"))
    assert general.statistics["unrestricted.logl"].value < general.loglik
    found = ci.lr_test(general, restricted).columns["chisq_diff"][1]
    assert found == pytest.approx(2 * (general.loglik - restricted.loglik), rel=1e-8)
