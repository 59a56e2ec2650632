"""From data to clusters: complete cases, which variable varies where, unrestricted moments of both levels.

The intraclass correlation of a variable is its share of variance between clusters, sigma_B / (sigma_B + sigma_W), from the unrestricted
two-level model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cipa.data.dataset import Dataset, as_dataset
from cipa.data.moments import SampleMoments
from cipa.data.panel import category_codes
from cipa.errors import DataError, SpecificationError
from cipa.models.sem.layout import Layout
from cipa.models.sem.moments import GroupSample, Sample, require_columns
from cipa.numerics.linalg import Array, BoolArray, IntArray
from cipa.numerics.normal import complete_pattern, patterns_of, saturated
from cipa.numerics.twolevel import Clusters, Unrestricted, clusters_of, unrestricted
from cipa.results.fit import Notice
from cipa.study.syntax import Syntax

FEW_CLUSTERS = 30
"""Below it, standard errors and tests of the between level are known to be too small (Maas & Hox 2005; McNeish & Stapleton 2016)."""

_CONSTANT = 1e-12  # share of a variable's mean square; a smaller variance is rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """What a sample shows of two levels.

    clusters : the cases in clusters; `variables` (p) are those of the sample's one group.
    free : unrestricted moments of both levels. independent : those of the baseline model, in which variables do not covary, except
    exogenous ones.
    exogenous : per level, covariance and mean of all its variables as the sample shows them directly, right for exogenous ones.
    exogenous_loglik : log-likelihood of the exogenous variables, which fixed_x conditions on.
    """

    clusters: Clusters
    free: Unrestricted
    independent: Unrestricted | None
    baseline_df: int
    exogenous: tuple[tuple[Array, Array], ...]
    exogenous_loglik: float


def two_level_sample(data: Any, syntax: Syntax, layout: Layout, *, cluster: str) -> Sample:
    """The complete cases of a two-level model.

    Raises
    ------
    DataError
        One case per cluster; a between-level variable that varies within a cluster; a within-level one that does not; fewer clusters
        than between-level variables; missing clusters; collinear columns.
    """
    if isinstance(data, (SampleMoments, list, tuple)):
        raise SpecificationError(
            "ci.SEM: a two-level model needs the cases in their clusters; a covariance matrix has none. Give the data instead."
        )
    names = list(dict.fromkeys(name for block in layout.blocks for name in block.observed))
    require_columns(syntax, names, data)
    dataset = as_dataset(data, columns=list(dict.fromkeys([*names, cluster])))
    values = dataset.numeric(names)
    labels, every = _cluster_codes(dataset, cluster)
    keep = np.flatnonzero(~np.isnan(values).any(axis=1))
    if not len(keep):
        raise DataError(
            "No case has a value for every variable of the model, so nothing can be fitted. Drop the emptiest variable, or impute."
        )
    values, used = values[keep], every[keep]
    kept, codes = np.unique(used, return_inverse=True)
    codes = codes.reshape(-1)
    within, between = (np.array([names.index(name) for name in block.observed], dtype=np.intp) for block in layout.blocks)
    _refuse_data(values, codes, labels[kept], names, within=within, between=between, cluster=cluster)
    clusters = clusters_of(values, codes, within=within, between=between)
    group = GroupSample(
        label="", variables=tuple(names), patterns=patterns_of(values), saturated=_single_level(values, names),
        values=values, rows=keep, clusters=codes,
    )  # fmt: skip
    levels = _levels(clusters, layout, names)
    notices = _notices(dataset.nobs, clusters, levels.free, layout, names)
    return Sample(groups=(group,), data=dataset, notices=notices, missing="listwise", levels=levels)


def _cluster_codes(data: Dataset, cluster: str) -> tuple[Array, IntArray]:
    codes, labels = category_codes(data, cluster)
    missing = np.flatnonzero(codes < 0)
    if missing.size:
        raise DataError(
            f"{data.name}: the cluster column '{cluster}' is missing in {missing.size} rows, first in row {missing[0] + 1}. A case without"
            " its cluster belongs to no between level: fill the column, or drop the rows."
        )
    return labels, codes


def _refuse_data(
    values: Array, codes: IntArray, labels: Array, names: Sequence[str], *, within: IntArray, between: IntArray, cluster: str
) -> None:
    """Refuse clusters that carry no levels, and variables that stand at a level where they do not vary."""
    n, count = len(values), len(labels)
    if count < 2 or count == n:
        what = f"has the one value {labels[0]}" if count < 2 else f"has {n} values for {n} cases, one case per cluster"
        raise DataError(
            f"The cluster column '{cluster}' {what}. Variation within and between clusters cannot be told apart: choose the column that"
            " holds several cases per cluster, or drop the 'level:' blocks."
        )
    varies = _varies_within(values, codes)
    for position in np.setdiff1d(between, within):
        if varies[:, position].any():
            first = labels[int(np.argmax(varies[:, position]))]
            raise DataError(
                f"'{names[position]}' stands at the between level only, but varies within {int(varies[:, position].sum())} clusters, first in"
                f" {cluster}={first}. A variable of clusters has one value in each: name it in the within level too, or take its cluster mean."
            )
    for position in within:
        if not varies[:, position].any():
            raise DataError(
                f"'{names[position]}' stands at the within level, but has the same value for all cases of every cluster: its variance within"
                " is 0 and the likelihood has no maximum. Keep it at the between level only."
            )
    if count <= len(between):
        raise DataError(
            f"{count} clusters ('{cluster}') for {len(between)} variables at the between level: their covariance matrix is singular. More"
            f" than {len(between)} clusters are needed, and for trustworthy errors {FEW_CLUSTERS} or more; use fewer variables between, or"
            " drop the 'level:' blocks and keep cluster=."
        )


def _varies_within(values: Array, codes: IntArray) -> BoolArray:
    """Whether each variable takes several values in each cluster, (J, p)."""
    order = np.argsort(codes, kind="stable")
    first = np.searchsorted(codes[order], np.arange(int(codes.max()) + 1))
    high, low = np.maximum.reduceat(values[order], first, axis=0), np.minimum.reduceat(values[order], first, axis=0)
    size = np.sqrt(_CONSTANT * (values**2).mean(axis=0))
    return np.asarray(high - low > size)


def _single_level(values: Array, names: Sequence[str]) -> Any:
    found = saturated(patterns_of(values))
    scale = None if found is None else np.sqrt(found.cov.diagonal())
    if found is None or scale is None or np.linalg.eigvalsh(found.cov / np.outer(scale, scale))[0] < 1e-10:
        raise DataError(
            f"Some of {', '.join(names)} are exact linear combinations of others (collinear) or constant. Their covariance matrix is singular,"
            " so the likelihood has no maximum. Drop one of them."
        )
    return found


def _levels(clusters: Clusters, layout: Layout, names: Sequence[str]) -> Levels:
    free = unrestricted(clusters)
    if free is None or not free.converged:
        raise DataError(
            "The unrestricted two-level model has no maximum for these data: too few clusters, or variables that are collinear within or"
            " between clusters. Use fewer variables at the between level."
        )
    masks, df = [], 0
    for roles, block in zip(layout.roles, layout.blocks, strict=True):
        x = np.isin(block.observed, roles.exogenous)
        masks.append(np.eye(len(x), dtype=np.bool_) | np.outer(x, x))
        df += int((~masks[-1]).sum()) // 2
    independent = unrestricted(clusters, within=masks[0], between=masks[1]) if df else None
    return Levels(
        clusters=clusters, free=free, independent=independent, baseline_df=df, exogenous=_direct_moments(clusters),
        exogenous_loglik=_exogenous_loglik(clusters, layout),
    )  # fmt: skip


def _direct_moments(clusters: Clusters) -> tuple[tuple[Array, Array], ...]:
    """Covariance (divisors N, J) and mean of the cases' within-level variables, and of the clusters' between-level ones."""
    c = clusters
    weights = c.size / c.nobs
    mean = weights @ c.mean
    apart = (c.mean - mean)[:, c.within]
    cases = c.pooled * (c.nobs - c.nclusters) / c.nobs + (apart * weights[:, None]).T @ apart
    centre = c.mean.mean(axis=0)
    outer = (c.mean - centre)[:, c.between]
    return (cases, mean[c.within]), (outer.T @ outer / c.nclusters, centre[c.between])


def _exogenous_loglik(clusters: Clusters, layout: Layout) -> float:
    total = 0.0
    pairs = zip(layout.blocks, _direct_moments(clusters), (clusters.nobs, clusters.nclusters), strict=True)
    for block, (cov, mean), count in pairs:
        x = block.exogenous
        if len(x):
            found = saturated(complete_pattern(cov[np.ix_(x, x)], mean[x], count))
            total += found.loglik if found is not None else float("nan")
    return total


def _notices(rows: int, clusters: Clusters, free: Unrestricted, layout: Layout, names: Sequence[str]) -> tuple[Notice, ...]:
    found = []
    n, count = clusters.nobs, clusters.nclusters
    if n < rows:
        found.append(Notice(code="rows_dropped", text=f"{rows - n} of {rows} cases were dropped: a missing value."))
    shares = ", ".join(f"{names[i]} {share:.2f}" for i, share in intraclass(clusters, free) if i in clusters.within)
    sizes = f"{n / count:.1f} cases each ({int(clusters.size.min())} to {int(clusters.size.max())})"
    found.append(Notice(code="levels", text=f"{count} clusters with {sizes}. Intraclass correlations: {shares}."))
    if any(row.op == "~~" and not row.user and row.free and _is_split(row.lhs, layout) for row in layout.rows):
        text = (
            "An exogenous variable stands on both levels: its two parts are not observed, so all exogenous variables are random, and"
            " their moments are estimated and counted in npar and the log-likelihood."
        )
        found.append(Notice(code="split_exogenous", text=text))
    own = sum(layout.rows[position].group == 1 for position in layout.theta)
    if count < own:
        text = (
            f"{count} clusters for {own} parameters of the between level: more parameters than independent units. Their standard errors and"
            " the tests are not trustworthy. Simplify the between level, or correct single-level errors by cluster= alone."
        )
        found.append(Notice(code="few_clusters", text=text, severity="warning"))
    elif count < FEW_CLUSTERS:
        text = (
            f"{count} clusters are few: standard errors of the between level tend to be too small, and tests reject too often, below about"
            f" {FEW_CLUSTERS}. Read p-values near .05 with reserve."
        )
        found.append(Notice(code="few_clusters", text=text))
    return (*found, *_indefinite(free))


def _is_split(name: str, layout: Layout) -> bool:
    exogenous = {name for roles in layout.roles for name in roles.exogenous}
    return name in exogenous and all(name in block.observed for block in layout.blocks)


def _indefinite(free: Unrestricted) -> list[Notice]:
    variances = free.between.diagonal()
    safe = variances > 0
    scaled = free.between[np.ix_(safe, safe)] / np.sqrt(np.outer(variances[safe], variances[safe]))
    if not free.bounded and safe.all() and np.linalg.eigvalsh(scaled)[0] > -1e-8:
        return []
    bound = "was held at the bound of what is possible" if free.bounded else "is not positive definite"
    text = (
        f"The unrestricted covariance matrix between clusters {bound}: some variable hardly varies between clusters, or clusters are few."
        " The chi-square compares with this matrix, and is approximate. Consider that variable at the within level only."
    )
    return [Notice(code="between_cov", text=text)]


def intraclass(clusters: Clusters, free: Unrestricted) -> list[tuple[int, float]]:
    """(variable, share of its variance between clusters)."""
    within, between = variances_by_level(clusters, free)
    return [(i, float(between[i] / (between[i] + within[i]))) for i in range(clusters.variables)]


def variances_by_level(clusters: Clusters, free: Unrestricted) -> tuple[Array, Array]:
    """Unrestricted variances (p,) within and between clusters; 0 at a level where a variable does not stand."""
    within, between = np.zeros(clusters.variables), np.zeros(clusters.variables)
    within[clusters.within], between[clusters.between] = free.within.diagonal(), free.between.diagonal()
    return within, between


def level_moments(levels: Levels, point: Any, level: int) -> tuple[Array, Array]:
    """Unrestricted covariance and mean of a level's variables, given the end point of the search.

    Only the sum of a variable's means of both levels is known: its within mean is set to the implied one.
    """
    c, free = levels.clusters, levels.free
    inner = point.groups[0].moments.mean
    if level == 0:
        return free.within, np.where(np.isin(c.within, c.between), inner, free.mean[c.within])
    padded = np.zeros(c.variables)
    padded[c.within] = inner
    return free.between, free.mean[c.between] - padded[c.between]
