"""Notices about solutions that no variables can have, and about constructs counted in the unit of an item that hardly loads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import cipa as ci
from cipa.errors import InadmissibleWarning


def texts(fit: Any, code: str) -> list[str]:
    return [notice.text for notice in fit.notices if notice.code == code]


def ordered_heywood() -> pd.DataFrame:
    """Three items in three categories whose correlations .8, .8 and .4 ask for a loading of 1.26."""
    cov = np.array([[1, 0.8, 0.8], [0.8, 1, 0.4], [0.8, 0.4, 1]])
    draws = np.random.default_rng(1).multivariate_normal(np.zeros(3), cov, size=600)
    return pd.DataFrame(np.digitize(draws, [-0.5, 0.5]), columns=list("abc"))


def test_a_negative_residual_variance_of_an_ordered_variable_is_told() -> None:
    with pytest.warns(InadmissibleWarning, match=r"The residual variance of a is estimated at -0\.57, from its loadings"):
        fit = ci.SEM("f =~ a + b + c", ordered=True).fit(ordered_heywood())
    assert fit.estimates["a ~~ a"].estimate == pytest.approx(-0.57, abs=0.01)
    assert len(texts(fit, "heywood")) == 1


def weak_marker(loading: float, seed: int) -> pd.DataFrame:
    """Fifty clusters of ten; between them the first of four items hardly goes with the others."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(50), 10)
    shared, common = rng.normal(size=50), rng.normal(size=500)
    items = {
        f"y{k}": (size * shared + 0.3 * rng.normal(size=50))[codes] + common + rng.normal(size=500)
        for k, size in enumerate((loading, 1, 0.9, 0.8), start=1)
    }
    return pd.DataFrame(items).assign(place=codes)


@pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")
def test_a_marker_that_hardly_loads_is_told() -> None:
    syntax = "level: 1\nw =~ y1 + y2 + y3 + y4\nlevel: 2\nb =~ y1 + y2 + y3 + y4"
    poor = ci.SEM(syntax, cluster="place").fit(weak_marker(0.0, 5))
    (text,) = texts(poor, "weak_marker")
    row = poor.estimates["b =~ y2 [level 2]"]
    assert abs(row.estimate) < 1.96 * row.std_error
    assert abs(row.standardized) > 0.8
    assert text.startswith("The marker of b at level 2, y1, hardly loads on it")
    assert f"the loading of y2 is {row.estimate:.3g} (SE {row.std_error:.2g})" in text
    assert "b =~ NA*y1 + 1*y2 + ..., or std_lv=True" in text
    fine = ci.SEM(syntax, cluster="place").fit(weak_marker(1.0, 5))
    assert not texts(fine, "weak_marker")
    other = syntax.replace("b =~ y1 + y2", "b =~ NA*y1 + 1*y2")
    assert not texts(ci.SEM(other, cluster="place").fit(weak_marker(0.0, 5)), "weak_marker")
