"""The reference's bad cases, answered at least as plainly, and notices about units, near-collinear variables and few clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import cipa as ci

NINE = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


def pupils(**changes: Any) -> pd.DataFrame:
    return ci.datasets.load("holzinger1939").to_frame().assign(**changes)


def codes(fit: Any) -> list[str]:
    return [notice.code for notice in fit.notices]


@pytest.mark.parametrize(
    ("syntax", "changes", "family", "said"),
    [
        (NINE, {"x3": lambda d: d.x1 + d.x2}, ci.DataError, "'x3' is collinear: .* of x1, x2"),
        (NINE, {"x1": 1.0}, ci.DataError, "'x1' is constant: every case has 1"),
        ("f1 =~ x1 + x2\nf2 =~ x7 + x8\nf1 ~~ 0*f2", {}, ci.IdentificationError, "f1 =~ x2, f2 =~ x8"),
        ("f =~ x1 + x2 + nosuch", {}, ci.SpecificationError, "'nosuch' is neither a construct of the model nor a column"),
        ("f =~ x1 + x2", {}, ci.IdentificationError, "4 free parameters for 3 sample moments"),
        ("x1 ~ x2\nx2 ~ x1", {}, ci.IdentificationError, "4 free parameters for 3 sample moments"),
        ("f =~ x1 + x2 +\nf ~~~ x3", {}, ci.SpecificationError, r"(?s)line 1.*Something is missing next to '\+'"),
    ],
    ids=["collinear", "constant_variable", "empirical_underid", "missing_variable", "not_identified", "feedback", "syntax"],
)
def test_bad_cases_of_the_reference_are_refused(syntax: str, changes: dict[str, Any], family: type, said: str) -> None:
    """lavaan fits four of these seven, with a warning about standard errors or the optimizer."""
    with pytest.raises(family, match=said):
        ci.SEM(syntax).fit(pupils(**changes))


@pytest.mark.parametrize("factor", [1e-6, 1e4, 1e8])
@pytest.mark.parametrize("name", ["x1", "x2"])
@pytest.mark.parametrize(
    "options",
    [{}, {"missing": "fiml"}, {"estimator": "mlr"}, {"estimator": "gls"}, {"estimator": "wls"}, {"std_lv": True}],
    ids=str,
)
def test_badly_scaled_variables_change_units_only(name: str, factor: float, options: dict[str, Any]) -> None:
    """With x1 times 10,000 lavaan gives no standard errors."""
    data = pupils()
    plain, scaled = (ci.SEM(NINE, **options).fit(one) for one in (data, data.assign(**{name: data[name] * factor})))
    assert scaled.statistics["chisq"].value == pytest.approx(plain.statistics["chisq"].value, rel=1e-8)
    z = {str(row.term): row.statistic for row in plain.estimates}
    assert [row.statistic for row in scaled.estimates] == pytest.approx(
        [z[str(row.term)] for row in scaled.estimates], rel=1e-4, nan_ok=True
    )
    assert "units" in codes(scaled)
    assert "units" not in codes(plain)


def test_unweighted_least_squares_is_not_free_of_units_and_says_what_to_do() -> None:
    """Its solution depends on units; lavaan's search ends without one too."""
    data = pupils()
    with pytest.raises(ci.ConvergenceError, match="variables on very different scales"):
        ci.SEM(NINE, estimator="uls").fit(data.assign(x2=data.x2 * 100))


def test_nearly_collinear_variables_are_named() -> None:
    noise = np.random.default_rng(1).normal(size=301)
    data = pupils(x2=lambda d: d.x1 + 0.02 * noise)
    fit = ci.SEM("f =~ x1 + x3 + x4\nx2 ~ f").fit(data)
    text = next(notice.text for notice in fit.notices if notice.code == "near_collinear")
    assert text.startswith("x1 is nearly determined by the other variables (R² = 0.999")
    assert "its correlation with x2 is 1.000" in text


@pytest.mark.parametrize(("clusters", "found"), [(100, []), (25, ["few_clusters"]), (8, ["few_clusters"])])
def test_few_clusters_are_said(clusters: int, found: list[str]) -> None:
    fit = ci.SEM(NINE, cluster="town").fit(pupils(town=np.arange(301) % clusters))
    assert [code for code in codes(fit) if code == "few_clusters"] == found
    if clusters < fit.npar and found:
        notice = fit.notices[-1] if fit.notices[-1].code == "few_clusters" else fit.notices[0]
        assert notice.severity == "warning"
        assert f"{clusters} clusters" in notice.text
        assert "30 parameters" in notice.text
