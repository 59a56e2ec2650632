"""Regressors that are words, categories, truth values or numbers written as text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import cipa as ci

rng = np.random.default_rng(8)
FIRMS = pd.DataFrame(
    {
        "firm": np.repeat(np.arange(40), 4),
        "year": np.tile(np.arange(2010, 2014), 40),
        "x": rng.normal(size=160),
        "y": rng.normal(size=160),
        "south": rng.choice(["yes", "no", "part"], size=160),
        "size": rng.choice(["10", "9", "-2.5"], size=160),
        "listed": rng.random(160) < 0.4,
    }
)
KEYS = {"entity": "firm", "time": "year"}


def fit(formula: str, data: pd.DataFrame = FIRMS, **options: Any) -> Any:
    return ci.Panel(formula, **{"method": "pooled", **KEYS, **options}).fit(data)


def names(found: Any) -> list[str]:
    return [term.rhs for term in found.terms if term.op == "~"]


def test_a_column_of_words_gives_an_indicator_for_each_level_but_the_first() -> None:
    found = fit("y ~ x + south")
    assert names(found) == ["x", "south[part]", "south[yes]"]
    hand = FIRMS.assign(part=(FIRMS.south == "part") * 1.0, yes=(FIRMS.south == "yes") * 1.0)
    assert found.params == pytest.approx(fit("y ~ x + part + yes", hand).params, rel=1e-12)
    assert found.estimates["y ~ south[yes]"].estimate == found.params[3]
    assert found.estimates[ci.Term(lhs="y", op="~", rhs="south[part]")].estimate == found.params[2]
    with pytest.raises(ci.InferenceError, match="no parameter"):
        found.estimates["y ~ south[no]"]
    assert found.params == pytest.approx(fit("y ~ x + i(south)").params, rel=1e-12)


def test_words_multiply_and_stand_in_within_models() -> None:
    assert names(fit("y ~ x*south")) == ["x", "south[part]", "south[yes]", "x:south[part]", "x:south[yes]"]
    found = fit("y ~ x*south", method="within", effects=("entity", "time"))
    assert found.estimates["y ~ x:south[yes]"].estimate == found.params[-1]
    assert ci.simple_slopes(found, "y ~ x", by="south[yes]", values=[0, 1]).to_frame().shape[0] == 2


def test_categories_of_numbers_are_levels_in_numeric_order() -> None:
    table = FIRMS.assign(sector=pd.Categorical(rng.choice([10, 9, 100], size=160)))
    assert names(fit("y ~ sector", table)) == ["sector[10]", "sector[100]"]
    assert names(fit("y ~ south", FIRMS.assign(south=FIRMS.south.astype("category")))) == ["south[part]", "south[yes]"]


def test_truth_values_and_numbers_as_text_are_numbers() -> None:
    table = FIRMS.assign(truth=FIRMS.listed.astype(object), number=FIRMS["size"].astype(float), one=FIRMS.listed * 1.0)
    assert names(fit("y ~ listed + size")) == ["listed", "size"]
    found = fit("y ~ truth + size", table)
    assert found.params == pytest.approx(fit("y ~ one + number", table).params, rel=1e-12)
    notice = next(notice for notice in found.notices if notice.code == "read_as_numbers")
    assert "'size' ('" in notice.text


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["1", "2", "3+"], "numbers and [0-9]+ values that are none, first '3[+]'"),
        ([1, "2", 3], "values that are none, first '2'"),
        (["007", "012", "111"], "leading zeros"),
    ],
)
def test_what_could_be_either_is_refused(values: list[Any], said: str) -> None:
    odd = FIRMS.assign(odd=pd.Series((values * 54)[:160], dtype=object))
    with pytest.raises(ci.DataError, match=said):
        fit("y ~ odd", odd)
    assert len(names(fit("y ~ i(odd)", odd))) == 2


def test_missing_words_are_missing_and_levels_are_those_of_the_sample() -> None:
    table = FIRMS.assign(south=FIRMS.south.where(FIRMS.index != 3))
    table.loc[table.south == "part", "x"] = np.nan
    found = fit("y ~ x + south", table)
    assert names(found) == ["x", "south[yes]"]
    assert found.nobs == int((table.x.notna() & table.south.notna()).sum())


def test_years_that_a_lag_takes_away_are_no_reference() -> None:
    """The first year has no lag: the reference of i(year) is the first year that is used."""
    found = fit("y ~ lag(x) + i(year)")
    assert names(found) == ["lag(x)", "i(year)2012", "i(year)2013"]


def test_large_codes_are_levels_apart() -> None:
    table = FIRMS.assign(code=np.where(FIRMS.listed, 1234567.0, 1234568.0))
    assert names(fit("y ~ i(code)", table)) == ["i(code)1234568"]
