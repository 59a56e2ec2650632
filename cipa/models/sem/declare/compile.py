"""From a declaration and the labels of its groups to a layout: the table of parameters, completed, and where each stands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cipa.data.moments import SampleMoments
from cipa.models.sem.declare.declaration import Declaration, words_of
from cipa.models.sem.declare.layout import Layout, build_layout
from cipa.models.sem.declare.ordered import ordered_rows, refuse_unscalable, with_thresholds
from cipa.models.sem.declare.parameters import Parameter, Roles, Rules, hold_equal, parameter_table, refuse_unknown_groups


def lay_out(
    declaration: Declaration, labels: Sequence[str], *, means: bool, categories: Mapping[str, int] | None = None
) -> Layout:
    """The layout of a model for groups of these labels, and ordered variables of these numbers of categories."""
    syntax, theta = declaration.parsed, declaration.parameterization == "theta"
    refuse_unknown_groups(syntax, labels)
    rows, roles = parameter_table(syntax, rules=rules_of(declaration, means=means), group_labels=labels)
    classes, partial = words_of(declaration, "group_equal"), words_of(declaration, "group_partial")
    if categories:
        refuse_unscalable(rows, categories, theta=theta)
        classes = with_thresholds(classes)
        rows = ordered_rows(rows, categories, ngroups=len(labels), theta=theta, classes=classes, partial=partial)
    rows = tuple(_bounded(row, roles[row.block], declaration.bounds) for row in rows)
    rows = hold_equal(rows, roles, classes=classes, partial=partial, automatic=declaration.defaults != "lavaan")
    own_theta = theta and bool(categories)
    layout = build_layout(rows, roles, syntax, means=means, effect_coding=declaration.effect_coding, theta=own_theta)
    return replace(layout, conditional=declaration.conditional_x)


def _bounded(row: Parameter, roles: Roles, bounds: str | None) -> Parameter:
    """Variances that `bounds` keeps at 0 or above; a bound that the researcher wrote stays."""
    wanted = {"pos_var": (*roles.observed, *roles.latent), "pos_ov_var": roles.observed, "pos_lv_var": roles.latent}.get(
        bounds or "", ()
    )
    variance = row.op == "~~" and row.lhs == row.rhs and row.free
    return replace(row, lower=0.0) if variance and row.lhs in wanted and math.isinf(row.lower) else row


def rules_of(declaration: Declaration, *, means: bool) -> Rules:
    """How the table is completed."""
    return Rules(
        defaults=declaration.defaults, means=means, std_lv=declaration.std_lv, orthogonal=declaration.orthogonal,
        fixed_x=declaration.holds_exogenous, effect_coding=declaration.effect_coding,
    )  # fmt: skip


def wants_means(declaration: Declaration, *, ngroups: int, data: Any) -> bool:
    """Whether means are estimated."""
    incomplete = declaration.missing not in ("listwise", "pairwise")
    if declaration.meanstructure is not None and not (incomplete and not declaration.meanstructure):
        return declaration.meanstructure
    written = any(row.op == "~1" for row in declaration.parsed.formulas)
    given = [data] if not isinstance(data, (list, tuple)) else list(data)
    moments = [one for one in given if isinstance(one, SampleMoments)]
    without = any(one.mean is None for one in moments)
    return (
        written
        or incomplete
        or (bool(moments) and not without)
        or declaration.cluster is not None
        or declaration.conditional_x
        or declaration.defaults == "growth"
        or (ngroups > 1 and not without)
    )


def held_of(declaration: Declaration, exogenous: Sequence[str]) -> tuple[str, ...]:
    """Those exogenous variables whose moments are held at the sample's."""
    return tuple(exogenous) if declaration.holds_exogenous else ()
