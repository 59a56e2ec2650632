"""Options combined in every way that users combine them, against lavaan 0.6-14: estimates, errors, standardized solution, fit measures.

The reference stops at gradients of about 1e-6, so the comparison is coarser than that of `test_oracles`; it is there to find a convention
that is wrong (a divisor, a degree of freedom, which moments count), and those show in the second digit.
"""

from __future__ import annotations

import json
import math
from functools import cache
from typing import Any

import pandas as pd
import pytest
from oracle_files import HERE, lavaan_options, per_free_parameter

import cipa as ci

ESTIMATE, ERROR, FIT = 3e-4, 1e-3, 2e-4
"""Relative to the value, or to 0.1 where it is smaller; fit measures relative or 2e-5."""

CASES: dict[str, Any] = json.loads((HERE / "combinations" / "reference.json").read_text(encoding="utf-8"))["cases"]

DIFFERENT: dict[str, tuple[tuple[str, ...], str]] = {
    "two_stage_group": (
        ("baseline.", "cfi.", "tli.", "nnfi.", "rfi.", "nfi.", "pnfi.", "ifi.", "rni.", "gfi", "agfi", "pgfi"),
        "lavaan 0.6 scales the baseline of two stages by fourth moments that ignore the holes (0.7 mended it)",
    ),
    "mlf_fiml": ((".robust",), "lavaan's robust indices change with the kind of standard error; here they are those of ML"),
    "fimlx_mimic": ((".robust",), "the reference's EM stops at 1e-5"),
    "lavaan_fun": (("cn_",), "a saturated model has no critical sample size"),
    "ord_med": ((".scaled", ".robust", ".scaling.factor", "cn_"), "a saturated model has no scaled test"),
    "weights_fiml": (("gfi",), "another divisor of weighted available moments"),
    "weights_group": ((), "errors: test_errors_do_not_depend_on_the_unit_of_weights_in_a_group"),
}  # fmt: skip
"""Case -> measures (parts of their names) that differ, and why."""

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


@cache
def fit_of(name: str) -> Any:
    found = CASES[name]
    data = (
        ci.datasets.load("political_democracy")
        if found["data"] == "pd"
        else pd.read_csv(HERE / "combinations" / f"{found['data']}.csv")
    )
    return ci.SEM(found["syntax"], defaults=found["fun"], **lavaan_options(found["options"])).fit(data)


def term_in(row: list[Any], labels: list[str]) -> Any:
    if row[1] == ":=":
        return row[0]
    return ci.Term(lhs=row[0], op=row[1], rhs=row[2], group=labels[row[3] - 1] if len(labels) > 1 else None)


def near(got: float, want: float, share: float) -> bool:
    return abs(got - want) <= share * max(abs(want), 0.1)


@pytest.mark.parametrize("name", CASES)
def test_estimates_and_standardized_solution(name: str) -> None:
    found, fit = CASES[name], fit_of(name)
    error = 3e-3 if name == "weights_group" else ERROR
    wrong, compared = [], 0
    for rows, table in ((found["estimates"], fit.estimates), (found["standardized"], ci.standardized(fit))):
        for row in rows:
            term = term_in(row, found["group_label"])
            mine = table[term]
            if row[4] is None:
                continue
            compared += 1
            if not near(mine.estimate, row[4], ESTIMATE):
                wrong.append((str(term), mine.estimate, row[4]))
            if row[5] and row[5] > 1e-6 and not near(mine.std_error, row[5], error):
                wrong.append((f"{term} se", mine.std_error, row[5]))
    assert not wrong, wrong[:5]
    assert compared > 5


@pytest.mark.parametrize("name", CASES)
def test_fit_measures(name: str) -> None:
    measures = ci.fit_measures(fit_of(name))
    parts, _ = DIFFERENT.get(name, ((), ""))
    expected = {
        key: per_free_parameter(key, value, fit_of(name))
        for key, value in CASES[name]["fit"].items()
        if not any(part in key for part in parts)
    }
    wrong = [
        (key, measures.get(key), value)
        for key, value in expected.items()
        if key not in measures or not math.isclose(measures[key], value, rel_tol=FIT, abs_tol=2e-5)
    ]
    assert not wrong, wrong[:5]
    assert len(expected) >= 5 or name in DIFFERENT


def test_errors_do_not_depend_on_the_unit_of_weights_in_a_group() -> None:
    """Groups without constraints are separate fits; doubling the weights of one group changes no error in it (in lavaan it does)."""
    data = pd.read_csv(HERE / "combinations" / "hs.csv")
    options = {"estimator": "mlr", "sampling_weight": "w"}
    syntax = "textual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
    alone = ci.SEM(syntax, **options).fit(data[data.school == "Pasteur"])
    doubled = data.assign(w=data.w.where(data.school != "Pasteur", 2 * data.w))
    for one in (data, doubled):
        together = ci.SEM(syntax, group="school", **options).fit(one)
        for row in alone.estimates:
            mine = together.estimates[ci.Term(lhs=row.term.lhs, op=row.term.op, rhs=row.term.rhs, group="Pasteur")]
            if row.status == "free":
                assert mine.estimate == pytest.approx(row.estimate, rel=1e-6)
                assert mine.std_error == pytest.approx(row.std_error, rel=1e-5)
