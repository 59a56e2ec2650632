"""Two-level models against lavaan at its own optimum (`tests/oracles/twolevel/run.R`): all numbers, to rounding."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from oracle_files import HERE, case, per_free_parameter, sem_fit

import cipa as ci
from cipa.numerics.twolevel import kernel

FOLDER = HERE / "twolevel"
INCOMPLETE = ["cfa_fiml", "sem_fiml", "sides_fiml"]
CASES = sorted({path.stem for path in FOLDER.glob("*.json")} - {*INCOMPLETE, "groups_uneven"})

EXACT = 1e-7
"""Relative: both programs stand at a point where the gradient is rounding (`last_step` of each case)."""

FIT = 1e-6
"""Relative: the reference's unrestricted moments come from EM that ended at a change of 1e-10 in the log-likelihood."""

BASELINE = ("baseline.chisq.scaled", "baseline.chisq.scaling.factor")
UNPOLISHED = 2e-5
"""Relative, `BASELINE`: the baseline model is fitted inside the reference, and not polished."""

OPTIONS = {"fixed.x": "fixed_x", "std.lv": "std_lv", "group.equal": "group_equal"}
X = ["x1", "x2", "x3"]


def data(*, centred: bool = False, holes: bool = False, groups: bool = False) -> pd.DataFrame:
    table = pd.read_csv(HERE / "sem" / "data" / "demo_twolevel.csv")
    table["side"] = 1 + table.groupby("cluster").y1.transform("size").isin((10, 15)).astype(int)
    table["uneven"] = 1 + (table.cluster + 1) % 2
    if centred:
        table[X] -= table.groupby("side")[X].transform("mean") if groups else table[X].mean()
    if holes:
        i = np.arange(1, len(table) + 1)
        for name, step, over, below in (("y1", 7, 23, 3), ("y2", 11, 19, 2), ("y3", 13, 17, 2)):
            table.loc[(step * i) % over < below, name] = np.nan
        table.loc[table.cluster % 9 == 0, "w2"] = np.nan
    return table


@cache
def reference(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


@cache
def fitted(name: str) -> Any:
    found = reference(name)
    options = {OPTIONS.get(k, k): v.lower() if k == "estimator" else v for k, v in found["options"].items()}
    if found.get("holes", False):
        options["missing"] = "fiml"
    return ci.SEM(found["model"], **options).fit(
        data(centred=found["centred"], holes=found.get("holes", False), groups="group" in options)
    )


def estimate_of(name: str, row: dict[str, Any], rows: Any) -> Any:
    if row["op"] == ":=":
        return rows[row["lhs"]]
    group, level = fitted(name).block_labels[row["block"] - 1]
    return rows[ci.Term(lhs=row["lhs"], op=row["op"], rhs=row["rhs"], group=group, level=level)]


def rows_of(name: str, key: str) -> list[dict[str, Any]]:
    """Reference rows; those of a standardized solution take the level of the estimates, whose order they keep."""
    estimates = [row for row in reference(name)["estimates"] if row["op"] != "=="]
    rows = [row for row in reference(name)[key] if row["op"] != "=="]
    return [{**row, "block": one["block"]} for row, one in zip(rows, estimates, strict=True)]


@pytest.mark.parametrize("name", CASES)
def test_estimates_with_their_errors(name: str) -> None:
    assert reference(name)["last_step"] < 1e-12
    for row in rows_of(name, "estimates"):
        mine = estimate_of(name, row, fitted(name).estimates)
        assert mine.estimate == pytest.approx(row["est"], rel=EXACT, abs=EXACT), mine.term
        if row["se"]:
            for key, value in (("std_error", row["se"]), ("statistic", row["z"]), ("p_value", row["pvalue"]),
                               ("conf_low", row["ci.lower"]), ("conf_high", row["ci.upper"])):  # fmt: skip
                assert getattr(mine, key) == pytest.approx(value, rel=EXACT, abs=EXACT), (mine.term, key)


@pytest.mark.parametrize("name", CASES)
def test_standardized_solution_with_its_errors(name: str) -> None:
    table = ci.standardized(fitted(name))
    for row in rows_of(name, "standardized_all"):
        mine = estimate_of(name, row, table)
        assert mine.estimate == pytest.approx(row["est.std"], rel=EXACT, abs=EXACT), mine.term
        if row["se"] and row["se"] > 1e-8:
            assert mine.std_error == pytest.approx(row["se"], rel=EXACT, abs=EXACT), mine.term


@pytest.mark.parametrize("name", CASES)
def test_fit_measures(name: str) -> None:
    mine = ci.fit_measures(fitted(name))
    wanted = {key: value for key, value in reference(name)["fit"].items() if value not in (None, "NA")}
    assert wanted.keys() <= mine.keys()
    if len(fitted(name).group_labels) > 1:  # each group's is divided by the cases of all there, and weighted by its share again
        wanted["fmin"] *= 2
    for key, value in wanted.items():
        rtol = INCOMPLETE if reference(name).get("holes") else UNPOLISHED if key in BASELINE else FIT
        assert mine[key] == pytest.approx(per_free_parameter(key, value, fitted(name)), rel=rtol, abs=rtol), key
    more = {key: value for key, value in mine.items() if np.isfinite(value) and key not in wanted}
    if mine["df"] == 0:  # where lavaan prints NA for some of a saturated model's indices, and 1 or 0 for others
        assert all(value == (0.0 if key.startswith("rmsea") else 1.0) for key, value in more.items())
    else:
        assert not more


@pytest.mark.parametrize("name", CASES)
def test_residuals_and_explained_variance(name: str) -> None:
    fit, found = fitted(name), reference(name)
    table = ci.residuals(fit, kind="raw").to_frame()
    samples, moments = ([*found[key].values()] if isinstance(found[key], dict) else found[key] for key in ("h1", "implied"))
    for (group, level), sample, implied in zip(fit.block_labels, samples, moments, strict=True):
        gap = np.array(sample["values"]) - np.array(implied["values"])
        rows = table[
            (table.level == level) & (table.op == "~~") & (table.group.isna() if group is None else table.group == group)
        ]
        assert len(rows) == len(gap) * (len(gap) + 1) // 2
        for row in rows.itertuples():
            expected = gap[sample["rows"].index(row.lhs), sample["rows"].index(row.rhs)]
            assert row.residual == pytest.approx(expected, abs=5e-6), (level, row.lhs, row.rhs)
    mine = ci.r_squared(fit).to_frame().dropna(axis="columns", how="all")
    shares = found["r2"].values() if isinstance(found["r2"], dict) else found["r2"]
    wanted = [value for values in shares for value in np.ravel(values)]
    assert sorted(mine.r_squared) == pytest.approx(sorted(wanted), rel=EXACT)


@pytest.mark.parametrize("name", [name for name in CASES if "scores" in reference(name)])
def test_factor_scores_within(name: str) -> None:
    found = reference(name)["scores"]
    for method, key in (("regression", "within"), ("bartlett", "bartlett")):
        mine = ci.factor_scores(fitted(name), method=method).to_frame()
        assert mine["fw"][:10].to_numpy() == pytest.approx(found[key], abs=1e-7)
        assert len(mine) == 2500


@pytest.mark.parametrize("name", ["cfa", "equal"])
def test_factor_scores_between(name: str) -> None:
    scores = ci.factor_scores(fitted(name)).to_frame()["fb"].groupby(data().cluster, sort=False)
    assert scores.nunique().max() == 1
    assert scores.first()[:10].to_numpy() == pytest.approx(reference(name)["scores"]["between"], abs=1e-7)


def test_scores_between_use_the_covariates_of_clusters() -> None:
    """With variables of the between level lavaan 0.6 puts 0 in their place; these are the conditional expectations."""
    fit = fitted("sem")
    mine = ci.factor_scores(fit).to_frame()["fb"].groupby(data().cluster, sort=False).first().to_numpy()
    means, sizes = data().groupby("cluster", sort=False)[["y1", "y2", "y3", *X, "w1", "w2"]].mean(), data().cluster.value_counts()
    inner, outer = fit.point.blocks
    where = [0, 1, 2, 6, 7]
    mu, cross = np.zeros(8), np.zeros(8)
    mu[:6] += inner.mean
    mu[where] += outer.mean
    cross[where] = outer.T[5, :5]
    for j in (0, 7, 150):
        V = np.zeros((8, 8))
        V[:6, :6] = inner.cov / sizes[means.index[j]]
        V[np.ix_(where, where)] += outer.cov
        assert mine[j] == pytest.approx(outer.tau[5] + cross @ np.linalg.solve(V, means.iloc[j] - mu), abs=1e-9)
    assert np.abs(mine[:10] - reference("sem")["scores"]["between"]).max() > 0.01


def test_intraclass_correlations() -> None:
    wanted = {
        "y1": 0.321386074396552,
        "y2": 0.256053218808969,
        "y3": 0.223454571381283,
    }  # lavInspect(fit, "icc"), EM of tolerance 1e-4
    table = ci.icc(fitted("cfa")).to_frame().set_index("variable")
    assert table.icc.to_dict() == pytest.approx(wanted, abs=1e-4)
    sample = next(iter(reference("cfa")["h1"].values()))
    assert table.within_variance.to_list() == pytest.approx(np.diag(sample["values"]), rel=1e-5)
    assert (table.clusters == 200).all()
    assert table.average_size.to_list() == [12.5] * 3
    sides = ci.icc(fitted("sem")).to_frame().set_index("variable").icc
    assert sides[["x1", "w1"]].to_list() == [0.0, 1.0]
    with pytest.raises(ci.InferenceError, match="this fit has one level"):
        ci.icc(sem_fit("hs_cfa_ml"))


def test_robust_errors_do_not_depend_on_where_a_covariate_is_zero() -> None:
    """lavaan 0.6 leaves the within-level mean of a variable of both levels out of its scores, so that its robust errors move.

    At the covariates' own origin it differs from us; with centred covariates, where that mean is 0, it agrees to 1e-7 (`sem_mlr`).
    """
    syntax = reference("sem_mlr")["model"]
    fits = [ci.SEM(syntax, cluster="cluster", estimator="mlr").fit(data().assign(x1=data().x1 + move)) for move in (0.0, 100.0)]
    for term in ("fw ~ x1 [level 1]", "fw =~ y2 [level 1]", "fb ~ w1 [level 2]"):
        assert fits[0].estimates[term].std_error == pytest.approx(fits[1].estimates[term].std_error, rel=1e-6)
    assert fits[0].estimates["fw ~ x1 [level 1]"].std_error == pytest.approx(0.0234815983, rel=1e-8)
    factor = [fit.statistics["chisq.scaling.factor"].value for fit in fits]
    assert factor[0] == pytest.approx(factor[1], rel=1e-6)


def test_robust_error_of_a_covariates_mean_is_that_of_clustered_means() -> None:
    """Covariates of the within level that are random have the sample mean as estimate, whose clustered error is known."""
    fit = ci.SEM(reference("sem_random_x")["model"], cluster="cluster", estimator="mlr", fixed_x=False).fit(data())
    for name in X:
        sums = (data()[name] - data()[name].mean()).groupby(data().cluster).sum()
        assert fit.estimates[f"{name} ~1 [level 1]"].std_error == pytest.approx(np.sqrt((sums**2).sum()) / 2500, rel=1e-8)


@pytest.mark.parametrize("name", INCOMPLETE)
def test_with_missing_values_the_likelihood_is_the_references_and_our_maximum_is_higher(name: str) -> None:
    """lavaan 0.6 follows a gradient that is not that of its log-likelihood here (it warns that its Hessian is not symmetric).

    So: at its estimates our log-likelihood is the one it prints; at ours it is higher, and the gradient is 0; both are near each other.
    """
    fit, found = fitted(name), reference(name)
    theta = fit.params.copy()
    for row in rows_of(name, "estimates"):
        mine = estimate_of(name, row, fit.estimates)
        if mine.term in fit.terms:
            theta[fit.terms.index(mine.term)] = row["est"]
            assert mine.estimate == pytest.approx(row["est"], abs=0.03 * row["se"]), mine.term
            assert mine.std_error == pytest.approx(row["se"], rel=0.005), mine.term
    (levels,) = fit.sample.levels
    there = kernel.loglik(levels.clusters, fit.objective.evaluate(fit.layout.to_eta(theta)).value) - levels.exogenous_loglik
    assert there == pytest.approx(found["fit"]["logl"], abs=1e-4)
    assert fit.loglik >= there
    assert np.abs(fit.objective.evaluate(fit.layout.to_eta(fit.params)).gradient).max() < 1e-8
    assert 0 <= fit.measures["unrestricted.logl"] - found["fit"]["unrestricted.logl"] < 3e-3
    for key in ("npar", "df", "ntotal", "baseline.df"):
        assert fit.measures[key] == found["fit"][key]
    for key in ("chisq", "baseline.chisq", "aic", "bic", "cfi", "rmsea", "srmr_between"):
        assert fit.measures[key] == pytest.approx(found["fit"][key], rel=2e-3, abs=5e-4), key


def test_shipped_cases_name_the_same_models() -> None:
    for ours, theirs in (
        ("cfa", "twolevel_cfa"),
        ("equal", "twolevel_cfa_equal_loadings"),
        ("path", "twolevel_path"),
        ("sem", "twolevel_sem"),
    ):
        assert reference(ours)["model"].split() == case("sem", theirs)["model"].split()
        mine, stopped = fitted(ours).loglik, case("sem", theirs)["fit"]["logl"]
        assert 0 <= mine - stopped < 3e-6
