"""The default study's linear model on the 570 careful rows, against an independent program (DOMAIN: within .005)."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cipa as ci
from cipa.data.score import derive, reverse

SYNTAX = """
FIRM =~ firm1 + firm2 + firm3 + firm4 + firm5
HS =~ hs1 + hs2 + hs3
CS =~ cs1 + cs2 + cs3
TS =~ ts1 + ts2 + ts3
PS =~ ps1 + ps2 + ps3
COL =~ HS + CS + TS + PS
ENV =~ env1 + env2 + env3 + env4 + env5
INET =~ inet1 + inet2 + inet3 + inet4 + inet5 + inet6
RI =~ opt1 + opt2 + liq1 + liq2 + sha1 + sha2
MS =~ ms1 + ms2 + ms3 + ms4
CIP =~ cip1 + cip2 + cip3 + cip4 + cip5
sha1 ~~ sha2
RI ~ FIRM + COL + ENV + INET
MS ~ FIRM + COL + ENV + INET
RI ~~ MS
CIP ~ FIRM + COL + ENV + RI + MS + INET + lnsize + lnage + soe
"""

PATHS = {
    "RI": {"FIRM": 0.168, "COL": 0.279, "ENV": 0.147, "INET": 0.327},
    "MS": {"FIRM": 0.092, "COL": 0.281, "ENV": 0.162, "INET": 0.317},
    "CIP": {"FIRM": 0.134, "COL": 0.233, "ENV": 0.062, "RI": 0.278, "MS": 0.183, "INET": 0.091, "lnsize": 0.134},
}


@cache
def fit(*, careful: bool, missing: str) -> Any:
    survey = ci.datasets.load("cluster_survey")
    if careful:
        careless = set((Path(__file__).parent / "careless_firms.txt").read_text().split())
        survey = survey.keep(np.array([firm not in careless for firm in survey["firm_id"]]), action="screen", reason="truth")
    survey = derive(reverse(survey), {"lnsize": "zscore(log(employees))", "lnage": "age / 10"})
    return ci.SEM(SYNTAX, missing=missing).fit(survey)


def test_chi_square_and_fit_measures() -> None:
    found = fit(careful=True, missing="fiml_x")
    assert found.nobs == 570
    measures = ci.fit_measures(found)
    assert measures["df"] == 960
    assert measures["chisq"] == pytest.approx(1015.85, abs=0.005)
    for name, value in {"cfi": 0.995, "tli": 0.994, "rmsea": 0.010, "srmr": 0.035}.items():
        assert measures[name] == pytest.approx(value, abs=0.0006), name


@pytest.mark.parametrize(("outcome", "cause", "value"), [(y, x, value) for y, row in PATHS.items() for x, value in row.items()])
def test_standardized_paths(outcome: str, cause: str, value: float) -> None:
    assert fit(careful=True, missing="fiml_x").estimates[f"{outcome} ~ {cause}"].standardized == pytest.approx(value, abs=0.005)


def test_with_careless_rows_and_listwise() -> None:
    everyone = ci.fit_measures(fit(careful=False, missing="fiml_x"))
    assert everyone["chisq"] == pytest.approx(1192.26, abs=0.005)
    assert everyone["cfi"] == pytest.approx(0.979, abs=0.0006)
    listwise = fit(careful=True, missing="listwise")
    assert listwise.nobs == 348


def test_takes_less_than_three_seconds() -> None:
    survey = fit(careful=True, missing="fiml_x").data
    start = time.process_time()
    ci.SEM(SYNTAX, missing="fiml_x").fit(survey)
    assert time.process_time() - start < 3
