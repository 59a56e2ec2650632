"""Panel keys: lags go by the calendar, repeated and missing keys are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cipa as ci
from cipa.data.panel import panel_keys

ROWS = pd.DataFrame({"firm": ["b", "a", "a", "a", "b"], "year": [2001, 2000, 2001, 2003, 2000], "x": [1.0, 2, 3, 4, 5]})


def test_a_lag_is_the_value_of_the_year_before() -> None:
    keys = panel_keys(ci.Dataset.from_frame(ROWS), entity="firm", time="year")
    assert keys.lag(ROWS["x"].to_numpy(), 1).tolist()[:1] == [5.0]
    lag = keys.lag(ROWS["x"].to_numpy(), 1)
    assert lag[2] == 2.0
    assert np.isnan(lag[[1, 3, 4]]).all()
    assert keys.lag(ROWS["x"].to_numpy(), 2)[3] == 3.0
    assert keys.lag(ROWS["x"].to_numpy(), -1)[1] == 3.0
    assert keys.gaps == 1
    assert not keys.balanced


def test_time_may_be_words_and_step_by_two() -> None:
    waves = ROWS.assign(year=["w2", "w1", "w2", "w3", "w1"])
    assert panel_keys(ci.Dataset.from_frame(waves), entity="firm", time="year").gaps == 0
    biennial = ROWS.assign(year=[2002, 2000, 2002, 2004, 2000])
    assert panel_keys(ci.Dataset.from_frame(biennial), entity="firm", time="year").gaps == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"year": [2000, 2000, 2001, 2001, 2000]}, "stands in more than one row"),
        ({"year": [np.nan, 2000, 2001, 2003, 2000]}, "time key 'year' is missing in 1 rows, first in row 1"),
        ({"firm": [None, "a", "a", "a", "b"]}, "entity key 'firm' is missing"),
    ],
)
def test_wrong_keys_are_refused(change: dict[str, list[object]], said: str) -> None:
    with pytest.raises(ci.DataError, match=said):
        panel_keys(ci.Dataset.from_frame(ROWS.assign(**change)), entity="firm", time="year")
    with pytest.raises(ci.DataError):
        ci.Dataset.from_frame(ROWS.assign(**change)).panel(entity="firm", time="year")


def test_keys_must_be_named() -> None:
    with pytest.raises(ci.DataError, match="panel key for entity and time is not named"):
        ci.Panel("x ~ year").fit(ROWS)
