"""Intraclass correlations of a two-level fit: ICC = sigma_B / (sigma_B + sigma_W), of the unrestricted model.

Source: Snijders, T. & Bosker, R. (2012). Multilevel Analysis, 2nd ed., ch. 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cipa.errors import InferenceError, public
from cipa.language.en import EN
from cipa.models.sem.cases.sample import GroupSample
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.twolevel.read import variances_by_level
from cipa.results.display import ResultTable


@public
def icc(fit: SEMFit) -> ResultTable:
    r"""Intraclass correlations: the share of each variable's variance that lies between clusters.

    Parameters
    ----------
    fit : SEMFit
        Of a two-level model.

    Returns
    -------
    ResultTable
        variable, icc, within_variance, between_variance (maximum likelihood, of the unrestricted two-level model), clusters,
        average_size (cases per cluster); of several groups, group before them. A variable that the model has at one level only
        varies there alone: icc 0 or 1.

    Raises
    ------
    InferenceError
        For a fit without `level:` blocks.

    Examples
    --------
    >>> import cipa as ci
    >>> data = ci.datasets.load("cluster_survey")
    >>> model = ci.SEM("level: within\ninet1 ~ inet2\nlevel: between\ninet1 ~~ inet1", cluster="cluster_id")
    >>> [round(value, 2) for value in ci.icc(model.fit(data)).columns["icc"]]
    [0.01, 0.0]
    """
    if not fit.sample.levels:
        raise InferenceError(
            "ci.icc: this fit has one level, and an intraclass correlation compares two. Write the model with 'level: within' "
            "and 'level: between' blocks and cluster=."
        )
    rows = [row for group in fit.sample.groups for row in _rows(group)]
    heads = ("group", "variable", "icc", "within_variance", "between_variance", "clusters", "average_size")
    columns = {head: tuple(row[k] for row in rows) for k, head in enumerate(heads)}
    if len(fit.sample.groups) == 1:
        del columns["group"]
    return ResultTable(title=EN("table.icc"), columns=columns)


def _rows(group: GroupSample) -> Iterator[tuple[Any, ...]]:
    """A row for each variable of a group."""
    assert group.levels is not None
    clusters = group.levels.clusters
    within, between = variances_by_level(clusters, group.levels.free)
    for name, w, b in zip(group.variables, within.tolist(), between.tolist(), strict=True):
        yield group.label, name, b / (w + b), w, b, clusters.nclusters, clusters.nobs / clusters.nclusters
