"""What a newcomer types in the first night, and what is said to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

import cipa as ci

TESTS = ci.datasets.load("holzinger1939")
FRAME = TESTS.to_frame()
MEASURED = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6"


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: ci.SEM("visual =~ x1 x2 x3").fit(TESTS), r"No sign stands between 'x1' and 'x2'.*'x1 \+ x2'"),
        (lambda: ci.SEM("x1 ~ log(x2)").fit(TESTS), r"'log\(x2\)' is to be computed.*Compute it as a column first"),
        (lambda: ci.SEM("x1 ~ x2^2").fit(TESTS), r"'x2\^2' is to be computed"),
        (lambda: ci.SEM("`x1 ~ x2").fit(TESTS), "A backtick is opened here, and closes no name"),
        (lambda: ci.SEM(MEASURED, data=TESTS), r"ci\.SEM takes no data: .*ci\.SEM\(\.\.\.\)\.fit\(data\)"),
        (lambda: ci.SEM(MEASURED, estimator="MLR", missing="ml", se="robust.sem").fit(TESTS), 'Leave se="robust_sem" out'),
        (lambda: ci.SEM(MEASURED).fit(FRAME.iloc[:0]), "The data have no row"),
        (lambda: ci.SEM(MEASURED).fit(FRAME.iloc[:1]), "^1 case for 6 observed variables"),
        (lambda: ci.SEM("x1 ~ when").fit(FRAME.assign(when=pd.Timestamp("2020-01-01"))), "'when' holds dates, and a model needs"),
        (lambda: ci.OLS("x1 ～ x2").fit(TESTS), "'～' is typed with an input method.*Write '~'"),
        (lambda: ci.OLS("x1 ~ x2 ＋ x3").fit(TESTS), "'＋' is typed with an input method.*Write '[+]'"),
        (lambda: ci.OLS("x1 ~ x2").fit(FRAME.iloc[:1]), "has 1 row for 2 parameters"),
        (lambda: ci.indirect(ci.SEM(MEASURED).fit(TESTS), "x -> m"), "no coefficient 'm ~ x', nor any other of its kind. Write it"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_is_wrong_and_what_to_do(act: Callable[[], Any], said: str) -> None:
    with pytest.raises(ci.CipaError, match=f"(?s){said}"):
        act()


@pytest.mark.parametrize(
    "spelt", ["textual =~ x5 == textual =~ x6", "textual=~x5 == textual=~x6", "`textual =~ x5` == `textual=~x6`", "a == b"]
)
def test_a_restriction_may_name_terms_as_the_estimates_print_them(spelt: str) -> None:
    fit = ci.SEM("visual =~ x1 + x2 + x3\ntextual =~ x4 + a*x5 + b*x6").fit(TESTS)
    statistic = ci.wald_test(fit, spelt)
    assert statistic.value == pytest.approx(ci.wald_test(fit, "a - b == 0").value, rel=1e-12)


def test_a_restriction_may_name_levels_and_sums_of_terms() -> None:
    fit = ci.OLS("x1 ~ x2 + x3 + school").fit(TESTS)
    assert ci.wald_test(fit, "x1 ~ x2 - x1 ~ x3 == 0").value == pytest.approx(ci.wald_test(fit, "x2 == x3").value, rel=1e-12)
    row = fit.estimates["x1 ~ school[Pasteur]"]
    assert ci.wald_test(fit, "`x1 ~ school[Pasteur]` == 0").value == pytest.approx(row.statistic**2, rel=1e-12)


@pytest.mark.parametrize("estimator", ["ml", "mlr", "wls"])
def test_a_model_without_a_free_parameter_is_refused(estimator: str) -> None:
    fixed = "x1 ~ 0.3*x2\nx1 ~~ 1*x1\nx2 ~~ 1*x2\nx1 ~ 1*1\nx2 ~ 2*1"
    with pytest.raises(ci.IdentificationError, match="Every parameter of the model is fixed"):
        ci.SEM(fixed, estimator=estimator).fit(TESTS)
    with pytest.raises(ci.IdentificationError, match="Every parameter of the model is fixed"):
        ci.power(ci.SEM(fixed, estimator="ml"), nobs=100)


def test_one_name_in_the_place_of_a_list_is_that_name_and_not_its_letters() -> None:
    assert str(ci.descriptives(TESTS, "x1")) == str(ci.descriptives(TESTS, ["x1"]))
    with pytest.raises(ci.SpecificationError, match=r"at least two different items, and got \['x1'\]"):
        ci.cronbach_alpha(TESTS, "x1")
    letters = FRAME.rename(columns={"x1": "a", "x2": "b", "x3": "ab"})
    assert list(ci.descriptives(letters, "ab").to_frame().variable) == ["ab"]  # there are columns a and b


def test_a_misspelt_public_name_gets_the_nearest_from_python() -> None:
    with pytest.raises(AttributeError) as raised:
        _ = ci.fit_measure
    assert (raised.value.name, raised.value.obj) == ("fit_measure", ci)  # what Python's own suggestion rests on


def test_a_star_that_was_meant_as_a_product_is_said() -> None:
    with pytest.warns(ci.CipaWarning, match=r"x2 is written before a star, and so the label.*write 'x2:x'"):
        fit = ci.SEM("x1 ~ x2*x3").fit(TESTS)
    assert [notice.code for notice in fit.notices] == ["label_is_column"]
    for used in ("x1 ~ a*x3", "x1 ~ x2*x3 + x2*x4", "x1 ~ x2*x3\ntwice := 2*x2", "x1 ~ x2*x3\nx2 > 0"):
        assert not any(notice.code == "label_is_column" for notice in ci.SEM(used).fit(TESTS).notices)
