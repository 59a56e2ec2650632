"""Starting values: instrumental-variable loadings, and variances from what they imply.

A loading starts at cov(x_j, s) / cov(x_1, s), with s the sum of the construct's other indicators, each signed by its
correlation with the marker (Hägglund, 1982, Psychometrika, 47, FABIN in its simplest form); a reversed item therefore
starts with a negative loading. Directed effects start at 0, observed covariances of predictors at the sample's.

Where a construct's first item hardly belongs to it, these ratios point away from the solution. `other_values` are two other
places to start: the first principal component of each construct's items, and items that are all alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from cipa.errors import SpecificationError, did_you_mean
from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.declare.parameters import Parameter, Roles
from cipa.numerics.algebra.linalg import Array
from cipa.study.tokens import LARGEST

_SHARED = 0.6  # of a component's variance that a construct is taken to have
_SMALL = 0.05  # the same of items that are all alike
_WEAK = 0.1  # least weight of a marker in its component; one that has none cannot carry the unit


def starting_values(layout: Layout, moments: Sequence[tuple[Array, Array]]) -> Array:
    """Theta (k,) to start from; `moments` holds covariance (p, p) and mean (p,) of each group's observed variables."""
    theta = np.zeros(layout.nfree)
    for group, (cov, mean) in enumerate(moments):
        where = {name: position for position, name in enumerate(layout.blocks[group].observed)}
        loadings, spread = _measurement(layout, group, cov, where)
        for k, position in enumerate(layout.theta):
            row = layout.rows[position]
            if row.block == group:
                theta[k] = (
                    row.value if not np.isnan(row.value) else _start(row, layout.roles[group], cov, mean, where, loadings, spread)
                )
    return theta


def other_values(layout: Layout, moments: Sequence[tuple[Array, Array]], theta: Array) -> Iterator[Array]:
    """Other thetas (k,) to start from, for a search that did not end; what does not belong to a construct stays as it is."""
    index = {position: k for k, position in enumerate(layout.theta) if np.isnan(layout.rows[position].value)}
    for one_factor in (_component, _alike):
        values = theta.copy()
        for group, (cov, _) in enumerate(moments):
            found = _measured(layout, group, cov, one_factor)
            for position, k in index.items():
                row = layout.rows[position]
                if row.block == group:
                    values[k] = found.get((row.lhs, row.op, row.rhs), values[k])
        yield values


def _measured(layout: Layout, group: int, cov: Array, one_factor: Callable[[Array], Array]) -> dict[tuple[str, str, str], float]:
    """Loadings and variances of a group by (lhs, op, rhs): half of every item is unexplained."""
    observed = layout.blocks[group].observed
    found: dict[tuple[str, str, str], float] = {(name, "~~", name): 0.5 * float(cov[i, i]) for i, name in enumerate(observed)}
    for construct in layout.roles[group].latent:
        rows = [row for row in layout.rows if row.block == group and row.op == "=~" and row.lhs == construct]
        if rows:
            items = [observed.index(_first_item(layout, group, row.rhs)) for row in rows]
            loadings = one_factor(cov[np.ix_(items, items)])
            unit = 1.0 if rows[0].free or not rows[0].value else float(loadings[0] / rows[0].value)
            found |= {(construct, "=~", row.rhs): float(value) for row, value in zip(rows, loadings / unit, strict=True)}
            found[construct, "~~", construct] = unit**2
    return found


def _component(block: Array) -> Array:
    """Loadings (m,) on a construct of unit variance: the first principal component of the items' correlations."""
    sd = np.sqrt(block.diagonal())
    roots, vectors = np.linalg.eigh(block / np.outer(sd, sd))
    direction = vectors[:, -1] * (-1.0 if vectors[0, -1] < 0 else 1.0)
    direction[0] = max(direction[0], _WEAK)
    return np.asarray(direction * sd * np.sqrt(_SHARED * roots[-1]))


def _alike(block: Array) -> Array:
    """Loadings (m,) of items that are all alike, and small, signed as they go with the marker (about where lavaan starts)."""
    return np.asarray(np.sqrt(_SMALL * block.diagonal()) * np.where(block[0] < 0, -1.0, 1.0))


def _first_item(layout: Layout, group: int, name: str) -> str:
    """The first observed item at the bottom of a construct; an observed variable itself."""
    for _ in layout.blocks[group].variables:
        below = next((row.rhs for row in layout.rows if row.block == group and row.op == "=~" and row.lhs == name), "")
        if name in layout.blocks[group].observed or not below:
            break
        name = below
    return name


def with_user_starts(theta: Array, start: Mapping[str, float], layout: Layout, names: Sequence[str]) -> Array:
    """Theta with the user's values, by label or term ("y ~ x")."""
    values = theta.copy()
    from_name = {name: k for k, name in reversed(list(enumerate(names)))}
    for key, value in start.items():
        k = layout.labels.get(key, from_name.get(key))
        if k is None:
            raise SpecificationError(
                f"start has '{key}', which is neither a label nor a free parameter of the model, so that it would change "
                f"nothing.{did_you_mean(key, [*layout.labels, *names])} Name a label, or a term as the estimates print it."
            )
        if not isinstance(value, (int, float, np.number)) or not abs(value) <= LARGEST:
            raise SpecificationError(
                f"start gives '{key}' the value {value!r}, and no search begins there. Give a finite number below {LARGEST:g}."
            )
        values[k] = value
    return values


def _start(
    row: Parameter,
    roles: Roles,
    cov: Array,
    mean: Array,
    where: Mapping[str, int],
    loadings: Mapping[tuple[str, str], float],
    spread: Mapping[str, float],
) -> float:
    if row.op == "=~":
        return loadings[row.lhs, row.rhs]
    if row.op == "<~":
        return 1.0
    if row.op == "~1":
        return float(mean[where[row.lhs]]) if row.lhs in where else 0.0
    if row.op == "~~" and row.lhs == row.rhs:
        return spread[row.lhs]
    if row.op == "~~" and row.lhs in roles.exogenous and row.rhs in roles.exogenous:
        return float(cov[where[row.lhs], where[row.rhs]])
    return 0.0


def _measurement(
    layout: Layout, group: int, cov: Array, where: Mapping[str, int]
) -> tuple[dict[tuple[str, str], float], dict[str, float]]:
    """Loadings by (construct, indicator), and (residual) variances by variable."""
    rows = [row for row in layout.rows if row.block == group and row.op == "=~"]
    by_construct: dict[str, list[Parameter]] = {}
    for row in rows:
        by_construct.setdefault(row.lhs, []).append(row)
    weights = _proxies(by_construct, where, size=len(cov))
    loadings: dict[tuple[str, str], float] = {}
    spread = dict.fromkeys(layout.roles[group].latent, 1.0)  # of composites; those of measured constructs follow
    spread |= {name: max(float(cov[i, i]), 1e-12) for name, i in where.items()}
    explained: dict[str, float] = {}
    fixed_variance = {
        row.lhs: row.value for row in layout.rows if row.block == group and row.op == "~~" and row.lhs == row.rhs and not row.free
    }
    for construct in _lowest_first(by_construct):
        indicators = by_construct[construct]
        proxies = np.array([weights[row.rhs] for row in indicators])
        block = proxies @ cov @ proxies.T
        shape, variance = _one_factor(block)
        fixed = [
            (row, value) for row, value in zip(indicators, shape, strict=True) if not row.free and row.value != 0 and value != 0
        ]
        unit = fixed[0][0].value / fixed[0][1] if fixed else np.sqrt(variance / (fixed_variance.get(construct) or 1.0))
        for row, value in zip(indicators, shape, strict=True):
            start = value * unit if row.free else row.value
            loadings[construct, row.rhs] = start
        spread[construct] = max(variance / unit**2, 1e-12)
        for row, value, total in zip(indicators, shape, block.diagonal(), strict=True):
            explained[row.rhs] = explained.get(row.rhs, 0.0) + value**2 * variance / max(float(total), 1e-300)
    for name, share in explained.items():
        spread[name] *= max(1.0 - share, 0.25)
    return loadings, spread


def _lowest_first(by_construct: Mapping[str, Sequence[Parameter]]) -> list[str]:
    """Constructs in an order in which those measured by others come last."""
    done: list[str] = []
    waiting = list(by_construct)
    while waiting:
        ready = [name for name in waiting if not any(row.rhs in waiting and row.rhs != name for row in by_construct[name])]
        ready = ready or waiting
        done.extend(ready)
        waiting = [name for name in waiting if name not in ready]
    return done


def _proxies(by_construct: Mapping[str, Sequence[Parameter]], where: Mapping[str, int], *, size: int) -> dict[str, Array]:
    """A weight vector (p,) for every variable: itself, or for a construct its first indicator's proxy."""
    weights = {name: np.eye(size)[position] for name, position in where.items()}
    for construct in _lowest_first(by_construct):
        first = by_construct[construct][0].rhs
        weights[construct] = weights.get(first, np.zeros(size))
    return weights


def _one_factor(block: Array) -> tuple[Array, float]:
    """Loadings relative to the first indicator, and the variance of the factor in its unit."""
    size = len(block)
    variances = np.maximum(block.diagonal(), 1e-300)
    if size == 1:
        return np.ones(1), float(variances[0])
    shape = np.ones(size)
    correlation = block / np.sqrt(np.outer(variances, variances))
    signs = np.where(correlation[0] < 0, -1.0, 1.0)
    unit = signs * np.sqrt(variances / variances[0])  # where nothing better is known
    raw, mix = unit.copy(), signs / np.sqrt(variances)
    mix[0] = 0.0
    if size > 2:
        base = block[0] @ mix - block[0] * mix  # with the sum of the others
        top = block @ mix - block.diagonal() * mix
        known = np.abs(base) > 1e-8 * np.sqrt(variances[0])
        raw = np.where(known, top / np.where(known, base, 1.0), unit)
    limit = 3.0 * np.abs(unit)
    shape[1:] = np.where(raw == 0, unit, np.clip(raw, -limit, limit))[1:]
    variance = float(np.median(block[0, 1:] / shape[1:]))
    return shape, float(np.clip(variance, 0.1 * variances[0], 0.9 * variances[0]))
