"""Samples of a two-level model of four items, and how its standardized residuals spread over many of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import cipa as ci
from cipa.numerics.algebra.linalg import Array

ITEMS = ("y1", "y2", "y3", "y4")
CFA = "level: within\nfw =~ y1 + y2 + y3 + y4\nfw ~ x1\nlevel: between\nfb =~ y1 + y2 + y3 + y4\nfb ~ w1\n"
EQUAL = "level: within\nfw =~ y1 + a*y2 + b*y3 + c*y4\nfw ~ x1\nlevel: between\nfb =~ y1 + a*y2 + b*y3 + c*y4\nfb ~ w1\n"
WITHIN = np.array([1.0, 0.8, 1.2, 0.9])
BETWEEN = np.array([1.0, 0.7, 0.9, 1.1])


def drawn(
    rng: np.random.Generator, clusters: int, *, equal: bool = False, heavy: bool = False, holes: bool = False,
    sizes: tuple[int, int] = (5, 15),
) -> pd.DataFrame:  # fmt: skip
    """True data of CFA (EQUAL, if asked), sizes of clusters drawn from `sizes`.

    `heavy`: all that is not exogenous is t with 6 degrees of freedom. `holes`: y3 and y4 are missing more often where y1, which
    is always seen, is large (missing at random).
    """
    size = rng.integers(sizes[0], sizes[1] + 1, clusters)
    cluster = np.repeat(np.arange(clusters), size)
    n = len(cluster)

    def part(*shape: int) -> Array:
        return np.asarray(rng.standard_t(6, size=shape) / np.sqrt(1.5) if heavy else rng.normal(size=shape))

    w1, x1 = rng.normal(size=clusters), rng.normal(size=n)
    between = np.outer(0.5 * w1 + 0.6 * part(clusters), WITHIN if equal else BETWEEN) + 0.4 * part(clusters, 4)
    within = np.outer(0.5 * x1 + 0.9 * part(n), WITHIN) + 0.7 * part(n, 4)
    values = between[cluster] + within + np.arange(1.0, 5.0)
    if holes:
        lost = rng.random((n, 2)) < 1 / (1 + np.exp(2.5 - values[:, :1]))
        values[:, 2:] = np.where(lost, np.nan, values[:, 2:])
    return pd.DataFrame(values, columns=list(ITEMS)).assign(x1=x1, w1=w1[cluster], cluster=cluster)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Of the residuals that every sample shows: their names, means and standard deviations; and the share that is blank."""

    names: tuple[str, ...]
    means: Array
    deviations: Array
    blank: float


def spread_of_residuals(
    rng: np.random.Generator, samples: int, clusters: int, *, syntax: str = CFA, estimator: str = "ml", missing: str = "listwise",
    options: dict[str, Any] | None = None, **law: Any,
) -> Spread:  # fmt: skip
    """Standardized residuals of `samples` fits to true data; with options for groups, to two groups of clusters of this law."""
    rows, names = [], np.array([])
    for _ in range(samples):
        data = drawn(rng, clusters, **law)
        if options:
            data["part"] = np.where(data.cluster % 3 == 0, "north", "south")
        fit = ci.SEM(syntax, cluster="cluster", estimator=estimator, missing=missing, **(options or {})).fit(data)
        table = ci.residuals(fit, kind="standardized").to_frame()
        names = (table.group.fillna("") + table.level + ": " + table.lhs + table.op + table.rhs.fillna("")).to_numpy()
        rows.append(table.residual.to_numpy(float))
    z = np.array(rows)
    shown = ~np.isnan(z).any(axis=0) & (z != 0).all(axis=0)
    return Spread(
        names=tuple(names[shown]), means=z[:, shown].mean(axis=0), deviations=z[:, shown].std(axis=0, ddof=1),
        blank=float(np.isnan(z).mean()),
    )  # fmt: skip
