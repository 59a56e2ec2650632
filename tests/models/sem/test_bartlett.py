"""Bartlett scores where residual variances are zero, and where a case's values do not determine a construct."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cipa as ci

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


def holzinger() -> pd.DataFrame:
    return ci.datasets.load("holzinger1939").to_frame()


def bartlett(fit: ci.SEMFit) -> pd.DataFrame:
    return ci.factor_scores(fit, method="bartlett").to_frame()


@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e6])
def test_a_single_indicator_is_its_construct(unit: float) -> None:
    data = holzinger()
    data["x1"] *= unit
    scores = bartlett(ci.SEM("f =~ x1\ng =~ x2 + x3 + x4\ng ~ f").fit(data))
    np.testing.assert_allclose(scores["f"], data["x1"] - data["x1"].mean(), atol=1e-8 * unit)
    assert scores["g"].std() > 0.5


def test_a_latent_change_is_the_difference() -> None:
    """Both as a change of observed variables and, as in autoregressive models, of constructs with one indicator each."""
    data = holzinger()
    change = data["x2"] - data["x1"]
    of_constructs = "one =~ 1*x1\ntwo =~ 1*x2\nx1 ~~ 0*x1\nx2 ~~ 0*x2\ntwo ~ 1*one\ntwo ~~ 0*two\nchange =~ 1*two\nchange ~ one"
    of_variables = "change =~ 1*x2\nx2 ~ 1*x1\nx2 ~~ 0*x2\nchange ~ x1"
    scores = bartlett(ci.SEM(of_constructs).fit(data))
    np.testing.assert_allclose(scores["change"], change - change.mean(), atol=1e-9)
    np.testing.assert_allclose(scores["two"], data["x2"] - data["x2"].mean(), atol=1e-9)
    other = bartlett(ci.SEM(of_variables).fit(data))["change"]
    np.testing.assert_allclose(other - other.mean(), change - change.mean(), atol=1e-9)


def test_what_values_do_not_determine_has_no_score() -> None:
    """A trait and three states of three indicators without error; a second-order construct; no item answered."""
    data = holzinger()
    states = "".join(f"w{t} =~ 1*x{t}\nx{t} ~~ 0*x{t}\n" for t in (1, 2, 3))
    trait = bartlett(ci.SEM(f"trait =~ 1*x1 + 1*x2 + 1*x3\n{states}w2 ~ a*w1\nw3 ~ a*w2\ntrait ~~ 0*w1").fit(data))
    assert trait[["trait", "w1", "w2", "w3"]].isna().all(axis=None)
    higher = bartlett(ci.SEM("v =~ x1 + x2 + x3\nt =~ x4 + x5 + x6\ns =~ x7 + x8 + x9\ng =~ v + t + s").fit(data))
    assert higher["g"].isna().all()
    assert higher[["v", "t", "s"]].notna().all(axis=None)
    data.loc[0, ["x1", "x2", "x3"]] = np.nan
    incomplete = bartlett(ci.SEM("v =~ x1 + x2 + x3\nt =~ x4 + x5 + x6", missing="fiml").fit(data))
    assert np.isnan(incomplete["v"][0])
    assert incomplete["t"].notna().all()
    assert incomplete["v"][1:].notna().all()


def test_two_levels_may_have_unequal_numbers_of_constructs() -> None:
    syntax = "level: 1\nf =~ y1 + y2 + y3\ng =~ y4 + y5 + y6\nlevel: 2\nh =~ y1 + y2 + y3 + y4 + y5 + y6"
    rng = np.random.default_rng(3)
    codes = np.repeat(np.arange(80), 10)
    base = rng.normal(size=80)[codes, None] * 0.7 + np.repeat(rng.normal(size=(800, 2)), 3, axis=1)
    data = pd.DataFrame(base + rng.normal(size=(800, 6)), columns=[f"y{k}" for k in range(1, 7)]).assign(c=codes)
    scores = bartlett(ci.SEM(syntax, cluster="c").fit(data))
    assert scores[["f", "g", "h"]].notna().all(axis=None)
    assert scores.groupby(data["c"])["h"].nunique().max() == 1
