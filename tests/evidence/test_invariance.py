"""The invariance ladder: chi-squares of the reference's ladder, the item that differs, guards of the search."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from oracle_files import HERE, case

import cipa as ci
from cipa.evidence import invariance
from cipa.evidence.ladder import Ladder
from cipa.terms import Term

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
    assert found.table.columns["stands"] == (None, "yes", "no", "not judged")
    assert "scalar does not stand. The levels after it hold what it holds, so they are shown and not judged." in found.table.notes
    assert {row[0] for row in zip(*found.suggestions.columns.values(), strict=True)} == {"scalar"}
    scalar = [row for row in zip(*found.suggestions.columns.values(), strict=True) if row[0] == "scalar"]
    assert [row[1] for row in scalar] == ["x3 ~1", "x7 ~1", "x2 ~1"]
    assert len(found.steps) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "chisq and chisq_diff are not scaled, as this estimator's test is not; cfi and rmsea are not corrected."),
        (
            {"estimator": "mlr"},
            "chisq is before scaling, chisq_diff and p_diff are scaled (so chisq_diff is not the difference of two chisq); cfi and rmsea"
            " are robust.",
        ),
    ],
    ids=["ml", "mlr"],
)
def test_the_table_says_which_columns_are_scaled(options: dict[str, str], said: str) -> None:
    found = ladder(**options)
    assert said in found.table.notes
    table = found.to_frame()
    same = table.chisq_diff[1] == pytest.approx(table.chisq[1] - table.chisq[0], rel=1e-9)
    assert same == (not options)


@cache
def by_sex(*, search: bool) -> Any:
    """Metric invariance is rejected by both criteria, with a fall of CFI of .016."""
    levels = ("configural", "metric", "scalar", "strict", "means")
    return ci.invariance(ci.SEM(NINE), ci.datasets.load("holzinger1939"), group="sex", levels=levels, search=search)


def test_after_a_level_that_both_criteria_reject_none_is_judged() -> None:
    table = by_sex(search=False).table.columns
    assert 0.01 < -table["cfi_diff"][1] < 0.02
    assert table["p_diff"][1] < 0.05
    assert table["stands"] == (None, "no", *["not judged"] * 3)
    notes = [note for note in by_sex(search=False).table.notes if "does not stand" in note]
    assert [note.split()[0] for note in notes] == ["metric"]


def test_where_the_criteria_disagree_the_level_is_in_doubt() -> None:
    """Strict invariance across schools: rejected at .05, with a fall of CFI of .00998."""
    table = ladder(search=True).table.columns
    assert table["p_diff"][3] < 0.05
    assert -0.01 < table["cfi_diff"][3] < -0.0099
    assert table["stands"][3] == "in doubt"


def test_the_search_stops_where_no_single_test_is_significant_after_correction() -> None:
    found = by_sex(search=True)
    assert found.steps.columns["parameter"] == ("speed =~ x9",)
    assert found.table.columns["df"] == (48, 53, 59, 68, 71)  # what one level frees, the later ones do not hold
    tests = 6  # loadings but the markers; two groups have one test between them
    assert found.steps.columns["p_value"][0] == pytest.approx(tests * found.suggestions.columns["p_value"][0], rel=1e-9)
    scalar = [hint for hint in zip(*found.suggestions.columns.values(), strict=True) if hint[0] == "scalar"]
    assert found.table.columns["stands"][2] == "no"
    assert 0.05 / 9 < scalar[0][3] < 0.05


def test_latent_means_are_never_freed_by_the_search() -> None:
    data = ci.datasets.load("holzinger1939")
    found = ci.invariance(ci.SEM(NINE), data, group="school", levels=("scalar", "means"), search=True)
    assert found.table.columns["p_diff"][1] < 0.05
    assert len(found.suggestions) == 3
    assert len(found.steps) == 0


def test_a_partial_level_that_stands_lets_the_next_be_judged() -> None:
    found = ladder(search=True)
    assert found.table.columns["stands"][2] != "no"
    assert found.table.columns["stands"][3] != "not judged"


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


def holes() -> pd.DataFrame:
    return pd.read_csv(HERE / "sem" / "data" / "holzinger_missing.csv")


@pytest.mark.parametrize(
    ("estimator", "missing"),
    [("mlr", "fiml"), ("ml", "robust_two_stage"), ("mlm", "listwise"), ("mlr", "listwise"), ("ml", "fiml")],
)
def test_every_level_of_data_with_holes_is_that_of_group_equal(estimator: str, missing: str) -> None:
    model = ci.SEM(NINE, estimator=estimator, missing=missing)
    table = ci.invariance(model, holes(), group="school", levels=("metric", "strict", "means")).to_frame()
    words = (["loadings"], ["loadings", "intercepts", "residuals"], ["loadings", "intercepts", "residuals", "means"])
    for row, equal in zip(table.itertuples(), words, strict=True):
        fit = ci.SEM(NINE, estimator=estimator, missing=missing, group="school", group_equal=equal).fit(holes())
        assert row.df == fit.df_resid
        assert row.chisq == pytest.approx(fit.statistics["chisq"].value, rel=1e-6)
    assert table.cfi.between(0.5, 1).all()
    assert np.isfinite(table.p_diff[1:]).all()


def test_measures_with_missing_values_are_corrected_for_them() -> None:
    """Zhang & Savalei's, not those of the likelihood ratio against the independence model."""
    found = ci.invariance(ci.SEM(NINE, missing="fiml"), holes(), group="school", levels=("metric",))
    fit = found.fits[0]
    assert found.table.columns["cfi"] == (ci.fit_measures(fit)["cfi.robust"],)
    assert found.table.columns["rmsea"] == (ci.fit_measures(fit)["rmsea.robust"],)


def test_the_method_of_the_difference_test_is_passed_on() -> None:
    data = ci.datasets.load("holzinger1939")
    found = ci.invariance(
        ci.SEM(NINE, estimator="mlm"), data, group="school", levels=("metric", "scalar"), method="satorra_bentler_2010"
    )
    want = ci.lr_test(*found.fits, method="satorra_bentler_2010").columns["chisq_diff"][1]
    assert found.table.columns["chisq_diff"][1] == want
    assert want != ladder(estimator="mlm").table.columns["chisq_diff"][2]
    with pytest.raises(ci.SpecificationError, match="Did you mean"):
        ci.invariance(ci.SEM(NINE), data, group="school", method="satorra_bentler_2011")


def test_the_level_of_means_names_latent_means_only() -> None:
    found = ci.invariance(ci.SEM(NINE), ci.datasets.load("holzinger1939"), group="school", levels=("strict", "means"))
    assert set(found.suggestions.columns["parameter"]) == {"visual ~1", "textual ~1", "speed ~1"}


def test_what_the_model_lets_free_stays_free_at_every_level_that_holds_it() -> None:
    data, terms = ci.datasets.load("holzinger1939"), ("x3 ~1", "visual =~ x2")
    found = ci.invariance(ci.SEM(NINE, group_partial=terms), data, group="school", levels=("configural", "metric", "scalar"))
    assert [fit.df_resid for fit in found.fits] == [48, 53, 58]
    with pytest.raises(ci.SpecificationError, match=r"group_partial names 'x33 ~1'.*Did you mean 'x3 ~1'"):
        ci.invariance(ci.SEM(NINE, group_partial="x33 ~1"), data, group="school")


def without_solution(monkeypatch: pytest.MonkeyPatch, those: Callable[[ci.SEM], bool]) -> None:
    """Let the search for the estimates of some models not end."""
    fit = ci.SEM.fit

    def stubborn(model: ci.SEM, data: Any) -> Any:
        if those(model):
            raise ci.ConvergenceError("The search did not end.")
        return fit(model, data)

    monkeypatch.setattr(ci.SEM, "fit", stubborn)


def test_a_level_without_a_solution_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    without_solution(monkeypatch, lambda model: "intercepts" in model.group_equal)
    found = ci.invariance(ci.SEM(NINE), ci.datasets.load("holzinger1939"), group="school")
    assert found.table.columns["level"] == ("configural", "metric", "scalar")
    assert found.table.columns["stands"] == (None, "yes", "no fit")
    numbers = [found.table.columns[head][2] for head in found.table.columns if head not in ("level", "stands")]
    assert np.isnan(numbers).all()
    assert len(found.fits) == 2
    assert "scalar: The search did not end. Later levels are not fitted." in str(found)


def test_a_model_without_a_scale_is_refused_at_the_first_level() -> None:
    with pytest.raises(ci.IdentificationError):
        ci.invariance(ci.SEM("visual =~ x1 + x2"), ci.datasets.load("holzinger1939"), group="school")


def test_a_search_without_a_solution_stops_and_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    without_solution(monkeypatch, lambda model: "x7 ~1" in model.group_partial)
    found = ci.invariance(ci.SEM(NINE), ci.datasets.load("holzinger1939"), group="school", search=True)
    assert found.steps.columns["parameter"] == ("x3 ~1",)
    assert found.table.columns["level"] == ("configural", "metric", "scalar", "strict")
    assert "scalar: the search stopped, because without x7 ~1 held there is no solution" in str(found)


def test_another_kind_of_model_is_refused() -> None:
    with pytest.raises(ci.SpecificationError, match=r"this is a Panel.*Give a ci.SEM"):
        ci.invariance(ci.Panel("y ~ x", method="pooled"), ci.datasets.load("holzinger1939"), group="school")


MIXED = "f =~ x1 + x2 + x3 + x4\ng =~ x5 + x6\nh =~ x7"


def rungs(**categories: int) -> Ladder:
    return Ladder(model=ci.SEM(MIXED, ordered=list(categories)), group="group", ngroups=2, categories=categories)


@pytest.mark.parametrize(
    ("text", "level", "below", "added"),
    [
        ("f =~ x2", "metric", "configural", True),
        ("f =~ x2", "scalar", "metric", False),
        ("f =~ x2", "scalar", "configural", True),
        ("x1 | t1", "thresholds", "configural", True),
        ("x2 ~1", "scalar", "metric", True),
        ("f ~1", "scalar", "metric", False),
        ("f ~1", "means", "strict", True),
        ("x2 ~~ x2", "strict", "scalar", True),
        ("x2 ~~ x3", "strict", "scalar", False),
        ("x6 | t1", "thresholds", "configural", False),
        ("g =~ x6", "metric", "configural", False),
        ("x6 ~1", "scalar", "metric", True),
    ],
)
def test_what_a_level_adds(text: str, level: str, below: str, added: bool) -> None:
    """A threshold and a loading of an item of two categories cannot be told from its intercept; a covariance belongs to no level."""
    assert invariance._added(rungs(x1=3, x6=2), Term.parse(text), level, below) == added


@pytest.mark.parametrize(
    ("free", "level", "kept"),
    [
        (("f =~ x2", "f =~ x3"), "metric", True),
        (("f =~ x2", "f =~ x3", "f =~ x4"), "metric", False),
        (("f =~ x2", "x1 | t1", "x1 | t2"), "metric", True),
        (("f =~ x2", "f =~ x3", "x1 | t1"), "metric", False),
        (("f =~ x2", "x2 ~1", "f =~ x3"), "scalar", True),
        (("f =~ x2", "x3 ~1", "x4 ~1"), "scalar", False),
        (("f =~ x2", "x3 ~1", "x4 ~1"), "metric", True),
        (("g =~ x6",), "metric", False),
        ((), "strict", True),  # one indicator of h is all it has
        (("x2 ~~ x2", "x3 ~~ x3", "x4 ~~ x4"), "strict", True),
    ],
)
def test_every_construct_keeps_two_indicators_that_are_equal(free: tuple[str, ...], level: str, kept: bool) -> None:
    climb = invariance._Climb(ladder=rungs(x1=3), search=True, alpha=0.05, method=None)
    assert invariance._keeps_anchors(climb, level, free) == kept


@pytest.mark.parametrize("alpha", [0.0, 1.5, -0.1])
def test_a_level_of_significance_that_is_none_is_refused(alpha: float) -> None:
    """It was taken as it was given: at 0 nothing is rejected, at 1.5 everything."""
    with pytest.raises(ci.SpecificationError, match=r"ci\.invariance: alpha=.* is no probability"):
        ci.invariance(ci.SEM(NINE), ci.datasets.load("holzinger1939"), group="school", alpha=alpha)
