"""Datasets: what goes in, what is refused, what is counted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cipa as ci
from cipa.data.dataset import as_dataset
from cipa.data.score import composite, derive, reverse
from cipa.data.screen import longest_run


def frame() -> pd.DataFrame:
    return pd.DataFrame({"a": [1.0, np.nan, 3.0], "b": [1, 2, 3], "w": ["x", None, "y"], "t": [True, False, True]})


def test_a_frame_is_copied_and_comes_out_fresh() -> None:
    table = frame()
    data = ci.Dataset.from_frame(table, name="d")
    table.loc[0, "a"] = 99
    assert data["a"][0] == 1
    out = data.to_frame()
    out.loc[0, "b"] = 99
    assert data["b"][0] == 1
    with pytest.raises(ValueError, match="read-only"):
        data["b"][0] = 5


def test_numbers_and_words_are_told_apart() -> None:
    data = ci.Dataset.from_frame(frame())
    assert data.numeric(["a", "b", "t"]).tolist()[0] == [1.0, 1.0, 1.0]
    assert data["w"].tolist() == ["x", None, "y"]
    with pytest.raises(ci.DataError, match="'w' holds words"):
        data.numeric(["w"])
    with pytest.raises(ci.DataError, match="no column named"):
        data.numeric(["bb"])
    with pytest.raises(ci.DataError, match="not to list"):
        as_dataset([1, 2])


def test_the_digest_knows_values_and_names_but_not_their_order() -> None:
    data = ci.Dataset.from_frame(frame())
    assert data.digest == ci.Dataset.from_frame(frame()[["w", "t", "b", "a"]]).digest
    assert data.digest != ci.Dataset.from_frame(frame().rename(columns={"a": "c"})).digest
    changed = frame()
    changed.loc[2, "a"] = 3.0000001
    assert data.digest != ci.Dataset.from_frame(changed).digest


def test_every_step_is_logged() -> None:
    data = ci.Dataset.from_frame(frame()).keep(np.array([True, False, True]), action="drop", reason="why")
    assert [(step.action, step.rows_before, step.rows_after) for step in data.log] == [("read", 3, 3), ("drop", 3, 2)]


def test_resampling_keeps_entities_together() -> None:
    data = ci.datasets.load("grunfeld")
    drawn = data.resample(np.random.default_rng(1))
    assert drawn.nobs == 200
    assert set(np.unique(drawn["firm"], return_counts=True)[1] % 20) == {0}
    plain = ci.datasets.load("holzinger1939").resample(np.random.default_rng(1))
    assert plain.nobs == 301


def test_screening_counts_each_rule() -> None:
    survey = ci.datasets.load("cluster_survey")
    kept = ci.screen(survey, attention={"attn": 5}, min_time={"minutes": 4.5}, longstring=10)
    assert [step.rows_before - step.rows_after for step in kept.log] == [0, 31, 5, 3]
    assert survey.nobs == 600
    with pytest.raises(ci.DataError, match="exclude every row"):
        ci.screen(survey, attention={"attn": 99})
    with pytest.raises(ci.SpecificationError, match="longstring=1"):
        ci.screen(survey, longstring=1)


def test_a_missing_answer_ends_a_run() -> None:
    values = np.array([[1, 1, 1, 2], [3, 3, np.nan, 3], [np.nan] * 4])
    assert longest_run(values).tolist() == [3, 2, 0]


def test_reversing_is_its_own_inverse_and_keeps_the_original() -> None:
    survey = ci.datasets.load("cluster_survey")
    turned = reverse(survey)
    both = survey["env5"] + turned["env5"]
    assert set(both[~np.isnan(both)]) == {8.0}
    assert np.array_equal(turned["cip1"], survey["cip1"], equal_nan=True)


def test_composites_use_the_items_answered() -> None:
    data = ci.Dataset.from_frame(pd.DataFrame({"a": [1, np.nan, np.nan], "b": [3, 4, np.nan]}))
    assert composite(data, ["a", "b"])[:2].tolist() == [2.0, 4.0]
    assert np.isnan(composite(data, ["a", "b"])[2])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("b / 10", [0.1, 0.2, 0.3]),
        ("log1p(b) - 1", np.log1p([1, 2, 3]) - 1),
        ("center(b)", [-1, 0, 1]),
        ("zscore(b)", [-1, 0, 1]),
        ("b^2", [1, 4, 9]),
    ],
)
def test_derived_columns(text: str, expected: list[float]) -> None:
    assert derive(ci.Dataset.from_frame(frame()), {"new": text})["new"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("log(b - 1)", "row 1: 'new = log.* is not a number"),
        ("b / (b - 2)", "row 2"),
        ("nosuch + 1", "'nosuch'"),
        ("__import__('os')", "is not known here"),
        ("b.__class__", "'b.__class__'"),
        ("w + 1", "holds words"),
    ],
)
def test_derived_columns_are_refused_plainly(text: str, said: str) -> None:
    with pytest.raises(ci.CipaError, match=said):
        derive(ci.Dataset.from_frame(frame()), {"new": text})
