"""The firm-years."""

from __future__ import annotations

import numpy as np

from cipa.data.checks import Column
from cipa.data.dataset import Dataset
from cipa.data.simulation.firms import Firms, column_of, logistic, normal
from cipa.data.simulation.survey import identity_of
from cipa.data.simulation.truth import (
    NET_USERS,
    TREATMENT,
    YEARS,
)
from cipa.numerics.algebra.linalg import Array


def panel_of(rng: np.random.Generator, firms: Firms, partners: Array) -> Dataset:
    """Firm-years: `partners` (n, T) counts of the network, the years that a firm survives."""
    n, T = len(firms.core), len(YEARS)
    t = np.arange(T)
    FIRM, COL, ENV = (column_of(firms.latent[name]) for name in ("FIRM", "COL", "ENV"))
    size, lp = column_of(firms.size), np.log1p(partners)
    D, _, tau = _adopted(firms)
    ln_emp = 5 + 0.9 * size + 0.03 * t + _autoregressive(rng, 0.8, 0.15, rows=n, years=T)
    ln_rd = 1.75 + 0.95 * ln_emp + 0.25 * FIRM + 0.04 * t + 0.06 * D + _autoregressive(rng, 0.5, 0.30, rows=n, years=T)
    granted = rng.random((n, T)) < logistic(-0.2 + 0.4 * ENV + 0.5 * column_of(firms.soe))
    subsidy = np.where(granted, np.exp(4 + 0.3 * ENV + 0.5 * size + np.sqrt(0.64) * rng.normal(size=(n, T))), 0.0)
    clusters = int(firms.cluster.max()) + 1
    alpha = 0.5 * FIRM + 0.4 * COL + 0.3 * size + column_of(normal(rng, 0.09, n))
    year_effect = 0.06 * t + 0.03 * rng.normal(size=T)
    cluster_year = (0.04 * rng.normal(size=(clusters, T)))[firms.cluster]
    moderated = D * (lp - 1.8)
    ln_nps = 1 + alpha + year_effect + 0.18 * ln_rd + 0.10 * lp + 0.06 * moderated + tau + 0.45 * ln_emp
    ln_nps = ln_nps + 0.03 * np.log1p(subsidy) + cluster_year + _autoregressive(rng, 0.3, 0.30, rows=n, years=T)
    ln_mu = (
        -3.4 + 0.4 * FIRM + column_of(normal(rng, 0.0625, n)) + 0.05 * t + 0.40 * ln_rd + 0.12 * lp + 0.05 * moderated + 0.5 * tau
    )
    patents = rng.poisson(np.exp(ln_mu) * rng.gamma(4.0, 0.25, (n, T)))
    joint = rng.binomial(patents, logistic(-1.6 + 0.35 * (lp - 1.8) + 0.30 * D + 0.2 * COL))
    index, ln_productivity = _productive(rng, firms, ln_rd)
    employees = np.maximum(np.round(np.exp(ln_emp)), 1.0)
    kept = _survivors(rng, firms, T)
    unreported = rng.random((n, T)) < logistic(-3.6 - 0.3 * (ln_emp - 5.2))
    i, j = np.nonzero(kept)
    columns: dict[str, Column] = identity_of(firms, i)
    values = {
        "core": column_of(firms.core), "soe": column_of(firms.soe), "age": YEARS - column_of(firms.founded),
        "cohort": column_of(firms.adoption), "iplus": D,
        "iplus_index": np.round(index, 3), "tel1984": np.round(column_of(firms.telephones), 2), "net_users": np.array(NET_USERS),
        "employees": employees,
        "rd_exp": np.where(unreported, np.nan, np.round(np.exp(ln_rd), 2)), "subsidy": np.round(subsidy, 2), "partners": partners,
        "new_product_sales": np.round(np.exp(ln_nps), 3), "revenue": np.round(np.exp(ln_productivity) * employees, 2),
        "patents": patents, "joint_patents": joint,
    }  # fmt: skip
    year = {"year": YEARS[j].astype(np.float64)}
    numbers = {name: np.broadcast_to(value, (n, T))[i, j].astype(np.float64) for name, value in values.items()}
    return Dataset(columns={"firm_id": columns.pop("firm_id"), **year, **columns, **numbers}, name="cluster_panel")


def _adopted(firms: Firms) -> tuple[Array, Array, Array]:
    """Whether a firm has adopted Internet+, for how many years, and what that adds to its sales, (n, T) each."""
    year = column_of(firms.adoption)
    D = ((year > 0) & (year <= YEARS)).astype(np.float64)
    k = np.where(D == 1, YEARS - year, 0)
    strength = np.array([TREATMENT.get(int(first), 0.0) for first in firms.adoption])
    return D, k, D * column_of(strength) * np.minimum(k + 1, 4) / 4


def _productive(rng: np.random.Generator, firms: Firms, ln_rd: Array) -> tuple[Array, Array]:
    """The index of Internet+ and log productivity (n, T), both driven by what the years of a cluster hide."""
    (n, T), (D, k, _) = ln_rd.shape, _adopted(firms)
    t, clusters = np.arange(T), int(firms.cluster.max()) + 1
    hidden = rng.normal(size=(clusters, T))[firms.cluster]
    index = 10 + 1.5 * t + 5 * column_of(firms.internet_cluster) / np.sqrt(0.2) + 8 * D * np.minimum(k + 1, 3) / 3
    index = index + 2 * column_of(firms.telephones) * np.array(NET_USERS) + 4 * hidden
    index = index + (1.5 * rng.normal(size=(clusters, T)))[firms.cluster]
    own = 0.3 * column_of(firms.size) + column_of(normal(rng, 0.04, n))
    ln_productivity = 2.6 + own + 0.03 * t + 0.010 * index + 0.05 * ln_rd + 0.10 * hidden
    return index, ln_productivity + 0.15 * rng.normal(size=(n, T))


def _survivors(rng: np.random.Generator, firms: Firms, years: int) -> Array:
    """Which firm-years exist: founded, not yet exited (hazard from the fourth year on), not missing at random."""
    n = len(firms.core)
    hazard = np.clip(0.025 - 0.01 * firms.size, 0.005, 0.06)
    born = np.maximum(firms.founded, YEARS[0])
    alive = np.zeros((n, years), dtype=bool)
    gone = np.zeros(n, dtype=bool)
    for t in range(years):
        gone |= (YEARS[t] - born >= 3) & (rng.random(n) < hazard)
        alive[:, t] = (born <= YEARS[t]) & ~gone
    return alive & (rng.random((n, years)) >= 0.02)


def _autoregressive(rng: np.random.Generator, rho: float, sd: float, *, rows: int, years: int) -> Array:
    """Stationary first-order processes (rows, years) with standard deviation sd."""
    found = np.empty((rows, years))
    found[:, 0] = sd * rng.normal(size=rows)
    for t in range(1, years):
        found[:, t] = rho * found[:, t - 1] + sd * np.sqrt(1 - rho**2) * rng.normal(size=rows)
    return found
