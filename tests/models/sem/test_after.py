"""Modification indices, residuals, factor scores and difference tests against lavaan, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from oracle_files import HERE, case, sem_fit

import cipa as ci

MODIFICATION = 1e-3
"""Relative. The reference computes its indices at the point where its own optimiser stopped (relative gradient about 1e-6),
before the polishing that its estimates had; small indices differ in the fourth digit."""

RESIDUAL = {"raw": 5e-6, "cor_bentler": 5e-6, "standardized": 5e-4}
"""Absolute; a standardized residual divides by a difference of variances that nearly cancel."""

AFTER = sorted(path.stem for path in (HERE / "sem_after").glob("*.json") if "modindices" in case("sem_after", path.stem))
LADDERS = sorted(path.stem for path in (HERE / "sem_after").glob("*.json") if "cases" in case("sem_after", path.stem))

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


def blocks(found: dict[str, Any]) -> list[tuple[str | None, dict[str, Any]]]:
    return [(None, found)] if "cov" in found or "res.cov" in found else list(found.items())


@pytest.mark.parametrize("name", [name for name in AFTER if case("sem_after", name)["modindices"]])
def test_modification_indices(name: str) -> None:
    found = case("sem_after", name)["modindices"]
    table = ci.modification_indices(sem_fit(name)).to_frame()
    labels = case("sem", name)["group_label"]
    compared = 0
    for row in found:
        group = labels[row["group"] - 1] if labels else None
        wanted = ci.Term(lhs=row["lhs"], op=row["op"], rhs=row["rhs"], group=group)
        same = [k for k, r in table.iterrows() if ci.Term(lhs=r.lhs, op=r.op, rhs=r.rhs, group=r.group) == wanted]
        if not same:  # paths into exogenous variables, which cipa does not suggest
            assert row["op"] == "~"
            continue
        mine = table.loc[same[0]]
        for key in ("mi", "epc", "sepc_lv", "sepc_all", "sepc_nox"):
            assert mine[key] == pytest.approx(row[key], rel=MODIFICATION, abs=1e-4), (wanted, key)
        compared += 1
    assert compared >= min(3, len(found))


RESIDUALS = {"raw": "lavresiduals_raw", "cor_bentler": "lavresiduals_cor_bentler", "standardized": "residuals_standardized"}


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name in AFTER for kind, key in RESIDUALS.items() if case("sem_after", name)[key]]
)
def test_residuals(name: str, kind: str) -> None:
    key = RESIDUALS[kind]
    table = ci.residuals(sem_fit(name), kind=kind).to_frame()
    for group, block in blocks(case("sem_after", name)[key]):
        cov = block.get("cov") or block["res.cov"]
        names, values = cov["rows"], np.array(cov["values"], dtype=float)
        part = table if group is None else table[table.group == group]
        for row in part.itertuples():
            if row.op == "~~":
                expected = values[names.index(row.lhs), names.index(row.rhs)]
            elif row.op == "|":
                expected = (block.get("th") or block["res.th"])[f"{row.lhs}|{row.rhs}"]
            elif row.op == "~":
                slopes = block["res.slopes"]
                expected = slopes["values"][slopes["rows"].index(row.lhs)][slopes["cols"].index(row.rhs)]
            else:
                expected = block["mean"][row.lhs]
            if expected is not None and not np.isnan(expected):
                assert row.residual == pytest.approx(expected, abs=RESIDUAL[kind] * max(1, abs(expected))), (
                    row.lhs,
                    row.op,
                    row.rhs,
                )


@pytest.mark.parametrize("method", ["regression", "bartlett"])
@pytest.mark.parametrize(
    "name", [name for name in AFTER if "cols" in (case("sem_after", name)["scores_regression_first10"] or {})]
)
def test_factor_scores(name: str, method: str) -> None:
    found = case("sem_after", name)[f"scores_{method}_first10"]
    if found["cols"] == ["f"] or np.ndim(found["values"]) != 2:
        return
    expected = np.array(found["values"], dtype=float)
    fit = sem_fit(name)
    table = ci.factor_scores(fit, method=method).to_frame()[found["cols"]].to_numpy()[: len(expected)]
    ordinal = bool(fit.model.ordered_names)
    if ordinal and method == "bartlett":  # where the likelihood has no mode the reference prints where its search stopped
        expected = np.where(np.isnan(table), np.nan, expected)
        table = np.where(np.isnan(expected), np.nan, table)
        assert np.isfinite(table).mean() > 0.4
    # the reference finds the modes of ordered answers by a general search with a tolerance of 1e-4 or so
    assert table == pytest.approx(expected, abs=2e-4 if ordinal else 5e-5, nan_ok=True)


@pytest.mark.parametrize("name", LADDERS)
def test_difference_tests(name: str) -> None:
    found = case("sem_after", name)
    fits = [sem_fit(one) for one in found["cases"]]
    for key, method in (("lrt", None), ("lrt_default", None), ("lrt_satorra_bentler_2001", "satorra_bentler_2001"),
                        ("lrt_satorra_bentler_2010", "satorra_bentler_2010"), ("lrt_satorra_2000", "satorra_2000")):  # fmt: skip
        if not found.get(key):
            continue
        for row, expected in zip(ci.lr_test(*fits, method=method).to_frame().itertuples(), found[key], strict=True):
            assert row.df == expected["Df"]
            if expected["AIC"] is not None:
                assert row.aic == pytest.approx(expected["AIC"], rel=1e-6)
            if expected["Chisq_diff"] is not None:
                assert row.chisq_diff == pytest.approx(expected["Chisq_diff"], rel=3e-5)
                assert row.p_value == pytest.approx(expected["Pr_Chisq"], rel=1e-3, abs=3e-6)


def test_freeing_the_largest_index_lowers_the_chi_square_by_about_it() -> None:
    fit = sem_fit("hs_cfa_ml")
    top = ci.modification_indices(fit).to_frame().iloc[0]
    freed = ci.SEM(f"{fit.model.syntax}\n{top.lhs} {top.op} {top.rhs}").fit(ci.datasets.load("holzinger1939"))
    fall = fit.statistics["chisq"].value - freed.statistics["chisq"].value
    assert fall == pytest.approx(top.mi, rel=0.15)
    assert ci.lr_test(fit, freed).columns["chisq_diff"][1] == pytest.approx(fall)
    assert (ci.modification_indices(fit, minimum=10).to_frame().mi >= 10).all()


def test_score_tests_name_the_intercepts_that_differ() -> None:
    table = ci.score_test(sem_fit("hs_mg_scalar")).to_frame()
    assert table.iloc[0].lhs == "x3"
    assert table.iloc[2].lhs == "x7"
    one = ci.score_test(sem_fit("hs_mg_scalar"), release=["x3 ~1 [Pasteur]"]).to_frame()
    assert len(one) == 1
    with pytest.raises(ci.InferenceError, match="is not held equal"):
        ci.score_test(sem_fit("hs_mg_scalar"), release=["x3 ~1 [Pastuer]"])
    with pytest.raises(ci.InferenceError, match="holds no parameters equal"):
        ci.score_test(sem_fit("hs_cfa_ml"))


def test_the_wald_test_of_one_restriction_is_the_square_of_its_z() -> None:
    data = ci.datasets.load("holzinger1939")
    fit = ci.SEM("x4 ~ a*x1 + b*x2\ndiff := a - b").fit(data)
    found = ci.wald_test(fit, "a == b")
    assert found.value == pytest.approx(fit.estimates["diff"].statistic ** 2, rel=1e-10)
    assert found.p_value == pytest.approx(fit.estimates["diff"].p_value, rel=1e-8)
    assert ci.wald_test(fit, "a == 0; b == 0").df == 2
    panel = ci.Panel("inv ~ value").fit(ci.datasets.load("grunfeld"))
    for fitted, text, said in (
        (fit, "a == c", "not the label"),
        (fit, "a", "is not a restriction"),
        (fit, "a == b; 2*a == 2*b", "of which 1 are independent"),
        (panel, "a == 0", "not the label"),
    ):
        with pytest.raises(ci.CipaError, match=said):
            ci.wald_test(fitted, text)


def test_models_that_are_not_nested_are_refused() -> None:
    data = ci.datasets.load("holzinger1939")
    one = ci.SEM("visual =~ x1 + x2 + x3 + x4\nx1 ~~ x2").fit(data)
    other = ci.SEM("visual =~ x1 + x2 + x3 + x4\nx3 ~~ x4").fit(data)
    with pytest.raises(ci.InferenceError, match="degrees of freedom each"):
        ci.lr_test(one, other)
    with pytest.raises(ci.InferenceError, match="different data or variables"):
        ci.lr_test(one, ci.SEM("visual =~ x1 + x2 + x3 + x9").fit(data))
    fewer = ci.SEM("visual =~ x1 + x2 + 1*x3 + x4").fit(data.keep(np.arange(301) < 200, action="x", reason="y"))
    with pytest.raises(ci.InferenceError, match="different data or variables"):
        ci.lr_test(one, fewer)
    with pytest.raises(ci.SpecificationError, match="two or more fits"):
        ci.lr_test(one)


def test_scores_of_unused_cases_are_missing_and_keep_their_place() -> None:
    data = ci.datasets.load("holzinger1939").to_frame()
    data.loc[3, "x1"] = np.nan
    fit = ci.SEM("visual =~ x1 + x2 + x3").fit(data)
    scores = ci.factor_scores(fit).to_frame()
    assert len(scores) == 301
    assert scores.visual.isna().sum() == 1
    assert np.isnan(scores.visual[3])
    moments = ci.SEM("visual =~ x1 + x2 + x3").fit(ci.SampleMoments(cov=pd.DataFrame(data[["x1", "x2", "x3"]].cov()), nobs=300))
    with pytest.raises(ci.InferenceError, match="no cases to score"):
        ci.factor_scores(moments)


def test_theta_scores_are_delta_scores_in_other_units() -> None:
    """The two parameterizations are one model, so the modes differ by the scale of each marker only (lavaan's do not)."""
    fits = {way: ci.SEM(sem_fit("hs_ord_wlsmv").model.syntax, ordered=True, parameterization=way).fit(sem_fit("hs_ord_wlsmv").data)
            for way in ("delta", "theta")}  # fmt: skip
    delta, theta = (ci.factor_scores(fits[way]).to_frame().to_numpy() for way in ("delta", "theta"))
    markers = [np.sqrt(fits["delta"].estimates[f"{name} ~~ {name}"].estimate) for name in ("x1", "x4", "x7")]
    assert delta == pytest.approx(theta * markers, abs=1e-7)


def test_scores_of_extreme_answers_have_no_likelihood_mode() -> None:
    fit = sem_fit("hs_ord_wlsmv")
    scores = ci.factor_scores(fit, method="bartlett").to_frame()
    answers = fit.data.to_frame()
    lowest = (answers[["x4", "x5", "x6"]] == 1).all(axis=1)
    assert lowest.any()
    assert scores["textual"][lowest].isna().all()
    assert scores["textual"][~lowest & ~(answers[["x4", "x5", "x6"]] == 4).all(axis=1)].notna().all()


def test_satorra_2000_at_normal_data_is_the_plain_difference() -> None:
    """With normal data U G is idempotent: the scale is 1 and the shift 0, up to sampling."""
    rng = np.random.default_rng(7)
    factor = rng.normal(size=20_000)
    data = pd.DataFrame({f"y{k}": 0.7 * factor + rng.normal(size=20_000) for k in range(1, 5)})
    general, restricted = (
        ci.SEM(f"f =~ y1 + {a}*y2 + {b}*y3 + y4", estimator="mlmv").fit(data) for a, b in (("a", "b"), ("a", "a"))
    )
    plain = ci.lr_test(restricted, general, method="none").columns["chisq_diff"][1]
    assert ci.lr_test(restricted, general).columns["chisq_diff"][1] == pytest.approx(plain, rel=0.05)
    with pytest.raises(ci.InferenceError, match='Use "satorra_2000"'):
        ci.lr_test(restricted, general, method="satorra_bentler_2001")
