"""The invariance ladder: chi-squares of the reference's ladder, the item that differs, guards of the search."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from oracle_files import case

import cipa as ci

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")

NINE = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"


@cache
def ladder(*, search: bool = False, estimator: str = "ml") -> Any:
    return ci.invariance(ci.SEM(NINE, estimator=estimator), ci.datasets.load("holzinger1939"), group="school", search=search)


@pytest.mark.parametrize("estimator", ["ml", "mlr", "mlm"])
def test_difference_tests_are_those_of_the_reference(estimator: str) -> None:
    expected = case("sem_after", f"hs_mg_ladder_{estimator}")["lrt_default"]
    for row, other in zip(ladder(estimator=estimator).to_frame().itertuples(), expected, strict=False):
        assert row.df == other["Df"]
        assert row.chisq == pytest.approx(other["Chisq"], rel=1e-6)
        if other["Chisq_diff"] is not None:
            assert row.chisq_diff == pytest.approx(other["Chisq_diff"], rel=3e-5)
            assert row.p_diff == pytest.approx(other["Pr_Chisq"], rel=1e-3, abs=1e-6)


def test_the_rejected_level_names_the_intercepts_to_look_at() -> None:
    found = ladder()
    assert found.table.columns["stands"] == (None, "yes", "no", "in doubt")
    scalar = [row for row in zip(*found.suggestions.columns.values(), strict=True) if row[0] == "scalar"]
    assert [row[1] for row in scalar] == ["x3 ~1", "x7 ~1", "x2 ~1"]
    assert len(found.steps) == 0


def test_the_search_frees_them_one_by_one_with_corrected_p_values() -> None:
    found = ladder(search=True)
    assert found.steps.columns["parameter"] == ("x3 ~1", "x7 ~1")
    assert all(p < 0.05 for p in found.steps.columns["p_value"])
    assert found.table.columns["p_diff"][2] > 0.05
    assert "What the search freed" in str(found)


def test_the_search_keeps_two_equal_indicators_of_each_construct() -> None:
    data = ci.datasets.load("holzinger1939").to_frame()
    for item in ("x1", "x2"):
        data[item] += 2.0 * (data.school == "Pasteur") * (1 if item == "x1" else -1)
    found = ci.invariance(ci.SEM(NINE), data, group="school", levels=("metric", "scalar"), search=True)
    freed = [name for name in found.steps.columns["parameter"] if name in ("x1 ~1", "x2 ~1", "x3 ~1")]
    assert len(freed) <= 1


def test_invariant_data_are_found_invariant() -> None:
    data = ci.datasets.load("holzinger1939").to_frame()
    data["half"] = ["a" if k % 2 else "b" for k in range(len(data))]
    found = ci.invariance(ci.SEM("textual =~ x4 + x5 + x6\nvisual =~ x1 + x2 + x3"), data, group="half")
    assert found.table.columns["stands"][1:3] == ("yes", "yes")


def test_levels_are_checked() -> None:
    data = ci.datasets.load("holzinger1939")
    with pytest.raises(ci.SpecificationError, match="Did you mean 'scalar'"):
        ci.invariance(ci.SEM(NINE), data, group="school", levels=("scaler",))
    with pytest.raises(ci.SpecificationError, match="not in their order"):
        ci.invariance(ci.SEM(NINE), data, group="school", levels=("scalar", "metric"))
