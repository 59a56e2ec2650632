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
from cipa.models.sem.cases.sample import GroupSample, Sample
from cipa.models.sem.declare.declaration import Declaration
from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.declare.parameters import Roles
from cipa.models.sem.weighted.derived import residuals_of
from cipa.models.sem.weighted.objective import Target, response_target, without_covariates
from cipa.numerics.algebra.linalg import Array, IntArray
from cipa.numerics.moments import ram
from cipa.numerics.moments.normal import Saturated, complete_pattern, evaluate, loglik
from cipa.numerics.responses.stages import Moments, moments_of
from cipa.results.fit import Notice

_CATEGORIES = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Responses:
    """The cases of a model with ordered variables.

    `values` (n, p) in the order of `names`, ordered variables as codes 0..K-1, NaN where missing; `group` (n,) codes; `rows` (n,)
    positions in the data; `categories`, name -> number of categories of each ordered variable.
    """

    data: Dataset
    names: tuple[str, ...]
    values: Array
    group: IntArray
    rows: IntArray
    categories: Mapping[str, int]


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
            raise SpecificationError(f"ci.SEM: ordered={name!r} is not a variable of the declaration.{did_you_mean(name, names)}")
        if any(name in here for here in held):
            raise SpecificationError(
                f"ci.SEM: '{name}' is declared ordered, but it only predicts, and exogenous variables are conditioned on as they stand. Take it"
                f" out of ordered= and code its categories as 0/1 columns; or write '{name} ~~ {name}', which makes it a variable of the model,"
                " with thresholds, whose normal response predicts."
            )
    require_columns(declaration.parsed, names, data)
    dataset = as_dataset(
        data, columns=[*names, *([declaration.group] if declaration.group and declaration.group not in names else [])]
    )
    values = dataset.numeric(names, ordered=ordered)
    group = group_codes(dataset, declaration.group, labels)
    covariates = [names.index(name) for name in dict.fromkeys(name for here in held for name in here)]
    kept = group >= 0
    needed = covariates if declaration.missing == "pairwise" else list(range(len(names)))
    kept &= ~np.isnan(values[:, needed]).any(axis=1)
    values, group = values[kept].copy(), group[kept]
    if len(values) < 3:
        raise DataError(f"{dataset.name}: {len(values)} cases answered all of the model's variables. Thresholds need many more.")
    categories = {name: _code(dataset, name, values[:, names.index(name)], group, labels) for name in names if name in ordered}
    return Responses(data=dataset, names=names, values=values, group=group, rows=np.flatnonzero(kept), categories=categories)


def _code(data: Dataset, name: str, column: Array, group: IntArray, labels: Sequence[str]) -> int:
    """Turn a column into codes, in place; its number of categories."""
    seen = ~np.isnan(column)
    found = np.unique(column[seen])
    if not 2 <= len(found) <= _CATEGORIES:
        raise DataError(
            f"{data.name}: the ordered variable '{name}' has {len(found)} categories. A threshold model needs 2 to {_CATEGORIES}: a"
            " variable with one value says nothing, and one with many is better treated as continuous (take it out of ordered=)."
        )
    column[seen] = np.searchsorted(found, column[seen])
    for position, label in enumerate(labels):
        here = column[seen & (group == position)]
        if len(np.unique(here)) < len(found):
            empty = next(value for code, value in enumerate(found) if not (here == code).any())
            raise DataError(
                f"{data.name}: nobody in group {label} answered {empty:g} to '{name}', so its thresholds there cannot be estimated. Merge"
                " that category with its neighbour in all groups, or leave the item out."
            )
    return len(found)


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
        moments = moments_of(values[:, y], sizes, values[:, x] if len(x) else None)
        _refuse_certain(moments, [block.observed[j] for j in y], place=f" in group {labels[g]}" if len(labels) > 1 else "")
        cov, mean = _marginal(moments, values[:, x], y, x)
        if not moments.converged or np.linalg.eigvalsh(cov)[0] <= 0:
            where = f" of group {labels[g]}" if len(labels) > 1 else ""
            text = (
                f"The matrix of polychoric correlations{where} is not positive definite, or a correlation is at its bound: some table of two"
                " items is nearly empty. Estimates and fit measures are uncertain: merge rare categories, or use more cases."
            )
            notices.append(Notice(code="polychoric", text=text, severity="warning"))
        if moments.mended:
            text = (
                f"{moments.mended} fourfold table{'s' if moments.mended > 1 else ''} of two items had an empty cell, which got half a case with"
                " the margins kept: those tetrachoric correlations are rough. Merge or leave out items that nobody combines."
            )
            notices.append(Notice(code="empty_cell", text=text))
        groups.append(_group(labels[g], block.observed, cov, mean, values, found.rows[here]))
        targets.append(response_target(kind, moments, y, x, int(here.sum())))
    return Sample(groups=tuple(groups), data=found.data, notices=tuple(notices), missing=declaration.missing), tuple(targets)


def _counted(declaration: Declaration, found: Responses) -> Iterator[Notice]:
    """What was dropped, and what is incomplete."""
    placed, unplaced = placed_rows(found.data, {"group": declaration.group})
    yield from unplaced
    yield from code_notices(found.data.numeric(found.names, ordered=declaration.ordered_names), found.names)
    lost = int(placed.sum()) - len(found.rows)
    if lost:
        what = "a covariate" if declaration.missing == "pairwise" else "a variable of the model"
        yield Notice(code="rows_dropped", text=f"{lost} of {int(placed.sum())} cases were dropped: {what} is missing.")
    holes = np.isnan(found.values)
    if holes.any():
        seen = (~holes).astype(float)
        least = (seen.T @ seen / len(seen)).min()
        yield Notice(
            code="pairwise",
            text=f"{int(holes.any(axis=1).sum())} of {len(holes)} cases are incomplete; each correlation rests on the cases that have both"
            f" variables (at least {least:.0%} of all). This is unbiased when values are missing completely at random.",
        )


def _refuse_degenerate(values: Array, names: Sequence[str], sizes: Sequence[int], y: IntArray) -> None:
    holes = np.isnan(values)
    refuse_empty(holes, names, place="")
    refuse_never_together(holes, names, what="least squares of correlations", place="", advice="Gather cases that have both")
    continuous = [j for j, size in zip(y, sizes, strict=True) if not size]
    columns = values[:, continuous]
    refuse_constant(columns, np.nanmean(columns, axis=0), np.nanvar(columns, axis=0), [names[j] for j in continuous], place="")


def _refuse_certain(moments: Moments, names: Sequence[str], *, place: str) -> None:
    """Refuse two variables whose correlation has no sampling variance, so that no weight can be given to it."""
    pairs = len(moments.rows)
    variance = moments.gamma.diagonal()[-pairs:]
    for k in map(int, np.flatnonzero(~(variance > 0))):
        raise DataError(
            f"'{names[moments.cols[k]]}' and '{names[moments.rows[k]]}' go together without exception{place}: their correlation has no sampling"
            " error, and nothing can be weighted by it. Merge their rare categories, leave one of them out, or use more cases."
        )


def _marginal(moments: Moments, x: Array, y: IntArray, positions: IntArray) -> tuple[Array, Array]:
    """Covariance (p, p) and mean (p,) of all observed variables, covariates included."""
    size = len(y) + len(positions)
    cov, mean = np.zeros((size, size)), np.zeros(size)
    spread = np.cov(x.T).reshape(len(positions), len(positions)) if len(positions) else np.zeros((0, 0))
    mean[positions] = x.mean(axis=0) if len(positions) else 0.0
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
        replace(row, value=values.get((row.group, row.op, row.lhs), row.value)) if row.lhs == row.rhs and not row.free else row
        for row in layout.rows
    )
    return replace(layout, rows=rows, blocks=tuple(blocks)), tuple(found)
