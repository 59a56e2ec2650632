"""Score tests of what two levels hold equal: lavaan's numbers, and the chi-square that freeing it really gains."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from oracle_files import HERE

import cipa as ci

SEARCH = 5e-5
"""Relative: the reference's search ends at a gradient of about 1e-6, on which a score test rests directly."""

EQUAL = "level: 1\nfw =~ y1 + a*y2 + b*y3\nlevel: 2\nfb =~ y1 + a*y2 + b*y3\n"
TIED = "level: 1\nfw =~ y1 + a*y2 + b*y3\nfw ~ c*x1 + c*x2\nlevel: 2\nfb =~ y1 + a*y2 + b*y3\nfb ~ w1 + w2\n"

# lavaan 0.6-14: lavTestScore(sem(model, data = demo_twolevel, cluster = "cluster"))$uni, X2 by constraint
LAVAAN = {
    EQUAL: {"fw =~ y2 [level 1]": 0.274017421759, "fw =~ y3 [level 1]": 4.080788397347},
    TIED: {"fw ~ x1 [level 1]": 11.1542746987465, "fw =~ y2 [level 1]": 0.0338764859235, "fw =~ y3 [level 1]": 5.3327289590871},
}


def fit(syntax: str, **options: Any) -> Any:
    return ci.SEM(syntax, cluster="cluster", **options).fit(pd.read_csv(HERE / "sem" / "data" / "demo_twolevel.csv"))


@pytest.mark.parametrize("syntax", list(LAVAAN))
def test_score_tests_of_two_levels_are_the_references(syntax: str) -> None:
    here = fit(syntax)
    table = ci.score_test(here).to_frame()
    assert len(table) == 2 * len(LAVAAN[syntax])  # either end of each tie
    for name, wanted in LAVAAN[syntax].items():
        row = ci.score_test(here, release=[name]).to_frame().iloc[0]
        assert (row.chisq, str(row.level)) == (pytest.approx(wanted, rel=SEARCH), "1"), name


def test_a_score_test_is_near_the_chi_square_gained_and_the_distance_found() -> None:
    held, free = fit(TIED), fit(TIED.replace("fb =~ y1 + a*y2 + b*y3", "fb =~ y1 + a*y2 + y3"))
    row = ci.score_test(held, release=["fb =~ y3 [level 2]"]).to_frame().iloc[0]
    assert row.chisq == pytest.approx(held.measures["chisq"] - free.measures["chisq"], rel=0.1)
    parting = free.estimates["fb =~ y3 [level 2]"].estimate - free.estimates["fw =~ y3 [level 1]"].estimate
    assert row.epc == pytest.approx(parting, rel=0.15)
