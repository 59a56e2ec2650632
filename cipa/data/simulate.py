"""The generating process behind the shipped survey, network and panel: firms, ties and years with known truth.

Every coefficient stands in a table below, so that a test can compare an estimate with what made the data. Draws come
from one generator in a fixed order: the same seed gives the same data for any number of workers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cipa.data.dataset import Column, Dataset
from cipa.errors import SpecificationError
from cipa.frozen import FrozenDict
from cipa.numerics.algebra.linalg import Array, IntArray

CONSTRUCTS = ("FIRM", "COL", "ENV", "INET")
SECTORS = ("pharma", "aerospace", "electronics", "computers", "instruments", "infochem")
CORRELATIONS = np.array(
    [
        [1.00, 0.35, 0.10, 0.00, 0.20],
        [0.35, 1.00, 0.40, 0.25, 0.35],
        [0.10, 0.40, 1.00, 0.35, 0.40],
        [0.00, 0.25, 0.35, 1.00, 0.30],
        [0.20, 0.35, 0.40, 0.30, 1.00],
    ]
)
"""Of core strength, FIRM, COL, ENV, INET; all have unit variance."""

INTRACLASS = (0.0, 0.04, 0.08, 0.15, 0.20)
"""Share of the variance that lies between clusters."""

RI = FrozenDict({"FIRM": 0.20, "COL": 0.25, "ENV": 0.15, "INET": 0.35, "INET:COL": 0.12})
MS = FrozenDict({"FIRM": 0.10, "COL": 0.35, "ENV": 0.20, "INET": 0.25})
CIP = FrozenDict(
    {
        **{"COL": 0.20, "ENV": 0.10, "RI": 0.25, "MS": 0.20, "INET": 0.05, "INET:FIRM": 0.00, "INET:COL": 0.15, "INET:ENV": 0.08},
        **{"size": 0.08, "age": -0.04, "soe": -0.10},
    }
)
FIRM_TO_CIP = FrozenDict({"core": 0.30, "auxiliary": 0.09})
MODES = FrozenDict({"HS": 0.80, "CS": 0.70, "TS": 0.85, "PS": 0.75})
LOADINGS: Mapping[str, tuple[float, ...]] = FrozenDict(
    {
        "FIRM": (0.80, 0.76, 0.72, 0.84, 0.68),
        "HS": (0.82, 0.78, 0.74),
        "CS": (0.76, 0.80, 0.70),
        "TS": (0.86, 0.82, 0.78),
        "PS": (0.74, 0.80, 0.76),
        "ENV": (0.80, 0.76, 0.72, 0.74, 0.62),
        "INET": (0.84, 0.80, 0.82, 0.78, 0.74, 0.72),
        "RI": (0.78, 0.74, 0.80, 0.66, 0.76, 0.72),
        "MS": (0.82, 0.80, 0.76, 0.62),
        "CIP": (0.84, 0.80, 0.78, 0.72, 0.76),
        "MRK": (0.75, 0.70, 0.72),
    }
)
ITEMS: Mapping[str, tuple[str, ...]] = FrozenDict(
    {
        **{name: tuple(f"{name.lower()}{j + 1}" for j in range(len(values))) for name, values in LOADINGS.items()},
        "RI": ("opt1", "opt2", "liq1", "liq2", "sha1", "sha2"),
    }
)
REVERSED = ("env5", "ms4", "liq2")
_BASE = {
    "FIRM": 4.6,
    "HS": 4.3,
    "CS": 3.9,
    "TS": 4.4,
    "PS": 4.2,
    "ENV": 4.5,
    "INET": 4.2,
    "RI": 4.3,
    "MS": 4.2,
    "CIP": 4.3,
    "MRK": 4.0,
}
_BY_POSITION = (0.0, 0.2, -0.2, 0.1, -0.1, 0.15)
YEARS = np.arange(2011, 2023)
NET_USERS = (5.13, 5.64, 6.18, 6.49, 6.88, 7.31, 7.72, 8.29, 9.04, 9.89, 10.32, 10.67)
TREATMENT = FrozenDict({2014: 0.30, 2015: 0.24, 2016: 0.18, 2018: 0.12})


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """A simulated world: what an analysis sees (survey, panel, network) and what only a test may see (truth)."""

    survey: Dataset
    truth: Dataset
    panel: Dataset
    nodes: Dataset
    edges: Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class _Firms:
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


def simulate(
    *, n: int = 900, clusters: int = 24, regions: int = 8, seed: int = 1, likert: bool = True, careless: float = 0.05,
    missing: bool = True, method_variance: float = 0.0, group_difference: bool = True, interactions: bool = True, noninvariance: bool = True,
) -> Simulated:  # fmt: skip
    """Simulate firms in clusters, a survey of two thirds of them, their ties and twelve years of accounts.

    Parameters
    ----------
    n, clusters, regions : int
        Firms, industry clusters, regions.
    seed : int
    likert : bool
        Answers 1 to 7; otherwise continuous.
    careless : float
        Share of respondents who answer without reading.
    missing : bool
        Whether answers are missing at random given ownership and size.
    method_variance : float
        Variance of a method factor common to all items (in units of an item's true and error variance, which is 1).
    group_difference : bool
        Whether FIRM matters less for auxiliary firms.
    interactions : bool
        Whether Internet+ moderates.
    noninvariance : bool
        Whether core firms answer inet6 higher at equal INET.

    Returns
    -------
    Simulated
        With Datasets survey, truth, panel, nodes, edges.
    """
    if n < 2 * clusters or clusters < regions or regions < 1:
        raise SpecificationError(
            f"simulate: n={n}, clusters={clusters}, regions={regions}. Clusters are at least as many as regions, with two firms each."
        )
    if not 0 <= careless < 1 or method_variance < 0:
        raise SpecificationError(
            f"simulate: careless={careless} is a share (0 to 1), method_variance={method_variance} is not negative."
        )
    rng = np.random.default_rng(seed)
    firms = _firms(rng, n=n, clusters=clusters, regions=regions, group_difference=group_difference, interactions=interactions)
    survey, truth = _survey(
        rng,
        firms,
        likert=likert,
        careless=careless,
        missing=missing,
        method_variance=method_variance,
        noninvariance=noninvariance,
    )
    partners, nodes, edges = _network(rng, firms)
    return Simulated(survey=survey, truth=truth, panel=_panel(rng, firms, partners), nodes=nodes, edges=edges)


def _normal(rng: np.random.Generator, variance: float, size: int) -> Array:
    return rng.normal(0.0, np.sqrt(variance), size)


def _logistic(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _firms(
    rng: np.random.Generator, *, n: int, clusters: int, regions: int, group_difference: bool, interactions: bool
) -> _Firms:
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
        "patent_own": _logistic(-0.4 + 0.80 * strength + 0.6 * rng.normal(size=n)),
        "mkt_share": np.minimum(60.0, np.exp(-0.5 + 0.9 * (0.75 * strength + np.sqrt(1 - 0.75**2) * rng.normal(size=n)))),
        "employees": np.round(np.exp(5 + 0.9 * size + 0.24)),
        "age": age,
    }
    return _Firms(
        cluster=cluster, region=region_of[cluster], latent=latent, core=core, size=size, founded=founded, soe=soe,
        adoption=adoption[cluster], internet_cluster=effects["INET"][cluster], telephones=telephones[cluster], columns=columns,
    )  # fmt: skip


def _cluster_effects(rng: np.random.Generator, region_of: IntArray, regions: int) -> dict[str, Array]:
    count = len(region_of)
    found = {"FIRM": _normal(rng, 0.04, count), "COL": _normal(rng, 0.08, count)}
    found["ENV"] = _normal(rng, 0.10, count) + _normal(rng, 0.05, regions)[region_of]
    found["INET"] = _normal(rng, 0.15, count) + _normal(rng, 0.05, regions)[region_of]
    found["CIP"] = _normal(rng, 0.05, count)
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
        + CIP["size"] * size + CIP["age"] * (age - age.mean()) / age.std() + CIP["soe"] * (soe - 0.16) + _normal(rng, 0.31, n) + cip_effect
    )  # fmt: skip
    for mode, weight in MODES.items():
        latent[mode] = weight * latent["COL"] + np.sqrt(1 - weight**2) * rng.normal(size=n)
    latent["MRK"] = rng.normal(size=n)


def _survey(
    rng: np.random.Generator,
    firms: _Firms,
    *,
    likert: bool,
    careless: float,
    missing: bool,
    method_variance: float,
    noninvariance: bool,
) -> tuple[Dataset, Dataset]:
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
    columns: dict[str, Column] = _identity(firms, chosen)
    columns |= {
        "capacity": np.round(firms.columns["capacity"][chosen], 1), "patent_own": np.round(firms.columns["patent_own"][chosen], 3),
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


def _identity(firms: _Firms, chosen: IntArray) -> dict[str, Column]:
    return {
        "firm_id": _words([f"F{i + 1:04d}" for i in chosen]),
        "cluster_id": _words([f"K{c + 1:02d}" for c in firms.cluster[chosen]]),
        "region_id": _words([f"R{r + 1}" for r in firms.region[chosen]]),
        "sector": _words([SECTORS[c % len(SECTORS)] for c in firms.cluster[chosen]]),
    }


def _words(words: list[str]) -> Column:
    return np.array(words, dtype=object)


def _sample(rng: np.random.Generator, firms: _Firms) -> IntArray:
    """Two thirds of the firms, out of those founded by 2017, in proportion to their cluster."""
    eligible = np.flatnonzero(firms.founded <= 2017)
    target = min(round(len(firms.core) * 2 / 3), len(eligible))
    order = eligible[np.lexsort((rng.random(len(eligible)), firms.cluster[eligible]))]
    picked = np.floor((np.arange(target) + rng.random()) * len(order) / target).astype(int)
    return np.sort(order[np.minimum(picked, len(order) - 1)])


def _answers(
    rng: np.random.Generator, firms: _Firms, chosen: IntArray, *, likert: bool, method_variance: float, noninvariance: bool
) -> dict[str, Array]:
    n = len(chosen)
    method = np.sqrt(method_variance) * rng.normal(size=n)
    shared = rng.multivariate_normal(np.zeros(2), [[1, 0.30], [0.30, 1]], n)
    found = {}
    for construct, loadings in LOADINGS.items():
        for j, (name, loading) in enumerate(zip(ITEMS[construct], loadings, strict=True)):
            error = shared[:, ("sha1", "sha2").index(name)] if name in ("sha1", "sha2") else rng.normal(size=n)
            y = loading * firms.latent[construct][chosen] + np.sqrt(1 - loading**2) * error + method
            level = _BASE[construct] + _BY_POSITION[j] + (0.40 * firms.core[chosen] if noninvariance and name == "inet6" else 0.0)
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
    chance = _logistic(-4.7 + 0.5 * soe - 0.5 * size)[:, None]
    gone = rng.random(values.shape) < chance
    performance = np.isin(names, ITEMS["CIP"])
    gone[:, performance] |= rng.random((len(values), int(performance.sum()))) < chance
    late = performance | np.isin(names, ITEMS["MRK"])
    gone[np.ix_(rng.permutation(len(values))[: round(len(values) / 40)], np.flatnonzero(late))] = True
    return np.where(gone, np.nan, values), np.where(rng.random(len(values)) < 0.03, np.nan, employees)


_ORGANISATIONS = {"university": (5, -4.6), "institute": (4, -4.8), "intermediary": (3, -4.4), "government": (4, -4.9)}
_TIE_MODES = ("human", "capital", "technical", "production")
_MODE_SHARES = {
    "firm": (0.20, 0.15, 0.40, 0.25),
    "university": (0.30, 0.0, 0.70, 0.0),
    "institute": (0.25, 0.0, 0.75, 0.0),
    "intermediary": (0.20, 0.60, 0.20, 0.0),
    "government": (0.0, 0.70, 0.30, 0.0),
}


def _network(rng: np.random.Generator, firms: _Firms) -> tuple[Array, Dataset, Dataset]:
    """Ties of every year, with memory; partners (n, 12), nodes and edges."""
    n, regions = len(firms.core), int(firms.region.max()) + 1
    kinds = [kind for kind, (count, _) in _ORGANISATIONS.items() for _ in range(count * regions)]
    place = np.array([r for count, _ in _ORGANISATIONS.values() for r in range(regions) for _ in range(count)])
    base = np.array([_ORGANISATIONS[kind][1] for kind in kinds])
    letters = {"university": "U", "institute": "I", "intermediary": "M", "government": "G"}
    counters = dict.fromkeys(letters, 0)
    codes = []
    for sort in kinds:
        counters[sort] += 1
        codes.append(f"{letters[sort]}{counters[sort]:03d}")
    i, j = np.triu_indices(n, 1)
    col, core = firms.latent["COL"], firms.core
    pair = -7.9 + 2.7 * (firms.cluster[i] == firms.cluster[j]) + 0.8 * (firms.region[i] == firms.region[j])
    pair = pair + 0.5 * (core[i] + core[j]) + 0.35 * (col[i] + col[j])
    outside = base + 1.9 * (firms.region[:, None] == place) + 0.30 * col[:, None] + 0.4 * core[:, None]
    tied, joined = np.zeros(len(i), dtype=bool), np.zeros(outside.shape, dtype=bool)
    partners, parts = np.zeros((n, len(YEARS))), []
    for t, year in enumerate(YEARS):
        adopted = ((firms.adoption > 0) & (firms.adoption <= year)).astype(np.float64)
        alive = np.maximum(firms.founded, YEARS[0]) <= year
        tied = (rng.random(len(i)) < _logistic(pair + 0.30 * (adopted[i] + adopted[j]) + 2.8 * tied)) & alive[i] & alive[j]
        joined = (rng.random(outside.shape) < _logistic(outside + 0.35 * adopted[:, None] + 2.5 * joined)) & alive[:, None]
        partners[:, t] = np.bincount(i[tied], minlength=n) + np.bincount(j[tied], minlength=n) + joined.sum(axis=1)
        source, target = np.nonzero(joined)
        parts.append(
            (
                np.full(int(tied.sum()) + len(source), year),
                np.concatenate([i[tied], source]),
                np.concatenate([j[tied], n + target]),
            )
        )
    firm_codes = [f"F{k + 1:04d}" for k in range(n)]
    names = np.array([*firm_codes, *codes], dtype=object)
    types = np.array([*["firm"] * n, *kinds], dtype=object)
    tie_year, source, target = (np.concatenate([part[k] for part in parts]) for k in range(3))
    kind: Column = types[target]
    mode = np.empty(len(tie_year), dtype=object)
    for one, shares in _MODE_SHARES.items():
        rows = np.flatnonzero(kind == one)
        mode[rows] = np.array(_TIE_MODES, dtype=object)[rng.choice(4, size=len(rows), p=shares)]
    edges: dict[str, Column] = {
        "year": tie_year.astype(np.float64), "source": names[source], "target": names[target], "target_type": kind, "mode": mode,
        "projects": 1.0 + rng.poisson(0.6, len(tie_year)),
    }  # fmt: skip
    nothing = [None] * len(kinds)
    nodes: dict[str, Column] = {
        "node_id": names, "type": types,
        "cluster_id": np.array([*[f"K{c + 1:02d}" for c in firms.cluster], *nothing], dtype=object),
        "region_id": np.array([f"R{r + 1}" for r in (*firms.region, *place)], dtype=object),
        "core": np.concatenate([firms.core, np.full(len(kinds), np.nan)]),
    }  # fmt: skip
    return partners, Dataset(columns=nodes, name="cluster_network"), Dataset(columns=edges, name="cluster_network_edges")


def _autoregressive(rng: np.random.Generator, rho: float, sd: float, *, rows: int, years: int) -> Array:
    """Stationary first-order processes (rows, years) with standard deviation sd."""
    found = np.empty((rows, years))
    found[:, 0] = sd * rng.normal(size=rows)
    for t in range(1, years):
        found[:, t] = rho * found[:, t - 1] + sd * np.sqrt(1 - rho**2) * rng.normal(size=rows)
    return found


def _column(values: Array) -> Array:
    return np.asarray(values[:, None])


def _panel(rng: np.random.Generator, firms: _Firms, partners: Array) -> Dataset:
    n, T = len(firms.core), len(YEARS)
    t = np.arange(T)
    FIRM, COL, ENV = (_column(firms.latent[name]) for name in ("FIRM", "COL", "ENV"))
    size, lp = _column(firms.size), np.log1p(partners)
    D = ((_column(firms.adoption) > 0) & (_column(firms.adoption) <= YEARS)).astype(np.float64)
    k = np.where(D == 1, YEARS - _column(firms.adoption), 0)
    strength = np.array([TREATMENT.get(int(year), 0.0) for year in firms.adoption])
    tau = D * _column(strength) * np.minimum(k + 1, 4) / 4
    ln_emp = 5 + 0.9 * size + 0.03 * t + _autoregressive(rng, 0.8, 0.15, rows=n, years=T)
    ln_rd = 1.75 + 0.95 * ln_emp + 0.25 * FIRM + 0.04 * t + 0.06 * D + _autoregressive(rng, 0.5, 0.30, rows=n, years=T)
    granted = rng.random((n, T)) < _logistic(-0.2 + 0.4 * ENV + 0.5 * _column(firms.soe))
    subsidy = np.where(granted, np.exp(4 + 0.3 * ENV + 0.5 * size + np.sqrt(0.64) * rng.normal(size=(n, T))), 0.0)
    clusters = int(firms.cluster.max()) + 1
    alpha = 0.5 * FIRM + 0.4 * COL + 0.3 * size + _column(_normal(rng, 0.09, n))
    year_effect = 0.06 * t + 0.03 * rng.normal(size=T)
    cluster_year = (0.04 * rng.normal(size=(clusters, T)))[firms.cluster]
    moderated = D * (lp - 1.8)
    ln_nps = 1 + alpha + year_effect + 0.18 * ln_rd + 0.10 * lp + 0.06 * moderated + tau + 0.45 * ln_emp
    ln_nps = ln_nps + 0.03 * np.log1p(subsidy) + cluster_year + _autoregressive(rng, 0.3, 0.30, rows=n, years=T)
    ln_mu = (
        -3.4 + 0.4 * FIRM + _column(_normal(rng, 0.0625, n)) + 0.05 * t + 0.40 * ln_rd + 0.12 * lp + 0.05 * moderated + 0.5 * tau
    )
    patents = rng.poisson(np.exp(ln_mu) * rng.gamma(4.0, 0.25, (n, T)))
    joint = rng.binomial(patents, _logistic(-1.6 + 0.35 * (lp - 1.8) + 0.30 * D + 0.2 * COL))
    users = np.array(NET_USERS)
    hidden = rng.normal(size=(clusters, T))[firms.cluster]
    index = 10 + 1.5 * t + 5 * _column(firms.internet_cluster) / np.sqrt(0.2) + 8 * D * np.minimum(k + 1, 3) / 3
    index = index + 2 * _column(firms.telephones) * users + 4 * hidden + (1.5 * rng.normal(size=(clusters, T)))[firms.cluster]
    employees = np.maximum(np.round(np.exp(ln_emp)), 1.0)
    ln_productivity = 2.6 + 0.3 * size + _column(_normal(rng, 0.04, n)) + 0.03 * t + 0.010 * index + 0.05 * ln_rd + 0.10 * hidden
    ln_productivity = ln_productivity + 0.15 * rng.normal(size=(n, T))
    kept = _survivors(rng, firms, T)
    unreported = rng.random((n, T)) < _logistic(-3.6 - 0.3 * (ln_emp - 5.2))
    i, j = np.nonzero(kept)
    columns: dict[str, Column] = _identity(firms, i)
    values = {
        "core": _column(firms.core), "soe": _column(firms.soe), "age": YEARS - _column(firms.founded),
        "cohort": _column(firms.adoption), "iplus": D,
        "iplus_index": np.round(index, 3), "tel1984": np.round(_column(firms.telephones), 2), "net_users": users, "employees": employees,
        "rd_exp": np.where(unreported, np.nan, np.round(np.exp(ln_rd), 2)), "subsidy": np.round(subsidy, 2), "partners": partners,
        "new_product_sales": np.round(np.exp(ln_nps), 3), "revenue": np.round(np.exp(ln_productivity) * employees, 2),
        "patents": patents, "joint_patents": joint,
    }  # fmt: skip
    year = {"year": YEARS[j].astype(np.float64)}
    numbers = {name: np.broadcast_to(value, (n, T))[i, j].astype(np.float64) for name, value in values.items()}
    return Dataset(columns={"firm_id": columns.pop("firm_id"), **year, **columns, **numbers}, name="cluster_panel")


def _survivors(rng: np.random.Generator, firms: _Firms, years: int) -> Array:
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
