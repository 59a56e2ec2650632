"""Phantoms, bounds, equal() by label, products of observed variables, Wishart with robust tests: against lavaan 0.6-14 (R 4.2.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import cipa as ci
from cipa.errors import InadmissibleWarning

LAVAAN = 2e-6  # lavaan's own search stops near 1e-6 of a parameter's standard error
TWO = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6"


def data() -> pd.DataFrame:
    return ci.datasets.load("holzinger1939").to_frame()


def estimates(fit: Any, wanted: dict[str, tuple[float, float]]) -> None:
    for term, (value, error) in wanted.items():
        row = fit.estimates[term]
        assert row.estimate == pytest.approx(value, rel=1e-5, abs=1e-6), term
        if error:
            assert row.std_error == pytest.approx(error, rel=1e-5), term
        else:
            assert np.isnan(row.std_error), term


def test_a_phantom_has_no_indicator() -> None:
    fit = ci.SEM("visual =~ x1 + x2 + x3\np =~ 0\np ~ visual + x7\np ~~ 0*p\nx8 ~ 1*p\nx9 ~ p").fit(data())
    assert fit.statistics["chisq"].value == pytest.approx(25.32647, abs=1e-5)
    assert (fit.df_resid, fit.npar) == (8, 12)
    estimates(
        fit,
        {"p ~ visual": (0.487556715, 0.082610627), "p ~ x7": (0.369001478, 0.042466883), "x9 ~ p": (0.999209464, 0.119843392)},
    )
    assert "p" in fit.latent
    assert not [row for row in fit.estimates if row.term.op == "=~" and row.term.lhs == "p"]


@pytest.mark.parametrize("bound", ["x4 ~~ lower(0.2)*x4", "x4 ~~ a*x4\na > 0.2"], ids=["lower", "inequality"])
def test_a_bound_that_binds_is_an_equation_and_said(bound: str) -> None:
    """lavaan prints 1.616 as the error of the loading under lower(), as if nothing were held; with `a > 0.2` it prints this one."""
    fit = ci.SEM(f"f =~ x1 + x4 + x7\n{bound}").fit(data())
    estimates(fit, {"f =~ x4": (2.281086946, 0.329068963), "x4 ~~ x4": (0.2, 0.0), "x1 ~~ x1": (1.137219955, 0.095812644)})
    assert fit.statistics["chisq"].value == pytest.approx(0.0302153, abs=1e-6)
    assert (fit.df_resid, fit.npar) == (0, 6)
    notice = next(notice.text for notice in fit.notices if notice.code == "binding")
    assert ("x4 ~~ x4 > 0.2" if "lower" in bound else "a > 0.2") in notice


def test_bounds_that_do_not_bind_change_nothing_and_groups_have_their_own() -> None:
    plain = ci.SEM("visual =~ x1 + x2 + x3", group="school").fit(data())
    fit = ci.SEM("visual =~ x1 + x2 + x3\nx1 ~~ lower(c(0, 0.5))*x1 + upper(9)*x1", group="school").fit(data())
    assert fit.params == pytest.approx(plain.params, abs=1e-8)
    assert "binding" not in [notice.code for notice in fit.notices]


def test_pos_var_keeps_variances_at_zero_or_above() -> None:
    rng = np.random.default_rng(3)
    f = rng.normal(size=60)
    table = pd.DataFrame({"a": f + 0.05 * rng.normal(size=60), "b": f + rng.normal(size=60), "c": 0.4 * f + rng.normal(size=60)})
    with pytest.warns(InadmissibleWarning, match="estimated at -"):
        free = ci.SEM("f =~ a + b + c").fit(table)
    assert free.estimates["a ~~ a"].estimate < 0
    held = ci.SEM("f =~ a + b + c", bounds="pos.var").fit(table)
    assert held.estimates["a ~~ a"].estimate == pytest.approx(0.0, abs=1e-9)
    assert held.loglik < free.loglik
    fixed = ci.SEM("f =~ a + b + c\na ~~ 0*a").fit(table)
    assert held.loglik == pytest.approx(fixed.loglik, rel=1e-10)


def test_bounds_and_phantoms_are_exported() -> None:
    fit = ci.SEM("f =~ x1 + x4 + x7\nx4 ~~ lower(0.2)*x4").fit(data())
    text = ci.to_lavaan(fit)
    assert "x4 ~~ lower(0.2)*x4" in text
    again = ci.SEM(text, defaults="lavaan").fit(data())
    assert again.params == pytest.approx(fit.params, abs=1e-8)
    phantom = ci.to_lavaan(ci.SEM("visual =~ x1 + x2 + x3\np =~ 0\np ~ visual\np ~~ 0*p\nx9 ~ 1*p").fit(data()))
    assert "p =~ 0" in phantom


def test_equal_names_a_parameter_by_its_label_too() -> None:
    by_label, by_term, by_both = (
        ci.SEM(f"visual =~ x1 + {text}").fit(data())
        for text in ('a*x2 + equal("a")*x3', 'x2 + equal("visual =~ x2")*x3', "a*x2 + a*x3")
    )
    assert by_label.params == pytest.approx(by_both.params, abs=1e-10)
    assert by_term.params == pytest.approx(by_both.params, abs=1e-10)
    with pytest.raises(ci.SpecificationError, match=r"Did you mean 'a'|by term or label"):
        ci.SEM('visual =~ x1 + a*x2 + equal("b")*x3').fit(data())


@pytest.mark.parametrize(
    ("syntax", "said"),
    [
        ("f =~ x1 + lower(a)*x2", "takes a number"), ("f =~ x1 + lower(2)*x2 + upper(1)*x2", "not below the upper bound"),
        ("x9 ~ visual:x1\nvisual =~ x1 + x2 + x3", "'visual' is a construct"), ("f =~ x1:x2 + x3", "A product predicts"),
        ("x1:x2 ~ x3", "A product predicts"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_its_place(syntax: str, said: str) -> None:
    with pytest.raises(ci.SpecificationError, match=said) as refused:
        ci.SEM(syntax).fit(data())
    assert "line" in str(refused.value)


def test_a_product_of_observed_variables_is_a_column_that_is_made_and_said() -> None:
    holes = data().assign(x4=lambda table: table.x4.where(table.index % 7 != 0))
    fit = ci.SEM("x9 ~ x1 + x4 + x1:x4").fit(holes)
    estimates(
        fit,
        {"x9 ~ x1:x4": (0.049178305, 0.038676091), "x9 ~ x1": (0.176879654, 0.138543085), "x1:x4 ~~ x1:x4": (64.221734810, 0.0)},
    )
    assert fit.loglik == pytest.approx(-341.0663, abs=1e-4)
    assert next(notice for notice in fit.notices if notice.code == "product_column").text.startswith("The product x1:x4")
    random = ci.SEM("x9 ~ x1 + x4 + x1:x4", missing="fiml", fixed_x=False).fit(holes)
    estimates(random, {"x9 ~ x1:x4": (0.050535681, 0.039695602), "x1 ~~ x1:x4": (6.795927404, 0.701664893)})
    again = random.model.fit(random.data)
    assert again.params == pytest.approx(random.params, abs=1e-12)
    slopes = ci.simple_slopes(fit, "x9 ~ x1", by="x4", values=[0.0]).columns
    assert slopes["estimate"][0] == pytest.approx(0.176879654, rel=1e-5)


def test_a_product_beside_constructs() -> None:
    fit = ci.SEM(f"{TWO}\nx9 ~ visual + x1:x4 + x4").fit(data())
    assert fit.statistics["chisq"].value == pytest.approx(1020.343, abs=1e-3)
    estimates(fit, {"x9 ~ x1:x4": (0.027745110, 0.006396728), "x9 ~ visual": (0.498300809, 0.097447955)})


@pytest.mark.parametrize(
    ("syntax", "options", "measures", "errors"),
    [
        (TWO, {"estimator": "mlm"}, (24.28036928, 22.63023336, 1.07291732, 545.98631063), (0.1096758678, 0.1249296351)),
        (TWO, {"estimator": "mlmv"}, (24.28036928, 22.01043476, 1.12038142, 324.51655785), (0.1096758678, 0.1249296351)),
        (TWO, {"estimator": "mlm", "group": "school"}, (28.380004, 28.259499, 1.004264, 554.160716), (0.128999976, 0.145546138)),
        (
            "visual =~ x1 + x2 + x3\nvisual ~ x9",
            {"estimator": "mlm"},
            (2.746567, 2.827149, 0.971497, 175.842241),
            (0.121175870, 0.137230129),
        ),
    ],
    ids=["mlm", "mlmv", "groups", "covariate"],
)
def test_robust_tests_under_the_wishart_likelihood(syntax: str, options: Any, measures: Any, errors: Any) -> None:
    fit = ci.SEM(syntax, likelihood="wishart", **options).fit(data())
    names = ("chisq", "chisq.scaled", "chisq.scaling.factor", "baseline.chisq.scaled")
    assert [fit.measures[name] for name in names] == pytest.approx(measures, rel=1e-6)
    group = " [Pasteur]" if "group" in options else ""
    assert [fit.estimates[f"visual =~ x{k}{group}"].std_error for k in (2, 3)] == pytest.approx(errors, rel=2e-6)


def test_the_test_of_yuan_and_bentler() -> None:
    """lavaan, test = "yuan.bentler": expected information 1.08008195; observed (of the moments, as it uses for all tests) 1.063204.

    Under estimator = "MLR" lavaan hands the test an inverse of another kind, and prints 1.05983920; errors have no part in it.
    """
    expected = ci.SEM(TWO, test="yuan_bentler").fit(data()).measures
    assert expected["chisq.scaling.factor"] == pytest.approx(1.08008195, rel=LAVAAN)
    assert expected["baseline.chisq.scaled"] == pytest.approx(544.17240262, rel=1e-7)
    factors = [
        ci.SEM(TWO, test="yuan.bentler", **options).fit(data()).measures["chisq.scaling.factor"]
        for options in ({"information": "observed", "meanstructure": True}, {"estimator": "MLR"})
    ]
    assert factors == pytest.approx([1.063204, 1.063204], rel=LAVAAN)
    holes = data().assign(x2=lambda table: table.x2.where(table.index % 5 != 0))
    fit = ci.SEM(TWO, estimator="mlr", test="yuan_bentler", missing="fiml").fit(holes)
    mplus = ci.SEM(TWO, estimator="mlr", missing="fiml").fit(holes)
    assert fit.measures["chisq"] == mplus.measures["chisq"]
    assert fit.measures["chisq.scaling.factor"] == pytest.approx(mplus.measures["chisq.scaling.factor"], rel=0.2)
