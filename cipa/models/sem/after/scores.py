"""Factor scores: where each case stands on the constructs.

    regression   E(eta | y) = alpha + Phi L' Sigma^-1 (y - mu)                    (Thomson; Thurstone 1935)
    Bartlett     (L' Theta^-1 L)^-1 L' Theta^-1 (y - nu)                          (Bartlett 1937; see `bartlett.py`)

with Phi L' = cov(eta, y). A case with missing values is scored from what it answered. Regression scores shrink towards
the mean and have the smallest error; Bartlett scores are unbiased given the construct. Neither is the construct: use
them to describe cases, and a structural model to relate constructs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cipa.errors import InferenceError, one_of, public
from cipa.models.sem.after.bartlett import bartlett_weights
from cipa.models.sem.after.ordinal_scores import ordinal_scores
from cipa.models.sem.twolevel.after import level_values
from cipa.numerics.algebra.linalg import Array, IntArray
from cipa.numerics.moments.normal import patterns_of
from cipa.results.display import ResultTable

if TYPE_CHECKING:
    from cipa.models.sem.fit import SEMFit


@public
def factor_scores(fit: SEMFit, *, method: str = "regression") -> ResultTable:
    """Factor scores of every case of the data.

    Parameters
    ----------
    fit : SEMFit
    method : {"regression", "bartlett"}

    Returns
    -------
    ResultTable
        One column for each construct, one row for each case, in the order of the data; NaN for cases that were not used. With
        ordered variables "regression" is the mode of the construct given the answers, "bartlett" the value under which they are
        likeliest: NaN where there is none, because a case answered at the end of every item. Bartlett scores are NaN too for constructs
        that a case's values do not determine: without a value on any item, of second order, or one of more constructs than items (a
        random intercept beside states without error). On two levels, constructs between clusters follow those within, with one value
        for all cases of a cluster.

    Raises
    ------
    InferenceError
        For a fit to a covariance matrix, or a model without constructs.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.SEM("visual =~ x1 + x2 + x3").fit(ci.datasets.load("holzinger1939"))
    >>> ci.factor_scores(fit).to_frame()["visual"].head(3).round(3).tolist()
    [-0.71, -0.063, -0.319]
    """
    one_of(method, ("regression", "bartlett"), what="method", where="ci.factor_scores")
    if any(group.values is None for group in fit.sample.groups):
        raise InferenceError(
            "ci.factor_scores: the model was fitted to a covariance matrix, which has no cases to score. Fit it to the data."
        )
    if fit.levels:
        return _of_levels(fit, method)
    if not fit.latent:
        raise InferenceError("ci.factor_scores: the model measures no construct ('=~'), so there is nothing to score.")
    found = np.full((fit.data.nobs, len(fit.latent)), np.nan)
    if any(block.ordinal is not None for block in fit.layout.blocks):
        for g, group in enumerate(fit.sample.groups):
            found[group.rows] = ordinal_scores(fit, g, prior=method == "regression")
        columns = {name: tuple(found[:, k].tolist()) for k, name in enumerate(fit.latent)}
        return ResultTable(
            title=f"Factor scores ({'posterior mode' if method == 'regression' else 'maximum likelihood'})", columns=columns
        )
    for g, group in enumerate(fit.sample.groups):
        assert group.values is not None
        patterns = group.patterns if group.gamma is None else patterns_of(group.values)
        for r, seen in enumerate(patterns.observed):
            mine = np.flatnonzero(patterns.membership == r)
            weights, centre, origin = _weights(fit, g, fit.latent, np.flatnonzero(seen), method)
            found[group.rows[mine]] = origin + (group.values[mine][:, seen] - centre) @ weights.T
    columns = {name: tuple(found[:, k].tolist()) for k, name in enumerate(fit.latent)}
    return ResultTable(title=f"Factor scores ({method})", columns=columns)


def _of_levels(fit: SEMFit, method: str) -> ResultTable:
    """Scores of constructs within clusters, from the cases less their clusters' parts, and between, from those parts."""
    names = [(name, label) for label, roles in zip(fit.levels, fit.layout.roles, strict=True) for name in roles.latent]
    if not names:
        raise InferenceError("ci.factor_scores: the model measures no construct ('=~'), so there is nothing to score.")
    group = fit.sample.groups[0]
    scores = []
    for g, values in enumerate(level_values(fit)):
        latent = fit.layout.roles[g].latent
        own = np.full((len(values), len(latent)), np.nan)
        patterns, which = np.unique(~np.isnan(values), axis=0, return_inverse=True)
        for r, seen in enumerate(patterns):
            mine = np.flatnonzero(which.reshape(-1) == r)
            weights, centre, origin = _weights(fit, g, latent, np.flatnonzero(seen), method)
            own[mine] = origin + (values[mine][:, seen] - centre) @ weights.T
        scores.append(own if g == 0 else own[group.clusters])
    found = np.full((fit.data.nobs, len(names)), np.nan)
    found[group.rows] = np.hstack(scores)
    twice = {name for name in fit.layout.roles[0].latent if name in fit.layout.roles[1].latent}
    heads = [f"{name} [level {label}]" if name in twice else name for name, label in names]
    columns = {head: tuple(found[:, k].tolist()) for k, head in enumerate(heads)}
    return ResultTable(title=f"Factor scores of two levels ({method})", columns=columns)


def _weights(fit: SEMFit, g: int, latent: Sequence[str], seen: IntArray, method: str) -> tuple[Array, Array, Array]:
    """Weights (l, q), what is subtracted from the q values seen, and the constant (l,)."""
    block, here = fit.layout.blocks[g], fit.point.groups[g].moments
    where = np.array([block.variables.index(name) for name in latent], dtype=np.intp)
    mean = here.mean if fit.layout.means else fit.sample.groups[g].saturated.mean
    A, S, _ = fit.matrices(g)
    alpha = here.tau[where] if fit.layout.means else _from_predictors(A, here.B, mean)[where]
    cross, cov = here.T[np.ix_(where, seen)], here.cov[np.ix_(seen, seen)]
    regression = np.linalg.solve(cov, cross.T).T
    if method == "regression":
        return regression, mean[seen], alpha
    weights = bartlett_weights(A, S, here.T, size=len(block.observed), latent=where, seen=seen)
    composite = np.isin(latent, fit.layout.roles[g].composites)  # its parts determine it, whatever the method
    weights[composite] = regression[composite]
    return weights, mean[seen], alpha


def _from_predictors(A: Array, B: Array, sample_mean: Array) -> Array:
    """Means of all variables that follow from those of observed variables that only predict; others have mean zero."""
    p = len(sample_mean)
    only = np.asarray(~A.any(axis=1) & A.any(axis=0))
    M = np.zeros(len(A))
    M[:p] = np.where(only[:p], sample_mean, 0.0)
    return np.asarray(B @ M)
