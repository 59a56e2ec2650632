"""Standardized residuals of two levels over 500 samples of a true model: standard normal, as their name says.

Four items, a construct with a covariate at either level; clusters of 5 to 15 cases (2 to 30 with heavy tails). A standard deviation
over 500 samples has a Monte Carlo error of 3.2 %. Residuals that are blank in some sample are left out: with 300 clusters those of
variances and means, whose residuals are there to second order only.

With few clusters (400 samples of 40): .94 to 1.18 with complete normal cases, to 1.26 with heavy tails; with missing values (80
samples) .7 to 1.5, for the information is then that of the data, and varies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from two_levels import EQUAL, spread_of_residuals

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")]

GROUPS = {"group": "part", "group_equal": ["loadings", "intercepts"]}
CASES: dict[str, tuple[dict[str, Any], int]] = {
    "ml": ({}, 300),
    "ml, loadings equal across levels": ({"syntax": EQUAL, "equal": True}, 300),
    "mlr, heavy tails, sizes 2 to 30": ({"estimator": "mlr", "heavy": True, "sizes": (2, 30)}, 400),
    "ml, two groups with equal loadings and intercepts": ({"options": GROUPS}, 600),
    "ml, missing at random": ({"missing": "fiml", "holes": True}, 200),
    "mlr, heavy tails, missing at random": ({"estimator": "mlr", "missing": "fiml", "heavy": True, "holes": True}, 300),
}


@pytest.mark.parametrize("case", CASES)
def test_standard_deviations_are_one_and_means_zero(case: str) -> None:
    law, clusters = CASES[case]
    found = spread_of_residuals(np.random.default_rng(2027), 500, clusters, **law)
    assert len(found.names) >= 16
    assert found.deviations == pytest.approx(1.0, abs=0.15), dict(zip(found.names, found.deviations, strict=True))
    assert np.mean(found.deviations) == pytest.approx(1.0, abs=0.03)
    assert np.abs(found.means).max() < 0.3
