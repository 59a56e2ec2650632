"""What each level of the invariance ladder holds equal, written as a model.

Continuous indicators: words of `group_equal` say it all. Ordered indicators (theta parameterization; in the first group
intercepts 0, residual variances 1, latent means 0) differ in what the later groups let free while the thresholds fix the scale
(Wu & Estabrook 2016):

    configural    thresholds free; intercepts 0, residual variances 1, latent means 0
    thresholds    thresholds equal; intercepts free, residual variances free when two thresholds are equal; latent means 0
    metric        loadings equal besides; residual variances free also when one threshold is equal
    scalar        intercepts 0 besides; latent means free
    strict        residual variances 1 besides
    means         latent means 0 besides

One threshold fixes the place or the unit of a response variable, not both. For three categories the level "thresholds" restates
the configural model, and an item of two categories restricts nothing before "scalar": its residual variance is let free as soon
as an equal loading or an intercept of 0 tells it apart, so that each level is nested in the one before. A construct of such items
alone has no unit in the later groups until the intercepts are 0, so "thresholds" and "metric" are refused for it.

What a level holds at 0 or 1 is a labelled free parameter with a constraint (`intercept_x1_2 == 0`), so that a score test can name
it.

Sources: Wu, H. & Estabrook, R. (2016). Psychometrika, 81, 1014-1045; Svetina, D., Rutkowski, L. & Rutkowski, D.
(2020). SEM, 27, 111-130; Millsap, R. & Yun-Tein, J. (2004). Multivariate Behavioral Research, 39, 479-515.
semTools::measEq.syntax with ID.cat = "Wu.Estabrook.2016" writes the same models, but for items of two categories at "metric"
(residual variance 1 there).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cipa.data.dataset import as_dataset
from cipa.errors import SpecificationError, one_of
from cipa.study.tokens import quoted
from cipa.terms import Term

LEVELS = {
    "configural": (),
    "thresholds": ("thresholds",),
    "metric": ("thresholds", "loadings"),
    "scalar": ("thresholds", "loadings", "intercepts"),
    "strict": ("thresholds", "loadings", "intercepts", "residuals"),
    "means": ("thresholds", "loadings", "intercepts", "residuals", "means"),
}
"""Level -> classes of parameters held equal."""

_CONTINUOUS = ("configural", "metric", "scalar", "strict")
_BINARY = ("configural", "scalar", "strict")
_ORDERED = ("configural", "thresholds", "metric", "scalar", "strict")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """A model, its groups, and its ordered indicators (name -> number of categories; empty when all are continuous)."""

    model: Any
    group: str
    ngroups: int
    categories: Mapping[str, int]

    @classmethod
    def of(cls, model: Any, data: Any, *, group: str) -> Ladder:
        """Count groups and categories. Raises SpecificationError for what the ladder cannot be built on."""
        if not hasattr(model, "parsed"):
            raise SpecificationError(
                f"ci.invariance holds parameters of a structural equation model equal, and this is a {type(model).__name__}. "
                "Give a ci.SEM with its measurement model; the fit of each level follows from it."
            )
        categories: dict[str, int] = {}
        if model.ordered_names:
            _refuse_written(model)
            model, categories = replace(model, parameterization="theta"), _categories(model, data, group)
        return cls(model=model, group=group, ngroups=_count_groups(data, group), categories=categories)

    @property
    def binary(self) -> tuple[str, ...]:
        """Constructs whose indicators all have two categories."""
        return tuple(f for f, items in self.indicators.items() if all(self.categories.get(item) == 2 for item in items))

    @property
    def indicators(self) -> Mapping[str, tuple[str, ...]]:
        """The indicators of each construct."""
        rows = [row for row in self.model.parsed.formulas if row.op == "=~"]
        return {row.lhs: tuple(one.rhs for one in rows if one.lhs == row.lhs) for row in rows}

    def checked(self, levels: Sequence[str] | None) -> list[str]:
        """The levels asked for, or those that fit the kind of the indicators."""
        if levels is None:
            return list(_BINARY if self.binary else _ORDERED if self.categories else _CONTINUOUS)
        names = list(levels)
        for name in names:
            one_of(name, LEVELS, what="levels", where="ci.invariance")
        if names != sorted(set(names), key=list(LEVELS).index) or not names:
            raise SpecificationError(
                f"ci.invariance: levels={names} are not in their order, in which each level is compared with the one before it. "
                f"Write them as {', '.join(LEVELS)}, each once."
            )
        if "thresholds" in names and not self.categories:
            raise SpecificationError(
                "ci.invariance: levels names 'thresholds', and the model has no ordered indicators, so there are none to hold "
                f"equal. Declare them (ordered=) in the model, or use levels={_CONTINUOUS}."
            )
        apart = [name for name in names if name in ("thresholds", "metric")]
        if self.binary and apart:
            raise SpecificationError(
                f"ci.invariance: levels names {' and '.join(map(repr, apart))}, and the indicators of {', '.join(self.binary)} "
                "have two categories. One threshold cannot fix both place and unit of a response variable, so equal thresholds "
                f"and loadings restrict nothing until the intercepts are equal too (Wu & Estabrook 2016). Use levels={_BINARY}, "
                "which tests them together."
            )
        return names

    def at(self, level: str, free: Sequence[str]) -> Any:
        """The model of a level, in which the terms `free` are not held."""
        spared = {Term.parse(text) for text in free}
        lines = self._means(level, spared)
        for item, count in self.categories.items():
            lines += self._item(item, count, level, spared)
        held = tuple(word for word in LEVELS[level] if self.categories or word != "thresholds")
        syntax = "\n".join([self.model.syntax, *lines])
        return replace(self.model, syntax=syntax, group=self.group, group_equal=held, group_partial=(*free, *self._apart(held)))

    def _apart(self, held: Sequence[str]) -> list[str]:
        """Intercepts, which a word that holds thresholds would hold too, where the level does not."""
        wanted = self.categories and "intercepts" not in held
        return [f"{quoted(name)} ~1" for name in self.model.variables] if wanted else []

    def _item(self, item: str, count: int, level: str, spared: set[Term]) -> list[str]:
        """Intercept and residual variance of an ordered indicator."""
        held = LEVELS[level]
        intercept, residual = Term(lhs=item, op="~1", rhs=""), Term(lhs=item, op="~~", rhs=item)
        loadings = {Term(lhs=f, op="=~", rhs=item) for f, items in self.indicators.items() if item in items}
        equal = sum(Term(lhs=item, op="|", rhs=f"t{k}") not in spared for k in range(1, count)) if "thresholds" in held else 0
        at_zero = "intercepts" in held and intercept not in spared
        told_apart = ("loadings" in held and not loadings & spared) or at_zero
        movable = equal > 1 or (equal == 1 and told_apart)
        at_one = "residuals" in held and residual not in spared
        return [
            *self._line(f"{quoted(item)} ~", "1", f"intercept_{item}", 0, free=equal > 0, held=at_zero),
            *self._line(f"{quoted(item)} ~~", quoted(item), f"residual_{item}", 1, free=movable, held=at_one),
        ]

    def _means(self, level: str, spared: set[Term]) -> list[str]:
        """Latent means, where the words of `group_equal` do not say what is meant."""
        blocks = self.model.parsed.groups or self.model.parsed.levels
        settled = blocks or self.model.effect_coding or self.model.defaults not in ("sem", "cfa")
        written = {row.lhs for row in self.model.parsed.formulas if row.op == "~1"}
        names = [name for name in self.indicators if name not in written]
        if level == "means" and not settled:
            terms = {name: Term(lhs=name, op="~1", rhs="") for name in names}
            lines = (self._line(f"{quoted(f)} ~", "1", f"mean_{f}", 0, free=True, held=terms[f] not in spared) for f in names)
            return [line for one in lines for line in one]
        zero = bool(self.categories) and level in ("thresholds", "metric")
        return [f"{quoted(name)} ~ 0*1" for name in names] if zero else []

    def _line(self, left: str, right: str, label: str, value: int, *, free: bool, held: bool) -> list[str]:
        """A parameter at `value` in the first group, and in the later ones at `value`, free, or held there by constraints."""
        later = ["NA" if free else str(value)] * (self.ngroups - 1)
        values = f"c({', '.join([str(value), *later])})*{right}"
        if not (free and held):
            return [f"{left} {values}"]
        names = [quoted(f"{label}_{g + 1}") for g in range(self.ngroups)]
        return [f"{left} {values} + c({', '.join(names)})*{right}", *(f"{name} == {value}" for name in names[1:])]


def _count_groups(data: Any, group: str) -> int:
    if isinstance(data, (list, tuple)):
        return len(data)
    return len({str(value) for value in as_dataset(data, columns=[group])[group] if value is not None and value == value})


def _categories(model: Any, data: Any, group: str) -> dict[str, int]:
    """Number of categories of each ordered variable among the cases that are used."""
    names = list(model.variables)
    dataset = as_dataset(data, columns=list(dict.fromkeys([*names, *model.ordered_names, group])))
    values = dataset.numeric(names, ordered=model.ordered_names)
    grouped = np.array([value is not None and value == value for value in dataset[group]])
    kept = grouped & ~(np.isnan(values).any(axis=1) & (model.missing != "pairwise"))
    columns = {name: values[kept, names.index(name)] for name in model.ordered_names if name in names}
    return {name: len(np.unique(column[~np.isnan(column)])) for name, column in columns.items()}


def _refuse_written(model: Any) -> None:
    """Refuse a model that settles by itself what the ladder of ordered indicators moves from level to level."""
    rows, names = model.parsed.formulas, set(model.ordered_names)
    latent = {row.lhs for row in rows if row.op == "=~"}
    for row in rows:
        own = row.lhs in names and (row.op in ("~1", "|", "~*~") or (row.op == "~~" and row.lhs == row.rhs))
        if row.group is not None or own or (row.op == "~1" and row.lhs in latent):
            name = f"{row.lhs} {row.op} {row.rhs}".rstrip()
            raise model.parsed.refuse(
                row,
                f"ci.invariance: '{name}' is written"
                f"{f' for group {row.group}' if row.group is not None else ''}, and with ordered indicators the ladder itself "
                "sets thresholds, intercepts, residual variances and latent means of every group, because they identify each "
                "other. Leave this line out; what shall differ between groups at every level goes into the model's "
                "group_partial.",
            )
    measured = {row.rhs for row in rows if row.op == "=~"}
    for name in sorted(names - measured):
        raise SpecificationError(
            f"ci.invariance: the ordered variable '{name}' measures no construct, and the ladder of ordered variables is derived "
            "for indicators. Leave it out of the measurement model."
        )
    if model.effect_coding or model.defaults not in ("sem", "cfa"):
        what = "effect_coding=True" if model.effect_coding else f'defaults="{model.defaults}"'
        raise SpecificationError(
            f"ci.invariance: {what} sets scale and means of the constructs in another way than the ladder of ordered indicators "
            "does (Wu & Estabrook 2016). Leave it out: markers or std_lv=True give the same chi-squares."
        )
