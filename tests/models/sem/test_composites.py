"""Composites (`<~`): what their parts determine, identification, and how they differ from measured constructs."""

from __future__ import annotations

import numpy as np
import pytest

import cipa as ci

DEMOCRACY = "dem60 =~ y1 + y2 + y3 + y4\ndem65 =~ y5 + y6 + y7 + y8\ndem65 ~ dem60 + ind\ndem60 ~ ind\n"
pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


@pytest.mark.parametrize("method", ["regression", "bartlett"])
def test_scores_of_a_composite_are_its_weighted_sum(method: str) -> None:
    """lavaan 0.6-14 prints one number for all cases as Bartlett score."""
    data = ci.datasets.load("political_democracy")
    fit = ci.SEM(DEMOCRACY + "ind <~ 1*x1 + x2 + x3").fit(data)
    parts = data.to_frame()[["x1", "x2", "x3"]]
    weights = [fit.estimates[f"ind <~ {name}"].estimate for name in parts]
    assert ci.factor_scores(fit, method=method).to_frame()["ind"].to_numpy() == pytest.approx(
        parts.to_numpy() @ weights, rel=1e-8
    )


def test_the_first_weight_does_not_set_the_scale_of_the_fit() -> None:
    data = ci.datasets.load("political_democracy")
    fits = [ci.SEM(DEMOCRACY + f"ind <~ {text}").fit(data) for text in ("1*x1 + x2 + x3", "x1 + 2*x2 + x3", "x1 + x2 + -1*x3")]
    chisq = [fit.statistics["chisq"].value for fit in fits]
    assert chisq == pytest.approx([chisq[0]] * 3, rel=1e-8)
    paths = [abs(fit.standardized["dem60 ~ ind"].estimate) for fit in fits]
    assert paths == pytest.approx([paths[0]] * 3, rel=1e-6)


def test_a_composite_of_one_outcome_is_the_regression() -> None:
    """Only one path leaves it, so weights times path are the coefficients of the parts."""
    data = ci.datasets.load("political_democracy")
    composite = ci.SEM("ind <~ 1*x1 + x2 + x3\ny1 ~ ind").fit(data)
    plain = ci.SEM("y1 ~ x1 + x2 + x3").fit(data)
    path = composite.estimates["y1 ~ ind"].estimate
    for name in ("x1", "x2", "x3"):
        product = path * composite.estimates[f"ind <~ {name}"].estimate
        assert product == pytest.approx(plain.estimates[f"y1 ~ {name}"].estimate, rel=1e-6)
    explained = [dict(row[::3] for row in fit.r_squared_rows)["y1"] for fit in (composite, plain)]
    assert explained[0] == pytest.approx(explained[1], rel=1e-8)


@pytest.mark.parametrize("tail", ["ind <~ x1 + x2 + x3", "ind <~ 1*x1 + x2 + x3\nind ~~ ind"])
def test_a_composite_without_a_scale_is_refused(tail: str) -> None:
    with pytest.raises(ci.IdentificationError, match="ind"):
        ci.SEM(DEMOCRACY.replace("dem65 ~ dem60 + ind", "dem65 ~ dem60") + tail).fit(ci.datasets.load("political_democracy"))


def test_standardized_weights_carry_the_scale_of_the_parts() -> None:
    fit = ci.SEM(DEMOCRACY + "ind <~ 1*x1 + x2 + x3").fit(ci.datasets.load("political_democracy"))
    parts = np.array([fit.estimates[f"ind <~ x{k}"].estimate for k in (1, 2, 3)])
    sd = ci.datasets.load("political_democracy").to_frame()[["x1", "x2", "x3"]].std(ddof=0).to_numpy()
    total = np.sqrt(parts @ ci.datasets.load("political_democracy").to_frame()[["x1", "x2", "x3"]].cov(ddof=0).to_numpy() @ parts)
    found = [fit.standardized[f"ind <~ x{k}"].estimate for k in (1, 2, 3)]
    assert found == pytest.approx(parts * sd / total, rel=1e-6)
