"""ci.vcov: the same estimates with another covariance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cipa.data.dataset import Dataset, as_dataset, require
from cipa.data.panel import category_codes
from cipa.errors import DataError, InferenceError, did_you_mean, public
from cipa.models.panel.common.design import Design
from cipa.models.panel.linear.covariance import KINDS
from cipa.models.panel.linear.fit import PanelFit, assemble
from cipa.models.panel.linear.transform import clusters_of_rows
from cipa.numerics.algebra.linalg import IntArray
from cipa.results.covariance import as_vcov
from cipa.results.vcov import VCov


@public
def vcov(fit: PanelFit, kind: str | VCov | Mapping[str, Any], *, data: Any = None) -> PanelFit:
    """The same estimates with another covariance: a new fit, nothing estimated again.

    Parameters
    ----------
    fit : PanelFit
    kind : str, VCov or mapping
        What `ci.Panel(vcov=...)` takes: "iid", "hc0" to "hc3", `ci.clustered("firm")`, `ci.driscoll_kraay(lags)`, `ci.newey_west(lags)`,
        `ci.crv3("firm")`, `ci.cr2("firm")`.
    data : Dataset or DataFrame, optional
        The data again, for a cluster column that the fit has not kept: of a DataFrame a fit keeps the columns of its model.

    Returns
    -------
    PanelFit
        Standard errors, tests, intervals, the joint test and the notices belong to the new covariance; estimates, R² and likelihood are
        those of `fit`, bit for bit. Its model is the one that would have given it.

    Raises
    ------
    DataError
        When a cluster column is not in the data, or is missing in rows that were used, or `data` are not those of the fit.
    InferenceError
        For fits that are no panel fits, and where the rows do not allow the kind.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.Panel("inv ~ value + capital").fit(ci.datasets.load("grunfeld"))
    >>> again = ci.vcov(fit, ci.driscoll_kraay(2))
    >>> round(fit.estimates[0].std_error, 5), round(again.estimates[0].std_error, 5)
    (0.01186, 0.01867)
    """
    if not isinstance(fit, PanelFit):
        raise InferenceError(
            f"ci.vcov: {type(fit).__name__} is no fit of a linear panel model by the native engine, and the errors of other fits come"
            " from their own options (se=, cluster=). Fit the model again with the errors wanted."
        )
    wanted = as_vcov(kind, kinds=KINDS, where="ci.vcov")
    source = fit.design.data if data is None else _same_data(fit.design, data, wanted.clusters)
    codes = {name: _codes(fit.design, source, name) for name in wanted.clusters}
    transformed = fit.transformed
    clusters = clusters_of_rows(codes, source=transformed.source, averaged=transformed.averaged)
    return assemble(
        replace(fit.model, vcov=wanted), replace(fit.design, clusters=codes),
        replace(transformed, rows=replace(transformed.rows, clusters=clusters)), fit.solution,
    )  # fmt: skip


def _codes(design: Design, source: Dataset, name: str) -> IntArray:
    """Codes (n,) of a column over the estimation sample."""
    if name in design.clusters:
        return design.clusters[name]
    if name not in source.columns and source is design.data:
        raise DataError(
            f"{source.name} of this fit has no column '{name}'.{did_you_mean(name, source.columns)} Of a DataFrame a fit keeps only the"
            f" columns that its model names ({', '.join(source.columns)}), so the clusters are not known. Write"
            f' ci.vcov(fit, ci.clustered("{name}"), data=...) with the same data, or name the clusters in the model.'
        )
    require([name], present=source.columns, name=source.name)
    codes = category_codes(source, name)[0][design.rows]
    missing = int((codes < 0).sum())
    if missing:
        raise DataError(
            f"{source.name}: the cluster column '{name}' is missing in {missing} of the {design.nobs} rows that were used. Without them"
            " the estimates would be others. Name it in vcov= of the model and fit again, which leaves these rows out and says so."
        )
    return np.unique(codes, return_inverse=True)[1].reshape(-1)


def _same_data(design: Design, data: Any, clusters: Sequence[str]) -> Dataset:
    """The data given again; refused when they are not those of the fit."""
    kept = design.data.columns
    given = as_dataset(data, columns=list(dict.fromkeys([*kept, *clusters])))
    require([*kept, *clusters], present=given.columns, name=given.name)
    differs = [name for name, values in kept.items() if given.nobs != design.data.nobs or not _equal(given.columns[name], values)]
    if differs:
        raise DataError(
            f"ci.vcov: data= has {given.nobs} rows and the fit's data {design.data.nobs}, and '{differs[0]}' is not the same in both. The"
            " clusters would belong to other rows. Give the data that the model was fitted to, in the same order."
        )
    return given


def _equal(first: Any, second: Any) -> bool:
    """Whether two columns are the same, missing values included."""
    if first.dtype != second.dtype:
        return False
    return bool(np.array_equal(first, second, equal_nan=True) if first.dtype == np.float64 else first.tolist() == second.tolist())
