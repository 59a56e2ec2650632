"""Models of a single outcome: their baseline is saturated, so that a comparison with it says nothing, and all else is as ever."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest
from oracle_files import HERE

import cipa as ci
from cipa.language.en import EN
from cipa.report.fit_sentence import fit_sentence

LAVAAN_TOLERANCE = 1e-6  # relative; lavaan 0.6-14 stops at a gradient of about 1e-6
DATA = HERE / "sem" / "data" / "holzinger_ordinal_x.csv"
EQUAL = {
    "wlsmv": (0.1382054679970, 0.0407860194703, 36.3773181425601, 33.9909767159473),
    "dwls": (0.1382054679970, 0.0422977974047, 36.3773181425601, None),
    "wls": (0.1394244484340, 0.0407854835623, 33.9909767159465, None),
    "ulsmv": (0.1567875525868, 0.0408940705519, 39.2568522539949, 33.9909767159473),
}
"""lavaan 0.6-14, sem("x1 ~ a*ageyr + a*x9", ordered = "x1"): a, its error, chi-square, scaled chi-square."""
SHAPES: dict[str, tuple[str, list[str], dict[str, Any], str]] = {
    "linear constraint": ("b ~ p*ageyr + q*z + r*x9\np == 2*q", ["b"], {}, "b ~ ageyr"),
    "groups": ("x1 ~ c(a,a)*ageyr + c(b,b)*z", ["x1"], {"group": "sex"}, "x1 ~ z [1]"),
    "two outcomes": ("x1 ~ a*ageyr + z\nx4 ~ a*ageyr + z", ["x1", "x4"], {}, "x1 ~ ageyr"),
    "one continuous": ("x1 ~ a*ageyr + b*z\nx4 ~ a*ageyr + b*z", ["x1"], {}, "x1 ~ z"),
    "theta": ("x1 ~ a*ageyr + a*z", ["x1"], {"parameterization": "theta"}, "x1 ~ ageyr"),
    "equal thresholds": ("x1 ~ ageyr + z", ["x1"], {"group": "sex", "group_equal": ("thresholds",)}, "x1 ~ ageyr [2]"),
}
"""Outcomes of `holzinger_ordinal_x.csv` (b is x7 > 2), z is x2 of `holzinger1939`, continuous."""
LAVAAN = {
    "linear constraint": {
        "wlsmv": (-0.0263641586, 0.0612588604, 6.19355007, 6.21758416),
        "dwls": (-0.0263641586, 0.0611408044, 6.19355007, None),
        "wls": (-0.0259386181, 0.0612586227, 6.21758416, None),
        "ulsmv": (-0.0234896456, 0.0612664953, 8.44275461, 6.21758416),
        "uls": (-0.0234896456, 0.0516397779, 8.44275461, None),
        "wlsm": (-0.0263641586, 0.0612588604, 6.19355007, 6.21758416),
        "ulsm": (-0.0234896456, 0.0612664953, 8.44275461, 6.21758416),
    },
    "groups": {
        "wlsmv": (0.2681159552, 0.0546066248, 11.2367673, 11.2274727),
        "dwls": (0.2681159552, 0.0546066248, 11.2367673, None),
        "wls": (0.2617092135, 0.0544723402, 11.6718333, None),
        "ulsmv": (0.315184223, 0.0568474965, 11.0851771, 10.6579136),
        "uls": (0.315184223, 0.0578314932, 11.0851771, None),
        "wlsm": (0.2681159552, 0.0546066248, 11.2367673, 11.2367673),
        "ulsm": (0.315184223, 0.0568474965, 11.0851771, 10.6963258),
    },
    "two outcomes": {
        "wlsmv": (-0.0922597219, 0.0508872622, 2.19758928, 3.44794545),
        "dwls": (-0.0922597219, 0.0435932082, 2.19758928, None),
        "wls": (-0.0875325264, 0.0508235415, 3.44794545, None),
        "ulsmv": (-0.100568109, 0.0513060986, 2.54715429, 3.44794545),
        "uls": (-0.100568109, 0.040824829, 2.54715429, None),
        "wlsm": (-0.0922597219, 0.0508872622, 2.19758928, 3.44794545),
        "ulsm": (-0.100568109, 0.0513060986, 2.54715429, 3.44794545),
    },
    "one continuous": {
        "wlsmv": (0.2057252378, 0.0355064037, 5.19785493, 6.78089871),
        "dwls": (0.2057252378, 0.033657174, 5.19785493, None),
        "wls": (0.2036284574, 0.0354948909, 6.64493922, None),
        "ulsmv": (0.2115546236, 0.0356586105, 4.17307136, 6.58881757),
        "uls": (0.2115546236, 0.040824829, 4.17307136, None),
        "wlsm": (0.2057252378, 0.0355064037, 5.19785493, 6.84854173),
        "ulsm": (0.2115546236, 0.0356586105, 4.17307136, 6.5923649),
    },
    "theta": {
        "wlsmv": (0.142774853, 0.0389593374, 16.3934549, 17.4099304),
        "dwls": (0.142774853, 0.0378695166, 16.3934549, None),
        "wls": (0.144208666, 0.0389578219, 17.4099304, None),
        "ulsmv": (0.119650694, 0.0393999072, 14.4267511, 17.4099304),
        "uls": (0.119650694, 0.040824829, 14.4267511, None),
        "wlsm": (0.142774853, 0.0389593374, 16.3934549, 17.4099304),
        "ulsm": (0.119650694, 0.0393999072, 14.4267511, 17.4099304),
    },
    "equal thresholds": {
        "wlsmv": (-0.2007125396, 0.3391832897, 0.0348373191, 0.639148614),
        "dwls": (-0.2007125396, 0.2027252977, 0.0348373191, None),
        "wls": (-0.1436804533, 0.0712639259, 0.356884984, None),
        "ulsmv": (-0.200322351, 0.3366391198, 8.53348655, 0.637371059),
        "uls": (-0.200322351, 0.1022645638, 8.53348655, None),
        "wlsm": (-0.2007125396, 0.3391832897, 0.0348373191, 0.0827470887),
        "ulsm": (-0.200322351, 0.3366391198, 8.53348655, 0.079977987),
    },
}  # fmt: skip
"""lavaan 0.6-14: estimate and error of the effect that SHAPES names, chi-square, scaled chi-square."""
pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


@pytest.mark.parametrize("estimator", list(EQUAL))
def test_an_ordered_outcome_with_equal_effects(estimator: str) -> None:
    estimate, error, chisq, scaled = EQUAL[estimator]
    fit = ci.SEM("x1 ~ a*ageyr + a*x9", ordered=["x1"], estimator=estimator).fit(pd.read_csv(DATA))
    row = fit.estimates["x1 ~ ageyr"]
    assert (row.estimate, row.std_error) == pytest.approx((estimate, error), rel=LAVAAN_TOLERANCE)
    assert (fit.measures["chisq"], fit.measures["df"]) == pytest.approx((chisq, 1), rel=LAVAAN_TOLERANCE)
    if scaled is not None:
        assert fit.measures["chisq.scaled"] == pytest.approx(scaled, rel=LAVAAN_TOLERANCE)
    assert all(math.isnan(fit.measures[name]) for name in ("cfi", "tli", "nfi"))
    assert "CFI" not in fit_sentence(fit.reported_statistics, EN)
    assert "RMSEA" in str(fit)


def test_an_ordered_outcome_with_free_effects_and_one_equal_in_groups() -> None:
    """lavaan 0.6-14: sem("x1 ~ ageyr + x9", ordered = "x1"), and "x1 ~ c(a, a)*ageyr + x9" in the groups of sex."""
    data = pd.read_csv(DATA)
    free = ci.SEM("x1 ~ ageyr + x9", ordered=["x1"]).fit(data)
    assert free.df_resid == 0
    assert [row.estimate for row in free.estimates][:2] == pytest.approx(
        [-0.0990015934397, 0.4125766992872], rel=LAVAAN_TOLERANCE
    )
    groups = ci.SEM("x1 ~ c(a, a)*ageyr + x9", ordered=["x1"], group="sex").fit(data)
    row = groups.estimates["x1 ~ ageyr [1]"]
    assert (row.estimate, row.std_error) == pytest.approx((-0.108805097870, 0.0592188793751), rel=LAVAAN_TOLERANCE * 10)
    assert groups.measures["chisq"] == pytest.approx(1.45054566290638, rel=LAVAAN_TOLERANCE * 10)


@pytest.mark.parametrize(
    "options", [{}, {"estimator": "mlr"}, {"estimator": "mlr", "missing": "fiml"}, {"estimator": "wlsm"}], ids=str
)
def test_one_variable_has_a_test_and_a_summary(options: dict[str, str]) -> None:
    fit = ci.SEM("x1 ~~ 1*x1\nx1 ~ 1", **options).fit(ci.datasets.load("holzinger1939"))
    assert fit.df_resid == 1
    assert math.isnan(fit.measures["cfi"])
    assert "CFI" not in fit_sentence(fit.reported_statistics, EN)
    assert "RMSEA" in str(fit)


def shaped() -> pd.DataFrame:
    data = pd.read_csv(DATA)
    return data.assign(b=(data.x7 > 2).astype(int), z=ci.datasets.load("holzinger1939").to_frame()["x2"])


@pytest.mark.parametrize(("shape", "estimator"), [(shape, estimator) for shape in SHAPES for estimator in LAVAAN[shape]])
def test_shapes_by_every_estimator(shape: str, estimator: str) -> None:
    """To 1e-6; of groups to 4e-5, as lavaan stops at a gradient of about 1e-6 (full weights; latent scales that are hardly determined)."""
    syntax, ordered, options, term = SHAPES[shape]
    estimate, error, chisq, scaled = LAVAAN[shape][estimator]
    fit = ci.SEM(syntax, ordered=ordered, estimator=estimator, **options).fit(shaped())
    row, rel = fit.estimates[term], 4e-5 if shape in ("equal thresholds", "groups") else LAVAAN_TOLERANCE
    assert (row.estimate, row.std_error) == pytest.approx((estimate, error), rel=rel)
    assert fit.measures["chisq"] == pytest.approx(chisq, rel=rel)
    if scaled is not None:
        assert fit.measures["chisq.scaled"] == pytest.approx(scaled, rel=rel)


def test_a_nonlinear_constraint_meets_the_lower_minimum() -> None:
    """lavaan stops at a chi-square of 35.9504721 (WLSMV), .0000017 above."""
    data = shaped().assign(c3=lambda here: here.x8.clip(upper=3))
    fit = ci.SEM("c3 ~ p*ageyr + q*z + r*x9\np*q == r", ordered=["c3"]).fit(data)
    p, q, r = (fit.estimates[f"c3 ~ {name}"].estimate for name in ("ageyr", "z", "x9"))
    assert p * q == pytest.approx(r, abs=1e-10)
    assert (p, q, r) == pytest.approx((0.1932991635, 0.0878173359, 0.0169750079), rel=1e-4)
    assert 35.95046 < fit.measures["chisq"] < 35.9504721
