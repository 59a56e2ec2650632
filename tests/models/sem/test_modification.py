"""Modification indices of paths to covariates, and of intercepts and scales of ordered variables."""

from __future__ import annotations

import pandas as pd
import pytest
from oracle_files import HERE, case, sem_data

import cipa as ci

NAME = "path_fixedx"
RANDOM = {
    "stratio ~ score": (9.28699804608, 0.0449782142425),
    "stratio ~ lunch": (9.28699804608, -0.0178278335850),
    "english ~ score": (9.28699804607, -3.3860285754430),
    "english ~ lunch": (9.28699804608, 1.3421065058624),
    "income ~ score": (9.28699804608, 0.8914222647337),
    "income ~ lunch": (9.28699804608, -0.3533294519858),
}
"""lavaan 0.6-14, modindices of the case with fixed.x = FALSE: index and expected change."""
ITEMS = ["x1", "x2", "x3", "x4"]
FREED = {
    ("x3", "~1", "1"): (11.4893547013, 0.35248137508),
    ("x4", "~1", "1"): (10.6990521848, -0.33652143832),
    ("x3", "~1", "2"): (11.4893702674, -0.35248161386),
    ("x4", "~1", "2"): (10.6990157923, 0.33652086599),
}
"""lavaan 0.6-14, cfa("f =~ x1 + x2 + x3 + x4", ordered, group = "sex", group.equal = c("loadings", "thresholds"))."""
SCALES = {
    ("x2", "~*~", "1"): (4.6090741276, -0.29742508489),
    ("x3", "~*~", "1"): (4.7195650484, 0.66564312723),
    ("x2", "~*~", "2"): (4.6090518715, 0.29742436679),
    ("x2", "~1", "1"): (4.1543924775, 0.18397574423),
}
"""lavaan 0.6-14, the same with equal loadings and the thresholds of x1 and x2 equal by labels."""
LABELS = "".join(f"\n{x} | c({x}a, {x}a)*t1 + c({x}b, {x}b)*t2 + c({x}c, {x}c)*t3" for x in ("x1", "x2"))
pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


def indices(fit: ci.SEMFit) -> dict[str, tuple[float, float]]:
    rows = ci.modification_indices(fit).to_frame().itertuples()
    return {f"{row.lhs} {row.op} {row.rhs}": (row.mi, row.epc) for row in rows}


def by_group(fit: ci.SEMFit) -> dict[tuple[str, str, str], tuple[float, float]]:
    rows = ci.modification_indices(fit).to_frame().itertuples()
    return {(row.lhs, row.op, row.group): (row.mi, row.epc) for row in rows if row.op == "~1" or row.lhs == row.rhs}


def test_what_would_explain_a_covariate() -> None:
    """Its moments are estimates once it is explained: these six models are saturated, and fit 9.39 better (lavaan, fixed.x = TRUE: .92)."""
    syntax, data = case("sem", NAME)["model"], sem_data(case("sem", NAME))
    fit = ci.SEM(syntax).fit(data)
    found = indices(fit)
    for term, expected in RANDOM.items():
        assert found[term] == pytest.approx(expected, rel=1e-6), term
    moments = "stratio ~~ stratio + english + income\nenglish ~~ english + income\nincome ~~ income"
    freed = ci.SEM(f"{syntax}\n{moments}\nstratio ~ lunch").fit(data)
    assert fit.measures["chisq"] - freed.measures["chisq"] == pytest.approx(found["stratio ~ lunch"][0], rel=0.02)
    wrong = next(row["mi"] for row in case("sem_after", NAME)["modindices"] if (row["lhs"], row["rhs"]) == ("stratio", "lunch"))
    assert wrong == pytest.approx(0.922, abs=1e-3)


@pytest.mark.parametrize(
    ("syntax", "equal", "expected"),
    [("f =~ x1 + x2 + x3 + x4", ["loadings", "thresholds"], FREED), ("f =~ x1 + x2 + x3 + x4" + LABELS, ["loadings"], SCALES)],
    ids=["intercepts", "scales"],
)
def test_intercepts_and_scales_of_ordered_variables(
    syntax: str, equal: list[str], expected: dict[tuple[str, str, str], tuple[float, float]]
) -> None:
    data = pd.read_csv(HERE / "sem" / "data" / "holzinger_ordinal_x.csv")
    found = by_group(ci.SEM(syntax, ordered=ITEMS, group="sex", group_equal=equal).fit(data))
    for key, values in expected.items():
        assert found[key] == pytest.approx(values, rel=2e-5), key  # the reference stops at 1e-6 of its objective
