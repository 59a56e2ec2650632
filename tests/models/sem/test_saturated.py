"""Scaled tests of saturated models: nothing to test, a baseline that has a test, indices of a perfect fit."""

from __future__ import annotations

import math

import pytest
from oracle_files import case, sem_data

import cipa as ci

PATH = "x1 ~ x2 + x3\nx4 ~ x1 + x2 + x3"
LAVAAN = 5e-6  # relative; printed with six decimals, and with missing values EM stopped at 1e-5
BASELINES = {
    "mlr": (100.97077, 5.0, 1.18979),
    "mlm": (117.089902, 5.0, 1.025998),
    "mlmv": (104.62581, 5.0, 1.15436),
    "mlmvs": (92.497544, 3.949851, 1.298780),
}
"""lavaan 0.6-14, sem(PATH, HolzingerSwineford1939): scaled chi-square of the baseline, its df, its factor."""
pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


@pytest.mark.parametrize("estimator", list(BASELINES))
def test_a_saturated_model_has_a_scaled_baseline(estimator: str) -> None:
    measures = ci.SEM(PATH, estimator=estimator).fit(ci.datasets.load("holzinger1939")).measures
    names = ("baseline.chisq.scaled", "baseline.df.scaled", "baseline.chisq.scaling.factor")
    assert [measures[name] for name in names] == pytest.approx(BASELINES[estimator], rel=LAVAAN)
    assert [measures[f"{name}.scaled"] for name in ("cfi", "tli", "nfi", "ifi", "rni", "rfi", "pnfi")] == [1, 1, 1, 1, 1, 1, 0]
    assert [measures[name] for name in ("cfi.robust", "tli.robust", "rmsea.robust", "rmsea.scaled")] == [1, 1, 0, 0]
    assert math.isnan(measures["chisq.scaling.factor"])


@pytest.mark.parametrize(
    ("syntax", "expected"),
    [(PATH, (96.352058, 1.091434)), ("visual =~ x1 + x2 + x3", (113.308259, 0.970594))],
    ids=["path", "cfa"],
)
def test_with_missing_values_too(syntax: str, expected: tuple[float, float]) -> None:
    """lavaan 0.6-14, missing = "ml", estimator = "MLR": scaled baseline and its factor; CFI and robust CFI are 1."""
    data = sem_data(case("sem", "hs_fiml"))
    fit = ci.SEM(syntax, estimator="mlr", missing="fiml").fit(data)
    found = [fit.measures[name] for name in ("baseline.chisq.scaled", "baseline.chisq.scaling.factor")]
    assert found == pytest.approx(expected, rel=LAVAAN)
    for measures in (ci.fit_measures(fit), ci.fit_measures(ci.SEM(syntax, missing="fiml").fit(data))):
        assert [measures[name] for name in ("cfi.robust", "tli.robust", "rmsea.robust")] == [1, 1, 0]


def test_ordered_variables_too() -> None:
    fit = ci.SEM("visual =~ x1 + x2 + x3", ordered=True).fit(sem_data(case("sem", "hs_ord_wlsmv")))
    assert fit.measures["cfi.scaled"] == 1
    assert fit.measures["baseline.chisq.scaled"] > 100
    assert fit.measures["baseline.chisq.scaling.factor"] > 0


def test_too_few_clusters_leave_the_degrees_of_freedom() -> None:
    """Cases below and above the median of x4 as two clusters: a negative factor, so no test, and its df all the same."""
    data = ci.datasets.load("holzinger1939").to_frame()
    data["place"] = (data["x4"].rank(method="first") > len(data) / 2).astype(int)
    measures = ci.SEM("f =~ x1 + x2 + x3 + x4", estimator="mlr", cluster="place").fit(data).measures
    assert measures["df.scaled"] == 2
    for name in ("chisq.scaled", "chisq.scaling.factor", "pvalue.scaled", "cfi.scaled", "cfi.robust", "rmsea.robust"):
        assert math.isnan(measures[name])
    assert measures["df"] == 2
