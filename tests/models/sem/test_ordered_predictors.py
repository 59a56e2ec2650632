"""Ordered variables that predict, with the delta parameterization: one model with theta, in other units.

lavaan 0.6-14, data of `holzinger_ordinal_x.csv`, WLSMV.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from difference_quotients import assert_derivatives
from oracle_files import HERE

import cipa as ci

CHAIN = "x4 ~ ageyr\nx7 ~ x4\nx8 ~ x7"
PATHS = "f =~ x1 + x2 + x3\nx4 ~ x1\nx5 ~ x4 + ageyr\nx6 ~ f + x4\nx6 ~~ x5"
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "chain": (CHAIN, {"ordered": ["x4", "x7", "x8"]}),
    "mixed": (PATHS, {"ordered": ["x1", "x4", "x6"]}),
    "predictor with thresholds": ("x4 ~ x1 + ageyr\nx1 ~~ x1\nx7 ~ x4\nx9 ~ x7 + x1", {"ordered": ["x1", "x4", "x7"]}),
    "feedback": ("x4 ~ x1 + ageyr\nx5 ~ x4 + x2\nx4 ~ x5", {"ordered": ["x4", "x5"]}),
    "groups": (
        "f =~ x1 + x2 + x3\nx4 ~ x1 + f\nx7 ~ x4",
        {"ordered": True, "group": "sex", "group_equal": ["thresholds", "loadings"]},
    ),
}
pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


def data() -> pd.DataFrame:
    return pd.read_csv(HERE / "sem" / "data" / "holzinger_ordinal_x.csv")


@pytest.mark.parametrize("name", FORMS)
def test_delta_is_theta_in_other_units(name: str) -> None:
    syntax, options = FORMS[name]
    delta = ci.SEM(syntax, **options).fit(data())
    theta = ci.SEM(syntax.replace("x1 ~~ x1", "x1 ~~ 1*x1"), parameterization="theta", **options).fit(data())
    for measure in ("chisq", "df", "npar", "chisq.scaled", "baseline.chisq", "srmr"):
        if measure in theta.measures:
            assert delta.measures[measure] == pytest.approx(theta.measures[measure], rel=1e-7, abs=1e-9), measure
    one, two = ci.standardized(delta).to_frame(), ci.standardized(theta).to_frame()
    both = one.merge(two, on=[name for name in ("lhs", "op", "rhs", "group") if name in one])
    both = both[both.op != "~*~"]
    assert len(both) > 5
    np.testing.assert_allclose(both.estimate_x, both.estimate_y, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(both.std_error_x, both.std_error_y, rtol=1e-4, atol=1e-7)
    shown, other = (ci.residuals(fit).to_frame() for fit in (delta, theta))
    np.testing.assert_allclose(shown.residual, other.residual, atol=1e-6)


@pytest.mark.parametrize("name", FORMS)
def test_gradient_and_hessian(name: str) -> None:
    syntax, options = FORMS[name]
    fit = ci.SEM(syntax, **options).fit(data())
    assert_derivatives(fit.objective, fit.layout.to_eta(fit.params) * 1.02 + 0.01)


def test_a_mediator_is_lavaans() -> None:
    """sem("x4 ~ ageyr; x7 ~ x4", ordered = c("x4", "x7")): one ordered variable predicts, where lavaan is right."""
    fit = ci.SEM("x4 ~ ageyr\nx7 ~ x4", ordered=["x4", "x7"]).fit(data())
    rows = [fit.estimates[term] for term in ("x4 ~ ageyr", "x7 ~ x4")]
    assert [row.estimate for row in rows] == pytest.approx([-0.1399625384, 0.1516149741], abs=5e-8)
    assert [row.std_error for row in rows] == pytest.approx([0.06509226281, 0.06568246563], abs=5e-8)
    assert fit.estimates["x7 ~~ x7"].estimate == pytest.approx(0.9770128996, abs=5e-8)
    assert (fit.measures["chisq"], fit.measures["chisq.scaled"]) == pytest.approx((5.840, 5.927), abs=5e-4)


def test_the_reference_gives_a_chain_another_scale() -> None:
    """lavaan's delta has x8 ~~ x8 = .7514191 beside x8 ~ x7 = .4927719: var(x8) = .9942, not 1; and a scaled chi-square of 27.141
    where its own theta, the same model, has 27.211."""
    fit = ci.SEM(CHAIN, ordered=["x4", "x7", "x8"]).fit(data())
    slope, rest = fit.estimates["x8 ~ x7"].estimate, fit.estimates["x8 ~~ x8"].estimate
    assert slope**2 + rest == pytest.approx(1, abs=1e-12)
    assert pytest.approx(0.99424, abs=1e-5) == 0.4927718749**2 + 0.7514191160
    assert fit.measures["chisq.scaled"] == pytest.approx(27.211, abs=5e-4)


def test_a_residual_variance_that_is_written_follows() -> None:
    """lavaan counts `x1 ~~ x1` as a parameter that changes nothing (npar 17, df 1, no errors); without it, npar 16 and 8.643."""
    fits = [ci.SEM("f =~ x1 + x2 + x3 + x4" + more, ordered=["x1", "x2", "x3", "x4"]).fit(data()) for more in ("", "\nx1 ~~ x1")]
    assert [fit.measures["npar"] for fit in fits] == [16, 16]
    assert fits[1].estimates["x1 ~~ x1"].estimate == pytest.approx(0.3741741725, abs=1e-6)
    for name in ("chisq", "chisq.scaled", "df"):
        assert fits[1].measures[name] == pytest.approx(fits[0].measures[name], rel=1e-10)


@pytest.mark.parametrize("row", ["x1 ~~ 0.5*x1", "x1 ~~ r*x1", "x1 ~~ lower(0)*x1", "x1 ~~ start(0.4)*x1"])
def test_a_residual_variance_with_a_value_is_refused(row: str) -> None:
    with pytest.raises(ci.errors.SpecificationError, match=r'follows from its scale.*parameterization="theta"'):
        ci.SEM(f"f =~ x1 + x2 + x3\n{row}", ordered=True).fit(data())


def test_modification_indices_of_paths_from_ordered_variables() -> None:
    """The score of a path that is added: as freeing it does, in delta as in theta."""
    tables = [
        ci.modification_indices(ci.SEM(CHAIN, ordered=["x4", "x7", "x8"], parameterization=way).fit(data())).to_frame()
        for way in ("delta", "theta")
    ]
    one, two = (table[table.op == "~"].set_index(["lhs", "rhs"]).mi for table in tables)
    assert set(one.index) == set(two.index)
    np.testing.assert_allclose(one, two[one.index], rtol=1e-5)
