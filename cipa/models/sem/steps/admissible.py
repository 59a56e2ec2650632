"""Whether the estimates can be those of variables: variances, latent covariances, bounds, defined effects."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.declare.parameters import Parameter
from cipa.models.sem.problem import Point
from cipa.models.sem.steps.identification import natural_units
from cipa.models.sem.steps.table import where
from cipa.numerics.algebra.linalg import Array, cholesky_or_none
from cipa.numerics.moments.ram import Implied
from cipa.results.estimates import Estimates
from cipa.results.fit import Notice

_WEAK, _STRONG = 0.1, 0.3  # standardized loadings of a marker that hardly belongs, and of an item that does
_BEYOND = 1e6  # natural units of a parameter; an error beyond it is a division by (almost) zero
_Z = 1.96  # below it a loading that is strong when standardized is uncertain in the unit of its marker


_ON_THE_BOUND = 1e-7
"""Distance within which a constraint holds as an equation; the search ends a hundred times nearer."""


def admissible_notices(
    layout: Layout, labels: Sequence[str], estimates: Estimates, point: Point, errors: Array
) -> tuple[Notice, ...]:
    """What to know before reading the estimates; errors (rows,) are their standard errors."""
    return (
        *_negative_variances(layout, labels, estimates, errors),
        *_weak_markers(layout, labels, estimates, errors),
        *_undetermined(layout, labels, point, errors),
        *_latent_covariances(layout, labels, point),
        *_binding(layout, point),
        *_undefined(estimates),
    )


def _negative_variances(layout: Layout, labels: Sequence[str], estimates: Estimates, errors: Array) -> list[Notice]:
    """Heywood cases."""
    found = []
    for position, row in enumerate(layout.rows):
        estimate = estimates.rows[position].estimate
        if row.op == "~~" and row.lhs == row.rhs and (row.free or _follows(layout, row)) and estimate < 0:
            group, level = where(layout, labels, row.block)
            values = {
                "variable": row.lhs, "residual": row.lhs in layout.blocks[row.block].observed, "group": group, "level": level,
                "estimate": estimate, "error": errors[position] if row.free else None,
            }  # fmt: skip
            found.append(Notice(code="heywood", values=values, severity="warning"))
    return found


def _follows(layout: Layout, row: Parameter) -> bool:
    """Whether a residual variance is that of an ordered variable, which follows from the rest (delta parameterization)."""
    block = layout.blocks[row.block]
    if block.ordinal is None or block.ordinal.theta or row.lhs not in block.observed:
        return False
    return bool(block.ordinal.ordered[block.observed.index(row.lhs)])


def _weak_markers(layout: Layout, labels: Sequence[str], estimates: Estimates, errors: Array) -> list[Notice]:
    """Constructs that are counted in the unit of an item which hardly belongs to them."""
    notices = []
    loadings: dict[tuple[int, str], list[int]] = {}
    for position, row in enumerate(layout.rows):
        if row.op == "=~":
            loadings.setdefault((row.block, row.lhs), []).append(position)
    for (g, construct), positions in loadings.items():
        sizes = {position: _size(estimates.rows[position].standardized) for position in positions}
        markers = [position for position in positions if not layout.rows[position].free and layout.rows[position].value]
        best = max(positions, key=lambda position: sizes[position])
        if len(markers) != 1 or not layout.rows[best].free or not sizes[best] > _STRONG:
            continue
        unsure = abs(estimates.rows[best].estimate) < _Z * errors[best] and sizes[markers[0]] < sizes[best] / 2
        if not (unsure or sizes[markers[0]] < _WEAK):
            continue
        group, level = where(layout, labels, g)
        values = {
            "construct": construct, "group": group, "level": level, "item": layout.rows[markers[0]].rhs,
            "loading": sizes[markers[0]], "other": layout.rows[best].rhs, "estimate": estimates.rows[best].estimate,
            "error": errors[best],
        }  # fmt: skip
        notices.append(Notice(code="weak_marker", values=values))
    return notices


def _size(standardized: float | None) -> float:
    """Its absolute value; 0 where there is none."""
    return 0.0 if standardized is None or math.isnan(standardized) else abs(standardized)


def _undetermined(layout: Layout, labels: Sequence[str], point: Point, errors: Array) -> list[Notice]:
    """Parameters about which the information is zero at the estimates, although it is not elsewhere."""
    own = errors[list(layout.theta)]
    if (own <= _BEYOND * np.abs(point.theta)).all():
        return []
    units = natural_units(layout, [np.sqrt(np.maximum(moments.cov.diagonal(), 0.0)) for moments in point.blocks])
    beyond = ~(own <= _BEYOND * np.maximum(units, np.abs(point.theta)))
    names = [str(layout.rows[position].term(labels)) for position, far in zip(layout.theta, beyond, strict=True) if far]
    if not names:
        return []
    return [Notice(code="undetermined", values={"parameters": tuple(names)}, severity="warning")]


def _latent_covariances(layout: Layout, labels: Sequence[str], point: Point) -> list[Notice]:
    """Latent covariance matrices that no variables can have."""
    found = []
    for g, (block, moments) in enumerate(zip(layout.blocks, point.blocks, strict=True)):
        p = len(block.observed)
        smallest = _smallest_eigenvalue(moments.T[p:, p:])
        if smallest < -1e-8:
            group, level = where(layout, labels, g)
            values = {
                "group": group, "level": level, "smallest": smallest, "variables": tuple(block.variables[p:]),
            }  # fmt: skip
            found.append(Notice(code="latent_cov", values=values, severity="warning"))
    return found


def implied_notices(blocks: Sequence[Implied], patterns: Sequence[int], labels: Sequence[str]) -> tuple[Notice, ...]:
    """Implied covariances of the observed variables that no variables have, although those of each missing pattern are."""
    notices = []
    for g, moments in enumerate(blocks):
        if patterns[g] > 1 and cholesky_or_none(moments.cov) is None:
            group = labels[g] if len(labels) > 1 else None
            notices.append(Notice(code="implied_cov", values={"group": group}, severity="warning"))
    return tuple(notices)


def _binding(layout: Layout, point: Point) -> list[Notice]:
    """Inequalities that hold as equations: the chi-square's reference distribution is then a mixture."""
    if not layout.binding:
        return []
    binding = [curve.text for curve in layout.curves if not curve.equal and abs(curve.at(point.theta)[0]) < _ON_THE_BOUND]
    return [Notice(code="binding", values={"count": layout.binding, "constraints": tuple(binding)})]


def _undefined(estimates: Estimates) -> list[Notice]:
    """Defined effects that have no value at the estimates."""
    found = []
    for row in estimates:
        if row.status == "defined" and not np.isfinite(row.estimate):
            values = {"effect": row.term.lhs, "formula": row.term.rhs[:60], "value": row.estimate}
            found.append(Notice(code="undefined_effect", values=values, severity="warning"))
    return found


def _smallest_eigenvalue(cov: Array) -> float:
    """Smallest eigenvalue of the correlation matrix; 0 where there is none (one variable, or a variance below zero)."""
    variances = cov.diagonal()
    if len(cov) < 2 or not (variances > 0).all():
        return 0.0
    return float(np.linalg.eigvalsh(cov / np.sqrt(np.outer(variances, variances)))[0])
