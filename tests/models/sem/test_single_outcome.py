"""Models of a single outcome: their baseline is saturated, so that a comparison with it says nothing, and all else is as ever."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from oracle_files import HERE

import cipa as ci
from cipa.report.fit_sentence import fit_sentence
from cipa.report.language.en import EN

LAVAAN = 1e-6  # relative; lavaan 0.6-14 stops at a gradient of about 1e-6
DATA = HERE / "sem" / "data" / "holzinger_ordinal_x.csv"
EQUAL = {
    "wlsmv": (0.1382054679970, 0.0407860194703, 36.3773181425601, 33.9909767159473),
    "dwls": (0.1382054679970, 0.0422977974047, 36.3773181425601, None),
    "wls": (0.1394244484340, 0.0407854835623, 33.9909767159465, None),
    "ulsmv": (0.1567875525868, 0.0408940705519, 39.2568522539949, 33.9909767159473),
}
"""lavaan 0.6-14, sem("x1 ~ a*ageyr + a*x9", ordered = "x1"): a, its error, chi-square, scaled chi-square."""
pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


@pytest.mark.parametrize("estimator", list(EQUAL))
def test_an_ordered_outcome_with_equal_effects(estimator: str) -> None:
    estimate, error, chisq, scaled = EQUAL[estimator]
    fit = ci.SEM("x1 ~ a*ageyr + a*x9", ordered=["x1"], estimator=estimator).fit(pd.read_csv(DATA))
    row = fit.estimates["x1 ~ ageyr"]
    assert (row.estimate, row.std_error) == pytest.approx((estimate, error), rel=LAVAAN)
    assert (fit.measures["chisq"], fit.measures["df"]) == pytest.approx((chisq, 1), rel=LAVAAN)
    if scaled is not None:
        assert fit.measures["chisq.scaled"] == pytest.approx(scaled, rel=LAVAAN)
    assert all(math.isnan(fit.measures[name]) for name in ("cfi", "tli", "nfi"))
    assert "CFI" not in fit_sentence(fit.reported_statistics, EN)
    assert "RMSEA" in str(fit)


def test_an_ordered_outcome_with_free_effects_and_one_equal_in_groups() -> None:
    """lavaan 0.6-14: sem("x1 ~ ageyr + x9", ordered = "x1"), and "x1 ~ c(a, a)*ageyr + x9" in the groups of sex."""
    data = pd.read_csv(DATA)
    free = ci.SEM("x1 ~ ageyr + x9", ordered=["x1"]).fit(data)
    assert free.df_resid == 0
    assert [row.estimate for row in free.estimates][:2] == pytest.approx([-0.0990015934397, 0.4125766992872], rel=LAVAAN)
    groups = ci.SEM("x1 ~ c(a, a)*ageyr + x9", ordered=["x1"], group="sex").fit(data)
    row = groups.estimates["x1 ~ ageyr [1]"]
    assert (row.estimate, row.std_error) == pytest.approx((-0.108805097870, 0.0592188793751), rel=LAVAAN * 10)
    assert groups.measures["chisq"] == pytest.approx(1.45054566290638, rel=LAVAAN * 10)


@pytest.mark.parametrize(
    "options", [{}, {"estimator": "mlr"}, {"estimator": "mlr", "missing": "fiml"}, {"estimator": "wlsm"}], ids=str
)
def test_one_variable_has_a_test_and_a_summary(options: dict[str, str]) -> None:
    fit = ci.SEM("x1 ~~ 1*x1\nx1 ~ 1", **options).fit(ci.datasets.load("holzinger1939"))
    assert fit.df_resid == 1
    assert math.isnan(fit.measures["cfi"])
    assert "CFI" not in fit_sentence(fit.reported_statistics, EN)
    assert "RMSEA" in str(fit)
