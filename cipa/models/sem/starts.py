"""Starting values: instrumental-variable loadings, and variances from what they imply.

A loading starts at cov(x_j, s) / cov(x_1, s), with s the sum of the construct's other indicators, each signed by its
correlation with the marker (Hägglund, 1982, Psychometrika, 47, FABIN in its simplest form); a reversed item therefore
starts with a negative loading. Directed effects start at 0, observed covariances of predictors at the sample's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cipa.errors import SpecificationError
from cipa.models.sem.layout import Layout
from cipa.models.sem.parameters import Parameter, Roles
from cipa.numerics.linalg import Array


def starting_values(layout: Layout, moments: Sequence[tuple[Array, Array]]) -> Array:
    """Theta (k,) to start from; `moments` holds covariance (p, p) and mean (p,) of each group's observed variables."""
    theta = np.zeros(layout.nfree)
    for group, (cov, mean) in enumerate(moments):
        where = {name: position for position, name in enumerate(layout.blocks[group].observed)}
        loadings, spread = _measurement(layout, group, cov, where)
        for k, position in enumerate(layout.theta):
            row = layout.rows[position]
            if row.group == group:
                theta[k] = (
                    row.value if not np.isnan(row.value) else _start(row, layout.roles[group], cov, mean, where, loadings, spread)
                )
    return theta


def with_user_starts(theta: Array, start: Mapping[str, float], layout: Layout, names: Sequence[str]) -> Array:
    """Theta (k,) with the values that the researcher gives by label or term."""
    values = theta.copy()
    from_name = {name: k for k, name in reversed(list(enumerate(names)))}
    for key, value in start.items():
        k = layout.labels.get(key, from_name.get(key))
        if k is None:
            raise SpecificationError(f"start has '{key}', which is neither a label nor a free parameter of the model.")
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
    rows = [row for row in layout.rows if row.group == group and row.op == "=~"]
    by_construct: dict[str, list[Parameter]] = {}
    for row in rows:
        by_construct.setdefault(row.lhs, []).append(row)
    weights = _proxies(by_construct, where, size=len(cov))
    loadings: dict[tuple[str, str], float] = {}
    spread = dict.fromkeys(layout.roles[group].latent, 1.0)  # of composites; those of measured constructs follow
    spread |= {name: max(float(cov[i, i]), 1e-12) for name, i in where.items()}
    explained: dict[str, float] = {}
    fixed_variance = {
        row.lhs: row.value for row in layout.rows if row.group == group and row.op == "~~" and row.lhs == row.rhs and not row.free
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
    half = 0.5 * float(variances[0])
    if size == 1:
        return np.ones(1), half * 2
    shape = np.ones(size)
    correlation = block / np.sqrt(np.outer(variances, variances))
    signs = np.where(correlation[0] < 0, -1.0, 1.0)
    for j in range(1, size):
        others = [i for i in range(1, size) if i != j] or [0]
        mix = (signs[others] / np.sqrt(variances[others]))[:, None]
        base = float((block[0, others] @ mix)[0])
        top = float((block[j, others] @ mix)[0])
        limit = 3.0 * np.sqrt(variances[j] / variances[0])
        raw = (
            top / base
            if others != [0] and abs(base) > 1e-8 * np.sqrt(variances[0])
            else signs[j] * np.sqrt(variances[j] / variances[0])
        )
        shape[j] = np.clip(raw, -limit, limit) if raw else signs[j] * limit / 3
    pairs = np.array([block[0, j] / shape[j] for j in range(1, size) if shape[j] != 0])
    variance = float(np.median(pairs)) if pairs.size else half
    return shape, float(np.clip(variance, 0.1 * variances[0], 0.9 * variances[0]))
