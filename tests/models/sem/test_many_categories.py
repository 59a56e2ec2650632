"""Ordered variables of many categories: what is refused, what is said, and what few cases in a category do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import cipa as ci

MODEL = "f =~ y0 + y1 + y2 + y3 + y4"
pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


def draws(rng: np.random.Generator, n: int, categories: int) -> pd.DataFrame:
    """Loadings of .7, thresholds at equal steps, so that the outer categories are rare."""
    f = rng.normal(size=n)
    y = 0.7 * f[:, None] + np.sqrt(0.51) * rng.normal(size=(n, 5))
    return pd.DataFrame({f"y{j}": np.digitize(y[:, j], np.linspace(-2.4, 2.4, categories - 1)) for j in range(5)})


def test_twenty_categories_are_lavaans() -> None:
    """lavaan 0.6-14, cfa(ordered = names(d)): estimates, errors and chi-squares to the digits that it prints."""
    rng = np.random.default_rng(5)
    f = rng.normal(size=200)
    y = 0.7 * f[:, None] + 0.71 * rng.normal(size=(200, 5))
    table = pd.DataFrame({f"y{j}": np.digitize(y[:, j], np.linspace(-2.6, 2.6, 19)) for j in range(5)})
    fit = ci.SEM(MODEL, ordered=True).fit(table)
    rows = [fit.estimates[f"f =~ y{j}"] for j in range(1, 5)]
    assert [row.estimate for row in rows] == pytest.approx([0.984, 0.989, 1.066, 1.039], abs=5.1e-4)
    assert [row.std_error for row in rows] == pytest.approx([0.074, 0.083, 0.081, 0.074], abs=5.1e-4)
    assert (fit.measures["chisq"], fit.measures["chisq.scaled"]) == pytest.approx((1.896, 3.487), abs=5.1e-4)
    assert "rare_categories" in [notice.code for notice in fit.notices]


@pytest.mark.parametrize("categories", [20, 30])
def test_estimates_bear_rare_categories_and_errors_do_not(categories: int) -> None:
    """80 samples of 150: loadings without bias, errors of about 83 and 79 % of their spread; and every fit says so."""
    rng = np.random.default_rng(categories)
    estimates, errors = [], []
    for _ in range(80):
        fit = ci.SEM(MODEL, ordered=True, std_lv=True).fit(draws(rng, 150, categories))
        rows = [fit.estimates[f"f =~ y{j}"] for j in range(5)]
        estimates += [row.estimate for row in rows]
        errors += [row.std_error for row in rows]
        assert "rare_categories" in [notice.code for notice in fit.notices]
    assert np.mean(estimates) == pytest.approx(0.7, abs=0.012)
    assert 0.7 < np.mean(errors) / np.std(estimates) < 0.93


def test_filled_categories_say_nothing() -> None:
    fit = ci.SEM(MODEL, ordered=True).fit(draws(np.random.default_rng(1), 3000, 5))
    assert not [notice for notice in fit.notices if notice.code == "rare_categories"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda rng, n: rng.poisson(40, n), r"'y0' has \d\d categories from \d+ to \d+: whole numbers, as a count.*log\(y0 \+ 1\).*classes"),
        (lambda rng, n: rng.integers(-30, 30, n), r'whole numbers.*out of ordered= and use estimator="mlr"; or gather'),
        (lambda rng, n: rng.normal(size=n), r"numbers with decimals, as a measurement.*standard errors come out too small"),
        (lambda rng, n: np.full(n, 3), r"'y0' has one category among the cases that can be used, 3\. .* Leave it out"),
    ],
    ids=["count", "negative", "measured", "constant"],
)  # fmt: skip
def test_what_is_no_answer_is_refused_with_what_to_do(make: Any, said: str) -> None:
    rng = np.random.default_rng(2)
    with pytest.raises(ci.DataError, match=said):
        ci.SEM(MODEL, ordered=["y0", "y1"]).fit(draws(rng, 400, 5).assign(y0=make(rng, 400)))
