"""Ordered variables: their rows in the parameter table, their moments in every group, and what follows from the estimates.

Delta parameterization: the scale of a response variable is 1 (free in later groups when thresholds are equal), and its residual
variance follows. Theta: the residual variance is 1 (free there), and the scale follows. Exogenous variables are conditioned on.

Sources: Muthén, B. (1984). Psychometrika, 49, 115-132; Muthén & Asparouhov (2002). Mplus Web Note 4; Millsap & Yun-Tein (2004).
Multivariate Behavioral Research, 39, 479-515.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cipa.data.checks import refuse_constant, refuse_empty, refuse_never_together
from cipa.data.dataset import Dataset, as_dataset
from cipa.errors import DataError, SpecificationError, did_you_mean
from cipa.models.sem.cases.columns import group_codes, require_columns
from cipa.models.sem.cases.conditions import code_notices, placed_rows
from cipa.models.sem.cases.read import cluster_codes, sampling_weights
from cipa.models.sem.cases.sample import GroupSample, Sample
from cipa.models.sem.declare.declaration import Declaration
from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.declare.parameters import Roles
from cipa.models.sem.weighted.derived import residuals_of
from cipa.models.sem.weighted.objective import without_covariates
from cipa.models.sem.weighted.target import Target, response_target
from cipa.numerics.algebra.linalg import Array, BoolArray, IntArray
from cipa.numerics.moments import ram
from cipa.numerics.moments.normal import Saturated, complete_pattern, evaluate, loglik
from cipa.numerics.responses.stages import Moments, moments_of
from cipa.results.fit import Notice

_CATEGORIES = 30
_FEW, _MANY_RARE = 5, 3  # cases of a rare category, and how many such categories of a variable shorten errors by a tenth and more


@dataclass(frozen=True, slots=True, kw_only=True)
class Responses:
    """The cases of a model with ordered variables.

    `values` (n, p) in the order of `names`, ordered variables as codes 0..K-1, NaN where missing; `group` (n,) codes; `rows` (n,)
    positions in the data; `categories`, name -> number of categories of each ordered variable; `clusters` (n,) codes and
    `weights` (n,), of mean 1, where the declaration names such columns.
    """

    data: Dataset
    names: tuple[str, ...]
    values: Array
    group: IntArray
    rows: IntArray
    categories: Mapping[str, int]
    clusters: IntArray | None
    weights: Array | None


def read_responses(
    declaration: Declaration, data: Any, *, roles: Sequence[Roles], held: Sequence[Sequence[str]], labels: Sequence[str]
) -> Responses:
    """Read and code the cases.

    Raises
    ------
    SpecificationError
        An ordered variable that the model does not have, or has as a covariate.
    DataError
        An ordered variable with one category or too many, or with a category that a group lacks.
    """
    names = tuple(dict.fromkeys(name for here in roles for name in here.observed))
    ordered = declaration.ordered_names
    for name in ordered:
        if name not in names:
            raise SpecificationError(
                f"ci.SEM: ordered={name!r} is not a variable of the declaration, so that it would change "
                f"nothing.{did_you_mean(name, names)} Name a variable of the model, or drop it."
            )
        if any(name in here for here in held):
            raise SpecificationError(
                f"ci.SEM: '{name}' is declared ordered, but it only predicts, and exogenous variables are conditioned on as they "
                f"stand. Take it out of ordered= and code its categories as 0/1 columns; or write '{name} ~~ {name}', which "
                "makes it a variable of the model, with thresholds, whose normal response predicts."
            )
    require_columns(declaration.parsed, names, data)
    design = (declaration.group, declaration.cluster, declaration.sampling_weight)
    dataset = as_dataset(data, columns=list(dict.fromkeys([*names, *(column for column in design if column)])))
    values = dataset.numeric(names, ordered=ordered)
    group = group_codes(dataset, declaration.group, labels)
    covariates = [names.index(name) for name in dict.fromkeys(name for here in held for name in here)]
    kept = placed_rows(dataset, _design(declaration))[0] & (group >= 0)
    needed = covariates if declaration.missing == "pairwise" else list(range(len(names)))
    kept &= ~np.isnan(values[:, needed]).any(axis=1)
    values, group = values[kept].copy(), group[kept]
    if len(values) < 3:
        raise DataError(
            f"{dataset.name}: {len(values)} cases answered all of the model's variables. Thresholds and correlations rest on "
            "many more: use more cases, or drop the emptiest variable."
        )
    categories = {name: _code(dataset, name, values[:, names.index(name)], group, labels) for name in names if name in ordered}
    clusters, weights = cluster_codes(dataset, declaration.cluster), sampling_weights(dataset, declaration.sampling_weight)
    if clusters is not None:
        clusters = np.unique(clusters[kept], return_inverse=True)[1].reshape(-1)
        _refuse_across(clusters, group, labels, dataset, declaration.cluster)
    return Responses(
        data=dataset, names=names, values=values, group=group, rows=np.flatnonzero(kept), categories=categories,
        clusters=clusters,
        weights=None if weights is None else weights[kept] * (int(kept.sum()) / weights[kept].sum()),
    )  # fmt: skip


def _design(declaration: Declaration) -> dict[str, str | None]:
    """What a case needs beside its answers."""
    return {"group": declaration.group, "cluster": declaration.cluster, "sampling weight": declaration.sampling_weight}


def _refuse_across(clusters: IntArray, group: IntArray, labels: Sequence[str], data: Dataset, name: str | None) -> None:
    """Refuse a cluster with cases in two groups, whose moments would covary, and a group of one cluster."""
    pairs = np.unique(np.column_stack([clusters, group]), axis=0)
    shared = int((np.bincount(pairs[:, 0]) > 1).sum())
    if shared:
        raise DataError(
            f"{data.name}: {shared} of {int(clusters.max()) + 1} clusters of '{name}' have cases in several groups. Least "
            "squares of ordered variables takes the groups as independent, so that standard errors would be wrong. Use clusters "
            "that lie within groups, or a covariate in the place of the groups."
        )
    alone = np.flatnonzero(np.bincount(pairs[:, 1], minlength=len(labels)) < 2)
    if alone.size:
        where = f" in group {labels[alone[0]]}" if len(labels) > 1 else ""
        raise DataError(
            f"{data.name}: all cases{where} that can be used are of one cluster of '{name}'. Errors come from what differs "
            "between clusters, and one shows nothing. Choose another column, or leave cluster= out."
        )


def _code(data: Dataset, name: str, column: Array, group: IntArray, labels: Sequence[str]) -> int:
    """Turn a column into codes, in place; its number of categories."""
    seen = ~np.isnan(column)
    found = np.unique(column[seen])
    _refuse_categories(data, name, found)
    column[seen] = np.searchsorted(found, column[seen])
    for position, label in enumerate(labels):
        here = column[seen & (group == position)]
        if len(np.unique(here)) < len(found):
            empty = next(value for code, value in enumerate(found) if not (here == code).any())
            raise DataError(
                f"{data.name}: nobody in group {label} answered {empty:g} to '{name}', so its thresholds there cannot be "
                "estimated. Merge that category with its neighbour in all groups, or leave the item out."
            )
    return len(found)


def _refuse_categories(data: Dataset, name: str, values: Array) -> None:
    """Refuse one category, and the dozens that a count or a measured number has."""
    if len(values) < 2:
        raise DataError(
            f"{data.name}: the ordered variable '{name}' has one category among the cases that can be used,"
            f" {', '.join(f'{v:g}' for v in values)}. What does not vary has no threshold and tells nothing of the others."
            " Leave it out, or look at which cases were dropped."
        )
    if len(values) <= _CATEGORIES:
        return
    whole = bool((values == np.round(values)).all())
    kind = "whole numbers, as a count or a sum of items has them" if whole else "numbers with decimals, as a measurement has them"
    cure = (
        f"Take '{name}' out of ordered= and use estimator=\"mlr\", with log({name} + 1) in its place where most values are "
        "small; or gather"
        if whole and values[0] >= 0
        else f"Take '{name}' out of ordered= and use estimator=\"mlr\"; or gather"
    )
    raise DataError(
        f"{data.name}: the ordered variable '{name}' has {len(values)} categories from {values[0]:g} to {values[-1]:g}: {kind}. "
        f"Each category costs a threshold, and with more than {_CATEGORIES} most rest on a handful of cases, so that standard "
        f"errors come out too small. {cure} the values into some five to seven classes."
    )


def _rare(values: Array, names: Sequence[str], sizes: Sequence[int], y: IntArray, *, group: str | None) -> Iterator[Notice]:
    """A notice of variables many of whose categories hold next to nobody."""
    rare = {}
    for j, size in zip(y, sizes, strict=True):
        column = values[:, j]
        counts = np.bincount(column[~np.isnan(column)].astype(np.intp), minlength=size) if size else np.empty(0)
        if (counts < _FEW).sum() >= _MANY_RARE:
            rare[names[j]] = int((counts < _FEW).sum()), size
    if rare:
        worst = max(rare, key=lambda name: rare[name][0] / rare[name][1])
        count, size = rare[worst]
        yield Notice(
            code="rare_categories",
            values={
                "rare": count, "categories": size, "name": worst, "few": _FEW, "group": group, "others": len(rare) - 1,
            },
        )  # fmt: skip


def response_sample(
    declaration: Declaration, found: Responses, layout: Layout, labels: Sequence[str], kind: str
) -> tuple[Sample, tuple[Target, ...]]:
    """Every group's moments, as a sample and as targets."""
    groups, targets, notices = [], [], list(_counted(declaration, found))
    for g, block in enumerate(layout.blocks):
        here = found.group == g
        columns = [found.names.index(name) for name in block.observed]
        values = found.values[np.ix_(here, columns)]
        x = block.exogenous
        y = np.setdiff1d(np.arange(len(columns)), x)
        sizes = [found.categories.get(block.observed[j], 0) for j in y]
        _refuse_degenerate(values, block.observed, sizes, y)
        group = labels[g] if len(labels) > 1 else None
        notices += _rare(values, block.observed, sizes, y, group=group)
        clusters, weights = _cases(found, here)
        moments = moments_of(values[:, y], sizes, values[:, x] if len(x) else None, weights=weights, clusters=clusters)
        _refuse_certain(moments, [block.observed[j] for j in y], place=f" in group {labels[g]}" if len(labels) > 1 else "")
        cov, mean = _marginal(moments, values[:, x], y, x, weights)
        if not moments.converged or np.linalg.eigvalsh(cov)[0] <= 0:
            notices.append(Notice(code="polychoric", values={"group": group}, severity="warning"))
        if moments.mended:
            notices.append(Notice(code="empty_cell", values={"tables": moments.mended}))
        sample = _group(labels[g], block.observed, cov, mean, values, found.rows[here])
        groups.append(replace(sample, weights=weights, clusters=None if found.clusters is None else found.clusters[here]))
        _refuse_few_clusters(kind, clusters, moments)
        targets.append(response_target(kind, moments, y, x, int(here.sum())))
    return Sample(groups=tuple(groups), data=found.data, notices=tuple(notices), missing=declaration.missing), tuple(targets)


def _cases(found: Responses, here: BoolArray) -> tuple[IntArray | None, Array | None]:
    """Clusters (n,), coded from 0, and weights (n,), of mean 1, of a group's cases."""
    clusters = None if found.clusters is None else np.unique(found.clusters[here], return_inverse=True)[1].reshape(-1)
    return clusters, None if found.weights is None else found.weights[here] / found.weights[here].mean()


def _refuse_few_clusters(kind: str, clusters: IntArray | None, moments: Moments) -> None:
    """Refuse full weights from fewer clusters than moments: their covariance has no inverse."""
    if kind == "wls" and clusters is not None and int(clusters.max()) <= len(moments.gamma):
        raise DataError(
            f'estimator="wls" weights by the inverse of the covariance of {len(moments.gamma)} moments, and '
            f'{int(clusters.max()) + 1} clusters cannot show it: it is singular. Use estimator="wlsmv", which needs its diagonal '
            "alone."
        )


def _counted(declaration: Declaration, found: Responses) -> Iterator[Notice]:
    """What was dropped, and what is incomplete."""
    placed, unplaced = placed_rows(found.data, _design(declaration))
    yield from unplaced
    if "residuals" in declaration.group_equal and declaration.parameterization == "delta" and found.categories:
        yield Notice(code="residuals_of_delta", values={"names": tuple(found.categories)}, severity="warning")
    yield from code_notices(found.data.numeric(found.names, ordered=declaration.ordered_names), found.names)
    lost = int(placed.sum()) - len(found.rows)
    if lost:
        values = {"lost": lost, "total": int(placed.sum())}
        yield Notice(code="rows_dropped", variant="covariate" if declaration.missing == "pairwise" else "variable", values=values)
    holes = np.isnan(found.values)
    if holes.any():
        seen = (~holes).astype(float)
        least = (seen.T @ seen / len(seen)).min()
        yield Notice(code="pairwise", values={"incomplete": int(holes.any(axis=1).sum()), "total": len(holes), "least": least})


def _refuse_degenerate(values: Array, names: Sequence[str], sizes: Sequence[int], y: IntArray) -> None:
    holes = np.isnan(values)
    refuse_empty(holes, names, place="")
    refuse_never_together(holes, names, what="least squares of correlations", place="", advice="Gather cases that have both")
    _refuse_few(values, names)
    continuous = [j for j, size in zip(y, sizes, strict=True) if not size]
    columns = values[:, continuous]
    refuse_constant(columns, np.nanmean(columns, axis=0), np.nanvar(columns, axis=0), [names[j] for j in continuous], place="")


def _refuse_few(values: Array, names: Sequence[str]) -> None:
    """Refuse no more cases than variables."""
    n, p = values.shape
    if n <= p:
        raise DataError(
            f"{n} cases for {p} observed variables ({names[0]}, …): so few answers fix neither thresholds nor correlations, and "
            f"what came out would describe these cases alone. Use many more cases than {p}, fewer variables, or merge groups."
        )


def _refuse_certain(moments: Moments, names: Sequence[str], *, place: str) -> None:
    """Refuse two variables whose correlation has no sampling variance, so that no weight can be given to it."""
    pairs = len(moments.rows)
    variance = moments.gamma.diagonal()[-pairs:]
    for k in map(int, np.flatnonzero(~(variance > 0))):
        raise DataError(
            f"'{names[moments.cols[k]]}' and '{names[moments.rows[k]]}' go together without exception{place}: their correlation "
            "has no sampling error, and nothing can be weighted by it. Merge their rare categories, leave one of them out, or "
            "use more cases."
        )


def _marginal(
    moments: Moments, x: Array, y: IntArray, positions: IntArray, weights: Array | None
) -> tuple[Array, Array]:  # fmt: skip
    """Covariance (p, p) and mean (p,) of all observed variables, covariates included."""
    size = len(y) + len(positions)
    cov, mean = np.zeros((size, size)), np.zeros(size)
    spread = np.zeros((len(positions), len(positions)))
    if len(positions):
        mean[positions] = np.average(x, axis=0, weights=weights)
        root = 1.0 if weights is None else np.sqrt(weights)[:, None]
        centred = (x - mean[positions]) * root
        spread = centred.T @ centred / (len(x) - 1)
    ordered = np.zeros(len(y), dtype=np.bool_)
    ordered[moments.owner] = True
    mean[y[~ordered]] = moments.means
    mean[y] += moments.slopes @ mean[positions]
    cov[np.ix_(y, y)] = moments.cov + moments.slopes @ spread @ moments.slopes.T
    cov[np.ix_(y, positions)] = moments.slopes @ spread
    cov[np.ix_(positions, y)] = cov[np.ix_(y, positions)].T
    cov[np.ix_(positions, positions)] = spread
    return cov, mean


def _group(label: str, names: Sequence[str], cov: Array, mean: Array, values: Array, rows: IntArray) -> GroupSample:
    patterns = complete_pattern(cov, mean, len(values))
    found = evaluate(patterns, cov, mean)
    value = loglik(patterns, found.value) if found is not None else float("nan")
    return GroupSample(
        label=label, variables=tuple(names), patterns=patterns, values=values, rows=rows,
        saturated=Saturated(cov=cov, mean=mean, loglik=value, iterations=0, converged=True),
    )  # fmt: skip


def with_derived(
    layout: Layout, bases: Sequence[ram.Matrices], targets: Sequence[Target], theta: Array
) -> tuple[Layout, tuple[ram.Matrices, ...]]:
    """The residual variances (delta) or scales (theta) that follow from the estimates, put in their rows."""
    blocks, found = [], []
    values: dict[tuple[int, str, str], float] = {}
    for g, (block, base, target) in enumerate(zip(layout.blocks, bases, targets, strict=True)):
        own = block.ordinal
        given = ram.implied(ram.place(block.places, theta[block.free], without_covariates(base, target)))
        assert own is not None
        assert given is not None
        variances = given.cov.diagonal()
        i = np.flatnonzero(own.ordered)
        S = base.S.copy()
        if not own.theta:
            S[i, i] += residuals_of(given, own, theta)
            values |= {(g, "~~", block.observed[k]): float(S[k, k]) for k in i}
        else:
            values |= {(g, "~*~", block.observed[k]): float(variances[k] ** -0.5) for k in i}
        found.append(replace(base, S=S))
        blocks.append(replace(block, base=replace(block.base, S=np.where(np.eye(len(S)) > 0, S, block.base.S))))
    rows = tuple(
        replace(row, value=values.get((row.block, row.op, row.lhs), row.value)) if row.lhs == row.rhs and not row.free else row
        for row in layout.rows
    )
    return replace(layout, rows=rows, blocks=tuple(blocks)), tuple(found)
