"""What a fit says about rows: residuals, predictions, effects by level; and a cross-section without keys."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from oracle_files import HERE

import cipa as ci
from cipa.results.answers import Answers

KEYS = {"entity": "firm", "time": "year"}

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


def gaps() -> pd.DataFrame:
    table = pd.read_csv(HERE / "panel/data/sim_clusters_gaps.csv")
    return table.assign(w=1.0 + table.year % 3, size=np.where(table.lnsize > table.lnsize.median(), "large", "small"))


def fit(formula: str, data: pd.DataFrame, **options: Any) -> Any:
    return ci.Panel(formula, **{**KEYS, **options}).fit(data)


CASES = [
    {"method": "pooled"}, {"method": "pooled", "weights": "w"}, {"effects": ("entity",)}, {"effects": ("entity", "time")},
    {"effects": ("entity", "time"), "weights": "w"}, {"effects": ("entity",), "absorb": ("cluster^year",)},
    {"effects": ("time",), "absorb": ("cluster",)}, {"effects": ("entity", "time"), "absorb": ("size",)},
    {"method": "random"}, {"method": "mundlak"},
]  # fmt: skip


@pytest.mark.parametrize("options", CASES, ids=str)
def test_outcome_is_index_and_effects_and_residual(options: dict[str, Any]) -> None:
    data = gaps()
    found = fit("lninnov ~ collab + rd", data, **options)
    table = ci.residuals(found).to_frame()
    assert list(table) == ["entity", "time", "observed", "fitted", "residual"]
    assert table.entity.tolist() == data.firm.tolist()
    assert table.time.tolist() == data.year.tolist()
    assert table.observed.to_numpy() == pytest.approx(data.lninnov.to_numpy(), rel=1e-12)
    assert (table.fitted + table.residual).to_numpy() == pytest.approx(data.lninnov.to_numpy(), rel=1e-10)
    assert ci.predict(found).to_frame().fitted.to_numpy() == pytest.approx(table.fitted.to_numpy(), rel=1e-12)
    assert ci.predict(found, data).to_frame().fitted.to_numpy() == pytest.approx(table.fitted.to_numpy(), rel=1e-9, abs=1e-9)
    if found.model.method == "within":
        effects = ci.fixed_effects(found).to_frame()
        total = data[["collab", "rd"]].to_numpy() @ found.params
        keys = {"firm": data.firm, "year": data.year, "cluster": data.cluster, "size": data["size"]}
        keys["cluster^year"] = data.cluster.astype(str) + "^" + data.year.astype(str)
        for name, rows in effects.groupby("effect", sort=False):
            total = total + keys[name].map(dict(zip(rows.level, rows.estimate, strict=True))).to_numpy()
        assert total + table.residual.to_numpy() == pytest.approx(data.lninnov.to_numpy(), rel=1e-9)


def test_effects_are_those_of_the_regression_with_dummies() -> None:
    data = ci.datasets.load("grunfeld").to_frame()
    table = ci.fixed_effects(fit("inv ~ value + capital", data, effects=("entity", "time"))).to_frame()
    dummies = fit("inv ~ value + capital + i(firm) + i(year)", data, method="pooled")
    years = table[table.effect == "year"].set_index("level")
    assert years.reference.tolist() == [True] + [False] * 19
    firms = table[table.effect == "firm"].set_index("level")
    for year in (1936, 1954):
        assert years.estimate[year] == pytest.approx(dummies.estimates[f"inv ~ i(year){year}"].estimate, rel=1e-8)
    assert firms.estimate[1] == pytest.approx(dummies.estimates["inv ~1"].estimate, rel=1e-8)
    assert firms.estimate[3] - firms.estimate[1] == pytest.approx(dummies.estimates["inv ~ i(firm)3"].estimate, rel=1e-8)


def test_rows_of_means_and_of_changes() -> None:
    data = gaps()
    between = ci.residuals(fit("lninnov ~ collab + rd", data, method="between")).to_frame()
    means = data.groupby("firm", sort=False).lninnov.mean()
    assert between.entity.tolist() == means.index.tolist()
    assert between.time.isna().all()
    assert between.observed.to_numpy() == pytest.approx(means.to_numpy(), rel=1e-12)
    change = ci.residuals(fit("lninnov ~ collab + rd", data, method="first_difference")).to_frame()
    last = data.set_index(["firm", "year"]).lninnov
    row = change.iloc[5]
    assert row.observed == pytest.approx(last[row.entity, row.time] - last[row.entity, row.time - 1], rel=1e-9)


def test_predictions_use_the_levels_and_means_of_the_sample() -> None:
    data = gaps()
    found = fit("lninnov ~ center(rd) + size + i(year)", data, method="pooled")
    part = data[data["size"] == "large"].drop(columns="lninnov")  # one level, another mean
    predicted = ci.predict(found, part).to_frame().fitted
    assert predicted.to_numpy() == pytest.approx(
        ci.predict(found).to_frame().fitted[data["size"] == "large"].to_numpy(), rel=1e-12
    )
    odd = part.head(3).assign(size=["large", "huge", None])
    table = ci.predict(found, odd)
    assert np.isfinite(table.columns["fitted"]).tolist() == [True, False, False]
    assert table.notes == (
        "2 rows have no fitted value: a regressor is missing or has a level that the estimation sample does not.",
    )
    within = fit("lninnov ~ rd", data)
    strange = ci.predict(within, part.head(2).assign(firm=["F1", part.firm.iloc[1]], year=[2014, 2015]))
    assert "1 rows have no fitted value: an effect has a level" in strange.notes[0]


def test_a_fit_that_was_pickled_answers_as_before() -> None:
    data = gaps()
    found = fit("lninnov ~ rd + size", data, effects=("entity", "time"))
    again = pickle.loads(pickle.dumps(found))
    pd.testing.assert_frame_equal(ci.predict(again, data).to_frame(), ci.predict(found, data).to_frame())


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda found: ci.fixed_effects(found), "estimates no effects"),
        (lambda found: ci.residuals(found, kind="cor"), "kind='cor' is not known"),
        (lambda found: ci.predict(found, gaps().drop(columns="rd")), "no column named"),
    ],
)
def test_what_cannot_be_answered_is_refused(ask: Any, said: str) -> None:
    found = fit("lninnov ~ rd", gaps(), method="pooled")
    with pytest.raises(ci.CipaError, match=said):
        ask(found)


def test_a_change_predicts_no_level() -> None:
    found = fit("lninnov ~ rd", gaps(), method="first_difference")
    assert len(ci.predict(found)) == found.nobs
    with pytest.raises(ci.InferenceError, match="from which level it starts"):
        ci.predict(found, gaps())


@pytest.mark.parametrize("vcov", ["iid", "hc1", "hc3", ci.clustered("cluster")], ids=str)
def test_a_cross_section_needs_no_keys(vcov: Any) -> None:
    data = gaps()
    pooled = fit("lninnov ~ collab + rd", data, method="pooled", vcov=vcov)
    ols = ci.OLS("lninnov ~ collab + rd", vcov=vcov).fit(data.drop(columns=["firm", "year"]))
    bare = ci.Panel("lninnov ~ collab + rd", method="pooled", vcov=vcov).fit(data)
    for found in (ols, bare):
        assert found.estimates.to_frame().equals(pooled.estimates.to_frame())
        assert found.statistics["r2"].value == pooled.statistics["r2"].value
        assert not {"entities", "times", "r2_within"} & set(found.statistics)
        assert "singletons" not in [notice.code for notice in found.notices]
    assert str(ols).startswith("Regression, pooled least squares\n")
    table = ci.residuals(ols).to_frame()
    assert list(table) == ["row", "observed", "fitted", "residual"]
    assert table.row.tolist() == list(range(1, len(data) + 1))
    assert ci.predict(ols, data.head(3)).to_frame().fitted.to_numpy() == pytest.approx(table.fitted[:3].to_numpy(), rel=1e-12)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (ci.OLS("lninnov ~ lag(rd)"), "looks at another period"),
        (ci.OLS("lninnov ~ rd", vcov=ci.driscoll_kraay(1)), "no time"),
        (ci.Panel("lninnov ~ rd"), "is not named"),
        (ci.Panel("lninnov ~ rd", method="pooled", entity="firm"), "time is not named"),
    ],
)
def test_what_needs_keys_says_so(model: Any, said: str) -> None:
    with pytest.raises(ci.CipaError, match=said):
        model.fit(gaps())


def test_residuals_of_a_structural_equation_model_are_as_before() -> None:
    found = ci.SEM("f =~ x1 + x2 + x3 + x4").fit(ci.datasets.load("holzinger1939"))
    assert set(ci.residuals(found).columns) == {"group", "level", "lhs", "op", "rhs", "residual"}
    with pytest.raises(ci.InferenceError, match="not derived for fits of this engine"):
        ci.residuals(replace(found, answers=Answers()))


def test_a_role_that_a_regression_does_not_need_is_not_asked_to_be_complete() -> None:
    data = ci.Dataset.from_frame(gaps().drop(columns="year"))
    half = replace(data, roles=replace(data.roles, entity="firm"))
    assert ci.OLS("lninnov ~ rd").fit(half).nobs == len(gaps())
