"""Identification, checked before the fit: counting rule, then the rank of the Jacobian at two points.

A model is locally identified when the moments change with every direction of the parameters. The rank is taken at
pseudo-random points near the starting values (a fixed seed; the starting values themselves may be special), of the
Jacobian of moments scaled to the sample's standard deviations. Both points must agree before a model is refused, and
the null directions name the parameters that are confounded.

Sources: Wald (1950); Bollen (1989), ch. 8; Bekker, Merckens & Wansbeek (1994), Identification, Equivalent Models and
Computer Algebra.
"""

from __future__ import annotations

import numpy as np

from cipa.errors import IdentificationError
from cipa.models.sem.discrepancy import Likelihood
from cipa.numerics import ram
from cipa.numerics.linalg import Array

_RANK = 1e-6  # smallest singular value, relative, of a Jacobian with unit columns
_SHARE = 0.1  # a parameter is confounded when it carries this much of a null direction
_DRAWS = 2


def check_identified(objective: Likelihood, theta: Array, names: list[str], scales: tuple[Array, ...]) -> None:
    """Refuse a model whose parameters the moments cannot tell apart.

    Parameters
    ----------
    theta : (k,) array
        Starting values.
    names : list of str, length k
    scales : tuple of (p,) arrays
        Standard deviations of each group's observed variables.

    Raises
    ------
    IdentificationError
        Naming the confounded parameters.
    """
    rng = np.random.default_rng(20190707)
    layout = objective.layout
    null: Array | None = None
    for _ in range(_DRAWS):
        size = np.where(theta != 0, np.abs(theta), 0.5 * _natural(objective, scales))
        point = theta + size * rng.uniform(0.05, 0.35, layout.nfree) * rng.choice([-1.0, 1.0], layout.nfree)
        J = _jacobian(objective, point, scales)
        norms = np.linalg.norm(J, axis=0)
        null = _null_directions(J, norms)
        if null is None:
            return
    involved = _involved(layout.K @ null if null is not None else np.ones((layout.nfree, 1)))
    listed = ", ".join(names[k] for k in involved[:8]) + (f" and {len(involved) - 8} more" if len(involved) > 8 else "")
    raise IdentificationError(
        f"The model is not identified: the data cannot tell these parameters apart: {listed}. Different values of them imply the same"
        " moments, so no estimate of them means anything. Give each construct a scale (a loading at 1, or std_lv=True) and at least two"
        " indicators together with a relation to something else (three when it stands alone), and each feedback loop a predictor of its own."
    )


def _natural(objective: Likelihood, scales: tuple[Array, ...]) -> Array:
    """A unit for every parameter, from the standard deviations of the variables it joins (1 for latent ones)."""
    units = np.ones(objective.layout.nfree)
    for block, sd in zip(objective.layout.blocks, scales, strict=True):
        full = np.concatenate([sd, np.full(len(block.variables) - len(sd), float(np.median(sd)))])
        kind, row, col = block.places.kind, block.places.row, block.places.col
        units[block.free] = np.where(kind == 0, full[row] / full[col], np.where(kind == 1, full[row] * full[col], full[row]))
    return units


def _jacobian(objective: Likelihood, theta: Array, scales: tuple[Array, ...]) -> Array:
    layout = objective.layout
    parts = []
    for block, base, sd in zip(layout.blocks, objective.bases, scales, strict=True):
        moments = ram.implied(ram.place(block.places, theta[block.free], base))
        if moments is None:
            continue
        found = ram.jacobian(ram.factors(moments, block.places), with_means=layout.means)
        rows, cols = np.tril_indices(len(sd))
        weight = np.concatenate([1 / (sd[rows] * sd[cols]), *([1 / sd] if layout.means else [])])
        full = np.zeros((len(found), layout.nfree))
        full[:, block.free] = found * weight[:, None]
        parts.append(full @ layout.K if layout.tied else full)
    return np.vstack(parts)


def _null_directions(J: Array, norms: Array) -> Array | None:
    """Null directions (q, d) of the Jacobian with unit columns, or None when it has full rank."""
    if J.shape[1] == 0:
        return None
    scale = np.where(norms > 0, norms, 1.0)
    unit = J / scale
    gram = unit.T @ unit
    values, vectors = np.linalg.eigh(gram)
    if values[0] > 1e-8 * values[-1] and (norms > 0).all():
        return None
    _, singular, right = np.linalg.svd(unit, full_matrices=J.shape[0] < J.shape[1])
    singular = np.concatenate([singular, np.zeros(J.shape[1] - len(singular))])
    weak = singular <= _RANK * singular[0]
    if not weak.any() and (norms > 0).all():
        return None
    directions = right[weak].T if weak.any() else np.eye(J.shape[1])[:, norms == 0]
    return directions / scale[:, None] if weak.any() else directions


def _involved(directions: Array) -> list[int]:
    share = np.abs(directions) / np.maximum(np.abs(directions).max(axis=0), 1e-300)
    return [int(k) for k in np.flatnonzero((share > _SHARE).any(axis=1))]
