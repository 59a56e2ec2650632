"""A thousand damaged tables: each ends in a result that can be believed or in a message of ours, in seconds."""

from __future__ import annotations

import warnings
from contextlib import suppress
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fuzzing import outcome

import cipa as ci

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")

ITEMS = [f"x{k}" for k in range(1, 7)]


def sound(rng: np.random.Generator, *, ordered: bool) -> pd.DataFrame:
    """Six items of two constructs, a group, a cluster and a weight."""
    n = int(rng.choice([40, 90, 150]))
    f, g = rng.multivariate_normal([0, 0], [[1, 0.4], [0.4, 1]], size=n).T
    data = pd.DataFrame({name: (f if k < 3 else g) + 0.7 * rng.normal(size=n) for k, name in enumerate(ITEMS)})
    if ordered:
        data = data.apply(lambda column: pd.Series(np.digitize(column, [-0.7, 0.2, 1.1]), dtype=float))
    return data.assign(school=np.where(np.arange(n) % 2, "A", "B"), firm=np.arange(n) // 5, w=rng.uniform(0.5, 2, size=n))


def _item(rng: np.random.Generator) -> str:
    return str(rng.choice(ITEMS))


def _cells(data: pd.DataFrame, rng: np.random.Generator, value: Any, share: float = 0.05) -> pd.DataFrame:
    name = _item(rng)
    column = data[name].astype(object)
    column[rng.random(len(data)) < share] = value
    return data.assign(**{name: column})


def _scaled(data: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    name = _item(rng)
    return data.assign(**{name: pd.to_numeric(data[name], errors="coerce") * 10.0 ** rng.integers(-160, 160)})


def _shifted(data: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    name = _item(rng)
    return data.assign(**{name: pd.to_numeric(data[name], errors="coerce") + 10.0 ** rng.integers(0, 17)})


def _holes(data: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    share = rng.choice([0.02, 0.2, 0.6, 0.95])
    return data.assign(**{name: data[name].where(rng.random(len(data)) > share) for name in ITEMS})


def _collinear(data: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    one, two, three = rng.choice(ITEMS, size=3, replace=False)
    numbers = data[ITEMS].apply(pd.to_numeric, errors="coerce")
    return data.assign(**{one: numbers[two] + numbers[three] + rng.choice([0.0, 1e-9, 1e-6, 1e-3]) * rng.normal(size=len(data))})


def _renamed(data: pd.DataFrame, rng: np.random.Generator, name: Any) -> pd.DataFrame:
    return data.rename(columns={_item(rng): name})


def _column(data: pd.DataFrame, rng: np.random.Generator, values: Any) -> pd.DataFrame:
    return data.assign(**{_item(rng): values})


def _never_together(data: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    half = np.arange(len(data)) % 2 == 0
    return data.assign(x1=data.x1.where(half), x4=data.x4.where(~half))


DAMAGE = {
    "nothing": lambda d, r: d,
    "holes": _holes,
    "NaN": lambda d, r: _cells(d, r, np.nan),
    "None": lambda d, r: _cells(d, r, None),
    "pd.NA": lambda d, r: _cells(d, r, pd.NA),
    "infinite": lambda d, r: _cells(d, r, np.inf),
    "text": lambda d, r: _cells(d, r, "n/a"),
    "number as text": lambda d, r: _cells(d, r, "3.5"),
    "list": lambda d, r: _cells(d, r, [1, 2]),
    "dict": lambda d, r: _cells(d, r, {}),
    "Decimal": lambda d, r: _cells(d, r, Decimal("1.5")),
    "all Decimal": lambda d, r: _column(d, r, [Decimal(k) / 7 for k in range(len(d))]),
    "complex": lambda d, r: _column(d, r, np.arange(len(d)) * 1j + 1),
    "boolean": lambda d, r: _column(d, r, r.random(len(d)) < 0.5),
    "nullable boolean": lambda d, r: _column(d, r, pd.array(r.random(len(d)) < 0.5, dtype="boolean")),
    "nullable integer": lambda d, r: _column(
        d, r, pd.array([None, *r.integers(0, 5, size=len(d) - 1)], dtype="Int64") if len(d) else []
    ),
    "big integer": lambda d, r: _column(d, r, 2**53 + np.arange(len(d), dtype=np.int64)),
    "huge integer": lambda d, r: _column(d, r, [10**30 + k for k in range(len(d))]),
    "unsigned": lambda d, r: _column(d, r, np.arange(len(d), dtype=np.uint8)),
    "half precision": lambda d, r: _column(d, r, r.normal(size=len(d)).astype(np.float16)),
    "category": lambda d, r: _column(d, r, pd.Categorical(r.choice(["low", "mid", "high"], size=len(d)), ordered=True)),
    "category of numbers": lambda d, r: _column(d, r, pd.Categorical(r.integers(1, 4, size=len(d)))),
    "date": lambda d, r: _column(d, r, pd.date_range("2020-01-01", periods=len(d))),
    "duration": lambda d, r: _column(d, r, pd.to_timedelta(np.arange(len(d)), unit="D")),
    "period": lambda d, r: _column(d, r, pd.period_range("2020-01", periods=len(d), freq="M")),
    "constant": lambda d, r: _column(d, r, 3.0),
    "nearly constant": lambda d, r: _column(d, r, np.where(np.arange(len(d)) == 0, 4.0, 3.0)),
    "empty column": lambda d, r: _column(d, r, np.nan),
    "sparse": lambda d, r: _column(d, r, pd.arrays.SparseArray(r.integers(0, 2, size=len(d)).astype(float))),
    "scale": _scaled,
    "origin": _shifted,
    "collinear": _collinear,
    "twice the same": lambda d, r: d.assign(x2=d.x1),
    "name twice": lambda d, r: pd.concat([d, d[[_item(r)]]], axis=1) if "x1" in d else d,
    "another name": lambda d, r: _renamed(d, r, "X1 "),
    "number as name": lambda d, r: _renamed(d, r, 5),
    "tuple as name": lambda d, r: _renamed(d, r, ("a", "b")),
    "missing name": lambda d, r: _renamed(d, r, np.nan),
    "two header rows": lambda d, r: d.set_axis(pd.MultiIndex.from_product([["q"], d.columns]), axis=1),
    "no rows": lambda d, r: d.iloc[:0],
    "one row": lambda d, r: d.iloc[:1],
    "few rows": lambda d, r: d.iloc[: int(r.integers(2, 9))],
    "rows twice": lambda d, r: pd.concat([d, d]),
    "odd index": lambda d, r: d.set_axis(r.integers(0, 3, size=len(d)), axis=0),
    "empty rows": lambda d, r: pd.concat([d, d.iloc[:5].assign(**dict.fromkeys(ITEMS, np.nan))]),
    "never together": _never_together,
    "group with holes": lambda d, r: d.assign(school=d.school.where(r.random(len(d)) > 0.2)),
    "group of one": lambda d, r: d.assign(school=["C", *d.school[1:]] if len(d) else d.school),
    "one group": lambda d, r: d.assign(school="A"),
    "group of numbers": lambda d, r: d.assign(school=np.where(np.arange(len(d)) % 2, 1.0, np.nan)),
    "weight zero": lambda d, r: d.assign(w=0.0),
    "weight missing": lambda d, r: d.assign(w=np.nan),
    "weight huge": lambda d, r: d.assign(w=np.where(np.arange(len(d)) == 0, 1e12, 1.0)),
    "cluster missing": lambda d, r: d.assign(firm=np.nan),
    "outlier": lambda d, r: _cells(d, r, 1e8, share=0.02),
    "rare answer": lambda d, r: d.assign(x3=np.where(np.arange(len(d)) == 0, 9.0, pd.to_numeric(d.x3, errors="coerce"))),
}

MODELS: list[tuple[dict[str, Any], bool]] = [
    ({}, False),
    ({"estimator": "mlr"}, False),
    ({"estimator": "mlm", "meanstructure": True}, False),
    ({"missing": "fiml"}, False),
    ({"missing": "fiml", "estimator": "mlr"}, False),
    ({"missing": "two_stage"}, False),
    ({"estimator": "gls"}, False),
    ({"estimator": "wls"}, False),
    ({"estimator": "ulsmv"}, False),
    ({"group": "school"}, False),
    ({"group": "school", "group_equal": ["loadings"], "missing": "fiml"}, False),
    ({"cluster": "firm"}, False),
    ({"sampling_weight": "w"}, False),
    ({"ordered": True}, True),
    ({"ordered": True, "missing": "pairwise"}, True),
    ({"ordered": True, "group": "school"}, True),
    ({"ordered": ["x1", "x2"], "estimator": "dwls"}, True),
]

SYNTAX = ["f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6\ng ~ f", "f =~ x1 + x2 + x3\nx4 ~ f + x5\nx6 ~ x4", "x3 ~ x1 + x2\nx4 ~ x3 + x1"]


def damaged(seed: int) -> tuple[pd.DataFrame, str, dict[str, Any], list[str]]:
    """A table damaged one to three times, a model for it, and what was done."""
    rng = np.random.default_rng(seed)
    options, ordered = MODELS[int(rng.integers(len(MODELS)))]
    data, done = sound(rng, ordered=ordered), []
    for name in rng.choice(list(DAMAGE), size=int(rng.choice([1, 1, 2, 3]))):
        with warnings.catch_warnings(), suppress(TypeError, ValueError, KeyError, AttributeError, IndexError):
            warnings.simplefilter("ignore")  # pandas, while the damage is done; some cannot be done to a table so damaged already
            data = DAMAGE[str(name)](data, rng)
            done.append(str(name))
    return data, SYNTAX[int(rng.choice([0, 0, 1, 2]))], options, done


def run(seeds: range) -> tuple[int, int]:
    """(fitted, refused); a table that ends in anything else is named by its damage and its seed."""
    fitted = 0
    for seed in seeds:
        data, syntax, options, done = damaged(seed)
        before = data.copy(deep=True)
        try:
            fitted += outcome(lambda: ci.SEM(syntax, **options), data) is not None  # noqa: B023
        except Exception as error:
            raise AssertionError(f"seed {seed}, {done}, {options}, {type(error).__name__}: {error}\n{syntax}") from error
        assert before.equals(data), "the caller's table was changed"
    return fitted, len(seeds) - fitted


def test_some_damaged_tables() -> None:
    fitted, refused = run(range(100))
    assert fitted > 5
    assert refused > 20


@pytest.mark.slow
def test_a_thousand_damaged_tables() -> None:
    fitted, refused = run(range(100, 1100))
    assert fitted > 150
    assert refused > 200
