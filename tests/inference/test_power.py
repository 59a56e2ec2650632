"""Power: published tables, another program's noncentrality, agreement of Monte Carlo with theory, and refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cipa as ci
from cipa.numerics.resample import generators
from cipa.results.display import ResultTable

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")

SEM = "f =~ x1 + b*x2 + c*x3\ng =~ y1 + y2 + y3\ng ~ p*f"
VALUES = {
    **{"f =~ x1": 0.8, "b": 0.7, "c": 0.6, "g =~ y1": 0.6, "g =~ y2": 0.5, "g =~ y3": 0.7, "p": 0.3},
    **{"x1 ~~ x1": 0.36, "x2 ~~ x2": 0.51, "x3 ~~ x3": 0.64, "y1 ~~ y1": 0.6, "y2 ~~ y2": 0.7, "y3 ~~ y3": 0.5},
}
MODEL = ci.SEM(SEM, std_lv=True)
REGRESSION = ci.SEM("y ~ x + z")
PATHS = {"y ~ x": 0.2, "y ~ z": 0.1}


@pytest.mark.parametrize(
    ("test", "df", "needed"),
    # MacCallum, Browne & Sugawara (1996), Table 4: least n for power .80; the paper's search steps by one case and more where n is large
    [("close", 10, 782), ("close", 50, 214), ("close", 100, 132), ("not_close", 10, 750), ("not_close", 50, 268), ("not_close", 100, 178)],
)  # fmt: skip
def test_cases_needed_for_tests_of_fit(test: str, df: int, needed: int) -> None:
    assert ci.power_rmsea(df=df, test=test).to_frame()["nobs_needed"].tolist() == [needed]


def test_power_of_tests_of_fit() -> None:
    # the same paper, Table 2, df = 5, n = 200
    table = ci.power_rmsea(df=5, nobs=200).to_frame()
    assert table["power"].round(3).tolist() == [0.199, 0.124, 0.188]
    assert table["test"].tolist() == ["close", "not_close", "exact"]


@pytest.mark.parametrize("test", ["close", "not_close", "exact"])
def test_power_at_the_number_needed_brackets_the_target(test: str) -> None:
    needed = int(ci.power_rmsea(df=24, test=test).to_frame()["nobs_needed"][0])
    below, at = ci.power_rmsea(df=24, nobs=[needed - 1, needed], test=test).to_frame()["power"]
    assert below < 0.80 <= at


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"df": 0}, "saturated model"),
        ({"df": 10, "nobs": 2.5}, "whole numbers"),
        ({"df": 10, "alpha": 0.0}, "alpha=0.0"),
        ({"df": 10, "test": "closed"}, "Did you mean 'close'"),
        ({"df": 10, "test": "close", "rmsea": 0.04}, "lies above"),
        ({"df": 10, "test": "not_close", "rmsea": 0.06}, "lies below"),
    ],
)
def test_rmsea_refusals(options: dict[str, object], said: str) -> None:
    with pytest.raises(ci.SpecificationError, match=said):
        ci.power_rmsea(**options)


def test_noncentrality_against_lavaan() -> None:
    # lavaan 0.6-14: the restricted models fitted to fitted(lavaan(population, do.fit = FALSE))$cov, sample.nobs = 150, no rescaling
    table = ci.power(MODEL, params=VALUES, nobs=150, terms=["g ~ f", "b == c"]).to_frame()
    assert table["ncp"].tolist() == pytest.approx([6.5934950729, 0.8402999192], rel=1e-6)
    assert table["power"].tolist() == pytest.approx([0.7283482888, 0.1504177542], abs=1e-6)
    assert table["df"].tolist() == [1, 1]
    assert table["population"][0] == pytest.approx(0.3)
    assert math.isnan(table["population"][1])


def test_a_label_and_its_term_are_one_claim() -> None:
    table = ci.power(MODEL, params=VALUES, nobs=150, terms=["p", "g ~ f"]).to_frame()
    assert table["ncp"][0] == pytest.approx(table["ncp"][1], rel=1e-6)


def test_regression_has_its_closed_form() -> None:
    # lambda = n log(1 + b^2 var(x) / residual variance), var(x) = 1, residual variance 1 - .04 - .01
    table = ci.power(REGRESSION, params=PATHS, nobs=300).to_frame()
    residual = 1 - 0.04 - 0.01
    assert table["term"].tolist() == ["y ~ x", "y ~ z"]
    assert table["ncp"].tolist() == pytest.approx(
        [300 * math.log1p(0.04 / residual), 300 * math.log1p(0.01 / residual)], rel=1e-8
    )


def test_the_cases_needed_reach_the_target() -> None:
    needed = int(ci.power(REGRESSION, params=PATHS, nobs=300, terms=["y ~ x"]).to_frame()["nobs_needed"][0])
    for nobs, reached in ((needed, True), (needed - 1, False)):
        assert (ci.power(REGRESSION, params=PATHS, nobs=nobs, terms=["y ~ x"]).to_frame()["power"][0] >= 0.80) == reached


def test_without_an_effect_power_is_alpha() -> None:
    table = ci.power(REGRESSION, params={"y ~ x": 0.0, "y ~ z": 0.1}, nobs=300, terms=["y ~ x"]).to_frame()
    assert table[["ncp", "power"]].iloc[0].tolist() == [0.0, 0.05]
    assert table["nobs_needed"].isna().all()


def test_monte_carlo_agrees_with_noncentrality() -> None:
    theory = ci.power(REGRESSION, params=PATHS, nobs=200).to_frame()["power"]
    found = ci.power(REGRESSION, params=PATHS, nobs=200, draws=600, seed=4, terms=["y ~ x", "y ~ z"])
    table = found.to_frame()
    assert (np.abs(table["power"] - theory) < 3 * table["power_mc_error"]).all()
    assert (np.abs(table["coverage"] - 0.95) < 4 * table["coverage_mc_error"] + 0.01).all()
    assert (np.abs(table["average"] - table["population"]) < 4 * table["average_mc_error"]).all()
    assert (np.abs(table["std_error_bias"]) < 4 * table["std_error_bias_mc_error"] + 0.01).all()
    assert (found.converged, found.admissible, found.draws) == (600, 600, 600)


def test_what_draws_show_is_counted_by_hand() -> None:
    params = {"y ~ x": 0.2, "y ~ z": -0.3}
    row = ci.power(REGRESSION, params=params, nobs=60, draws=25, seed=9, terms=["y ~ z"], alpha=0.1).to_frame().iloc[0]
    law = REGRESSION.population(params=params, nobs=60)
    drawn = [REGRESSION.fit(law.draw(rng)).estimates["y ~ z"] for rng in generators(9, 25)]
    b, se, p = (np.array([getattr(one, name) for one in drawn]) for name in ("estimate", "std_error", "p_value"))
    sd, ratio = np.std(b, ddof=1), se.mean() / np.std(b, ddof=1)
    assert (row.average, row.average_mc_error) == pytest.approx((b.mean(), sd / 5), rel=1e-10)
    assert (row.relative_bias, row.relative_bias_mc_error) == pytest.approx(((b.mean() + 0.3) / 0.3, sd / 5 / 0.3), rel=1e-9)
    assert (row.std_error_bias, row.std_error_bias_mc_error) == pytest.approx((ratio - 1, ratio / math.sqrt(48)), rel=1e-9)
    power = (p < 0.1).mean()
    assert 0 < power < 1
    assert (row.power, row.power_mc_error) == pytest.approx((power, math.sqrt(power * (1 - power) / 25)), rel=1e-12)
    covered = (np.abs(b + 0.3) <= 1.6448536269514722 * se).mean()
    assert (row.coverage, row.coverage_mc_error) == pytest.approx((covered, math.sqrt(covered * (1 - covered) / 25)), rel=1e-12)


def test_a_handful_of_cases_can_be_enough() -> None:
    needed = int(ci.power_rmsea(df=200, test="exact", rmsea=0.25).to_frame()["nobs_needed"][0])
    below, at = ci.power_rmsea(df=200, nobs=[needed - 1, needed], test="exact", rmsea=0.25).to_frame()["power"]
    assert needed < 8
    assert below < 0.80 <= at


def test_draws_depend_on_the_seed_and_their_number_only() -> None:
    one, two, other = (ci.power(REGRESSION, params=PATHS, nobs=60, draws=25, seed=seed).to_frame() for seed in (1, 1, 2))
    assert one.equals(two)
    assert not one.equals(other)


def test_a_hypothesis_counts_on_its_own_side() -> None:
    table = ci.power(
        REGRESSION, params={"y ~ x": 0.5, "y ~ z": 0.5}, nobs=100, draws=40, seed=1, hypotheses=["y ~ x > 0", "y ~ z < 0"]
    )
    assert table.to_frame()["power"].tolist() == [1.0, 0.0]


def test_defined_effects_and_inadmissible_samples_are_counted() -> None:
    model = ci.SEM("m =~ m1 + m2 + m3\nm ~ a*x\ny ~ b*m\nind := a*b", std_lv=True)
    values = {"m =~ m1": 0.6, "m =~ m2": 0.5, "m =~ m3": 0.5, "a": 0.4, "b": 0.4}
    found = ci.power(model, params=values, nobs=40, draws=60, seed=2, terms=["ind"])
    row = found.to_frame().iloc[0]
    assert row["population"] == pytest.approx(0.16)
    assert 0 < row["power"] < 1
    assert found.admissible < found.converged <= found.draws == 60
    assert f"{found.converged} with a solution, {found.admissible} of them admissible" in found.table.notes[0]


def test_another_population_gives_the_best_approximation() -> None:
    truth = ci.SEM("f =~ 0.8*x1 + 0.7*x2 + 0.6*x3 + 0.5*x4\nx1 ~~ 0.2*x2")
    table = ci.power(ci.SEM("f =~ x1 + x2 + x3 + x4", std_lv=True), population=truth, nobs=200, terms=["f =~ x3"])
    assert isinstance(table, ResultTable)
    assert table.to_frame()["population"][0] < 0.59
    same = ci.power(ci.SEM("f =~ x1 + x2 + x3"), population=ci.SEM("f =~ 0.8*x1 + 0.7*x2 + 0.6*x3"), nobs=200, draws=20, seed=1)
    assert same.to_frame().set_index("term")["population"]["f =~ x2"] == pytest.approx(0.7 / 0.8, abs=1e-6)
    wrong = ci.power(ci.SEM("y ~ x; z ~ x; y ~~ 0*z"), population=ci.SEM("y ~ 0.3*x; z ~ 0.3*x; y ~~ 0.3*z"), nobs=200)
    assert "does not hold in the population" in wrong.notes[-1]


def test_groups() -> None:
    model = ci.SEM("y ~ c(a, b)*x", group="site")
    table = ci.power(
        model, params={"a": 0.2, "b": 0.4}, nobs={"north": 100, "south": 150}, terms=["a == b", "y ~ x [south]", "y ~ x"]
    )
    frame = table.to_frame()
    assert frame["df"].tolist() == [1, 1, 2]
    assert frame["ncp"][1] == pytest.approx(150 * math.log1p(0.16 / 0.84), rel=1e-7)
    assert frame["ncp"][2] == pytest.approx(frame["ncp"][1] + 100 * math.log1p(0.04 / 0.96), rel=1e-7)


def test_what_is_equal_across_groups_is_one_claim() -> None:
    model = ci.SEM("y ~ x", group="site", group_equal=["regressions"])
    options = {"params": {"y ~ x": 0.3}, "nobs": {"north": 100, "south": 150}}
    frame = ci.power(model, terms=["y ~ x"], **options).to_frame()
    assert frame["df"].tolist() == [1]
    assert frame["ncp"][0] == pytest.approx(250 * math.log1p(0.09 / 0.91), rel=1e-7)
    with pytest.raises(ci.InferenceError, match="held equal across groups"):
        ci.power(model, terms=["y ~ x [south]"], **options)


def test_ordered_variables_by_draws_only() -> None:
    text = "f =~ start(0.8)*x1 + start(0.7)*x2 + start(0.6)*x3\nx1 | start(0)*t1\nx2 | start(0)*t1\nx3 | start(0)*t1"
    model = ci.SEM(text, std_lv=True)
    found = ci.power(model, nobs=300, draws=20, seed=1, terms=["f =~ x2"])
    assert found.to_frame()["population"][0] == 0.7
    with pytest.raises(ci.InferenceError, match=r"ordered variables.*Use Monte Carlo"):
        ci.power(model, nobs=300, terms=["f =~ x2"])


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"terms": ["g ~ h"]}, ci.InferenceError, "not a free parameter"),
        ({"terms": ["g ~ h"], "draws": 20, "seed": 1}, ci.InferenceError, "not a free parameter or defined effect"),
        ({"terms": ["b == c"], "draws": 20, "seed": 1}, ci.InferenceError, "tested without draws"),
        ({"terms": ["x1 ~~ x1"]}, ci.InferenceError, "the edge of what it can be"),
        ({"terms": "g ~ f"}, ci.SpecificationError, "where a list is needed"),
        ({"hypotheses": ["f -> g -> h > 0"]}, ci.InferenceError, "indirect effect"),
        ({"draws": 5, "seed": 1}, ci.SpecificationError, "20 or more"),
        ({"draws": 50}, ci.SpecificationError, "seed=None"),
        ({"alpha": 1.5}, ci.SpecificationError, "alpha=1.5"),
    ],
)
def test_refusals(options: dict[str, object], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        ci.power(MODEL, params=VALUES, nobs=150, **options)


def test_refuses_what_has_no_law() -> None:
    with pytest.raises(ci.InferenceError, match="Panel has no law"):
        ci.power(ci.Panel("y ~ x"))
    with pytest.raises(ci.SpecificationError, match="no value for f =~ x1"):
        ci.power(MODEL)
    with pytest.raises(ci.InferenceError, match="this is a fit"):
        ci.power(ci.SEM("f =~ x1 + x2 + x3").fit(ci.datasets.load("holzinger1939")))
    with pytest.raises(ci.InferenceError, match="':='"):
        ci.power(ci.SEM(SEM + "\nd := b*c", std_lv=True), params=VALUES, terms=["d"])
    with pytest.raises(ci.InferenceError, match="without 'f =~ x3' the model is not identified"):
        ci.power(
            ci.SEM("f =~ x1 + x2 + x3", std_lv=True), params={"f =~ x1": 0.8, "f =~ x2": 0.7, "f =~ x3": 0.6}, terms=["f =~ x3"]
        )
    with pytest.raises(ci.InferenceError, match="no free path"):
        ci.power(ci.SEM("f =~ 0.8*x1 + start(0.7)*x2 + start(0.6)*x3"))
