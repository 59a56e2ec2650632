"""Two-level models: what must hold whatever the data, and what is refused, in which words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from oracle_files import HERE

import cipa as ci
from cipa.errors import InadmissibleWarning
from cipa.models.sem.twolevel.read import level_moments
from cipa.numerics.twolevel import complete, kernel
from cipa.results.questions import spread

CFA = "level: within\nfw =~ y1 + y2 + y3\nlevel: between\nfb =~ y1 + y2 + y3\n"
MODEL = "level: within\nfw =~ y1 + y2 + y3\nfw ~ x1\nlevel: between\nfb =~ y1 + b*y2 + y3\nfb ~ a*w1\nab := a*b\n"


def data() -> pd.DataFrame:
    return pd.read_csv(HERE / "sem" / "data" / "demo_twolevel.csv")


def fit(syntax: str = MODEL, table: pd.DataFrame | None = None, **options: Any) -> Any:
    return ci.SEM(syntax, cluster="cluster", **options).fit(data() if table is None else table)


def test_order_of_rows_and_names_of_clusters_do_not_matter() -> None:
    here = fit(estimator="mlr")
    shuffled = data().sample(frac=1, random_state=5).assign(cluster=lambda d: "c" + d.cluster.astype(str))
    there = fit(table=shuffled, estimator="mlr")
    assert there.params == pytest.approx(here.params, rel=1e-9, abs=1e-11)
    assert there.vcov == pytest.approx(here.vcov, rel=1e-7, abs=1e-12)
    assert there.measures == pytest.approx(here.measures, rel=1e-8, nan_ok=True)


def test_units_of_variables_do_not_change_the_tests() -> None:
    here, there = (
        fit(estimator="mlr"),
        fit(table=data().assign(y1=lambda d: 1000 * d.y1, y2=lambda d: d.y2 / 50 + 3), estimator="mlr"),
    )
    for key in ("chisq", "baseline.chisq", "chisq.scaling.factor", "srmr_between", "cfi.robust"):
        assert there.measures[key] == pytest.approx(here.measures[key], rel=1e-8), key
    assert [row.standardized for row in there.standardized] == pytest.approx(
        [row.standardized for row in here.standardized], abs=np.inf
    )


def test_a_saturated_model_reproduces_the_unrestricted_moments() -> None:
    here = fit(CFA)
    assert (here.df_resid, here.measures["chisq"]) == (0, 0.0)
    for level, (sample, point) in enumerate(zip((0, 1), here.point.blocks, strict=True)):
        cov, mean = level_moments(here.sample.levels[0], here.point.blocks[0].mean, sample)
        assert point.cov == pytest.approx(cov, abs=1e-8)
        assert point.mean == pytest.approx(mean, abs=1e-8), level


def test_the_choice_of_scale_does_not_change_the_fit() -> None:
    marker, unit = fit(MODEL), fit(MODEL, std_lv=True)
    assert unit.loglik == pytest.approx(marker.loglik, rel=1e-12)
    assert unit.npar == marker.npar
    beta = [row.standardized for row in marker.standardized if row.term.op in ("=~", "~")]
    assert [row.standardized for row in unit.standardized if row.term.op in ("=~", "~")] == pytest.approx(beta, rel=1e-6)


def test_levels_are_found_by_their_names_in_any_order() -> None:
    turned = "level: between\nfb =~ y1 + y2 + y3\nlevel: within\nfw =~ y1 + y2 + y3\n"
    named = "level: student\nfw =~ y1 + y2 + y3\nlevel: cluster\nfb =~ y1 + y2 + y3\n"
    for syntax, labels in ((turned, ("within", "between")), (named, ("student", "cluster"))):
        other = fit(syntax)
        assert other.levels == labels
        assert other.loglik == pytest.approx(fit(CFA).loglik, rel=1e-12)
    row = fit(CFA).estimates["fb =~ y2 [level between]"]
    assert row.term == ci.Term(lhs="fb", op="=~", rhs="y2", level="between")


def test_defined_effects_and_wald_tests_reach_over_levels() -> None:
    here = fit("level: within\nfw =~ y1 + w*y2 + y3\nlevel: between\nfb =~ y1 + b*y2 + y3\ngap := w - b\n")
    row = here.estimates["gap"]
    assert ci.wald_test(here, "w == b").value == pytest.approx(row.statistic**2, rel=1e-8)


def test_a_likelihood_ratio_test_is_near_the_modification_index() -> None:
    general = CFA + "fb ~ w1\n"
    here = fit(CFA + "fb ~ w1\n" + "y2 ~~ 0*y2\n")
    there = fit(general)
    table = ci.modification_indices(here).to_frame()
    top = table[(table.lhs == "y2") & (table.rhs == "y2") & (table.level == "between")].iloc[0]
    gap = ci.lr_test(here, there).columns["chisq_diff"][1]
    assert top.epc > 0
    assert top.mi == pytest.approx(gap, rel=0.5)


def test_split_covariates_are_random_and_say_so() -> None:
    here = fit("level: within\ny1 ~ y4\nlevel: between\ny1 ~ y4 + w1\n")
    assert [notice.code for notice in here.notices] == ["levels", "split_exogenous"]
    assert here.estimates["y4 ~~ y4 [level within]"].status == "free"
    explicit = fit("level: within\ny1 ~ y4\nlevel: between\ny1 ~ y4 + w1\n", fixed_x=False)
    assert explicit.loglik == pytest.approx(here.loglik, rel=1e-14)
    with pytest.raises(ci.SpecificationError, match=r"fixed_x=True holds moments.*'y4' stands on both levels"):
        fit("level: within\ny1 ~ y4\nlevel: between\ny1 ~ y4 + w1\n", fixed_x=True)


def test_missing_values_drop_cases_and_are_counted() -> None:
    table = data()
    table.loc[[3, 8, 900], "y2"] = np.nan
    here = fit(CFA, table)
    assert here.nobs == 2497
    assert "3 of 2500 cases were dropped" in here.notices[0].text
    scores = ci.factor_scores(here).to_frame()
    assert scores.isna().any(axis=1).to_numpy().nonzero()[0].tolist() == [3, 8, 900]


def with_holes() -> pd.DataFrame:
    table = data()
    rng = np.random.default_rng(12)
    for name in ("y1", "y2", "y3"):
        table.loc[rng.random(len(table)) < 0.1, name] = np.nan
    return table


def test_full_information_uses_every_value() -> None:
    table = with_holes()
    table.loc[5, ["y1", "y2", "y3"]] = np.nan
    table.loc[7, "x1"] = np.nan
    here = fit(MODEL, table, missing="fiml", estimator="mlr")
    assert here.nobs == 2499  # row 5 has its covariate, row 7 has not
    assert "1 of 2500 cases were dropped: no value within, or a missing exogenous variable" in here.notices[0].text
    assert here.notices[1].code == "missing_patterns"
    every, listwise = fit(MODEL), fit(MODEL, table)
    for term in ("fw =~ y2 [level within]", "fw ~ x1 [level within]"):
        errors = [one.estimates[term].std_error for one in (every, here, listwise)]
        assert here.estimates[term].estimate == pytest.approx(every.estimates[term].estimate, abs=2 * errors[0])
    assert np.trace(fit(MODEL, table, missing="fiml").vcov) < np.trace(listwise.vcov)
    assert fit(MODEL, table, missing="fiml_x").nobs == 2500
    scores = ci.factor_scores(here).to_frame()
    assert scores.isna().any(axis=1).to_numpy().nonzero()[0].tolist() == [7]
    full = ci.factor_scores(every).to_frame()
    assert np.corrcoef(scores.fw.drop(7), full.fw.drop(7))[0, 1] > 0.95


def test_full_information_without_holes_is_the_complete_likelihood() -> None:
    here, there = fit(MODEL, missing="fiml", estimator="mlr"), fit(MODEL, estimator="mlr")
    assert here.params == pytest.approx(there.params, rel=1e-10)
    assert here.measures == pytest.approx(there.measures, rel=1e-10)


def test_with_holes_order_of_rows_does_not_matter() -> None:
    here = fit(MODEL, with_holes(), missing="fiml", estimator="mlr")
    there = fit(MODEL, with_holes().sample(frac=1, random_state=2), missing="fiml", estimator="mlr")
    assert there.params == pytest.approx(here.params, rel=1e-8, abs=1e-10)
    assert there.measures == pytest.approx(here.measures, rel=1e-7)


def few(first: int, last: int) -> pd.DataFrame:
    return data()[lambda d: d.cluster.between(first, last)]


def test_few_clusters_are_noticed() -> None:
    text = next(notice.text for notice in fit(CFA, few(26, 50)).notices if notice.code == "few_clusters")
    assert text.startswith("25 clusters are few")
    with pytest.warns(InadmissibleWarning) as said:
        here = fit(CFA, few(25, 32))
    assert "8 clusters for 9 parameters of the between level" in str(said[0].message)
    assert [notice.code for notice in here.notices] == ["levels", "few_clusters", "between_cov", "heywood"]
    assert "at level between is estimated at -" in str(said[1].message)


def test_a_likelihood_without_a_maximum_says_what_to_do() -> None:
    with pytest.raises(ci.ConvergenceError, match="Here 8 clusters carry the between level"):
        fit(CFA, few(1, 8))


def test_unrestricted_moments_stay_possible_where_the_likelihood_is_unbounded() -> None:
    """With fewer clusters of a size than variables, the likelihood grows without bound as V of that size becomes singular."""
    columns = ["y1", "y2", "y3"]
    table, every = few(1, 8), np.arange(3)
    codes = table.cluster.to_numpy() - 1
    found = kernel.unrestricted(complete.clusters_of(table[columns].to_numpy(), codes, within=every, between=every))
    assert found is not None
    assert (found.bounded, found.converged) == (True, True)
    smallest, *others = np.linalg.eigvalsh(found.between)
    assert smallest == pytest.approx(0.0, abs=1e-6)
    assert min(others) > 0.1
    pull = np.linalg.eigvalsh(found.found.B)  # the value falls only towards matrices that are no covariances
    assert pull[0] > -1e-6
    assert found.between @ found.found.B == pytest.approx(np.zeros((3, 3)), abs=1e-6)


@pytest.mark.parametrize(
    ("syntax", "options", "said"),
    [
        (CFA, {"cluster": None}, r"'level:' blocks, but no cluster="),
        ("level: within\nf =~ y1 + y2 + y3", {}, r"the syntax has 1 level \(level: within\)"),
        (CFA + "level: top\ny1 ~~ y1", {}, "the syntax has 3 level"),
        ("y4 ~ y5\n" + CFA, {}, r"(?s)line 1:.*stands before the first 'level:' line"),
        (CFA, {"missing": "two_stage"}, 'missing="two_stage" is not derived for two-level models'),
        (CFA, {"estimator": "mlf"}, 'estimator="mlf" is not derived for two-level models'),
        (CFA, {"ordered": ["y1"]}, "ordered=.* is not derived for two-level models"),
        (CFA, {"sampling_weight": "w1"}, "sampling_weight='w1' is not derived"),
        (CFA, {"likelihood": "wishart"}, "likelihood='wishart' is not derived for two-level"),
        (CFA, {"se": "first_order"}, "se='first_order' is not derived"),
        (CFA, {"meanstructure": False}, "meanstructure=False is not derived"),
        (CFA + "c <~ w1 + w2\nfb ~ c", {}, r"(?s)line 5:.*'c <~ w1' is not derived on two levels"),
        (CFA + "fb ~ w1:w2", {}, r"(?s)line 5:.*'fb ~ w1:w2' is not derived on two levels"),
        (CFA + "fw ~ w1", {}, r"(?s)line 5:.*'fw' is a construct of level 'within', and level 'between' does not measure it"),
        (CFA.replace("y1 +", "c(1, 2)*y1 +", 1), {}, r"gives 2 values for 1 group"),
    ],
)
def test_what_is_not_derived_is_refused_by_name(syntax: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ci.SpecificationError, match=said):
        ci.SEM(syntax, **{"cluster": "cluster", **options}).fit(data())


@pytest.mark.parametrize(
    ("syntax", "change", "said"),
    [
        (CFA, {"cluster": np.arange(2500)}, r"'cluster' has 2500 values for 2500 cases, one case per cluster"),
        (CFA, {"cluster": np.ones(2500)}, "'cluster' has the one value"),
        (
            MODEL.replace("w1", "x2"),
            {},
            r"'x2' stands at the between level only, but varies within 200 clusters, first in cluster=1",
        ),
        (
            MODEL.replace("x1", "w2"),
            {},
            r"'w2' stands at the within level, but has the same value for all cases of every cluster",
        ),
        (CFA, {"cluster": np.arange(2500) % 3}, "3 clusters .'cluster'. for 3 variables at the between level"),
        (CFA, {"cluster": np.nan}, "the cluster column 'cluster' has no value in any of the 2500 rows"),
        (CFA, {"y3": lambda d: d.y1 + d.y2}, "exact linear combinations of others"),
        (CFA, {"y3": np.nan}, "No case has a value for every variable"),
    ],
)
def test_data_that_carry_no_levels_are_refused(syntax: str, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ci.DataError, match=said):
        fit(syntax, data().assign(**change))


def test_two_means_of_one_variable_are_refused() -> None:
    with pytest.raises(
        ci.IdentificationError, match=r"cannot tell these parameters apart: y1 ~1 \[level within\], y1 ~1 \[level between\]"
    ):
        fit(MODEL.replace("level: between", "y1 ~ 1\nlevel: between"))


def test_moments_without_cases_are_refused() -> None:
    with pytest.raises(ci.SpecificationError, match="a two-level model needs the cases in their clusters"):
        ci.SEM(CFA, cluster="cluster").fit(ci.SampleMoments(cov=data()[["y1", "y2", "y3"]].cov(), nobs=2500))


@pytest.mark.parametrize(
    "asked",
    [
        lambda one: ci.reliability(one),
        lambda one: ci.fornell_larcker(one),
        lambda one: ci.path_diagram(one),
        lambda one: ci.lr_test(one, fit(CFA + "fb ~ w1\n"), method="satorra_2000"),
        lambda one: spread(one, "y1"),
    ],
)
def test_what_is_not_derived_from_a_two_level_fit_is_refused(asked: Any) -> None:
    with pytest.raises(ci.InferenceError, match=r"levels? within and between|two levels"):
        asked(fit(CFA + "fb ~ 0*w1\n", estimator="mlr"))


def test_cases_without_a_cluster_are_dropped_and_counted() -> None:
    frame = data().astype({"cluster": float})
    frame.loc[[3, 700, 1900], "cluster"] = np.nan
    by_hand = fit(CFA, frame.dropna(subset=["cluster"]))
    found = fit(CFA, frame)
    assert found.nobs == by_hand.nobs == 2497
    np.testing.assert_allclose(found.params, by_hand.params, rtol=1e-7)
    texts = [notice.text for notice in found.notices if notice.code == "rows_dropped"]
    assert texts[0].startswith("3 of 2500 cases were dropped: the cluster 'cluster' is missing, first in row 4.")
