"""Moments first, the model second: two stages and pairwise covariances against FIML, complete data and the spread over samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from oracle_files import case, sem_data

import cipa as ci

NINE = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
WAYS = ("two_stage", "robust_two_stage", "pairwise")
pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


def holes() -> pd.DataFrame:
    return sem_data(case("sem", "hs_fiml"))


def errors(fit: Any) -> np.ndarray:
    return np.sqrt(fit.vcov.diagonal())


@pytest.mark.parametrize("way", WAYS)
def test_without_holes_estimates_are_those_of_complete_data(way: str) -> None:
    data = ci.datasets.load("holzinger1939")
    complete, found = ci.SEM(NINE, meanstructure=True).fit(data), ci.SEM(NINE, missing=way, meanstructure=True).fit(data)
    np.testing.assert_allclose(found.params, complete.params, rtol=1e-6, atol=1e-8)
    robust = ci.SEM(NINE, estimator="mlm", meanstructure=True).fit(data)
    if way == "pairwise":  # whose fourth moments are then the sample's
        assert found.statistics["chisq"].value == pytest.approx(complete.statistics["chisq"].value, rel=1e-9)
    if way != "two_stage":
        np.testing.assert_allclose(errors(found), errors(robust), rtol=0.1)


def test_pairwise_is_the_reference_s_fit() -> None:
    """lavaan 0.6-14, cfa(NINE, holzinger_missing, missing = "pairwise"): chi-square 106.036, log-likelihood -3728.567."""
    plain = ci.SEM(NINE, missing="pairwise", se="standard", test="standard").fit(holes())
    measures = ci.fit_measures(plain)
    expected = {"npar": 21, "chisq": 106.036, "df": 24, "baseline.chisq": 936.161, "cfi": 0.909, "logl": -3728.567, "srmr": 0.072}
    for key, value in expected.items():
        assert measures[key] == pytest.approx(value, abs=6e-4), key
    z = {"visual =~ x2": 6.027, "visual =~ x3": 7.000, "textual =~ x5": 15.817, "textual =~ x6": 15.607}
    for term, value in z.items():
        assert plain.estimates[term].statistic == pytest.approx(value, abs=6e-4)
    corrected = ci.SEM(NINE, missing="pairwise").fit(holes())
    assert np.array_equal(corrected.params, plain.params)
    assert "chisq.scaled" in ci.fit_measures(corrected)
    assert "moments that came first" in corrected.vcov_type.note


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_errors_are_the_spread_over_samples_and_the_test_has_its_level(way: str) -> None:
    """500 samples, a fifth of the cells missing completely at random; plain errors of pairwise covariances are too small."""
    rng = np.random.default_rng(5)
    estimates, claimed, plain, p = [], [], [], []
    for _ in range(500):
        eta = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], size=400)
        data = pd.DataFrame(0.8 * np.repeat(eta, 3, axis=1) + 0.6 * rng.normal(size=(400, 6)), columns=list("abcdef"))
        data = data.mask(rng.random(data.shape) < 0.2)
        fit = ci.SEM("f =~ a + b + c\ng =~ d + e + f1\ng ~ f", missing=way).fit(data.rename(columns={"f": "f1"}))
        estimates.append(fit.params)
        claimed.append(errors(fit))
        p.append(ci.fit_measures(fit)["pvalue.scaled"])
        plain.append(np.sqrt(fit.bread.diagonal()))
    spread = np.std(estimates, axis=0)
    np.testing.assert_allclose(np.mean(claimed, axis=0), spread, rtol=0.12)
    assert (np.mean(plain, axis=0) < 0.95 * spread).mean() > 0.5
    assert 0.03 < np.mean(np.array(p) < 0.05) < 0.075


@pytest.mark.parametrize("way", WAYS)
def test_estimates_are_near_full_information(way: str) -> None:
    data = ci.datasets.load("holzinger1939").to_frame()[[f"x{k}" for k in range(1, 10)]]
    data = data.mask(np.random.default_rng(3).random(data.shape) < 0.08)
    full, found = ci.SEM(NINE, missing="fiml").fit(data), ci.SEM(NINE, missing=way, meanstructure=True).fit(data)
    gap = np.abs(found.params - full.params) / errors(full)
    assert gap.max() < 0.6
    assert found.nobs == full.nobs == 301


@pytest.mark.parametrize("way", WAYS)
def test_bootstrap_draws_are_fitted_in_the_same_way(way: str) -> None:
    rng = np.random.default_rng(8)
    eta = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], size=500)
    data = pd.DataFrame(0.8 * np.repeat(eta, 3, axis=1) + 0.6 * rng.normal(size=(500, 6)), columns=[f"x{k}" for k in range(1, 7)])
    fit = ci.SEM("f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6\ng ~ f", missing=way).fit(data.mask(rng.random(data.shape) < 0.15))
    found = ci.bootstrap(fit, draws=300, seed=1)
    assert found.failed == 0
    spread = (np.quantile(found.draws, 0.75, axis=0) - np.quantile(found.draws, 0.25, axis=0)) / 1.349
    ratio = [width / row.std_error for width, row in zip(spread, fit.estimates, strict=True) if row.status == "free"]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.1)
    assert np.median(found.draws, axis=0) == pytest.approx([row.estimate for row in fit.estimates], abs=0.03)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "options", [{"estimator": "mlr"}, {"cluster": "school"}, {"likelihood": "wishart"}, {"estimator": "gls"}], ids=str
)
def test_what_is_not_derived_is_refused(way: str, options: dict[str, str]) -> None:
    with pytest.raises(ci.SpecificationError, match=r'goes with estimator="ml"|derived here for complete cases'):
        ci.SEM(NINE, missing=way, **options)


def test_pairwise_covariances_that_no_data_have_are_refused() -> None:
    rng = np.random.default_rng(2)
    data = pd.DataFrame(rng.normal(size=(60, 3)), columns=["x1", "x2", "x3"])
    third = np.repeat([0, 1, 2], 20)
    for k, (a, b, sign) in enumerate((("x1", "x2", 1), ("x2", "x3", 1), ("x1", "x3", -1))):
        data.loc[third == k, b] = sign * data.loc[third == k, a] + 0.05 * rng.normal(size=20)
        data.loc[third == k, ({"x1", "x2", "x3"} - {a, b}).pop()] = np.nan
    with pytest.raises(ci.DataError, match="pairwise covariances is not positive definite"):
        ci.SEM("f =~ x1 + x2 + x3", missing="pairwise").fit(data)


def test_an_implied_matrix_that_only_patterns_can_have_is_said() -> None:
    """Too few cases have the variables together: each pattern's part is positive definite, the whole is not."""
    rng = np.random.default_rng(0)
    syntax, found = "a ~ x\nb ~ x\nc ~ a + b + x", []
    for _ in range(60):
        data = pd.DataFrame(rng.normal(size=(25, 4)), columns=["x", "a", "b", "c"])
        data[["a", "b", "c"]] = data[["a", "b", "c"]].mask(rng.random((25, 3)) < 0.5)
        try:
            fit = ci.SEM(syntax, missing="fiml").fit(data)
        except ci.CipaError:
            continue
        whole = np.linalg.eigvalsh(fit.implied_cov)[0] > 0
        found.append(whole)
        assert ("implied_cov" in [notice.code for notice in fit.notices]) is not whole
        assert np.isfinite(ci.fit_measures(fit)["cfi.robust"]) or fit.df_resid == 0 or not whole
    assert any(found)


@pytest.mark.parametrize(
    ("role", "option"),
    [
        ("group", {"group": "place"}),
        ("cluster", {"cluster": "place", "estimator": "mlr"}),
        ("sampling weight", {"sampling_weight": "place", "estimator": "mlr"}),
        ("group", {"group": "place", "ordered": ["sex"], "missing": "pairwise"}),
    ],
    ids=["group", "cluster", "weight", "ordered"],
)
def test_cases_without_a_group_cluster_or_weight_are_dropped_and_counted(role: str, option: dict[str, object]) -> None:
    frame = ci.datasets.load("holzinger1939").to_frame()
    frame["place"] = 1.0 + np.arange(len(frame)) % (2 if role == "group" else 40)
    frame.loc[[10, 150, 300], "place"] = np.nan
    frame.loc[[10, 11], "x2"] = np.nan  # row 11 lacks both, and is counted once
    model = ci.SEM("visual =~ x1 + x2 + x3" + (" + sex" if "ordered" in option else ""), **option)
    found, by_hand = model.fit(frame), model.fit(frame.dropna(subset=["place"]))
    np.testing.assert_allclose(found.params, by_hand.params, rtol=1e-6)
    np.testing.assert_allclose(found.vcov, by_hand.vcov, rtol=1e-5, atol=1e-10)
    dropped = [notice.text for notice in found.notices if notice.code == "rows_dropped"]
    assert dropped[0].startswith(f"3 of 301 cases were dropped: the {role} 'place' is missing, first in row 11.")
    counted = 301 - found.nobs
    assert counted == sum(int(text.split(" of ")[0]) for text in dropped)
