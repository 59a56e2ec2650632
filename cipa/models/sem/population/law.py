"""The population of a structural equation model: a value for every parameter, and the moments that follow."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from cipa.data.dataset import Dataset, Step
from cipa.data.dataset import Roles as DataRoles
from cipa.data.moments import SampleMoments
from cipa.errors import InferenceError, SpecificationError, did_you_mean
from cipa.frozen import FrozenDict
from cipa.language.en import EN
from cipa.models.sem.declare.declaration import Declaration
from cipa.models.sem.declare.layout import Block, Layout, place_of
from cipa.models.sem.declare.parameters import Parameter
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.population.draws import categories, responses
from cipa.models.sem.population.values import (
    as_term,
    exogenous_base,
    given_values,
    refuse_broken,
    settled,
    spread,
    unit_variances,
)
from cipa.numerics.algebra.linalg import Array, frozen
from cipa.numerics.moments import ram
from cipa.study.expressions import evaluate
from cipa.terms import Term


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLaw:
    """Moments of the observed (response) variables of a group: cov (p, p), mean (p,), and thresholds by variable.

    `matrices` are A, S and M with all values in.
    """

    variables: tuple[str, ...]
    cov: Array
    mean: Array
    thresholds: Mapping[str, tuple[float, ...]]
    nobs: int
    matrices: ram.Matrices


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """A model with a value for every parameter.

    Parameters
    ----------
    truth : mapping of Term to float
        Every row of the parameter table, and the effects that `:=` defines.
    groups : tuple of GroupLaw
    labels : tuple of str
        Of the groups.
    column : str or None
        The column that names the group.
    """

    truth: Mapping[Term, float]
    groups: tuple[GroupLaw, ...]
    labels: tuple[str, ...]
    column: str | None

    @property
    def ordered(self) -> tuple[str, ...]:
        """Variables that are seen through thresholds."""
        return tuple(dict.fromkeys(name for group in self.groups for name in group.thresholds))

    def moments(self) -> Any:
        """Moments of the population as covariance input whose discrepancy from the truth is exactly 0 (divisor n).

        Means where it has them.
        """
        means = any(term.op == "~1" for term in self.truth)
        found = tuple(
            SampleMoments(
                cov=one.cov * one.nobs / (one.nobs - 1),
                mean=one.mean if means else None,
                nobs=one.nobs,
                names=one.variables,
                group=label,
            )
            for one, label in zip(self.groups, self.labels, strict=True)
        )
        return list(found) if len(found) > 1 else found[0]

    def draw(
        self, rng: np.random.Generator, *, skewness: float | Mapping[str, float] = 0.0,
        kurtosis: float | Mapping[str, float] = 0.0
    ) -> Dataset:  # fmt: skip
        """One sample: complete cases, group after group."""
        names = list(dict.fromkeys(name for group in self.groups for name in group.variables))
        values = []
        for group in self.groups:
            margins = [_margin(one, group, self, what) for one, what in ((skewness, "skewness"), (kurtosis, "kurtosis"))]
            drawn = dict(zip(group.variables, responses(rng, group.nobs, group.mean, group.cov, *margins).T, strict=True))
            drawn |= {name: categories(drawn[name], cut) for name, cut in group.thresholds.items()}
            values.append(np.column_stack([drawn.get(name, np.full(group.nobs, np.nan)) for name in names]))
        columns: dict[str, Any] = dict(zip(names, np.asfortranarray(np.vstack(values)).T, strict=True))
        if self.column:
            columns[self.column] = np.repeat(np.array(self.labels, dtype=object), [group.nobs for group in self.groups])
        for column in columns.values():
            column.setflags(write=False)
        step = Step(action="simulate", reason=EN("log.simulated"), rows_before=self.nobs, rows_after=self.nobs)
        return Dataset(columns=FrozenDict(columns), name="simulated", roles=DataRoles(group=self.column), log=(step,))

    @property
    def nobs(self) -> int:
        """Cases of all groups."""
        return sum(group.nobs for group in self.groups)


def _margin(value: Any, group: GroupLaw, law: Population, what: str) -> Array:
    """Skewness or kurtosis of each observed variable."""
    known = [name for one in law.groups for name in one.variables if name not in law.ordered]
    given = value if isinstance(value, Mapping) else dict.fromkeys(known, value)
    for name, one in given.items():
        if name not in known:
            raise SpecificationError(
                f"ci.simulate: {what} names '{name}', which is not a continuous observed variable of the model, so that it has "
                f"no margin to shape.{did_you_mean(name, known)} Name one that is."
            )
        if isinstance(one, bool) or not isinstance(one, (int, float, np.number)) or not np.isfinite(one):
            raise SpecificationError(
                f"ci.simulate: {what}={one!r} is not a finite number, which no data have. Give one number, or one for each "
                "variable."
            )
    return np.array([float(given.get(name, 0.0)) for name in group.variables])


def checked(params: Any) -> Mapping[Any, float]:
    """Population values as a mapping."""
    if params is not None and not isinstance(params, Mapping):
        raise SpecificationError(
            f"params={params!r} is not a mapping of labels or terms to numbers, so that it is open which value is whose. Write "
            'params={"y ~ x": 0.3, "a": 0.5}.'
        )
    return params or {}


def refuse_design(model: Declaration) -> None:
    """Refuse a model of clustered or weighted cases."""
    for name in ("cluster", "sampling_weight"):
        if getattr(model, name):
            raise InferenceError(
                f"A population of a model with {name}={getattr(model, name)!r} needs a sampling design, which the model does not "
                "describe. Leave the option out to draw independent cases."
            )


def group_names(model: Declaration, nobs: Any) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Labels and sizes of the groups of a model, from `nobs`, the `group:` blocks or the length of `c()`."""
    several = isinstance(nobs, (Mapping, list, tuple))
    labels = tuple(str(key) for key in nobs) if isinstance(nobs, Mapping) else model.parsed.groups
    labels = labels or tuple(str(g + 1) for g in range(len(nobs) if several else _columns_of_c(model)))
    if (len(labels) > 1) != bool(model.group):
        hint = 'Name the column with group="…".' if len(labels) > 1 else 'Give the groups their sizes: nobs={"label": 200, ...}.'
        raise SpecificationError(
            f"The model has group={model.group!r} and {len(labels)} group{'s' * (len(labels) > 1)} of cases to draw, so that it "
            f"is open who belongs to which group. {hint}"
        )
    return (labels if len(labels) > 1 else ("",)), sizes_of(labels, nobs)


def sizes_of(labels: Sequence[str], nobs: Any) -> tuple[int, ...]:
    """Cases of each group: one number for all, a list, or a mapping by label."""
    if isinstance(nobs, Mapping):
        sizes = tuple(nobs.get(label) for label in labels) if {*map(str, nobs)} == {*labels} else ()
    else:
        sizes = tuple(nobs) if isinstance(nobs, (list, tuple)) else (nobs,) * len(labels)
    wrong = [one for one in sizes if isinstance(one, bool) or not isinstance(one, (int, np.integer)) or one < 2]
    if wrong or len(sizes) != len(labels):
        raise SpecificationError(
            f"nobs={nobs!r} does not say how many cases to draw. Give a whole number of 2 or more, one for each of {len(labels)} "
            f"group{'s' * (len(labels) > 1)}: 200, [200, 150] or a mapping by "
            f"label{' (' + ', '.join(labels) + ')' if len(labels) > 1 else ''}."
        )
    return tuple(int(one) for one in sizes if one is not None)


def _columns_of_c(model: Declaration) -> int:
    lengths = [len(getattr(row.modifiers, kind)) for row in model.parsed.formulas for kind in ("fixed", "start", "label")]
    return max([1, *lengths])


def categories_of(model: Declaration, params: Mapping[str, float]) -> dict[str, int]:
    """Categories of every ordered variable, from its thresholds in the syntax and in `params`."""
    found = dict.fromkeys(model.ordered_names, 1)
    written = [(row.lhs, row.rhs) for row in model.parsed.formulas if row.op == "|"]
    written += [(term.lhs, term.rhs) for term in map(as_term, params) if term is not None and term.op == "|"]
    for name, threshold in written:
        if name in found and re.fullmatch(r"t[1-9]\d?", threshold):
            found[name] = max(found[name], int(threshold[1:]) + 1)
    for name, count in found.items():
        if count == 1:
            raise SpecificationError(
                f"'{name}' is ordered, and no threshold of it has a value, so its categories are not known. Write '{name} | "
                "-1*t1 + 0*t2 + 1*t3'"
                f' in the model, or give params={{"{name} | t1": -1.0, ...}}.'
            )
    return found


def of_model(
    model: Declaration, layout: Layout, labels: Sequence[str], sizes: Sequence[int], params: Mapping[str, float]
) -> Population:
    """The population of a model that was never fitted."""
    theta = settled(layout, labels, given_values(layout, labels, params))
    bases = []
    for group in range(len(layout.blocks)):
        base, solved = unit_variances(layout, group, exogenous_base(layout, group, labels, params), theta, labels)
        bases.append(base)
        for k, value in solved.items():
            theta[k] = value
    refuse_broken(layout, labels, theta)
    return _population(model, layout, labels, theta, bases, sizes, [np.zeros(len(block.observed)) for block in layout.blocks])


def of_fit(fit: SEMFit, params: Mapping[Any, float] | None, nobs: Any) -> Population:
    """The population of a fit: its estimates, with the values of `params` instead of some of them.

    `nobs` as many as the fit had.
    """
    refuse_design(fit.model)
    layout, labels = fit.layout, fit.group_labels
    sizes = [len(group.rows) for group in fit.sample.groups] if nobs is None else sizes_of(labels, nobs)
    chosen = spread(layout, given_values(layout, labels, checked(params), syntax=False))
    theta = np.where(np.isnan(chosen), fit.params, chosen)
    refuse_broken(layout, labels, theta)
    means = [group.saturated.mean for group in fit.sample.groups]
    return _population(fit.model, layout, labels, theta, list(fit.objective.bases), sizes, means)


def _population(
    model: Declaration, layout: Layout, labels: Sequence[str], theta: Array, bases: Sequence[ram.Matrices], sizes: Sequence[int],
    means: Sequence[Array],
) -> Population:  # fmt: skip
    groups = []
    for g, (block, base) in enumerate(zip(layout.blocks, bases, strict=True)):
        matrices = ram.place(block.places, theta[block.free], base)
        moments = ram.implied(matrices)
        _refuse_improper(matrices, moments, block, labels[g])
        assert moments is not None
        mean = moments.mean if layout.means else means[g]
        groups.append(
            GroupLaw(
                variables=block.observed, cov=frozen(moments.cov), mean=frozen(mean), thresholds=_thresholds(layout, g, theta),
                nobs=int(sizes[g]), matrices=matrices,
            )
        )  # fmt: skip
    truth = _truth(model, layout, labels, theta, groups)
    return Population(truth=truth, groups=tuple(groups), labels=tuple(labels), column=model.group)


def _refuse_improper(matrices: ram.Matrices, moments: ram.Implied | None, block: Block, label: str) -> None:
    where = f" of group {label}" if label else ""
    scale = float(np.abs(matrices.S).max(initial=1e-300))
    smallest = float(np.linalg.eigvalsh(matrices.S)[0])
    if moments is None or smallest < -1e-9 * scale:
        raise SpecificationError(
            f"The population{where} is impossible: the (residual) variances and covariances have a negative eigenvalue "
            f"({smallest:.3g}). A covariance exceeds what its two variances allow. Give smaller covariances or larger variances."
        )


def _thresholds(layout: Layout, group: int, theta: Array) -> Mapping[str, tuple[float, ...]]:
    """Thresholds of each ordered variable, in order."""
    index = {position: k for k, position in enumerate(layout.theta)}
    found: dict[str, dict[int, float]] = {}
    for position, row in enumerate(layout.rows):
        if row.op == "|" and row.block == group:
            value = float(theta[index[position]]) if position in index else row.value
            found.setdefault(row.lhs, {})[int(row.rhs[1:])] = value
    thresholds = {name: tuple(by_number[k] for k in sorted(by_number)) for name, by_number in found.items()}
    for name, values in thresholds.items():
        if any(b <= a for a, b in pairwise(values)):
            raise SpecificationError(
                f"The thresholds of '{name}' are {', '.join(f'{value:g}' for value in values)}. Each category begins above the "
                "one before: give them in rising order."
            )
    return FrozenDict(thresholds)


def _truth(
    model: Declaration, layout: Layout, labels: Sequence[str], theta: Array, groups: Sequence[GroupLaw]
) -> Mapping[Term, float]:
    """Every row's value, and defined effects."""
    index = {position: k for k, position in enumerate(layout.theta)}
    truth: dict[Term, float] = {}
    by_label: dict[str, tuple[Any, Any]] = {}
    for position, row in enumerate(layout.rows):
        value = float(theta[index[position]]) if position in index else _held(layout, row, groups[row.block])
        truth[row.term(labels)] = value
        if row.label:
            by_label.setdefault(row.label, (value, np.zeros(0)))
    for one in model.parsed.constraints:
        if one.op == ":=":
            by_label[one.lhs] = evaluate(one.right, by_label, size=0)
            truth[Term(lhs=one.lhs, op=":=", rhs=one.rhs)] = float(by_label[one.lhs][0])
    return FrozenDict(truth)


def _held(layout: Layout, row: Parameter, group: GroupLaw) -> float:
    """A value that is not free: as fixed, or the moment of exogenous variables."""
    where = {name: k for k, name in enumerate(layout.blocks[row.block].variables)}
    if row.op in ("|", "~*~"):
        return float(row.value)
    kind, i, j = place_of(row, where)
    return float((group.matrices.A, group.matrices.S)[kind][i, j] if kind < 2 else group.matrices.M[i])
