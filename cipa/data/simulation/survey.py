"""The survey of the firms: items, careless answers, holes."""

from __future__ import annotations

import numpy as np

from cipa.data.checks import Column
from cipa.data.dataset import Dataset
from cipa.data.simulation.firms import Firms, logistic
from cipa.data.simulation.truth import (
    BASE,
    BY_POSITION,
    ITEMS,
    LOADINGS,
    REVERSED,
    SECTORS,
)
from cipa.numerics.algebra.linalg import Array, IntArray


def survey_of(
    rng: np.random.Generator,
    firms: Firms,
    *,
    likert: bool,
    careless: float,
    missing: bool,
    method_variance: float,
    noninvariance: bool,
) -> tuple[Dataset, Dataset]:
    """The answers of a sample of the firms."""
    chosen = _sample(rng, firms)
    n = len(chosen)
    answers = _answers(rng, firms, chosen, likert=likert, method_variance=method_variance, noninvariance=noninvariance)
    names = [item for one in LOADINGS for item in ITEMS[one]]
    values = np.column_stack([answers[name] for name in names])
    lazy = np.zeros(n, dtype=bool)
    lazy[rng.permutation(n)[: round(careless * n)]] = True
    values[lazy] = _careless_answers(rng, int(lazy.sum()), [len(ITEMS[one]) for one in LOADINGS])
    attention = np.where(rng.random(n) < np.where(lazy, 0.25, 0.98), 5, rng.integers(1, 8, n)).astype(np.float64)
    minutes = np.where(lazy, np.exp(rng.normal(np.log(4), 0.40, n)), np.exp(rng.normal(np.log(12), 0.35, n)))
    employees = firms.columns["employees"][chosen]
    if missing:
        values, employees = _holes(rng, values, employees, soe=firms.soe[chosen], size=firms.size[chosen], names=names)
    adopted = ((firms.adoption > 0) & (firms.adoption <= 2019)).astype(np.float64)
    columns: dict[str, Column] = identity_of(firms, chosen)
    columns |= {
        "capacity": np.round(firms.columns["capacity"][chosen], 1),
        "patent_own": np.round(firms.columns["patent_own"][chosen], 3),
        "mkt_share": np.round(firms.columns["mkt_share"][chosen], 2), "employees": employees, "age": firms.columns["age"][chosen],
        "soe": firms.soe[chosen], "iplus": adopted[chosen], **{name: values[:, j] for j, name in enumerate(names)},
        "attn": attention, "minutes": np.round(minutes, 1),
    }  # fmt: skip
    shown = ("FIRM", "COL", "ENV", "INET", "RI", "MS", "CIP")
    truth: dict[str, Column] = {
        "firm_id": columns["firm_id"], "core": firms.core[chosen], "core_strength": firms.columns["core_strength"][chosen],
        **{name: firms.latent[name][chosen] for name in shown}, "careless": lazy.astype(np.float64),
        "size": firms.size[chosen],
    }  # fmt: skip
    return Dataset(columns=columns, name="cluster_survey"), Dataset(columns=truth, name="cluster_survey_truth")


def identity_of(firms: Firms, chosen: IntArray) -> dict[str, Column]:
    """Keys and sector of the firms chosen (n,)."""
    return {
        "firm_id": texts([f"F{i + 1:04d}" for i in chosen]),
        "cluster_id": texts([f"K{c + 1:02d}" for c in firms.cluster[chosen]]),
        "region_id": texts([f"R{r + 1}" for r in firms.region[chosen]]),
        "sector": texts([SECTORS[c % len(SECTORS)] for c in firms.cluster[chosen]]),
    }


def texts(words: list[str]) -> Column:
    """A column of words."""
    return np.array(words, dtype=object)


def _sample(rng: np.random.Generator, firms: Firms) -> IntArray:
    """Two thirds of the firms, out of those founded by 2017, in proportion to their cluster."""
    eligible = np.flatnonzero(firms.founded <= 2017)
    target = min(round(len(firms.core) * 2 / 3), len(eligible))
    order = eligible[np.lexsort((rng.random(len(eligible)), firms.cluster[eligible]))]
    picked = np.floor((np.arange(target) + rng.random()) * len(order) / target).astype(int)
    return np.sort(order[np.minimum(picked, len(order) - 1)])


def _answers(
    rng: np.random.Generator, firms: Firms, chosen: IntArray, *, likert: bool, method_variance: float, noninvariance: bool
) -> dict[str, Array]:
    n = len(chosen)
    method = np.sqrt(method_variance) * rng.normal(size=n)
    shared = rng.multivariate_normal(np.zeros(2), [[1, 0.30], [0.30, 1]], n)
    found = {}
    for construct, loadings in LOADINGS.items():
        for j, (name, loading) in enumerate(zip(ITEMS[construct], loadings, strict=True)):
            error = shared[:, ("sha1", "sha2").index(name)] if name in ("sha1", "sha2") else rng.normal(size=n)
            y = loading * firms.latent[construct][chosen] + np.sqrt(1 - loading**2) * error + method
            level = BASE[construct] + BY_POSITION[j] + (0.40 * firms.core[chosen] if noninvariance and name == "inet6" else 0.0)
            answer = level + 1.25 * y
            answer = np.clip(np.round(answer), 1, 7) if likert else answer
            found[name] = 8 - answer if name in REVERSED else answer
    return found


def _careless_answers(rng: np.random.Generator, count: int, pages: list[int]) -> Array:
    """Straight lines (40 %), uniform answers (40 %), one answer a page (20 %)."""
    width = sum(pages)
    kind = rng.choice(3, size=count, p=[0.4, 0.4, 0.2])
    found = np.empty((count, width))
    for i in range(count):
        if kind[i] == 0:
            line = np.full(width, float(rng.integers(3, 7)))
            slip = rng.random(width) < 0.05
            found[i] = np.clip(line + slip * rng.choice([-1, 1], width), 1, 7)
        elif kind[i] == 1:
            found[i] = rng.integers(1, 8, width)
        else:
            found[i] = np.repeat(rng.integers(1, 8, -(-width // 6)), 6)[:width]
    return found


def _holes(
    rng: np.random.Generator, values: Array, employees: Array, *, soe: Array, size: Array, names: list[str]
) -> tuple[Array, Array]:
    chance = logistic(-4.7 + 0.5 * soe - 0.5 * size)[:, None]
    gone = rng.random(values.shape) < chance
    performance = np.isin(names, ITEMS["CIP"])
    gone[:, performance] |= rng.random((len(values), int(performance.sum()))) < chance
    late = performance | np.isin(names, ITEMS["MRK"])
    gone[np.ix_(rng.permutation(len(values))[: round(len(values) / 40)], np.flatnonzero(late))] = True
    return np.where(gone, np.nan, values), np.where(rng.random(len(values)) < 0.03, np.nan, employees)
