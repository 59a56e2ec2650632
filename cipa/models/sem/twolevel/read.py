"""From data to clusters: the cases used, which variable varies where, unrestricted moments of both levels.

The intraclass correlation of a variable is its share of variance between clusters, sigma_B / (sigma_B + sigma_W), from the
unrestricted two-level model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cipa.data.dataset import as_dataset
from cipa.data.moments import SampleMoments
from cipa.data.panel import category_codes
from cipa.errors import DataError, SpecificationError
from cipa.models.sem.cases.columns import group_codes, label_of, require_columns
from cipa.models.sem.cases.conditions import code_notices, placed_rows
from cipa.models.sem.cases.sample import GroupSample, Levels, Sample
from cipa.models.sem.declare.layout import Block, Layout, levels_of_group
from cipa.models.sem.declare.parameters import Parameter, Roles
from cipa.numerics.algebra.linalg import Array, BoolArray, IntArray
from cipa.numerics.moments.normal import Saturated, complete_pattern, patterns_of, saturated
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """A group to be read: its label where there are several; its blocks and roles within and between; its variables' names.

    `within` and `between` are the positions of each level's variables in `names`.
    """

    position: int
    group: str | None
    names: tuple[str, ...]
    blocks: tuple[Block, ...]
    roles: tuple[Roles, ...]

    @classmethod
    def of(cls, layout: Layout, position: int, group: str | None) -> _Group:
        """The group at a position of a layout."""
        pair = levels_of_group(position)
        blocks, roles = layout.blocks[pair], layout.roles[pair]
        names = tuple(dict.fromkeys(name for block in blocks for name in block.observed))
        return cls(position=position, group=group, names=names, blocks=blocks, roles=roles)

    @property
    def place(self) -> str:
        """Where it is, for a sentence."""
        return "" if self.group is None else f" in group {self.group}"

    @property
    def within(self) -> IntArray:
        return np.array([self.names.index(name) for name in self.blocks[0].observed], dtype=np.intp)

    @property
    def between(self) -> IntArray:
        return np.array([self.names.index(name) for name in self.blocks[1].observed], dtype=np.intp)


def two_level_sample(
    data: Any, syntax: Syntax, layout: Layout, labels: Sequence[str], *, cluster: str, group: str | None, missing: str
) -> Sample:
    """The cases of a two-level model: complete ones, or with full information all that have some value within.

    Raises
    ------
    DataError
        One case per cluster; a between-level variable that varies within a cluster; a within-level one that does not; fewer
        clusters than between-level variables; missing clusters; a cluster in several groups; collinear columns.
    """
    if isinstance(data, (SampleMoments, list, tuple)):
        raise SpecificationError(
            "ci.SEM: a two-level model needs the cases in their clusters; a covariance matrix has none. Give the data instead."
        )
    names = list(dict.fromkeys(name for block in layout.blocks for name in block.observed))
    require_columns(syntax, names, data)
    dataset = as_dataset(data, columns=list(dict.fromkeys([*names, *([group] if group else []), cluster])))
    values, codes = dataset.numeric(names), group_codes(dataset, group, labels)
    clusters, found = category_codes(dataset, cluster)
    texts = [label_of(value) for value in found]
    placed, notices = placed_rows(dataset, {"group": group, "cluster": cluster})
    _refuse_shared(clusters[placed], codes[placed], texts, labels, cluster=cluster)
    notices += code_notices(values[placed], names)
    groups = []
    for position, label in enumerate(labels):
        here = _Group.of(layout, position, label if len(labels) > 1 else None)
        columns = np.array([names.index(name) for name in here.names], dtype=np.intp)
        rows = np.flatnonzero(placed & (codes == position))
        keep = rows[_kept(values[np.ix_(rows, columns)], here, missing=missing)]
        sample = _group_sample(values[np.ix_(keep, columns)], clusters[keep], texts, keep, here, label=label, cluster=cluster)
        notices += _missing_notices(sample, len(rows), here, missing=missing) + _notices(sample, layout, here)
        groups.append(sample)
    return Sample(groups=tuple(groups), data=dataset, notices=tuple(notices), missing=missing)


def _group_sample(
    values: Array, clusters: IntArray, texts: Sequence[str], rows: IntArray, here: _Group, *, label: str, cluster: str
) -> GroupSample:
    """The cases (n, p) used of a group, with the codes of their clusters among all, whose names are `texts`."""
    kept, codes = np.unique(clusters, return_inverse=True)
    codes = codes.reshape(-1).astype(np.intp)
    _refuse_data(values, codes, [texts[code] for code in kept], here, cluster=cluster)
    return GroupSample(
        label=label, variables=here.names, patterns=patterns_of(values), saturated=_single_level(values, here), values=values,
        rows=rows, clusters=clusters, levels=_levels(values, codes, here),
    )  # fmt: skip


def _refuse_shared(clusters: IntArray, groups: IntArray, texts: Sequence[str], labels: Sequence[str], *, cluster: str) -> None:
    """Refuse a cluster with cases of several groups: their likelihoods would not be independent."""
    pairs = np.unique(np.column_stack([clusters, groups]), axis=0)
    codes, counts = np.unique(pairs[:, 0], return_counts=True)
    shared = codes[counts > 1]
    if len(shared):
        inside = [labels[int(g)] for g in pairs[pairs[:, 0] == shared[0], 1]]
        raise DataError(
            f"The cluster '{texts[int(shared[0])]}' of '{cluster}' has cases of the groups {' and '.join(inside)}"
            f"{f' ({len(shared)} clusters are like this)' if len(shared) > 1 else ''}. Groups are taken as independent, and what "
            "the cases of one cluster share would be counted twice. If these are different clusters under one number, give them "
            "different numbers (a column of group and cluster together); if groups lie within clusters, drop group= and put the "
            "group into the model, as a variable of the within level."
        )


def _kept(values: Array, here: _Group, *, missing: str) -> IntArray:
    """Rows to use; with full information those with a value within and with all exogenous variables that are held."""
    holes = np.isnan(values)
    if missing == "listwise":
        drop = holes.any(axis=1)
    else:
        held = np.concatenate([here.within[here.blocks[0].exogenous], here.between[here.blocks[1].exogenous]])
        drop = holes[:, here.within].all(axis=1) | holes[:, held].any(axis=1)
    keep = np.flatnonzero(~drop)
    if not len(keep):
        advice = ', or use missing="fiml"' if missing == "listwise" else ""
        raise DataError(
            f"No case{here.place} has a value for every variable that it needs, so nothing can be fitted. Drop the emptiest "
            f"variable{advice}."
        )
    return keep


def _missing_notices(sample: GroupSample, rows: int, here: _Group, *, missing: str) -> list[Notice]:
    assert sample.values is not None
    holes, found = np.isnan(sample.values), []
    if len(holes) < rows:
        lost = {"lost": rows - len(holes), "total": rows, "group": here.group}
        found.append(Notice(code="rows_dropped", variant="listwise" if missing == "listwise" else "no_value_within", values=lost))
    if holes.any():
        count = len(np.unique(np.packbits(holes, axis=1), axis=0))
        values = {"share": holes.mean(), "group": here.group, "patterns": count}
        found.append(Notice(code="missing_patterns", variant="levels", values=values))
    return found


def _refuse_data(values: Array, codes: IntArray, labels: Sequence[str], here: _Group, *, cluster: str) -> None:
    """Refuse clusters that carry no levels, and variables that stand at a level where they do not vary."""
    n, count, names, within, between = len(values), len(labels), here.names, here.within, here.between
    if count < 2 or count == n:
        what = f"has the one value {labels[0]}" if count < 2 else f"has {n} values for {n} cases, one case per cluster"
        raise DataError(
            f"The cluster column '{cluster}' {what}{here.place}. Variation within and between clusters cannot be told apart: "
            "choose the column that holds several cases per cluster, or drop the 'level:' blocks."
        )
    varies = _varies_within(values, codes)
    for position in np.setdiff1d(between, within):
        if varies[:, position].any():
            first = labels[int(np.argmax(varies[:, position]))]
            raise DataError(
                f"'{names[position]}' stands at the between level only, but varies within {int(varies[:, position].sum())} "
                f"clusters{here.place}, first in {cluster}={first}. A variable of clusters has one value in each: name it in the "
                "within level too, or take its cluster mean."
            )
    for position in within:
        if not varies[:, position].any():
            raise DataError(
                f"'{names[position]}' stands at the within level, but has the same value for all cases of every "
                f"cluster{here.place}: its variance within is 0 and the likelihood has no maximum. Keep it at the between level "
                "only."
            )
    if count <= len(between):
        raise DataError(
            f"{count} clusters ('{cluster}'){here.place} for {len(between)} variables at the between level: their covariance "
            f"matrix is singular. More than {len(between)} clusters are needed, and for trustworthy errors {FEW_CLUSTERS} or "
            "more; use fewer variables between, or drop the 'level:' blocks and keep cluster=."
        )


def _varies_within(values: Array, codes: IntArray) -> BoolArray:
    """Whether each variable takes several values in each cluster, (J, p)."""
    order = np.argsort(codes, kind="stable")
    first = np.searchsorted(codes[order], np.arange(int(codes.max()) + 1))
    high, low = np.fmax.reduceat(values[order], first, axis=0), np.fmin.reduceat(values[order], first, axis=0)
    size = np.sqrt(_CONSTANT * np.nanmean(values**2, axis=0))
    return np.asarray(high - low > size)


def _single_level(values: Array, here: _Group) -> Saturated:
    found = saturated(patterns_of(values))
    scale = None if found is None else np.sqrt(found.cov.diagonal())
    if found is None or scale is None or np.linalg.eigvalsh(found.cov / np.outer(scale, scale))[0] < 1e-10:
        raise DataError(
            f"Some of {', '.join(here.names)} are exact linear combinations of others (collinear) or constant{here.place}. Their "
            "covariance matrix is singular, so the likelihood has no maximum. Drop one of them."
        )
    return found


def _levels(values: Array, codes: IntArray, here: _Group) -> Levels:
    clusters = arranged(values, codes, within=here.within, between=here.between)
    direct = direct_moments(values, codes, within=here.within, between=here.between)
    free = unrestricted(clusters)
    if free is None or not free.converged:
        raise DataError(
            f"The unrestricted two-level model has no maximum for these data{here.place}: too few clusters, or variables that "
            "are collinear within or between clusters. Use fewer variables at the between level."
        )
    masks, df = [], 0
    for roles, block in zip(here.roles, here.blocks, strict=True):
        x = np.isin(block.observed, roles.exogenous)
        masks.append(np.eye(len(x), dtype=np.bool_) | np.outer(x, x))
        df += int((~masks[-1]).sum()) // 2
    independent = unrestricted(clusters, within=masks[0], between=masks[1]) if df else None
    return Levels(
        clusters=clusters, codes=codes, free=free, independent=independent, baseline_df=df, exogenous=direct,
        exogenous_loglik=_exogenous_loglik(clusters, here, direct),
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


def _exogenous_loglik(clusters: Sampled, here: _Group, direct: tuple[tuple[Array, Array], ...]) -> float:
    total = 0.0
    for block, (cov, mean), count in zip(here.blocks, direct, (clusters.nobs, clusters.nclusters), strict=True):
        x = block.exogenous
        if len(x):
            found = saturated(complete_pattern(cov[np.ix_(x, x)], mean[x], count))
            total += found.loglik if found is not None else float("nan")
    return total


def _notices(sample: GroupSample, layout: Layout, here: _Group) -> list[Notice]:
    assert sample.levels is not None
    clusters, free, found = sample.levels.clusters, sample.levels.free, []
    n, count = clusters.nobs, clusters.nclusters
    shares = tuple((here.names[i], share) for i, share in intraclass(clusters, free) if i in clusters.within)
    values = {
        "clusters": count, "group": here.group, "mean": n / count, "least": int(clusters.size.min()),
        "most": int(clusters.size.max()), "shares": shares,
    }  # fmt: skip
    found.append(Notice(code="levels", values=values))
    if here.position == 0 and any(row.op == "~~" and not row.user and row.free and _is_split(row, layout) for row in layout.rows):
        found.append(Notice(code="split_exogenous"))
    own = sum(layout.rows[k].group == here.position and layout.rows[k].block % 2 for k in layout.theta)
    if count < own:
        values = {"clusters": count, "group": here.group, "parameters": own}
        found.append(Notice(code="few_clusters", variant="parameters", values=values, severity="warning"))
    elif count < FEW_CLUSTERS:
        values = {"clusters": count, "group": here.group, "enough": FEW_CLUSTERS}
        found.append(Notice(code="few_clusters", variant="between", values=values))
    return [*found, *_indefinite(free, here)]


def _is_split(row: Parameter, layout: Layout) -> bool:
    """Whether a variable is exogenous at a level of its group and stands at the other too."""
    pair = levels_of_group(row.group)
    exogenous = any(row.lhs in roles.exogenous for roles in layout.roles[pair])
    return exogenous and all(row.lhs in block.observed for block in layout.blocks[pair])


def _indefinite(free: Unrestricted, here: _Group) -> list[Notice]:
    variances = free.between.diagonal()
    safe = variances > 0
    scaled = free.between[np.ix_(safe, safe)] / np.sqrt(np.outer(variances[safe], variances[safe]))
    if not free.bounded and safe.all() and np.linalg.eigvalsh(scaled)[0] > -1e-8:
        return []
    return [Notice(code="between_cov", variant="bound" if free.bounded else "indefinite", values={"group": here.group})]


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
