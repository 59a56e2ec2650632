"""What is true of the simulated firms: every coefficient, so that a test can compare an estimate with what made the data."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cipa.frozen import FrozenDict

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
BASE = {
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
BY_POSITION = (0.0, 0.2, -0.2, 0.1, -0.1, 0.15)
YEARS = np.arange(2011, 2023)
NET_USERS = (5.13, 5.64, 6.18, 6.49, 6.88, 7.31, 7.72, 8.29, 9.04, 9.89, 10.32, 10.67)
TREATMENT = FrozenDict({2014: 0.30, 2015: 0.24, 2016: 0.18, 2018: 0.12})
