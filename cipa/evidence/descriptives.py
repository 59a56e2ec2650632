"""Who answered what: counts, moments and correlations of columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import stdtr

from cipa.data.dataset import Dataset, as_dataset
from cipa.errors import DataError, public
from cipa.language.en import EN
from cipa.numerics.algebra.linalg import Array
from cipa.results.display import ResultTable


@public
def descriptives(data: Any, columns: Sequence[str] | None = None) -> ResultTable:
    """Counts and moments of columns.

    Parameters
    ----------
    data : Dataset or DataFrame
    columns : sequence of str, optional
        Default: every numeric column.

    Returns
    -------
    ResultTable
        variable, label, n, missing, mean, sd (divisor n - 1), min, max, skewness and excess kurtosis (moment
        estimators with divisor n: g1 and g2).

    Examples
    --------
    >>> import cipa as ci
    >>> table = ci.descriptives(ci.datasets.load("holzinger1939"), ["x1", "x2"]).to_frame()
    >>> table[["variable", "n", "mean", "sd"]].round(3).values.tolist()
    [['x1', 301, 4.936, 1.167], ['x2', 301, 6.088, 1.177]]
    """
    dataset = as_dataset(data, columns=columns)
    names = (
        list(columns) if columns is not None else [name for name, values in dataset.columns.items() if values.dtype == np.float64]
    )
    rows = [_moments(dataset, name) for name in names]
    return ResultTable(
        title=EN("table.descriptives", data=dataset.name),
        columns={key: tuple(row[key] for row in rows) for key in (rows[0] if rows else ())},
        notes=(EN("table.descriptives.moments"),),
    )


def _moments(data: Dataset, name: str) -> dict[str, Any]:
    every = data.numeric([name])[:, 0]
    values = every[~np.isnan(every)]
    if not len(values):
        raise DataError(f"{data.name}: the column '{name}' has no value. Nothing can be described: check how it was read.")
    centred = values - values.mean()
    m2, m3, m4 = (float((centred**power).mean()) for power in (2, 3, 4))
    flat = m2 <= 1e-24 * max(1.0, float(np.abs(values).max())) ** 2
    return {
        "variable": name, "label": data.labels.get(name, ""), "n": len(values), "missing": len(every) - len(values),
        "mean": float(values.mean()), "sd": float(values.std(ddof=1)) if len(values) > 1 else float("nan"),
        "min": float(values.min()), "max": float(values.max()),
        "skewness": float("nan") if flat else m3 / m2**1.5, "kurtosis": float("nan") if flat else m4 / m2**2 - 3,
    }  # fmt: skip


def correlations(columns: Mapping[str, Array], *, title: str) -> ResultTable:
    """Correlations of named columns (n,), over the cases that have both, with p-values.

    Returns
    -------
    ResultTable
        first, second, r, n, p_value: one row for each pair (t test with n - 2 degrees of freedom).
    """
    names = list(columns)
    rows = [
        (first, second, *_correlation(columns[first], columns[second]))
        for position, first in enumerate(names)
        for second in names[:position]
    ]
    heads = ("first", "second", "r", "n", "p_value")
    return ResultTable(title=title, columns={head: tuple(row[k] for row in rows) for k, head in enumerate(heads)})


def _correlation(first: Array, second: Array) -> tuple[float, int, float]:
    both = ~(np.isnan(first) | np.isnan(second))
    x, y = first[both] - first[both].mean(), second[both] - second[both].mean()
    n, scale = int(both.sum()), float(np.sqrt((x @ x) * (y @ y)))
    if n < 3 or scale == 0:
        return float("nan"), n, float("nan")
    r = float(np.clip((x @ y) / scale, -1, 1))
    t = abs(r) * np.sqrt((n - 2) / max(1 - r * r, 1e-300))
    return r, n, float(2 * stdtr(n - 2, -t))
