"""Identification, checked before the fit: counting rule, then the rank of the Jacobian at two points.

A model is locally identified when the moments change with every direction of the parameters. The rank is taken at
pseudo-random points near the starting values (a fixed seed; the starting values themselves may be special), of the
Jacobian of moments scaled to the sample's standard deviations. Both points must agree before a model is refused, and
the null directions name the parameters that are confounded.

Sources: Wald (1950); Bollen (1989), ch. 8; Bekker, Merckens & Wansbeek (1994), Identification, Equivalent Models and
Computer Algebra.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from cipa.errors import IdentificationError
from cipa.models.sem.declare.layout import Block, Layout
from cipa.models.sem.problem import Objective, Problem
from cipa.numerics.algebra.linalg import Array, cholesky_or_none
from cipa.numerics.moments import ram

_RANK = 1e-6  # smallest singular value, relative, of a Jacobian with unit columns
_PIVOT = 1e-3  # smallest pivot of a scaled Cholesky factor that proves full rank beyond doubt
_SHARE = 0.1  # a parameter is confounded when it carries this much of a null direction
_DRAWS = 2


def moment_count(layout: Layout) -> int:
    """Sample moments that the model explains: those of exogenous variables held at the sample's do not count."""
    total = 0
    for block in layout.blocks:
        p, x = len(block.observed), len(block.exogenous)
        total += p * (p + 1) // 2 - x * (x + 1) // 2 + ((p - x) if layout.means else 0)
    return total


def refuse_underidentified(layout: Layout, moments: int) -> None:
    """The counting rule: no more parameters, less curved equations, than moments; and one at least."""
    if not layout.npar:
        raise IdentificationError(
            "Every parameter of the model is fixed, so that nothing is estimated, and no error or test belongs to it. Leave a "
            "value out, or free one with NA* (a start value is written start(0.3)*x)."
        )
    npar = layout.npar - sum(curve.equal for curve in layout.curves)
    if npar > moments:
        raise IdentificationError(
            f"The model has {npar} free parameters for {moments} sample moments ({npar - moments} too many), so its estimates "
            "are not unique. Fix or equate parameters, drop paths, or add indicators."
        )


def check_identified(problem: Problem, objective: Objective, theta: Array, scales: tuple[Array, ...]) -> None:
    """Refuse a model whose parameters the moments cannot tell apart.

    Parameters
    ----------
    problem : Problem
        For the names of the parameters.
    objective : Objective
        At the tangent of nonlinear constraints.
    theta : (k,) array
        Starting values.
    scales : tuple of (p,) arrays
        Standard deviations of each group's observed variables.

    Raises
    ------
    IdentificationError
        Naming the confounded parameters.
    """
    rng = np.random.default_rng(20190707)
    layout = objective.layout
    null = np.ones((layout.npar, 1))
    for _ in range(_DRAWS):
        size = np.where(theta != 0, np.abs(theta), 0.5 * natural_units(layout, scales))
        point = theta + size * rng.uniform(0.05, 0.35, layout.nfree) * rng.choice([-1.0, 1.0], layout.nfree)
        if _clearly_full_rank(_gram(objective, point, scales)):
            return
        found = _null_directions(_jacobian(objective, point, scales))
        if found is None:
            return
        null = found
    confounded = involved(layout.K @ null)
    raise unidentified([problem.names[k] for k in confounded])


def unidentified(names: Sequence[str]) -> IdentificationError:
    """The refusal of a model whose confounded parameters have these names."""
    listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return IdentificationError(
        f"The model is not identified: the data cannot tell these parameters apart: {listed}. Different values of them imply the"
        " same moments, so no estimate of them means anything. Give each construct a scale (a loading at 1, or std_lv=True) and "
        "at least two indicators together with a relation to something else (three when it stands alone), and each feedback loop "
        "a predictor of its own."
    )


def natural_units(layout: Layout, scales: Sequence[Array]) -> Array:
    """A unit for every parameter, from the standard deviations of the variables it joins."""
    units = np.ones(layout.nfree)
    for g, (block, sd) in enumerate(zip(layout.blocks, scales, strict=True)):
        full = np.concatenate([sd, _construct_units(layout, g, sd)])
        kind, row, col = block.places.kind, block.places.row, block.places.col
        units[block.free] = np.where(kind == 0, full[row] / full[col], np.where(kind == 1, full[row] * full[col], full[row]))
    return units


def _construct_units(layout: Layout, g: int, sd: Array) -> Array:
    """The units of a block's constructs: of the item that marks it, of its fixed variance, or else the items' median."""
    block, middle = layout.blocks[g], float(np.median(sd))
    units = dict(zip(block.observed, sd.tolist(), strict=True))
    rows = [row for row in layout.rows if row.block == g and not row.free and row.value]
    for construct in block.variables[len(sd) :]:
        variance = next((row.value for row in rows if row.op == "~~" and row.lhs == row.rhs == construct), 0.0)
        units[construct] = math.sqrt(variance) if variance > 0 else middle
    for _ in block.variables[len(sd) :]:  # as often as constructs may stand above one another
        for row in reversed(rows):
            if row.op == "=~":
                units[row.lhs] = units[row.rhs] / abs(row.value)
    return np.array([units[name] for name in block.variables[len(sd) :]])


def _points(objective: Objective, theta: Array) -> Iterator[tuple[Block, ram.Factors]]:
    for block, base in zip(objective.layout.blocks, objective.bases, strict=True):
        moments = ram.implied(ram.place(block.places, theta[block.free], _told_apart(block, base)))
        if moments is not None:
            yield block, ram.factors(moments, block.places)


def _told_apart(block: Block, base: ram.Matrices) -> ram.Matrices:
    """The fixed matrices with the correlations of held exogenous variables halved.

    Whether a model is identified does not depend on how much these go together, short of exactly (which is refused by itself);
    a product of columns far from 0, as year:z, goes with z but for a millionth.
    """
    x = block.exogenous
    if len(x) < 2:
        return base
    S, index = base.S.copy(), np.ix_(x, x)
    S[index] = (S[index] + np.diag(S[index].diagonal())) / 2
    return replace(base, S=S)


def _gram(objective: Objective, theta: Array, scales: tuple[Array, ...]) -> Array:
    """J'WJ (q, q) with W the information of independent variables: the rank of J, without forming J."""
    layout = objective.layout
    total = np.zeros((layout.nfree, layout.nfree))
    for (block, parts), sd in zip(_points(objective, theta), scales, strict=False):
        total[np.ix_(block.free, block.free)] += ram.expected_information(parts, np.diag(sd**-2.0))
    return layout.K.T @ total @ layout.K if layout.tied else total


def _clearly_full_rank(gram: Array) -> bool:
    """Whether a scaled Cholesky factor has no small pivot: enough for almost every model, at a tenth of an SVD."""
    diagonal = gram.diagonal()
    if not len(gram) or (diagonal <= 0).any():
        return not len(gram)
    factor = cholesky_or_none(gram / np.sqrt(np.outer(diagonal, diagonal)))
    return factor is not None and bool(factor.diagonal().min() > _PIVOT)


def _jacobian(objective: Objective, theta: Array, scales: tuple[Array, ...]) -> Array:
    layout = objective.layout
    parts = []
    for (block, factors), sd in zip(_points(objective, theta), scales, strict=False):
        found = ram.jacobian(factors, with_means=layout.means)
        rows, cols = np.tril_indices(len(sd))
        weight = np.concatenate([1 / (sd[rows] * sd[cols]), *([1 / sd] if layout.means else [])])
        full = np.zeros((len(found), layout.nfree))
        full[:, block.free] = found * weight[:, None]
        parts.append(full @ layout.K)
    if not parts:
        raise IdentificationError(
            "The directed effects run in a circle that feeds itself without end (I - B is singular), whatever the parameters "
            "are. Look for constructs that measure each other, or for effects fixed at 1 around a loop, and free or remove one."
        )
    return np.vstack(parts)


def _null_directions(J: Array) -> Array | None:
    """Null directions (q, d) of the Jacobian with unit columns, or None when it has full rank."""
    norms = np.linalg.norm(J, axis=0)
    if (norms == 0).any():
        return np.eye(J.shape[1])[:, norms == 0]
    _, singular, right = np.linalg.svd(J / norms)
    singular = np.concatenate([singular, np.zeros(J.shape[1] - len(singular))])
    weak = singular <= _RANK * singular[0]
    return right[weak].T / norms[:, None] if weak.any() else None


def involved(directions: Array) -> list[int]:
    """The parameters that carry a good part of some null direction (q, d)."""
    share = np.abs(directions) / np.maximum(np.abs(directions).max(axis=0), 1e-300)
    return [int(k) for k in np.flatnonzero((share > _SHARE).any(axis=1))]
