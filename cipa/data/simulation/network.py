"""The ties of the firms, and of the organisations around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cipa.data.checks import Column
from cipa.data.dataset import Dataset
from cipa.data.simulation.firms import Firms, logistic
from cipa.data.simulation.truth import YEARS
from cipa.numerics.algebra.linalg import Array, IntArray

_ORGANISATIONS = {"university": (5, -4.6), "institute": (4, -4.8), "intermediary": (3, -4.4), "government": (4, -4.9)}
_LETTERS = {"university": "U", "institute": "I", "intermediary": "M", "government": "G"}
_TIE_MODES = ("human", "capital", "technical", "production")
_MODE_SHARES = {
    "firm": (0.20, 0.15, 0.40, 0.25),
    "university": (0.30, 0.0, 0.70, 0.0),
    "institute": (0.25, 0.0, 0.75, 0.0),
    "intermediary": (0.20, 0.60, 0.20, 0.0),
    "government": (0.0, 0.70, 0.30, 0.0),
}


def network_of(rng: np.random.Generator, firms: Firms) -> tuple[Array, Dataset, Dataset]:
    """Ties of every year, with memory; partners (n, 12), nodes and edges."""
    n, others = len(firms.core), _organisations(int(firms.region.max()) + 1)
    partners, tie_year, source, target = _ties(rng, firms, others)
    names = np.array([*(f"F{k + 1:04d}" for k in range(n)), *others.codes], dtype=object)
    types = np.array([*["firm"] * n, *others.kinds], dtype=object)
    kind: Column = types[target]
    mode = np.empty(len(tie_year), dtype=object)
    for one, shares in _MODE_SHARES.items():
        rows = np.flatnonzero(kind == one)
        mode[rows] = np.array(_TIE_MODES, dtype=object)[rng.choice(4, size=len(rows), p=shares)]
    edges: dict[str, Column] = {
        "year": tie_year.astype(np.float64), "source": names[source], "target": names[target], "target_type": kind, "mode": mode,
        "projects": 1.0 + rng.poisson(0.6, len(tie_year)),
    }  # fmt: skip
    nothing = [None] * len(others.kinds)
    nodes: dict[str, Column] = {
        "node_id": names, "type": types,
        "cluster_id": np.array([*[f"K{c + 1:02d}" for c in firms.cluster], *nothing], dtype=object),
        "region_id": np.array([f"R{r + 1}" for r in (*firms.region, *others.place)], dtype=object),
        "core": np.concatenate([firms.core, np.full(len(others.kinds), np.nan)]),
    }  # fmt: skip
    return partners, Dataset(columns=nodes, name="cluster_network"), Dataset(columns=edges, name="cluster_network_edges")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Organisations:
    """Partners that are no firms, by kind and region: their kinds and codes, regions (m,), and log-odds (m,) of a tie."""

    kinds: list[str]
    codes: list[str]
    place: IntArray
    base: Array


def _organisations(regions: int) -> _Organisations:
    kinds = [kind for kind, (count, _) in _ORGANISATIONS.items() for _ in range(count * regions)]
    place = np.array([r for count, _ in _ORGANISATIONS.values() for r in range(regions) for _ in range(count)])
    counters, codes = dict.fromkeys(_LETTERS, 0), []
    for kind in kinds:
        counters[kind] += 1
        codes.append(f"{_LETTERS[kind]}{counters[kind]:03d}")
    return _Organisations(kinds=kinds, codes=codes, place=place, base=np.array([_ORGANISATIONS[kind][1] for kind in kinds]))


def _ties(rng: np.random.Generator, firms: Firms, others: _Organisations) -> tuple[Array, IntArray, IntArray, IntArray]:
    """Partners (n, 12) of each firm by year; year, source and target of every tie, other organisations after the n firms."""
    n = len(firms.core)
    i, j = np.triu_indices(n, 1)
    col, core = firms.latent["COL"], firms.core
    pair = -7.9 + 2.7 * (firms.cluster[i] == firms.cluster[j]) + 0.8 * (firms.region[i] == firms.region[j])
    pair = pair + 0.5 * (core[i] + core[j]) + 0.35 * (col[i] + col[j])
    outside = others.base + 1.9 * (firms.region[:, None] == others.place) + 0.30 * col[:, None] + 0.4 * core[:, None]
    tied, joined = np.zeros(len(i), dtype=bool), np.zeros(outside.shape, dtype=bool)
    partners, parts = np.zeros((n, len(YEARS))), []
    for t, year in enumerate(YEARS):
        adopted = ((firms.adoption > 0) & (firms.adoption <= year)).astype(np.float64)
        alive = np.maximum(firms.founded, YEARS[0]) <= year
        tied = (rng.random(len(i)) < logistic(pair + 0.30 * (adopted[i] + adopted[j]) + 2.8 * tied)) & alive[i] & alive[j]
        joined = (rng.random(outside.shape) < logistic(outside + 0.35 * adopted[:, None] + 2.5 * joined)) & alive[:, None]
        partners[:, t] = np.bincount(i[tied], minlength=n) + np.bincount(j[tied], minlength=n) + joined.sum(axis=1)
        source, target = np.nonzero(joined)
        years = np.full(int(tied.sum()) + len(source), year)
        parts.append((years, np.concatenate([i[tied], source]), np.concatenate([j[tied], n + target])))
    tie_year, source, target = (np.concatenate([part[k] for part in parts]) for k in range(3))
    return partners, tie_year, source, target
