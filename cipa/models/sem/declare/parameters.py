"""The parameter table: what the syntax says, completed by lavaan's rules.

Every row is one parameter of one group. Rules for what the researcher does not write (defaults "sem" and "cfa"):
residual variances of all but exogenous observed variables; covariances among exogenous latent variables, and among
dependent variables that predict nothing; the first loading of each construct at 1 (or its variance, `std_lv`); the
residual variance of a single indicator at 0; observed intercepts free and latent ones 0 (reversed for "growth");
moments of exogenous observed variables held at the sample's (`fixed_x`).

Source: Rosseel, Y. (2012). Journal of Statistical Software, 48(2); lavaan's manual, `lavOptions` and `model.syntax`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from cipa.errors import SpecificationError, did_you_mean
from cipa.study.syntax import Formula, Syntax
from cipa.terms import Term


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """What each variable of a block is, in lavaan's classes; each tuple in order of appearance.

    latent; observed (indicators, then dependent, then others); exogenous (observed, only predicting, whose moments the
    researcher did not write); latent_exogenous; dependent (latent and observed outcomes that predict nothing).
    """

    latent: tuple[str, ...]
    observed: tuple[str, ...]
    exogenous: tuple[str, ...]
    latent_exogenous: tuple[str, ...]
    dependent: tuple[str, ...]
    composites: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A row: a parameter of one block, free or fixed at `value`.

    Blocks are the groups 0, 1, …; on two levels each group has two, within before between, and `level` is the label that the
    syntax gives. `value` is the fixed value, or the researcher's starting value (NaN without one). `exogenous` marks moments held
    at the sample's. `user` marks rows that the researcher wrote. `lower` and `upper` bound a free parameter.
    """

    lhs: str
    op: str
    rhs: str
    block: int = 0
    free: bool = True
    value: float = math.nan
    label: str = ""
    user: bool = False
    exogenous: bool = False
    equal: str = ""
    lower: float = -math.inf
    upper: float = math.inf
    line: int = 0
    column: int = 0
    level: str | None = None

    @property
    def group(self) -> int:
        """Position of its group."""
        return self.block if self.level is None else self.block // 2

    def term(self, group_labels: Sequence[str]) -> Term:
        """Its name; the group's label only when there are several groups."""
        group = group_labels[self.group] if len(group_labels) > 1 else None
        return Term(lhs=self.lhs, op=self.op, rhs=self.rhs, group=group, level=self.level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Which parameters are added, and how the scale of a construct is set."""

    defaults: str = "sem"
    means: bool = False
    std_lv: bool = False
    orthogonal: bool = False
    fixed_x: bool = True
    effect_coding: bool = False


def roles_of(formulas: Sequence[Formula]) -> Roles:
    """Classify the variables of one block."""
    latent = _unique(row.lhs for row in formulas if row.op in ("=~", "<~"))
    composites = tuple(_unique(row.lhs for row in formulas if row.op == "<~"))
    indicators = _unique(row.rhs for row in formulas if row.op == "=~" and row.rhs)
    outcomes = _unique(row.lhs for row in formulas if row.op == "~")
    predictors = _unique(row.rhs for row in formulas if row.op in ("~", "<~"))
    others = _unique(
        name
        for row in formulas
        if row.op in ("~~", "~1", "|", "~*~")
        for name in ((row.lhs, row.rhs) if row.op == "~~" else (row.lhs,))
    )
    observed = [name for name in _unique([*indicators, *outcomes, *predictors, *others]) if name not in latent]
    written = {
        name for row in formulas if row.op in ("~~", "~1") for name in ((row.lhs, row.rhs) if row.op == "~~" else (row.lhs,))
    }
    measured = {*indicators, *outcomes}
    exogenous = [name for name in predictors if name in observed and name not in measured and name not in written]
    predicting = {*indicators, *predictors}
    dependent = [name for name in (*observed, *latent) if name in outcomes and name not in predicting]
    return Roles(
        latent=tuple(latent),
        observed=tuple([name for name in observed if name not in exogenous] + exogenous),
        exogenous=tuple(exogenous),
        latent_exogenous=tuple(name for name in latent if name not in measured),
        dependent=tuple(dependent),
        composites=composites,
    )


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def parameter_table(
    syntax: Syntax, *, rules: Rules, group_labels: Sequence[str]
) -> tuple[tuple[Parameter, ...], tuple[Roles, ...]]:
    """All parameters of all groups, and the roles of the variables in each group."""
    rows: list[Parameter] = []
    roles: list[Roles] = []
    for position in range(len(group_labels)):
        formulas = formulas_of(syntax, group_labels, position)
        here = roles_of(formulas)
        roles.append(here)
        rows.extend(block_rows(syntax, formulas, here, rules=rules, block=position, ngroups=len(group_labels)))
    return tuple(rows), tuple(roles)


def formulas_of(syntax: Syntax, labels: Sequence[str], position: int) -> list[Formula]:
    """The formulas of a group: those of every group, and of its own blocks, by its label or (if that is no label) its number."""
    names = {labels[position]} | ({str(position + 1)} - set(labels))
    return [row for row in syntax.formulas if row.group is None or row.group in names]


def refuse_unknown_groups(syntax: Syntax, labels: Sequence[str]) -> None:
    """Refuse a `group:` block of a group that the data do not have."""
    known = {*labels, *(str(position + 1) for position in range(len(labels)))}
    for row in syntax.formulas:
        if row.group is not None and row.group not in known:
            raise syntax.refuse(
                row,
                f"The syntax has a block 'group: {row.group}', but the groups are {', '.join(labels) or 'none (give group=)'}. A "
                "block of no group would be fitted to nothing: write a label of the data, or the group's number.",
            )


def block_rows(
    syntax: Syntax, formulas: Sequence[Formula], roles: Roles, *, rules: Rules, block: int, ngroups: int,
    level: str | None = None,
) -> list[Parameter]:  # fmt: skip
    """All parameters of one block: those that its formulas write, completed by the rules."""
    formulas = [row for row in formulas if row.op != "=~" or row.rhs]  # a phantom (`f =~ 0`) has no loading
    written = {_key(row.lhs, row.op, row.rhs) for row in formulas}
    user = [
        Parameter(lhs=row.lhs, op=row.op, rhs=row.rhs, block=block, level=level, user=True, line=row.line, column=row.column)
        for row in formulas
    ]
    added = [
        Parameter(lhs=lhs, op=op, rhs=rhs, block=block, level=level)
        for lhs, op, rhs in _defaults(roles, rules=rules)
        if _key(lhs, op, rhs) not in written
    ]
    rows = _fixed_by_rule([*user, *added], roles, rules=rules)
    modified = [_modified(syntax, row, parameter, ngroups=ngroups) for row, parameter in zip(formulas, rows, strict=False)]
    return [*modified, *rows[len(modified) :]]


def _key(lhs: str, op: str, rhs: str) -> tuple[str, str, str]:
    return (rhs, op, lhs) if op == "~~" and rhs < lhs else (lhs, op, rhs)


def _defaults(roles: Roles, *, rules: Rules) -> Iterable[tuple[str, str, str]]:
    """Parameters that exist even when nobody writes them."""
    automatic = rules.defaults != "lavaan"
    for name in roles.observed:
        if name not in roles.exogenous:
            yield name, "~~", name
    for name in roles.latent:
        yield name, "~~", name
    if automatic:
        for one, two in (*combinations(roles.latent_exogenous, 2), *combinations(roles.dependent, 2)):
            yield one, "~~", two
    for position, one in enumerate(roles.exogenous):
        for two in roles.exogenous[position:]:
            yield one, "~~", two
    if rules.means:
        for name in (*roles.observed, *roles.latent):
            yield name, "~1", ""


def _fixed_by_rule(rows: list[Parameter], roles: Roles, *, rules: Rules) -> list[Parameter]:
    automatic = rules.defaults != "lavaan"
    latent = set(roles.latent)
    markers = _markers(rows) if automatic and not rules.std_lv and not rules.effect_coding else set()
    single = _single_indicators(rows) if automatic else set()
    means_free = {"growth": latent, "lavaan": set()}.get(rules.defaults, set(roles.observed) - set(roles.exogenous))
    if rules.effect_coding:
        means_free = means_free | latent

    def settle(position: int, row: Parameter) -> Parameter:
        variance = row.op == "~~" and row.lhs == row.rhs
        fixed: float | None = None
        if variance and not row.user and (not automatic or row.lhs in roles.composites or row.lhs in single):
            fixed = 0.0
        if variance and rules.std_lv and row.lhs in latent:
            fixed = 1.0
        if position in markers:
            fixed = 1.0
        if row.op == "~~" and not variance and rules.orthogonal and not row.user and {row.lhs, row.rhs} <= latent:
            fixed = 0.0
        if row.op == "~1" and not row.user and row.lhs not in means_free and row.lhs not in roles.exogenous:
            fixed = 0.0
        if not row.user and row.lhs in roles.exogenous and (row.op == "~1" or row.rhs in roles.exogenous):
            return replace(row, free=not rules.fixed_x, exogenous=rules.fixed_x)
        return row if fixed is None else replace(row, free=False, value=fixed)

    return [settle(position, row) for position, row in enumerate(rows)]


def _markers(rows: Sequence[Parameter]) -> set[int]:
    """Position of the first loading of each construct."""
    first: dict[str, int] = {}
    for position, row in enumerate(rows):
        if row.op == "=~":
            first.setdefault(row.lhs, position)
    return set(first.values())


def _single_indicators(rows: Sequence[Parameter]) -> set[str]:
    """Variables that alone measure a construct and measure nothing else."""
    by_construct: dict[str, list[str]] = {}
    times: dict[str, int] = {}
    for row in rows:
        if row.op == "=~":
            by_construct.setdefault(row.lhs, []).append(row.rhs)
            times[row.rhs] = times.get(row.rhs, 0) + 1
    return {items[0] for items in by_construct.values() if len(items) == 1 and times[items[0]] == 1}


def _modified(syntax: Syntax, formula: Formula, row: Parameter, *, ngroups: int) -> Parameter:
    """Apply the modifiers that stand before the star."""
    mods = formula.modifiers

    def pick(values: Sequence[object], what: str) -> object | None:
        if not values:
            return None
        if len(values) not in (1, ngroups):
            raise syntax.refuse(
                formula,
                f"c() gives {len(values)} {what} for {ngroups} group{'s' if ngroups > 1 else ''}. Give one, or one per group.",
            )
        return values[row.group] if len(values) > 1 else values[0]

    fixed, label, start = pick(mods.fixed, "values"), pick(mods.label, "labels"), pick(mods.start, "starting values")
    if isinstance(fixed, float):
        row = replace(row, free=math.isnan(fixed), value=fixed, exogenous=False)
    if isinstance(start, float) and row.free:
        row = replace(row, value=start)
    if isinstance(label, str) and label and label != "NA":
        row = replace(row, label=label)
    lower, upper = pick(mods.lower, "lower bounds"), pick(mods.upper, "upper bounds")
    if isinstance(lower, float) or isinstance(upper, float):
        row = replace(
            row, lower=lower if isinstance(lower, float) else -math.inf, upper=upper if isinstance(upper, float) else math.inf
        )
        if not row.lower < row.upper:
            raise syntax.refuse(
                formula,
                f"The lower bound {row.lower:g} is not below the upper bound {row.upper:g}: no value lies between. Mend one of "
                "them, or drop it.",
            )
        if row.free and math.isnan(row.value) and not row.lower < 0 < row.upper:  # start where the bounds allow
            row = replace(row, value=row.lower if math.isfinite(row.lower) else row.upper)
    equal = pick(mods.equal, "references")
    return replace(row, equal=str(equal)) if equal else row


_GROUP_EQUAL = (
    *("loadings", "intercepts", "means", "residuals", "residual_covariances"),
    *("lv_variances", "lv_covariances", "regressions", "thresholds", "composite_weights"),
)
GROUP_EQUAL = frozenset(_GROUP_EQUAL)
"""Classes of parameters that `group_equal` can hold equal across groups."""


def equality_class(row: Parameter, roles: Roles) -> str:
    """Which word of `group_equal` speaks of this parameter."""
    latent = set(roles.latent)
    if row.op == "=~":
        return "loadings"
    if row.op == "<~":
        return "composite_weights"
    if row.op == "~":
        return "regressions"
    if row.op in ("|", "~*~"):
        return "thresholds" if row.op == "|" else "scales"
    if row.op == "~1":
        return "means" if row.lhs in latent else "intercepts"
    if row.op == "~~" and {row.lhs, row.rhs} <= latent:
        return "lv_variances" if row.lhs == row.rhs else "lv_covariances"
    return "residuals" if row.lhs == row.rhs else "residual_covariances"


def hold_equal(
    rows: Sequence[Parameter], roles: Sequence[Roles], *, classes: Sequence[str], partial: Sequence[str], automatic: bool
) -> tuple[Parameter, ...]:
    """Hold classes of parameters equal across groups, except the terms in `partial`.

    A shared label makes the equality. With equal loadings and intercepts, latent means become free in every group but
    the first; with equal loadings and `std_lv`, so do latent variances (as lavaan does).

    Raises
    ------
    SpecificationError
        There is one group only; a term of `partial` is no parameter of the model.
    """
    if not (classes or partial):
        return tuple(rows)
    held, spared = set(classes), {Term.parse(text) for text in partial}
    _refuse_without_groups(rows, classes=classes, partial=partial)
    _refuse_unmatched(rows, roles, held=held, spared=spared)
    free_means = automatic and ({"loadings", "intercepts"} <= held or "thresholds" in held) and "means" not in held
    free_variances = automatic and "loadings" in held and "lv_variances" not in held
    shown = _with_means(rows)

    def settle(row: Parameter) -> Parameter:
        here = roles[row.block]
        kind = equality_class(row, here)
        if row.group > 0 and not row.user and not row.free:
            if kind == "means" and free_means and row.value == 0 and (row.level is None or (row.block, row.lhs) in shown):
                return replace(row, free=True, value=math.nan)
            if kind == "lv_variances" and free_variances and row.value == 1:
                return replace(row, free=True, value=math.nan)
        if kind in held and row.free and spared.isdisjoint(_names(row)) and not row.label:
            lhs, op, rhs, *_ = row.term(()).key
            return replace(row, equal=f"@{lhs}{op}{rhs}@{row.level or ''}")
        return row

    return tuple(settle(row) for row in rows)


def _names(row: Parameter) -> tuple[Term, ...]:
    """What a row is called across groups: its term, and on two levels that of either level too."""
    name = row.term(())
    return (name,) if row.level is None else (name, replace(name, level=None))


def _with_means(rows: Sequence[Parameter]) -> set[tuple[int, str]]:
    """(block, variable) of all that a free intercept stands below: at a level without one no mean of a construct shows."""
    found = {(row.block, row.lhs) for row in rows if row.op == "~1" and row.free}
    loadings = [row for row in rows if row.op == "=~"]
    before = -1
    while len(found) > before:
        before = len(found)
        found |= {(row.block, row.lhs) for row in loadings if (row.block, row.rhs) in found}
    return found


def _refuse_without_groups(rows: Sequence[Parameter], *, classes: Sequence[str], partial: Sequence[str]) -> None:
    """Refuse words that speak of groups where there is one sample."""
    words = [f"{name}={tuple(given)!r}" for name, given in (("group_equal", classes), ("group_partial", partial)) if given]
    if words and not any(row.group for row in rows):
        raise SpecificationError(
            f"ci.SEM: {' and '.join(words)} speak{'s' if len(words) == 1 else ''} of parameters that are equal across groups, "
            "and there is one sample, so nothing would be held. Name the column of the groups (group=...), fit a list of "
            f"SampleMoments, one for each group, or leave {'it' if len(words) == 1 else 'them'} out."
        )


def _refuse_unmatched(rows: Sequence[Parameter], roles: Sequence[Roles], *, held: set[str], spared: set[Term]) -> None:
    """Refuse a term of `group_partial` that no row has; one that exists but is not held (yet) is harmless."""
    names = {name: equality_class(row, roles[row.block]) in held for row in rows for name in _names(row)}
    unmatched = [term for term in spared if term not in names]
    if unmatched:
        term = min(map(str, unmatched))
        choices = [str(name) for name, is_held in names.items() if is_held] or [str(name) for name in names]
        raise SpecificationError(
            f"ci.SEM: group_partial names '{term}', which is no parameter of this model, so nothing would be let free that "
            f"group_equal holds.{did_you_mean(term, choices)} Write a term as the estimates print it, without a group, such as "
            f"'{choices[0]}'."
        )
