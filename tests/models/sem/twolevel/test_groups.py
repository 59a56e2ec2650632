"""Groups of clusters: the sum of their likelihoods, whatever is equal across them; lavaan 0.6 weighs groups twice."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from oracle_files import HERE

import cipa as ci
from cipa.numerics.algebra.derivatives import central_jacobian

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")

SEM2 = "level: within\nfw =~ y1 + y2 + y3\nfw ~ x1\nlevel: between\nfb =~ y1 + y2 + y3\nfb ~ w1\n"
LOADINGS = {"group_equal": ["loadings"]}
SCALAR = {"group_equal": ["loadings", "intercepts"]}


@cache
def data(*, holes: bool = False) -> pd.DataFrame:
    """Groups of 900 and 1,600 cases, their rows mixed."""
    table = pd.read_csv(HERE / "sem" / "data" / "demo_twolevel.csv")
    table["part"] = np.where(table.cluster % 11 < 4, "north", "south")
    if holes:
        i = np.arange(len(table))
        table.loc[(7 * i) % 23 < 3, "y1"] = np.nan
        table.loc[(11 * i) % 19 < 2, "y2"] = np.nan
    return table.sample(frac=1, random_state=2).reset_index(drop=True)


def fit(syntax: str = SEM2, table: pd.DataFrame | None = None, **options: Any) -> Any:
    return ci.SEM(syntax, cluster="cluster", **options).fit(data() if table is None else table)


def grouped(syntax: str = SEM2, table: pd.DataFrame | None = None, **options: Any) -> Any:
    return fit(syntax, table, group="part", **options)


@pytest.mark.parametrize("estimator", ["ml", "mlr"])
@pytest.mark.parametrize("holes", [False, True])
def test_groups_with_nothing_in_common_are_the_groups_alone(estimator: str, holes: bool) -> None:
    options = {"estimator": estimator, "missing": "fiml"} if holes else {"estimator": estimator}
    table = data(holes=holes)
    both = grouped(table=table, **options)
    alone = {label: fit(table=table[table.part == label], **options) for label in both.group_labels}
    assert [len(alone), both.nobs] == [2, sum(one.nobs for one in alone.values())]
    for key in ("logl", "unrestricted.logl", "chisq", "df", "baseline.chisq", "baseline.df", "npar"):
        assert both.measures[key] == pytest.approx(sum(one.measures[key] for one in alone.values()), rel=1e-9), key
    weights = np.array([one.nobs for one in alone.values()]) / both.nobs
    for key in ("srmr_within", "srmr_between"):
        assert both.measures[key] == pytest.approx(weights @ [one.measures[key] for one in alone.values()], rel=1e-6), key
    for label, one in alone.items():
        for row in one.estimates:
            mine = both.estimates[ci.Term(lhs=row.term.lhs, op=row.term.op, rhs=row.term.rhs, group=label, level=row.term.level)]
            assert mine.estimate == pytest.approx(row.estimate, rel=1e-6, abs=1e-8), mine.term
            assert mine.std_error == pytest.approx(row.std_error, rel=1e-5, nan_ok=True), mine.term
    if estimator == "mlr":  # the scaled test adds up: (sum of chi-squares) / (mean of the factors, each with its df)
        parts = [(one.measures["df"], one.measures["chisq.scaling.factor"]) for one in alone.values()]
        factor = sum(df * c for df, c in parts) / sum(df for df, _ in parts)
        assert both.measures["chisq.scaling.factor"] == pytest.approx(factor, rel=1e-6)


@pytest.mark.parametrize("kind", ["scores", "residuals", "icc"])
def test_what_is_asked_of_a_group_is_what_the_group_alone_answers(kind: str) -> None:
    both = grouped()
    for label in both.group_labels:
        rows = np.flatnonzero(data().part == label)
        one = fit(table=data().iloc[rows])
        if kind == "scores":
            for method in ("regression", "bartlett"):
                mine = ci.factor_scores(both, method=method).to_frame().iloc[rows].to_numpy()
                assert mine == pytest.approx(ci.factor_scores(one, method=method).to_frame().to_numpy(), abs=1e-6)
        elif kind == "residuals":
            for form in ("raw", "cor", "normalized", "standardized"):
                mine = ci.residuals(both, kind=form).to_frame().query("group == @label").residual.to_numpy()
                assert mine == pytest.approx(ci.residuals(one, kind=form).to_frame().residual.to_numpy(), abs=1e-5, nan_ok=True)
        else:
            mine = ci.icc(both).to_frame().query("group == @label").drop(columns="group")
            pd.testing.assert_frame_equal(mine.reset_index(drop=True), ci.icc(one).to_frame(), rtol=1e-9)


def stacked_loglik(found: Any, theta: np.ndarray) -> float:
    """The log-likelihood from the covariance matrix of all values of each cluster together, constants in, covariates included."""
    point = found.objective.evaluate(found.layout.to_eta(theta))
    total = 0.0
    for g, group in enumerate(found.sample.groups):
        inner, outer = point.blocks[2 * g : 2 * g + 2]
        c = found.objective.clusters[g]
        W, B, mean = np.zeros((c.variables,) * 2), np.zeros((c.variables,) * 2), np.zeros(c.variables)
        W[np.ix_(c.within, c.within)], B[np.ix_(c.between, c.between)] = inner.cov, outer.cov
        mean[c.within] += inner.mean
        mean[c.between] += outer.mean
        alone = np.setdiff1d(c.between, c.within)  # of the cluster: one value
        for code in np.unique(group.clusters):
            values = group.values[group.clusters == code]
            n, p = values.shape
            keep = np.ones((n, p), dtype=bool)
            keep[1:, alone] = False
            where = np.flatnonzero(keep.ravel() & ~np.isnan(values).ravel())
            V = (np.kron(np.eye(n), W) + np.kron(np.ones((n, n)), B))[np.ix_(where, where)]
            gap = (values - mean).ravel()[where]
            total -= 0.5 * (len(where) * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + gap @ np.linalg.solve(V, gap))
    return total


@pytest.mark.parametrize("holes", [False, True])
def test_equal_parameters_maximise_the_sum_of_the_likelihoods(holes: bool) -> None:
    """By the stacked values of every cluster: the value, the gradient (0) and the curvature along what may move."""
    table = data(holes=holes)
    small = table[table.cluster.isin(range(1, 90))]
    here = grouped(table=small, **SCALAR, **({"missing": "fiml"} if holes else {}))
    layout = here.layout
    assert here.npar == layout.K.shape[1] < layout.nfree
    exogenous = sum(one.exogenous_loglik for one in here.sample.levels)
    assert stacked_loglik(here, here.params) - exogenous == pytest.approx(here.loglik, abs=1e-6)
    eta = layout.to_eta(here.params)

    def value(at: np.ndarray) -> float:
        return stacked_loglik(here, layout.to_theta(at))

    step = 1e-4
    slope = [(value(eta + step * e) - value(eta - step * e)) / (2 * step) for e in np.eye(len(eta))]
    errors = np.sqrt(np.linalg.inv(layout.K.T @ np.linalg.pinv(here.vcov) @ layout.K).diagonal())
    assert np.abs(slope * errors).max() < 1e-4
    direction = errors * np.random.default_rng(4).normal(size=len(eta))
    along = (value(eta + 0.05 * direction) - 2 * value(eta) + value(eta - 0.05 * direction)) / 0.05**2
    information = here.objective.curvature(here.point, exact=True) * here.nobs
    assert along == pytest.approx(-direction @ information @ direction, rel=5e-3)


def test_derivatives_are_those_of_the_value_away_from_the_solution() -> None:
    here = grouped(**LOADINGS)
    start = here.layout.to_eta(here.params) * 1.07 + 0.01

    def gradient(eta: np.ndarray) -> np.ndarray:
        return np.asarray(here.objective.evaluate(eta).gradient)

    numeric = central_jacobian(lambda eta: np.array([here.objective.evaluate(eta).value]), start)[0]
    assert gradient(start) == pytest.approx(numeric, rel=1e-5, abs=1e-7)
    exact = here.objective.curvature(here.objective.evaluate(start), exact=True)
    assert exact == pytest.approx(central_jacobian(gradient, start), rel=1e-5, abs=1e-6)


def test_where_the_reference_weighs_groups_twice_its_own_likelihood_is_below_ours() -> None:
    """lavaan 0.6-14, groups of 1,000 and 1,500 cases with equal loadings: at its estimates our log-likelihood is the one it prints.

    Ours is higher (Mplus maximises the same sum), and with groups of equal size both agree to 1e-7 (`groups_loadings`).
    """
    found = json.loads((HERE / "twolevel" / "groups_uneven.json").read_text(encoding="utf-8"))
    table = pd.read_csv(HERE / "sem" / "data" / "demo_twolevel.csv")
    table["uneven"] = 1 + (table.cluster + 1) % 2
    side = table.groupby("cluster").y1.transform("size").isin((10, 15))
    table[["x1", "x2", "x3"]] -= table.groupby(side)[["x1", "x2", "x3"]].transform("mean")
    here = ci.SEM(found["model"], cluster="cluster", group="uneven", estimator="mlr", **LOADINGS).fit(table)
    theta = here.params.copy()
    for row in found["estimates"]:
        group, level = here.block_labels[row["block"] - 1] if row["op"] != "==" else (None, None)
        term = ci.Term(lhs=row["lhs"], op=row["op"], rhs=row["rhs"], group=group, level=level)
        if term in here.terms:
            theta[here.terms.index(term)] = row["est"]
    there = here.objective.evaluate(here.layout.to_eta(theta))
    gap = here.nobs * (there.value - here.point.value)
    assert here.loglik - gap == pytest.approx(found["fit"]["logl"], abs=1e-5)
    assert gap > 0.05
    assert np.abs(here.point.gradient).max() < 1e-9 < 1e-4 < np.abs(there.gradient).max()


def test_order_of_groups_rows_and_units_do_not_matter() -> None:
    here = grouped(estimator="mlr", **SCALAR)
    table = data().assign(y2=lambda d: 1000 * d.y2 + 5).sort_values("part", ascending=False)
    there = grouped(table=table, estimator="mlr", **SCALAR)
    assert sorted(here.group_labels) == sorted(there.group_labels)
    for key in ("chisq", "df", "chisq.scaling.factor", "cfi", "rmsea", "srmr"):
        assert there.measures[key] == pytest.approx(here.measures[key], rel=1e-7), key
    turned = dict(zip(here.terms, here.params, strict=True)), dict(zip(there.terms, there.params, strict=True))
    for term, value in turned[0].items():
        if "y2" not in (term.lhs, term.rhs) and term.op != "~1" and term.lhs != "fb":
            assert turned[1][term] == pytest.approx(value, rel=1e-6, abs=1e-8), term


def test_equal_intercepts_free_the_means_between_clusters_in_later_groups() -> None:
    """A construct within has no mean there, because the intercepts within are 0; but one measured by variables of that level has."""
    here = grouped(**SCALAR)
    means = [
        str(row.term) for row in here.estimates if row.term.op == "~1" and row.term.lhs in ("fw", "fb") and row.status == "free"
    ]
    later = here.group_labels[1]
    assert means == [f"fb ~1 [{later}] [level between]"]
    assert here.measures["df"] - grouped(**LOADINGS).measures["df"] == 2  # three intercepts equal, one mean free
    inside = grouped(SEM2.replace("fw ~ x1", "v =~ y4 + y5 + y6"), **SCALAR)
    free = {str(row.term) for row in inside.estimates if row.term.op == "~1" and row.status == "free" and row.term.lhs[0] in "fv"}
    assert free == {f"v ~1 [{later}] [level within]", f"fb ~1 [{later}] [level between]"}


def test_the_choice_of_scale_does_not_change_what_is_equal() -> None:
    """With std_lv the variances of later groups are free, at both levels (lavaan 0.6-14 leaves them at 1)."""
    here, there = grouped(**SCALAR), grouped(std_lv=True, **SCALAR)
    assert there.measures["df"] == here.measures["df"]
    assert there.measures["chisq"] == pytest.approx(here.measures["chisq"], rel=1e-7)
    freed = {str(row.term) for row in there.estimates if row.term.lhs == row.term.rhs and row.status == "free"}
    later = there.group_labels[1]
    assert {f"fw ~~ fw [{later}] [level within]", f"fb ~~ fb [{later}] [level between]"} <= freed


@pytest.mark.parametrize(
    ("partial", "freed"), [("fb =~ y3", 1), ("fb =~ y3 [level between]", 1), ("fw =~ y2", 1), ("y1 ~~ y1", 2)]
)
def test_group_partial_names_a_parameter_with_or_without_its_level(partial: str, freed: int) -> None:
    classes = ["loadings", "residuals"]
    strict, part = (grouped(group_equal=classes, group_partial=names) for names in ([], [partial]))
    assert strict.measures["df"] - part.measures["df"] == freed


def test_labels_tie_across_groups_and_levels() -> None:
    here = grouped(SEM2.replace("fw ~ x1", "fw ~ c(a, b)*x1") + "gap := a - b\n")
    first, second = here.group_labels
    ends = [here.estimates[f"fw ~ x1 [{label}] [level within]"] for label in (first, second)]
    assert here.estimates["gap"].estimate == pytest.approx(ends[0].estimate - ends[1].estimate, abs=1e-12)
    assert here.estimates["gap"].std_error == pytest.approx(np.hypot(ends[0].std_error, ends[1].std_error), rel=1e-9)
    tied = grouped(SEM2.replace("fw ~ x1", "fw ~ c(a, a)*x1"))
    wald = ci.wald_test(here, "a == b").value
    released = ci.score_test(tied).to_frame().query("lhs == 'fw' and op == '~'").chisq.iloc[0]
    gained = tied.measures["chisq"] - here.measures["chisq"]
    assert wald == pytest.approx(gained, rel=0.05)
    assert released == pytest.approx(gained, rel=0.05)


def test_blocks_of_groups_are_taken_by_label_before_number() -> None:
    """Groups 2 and 1, in this order of appearance: 'group: 2' is the group of that label, not the second one."""
    within, between = SEM2.split("level: between")
    table = data().assign(part=np.where(data().part == "north", 2, 1)).sort_values("part", ascending=False)
    syntax = f"group: 2\n{SEM2}group: 1\n{within.replace('fw ~ x1', 'fw ~ x2')}level: between{between}"
    here = grouped(syntax, table)
    assert here.group_labels == ("2", "1")
    predictors = {(row.term.group, row.term.rhs) for row in here.estimates if row.term.lhs == "fw" and row.term.op == "~"}
    assert predictors == {("2", "x1"), ("1", "x2")}


def test_draws_have_the_spread_that_the_errors_say_and_all_rows_give_the_fit() -> None:
    here = grouped(**LOADINGS)
    drawn = ci.bootstrap(here, draws=100, seed=7, kind="parametric")
    for term in (f"fw =~ y2 [{here.group_labels[0]}] [level within]", f"fw ~ x1 [{here.group_labels[1]}] [level within]"):
        assert drawn.estimates[term].std_error == pytest.approx(here.estimates[term].std_error, rel=0.25), term
    again = here.answers.refit(here, None)
    rows = [np.arange(size) for size in again.sizes]
    found = again.run([rows])
    assert found.values[0] == pytest.approx([row.estimate for row in here.estimates], rel=1e-6, abs=1e-8)
    assert found.chisq[0] == pytest.approx(here.measures["chisq"], rel=1e-6)
    assert not again.run([[rows[0], rows[1][:0]]]).converged[0]  # no cluster of the second group


def test_invariance_is_tested_on_two_levels() -> None:
    table = ci.invariance(ci.SEM(SEM2.replace("fw ~ x1\n", "").replace("fb ~ w1\n", ""), cluster="cluster"), data(), group="part")
    frame = table.to_frame()
    assert frame.level.tolist() == ["configural", "metric", "scalar", "strict"]
    fits = [grouped(SEM2.replace("fw ~ x1\n", "").replace("fb ~ w1\n", ""), **options) for options in ({}, LOADINGS, SCALAR)]
    assert frame.chisq[:3].to_list() == pytest.approx([one.measures["chisq"] for one in fits], rel=1e-6, abs=1e-6)


def test_the_model_is_written_for_lavaan_block_by_block() -> None:
    here = grouped(**LOADINGS)
    again = grouped(ci.to_lavaan(here))
    assert again.loglik == pytest.approx(here.loglik, abs=1e-8)
    assert again.npar == here.npar
    with pytest.raises(
        ci.SpecificationError, match=r"groups have \d+ and \d+ cases and parameters in common, and on two levels lavaan"
    ):
        ci.r_script(here)
    assert 'group = "cipa.group"' in ci.r_script(grouped())


@pytest.mark.parametrize(
    ("syntax", "change", "said"),
    [
        (SEM2, {"part": lambda d: np.arange(len(d)) % 2}, r"The cluster '\d+' of 'cluster' has cases of the groups 0 and 1 \("),
        (SEM2, {"x1": lambda d: np.where(d.part == "north", np.nan, d.x1)}, "No case in group north has a value for every"),
        (SEM2, {"y3": lambda d: np.where(d.part == "north", d.y1 + d.y2, d.y3)}, "exact linear combinations .* in group north"),
        (SEM2, {"cluster": lambda d: np.where(d.part == "north", 999, d.cluster)}, "has the one value 999 in group north"),
    ],
)
def test_data_that_carry_no_levels_in_a_group_are_refused(syntax: str, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ci.DataError, match=said):
        grouped(syntax, data().assign(**change))


@pytest.mark.parametrize(
    ("syntax", "options", "said"),
    [
        (
            "group: west\n" + SEM2,
            {},
            r"(?s)line \d+:.*has a block 'group: west', but the groups are (north|south), (north|south)\.",
        ),
        ("group: north\n" + SEM2, {}, "no formula at 'level: within' for the group south"),
        (
            "group: north\n" + SEM2 + "group: south\nlevel: within\ny1 ~~ y1",
            {},
            "no formula at 'level: between' for the group south",
        ),
        (SEM2, {"group_equal": ["loadings"], "group_partial": ["fb =~ y9"]}, "group_partial names 'fb =~ y9', which is no"),
    ],
)
def test_what_groups_cannot_have_is_refused(syntax: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ci.SpecificationError, match=said):
        grouped(syntax, **options)


def test_notices_name_the_group() -> None:
    few = data()[(data().part == "south") | data().cluster.isin(data().cluster[data().part == "north"].unique()[:12])]
    here = grouped(table=few)
    texts = [notice.text for notice in here.notices if notice.code in ("levels", "few_clusters")]
    assert [("in group north" in text, "in group south" in text) for text in texts].count((True, False)) == 2
    assert any("12 clusters in group north" in text for text in texts)
