"""From data to what the likelihood needs: groups, complete cases or missing patterns, and what was dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cipa.data.checks import never_together, refuse_constant, refuse_empty, refuse_never_together, refuse_not_positive
from cipa.data.dataset import Dataset, as_dataset
from cipa.data.moments import SampleMoments
from cipa.data.panel import category_codes
from cipa.errors import DataError, SpecificationError, one_of
from cipa.models.sem.cases.columns import group_codes, group_labels, require_columns
from cipa.models.sem.cases.conditions import code_notices, condition_notices, placed_rows, refuse_few
from cipa.models.sem.cases.first_stage import first_stage
from cipa.models.sem.cases.moments import from_moments, refuse_means_without_means
from cipa.models.sem.cases.sample import GroupSample, Sample
from cipa.models.sem.declare.compile import held_of, lay_out, wants_means
from cipa.models.sem.declare.declaration import Declaration
from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.declare.options import MISSING, TWO_STAGE
from cipa.numerics.algebra.linalg import Array, IntArray
from cipa.numerics.moments.normal import available_moments, patterns_of, saturated
from cipa.results.fit import Notice
from cipa.study.syntax import Syntax


def layout_for(declaration: Declaration, data: Any) -> tuple[Layout, tuple[str, ...]]:
    """The layout of a model of continuous variables for the groups that the data have, and their labels."""
    labels = group_labels(data, group=declaration.group)
    return lay_out(declaration, labels, means=wants_means(declaration, ngroups=len(labels), data=data)), labels


def sample_for(declaration: Declaration, layout: Layout, labels: Sequence[str], data: Any) -> Sample:
    """The sample of such a model."""
    sample = prepare(
        data, declaration.parsed, observed=[block.observed for block in layout.blocks],
        exogenous=[held_of(declaration, roles.exogenous) for roles in layout.roles], labels=labels, group=declaration.group,
        missing=declaration.missing, likelihood=declaration.likelihood, cluster=declaration.cluster,
        weight=declaration.sampling_weight,
    )  # fmt: skip
    refuse_means_without_means(layout, sample)
    return sample


def prepare(
    data: Any, syntax: Syntax, *, observed: Sequence[Sequence[str]], exogenous: Sequence[Sequence[str]], labels: Sequence[str],
    group: str | None, missing: str, likelihood: str, cluster: str | None = None, weight: str | None = None,
) -> Sample:  # fmt: skip
    """The sample of every group.

    Raises
    ------
    SpecificationError
        A variable of the syntax that is neither latent nor a column, with its place.
    DataError
        A text, constant, all-missing or infinite column; no complete case; collinear columns.
    """
    one_of(missing, MISSING, what="missing", where="ci.SEM")
    if isinstance(data, SampleMoments) or (isinstance(data, (list, tuple)) and data and isinstance(data[0], SampleMoments)):
        given = [data] if isinstance(data, SampleMoments) else list(data)
        _refuse_design(cluster, weight)
        return from_moments(given, syntax, observed=observed, labels=labels, likelihood=likelihood, missing=missing)
    names = list(dict.fromkeys(name for block in observed for name in block))
    require_columns(syntax, names, data)
    extra = dict.fromkeys(column for column in (group, cluster, weight) if column and column not in names)
    dataset = as_dataset(data, columns=[*names, *extra])
    clusters, weights = cluster_codes(dataset, cluster), sampling_weights(dataset, weight)
    values = dataset.numeric(names)
    codes = group_codes(dataset, group, labels)
    placed, notices = placed_rows(dataset, {"group": group, "cluster": cluster, "sampling weight": weight})
    notices += code_notices(values, names)
    groups = []
    for position, label in enumerate(labels):
        rows = np.flatnonzero(placed & (codes == position))
        columns = np.array([names.index(name) for name in observed[position]], dtype=np.intp)
        block = (
            values
            if np.array_equal(columns, np.arange(len(names))) and len(rows) == len(values)
            else values[np.ix_(rows, columns)]
        )
        groups.append(
            _group_sample(
                block,
                rows,
                observed[position],
                exogenous[position],
                label=label,
                missing=missing,
                likelihood=likelihood,
                notices=notices,
                weights=weights,
                clusters=clusters,
            )
        )
    if weights is not None:
        groups = _normalised(groups)
    return Sample(groups=tuple(groups), data=dataset, notices=tuple(notices), missing=missing)


def _refuse_design(cluster: str | None, weight: str | None) -> None:
    if cluster or weight:
        raise SpecificationError(
            f"{'cluster' if cluster else 'sampling_weight'}= needs the cases; a covariance matrix has none. Give the data "
            "instead."
        )


def cluster_codes(data: Dataset, name: str | None) -> IntArray | None:
    """Codes (n,) of the clusters, -1 for a case without one."""
    if name is None:
        return None
    codes, labels = category_codes(data, name)
    if len(labels) < 2:
        raise DataError(
            f"{data.name}: the cluster column '{name}' has {len(labels)} value. Clustered errors compare clusters: choose "
            "another column, or leave cluster= out."
        )
    return codes


def sampling_weights(data: Dataset, name: str | None) -> Array | None:
    """Sampling weights (n,), positive; NaN for a case without one."""
    if name is None:
        return None
    values = data.numeric([name])[:, 0]
    why = "A weight says how many firms a case stands for: drop those rows, or mend the column."
    refuse_not_positive(values, what=f"sampling weight '{name}'", why=why, name=data.name)
    return values


def _normalised(groups: Sequence[GroupSample]) -> list[GroupSample]:
    """Weights that sum to the number of cases, over all groups (lavaan's "total")."""
    total = sum(len(group.rows) for group in groups)
    factor = total / sum(float(group.weights.sum()) for group in groups if group.weights is not None)
    found = []
    for group in groups:
        assert group.values is not None
        assert group.weights is not None
        weights = group.weights * factor
        patterns = patterns_of(group.values, weights)
        unrestricted = saturated(patterns)
        assert unrestricted is not None  # it was with other units of the weights
        found.append(replace(group, weights=weights, patterns=patterns, saturated=unrestricted))
    return found


def _group_sample(
    values: Array, rows: IntArray, variables: Sequence[str], exogenous: Sequence[str],
    *, label: str, missing: str, likelihood: str, notices: list[Notice], weights: Array | None = None,
    clusters: IntArray | None = None,
) -> GroupSample:  # fmt: skip
    place = f" in group {label}" if label else ""
    if not len(values):
        raise DataError("The data have no row, so there is nothing to fit. Check the filter or the join that they come from.")
    if np.isnan(values.sum()):
        holes = np.isnan(values)
        refuse_empty(holes, variables, place=place)
        keep = _kept_rows(holes, variables, exogenous, missing=missing)
        refuse_empty(holes[keep], variables, place=f"{place} among the cases that can be used")
        if missing in TWO_STAGE:
            refuse_never_together(
                holes[keep], variables, what="the first of two stages", place=place, advice='Use missing="fiml"'
            )
        notices.extend(_missing_notices(holes, keep, variables, missing=missing, group=label))
        values, rows = values[keep], rows[keep]
    if not len(values):
        raise DataError(
            f'No case{place} has a value for every variable of the model, so that nothing can be fitted. Use missing="fiml", or '
            "drop the emptiest variable."
        )
    own_weights = None if weights is None else weights[rows]
    patterns = patterns_of(values, own_weights)
    mean, variance = available_moments(patterns)
    refuse_few(values, variables, place=place)
    refuse_constant(values, mean, variance, variables, place=place)
    if likelihood == "wishart" and patterns.complete:
        factor = len(values) / (len(values) - 1)
        patterns = replace(patterns, covs=patterns.covs * factor)
    patterns, unrestricted, gamma = first_stage(values, patterns, variables, missing=missing, group=label, notices=notices)
    notices.extend(condition_notices(unrestricted.cov, variables, group=label))
    return GroupSample(
        label=label, variables=tuple(variables), patterns=patterns, saturated=unrestricted, values=values, rows=rows,
        weights=own_weights, clusters=None if clusters is None else clusters[rows], gamma=gamma,
    )  # fmt: skip


def _kept_rows(holes: Array, variables: Sequence[str], exogenous: Sequence[str], *, missing: str) -> Array:
    if missing == "listwise":
        return np.asarray(~holes.any(axis=1))
    held = [position for position, name in enumerate(variables) if name in exogenous]
    return np.asarray(~holes.all(axis=1) & ~holes[:, held].any(axis=1))


def _missing_notices(holes: Array, keep: Array, variables: Sequence[str], *, missing: str, group: str) -> list[Notice]:
    total, kept = len(holes), int(keep.sum())
    found = []
    if kept < total:
        lost = {"lost": total - kept, "total": total, "group": group}
        found.append(Notice(code="rows_dropped", variant="listwise" if missing == "listwise" else "no_value", values=lost))
    if missing != "listwise":
        count = len(np.unique(np.packbits(holes[keep], axis=1), axis=0))
        seen = (~holes[keep]).astype(np.float64)
        coverage = float((seen.T @ seen / max(kept, 1)).min())
        values = {"share": holes[keep].mean(), "patterns": count, "coverage": coverage, "group": group}
        found.append(Notice(code="missing_patterns", values=values))
        pair = never_together(holes[keep], variables)
        if pair is not None:
            values = {"first": pair[0], "second": pair[1], "group": group}
            found.append(Notice(code="never_together", values=values, severity="warning"))
    return found
