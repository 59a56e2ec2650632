"""The firms behind all three data sets: their constructs, clusters and structure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cipa.data.simulation.truth import (
    CIP,
    CONSTRUCTS,
    CORRELATIONS,
    FIRM_TO_CIP,
    INTRACLASS,
    MODES,
    MS,
    RI,
    TREATMENT,
)
from cipa.numerics.algebra.linalg import Array, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Firms:
    """n firms: their cluster and region, latent values by name, and what follows from them."""

    cluster: IntArray
    region: IntArray
    latent: Mapping[str, Array]
    core: Array
    size: Array
    founded: Array
    soe: Array
    adoption: Array  # year in which the firm's cluster adopts Internet+; 0 for never
    internet_cluster: Array  # cluster effect on INET, by firm
    telephones: Array  # 1984 telephones per 100 persons, by firm's cluster
    columns: Mapping[str, Array]


def firms_of(
    rng: np.random.Generator, *, n: int, clusters: int, regions: int, group_difference: bool, interactions: bool
) -> Firms:
    """Firms in their clusters, with their constructs and disturbances."""
    floor = max(1, n // (clusters * 5 // 2))
    sizes = floor + rng.multinomial(n - floor * clusters, rng.dirichlet(np.full(clusters, 8.0)))
    cluster = np.repeat(np.arange(clusters), sizes)
    region_of = np.arange(clusters) * regions // clusters
    effects = _cluster_effects(rng, region_of, regions)
    within = rng.multivariate_normal(np.zeros(5), CORRELATIONS - np.diag(INTRACLASS), n)
    strength = within[:, 0]
    latent = {name: within[:, k + 1] + effects[name][cluster] for k, name in enumerate(CONSTRUCTS)}
    core = (strength > 0.5244).astype(np.float64)
    size = 0.5 * strength + np.sqrt(0.75) * rng.normal(size=n)
    founded = np.where(rng.random(n) < 0.25, rng.integers(2012, 2018, n), 2011 - np.floor(rng.gamma(2.2, 4.5, n)))
    soe = (rng.random(n) < 0.16).astype(np.float64)
    age = 2019 - founded
    _structure(
        rng, latent, core=core, size=size, age=age, soe=soe, cip_effect=effects["CIP"][cluster],
        group_difference=group_difference, interactions=interactions,
    )  # fmt: skip
    order = np.argsort(-(effects["INET"] / np.sqrt(0.20) + 0.5 * rng.normal(size=clusters)))
    shares = np.floor(np.cumsum([5, 5, 5, 3]) * clusters / 24 + 0.5).astype(int)
    adoption = np.zeros(clusters)
    for first, last, year in zip([0, *shares], shares, TREATMENT, strict=False):
        adoption[order[first:last]] = year
    telephones = rng.uniform(0.2, 3.0, clusters)
    columns = {
        "core_strength": strength,
        "capacity": np.exp(4 + 0.8 * (0.85 * strength + np.sqrt(1 - 0.85**2) * rng.normal(size=n))),
        "patent_own": logistic(-0.4 + 0.80 * strength + 0.6 * rng.normal(size=n)),
        "mkt_share": np.minimum(60.0, np.exp(-0.5 + 0.9 * (0.75 * strength + np.sqrt(1 - 0.75**2) * rng.normal(size=n)))),
        "employees": np.round(np.exp(5 + 0.9 * size + 0.24)),
        "age": age,
    }
    return Firms(
        cluster=cluster, region=region_of[cluster], latent=latent, core=core, size=size, founded=founded, soe=soe,
        adoption=adoption[cluster], internet_cluster=effects["INET"][cluster], telephones=telephones[cluster], columns=columns,
    )  # fmt: skip


def _cluster_effects(rng: np.random.Generator, region_of: IntArray, regions: int) -> dict[str, Array]:
    count = len(region_of)
    found = {"FIRM": normal(rng, 0.04, count), "COL": normal(rng, 0.08, count)}
    found["ENV"] = normal(rng, 0.10, count) + normal(rng, 0.05, regions)[region_of]
    found["INET"] = normal(rng, 0.15, count) + normal(rng, 0.05, regions)[region_of]
    found["CIP"] = normal(rng, 0.05, count)
    return found


def _structure(
    rng: np.random.Generator, latent: dict[str, Array], *, core: Array, size: Array, age: Array, soe: Array, cip_effect: Array,
    group_difference: bool, interactions: bool,
) -> None:  # fmt: skip
    """Add RI, MS, CIP to the latent values."""
    n = len(core)
    switch = float(interactions)
    residual = rng.multivariate_normal(np.zeros(2), [[1, 0.25], [0.25, 1]], n) * np.sqrt([1 - 0.4960, 1 - 0.4395])
    product = {
        "COL": latent["INET"] * latent["COL"] - 0.40,
        "FIRM": latent["INET"] * latent["FIRM"] - 0.35,
        "ENV": latent["INET"] * latent["ENV"] - 0.30,
    }

    def direct(table: Mapping[str, float]) -> Array:
        return np.asarray(np.sum([table[name] * latent[name] for name in CONSTRUCTS if name in table], axis=0))

    latent["RI"] = direct(RI) + switch * RI["INET:COL"] * product["COL"] + residual[:, 0]
    latent["MS"] = direct(MS) + residual[:, 1]
    firm = (
        np.where(core == 1, FIRM_TO_CIP["core"], FIRM_TO_CIP["auxiliary"])
        if group_difference
        else np.full(n, FIRM_TO_CIP["core"])
    )
    moderated = sum(CIP[f"INET:{name}"] * product[name] for name in product)
    latent["CIP"] = (
        firm * latent["FIRM"] + direct(CIP) + CIP["RI"] * latent["RI"] + CIP["MS"] * latent["MS"] + switch * moderated
        + CIP["size"] * size + CIP["age"] * (age - age.mean()) / age.std() + CIP["soe"] * (soe - 0.16) + normal(rng, 0.31,
        n) + cip_effect
    )  # fmt: skip
    for mode, weight in MODES.items():
        latent[mode] = weight * latent["COL"] + np.sqrt(1 - weight**2) * rng.normal(size=n)
    latent["MRK"] = rng.normal(size=n)


def normal(rng: np.random.Generator, variance: float, size: int) -> Array:
    """Draws (size,) of mean 0."""
    return rng.normal(0.0, np.sqrt(variance), size)


def logistic(x: Array) -> Array:
    """Probability at log-odds x."""
    return 1 / (1 + np.exp(-x))


def column_of(values: Array) -> Array:
    """A column (n, 1), to be joined with years."""
    return np.asarray(values[:, None])
