"""ci.simulate: the law of a model, by formulas and by recovery; what has no value is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from oracle_files import case, sem_fit, sem_names

import cipa as ci
from cipa.models.sem.population.nonnormal import fleishman, intermediate
from cipa.results.questions import law as law_of

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")

CFA = "f =~ 0.8*x1 + 0.7*x2 + 0.6*x3\ng =~ 0.9*y1 + 0.8*y2 + 0.7*y3\ng ~ 0.5*f"
MANY = 200_000
SAMPLING = 0.02
"""About five standard errors of a correlation or mean of 200,000 cases."""


def law(text: str, **options: object) -> object:
    params, nobs = options.pop("params", None), options.pop("nobs", 500)
    return ci.SEM(text, **options).population(params=params, nobs=nobs)


def test_the_implied_matrix_is_that_of_the_formulas() -> None:
    found = law(CFA).groups[0]
    loadings = np.array([[0.8, 0], [0.7, 0], [0.6, 0], [0, 0.9], [0, 0.8], [0, 0.7]])
    expected = loadings @ np.array([[1, 0.5], [0.5, 1]]) @ loadings.T
    np.fill_diagonal(expected, 1.0)
    order = [found.variables.index(name) for name in ("x1", "x2", "x3", "y1", "y2", "y3")]
    np.testing.assert_allclose(found.cov[np.ix_(order, order)], expected, atol=1e-14)
    truth = law(CFA).truth
    assert truth[ci.Term.parse("g ~~ g")] == pytest.approx(0.75)
    assert truth[ci.Term.parse("x1 ~~ x1")] == pytest.approx(0.36)


def test_unit_variances_in_a_feedback_loop() -> None:
    found = law("y1 ~ 0.4*y2 + 0.3*x1\ny2 ~ 0.2*y1 + 0.5*x2").groups[0]
    np.testing.assert_allclose(found.cov.diagonal(), 1.0, atol=1e-12)


def test_values_by_label_term_start_and_equality() -> None:
    text = "f =~ a*x1 + a*x2 + start(0.6)*x3\ny ~ b*f\nind := a*b"
    truth = law(text, std_lv=True, params={"a": 0.7, "y ~ f": 0.5}).truth
    assert truth[ci.Term.parse("f =~ x1")] == truth[ci.Term.parse("f =~ x2")] == 0.7
    assert truth[ci.Term.parse("f =~ x3")] == 0.6
    assert truth[ci.Term(lhs="ind", op=":=", rhs="a*b")] == pytest.approx(0.35)


def test_moments_of_exogenous_variables_may_be_given() -> None:
    found = law("y ~ 0.3*x + 0.2*z", params={"x ~~ z": 0.4, "x ~~ x": 4.0}).groups[0]
    place = [found.variables.index(name) for name in ("x", "z")]
    assert found.cov[np.ix_(place, place)].tolist() == [[4.0, 0.4], [0.4, 1.0]]
    assert found.cov[0, 0] == pytest.approx(1.0)


HEYWOOD = ("hs_bifactor", "bad_heywood")
DESIGN = {"cluster", "sampling.weights"}
INDEPENDENT = [name for name in sem_names() if name not in HEYWOOD and not DESIGN & set(case("sem", name)["options"])]


@pytest.mark.parametrize("name", HEYWOOD)
def test_an_inadmissible_fit_is_no_population(name: str) -> None:
    with pytest.raises(ci.SpecificationError, match="negative eigenvalue"):
        ci.simulate(sem_fit(name), seed=1)


@pytest.mark.parametrize("name", INDEPENDENT)
def test_the_law_of_a_fit_is_what_the_fit_implies(name: str) -> None:
    fit = sem_fit(name)
    found = law_of(fit, None, None, "a test")
    for group, implied in zip(found.groups, fit.point.blocks, strict=True):
        if not fit.model.ordered_names:
            np.testing.assert_allclose(group.cov, implied.cov, rtol=1e-10)
        assert group.nobs in [len(here.rows) for here in fit.sample.groups]
    for row in fit.estimates:
        assert found.truth[row.term] == pytest.approx(row.estimate, abs=1e-9), row.term


def test_a_fit_to_the_moments_gives_the_population_back() -> None:
    text = CFA.replace("0.", "start(0.").replace("*", ")*")
    model = ci.SEM(text + "\ng ~~ 0.75*g", std_lv=True)
    found = model.population(nobs=300)
    fit = model.fit(found.moments())
    assert fit.measures["chisq"] == pytest.approx(0.0, abs=1e-8)
    for row in fit.estimates:
        assert row.estimate == pytest.approx(found.truth[row.term], abs=1e-7)


def test_draws_recover_moments_means_and_groups() -> None:
    text = CFA + "\nx1 ~ c(0, 2)*1\nf ~ c(0, 0.5)*1"
    data = ci.simulate(ci.SEM(text, group="site"), nobs={"north": MANY, "south": 1000}, seed=3).to_frame()
    assert data["site"].value_counts().to_dict() == {"north": MANY, "south": 1000}
    north = data[data["site"] == "north"]
    expected = law(CFA).groups[0]
    drawn = north[list(expected.variables)].cov().to_numpy()
    np.testing.assert_allclose(drawn, expected.cov, atol=SAMPLING)
    south = data[data["site"] == "south"]["x1"].mean()
    assert south == pytest.approx(2 + 0.8 * 0.5, abs=0.2)


def test_ordered_variables_fall_where_thresholds_say() -> None:
    text = "f =~ 0.8*x1 + 0.7*x2 + 0.6*x3\nx1 | -1*t1 + 0.5*t2\nx2 | 0*t1\nx3 | 0*t1"
    data = ci.simulate(ci.SEM(text), nobs=MANY, seed=5).to_frame()
    share = data["x1"].value_counts(normalize=True).sort_index()
    assert share.index.tolist() == [1.0, 2.0, 3.0]
    np.testing.assert_allclose(share, [0.158655, 0.532807, 0.308538], atol=0.005)
    free = "f =~ x1 + x2 + x3"
    fit = ci.SEM(free, ordered=["x1", "x2", "x3"], std_lv=True).fit(data)
    assert fit.estimates["f =~ x2"].estimate == pytest.approx(0.7, abs=SAMPLING)
    assert fit.estimates["x1 | t2"].estimate == pytest.approx(0.5, abs=SAMPLING)


def test_ordered_variables_with_covariates_and_theta() -> None:
    text = "f =~ 0.8*x1 + 0.7*x2 + 0.6*x3\nf ~ 0.5*z\nx1 | -1*t1 + 0.5*t2\nx2 | 0*t1\nx3 | 0*t1"
    for parameterization in ("delta", "theta"):
        population = ci.SEM(text, parameterization=parameterization)
        data = ci.simulate(population, nobs=50_000, seed=6)
        free = ci.SEM("f =~ NA*x1 + x2 + x3\nf ~ z\nf ~~ 0.75*f", ordered=["x1", "x2", "x3"], parameterization=parameterization)
        fit = free.fit(data)
        assert fit.estimates["f =~ x1"].estimate == pytest.approx(0.8, abs=0.05)
        assert fit.estimates["f ~ z"].estimate == pytest.approx(0.5, abs=0.05)


def test_the_same_seed_gives_the_same_data_and_another_seed_others() -> None:
    model = ci.SEM(CFA)
    one, two, three = (ci.simulate(model, nobs=50, seed=seed) for seed in (1, 1, 2))
    assert one.digest == two.digest != three.digest
    assert one.log[0].action == "simulate"


def test_fleishman_and_intermediate_correlations() -> None:
    # published coefficients for skewness 1.75 and kurtosis 3.75 (Fleishman 1978, Table 1)
    b, c, d = fleishman(1.75, 3.75)
    assert (b, c, d) == pytest.approx((0.92966, 0.39950, -0.03647), abs=5e-6)
    assert fleishman(0.0, 0.0) == pytest.approx((1.0, 0.0, 0.0), abs=1e-9)
    coefficients = np.array([[b, c, d], [b, c, d]])
    rho = intermediate(np.array([[1.0, 0.5], [0.5, 1.0]]), coefficients)[0, 1]
    assert rho * (b + 3 * d) ** 2 + 2 * c**2 * rho**2 + 6 * d**2 * rho**3 == pytest.approx(0.5)


def test_non_normal_margins_have_the_moments_asked_for() -> None:
    data = ci.simulate(
        ci.SEM(CFA), nobs=MANY, seed=8, skewness={"x1": 1.5, "y2": -1.0}, kurtosis={"x1": 4.0, "y2": 2.0, "x3": 1.0}
    )
    table = data.to_frame()
    expected = law(CFA).groups[0]
    np.testing.assert_allclose(table[list(expected.variables)].cov(), expected.cov, atol=SAMPLING)
    skewness, kurtosis = table.skew(), table.kurt()
    for name, skew, kurt in (("x1", 1.5, 4.0), ("y2", -1.0, 2.0), ("x3", 0.0, 1.0), ("x2", 0.0, 0.0)):
        assert skewness[name] == pytest.approx(skew, abs=0.05)
        assert kurtosis[name] == pytest.approx(kurt, abs=0.4)


def test_a_fit_may_be_drawn_from_with_one_value_changed() -> None:
    fit = sem_fit("pd_sem")
    data = ci.simulate(fit, params={"dem60 ~ ind60": 0.0}, nobs=100, seed=1)
    assert data.nobs == 100
    assert ci.simulate(fit, seed=1).nobs == fit.nobs
    assert law_of(fit, {"dem60 ~ ind60": 0.0}, None, "a test").truth[ci.Term.parse("dem60 ~ ind60")] == 0.0


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("f =~ x1 + x2 + x3", {}, r"no value for f =~ x2, f =~ x3.*start\(0.8\)"),
        ("f =~ 1*x1 + 0.7*x2 + 0.6*x3", {}, "'x1' would have variance 1 from what explains it alone"),
        ("f =~ 0.8*x1 + 0.7*x2\nx1 ~~ x2", {}, "no value for x1 ~~ x2"),
        ("f =~ 0.8*x1 + 0.7*x2\nx1 ~~ 0.9*x2", {}, "impossible.*negative eigenvalue"),
        ("f =~ 0.8*x1 + 0.7*x2", {"params": {"f =~ x3": 1.0}}, "neither a label nor a parameter"),
        ("f =~ 0.8*x1 + 0.7*x2", {"params": {"f =~ x2": 0.2}}, "holds it at 0.7"),
        ("f =~ start(0.8)*x2 + x1", {"params": {"f =~ x1": float("nan")}}, "finite number"),
        ("f =~ a*x1 + a*x2 + x3", {"std_lv": True, "params": {"f =~ x1": 0.5, "f =~ x2": 0.6, "f =~ x3": 0.5}}, "break an equality"),
        ("f =~ a*x1 + b*x2 + x3\na > b", {"std_lv": True, "params": {"a": 0.5, "b": 0.6, "f =~ x3": 0.5}}, "break the constraint 'a > b'"),
        ("f =~ 0.8*x1 + 0.7*x2", {"ordered": ["x1"]}, "'x1' is ordered, and no threshold"),
        ("f =~ 0.8*x1 + 0.7*x2\nx1 | 1*t1 + 0*t2", {}, "thresholds of 'x1' are 1, 0"),
        ("f =~ 0.8*x1 + 0.7*x2", {"group": "g"}, "Give the groups their sizes"),
        ("f =~ 0.8*x1 + 0.7*x2", {"nobs": [10, 10]}, 'Name the column with group='),
        ("f =~ 0.8*x1 + 0.7*x2", {"nobs": 1}, "whole number of 2 or more"),
        ("f =~ 0.8*x1 + 0.7*x2", {"nobs": True}, "whole number of 2 or more"),
        ("y1 ~ 1*y2\ny2 ~ 1*y1", {}, "loop without end"),
    ],
)  # fmt: skip
def test_refuses_what_no_population_has(text: str, options: dict[str, object], said: str) -> None:
    with pytest.raises(ci.SpecificationError, match=said):
        law(text, **options)


def test_refuses_a_wrong_call() -> None:
    model = ci.SEM(CFA)
    with pytest.raises(ci.SpecificationError, match="seed=None"):
        ci.simulate(model)
    with pytest.raises(ci.SpecificationError, match=r"Needed: a model made by ci.SEM or a fit"):
        ci.simulate(ci.Panel("y ~ x"), seed=1)
    with pytest.raises(ci.InferenceError, match="needs a sampling design"):
        ci.simulate(ci.SEM(CFA, cluster="site"), seed=1)
    with pytest.raises(ci.InferenceError, match="needs a sampling design"):
        ci.simulate(sem_fit("hs_cluster"), seed=1)
    with pytest.raises(ci.SpecificationError, match=r"not a continuous observed variable.*'x1'"):
        ci.simulate(model, seed=1, skewness={"x11": 1.0})
    with pytest.raises(ci.SpecificationError, match="skewness= is 'a'"):
        ci.simulate(model, seed=1, skewness="a")
    with pytest.raises(ci.SpecificationError, match=r"params= is \[0\.5\]"):
        ci.simulate(model, seed=1, params=[0.5])
    with pytest.raises(ci.SpecificationError, match="no cubic"):
        ci.simulate(model, seed=1, skewness=3.0)
    fit = ci.SEM("f =~ x1 + x2 + x3", group="school").fit(ci.datasets.load("holzinger1939"))
    with pytest.raises(ci.SpecificationError, match="one for each of 2 groups"):
        ci.simulate(fit, nobs=[10], seed=1)
    assert isinstance(ci.simulate(fit, nobs=10, seed=1).to_frame(), pd.DataFrame)
