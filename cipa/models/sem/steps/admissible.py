"""Whether the estimates can be those of variables: variances, latent covariances, bounds, defined effects."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.declare.parameters import Parameter
from cipa.models.sem.problem import Point
from cipa.models.sem.steps.identification import natural_units
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
        *_negative_variances(layout, estimates, errors),
        *_weak_markers(layout, labels, estimates, errors),
        *_undetermined(layout, labels, point, errors),
        *_latent_covariances(layout, labels, point),
        *_binding(layout, point),
        *_undefined(estimates),
    )


def _negative_variances(layout: Layout, estimates: Estimates, errors: Array) -> list[Notice]:
    """Heywood cases."""
    found = []
    for position, row in enumerate(layout.rows):
        estimate = estimates.rows[position].estimate
        if row.op == "~~" and row.lhs == row.rhs and (row.free or _follows(layout, row)) and estimate < 0:
            what = "residual variance" if row.lhs in layout.blocks[row.block].observed else "variance"
            place = "" if row.level is None else f" at level {row.level}"
            error = f" (SE {errors[position]:.2g})" if row.free else ", from its loadings"
            text = (
                f"The {what} of {row.lhs}{place} is estimated at {estimate:.3g}{error}. Standard errors and fit indices of"
                " such a solution are not trustworthy. Look at its loading first; if its construct has two items only, fix the "
                "variance or add an item."
            )
            found.append(Notice(code="heywood", severity="warning", text=text))
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
        item, other = layout.rows[markers[0]].rhs, layout.rows[best].rhs
        place = _place(layout, labels, g)
        loading = f"{estimates.rows[best].estimate:.3g} (SE {errors[best]:.2g})"
        text = (
            f"The marker of {construct}{place}, {item}, hardly loads on it (standardized {sizes[markers[0]]:.2g}), and all of the"
            f" construct's estimates are counted in its unit: the loading of {other} is {loading}. Their errors and tests tell of"
            f" {item}, not of them. Set the scale otherwise: {construct} =~ NA*{item} + 1*{other} + ..., or std_lv=True."
        )
        notices.append(Notice(code="weak_marker", text=text))
    return notices


def _place(layout: Layout, labels: Sequence[str], block: int) -> str:
    """Where a block is, for a sentence; nothing where there is only one."""
    group, level = layout.place(block)
    return f"{f' in group {labels[group]}' if len(labels) > 1 else ''}{f' at level {level}' if level is not None else ''}"


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
    several = f"{', '.join(names[:4])}{f' and {len(names) - 4} more' if len(names) > 4 else ''}"
    text = (
        f"The information about {several} is zero at the estimates (for example of a path whose square alone counts, estimated "
        "at 0). Standard errors and z-tests of these do not exist, whatever the table prints. Fix them there and compare the "
        "fits (ci.lr_test), or write the model in what counts (the square, a variance)."
    )
    return [Notice(code="undetermined", severity="warning", text=text)]


def _latent_covariances(layout: Layout, labels: Sequence[str], point: Point) -> list[Notice]:
    """Latent covariance matrices that no variables can have."""
    found = []
    for g, (block, moments) in enumerate(zip(layout.blocks, point.blocks, strict=True)):
        p = len(block.observed)
        smallest = _smallest_eigenvalue(moments.T[p:, p:])
        if smallest < -1e-8:
            place = _place(layout, labels, g)
            text = (
                f"The covariance matrix of the latent variables is not positive definite{place} (smallest eigenvalue "
                f"{smallest:.2g}): some correlation among {', '.join(block.variables[p:])} exceeds what is possible. Constructs "
                "that are not distinct cannot be separated: merge them, or look at their cross-loadings."
            )
            found.append(Notice(code="latent_cov", severity="warning", text=text))
    return found


def implied_notices(blocks: Sequence[Implied], patterns: Sequence[int], labels: Sequence[str]) -> tuple[Notice, ...]:
    """Implied covariances of the observed variables that no variables have, although those of each missing pattern are."""
    notices = []
    for g, moments in enumerate(blocks):
        if patterns[g] > 1 and cholesky_or_none(moments.cov) is None:
            place = f" in group {labels[g]}" if len(labels) > 1 else ""
            text = (
                f"The implied covariance matrix of the observed variables is not positive definite{place}, although that of each "
                "pattern of missing values is: the model fits a relation that no complete case can have. Too few cases have the "
                "variables together: drop the emptiest, or simplify the model."
            )
            notices.append(Notice(code="implied_cov", severity="warning", text=text))
    return tuple(notices)


def _binding(layout: Layout, point: Point) -> list[Notice]:
    """Inequalities that hold as equations: the chi-square's reference distribution is then a mixture."""
    if not layout.binding:
        return []
    binding = [curve.text for curve in layout.curves if not curve.equal and abs(curve.at(point.theta)[0]) < _ON_THE_BOUND]
    text = (
        f"{layout.binding} inequality constraint{'s bind' if layout.binding > 1 else ' binds'} ({', '.join(binding)}): the "
        "estimates stand on the bound. The p-value of the chi-square counts the bound as no constraint (as lavaan does), and is "
        "approximate; standard errors are those with the bound held as an equation."
    )
    return [Notice(code="binding", text=text)]


def _undefined(estimates: Estimates) -> list[Notice]:
    """Defined effects that have no value at the estimates."""
    found = []
    for row in estimates:
        if row.status == "defined" and not np.isfinite(row.estimate):
            text = (
                f"The defined effect {row.term.lhs} := {row.term.rhs[:60]} is {row.estimate} at the estimates: a logarithm or "
                "root of a negative number, or a division by zero. It is reported without a value: look at the labels it is made "
                "of."
            )
            found.append(Notice(code="undefined_effect", severity="warning", text=text))
    return found


def _smallest_eigenvalue(cov: Array) -> float:
    """Smallest eigenvalue of the correlation matrix; 0 where there is none (one variable, or a variance below zero)."""
    variances = cov.diagonal()
    if len(cov) < 2 or not (variances > 0).all():
        return 0.0
    return float(np.linalg.eigvalsh(cov / np.sqrt(np.outer(variances, variances)))[0])
