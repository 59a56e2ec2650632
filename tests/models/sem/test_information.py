"""Which information standard errors rest on: the patterns that the data have, and the curvature of nonlinear constraints."""

from __future__ import annotations

import numpy as np
import pytest
from oracle_files import case, sem_data

import cipa as ci

NINE = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
LAVAAN = 1e-6  # relative; lavaan stops at a gradient of about 1e-6
pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [("ml", [0.0971683358337511, 0.1044931546624825]), ("mlr", [0.100558903213007, 0.103345786036751])],
)
def test_expected_information_counts_what_is_missing(estimator: str, expected: list[float]) -> None:
    """lavaan 0.6-14, cfa(NINE, holzinger_missing, missing = "ml", information = "expected"): errors of x2 and x3."""
    fit = ci.SEM(NINE, missing="fiml", information="expected", estimator=estimator).fit(sem_data(case("sem", "hs_fiml")))
    errors = [fit.estimates[f"visual =~ {name}"].std_error for name in ("x2", "x3")]
    np.testing.assert_allclose(errors, expected, rtol=LAVAAN * 10)


def test_expected_information_agrees_with_the_observed_one_where_the_model_holds() -> None:
    """Values missing completely at random in 4,000 cases of the model: the two differ by noise; without the holes a tenth would be missing."""
    fit = ci.SEM(NINE, meanstructure=True).fit(ci.datasets.load("holzinger1939"))
    frame = ci.simulate(fit, nobs=4000, seed=8).to_frame()
    frame = frame.mask(np.random.default_rng(8).random(frame.shape) < 0.3)
    errors = {
        word: np.sqrt(ci.SEM(NINE, missing="fiml", information=word).fit(frame).vcov.diagonal())
        for word in ("observed", "expected")
    }
    ratios = errors["expected"] / errors["observed"]
    assert np.abs(np.log(ratios)).max() < 0.08
    assert abs(float(np.log(ratios).mean())) < 0.01
