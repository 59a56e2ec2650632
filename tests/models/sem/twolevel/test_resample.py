"""The bootstrap of two levels: a refit is the fit to the drawn clusters, and errors are those that the theory of either kind says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from oracle_files import HERE

import cipa as ci
from cipa.models.sem.twolevel.resample import codes_of_copies

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")

SEM2 = "level: within\nfw =~ y1 + y2 + y3\nfw ~ a*x1\nlevel: between\nfb =~ y1 + y2 + y3\nfb ~ b*w1\nab := a*b\n"
SKEWED = "level: within\ny ~ x\nlevel: between\ny ~ w\n"


def data(*, holes: bool = False) -> pd.DataFrame:
    table = pd.read_csv(HERE / "sem" / "data" / "demo_twolevel.csv")
    if holes:
        i = np.arange(len(table))
        table.loc[(7 * i) % 23 < 3, "y1"] = np.nan
        table.loc[(11 * i) % 19 < 2, "y2"] = np.nan
    return table.sample(frac=1, random_state=4).reset_index(drop=True)


def fit(table: pd.DataFrame, syntax: str = SEM2, **options: Any) -> Any:
    return ci.SEM(syntax, cluster="cluster", **options).fit(table)


def skewed(rng: np.random.Generator, *, count: int = 120) -> pd.DataFrame:
    """Clusters of 3 to 10 cases with skewed parts; the spread within grows with x."""
    cluster = np.repeat(np.arange(count), rng.integers(3, 11, count))
    x, w = rng.normal(size=len(cluster)), rng.normal(size=count)
    y = 0.4 * x + (0.3 * w + rng.exponential(size=count))[cluster] + rng.exponential(size=len(cluster)) * (0.5 + np.abs(x))
    return pd.DataFrame({"cluster": cluster, "x": x, "w": w[cluster], "y": y})


@pytest.mark.parametrize("holes", [False, True])
def test_a_refit_is_the_fit_to_data_in_which_each_copy_is_a_cluster_of_its_own(holes: bool) -> None:
    table = data(holes=holes)
    options = {"missing": "fiml"} if holes else {}
    here = fit(table, **options)
    units = table.cluster.unique()
    drawn = np.random.default_rng(3).choice(units, size=len(units))
    pieces = [np.flatnonzero(table.cluster == unit) for unit in drawn]
    copies = pd.concat([table.iloc[rows].assign(cluster=k) for k, rows in enumerate(pieces)], ignore_index=True)
    there = fit(copies, **options)
    found = here.answers.refit(here, None).run([[np.concatenate(pieces)]])
    assert found.converged.all()
    assert found.values[0] == pytest.approx([row.estimate for row in there.estimates], rel=1e-6, abs=1e-8)
    assert found.chisq[0] == pytest.approx(there.measures["chisq"], rel=1e-5)


def test_copies_are_told_apart_in_any_order() -> None:
    clusters = np.array([0, 1, 0, 2, 1])
    rows = np.array([2, 0, 0, 1, 2, 4])  # cluster 0 twice, its cases mixed; cluster 1 once
    assert codes_of_copies(rows, clusters).tolist() == [0, 0, 1, 2, 1, 2]


def test_errors_of_drawn_clusters_are_those_of_the_sandwich() -> None:
    """With skewed and unequal spreads the inverse information is wrong by half for some parameter; the draws side with the sandwich."""
    table = skewed(np.random.default_rng(12))
    robust, plain = fit(table, SKEWED, estimator="mlr"), fit(table, SKEWED)
    found = ci.bootstrap(plain, draws=600, seed=1)
    assert (found.kind, found.failed) == ("cluster", 0)
    keys = [str(row.term) for row in robust.estimates if row.status == "free"]
    by_draws, by_scores, by_curvature = (
        np.array([one.estimates[key].std_error for key in keys]) for one in (found, robust, plain)
    )
    assert by_draws / by_scores == pytest.approx(1.0, abs=0.15)
    assert np.abs(by_curvature / by_scores - 1).max() > 0.25


@pytest.mark.parametrize("holes", [False, True])
def test_parametric_draws_have_chi_squares_and_errors_of_the_normal_theory(holes: bool) -> None:
    here = fit(data(holes=holes), **({"missing": "fiml"} if holes else {}))
    draws = 120 if holes else 400
    found = ci.bootstrap(here, draws=draws, seed=2, kind="parametric")
    df = here.measures["df"]
    assert (found.failed, found.chisq.mean()) == (0, pytest.approx(df, abs=3.5 * np.sqrt(2 * df / draws)))
    ratio = [
        again.std_error / row.std_error
        for row, again in zip(here.estimates, found.estimates, strict=True)
        if row.status == "free"
    ]
    assert np.mean(ratio) == pytest.approx(1.0, abs=0.08)
    assert found.estimates["ab"].std_error == pytest.approx(here.estimates["ab"].std_error, rel=0.3)


def test_the_accelerated_interval_leaves_out_whole_clusters() -> None:
    here = fit(skewed(np.random.default_rng(2), count=30), SKEWED)
    for kind in ("cluster", "parametric"):
        found = ci.bootstrap(here, draws=100, seed=1, kind=kind, conf_type="bca")
        assert found.jackknife is not None
        assert found.jackknife.shape == (30, len(here.estimates))


@pytest.mark.parametrize("kind", ["case", "bollen_stine", "entity"])
def test_kinds_that_draw_cases_are_refused(kind: str) -> None:
    with pytest.raises(ci.InferenceError, match=f'kind="{kind}".*those of one cluster are not independent.*kind="cluster"'):
        ci.bootstrap(fit(data()), draws=100, seed=1, kind=kind)


def test_nothing_is_drawn_from_a_law_that_is_none() -> None:
    here = fit(data(), "level: within\ny1 ~ x1\nlevel: between\ny1 ~ w1\ny1 ~~ -0.01*y1\n")
    with pytest.raises(ci.InferenceError, match=r"level 'between' has a negative eigenvalue \(-0\.\d+\)"):
        ci.bootstrap(here, draws=100, seed=1, kind="parametric")
