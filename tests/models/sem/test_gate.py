"""What the fuzz tests found, each held to its own message."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import cipa as ci

ONE = "f =~ x1 + x2 + x3 + x4"

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


def items(n: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame(rng.normal(size=(n, 1)) + rng.normal(size=(n, 4)), columns=["x1", "x2", "x3", "x4"])


def never_together() -> pd.DataFrame:
    data, half = items(), np.arange(200) % 2 == 0
    return data.assign(x1=data.x1.where(half), x2=data.x2.where(~half))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"x2": lambda d: d.x2 + 1j}, "(?s)'x2' holds words.*j"),
        ({"x2": lambda d: d.x2 * 1e40}, "'x2' has the value .*beyond 1e.30"),
        ({"x2": lambda d: d.x2 * 1e-40}, "'x2' varies by .*rounding decides"),
        ({"x2": lambda d: d.x2 + 1e12}, "'x2' varies by .*Subtract a constant"),
    ],
    ids=["complex", "huge", "tiny", "far from zero"],
)
def test_columns_out_of_reach_are_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ci.DataError, match=said):
        ci.SEM(ONE).fit(items().assign(**changed))


def test_columns_that_no_case_has_both_of() -> None:
    fit = ci.SEM(ONE, missing="fiml").fit(never_together())
    assert "never_together" in [notice.code for notice in fit.notices]
    assert np.isfinite(list(ci.fit_measures(fit).values())[:20]).all()
    for options, advice in (
        ({"missing": "two_stage"}, 'Use missing="fiml"'),
        ({"missing": "fiml", "estimator": "mlr"}, 'estimator="ml"'),
    ):
        with pytest.raises(ci.DataError, match=f"No two cases have both 'x1' and 'x2'.*{advice}"):
            ci.SEM(ONE, **options).fit(never_together())
    answers = never_together().apply(lambda column: column.where(column.isna(), (column > 0).astype(float)))
    with pytest.raises(ci.DataError, match="No two cases have both"):
        ci.SEM(ONE, ordered=True, missing="pairwise").fit(answers)


def test_answers_that_go_together_without_exception() -> None:
    answers = pd.DataFrame({f"x{k}": np.arange(60) % 3 for k in range(1, 5)})
    with pytest.raises(ci.CipaError):
        ci.SEM(ONE, ordered=True).fit(answers)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("f ~ f", "'f' stands on both sides"),
        ("x1 =~ x1", "'x1' stands on both sides"),
        ("f | t1", "'f' is a construct, which has no thresholds"),
        ("x1 ~*~ 1*x1", "no scale of an ordered variable"),
        ("x1 ~~ 1e999*x1", "larger than any parameter"),
        ("x1 ~~ 9^9^9*x1", "no parameter can be held there"),
        ("x1 ~~ sqrt(-1)*x1", "is nan, and no parameter"),
        ("q := " + "+".join(["1"] * 5000), "has 9999 words, more than 800"),
    ],
)
def test_syntax_that_means_nothing_is_refused(line: str, said: str) -> None:
    with pytest.raises(ci.SpecificationError, match=said):
        ci.SEM(f"{ONE}\n{line}").fit(items())


def test_a_circle_that_feeds_itself_is_refused() -> None:
    with pytest.raises(ci.IdentificationError, match="run in a circle"):
        ci.SEM("x1 ~ 1*x2\nx2 ~ 1*x1").fit(items())


def test_an_effect_without_a_value_has_a_notice() -> None:
    fit = ci.SEM("x1 ~ a*x2\nq := log(a - 10)").fit(items())
    assert np.isnan(fit.estimates["q"].estimate)
    assert "undefined_effect" in [notice.code for notice in fit.notices]


@pytest.mark.parametrize("options", [{}, {"estimator": "gls"}, {"estimator": "dwls"}], ids=str)
def test_user_starts_are_used_and_checked(options: dict[str, str]) -> None:
    model = ci.SEM(ONE, **options)
    fit = model.fit(items())
    again = model.fit(items(), start={str(term): value for term, value in zip(fit.terms, fit.params, strict=True)})
    assert again.convergence.iterations < fit.convergence.iterations
    for start, said in (
        ({"f =~ x9": 1.0}, "neither a label nor a free parameter"),
        ({"f =~ x2": np.inf}, "Give a finite number"),
    ):
        with pytest.raises(ci.SpecificationError, match=said):
            model.fit(items(), start=start)
