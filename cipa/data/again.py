"""The data of a fit, given again for columns that the fit has not kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cipa.data.checks import require
from cipa.data.dataset import Dataset, as_dataset
from cipa.data.panel import category_codes
from cipa.errors import DataError, did_you_mean
from cipa.numerics.algebra.linalg import IntArray


def source_of(kept: Dataset, data: Any, clusters: Sequence[str]) -> Dataset:
    """Where cluster columns are looked up: the data that the fit kept, or those given again, which must be the same."""
    return kept if data is None else _same_data(kept, data, clusters)


def cluster_codes(source: Dataset, kept: Dataset, rows: IntArray, name: str) -> IntArray:
    """Codes 0..G-1 (n,) of a column over the rows that were used.

    Raises
    ------
    DataError
        When the column is not there, or is missing in rows that were used.
    """
    if name not in source.columns and source is kept:
        raise DataError(
            f"{source.name} of this fit has no column '{name}'.{did_you_mean(name, source.columns)} Of a DataFrame a fit keeps "
            f"only the columns that its model names ({', '.join(source.columns)}), so the clusters are not known. Write"
            f' ci.vcov(fit, ci.clustered("{name}"), data=...) with the same data, or name the clusters in the model.'
        )
    require([name], present=source.columns, name=source.name)
    codes = category_codes(source, name)[0][rows]
    missing = int((codes < 0).sum())
    if missing:
        raise DataError(
            f"{source.name}: the cluster column '{name}' is missing in {missing} of the {len(rows)} rows that were used. Without "
            "them the estimates would be others. Name it in vcov= of the model and fit again, which leaves these rows out and "
            "says so."
        )
    return np.unique(codes, return_inverse=True)[1].reshape(-1)


def _same_data(kept: Dataset, data: Any, clusters: Sequence[str]) -> Dataset:
    """The data given again; refused when they are not those of the fit."""
    given = as_dataset(data, columns=list(dict.fromkeys([*kept.columns, *clusters])))
    require([*kept.columns, *clusters], present=given.columns, name=given.name)
    differs = [
        name for name, values in kept.columns.items() if given.nobs != kept.nobs or not _equal(given.columns[name], values)
    ]
    if differs:
        raise DataError(
            f"ci.vcov: data= has {given.nobs} rows and the fit's data {kept.nobs}, and '{differs[0]}' is not the same in both. "
            "The clusters would belong to other rows. Give the data that the model was fitted to, in the same order."
        )
    return given


def _equal(first: Any, second: Any) -> bool:
    """Whether two columns are the same, missing values included."""
    if first.dtype != second.dtype:
        return False
    return bool(np.array_equal(first, second, equal_nan=True) if first.dtype == np.float64 else first.tolist() == second.tolist())
