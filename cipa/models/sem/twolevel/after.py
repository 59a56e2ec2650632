"""What is asked of a two-level fit: intraclass correlations, factor scores of both levels.

    ICC = sigma_B / (sigma_B + sigma_W)                        of the unrestricted model
    E(b_j | y_j) = Sigma_B V_j^-1 (m_j - mu)                   the cluster's part of its variables, m_j its means, V_j = cov(m_j)

A construct between clusters is scored from E(b_j | y_j); one within, from the case's values less its cluster's part. Regression scores
are then the expectations given all data of the cluster, because each step is linear (as lavaan's `lavPredict(level = )`).

Sources: Snijders, T. & Bosker, R. (2012). Multilevel Analysis, 2nd ed., ch. 3; Rosseel, Y. (2021). Psych, 3, 197-232.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cipa.errors import InferenceError, public
from cipa.models.sem.twolevel.sample import Levels, variances_by_level
from cipa.numerics.algebra.linalg import Array
from cipa.numerics.twolevel.incomplete import IncompleteTwoLevel
from cipa.results.display import ResultTable

if TYPE_CHECKING:
    from cipa.models.sem.fit import SEMFit


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
        average_size (cases per cluster). A variable that the model has at one level only varies there alone: icc 0 or 1.

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
    levels = _levels(fit, "ci.icc")
    within, between = variances_by_level(levels.clusters, levels.free)
    names, count = fit.sample.groups[0].variables, levels.clusters.nclusters
    columns = {
        "variable": names, "icc": tuple((between / (within + between)).tolist()), "within_variance": tuple(within.tolist()),
        "between_variance": tuple(between.tolist()), "clusters": (count,) * len(names),
        "average_size": (levels.clusters.nobs / count,) * len(names),
    }  # fmt: skip
    return ResultTable(title="Intraclass correlations (between / total variance, unrestricted model)", columns=columns)


def _levels(fit: SEMFit, what: str) -> Levels:
    levels = fit.sample.levels
    if levels is None:
        raise InferenceError(
            f"{what}: this fit has one level, and an intraclass correlation compares two. Write the model with 'level: within' and 'level:"
            " between' blocks and cluster=."
        )
    return levels


def level_values(fit: SEMFit) -> tuple[Array, Array]:
    """The cases' values less their cluster's part (n, q), and the clusters' expected parts (J, r), each with its level's means."""
    levels = _levels(fit, "Factor scores")
    c, found = levels.clusters, fit.objective.evaluate(fit.layout.to_eta(fit.params)).likelihood
    outer = fit.point.groups[1].moments
    B, means = np.zeros((c.variables, c.variables)), np.zeros(c.variables)
    B[np.ix_(c.between, c.between)], means[c.between] = outer.cov, outer.mean
    expected = found.part if isinstance(found, IncompleteTwoLevel) else _expected(c, found, B)
    parts = expected + means
    group = fit.sample.groups[0]
    assert group.values is not None
    assert group.clusters is not None
    return (group.values - parts[group.clusters])[:, c.within], parts[:, c.between]


def _expected(clusters: Any, found: Any, B: Array) -> Array:
    """Sigma_B V_j^-1 (m_j - mu) of each cluster (J, p)."""
    a = np.einsum("jab,jb->ja", found.P[clusters.kind], clusters.mean - found.mean)
    return np.asarray(a @ B)
