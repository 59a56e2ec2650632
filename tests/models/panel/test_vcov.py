"""The covariance: one function of bread and scores, a row for each kind, and another covariance for the same estimates."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from oracle_files import HERE, case
from oracle_report import agree

import cipa as ci
from cipa.models.panel.linear.covariance import KINDS
from cipa.numerics.sandwich import casewise_meat
from cipa.results.covariance import SCORE_KINDS, Rows, sandwich
from cipa.results.vcov import VCov

KEYS = {"entity": "firm", "time": "year"}
EVERY = [
    "iid", "hc0", "hc1", "hc2", "hc3", ci.clustered("firm"), ci.clustered("firm", "year", convention="stata"),
    ci.driscoll_kraay(2), ci.newey_west(1, convention="plm"), {"crv3": "cluster"}, {"cr2": "firm"},
]  # fmt: skip

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


def gaps() -> pd.DataFrame:
    return pd.read_csv(HERE / "panel/data/sim_clusters_gaps.csv")


def several_rows() -> pd.DataFrame:
    """Without firms of one row, which HC2 and HC3 refuse."""
    table = gaps()
    return table[table.groupby("firm").firm.transform("size") > 1]


def model(vcov: Any, method: str) -> ci.Panel:
    return ci.Panel("lninnov ~ collab + rd", method=method, vcov=vcov, **KEYS)


@pytest.mark.parametrize("method", ["pooled", "within", "between", "random", "first_difference", "mundlak"])
@pytest.mark.parametrize("kind", EVERY, ids=str)
def test_another_covariance_is_that_of_a_fit_that_asked_for_it(kind: Any, method: str) -> None:
    data = several_rows()
    if method == "between" and isinstance(kind, VCov):
        kind = ci.clustered("cluster")  # a firm's mean has no time, and each firm is one row
    if method in ("random", "mundlak") and isinstance(kind, dict):
        kind = ci.clustered("cluster")  # the jackknife and the bias reduction are not derived there
    start = model("hc0", method).fit(data)
    before = start.estimates.to_frame()
    changed, direct = ci.vcov(start, kind, data=data), model(kind, method).fit(data)
    pd.testing.assert_frame_equal(changed.estimates.to_frame(), direct.estimates.to_frame(), check_exact=True)
    assert [*changed.statistics] == [*direct.statistics]
    for name in direct.statistics:
        one, two = changed.statistics[name], direct.statistics[name]
        assert one.value == two.value or (math.isnan(one.value) and math.isnan(two.value)), name
    assert changed.vcov_type == direct.vcov_type
    assert changed.model == direct.model
    assert [notice.code for notice in changed.notices] == [notice.code for notice in direct.notices]
    pd.testing.assert_frame_equal(start.estimates.to_frame(), before)


def test_a_covariance_that_the_fit_cannot_have_is_refused() -> None:
    data = gaps().assign(hole=lambda d: d.cluster.where(d.index > 3))
    fit = model("iid", "within").fit(data)
    with pytest.raises(ci.DataError, match=r"has no column 'cluster'.*data=\.\.\."):
        ci.vcov(fit, ci.clustered("cluster"))
    with pytest.raises(ci.DataError, match="'hole' is missing in 4 of"):
        ci.vcov(fit, ci.clustered("hole"), data=data)
    with pytest.raises(ci.DataError, match="is not the same in both"):
        ci.vcov(fit, ci.clustered("cluster"), data=data.iloc[::-1])
    with pytest.raises(ci.SpecificationError, match="vcov='hc9' is not known"):
        ci.vcov(fit, "hc9")
    with pytest.raises(ci.SpecificationError, match="does not say its clusters"):
        ci.vcov(fit, "clustered")


@pytest.mark.parametrize("kind", [ci.driscoll_kraay(1), ci.newey_west(1)], ids=str)
def test_means_over_time_have_no_serial_correlation_to_allow_for(kind: Any) -> None:
    with pytest.raises(ci.InferenceError, match="have no time"):
        model(kind, "between").fit(gaps())
    means = gaps().groupby("year", as_index=False)[["lninnov", "collab", "rd"]].mean().assign(firm=1)
    series = model(kind, "pooled").fit(means)
    by_time = ci.Panel("lninnov ~ collab + rd", method="between", effects=("time",), vcov=kind, **KEYS).fit(gaps())
    assert by_time.vcov == pytest.approx(series.vcov, rel=1e-8)


def test_a_kind_is_one_row_that_says_all() -> None:
    for name, kind in KINDS.items():
        assert kind.name == name
        assert bool(kind.option) == bool(kind.make) == bool(kind.example)
        if kind.make is not None:
            assert ("convention" in inspect.signature(kind.make).parameters) == (name not in ("crv3", "cr2"))
    assert set(KINDS) - set(SCORE_KINDS) == {"iid", "hc2", "hc3", "crv3", "cr2"}


@pytest.mark.parametrize("given", [{"clustered": 2.5}, {"clustered": None}, {"driscoll_kraay": [1, 2]}, {"clustered": []}])
def test_a_table_of_a_study_file_that_says_nonsense_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ci.SpecificationError, match=r"ci\.(clustered|driscoll_kraay)"):
        model(given, "within")


def test_the_sandwich_serves_any_family_with_bread_and_scores() -> None:
    """Poisson regression by hand: the function knows no model."""
    rng = np.random.default_rng(2)
    X = np.column_stack([np.ones(300), rng.normal(size=300)])
    firm = np.repeat(np.arange(50), 6)
    y = rng.poisson(np.exp(X @ [0.2, 0.5]))
    b = np.zeros(2)
    for _ in range(30):
        mu = np.exp(X @ b)
        b = b + np.linalg.solve(X.T @ (X * mu[:, None]), X.T @ (y - mu))
    mu = np.exp(X @ b)
    bread, scores = np.linalg.inv(X.T @ (X * mu[:, None])), X * (y - mu)[:, None]
    none = np.zeros(300, dtype=int)
    rows = Rows(entities=none, periods=none, times=none, span=0, n_times=0, clusters={"firm": firm}, effects=(), effect_rank=0)
    found = sandwich(bread, scores, rows, vcov=ci.clustered("firm"), df_resid=298)
    sums = np.array([scores[firm == g].sum(axis=0) for g in range(50)])
    assert found.matrix == pytest.approx(50 / 49 * 299 / 298 * bread @ sums.T @ sums @ bread, rel=1e-12)
    assert found.df == 49
    assert sandwich(bread, scores, rows, vcov=VCov(kind="hc0"), df_resid=298).matrix == pytest.approx(
        bread @ scores.T @ scores @ bread, rel=1e-12
    )
    with pytest.raises(ci.InferenceError, match="needs at least two, and these rows have no time"):
        sandwich(bread, scores, rows, vcov=ci.driscoll_kraay(1), df_resid=298)


def test_the_meat_of_clusters_in_several_groups_takes_the_factor_of_each_group() -> None:
    rng = np.random.default_rng(5)
    scores, clusters, strata = rng.normal(size=(200, 4)), rng.integers(0, 30, size=200), rng.integers(0, 2, size=200)
    clusters = np.unique(clusters, return_inverse=True)[1]
    counts = [len(set(clusters[strata == stratum])) for stratum in (0, 1)]
    factors = np.sqrt([count / (count - 1) for count in counts])
    sums = [(scores * factors[strata][:, None])[clusters == cluster].sum(axis=0) for cluster in range(clusters.max() + 1)]
    assert casewise_meat(scores, clusters, strata) == pytest.approx(sum(np.outer(row, row) for row in sums), rel=1e-12)
    assert casewise_meat(scores) == pytest.approx(sum(np.outer(row, row) for row in scores), rel=1e-12)


def test_a_matrix_that_is_repaired_is_so_in_any_units_and_in_any_order() -> None:
    """Coefficients in units that differ by 1e12: eigenvectors of the raw matrix lose the digits of the small variances."""
    rng = np.random.default_rng(58)
    firm, year = np.repeat(np.arange(30), 4), np.tile(np.arange(4), 30)
    repaired = 0
    for _ in range(20):
        data = pd.DataFrame({"firm": firm, "year": year, "x": rng.normal(size=120) * 1e6, "z": rng.normal(size=120) * 1e-6})
        data["y"] = 1e-6 * data.x + 1e6 * data.z + rng.normal(size=120)
        ask = ci.Panel("y ~ x + z", effects=("time",), vcov=ci.clustered("firm", "year"), **KEYS)
        first, second = ask.fit(data), ask.fit(data.sample(frac=1, random_state=1))
        repaired += "vcov_mended" in [notice.code for notice in first.notices]
        if "scores_cancel" not in [notice.code for notice in first.notices]:
            assert np.diag(second.vcov) == pytest.approx(np.diag(first.vcov), rel=1e-8)
    assert repaired > 3


def test_scores_that_cancel_give_no_standard_error() -> None:
    rng = np.random.default_rng(2)
    firm, year = np.repeat(np.arange(40), 2), np.tile([2010, 2011], 40)
    data = pd.DataFrame({"firm": firm, "year": year, "x": rng.normal(size=80), "y": rng.normal(size=80)})
    for kind in (ci.driscoll_kraay(1), ci.clustered("year")):  # two periods of a within model mirror each other
        with pytest.raises(ci.InferenceError, match="rounding, not a standard error"):
            ci.Panel("y ~ x", vcov=kind, **KEYS).fit(data)
    half = data.assign(d=1.0 * (data.firm < 20), x=np.where(data.year == 2010, 1.0, -1.0) * (1 + data.firm))
    found = ci.Panel("y ~ d + x", method="pooled", vcov=ci.clustered("d"), **KEYS).fit(half)
    assert "scores_cancel" in [notice.code for notice in found.notices]
    errors = found.estimates.to_frame().std_error
    assert errors.isna().tolist() == [True, True, False]


@pytest.mark.parametrize(("name", "effects"), [("pooled", ()), ("timefe", ("time",))])
def test_the_jackknife_is_that_of_clubsandwich_and_by_hand(name: str, effects: tuple[str, ...]) -> None:
    expected = case("panel", f"grunfeld_cluster_small_G_{name}")
    data = pd.read_csv(HERE / "panel" / expected["data"])
    found = ci.Panel(
        "inv ~ value + capital", method="within" if effects else "pooled", effects=effects, vcov=ci.crv3("firm"), **KEYS
    ).fit(data)
    rows = {key: found.estimates[f"inv ~ {key}"] for key in expected["se_crv3_jackknife_center_full"]}
    pairs = [(f"crv3 {key}", rows[key].std_error, value) for key, value in expected["se_crv3_jackknife_center_full"].items()]
    agree("panel", f"grunfeld_cluster_small_G_{name}", pairs, rtol=1e-9)
    assert {row.df for row in rows.values()} == {9}


def test_pyfixest_multiplies_the_jackknife_by_another_factor() -> None:
    """pyfixest 0.60.0, feols("inv ~ value + capital", vcov={"CRV3": "firm"}): G/(G-1) (n-1)/(n-k) in place of (G-1)/G."""
    data = pd.read_csv(HERE / "panel/data/grunfeld.csv")
    found = ci.Panel("inv ~ value + capital", method="pooled", vcov=ci.crv3("firm"), **KEYS).fit(data)
    ratio = math.sqrt(10 / 9 * 199 / 197 / (9 / 10))
    for key, pyfixest in {"value": 0.018012937051320968, "capital": 0.16452984662650483}.items():
        assert found.estimates[f"inv ~ {key}"].std_error * ratio == pytest.approx(pyfixest, rel=1e-9)


@pytest.mark.parametrize("effects", [("entity",), ("entity", "time"), ("time",)])
@pytest.mark.parametrize("weights", [None, "w"])
def test_the_jackknife_is_the_spread_of_refits(effects: tuple[str, ...], weights: str | None) -> None:
    data = gaps().assign(w=lambda d: 1.0 + d.year % 3)
    ask = ci.Panel("lninnov ~ collab + rd", effects=effects, weights=weights, vcov=ci.crv3("cluster"), **KEYS)
    found = ask.fit(data)
    clusters = data.cluster.unique()
    left = np.array([ask.fit(data[data.cluster != name]).params for name in clusters]) - found.params
    expected = (len(clusters) - 1) / len(clusters) * left.T @ left
    assert found.vcov == pytest.approx(expected, rel=1e-8)


def test_a_jackknife_that_leaves_nothing_is_refused() -> None:
    data = gaps().assign(only=lambda d: 1.0 * (d.cluster == d.cluster.iloc[0]) * d.rd)
    with pytest.raises(ci.InferenceError, match="varies in that cluster alone"):
        ci.Panel("lninnov ~ rd + only", vcov=ci.crv3("cluster"), **KEYS).fit(data)
    with pytest.raises(ci.InferenceError, match="variance components"):
        model(ci.crv3("cluster"), "random").fit(data)
    with pytest.raises(TypeError, match="no keyword 'convention'"):
        model({"crv3": "cluster", "convention": "stata"}, "within")


@pytest.mark.parametrize(("name", "effects"), [("pooled", ()), ("timefe", ("time",))])
def test_bias_reduced_errors_are_those_of_clubsandwich(name: str, effects: tuple[str, ...]) -> None:
    expected = case("panel", f"grunfeld_cluster_small_G_{name}")
    data = pd.read_csv(HERE / "panel" / expected["data"])
    method = "within" if effects else "pooled"
    found = ci.Panel("inv ~ value + capital", method=method, effects=effects, vcov=ci.cr2("firm"), **KEYS).fit(data)
    pairs, reference = [], expected["cr2_bell_mccaffrey"]
    for key in ("value", "capital"):
        row = found.estimates[f"inv ~ {key}"]
        pairs.append((f"cr2 {key}", row.std_error, reference["se"][key]))
        pairs.append((f"df of {key}", row.df, reference["df_satt"][key]))
        pairs.append((f"p of {key}", row.p_value, reference["p"][key]))
    agree("panel", f"grunfeld_cluster_small_G_{name}", pairs, rtol=1e-8)


@pytest.mark.parametrize("cluster", ["firm", "cluster", "year"])
@pytest.mark.parametrize("effects", [("entity",), ("time",), ("entity", "time")])
def test_bias_reduced_errors_with_effects_are_those_of_the_dummies(effects: tuple[str, ...], cluster: str) -> None:
    data = several_rows().head(240)
    within = ci.Panel("lninnov ~ collab + rd", effects=effects, vcov=ci.cr2(cluster), **KEYS).fit(data)
    dummies = "".join(f" + i({'firm' if effect == 'entity' else 'year'})" for effect in effects)
    pooled = ci.Panel(f"lninnov ~ collab + rd{dummies}", method="pooled", vcov=ci.cr2(cluster), **KEYS).fit(data)
    for row in within.estimates:
        other = pooled.estimates[row.term]
        assert row.std_error == pytest.approx(other.std_error, rel=1e-7)
        assert row.df == pytest.approx(other.df, rel=1e-7)


def test_bias_reduced_errors_are_refused_where_they_are_not_derived() -> None:
    data = gaps().assign(w=1.5)
    with pytest.raises(ci.InferenceError, match="working model is not derived"):
        ci.Panel("lninnov ~ rd", weights="w", vcov=ci.cr2("firm"), **KEYS).fit(data)
    with pytest.raises(ci.InferenceError, match="two sets at most"):
        ci.Panel("lninnov ~ rd", effects=("entity", "time"), absorb="cluster", vcov=ci.cr2("firm"), **KEYS).fit(data)
