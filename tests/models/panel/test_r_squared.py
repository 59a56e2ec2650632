"""R² by every definition that a program prints: with the effects, net of them, and as squared correlations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from oracle_files import HERE, case

import cipa as ci

EXACT = 1e-10  # relative; the same sums in another order
LOGLIK_R = -1204.40434752909  # R 4.2.2: logLik(lm(inv ~ value + capital, weights = 1 + year %% 3)) on Grunfeld
FILES = {
    "grunfeld": ("grunfeld.csv", "inv ~ value + capital", "firm"),
    "produc": ("produc.csv", "gsp ~ pcap + emp + unemp", "state"),
    "gaps": ("sim_clusters_gaps.csv", "lninnov ~ collab + rd", "firm"),
}
EFFECTS = {"none": (), "entity": ("entity",), "time": ("time",), "both": ("entity", "time"), "dummies": ("entity",)}

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


def data(name: str) -> pd.DataFrame:
    return pd.read_csv(HERE / "panel" / "data" / FILES[name][0]).assign(w=lambda d: 1 + d.year % 3)


def fit(name: str) -> Any:
    source, words, *weights = name.split("_")
    _, formula, entity = FILES[source]
    right = f"{formula} + i(year)" if words == "dummies" else formula
    method = "within" if EFFECTS[words] else "pooled"
    return ci.Panel(
        right, method=method, effects=EFFECTS[words], entity=entity, time="year", weights="w" if weights else None
    ).fit(data(source))  # fmt: skip


@pytest.mark.parametrize("name", case("panel_r2", "pyfixest")["cases"])
def test_r_squared_with_the_effects_and_net_of_them_is_that_of_fixest(name: str) -> None:
    found = fit(name)
    for key, value in case("panel_r2", "pyfixest")["cases"][name].items():
        assert found.statistics[key].value == pytest.approx(value, rel=EXACT), key


@pytest.mark.parametrize("name", case("panel_r2", "linearmodels")["cases"])
def test_r_squared_is_that_of_linearmodels(name: str) -> None:
    expected, found = case("panel_r2", "linearmodels")["cases"][name], fit(name).statistics
    assert found["r2"].value == pytest.approx(expected["r2"], rel=EXACT)
    assert found["r2_within"].value == pytest.approx(expected["r2_within"], rel=EXACT)
    if name.endswith("dummies"):
        assert found["r2_within"].value == pytest.approx(expected["corr_within"], rel=EXACT)
        assert found["r2_between"].value == pytest.approx(expected["corr_between"], rel=EXACT)
        assert found["r2_overall"].value == pytest.approx(expected["corr_overall"], rel=EXACT)


@pytest.mark.parametrize("source", FILES)
def test_linearmodels_squared_correlations_depend_on_how_years_are_written(source: str) -> None:
    cases = case("panel_r2", "linearmodels")["cases"]
    effects, dummies = cases[f"{source}_both"], cases[f"{source}_dummies"]
    assert effects["r2"] == pytest.approx(dummies["r2"], rel=EXACT)  # the same regression
    assert abs(effects["corr_within"] - dummies["corr_within"]) > 0.001


@pytest.mark.parametrize("source", FILES)
def test_effects_of_time_as_effects_or_as_dummies_change_no_share_but_the_one_that_is_net_of_them(source: str) -> None:
    effects, dummies = fit(f"{source}_both").statistics, fit(f"{source}_dummies").statistics
    for name in ("r2", "r2_adj", "r2_between", "r2_overall", "sigma"):
        assert effects[name].value == pytest.approx(dummies[name].value, rel=1e-9), name
    assert effects["r2_within_entity"].value == pytest.approx(dummies["r2_within"].value, rel=1e-9)
    entity = FILES[source][2]
    assert effects["r2_within"].label == f"Within R², net of {entity} and year effects"
    assert dummies["r2_within"].label == f"Within R², net of {entity} effects"


def test_mundlak_counts_the_coefficients_of_the_means() -> None:
    table = data("gaps")
    means = table.assign(**{f"m_{x}": table.groupby("firm")[x].transform("mean") for x in ("collab", "rd")})
    options = {"entity": "firm", "time": "year"}
    mundlak = ci.Panel("lninnov ~ collab + rd", method="mundlak", **options).fit(means).statistics
    by_hand = ci.Panel("lninnov ~ collab + rd + m_collab + m_rd", method="random", **options).fit(means)
    index = by_hand.params[0] + means[["collab", "rd", "m_collab", "m_rd"]] @ by_hand.params[1:]
    firms = pd.DataFrame({"firm": means.firm, "y": means.lninnov, "index": index}).groupby("firm").mean()
    expected = {"r2_between": firms.corr().iloc[0, 1] ** 2, "r2_overall": np.corrcoef(means.lninnov, index)[0, 1] ** 2}
    for name, value in expected.items():
        assert mundlak[name].value == pytest.approx(value, rel=1e-9)
        assert by_hand.statistics[name].value == pytest.approx(value, rel=1e-9)


def test_the_likelihood_of_a_weighted_regression_counts_the_weights() -> None:
    found = fit("grunfeld_none_weights")
    table = data("grunfeld")
    residual = table.inv - found.params[0] - table[["value", "capital"]] @ found.params[1:]
    variance = (table.w * residual**2).sum() / len(table) / table.w
    assert found.loglik == pytest.approx(
        float((-0.5 * np.log(2 * np.pi * variance) - residual**2 / (2 * variance)).sum()), rel=1e-12
    )
    assert found.loglik == pytest.approx(LOGLIK_R, rel=1e-10)
