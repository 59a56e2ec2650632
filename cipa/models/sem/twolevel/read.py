"""From data to clusters: the cases used, which variable varies where, unrestricted moments of both levels.

The intraclass correlation of a variable is its share of variance between clusters, sigma_B / (sigma_B + sigma_W), from the
unrestricted two-level model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cipa.data.dataset import Dataset, as_dataset
from cipa.data.moments import SampleMoments
from cipa.data.panel import category_codes
from cipa.errors import DataError, SpecificationError
from cipa.models.sem.cases.columns import require_columns
from cipa.models.sem.cases.conditions import code_notices, placed_rows
from cipa.models.sem.cases.sample import GroupSample, Levels, Sample
from cipa.models.sem.declare.layout import Layout
from cipa.numerics.algebra.linalg import Array, BoolArray, IntArray
from cipa.numerics.moments.normal import complete_pattern, patterns_of, saturated
from cipa.numerics.twolevel.complete import clusters_of, sums
from cipa.numerics.twolevel.incomplete import incomplete_clusters
from cipa.numerics.twolevel.kernel import Sampled, Unrestricted, unrestricted
from cipa.results.fit import Notice
from cipa.study.syntax import Syntax

FEW_CLUSTERS = 30
"""Below it, standard errors and tests of the between level are known to be too small (Maas & Hox 2005; McNeish & Stapleton
2016).
"""

_CONSTANT = 1e-12  # share of a variable's mean square; a smaller variance is rounding


def two_level_sample(data: Any, syntax: Syntax, layout: Layout, *, cluster: str, missing: str) -> Sample:
    """The cases of a two-level model: complete ones, or with full information all that have some value within.

    Raises
    ------
    DataError
        One case per cluster; a between-level variable that varies within a cluster; a within-level one that does not; fewer
        clusters than between-level variables; missing clusters; collinear columns.
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
    within, between = (np.array([names.index(name) for name in block.observed], dtype=np.intp) for block in layout.blocks)
    placed, unplaced = placed_rows(dataset, {"cluster": cluster})
    rows = np.flatnonzero(placed)
    keep = rows[_kept(values[rows], layout, within=within, between=between, missing=missing)]
    values, used = values[keep], every[keep]
    kept, codes = np.unique(used, return_inverse=True)
    codes = codes.reshape(-1)
    _refuse_data(values, codes, labels[kept], names, within=within, between=between, cluster=cluster)
    holes = np.isnan(values)
    clusters = arranged(values, codes, within=within, between=between)
    group = GroupSample(
        label="", variables=tuple(names), patterns=patterns_of(values), saturated=_single_level(values, names),
        values=values, rows=keep, clusters=codes,
    )  # fmt: skip
    levels = _levels(clusters, layout, direct_moments(values, codes, within=within, between=between))
    notices = (
        *unplaced,
        *code_notices(values, names),
        *_missing_notices(holes, len(rows), missing=missing),
        *_notices(clusters, levels.free, layout, names),
    )
    return Sample(groups=(group,), data=dataset, notices=notices, missing=missing, levels=levels)


def _kept(values: Array, layout: Layout, *, within: IntArray, between: IntArray, missing: str) -> IntArray:
    """Rows to use; with full information those with a value within and with all exogenous variables that are held."""
    holes = np.isnan(values)
    if missing == "listwise":
        drop = holes.any(axis=1)
    else:
        held = np.concatenate([within[layout.blocks[0].exogenous], between[layout.blocks[1].exogenous]])
        drop = holes[:, within].all(axis=1) | holes[:, held].any(axis=1)
    keep = np.flatnonzero(~drop)
    if not len(keep):
        advice = ', or use missing="fiml"' if missing == "listwise" else ""
        raise DataError(
            f"No case has a value for every variable that it needs, so nothing can be fitted. Drop the emptiest variable{advice}."
        )
    return keep


def _missing_notices(holes: Array, rows: int, *, missing: str) -> list[Notice]:
    found, kept = [], len(holes)
    if kept < rows:
        lost = {"lost": rows - kept, "total": rows, "group": None}
        found.append(Notice(code="rows_dropped", variant="listwise" if missing == "listwise" else "no_value_within", values=lost))
    if holes.any():
        count = len(np.unique(np.packbits(holes, axis=1), axis=0))
        found.append(Notice(code="missing_patterns", variant="levels", values={"share": holes.mean(), "patterns": count}))
    return found


def _cluster_codes(data: Dataset, cluster: str) -> tuple[Array, IntArray]:
    codes, labels = category_codes(data, cluster)
    return labels, codes


def _refuse_data(
    values: Array, codes: IntArray, labels: Array, names: Sequence[str], *, within: IntArray, between: IntArray, cluster: str
) -> None:
    """Refuse clusters that carry no levels, and variables that stand at a level where they do not vary."""
    n, count = len(values), len(labels)
    if count < 2 or count == n:
        what = f"has the one value {labels[0]}" if count < 2 else f"has {n} values for {n} cases, one case per cluster"
        raise DataError(
            f"The cluster column '{cluster}' {what}. Variation within and between clusters cannot be told apart: choose the "
            "column that holds several cases per cluster, or drop the 'level:' blocks."
        )
    varies = _varies_within(values, codes)
    for position in np.setdiff1d(between, within):
        if varies[:, position].any():
            first = labels[int(np.argmax(varies[:, position]))]
            raise DataError(
                f"'{names[position]}' stands at the between level only, but varies within {int(varies[:, position].sum())} "
                f"clusters, first in {cluster}={first}. A variable of clusters has one value in each: name it in the within "
                "level too, or take its cluster mean."
            )
    for position in within:
        if not varies[:, position].any():
            raise DataError(
                f"'{names[position]}' stands at the within level, but has the same value for all cases of every cluster: its "
                "variance within is 0 and the likelihood has no maximum. Keep it at the between level only."
            )
    if count <= len(between):
        raise DataError(
            f"{count} clusters ('{cluster}') for {len(between)} variables at the between level: their covariance matrix is "
            f"singular. More than {len(between)} clusters are needed, and for trustworthy errors {FEW_CLUSTERS} or more; use "
            "fewer variables between, or drop the 'level:' blocks and keep cluster=."
        )


def _varies_within(values: Array, codes: IntArray) -> BoolArray:
    """Whether each variable takes several values in each cluster, (J, p)."""
    order = np.argsort(codes, kind="stable")
    first = np.searchsorted(codes[order], np.arange(int(codes.max()) + 1))
    high, low = np.fmax.reduceat(values[order], first, axis=0), np.fmin.reduceat(values[order], first, axis=0)
    size = np.sqrt(_CONSTANT * np.nanmean(values**2, axis=0))
    return np.asarray(high - low > size)


def _single_level(values: Array, names: Sequence[str]) -> Any:
    found = saturated(patterns_of(values))
    scale = None if found is None else np.sqrt(found.cov.diagonal())
    if found is None or scale is None or np.linalg.eigvalsh(found.cov / np.outer(scale, scale))[0] < 1e-10:
        raise DataError(
            f"Some of {', '.join(names)} are exact linear combinations of others (collinear) or constant. Their covariance "
            "matrix is singular, so the likelihood has no maximum. Drop one of them."
        )
    return found


def _levels(clusters: Sampled, layout: Layout, direct: tuple[tuple[Array, Array], ...]) -> Levels:
    free = unrestricted(clusters)
    if free is None or not free.converged:
        raise DataError(
            "The unrestricted two-level model has no maximum for these data: too few clusters, or variables that are collinear "
            "within or between clusters. Use fewer variables at the between level."
        )
    masks, df = [], 0
    for roles, block in zip(layout.roles, layout.blocks, strict=True):
        x = np.isin(block.observed, roles.exogenous)
        masks.append(np.eye(len(x), dtype=np.bool_) | np.outer(x, x))
        df += int((~masks[-1]).sum()) // 2
    independent = unrestricted(clusters, within=masks[0], between=masks[1]) if df else None
    return Levels(
        clusters=clusters, free=free, independent=independent, baseline_df=df, exogenous=direct,
        exogenous_loglik=_exogenous_loglik(clusters, layout, direct),
    )  # fmt: skip


def arranged(values: Array, codes: IntArray, *, within: IntArray, between: IntArray) -> Sampled:
    """Cases (n, p) in clusters of codes 0, 1, ..., J - 1, by the kernel of complete cases where they are."""
    arrange = incomplete_clusters if np.isnan(values).any() else clusters_of
    clusters: Sampled = arrange(values, codes, within=within, between=between)
    return clusters


def direct_moments(values: Array, codes: IntArray, *, within: IntArray, between: IntArray) -> tuple[tuple[Array, Array], ...]:
    """Covariance and mean of the within variables of cases and of the between ones of clusters, from the pairs seen."""
    seen = sums((~np.isnan(values)).astype(np.float64), codes, int(codes.max()) + 1)
    totals = sums(np.nan_to_num(values), codes, len(seen))
    means = np.where(seen > 0, totals / np.maximum(seen, 1.0), np.nan)
    return _available(values[:, within]), _available(means[:, between])


def _available(values: Array) -> tuple[Array, Array]:
    mean = np.nanmean(values, axis=0)
    apart, seen = np.nan_to_num(values - mean), (~np.isnan(values)).astype(np.float64)
    return apart.T @ apart / np.maximum(seen.T @ seen, 1.0), mean


def _exogenous_loglik(clusters: Sampled, layout: Layout, direct: tuple[tuple[Array, Array], ...]) -> float:
    total = 0.0
    pairs = zip(layout.blocks, direct, (clusters.nobs, clusters.nclusters), strict=True)
    for block, (cov, mean), count in pairs:
        x = block.exogenous
        if len(x):
            found = saturated(complete_pattern(cov[np.ix_(x, x)], mean[x], count))
            total += found.loglik if found is not None else float("nan")
    return total


def _notices(clusters: Sampled, free: Unrestricted, layout: Layout, names: Sequence[str]) -> tuple[Notice, ...]:
    found = []
    n, count = clusters.nobs, clusters.nclusters
    shares = tuple((names[i], share) for i, share in intraclass(clusters, free) if i in clusters.within)
    values = {
        "clusters": count, "mean": n / count, "least": int(clusters.size.min()), "most": int(clusters.size.max()),
        "shares": shares,
    }  # fmt: skip
    found.append(Notice(code="levels", values=values))
    if any(row.op == "~~" and not row.user and row.free and _is_split(row.lhs, layout) for row in layout.rows):
        found.append(Notice(code="split_exogenous"))
    own = sum(layout.rows[position].group == 1 for position in layout.theta)
    if count < own:
        values = {"clusters": count, "parameters": own}
        found.append(Notice(code="few_clusters", variant="parameters", values=values, severity="warning"))
    elif count < FEW_CLUSTERS:
        found.append(Notice(code="few_clusters", variant="between", values={"clusters": count, "enough": FEW_CLUSTERS}))
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
    return [Notice(code="between_cov", variant="bound" if free.bounded else "indefinite")]


def intraclass(clusters: Sampled, free: Unrestricted) -> list[tuple[int, float]]:
    """(variable, share of its variance between clusters)."""
    within, between = variances_by_level(clusters, free)
    return [(i, float(between[i] / (between[i] + within[i]))) for i in range(clusters.variables)]


def variances_by_level(clusters: Sampled, free: Unrestricted) -> tuple[Array, Array]:
    """Unrestricted variances (p,) within and between clusters; 0 at a level where a variable does not stand."""
    within, between = np.zeros(clusters.variables), np.zeros(clusters.variables)
    within[clusters.within], between[clusters.between] = free.within.diagonal(), free.between.diagonal()
    return within, between


def level_moments(levels: Levels, inner: Array, level: int) -> tuple[Array, Array]:
    """Unrestricted covariance and mean of a level's variables, given the implied means of the within level.

    Only the sum of a variable's means of both levels is known: its within mean is set to the implied one.
    """
    c, free = levels.clusters, levels.free
    if level == 0:
        return free.within, np.where(np.isin(c.within, c.between), inner, free.mean[c.within])
    padded = np.zeros(c.variables)
    padded[c.within] = inner
    return free.between, free.mean[c.between] - padded[c.between]
