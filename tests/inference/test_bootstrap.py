"""Bootstrap: against closed forms, across kinds and interval types; a draw depends on the seed and its number only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from oracle_files import HERE, case
from scipy import stats

import cipa as ci
from cipa.inference.bootstrap import intervals
from cipa.numerics.resample import cluster_rows, generators, quantiles
from cipa.numerics.search.replicates import evaluate_complete

NINE = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"


def path_fit(**options: Any) -> Any:
    return ci.SEM("x4 ~ a*x1 + x2\nx7 ~ b*x4 + x1\nab := a*b", **options).fit(ci.datasets.load("holzinger1939"))


def test_draws_are_the_least_squares_of_the_rows_drawn() -> None:
    data = ci.datasets.load("holzinger1939").to_frame()
    found = ci.bootstrap(path_fit(), draws=100, seed=3)
    where = [str(row.term) for row in found.estimates].index("x4 ~ x1")
    for draw, rng in zip(found.draws[:10], generators(3, 100), strict=False):
        rows = data.iloc[rng.integers(301, size=301)]
        X = np.column_stack([np.ones(301), rows[["x1", "x2"]]])
        assert draw[where] == pytest.approx(np.linalg.lstsq(X, rows["x4"].to_numpy(), rcond=None)[0][1], rel=1e-6)


def test_defined_effects_are_recomputed_in_each_draw() -> None:
    found = ci.bootstrap(path_fit(), draws=200, seed=1)
    names = [row.label for row in found.estimates]
    product = found.draws[:, names.index("a")] * found.draws[:, names.index("b")]
    assert found.draws[:, names.index("ab")] == pytest.approx(product, rel=1e-10)
    indirect = ci.indirect(found, "x1 -> x4 -> x7")[0]
    assert (indirect.conf_low, indirect.conf_high) == pytest.approx(
        (found.estimates["ab"].conf_low, found.estimates["ab"].conf_high), rel=1e-10
    )


def test_errors_are_close_to_robust_errors() -> None:
    data = ci.datasets.load("holzinger1939")
    robust = ci.SEM(NINE, estimator="mlr").fit(data)
    found = ci.bootstrap(ci.SEM(NINE).fit(data), draws=400, seed=5)
    ratio = [found.estimates[row.term].std_error / row.std_error for row in robust.estimates if row.status == "free"]
    assert np.median(ratio) == pytest.approx(1, abs=0.1)
    assert found.failed < 10


def test_the_same_seed_gives_the_same_draws_and_more_draws_begin_alike() -> None:
    fit = path_fit()
    one, two, more = (ci.bootstrap(fit, draws=draws, seed=4) for draws in (100, 100, 150))
    assert np.array_equal(one.draws, two.draws)
    assert np.array_equal(one.draws, more.draws[:100])
    assert not np.array_equal(one.draws, ci.bootstrap(fit, draws=100, seed=5).draws)


def test_bollen_stine_has_its_mean_near_df_and_rejects_the_three_factor_model() -> None:
    fit = ci.SEM(NINE).fit(ci.datasets.load("holzinger1939"))
    found = ci.bootstrap(fit, draws=200, seed=2, kind="bollen_stine")
    assert found.chisq.mean() == pytest.approx(24, abs=3)
    assert found.p_value < 0.01
    assert np.isnan(ci.bootstrap(fit, draws=100, seed=2).p_value)


def test_parametric_draws_have_the_fitted_moments_and_holes() -> None:
    data = ci.datasets.load("holzinger1939").to_frame()
    data.loc[:50, "x1"] = np.nan
    fit = ci.SEM("visual =~ x1 + x2 + x3 + x4", missing="fiml").fit(data)
    found = ci.bootstrap(fit, draws=150, seed=2, kind="parametric")
    assert found.draws.mean(axis=0) == pytest.approx([row.estimate for row in fit.estimates], abs=0.12)


def test_clusters_stay_together() -> None:
    data = ci.datasets.load("cluster_survey")
    fit = ci.SEM("cip1 ~ col\ncol =~ hs1 + hs2 + hs3", cluster="cluster_id").fit(data)
    found = ci.bootstrap(fit, draws=100, seed=1, kind="cluster")
    assert found.estimates["cip1 ~ col"].std_error == pytest.approx(fit.estimates["cip1 ~ col"].std_error, rel=0.4)
    rows = cluster_rows(np.random.default_rng(1), np.array([0, 0, 1, 2, 2, 2]))
    assert (rows == 0).sum() == (rows == 1).sum()
    with pytest.raises(ci.InferenceError, match="draws whole clusters, and the model names none"):
        ci.bootstrap(path_fit(), draws=100, seed=1, kind="cluster")


def test_interval_types() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(2.0, 1.0, size=(20_000, 1))
    point = np.array([2.0])
    for kind in ("perc", "basic", "norm", "bc", "bca"):
        low, high = intervals(point, draws, level=0.95, conf_type=kind, jackknife=rng.normal(size=(50, 1)))
        assert (low[0], high[0]) == pytest.approx((2 - 1.96, 2 + 1.96), abs=0.12), kind
    skewed = rng.exponential(size=(20_000, 1))
    perc, basic = (intervals(np.array([1.0]), skewed, level=0.9, conf_type=kind) for kind in ("perc", "basic"))
    assert perc[0][0] == pytest.approx(stats.expon.ppf(0.05), abs=0.02)
    assert basic[1][0] == pytest.approx(2 - perc[0][0])
    assert quantiles(np.array([[1.0], [2.0], [4.0]]), np.array([0.75]))[0] == np.quantile([1, 2, 4], 0.75)


def test_bias_correction_and_normal_intervals_by_hand() -> None:
    draws = np.random.default_rng(4).gamma(2.0, size=(60, 1))
    point = np.quantile(draws, [0.3])
    z = stats.norm.ppf([0.025, 0.975])
    shift = stats.norm.ppf((draws < point).mean())
    expected = np.quantile(draws, stats.norm.cdf(2 * shift + z))  # Efron (1981)
    assert np.ravel(intervals(point, draws, level=0.95, conf_type="bc")) == pytest.approx(expected, rel=1e-12)
    half = z[1] * np.sqrt(((draws - draws.mean()) ** 2).sum() / 59)
    assert np.ravel(intervals(point, draws, level=0.95, conf_type="norm")) == pytest.approx([point[0] - half, point[0] + half])
    beyond = draws.min(axis=0) - 1  # no draw below: as if half a draw were
    shift = stats.norm.ppf(0.5 / 60)
    expected = np.quantile(draws, stats.norm.cdf(2 * shift + z))
    assert np.ravel(intervals(beyond, draws, level=0.95, conf_type="bc")) == pytest.approx(expected, rel=1e-12)


@pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")
def test_what_is_said_of_the_draws_is_counted_from_them() -> None:
    data = ci.datasets.load("holzinger1939").to_frame().head(50)
    four = ci.SEM("f =~ x1 + x4 + x5 + x6").fit(ci.datasets.load("holzinger1939"))
    found = ci.bootstrap(four, draws=150, seed=6, kind="bollen_stine")
    assert 0 < found.p_value < 1
    assert found.p_value == (found.chisq >= four.statistics["chisq"].value).sum() / len(found.chisq)
    fit = ci.SEM("f =~ x1 + x2 + x3").fit(data)
    drawn = ci.bootstrap(fit, draws=150, seed=6)
    variances = [k for k, row in enumerate(drawn.estimates) if row.term.op == "~~" and row.term.lhs == row.term.rhs]
    negative = (drawn.draws[:, variances] < 0).any(axis=1).sum()
    assert 0 < negative != len(drawn.draws) / 2
    assert drawn.inadmissible == negative
    free = [k for k, row in enumerate(drawn.estimates) if row.status != "fixed"]
    errors = [drawn.estimates[k].std_error for k in free]
    assert errors == pytest.approx(np.std(drawn.draws[:, free], axis=0, ddof=1), rel=1e-12)


def test_the_jackknife_of_groups_leaves_out_a_case_of_its_own_group() -> None:
    data = ci.datasets.load("holzinger1939").to_frame().groupby("school").head(15).reset_index(drop=True)
    model = ci.SEM("x4 ~ x1 + x2", group="school")
    found = ci.bootstrap(model.fit(data), draws=100, seed=1, conf_type="bca")
    assert found.jackknife is not None
    order = [*np.flatnonzero(data.school == "Pasteur"), *np.flatnonzero(data.school == "Grant-White")]
    for place in (0, 14, 15, 29):
        without = model.fit(data.drop(index=order[place])).estimates
        assert found.jackknife[place] == pytest.approx([row.estimate for row in without], rel=1e-6, abs=1e-8)


def test_draws_of_a_measurement_model_are_its_fits_to_the_rows_drawn() -> None:
    data = ci.datasets.load("holzinger1939").to_frame()
    model = ci.SEM("f =~ x4 + x5 + x6 + x7")
    found = ci.bootstrap(model.fit(data), draws=100, seed=12)
    for draw, rng in zip(found.draws[:5], generators(12, 100), strict=False):
        again = model.fit(data.iloc[rng.integers(301, size=301)]).estimates
        assert draw == pytest.approx([row.estimate for row in again], abs=2e-7)


def test_the_likelihood_of_many_samples_is_that_of_their_cases() -> None:
    rng = np.random.default_rng(2)
    cov, mean = np.array([[1.0, 0.4], [0.4, 2.0]]), np.array([0.5, -1.0])
    values = rng.normal(size=(3, 30, 2))
    samples = np.array([np.cov(one.T, bias=True) for one in values])
    found = evaluate_complete(samples, values.mean(axis=1), np.array([cov] * 3), np.array([mean] * 3))
    density = stats.multivariate_normal(mean, cov)
    assert found.value == pytest.approx([-density.logpdf(one).mean() - np.log(2 * np.pi) for one in values], rel=1e-12)


def test_bca_of_a_mean_agrees_with_scipy() -> None:
    data = ci.datasets.load("holzinger1939").to_frame()
    data["skew"] = np.exp(data.x1)
    fit = ci.SEM("skew ~ 1").fit(data)
    found = ci.bootstrap(fit, draws=4000, seed=1, conf_type="bca")
    other = stats.bootstrap((data["skew"].to_numpy(),), np.mean, n_resamples=4000, method="BCa", rng=np.random.default_rng(2))
    row = found.estimates["skew ~1"]
    width = other.confidence_interval.high - other.confidence_interval.low
    assert row.conf_low == pytest.approx(other.confidence_interval.low, abs=0.06 * width)
    assert row.conf_high == pytest.approx(other.confidence_interval.high, abs=0.06 * width)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"draws": 10, "seed": 1}, "draws=10"),
        ({"draws": 100}, "seed=None"),
        ({"draws": 100, "seed": 1, "kind": "cases"}, "Did you mean 'case'"),
        ({"draws": 100, "seed": 1, "conf_type": "percentile"}, "conf_type"),
    ],
)
def test_options_are_refused_plainly(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ci.SpecificationError, match=said):
        ci.bootstrap(path_fit(), **options)


def test_fits_that_cannot_be_resampled_are_refused() -> None:
    data = ci.datasets.load("holzinger1939").to_frame()
    moments = ci.SEM("visual =~ x1 + x2 + x3 + x4").fit(ci.SampleMoments(cov=data[["x1", "x2", "x3", "x4"]].cov(), nobs=301))
    with pytest.raises(ci.InferenceError, match="no cases to draw from"):
        ci.bootstrap(moments, draws=100, seed=1)


def test_intervals_of_mediation_against_200_000_draws() -> None:
    """Least squares on resampled cases is maximum likelihood here; four Monte Carlo errors of both sides."""
    found = case("bootstrap", "mediation_bootstrap")
    reference, draws = found["ols_bootstrap"], 1500
    fit = ci.SEM(found["model"]).fit(pd.read_csv(HERE / "sem" / found["data"]))
    corrected = ci.bootstrap(fit, draws=draws, seed=5, conf_type="bca")
    assert corrected.failed == 0  # lavaan's own bootstrap lost 42 of 5,000 draws
    positions = {row.label: k for k, row in enumerate(corrected.estimates) if row.label}
    both = np.sqrt(1 + reference["R"] / draws)
    pairs, errors = [], []
    for label in reference["est"]:
        sample = corrected.draws[:, positions[label]]
        noise = dict(zip(reference["quantile_probs"], reference["mc_se_of_quantiles"][label], strict=True))
        quantiles = dict(zip(reference["quantile_probs"], reference["quantiles"][label], strict=True))
        for prob, value in quantiles.items():
            pairs.append((f"{prob:g} quantile of {label}", float(np.quantile(sample, prob)), value))
            errors.append(noise[prob] * both)
        for ours, prob in (("conf_low", 0.025), ("conf_high", 0.975)):
            bound = reference["bca_95"][label][{"conf_low": "bca_lower", "conf_high": "bca_upper"}[ours]]
            pairs.append((f"BCa {ours} of {label}", getattr(corrected.estimates[label], ours), bound))
            errors.append(
                np.hypot(noise[prob] * both, 2.5 * reference["se"][label] / np.sqrt(draws))
            )  # the bias correction's own error
        pairs.append((f"error of {label}", corrected.estimates[label].std_error, reference["se"][label]))
        errors.append(reference["se"][label] / np.sqrt(draws))
        assert fit.estimates[label].estimate == pytest.approx(reference["est"][label], rel=1e-9)
    far = [(pair, error) for pair, error in zip(pairs, errors, strict=True) if abs(pair[1] - pair[2]) > 4 * error]
    assert not far


@pytest.mark.parametrize("kind", ["case", "parametric", "bollen_stine"])
def test_the_acceleration_is_the_jackknife_of_the_cases_whatever_is_drawn(kind: str) -> None:
    data = ci.datasets.load("holzinger1939").to_frame()[["x1", "x2", "x4"]].iloc[:60].reset_index(drop=True)
    fit = ci.SEM("x4 ~ x1 + x2").fit(data)
    found = ci.bootstrap(fit, draws=150, seed=2, kind=kind, conf_type="bca")
    jackknife = np.array([slope_of(data.drop(index=case)) for case in range(60)])
    assert bca_bounds(found, "x4 ~ x1") == pytest.approx(bounds_from(found, "x4 ~ x1", jackknife), rel=1e-6)


def test_the_jackknife_of_clusters_leaves_out_whole_clusters() -> None:
    rng = np.random.default_rng(8)
    data = ci.datasets.load("holzinger1939").to_frame()[["x1", "x2", "x4"]].iloc[:120].assign(cluster=rng.integers(15, size=120))
    fit = ci.SEM("x4 ~ x1 + x2", cluster="cluster").fit(data)
    found = ci.bootstrap(fit, draws=150, seed=2, kind="cluster", conf_type="bca")
    jackknife = np.array([slope_of(data[data.cluster != one]) for one in range(15)])
    assert bca_bounds(found, "x4 ~ x1") == pytest.approx(bounds_from(found, "x4 ~ x1", jackknife), rel=1e-6)
    by_case = np.array([slope_of(data.drop(index=case)) for case in data.index])
    assert bca_bounds(found, "x4 ~ x1") != pytest.approx(bounds_from(found, "x4 ~ x1", by_case), rel=1e-6)


def slope_of(data: pd.DataFrame) -> float:
    """The least squares slope of x4 on x1, given x2."""
    X = np.column_stack([np.ones(len(data)), data[["x1", "x2"]]])
    return float(np.linalg.lstsq(X, data["x4"].to_numpy(), rcond=None)[0][1])


def bca_bounds(found: Any, term: str) -> tuple[float, float]:
    return found.estimates[term].conf_low, found.estimates[term].conf_high


def bounds_from(found: Any, term: str, jackknife: np.ndarray) -> tuple[float, float]:
    where = [str(row.term) for row in found.estimates].index(term)
    point = np.array([found.estimates[term].estimate])
    low, high = intervals(point, found.draws[:, [where]], level=0.95, conf_type="bca", jackknife=jackknife[:, None])
    return float(low[0]), float(high[0])
