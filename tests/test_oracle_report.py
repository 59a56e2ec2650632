"""The table of tests/oracles/README.md, and the comparing itself."""

from __future__ import annotations

import math

import pytest
from oracle_report import SCORES, agree, deviation, listed, programs


def test_the_table_lists_exactly_the_cases_that_are_present() -> None:
    """After adding a case: pytest tests/models tests/inference --oracle-report."""
    assert listed() == sorted(programs())


def test_a_deviation_is_caught_and_kept() -> None:
    with pytest.raises(AssertionError, match="1 of 2 differ"):
        agree("none", "case", [("a", 1.0, 1.0), ("b", 1.001, 1.0)], rtol=1e-6)
    with pytest.raises(AssertionError, match="1 of 1 differ"):
        agree("none", "case", [("c", math.nan, 1.0)], rtol=1e-6)
    with pytest.raises(AssertionError):
        agree("none", "case", [], rtol=1e-6)
    score = SCORES.pop(("none", "case"))
    assert score.compared == 3
    assert score.where == "c"


def test_deviations_are_relative_with_a_floor() -> None:
    assert deviation(2.0, 1.0) == 1.0
    assert deviation(1e-4, 0.0) == pytest.approx(1e-2)
    assert deviation(math.inf, math.inf) == 0.0
