"""From data to what the likelihood needs: groups, complete cases or missing patterns, and what was dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cipa.data.checks import never_together, refuse_constant, refuse_empty, refuse_never_together
from cipa.data.dataset import Dataset, as_dataset
from cipa.data.moments import SampleMoments
from cipa.data.panel import category_codes
from cipa.errors import DataError, SpecificationError, did_you_mean, one_of
from cipa.models.sem.cases.conditions import (
    code_notices,
    collinear,
    collinear_message,
    condition_notices,
    placed_rows,
    refuse_few,
)
from cipa.numerics.algebra.linalg import Array, IntArray
from cipa.numerics.moments.normal import (
    Patterns,
    Saturated,
    available_moments,
    complete_pattern,
    evaluate,
    pairwise_covariance,
    pairwise_moments,
    patterns_of,
    saturated,
    saturated_information,
    saturated_scores,
)
from cipa.results.fit import Notice
from cipa.study.syntax import Syntax

if TYPE_CHECKING:
    from cipa.models.sem.twolevel.sample import Levels

MISSING = ("listwise", "fiml", "fiml_x", "two_stage", "robust_two_stage", "pairwise")
_MANY = 10  # so many groups of fewer than three cases are no groups
UNRESTRICTED_FIRST = ("two_stage", "robust_two_stage")
TWO_STAGE = (*UNRESTRICTED_FIRST, "pairwise")
"""Ways of missing values in which moments come first, with a covariance of their own, and the model is fitted to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSample:
    """One group: its label, variables, patterns, saturated moments, and the rows of the data it uses.

    `values` (n, p) is None for covariance input; `rows` (n,) are positions in the data. With two stages `patterns` hold the moments
    of the first as if they were complete, and `gamma` n times their covariance (row-wise vech, then means).
    """

    label: str
    variables: tuple[str, ...]
    patterns: Patterns
    saturated: Saturated
    values: Array | None
    rows: IntArray
    weights: Array | None = None
    clusters: IntArray | None = None
    gamma: Array | None = None

    @property
    def nobs(self) -> int:
        """Cases that enter the likelihood."""
        return self.patterns.nobs if self.values is None else len(self.rows)

    @property
    def total(self) -> float:
        """What they count together: their number, or the sum of their sampling weights."""
        return self.patterns.total


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """All groups, the data they come from, and notices about what was dropped; of a two-level model its one group, and the levels."""

    groups: tuple[GroupSample, ...]
    data: Any
    notices: tuple[Notice, ...]
    missing: str
    levels: Levels | None = None

    @property
    def nobs(self) -> int:
        """Cases of all groups."""
        return sum(group.nobs for group in self.groups)

    @property
    def weights(self) -> Array | None:
        """Sampling weights (n,) of the cases used, with mean 1."""
        found = [group.weights for group in self.groups if group.weights is not None]
        return np.concatenate(found) if found else None

    @property
    def clusters(self) -> IntArray | None:
        """Codes (n,) of the clusters of the cases used."""
        found = [group.clusters for group in self.groups if group.clusters is not None]
        return np.unique(np.concatenate(found), return_inverse=True)[1].reshape(-1) if found else None

    @property
    def strata(self) -> IntArray:
        """Codes (n,) of the groups of the cases used."""
        return np.repeat(np.arange(len(self.groups)), [len(group.rows) for group in self.groups])


def group_labels(data: Any, *, group: str | None) -> tuple[str, ...]:
    """Labels of the groups, in order of appearance; ("",) for a single group."""
    if isinstance(data, (list, tuple)) and data and isinstance(data[0], SampleMoments):
        return tuple(str(one.group or position + 1) for position, one in enumerate(data))
    if group is None or isinstance(data, SampleMoments):
        return ("",)
    column = as_dataset(data, columns=[group]).words(group)
    labels = list(dict.fromkeys(_label(value) for value in column if value is not None and value == value))
    if len(labels) < 2:
        raise DataError(
            f"The group column '{group}' has {len(labels)} value. A multi-group model needs at least 2: drop group=, or check the column."
        )
    if len(labels) > _MANY and 3 * len(labels) > len(column):
        raise DataError(
            f"The group column '{group}' has {len(labels)} values ({', '.join(labels[:3])}, …) for {len(column)} cases, and every group gets a"
            " model of its own. Is it an identifier, or a measure? Choose a column of a few groups, or use it as cluster=."
        )
    return tuple(labels)


def _label(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


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
        return _from_moments(given, syntax, observed=observed, labels=labels, likelihood=likelihood, missing=missing)
    names = list(dict.fromkeys(name for block in observed for name in block))
    require_columns(syntax, names, data)
    extra = dict.fromkeys(column for column in (group, cluster, weight) if column and column not in names)
    dataset = as_dataset(data, columns=[*names, *extra])
    clusters, weights = _clusters(dataset, cluster), _weights(dataset, weight)
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


def group_codes(data: Dataset, group: str | None, labels: Sequence[str]) -> IntArray:
    """Position (n,) in `labels` of each case's group; -1 without one."""
    if group is None:
        return np.zeros(data.nobs, dtype=np.intp)
    lookup = {label: position for position, label in enumerate(labels)}
    return np.array([lookup.get(_label(value), -1) if value is not None else -1 for value in data.words(group)], dtype=np.intp)


def _refuse_design(cluster: str | None, weight: str | None) -> None:
    if cluster or weight:
        raise SpecificationError(
            f"{'cluster' if cluster else 'sampling_weight'}= needs the cases; a covariance matrix has none. Give the data instead."
        )


def _clusters(data: Dataset, name: str | None) -> IntArray | None:
    """Codes (n,) of the clusters, -1 for a case without one."""
    if name is None:
        return None
    codes, labels = category_codes(data, name)
    if len(labels) < 2:
        raise DataError(
            f"{data.name}: the cluster column '{name}' has {len(labels)} value. Clustered errors compare clusters: choose another column, or"
            " leave cluster= out."
        )
    return codes


def _weights(data: Dataset, name: str | None) -> Array | None:
    """Sampling weights (n,), positive; NaN for a case without one."""
    if name is None:
        return None
    values = data.numeric([name])[:, 0]
    wrong = np.flatnonzero(values <= 0)
    if wrong.size:
        raise DataError(
            f"{data.name}: the sampling weight '{name}' is {values[wrong[0]]:g} in row {wrong[0] + 1} ({wrong.size} rows are not positive)."
            " A weight says how many firms a case stands for: drop those rows, or mend the column."
        )
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


def require_columns(syntax: Syntax, names: Sequence[str], data: Any, *, source: str = "") -> None:
    """Refuse a variable of the syntax that is neither latent nor a column, with its place."""
    present = [str(name) for name in getattr(data, "columns", data if source else ())]
    if not present:
        return
    source = source or getattr(data, "name", "the data")
    known = set(present)
    for row in syntax.formulas:
        for name in (row.lhs, row.rhs):
            if name in names and name not in known:
                latent = {other.lhs for other in syntax.formulas if other.op in ("=~", "<~")}
                raise syntax.refuse(
                    row,
                    f"'{name}' is neither a construct of the model nor a column of {source}.{did_you_mean(name, [*latent, *present])}",
                )


def _group_sample(
    values: Array, rows: IntArray, variables: Sequence[str], exogenous: Sequence[str],
    *, label: str, missing: str, likelihood: str, notices: list[Notice], weights: Array | None = None, clusters: IntArray | None = None,
) -> GroupSample:  # fmt: skip
    place = f" in group {label}" if label else ""
    if np.isnan(values.sum()):
        holes = np.isnan(values)
        refuse_empty(holes, variables, place=place)
        keep = _kept_rows(holes, variables, exogenous, missing=missing)
        refuse_empty(holes[keep], variables, place=f"{place} among the cases that can be used")
        if missing in TWO_STAGE:
            refuse_never_together(
                holes[keep], variables, what="the first of two stages", place=place, advice='Use missing="fiml"'
            )
        notices.extend(_missing_notices(holes, keep, variables, missing=missing, place=place))
        values, rows = values[keep], rows[keep]
    if not len(values):
        raise DataError(
            f'No case{place} has a value for every variable of the model. Use missing="fiml", or drop the emptiest variable.'
        )
    own_weights = None if weights is None else weights[rows]
    patterns = patterns_of(values, own_weights)
    mean, variance = available_moments(patterns)
    refuse_few(values, variables, place=place)
    refuse_constant(values, mean, variance, variables, place=place)
    if likelihood == "wishart" and patterns.complete:
        factor = len(values) / (len(values) - 1)
        patterns = replace(patterns, covs=patterns.covs * factor)
    patterns, unrestricted, gamma = _first_moments(values, patterns, variables, missing=missing, place=place, notices=notices)
    notices.extend(condition_notices(unrestricted.cov, variables, place=place))
    return GroupSample(
        label=label, variables=tuple(variables), patterns=patterns, saturated=unrestricted, values=values, rows=rows,
        weights=own_weights, clusters=None if clusters is None else clusters[rows], gamma=gamma,
    )  # fmt: skip


def _first_moments(
    values: Array, patterns: Patterns, variables: Sequence[str], *, missing: str, place: str, notices: list[Notice]
) -> tuple[Patterns, Saturated, Array | None]:
    """What the model is fitted to, the unrestricted moments, and where moments come first n times their covariance."""
    fitted, unrestricted = first_moments(values, patterns, missing=missing)
    if unrestricted is None or collinear(unrestricted.cov) is not None:
        if missing == "pairwise" and np.isnan(values).any():
            raise DataError(
                f"The matrix of pairwise covariances is not positive definite{place}: each covariance rests on other cases, and together"
                ' they are those of no data. Use missing="fiml", which needs less: values missing at random.'
            )
        raise DataError(collinear_message(unrestricted, values, variables, place=place))
    if not unrestricted.converged:
        text = (
            f"The saturated moments did not converge in {unrestricted.iterations} EM steps{place}: some pair of variables is hardly"
            " observed together."
        )
        notices.append(Notice(code="em", text=text, severity="warning"))
    gamma = None
    if missing == "pairwise":
        gamma = pairwise_covariance(values, unrestricted.cov, unrestricted.mean)
    elif missing in UNRESTRICTED_FIRST:
        gamma = _first_stage_covariance(values, patterns, unrestricted, robust=missing == "robust_two_stage")
    return fitted, unrestricted, gamma


def first_moments(values: Array, patterns: Patterns, *, missing: str) -> tuple[Patterns, Saturated | None]:
    """The patterns that the model is fitted to, and the unrestricted moments; None when these are not positive definite."""
    if missing == "pairwise":
        patterns = complete_pattern(*pairwise_moments(values), len(values))
    unrestricted = saturated(patterns)
    if missing not in UNRESTRICTED_FIRST or unrestricted is None:
        return patterns, unrestricted
    patterns = complete_pattern(unrestricted.cov, unrestricted.mean, len(values))
    complete = saturated(patterns)
    return patterns, None if complete is None else replace(unrestricted, loglik=complete.loglik)


def _first_stage_covariance(values: Array, patterns: Patterns, unrestricted: Saturated, *, robust: bool) -> Array:
    """N times the covariance of the saturated moments: inverse observed information, or its sandwich (Savalei & Bentler 2009)."""
    found = evaluate(patterns, unrestricted.cov, unrestricted.mean)
    assert found is not None
    inverse = np.linalg.inv(saturated_information(found))
    if not robust:
        return np.asarray(inverse)
    scores = saturated_scores(values, patterns, found, unrestricted.mean)
    return np.asarray(inverse @ (scores.T @ scores / len(values)) @ inverse)


def _kept_rows(holes: Array, variables: Sequence[str], exogenous: Sequence[str], *, missing: str) -> Array:
    if missing == "listwise":
        return np.asarray(~holes.any(axis=1))
    held = [position for position, name in enumerate(variables) if name in exogenous]
    return np.asarray(~holes.all(axis=1) & ~holes[:, held].any(axis=1))


def _missing_notices(holes: Array, keep: Array, variables: Sequence[str], *, missing: str, place: str) -> list[Notice]:
    total, kept = len(holes), int(keep.sum())
    found = []
    if kept < total:
        why = "a missing value" if missing == "listwise" else "no value at all, or a missing exogenous variable"
        advice = ' missing="fiml" would use them.' if missing == "listwise" else ""
        found.append(Notice(code="rows_dropped", text=f"{total - kept} of {total} cases{place} were dropped: {why}.{advice}"))
    if missing != "listwise":
        rate = holes[keep].mean()
        count = len(np.unique(np.packbits(holes[keep], axis=1), axis=0))
        seen = (~holes[keep]).astype(np.float64)
        coverage = float((seen.T @ seen / max(kept, 1)).min())
        text = (
            f"{rate:.1%} of the cells{place} are missing, in {count} patterns; every pair of variables is observed together in at least"
            f" {coverage:.0%} of the cases."
        )
        found.append(Notice(code="missing_patterns", text=text))
        pair = never_together(holes[keep], variables)
        if pair is not None:
            text = (
                f"No two cases{place} have both {pair[0]} and {pair[1]}: their covariance rests on the model alone, and the fit measures count"
                " a moment that the data do not show."
            )
            found.append(Notice(code="never_together", text=text, severity="warning"))
    return found


def _from_moments(
    given: Sequence[SampleMoments],
    syntax: Syntax,
    *,
    observed: Sequence[Sequence[str]],
    labels: Sequence[str],
    likelihood: str,
    missing: str,
) -> Sample:
    if missing != "listwise":
        raise SpecificationError(
            f'missing="{missing}" needs the cases; a covariance matrix has none. Give the data, or leave missing="listwise".'
        )
    groups, notices = [], []
    for position, one in enumerate(given):
        variables = list(observed[position])
        if one.dropped:
            place = f" of group {labels[position]}" if labels[position] else ""
            text = f"{one.dropped} of {one.nobs + one.dropped} cases{place} were dropped: a missing value."
            notices.append(Notice(code="rows_dropped", text=text))
        require_columns(syntax, variables, one.names, source="the covariance matrix")
        index = [one.names.index(name) for name in variables]
        cov = one.cov[np.ix_(index, index)] * (1.0 if likelihood == "wishart" else (one.nobs - 1) / one.nobs)
        mean = np.zeros(len(index)) if one.mean is None else one.mean[index]
        patterns = complete_pattern(cov, mean, one.nobs)
        unrestricted = saturated(patterns)
        if unrestricted is None:
            raise DataError("The covariance matrix is not positive definite.")
        notices.extend(condition_notices(cov, variables, place=f" in group {labels[position]}" if labels[position] else ""))
        groups.append(
            GroupSample(
                label=labels[position],
                variables=tuple(variables),
                patterns=patterns,
                saturated=unrestricted,
                values=None,
                rows=np.empty(0, dtype=np.intp),
            )
        )
    data = given[0] if len(given) == 1 else tuple(given)
    return Sample(groups=tuple(groups), data=data, notices=tuple(notices), missing=missing)
