"""What a syntax with two `level:` blocks declares: which level is which, the parameter table, and what is not derived.

Each group has a block for each level: within clusters first, between them second. The mean of a variable that stands on both
levels is a parameter of the between level; at the within level means are 0 unless the variable stands there only. An exogenous
variable on one level is held at the sample's moments, as in single-level models; one that stands on both is split into two
unobserved parts, whose moments the sample does not show: then all exogenous variables are random (lavaan holds their two
moments at values that are those of neither part).

Sources: Muthén, B. (1994). Sociological Methods & Research, 22, 376-398; Lüdtke, O. et al. (2008). Psychological Methods, 13,
203-229 (splitting covariates).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from cipa.errors import SpecificationError
from cipa.models.sem.declare.compile import rules_of
from cipa.models.sem.declare.declaration import Declaration, words_of
from cipa.models.sem.declare.layout import Layout, build_layout, levels_of_group
from cipa.models.sem.declare.parameters import (
    Parameter,
    Roles,
    block_rows,
    formulas_of,
    hold_equal,
    refuse_unknown_groups,
    roles_of,
)
from cipa.study.syntax import Formula, Syntax

_OPTIONS = (
    "ordered",
    "sampling_weight",
    "conditional_x",
    "interaction",
    "nodes",
    "bounds",
)


def refuse_underived(declaration: Declaration) -> None:
    """Refuse, by name, what is not derived for two levels."""
    _refuse_blocks(declaration.parsed)
    if declaration.cluster is None:
        raise SpecificationError(
            "ci.SEM: the syntax has 'level:' blocks, but no cluster= says which column holds the clusters. Without it there is "
            "no between level: give cluster=, or remove the 'level:' lines."
        )
    for name in _OPTIONS:
        if getattr(declaration, name):
            raise SpecificationError(
                f"ci.SEM: {name}={getattr(declaration, name)!r} is not derived for two-level models ('level:' blocks) in this "
                "version. Leave it out, or drop the 'level:' lines and keep cluster=, which corrects the standard errors for the "
                "clusters."
            )
    if declaration.estimator not in ("ml", "mlr"):
        raise SpecificationError(
            f'ci.SEM: estimator="{declaration.estimator}" is not derived for two-level models. Use "ml", or "mlr" for errors and '
            "a test that are robust to non-normality."
        )
    if declaration.missing not in ("listwise", "fiml", "fiml_x"):
        raise SpecificationError(
            f'ci.SEM: missing="{declaration.missing}" is not derived for two-level models: its corrections are those of '
            'independent cases. Use missing="fiml", which takes every value into the two-level likelihood.'
        )
    wrong = [declaration.likelihood != "normal", declaration.se not in (None, "standard", "robust", "robust_huber_white"),
             declaration.test not in (None, "standard", "yuan_bentler_mplus"), declaration.meanstructure is False]  # fmt: skip
    names = ("likelihood", "se", "test", "meanstructure")
    for name in (name for name, is_wrong in zip(names, wrong, strict=True) if is_wrong):
        raise SpecificationError(
            f"ci.SEM: {name}={getattr(declaration, name)!r} is not derived for two-level models, which estimate means by normal "
            'maximum likelihood. Leave it out; estimator="mlr" gives robust errors and a scaled test.'
        )


def _refuse_blocks(syntax: Syntax) -> None:
    if len(syntax.levels) != 2:
        raise SpecificationError(
            f"ci.SEM: the syntax has {len(syntax.levels)} level (level: {', '.join(syntax.levels)}), and a two-level model has "
            "two, within and between clusters. A level left out would have no variances: write 'level: within' and 'level: "
            "between', each with at least its variances (y ~~ y)."
        )
    for row in syntax.formulas:
        what = ""
        if row.level is None:
            what = "This formula stands before the first 'level:' line"
        elif row.op in ("<~", "|", "~*~") or ":" in row.rhs:
            what = f"'{row.lhs} {row.op} {row.rhs}' is not derived on two levels (composites, thresholds, products)"
        if what:
            raise syntax.refuse(
                row,
                f"{what}. A two-level model has formulas of continuous variables (=~ ~ ~~ ~1) below 'level: within' and 'level: "
                "between'; move or drop it.",
            )


def levels_of(syntax: Syntax, cluster: str | None) -> tuple[str, str]:
    """Labels of the within and the between level: the order written, unless a label says otherwise."""
    first, second = syntax.levels
    turned = first.lower() in ("2", "between", "cluster") or first == cluster or second.lower() in ("1", "within")
    return (second, first) if turned else (first, second)


def declare_levels(declaration: Declaration, groups: Sequence[str]) -> Layout:
    """The layout of a two-level model for groups of these labels."""
    syntax, levels = declaration.parsed, levels_of(declaration.parsed, declaration.cluster)
    refuse_unknown_groups(syntax, groups)
    formulas = [
        [row for row in formulas_of(syntax, groups, position) if row.level == level]
        for position in range(len(groups))
        for level in levels
    ]
    _refuse_missing_level(formulas, groups, levels)
    roles = [roles_of(rows) for rows in formulas]
    pairs = [roles[levels_of_group(position)] for position in range(len(groups))]
    for position, pair in enumerate(pairs):
        _refuse_unmeasured(syntax, formulas[levels_of_group(position)], pair, levels)
    split = [name for pair in pairs for name in split_exogenous(pair)]
    if split and declaration.fixed_x and declaration.missing != "fiml_x":
        raise SpecificationError(
            f"ci.SEM: fixed_x=True holds moments at the sample's, but '{split[0]}' stands on both levels, and its two parts are "
            "not observed. Leave fixed_x out (all exogenous variables are then random), or put the variable on one level (for "
            "example its cluster mean between and its deviation within)."
        )
    held = declaration.fixed_x is not False and declaration.missing != "fiml_x" and not split
    rules = replace(rules_of(declaration, means=True), fixed_x=held)
    rows = [
        _within_mean(row, pairs[row.group])
        for block, (own, here) in enumerate(zip(formulas, roles, strict=True))
        for row in block_rows(syntax, own, here, rules=rules, block=block, ngroups=len(groups), level=levels[block % 2])
    ]
    tied = hold_equal(
        rows, roles, classes=words_of(declaration, "group_equal"), partial=words_of(declaration, "group_partial"),
        automatic=declaration.defaults != "lavaan",
    )  # fmt: skip
    return replace(build_layout(tied, roles, syntax, means=True, effect_coding=declaration.effect_coding), levels=levels)


def _refuse_missing_level(formulas: Sequence[Sequence[Formula]], groups: Sequence[str], levels: Sequence[str]) -> None:
    for block, rows in enumerate(formulas):
        if not rows:
            raise SpecificationError(
                f"ci.SEM: the syntax has no formula at 'level: {levels[block % 2]}' for the group {groups[block // 2]}, and a "
                "level left out would have no variances. Write that level in the group's block, with at least its variances (y "
                "~~ y)."
            )


def _refuse_unmeasured(
    syntax: Syntax, formulas: Sequence[Sequence[Formula]], roles: Sequence[Roles], labels: Sequence[str]
) -> None:
    """Refuse a construct of one level that the other level uses without measuring it."""
    for level, other in ((0, 1), (1, 0)):
        for row in formulas[level]:
            for name in (row.lhs, row.rhs):
                if name in roles[other].latent and name not in roles[level].latent:
                    raise syntax.refuse(
                        row,
                        f"'{name}' is a construct of level '{labels[other]}', and level '{labels[level]}' does not measure it. A "
                        f"construct lives on the level that measures it: write '{name} =~ ...' at level '{labels[level]}' too, "
                        "or name the construct meant.",
                    )


def split_exogenous(roles: Sequence[Roles]) -> list[str]:
    """Variables that are exogenous at a level and stand at the other too."""
    within, between = roles
    return [name for name in within.exogenous if name in between.observed] + [
        name for name in between.exogenous if name in within.observed and name not in within.exogenous
    ]


def _within_mean(row: Parameter, roles: Sequence[Roles]) -> Parameter:
    """A mean at the within level is 0, unless the variable is observed there only (or the researcher writes it)."""
    if row.block % 2 or row.op != "~1" or row.user or row.exogenous:
        return row
    if row.lhs in roles[0].observed and row.lhs not in roles[1].observed:
        return row
    return replace(row, free=False, value=0.0 if math.isnan(row.value) else row.value)


def moment_count(layout: Layout) -> int:
    """Moments that the model explains: covariances of each level, and one mean for each variable; not those that are held."""
    total = 0
    for block in layout.blocks:
        p, x = len(block.observed), len(block.exogenous)
        total += p * (p + 1) // 2 - x * (x + 1) // 2 - x
    return total + len({(b // 2, name) for b, block in enumerate(layout.blocks) for name in block.observed})
