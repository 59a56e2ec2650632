"""Ordered variables: correlations against other programs, identities, derivatives, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from difference_quotients import assert_derivatives
from oracle_files import HERE, case
from oracle_report import agree
from scipy.stats import multivariate_normal

import cipa as ci
from cipa.numerics.responses.polychoric import bivariate_normal
from cipa.numerics.responses.stages import moments_of

NINE = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9\n"
ITEMS = [f"x{k}" for k in range(1, 10)]

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


def answers() -> pd.DataFrame:
    return pd.read_csv(HERE / "sem" / "data" / "holzinger_ordinal_x.csv")


def codes(data: pd.DataFrame) -> np.ndarray:
    return data[ITEMS].to_numpy(dtype=float) - 1


def chisq(fit: Any) -> float:
    return fit.statistics["chisq"].value


def test_polychoric_correlations_and_thresholds_with_their_errors() -> None:
    """lavaan divides by n - 1 where this divides by n."""
    found = case("ordinal", "polychoric")["lavCor_polychoric"]
    data = answers()
    moments = moments_of(codes(data), [4] * 9)
    n, t = len(data), len(moments.thresholds)
    errors = np.sqrt(moments.gamma.diagonal() / (n - 1))
    place = {(ITEMS[c], ITEMS[r]): t + k for k, (r, c) in enumerate(zip(moments.rows, moments.cols, strict=True))}
    values = np.concatenate([moments.thresholds, moments.cov[moments.rows, moments.cols]])
    compared = 0
    for row in found:
        if row["op"] not in ("~~", "|") or row["lhs"] == row["rhs"]:
            continue
        if row["op"] == "|":
            k = 3 * ITEMS.index(row["lhs"]) + int(row["rhs"][1:]) - 1
        else:
            k = place.get((row["lhs"], row["rhs"]), place.get((row["rhs"], row["lhs"])))
        what = f"{row['lhs']} {row['op']} {row['rhs']}"
        agree("ordinal", "polychoric", [(what, float(values[k]), row["est"])], rtol=0.0, atol=2e-8)
        agree("ordinal", "polychoric", [(f"error of {what}", float(errors[k]), row["se"])], rtol=2e-6)
        compared += 1
    assert compared == 27 + 36


def test_tetrachoric_correlations() -> None:
    """psych stops at a tolerance of 1e-4."""
    expected = np.array(case("ordinal", "polychoric")["tetrachoric_dichotomised_above2"]["values"])
    found = moments_of((codes(answers()) > 1).astype(float), [2] * 9).cov
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_polyserial_correlation_is_near_the_joint_estimate() -> None:
    """Two steps and one step estimate the same; they part in the third digit at n = 301."""
    continuous = ci.datasets.load("holzinger1939").to_frame()["x1"].to_numpy()
    moments = moments_of(np.column_stack([continuous, codes(answers())[:, 1]]), [0, 4])
    found = moments.cov[0, 1] / np.sqrt(moments.cov[0, 0])
    assert found == pytest.approx(case("ordinal", "polychoric")["polyserial_ML"]["rho"], abs=3e-3)


@pytest.mark.parametrize("rho", [-0.97, -0.6, 0.0, 0.3, 0.74, 0.92, 0.99])
def test_bivariate_normal(rho: float) -> None:
    x, y = np.random.default_rng(4).normal(size=(2, 8)) * 1.5
    law = multivariate_normal([0, 0], [[1, rho], [rho, 1]])
    np.testing.assert_allclose(bivariate_normal(x, y, np.array(rho)), law.cdf(np.column_stack([x, y])), atol=1e-7)
    assert bivariate_normal(np.array(np.inf), np.array(0.3), np.array(rho)) == pytest.approx(0.6179114, abs=1e-6)


def test_the_covariance_of_moments_is_what_samples_show() -> None:
    """Ordered and continuous, with a covariate: errors against the spread over 400 samples."""
    rng = np.random.default_rng(11)
    found, claimed = [], []
    for _ in range(400):
        x = rng.normal(size=(300, 1))
        error = rng.multivariate_normal([0, 0, 0], [[1, 0.5, 0.3], [0.5, 1, 0.4], [0.3, 0.4, 1]], size=300)
        y = 0.4 * x + error
        values = np.column_stack([np.digitize(y[:, 0], [-0.5, 0.5]), np.digitize(y[:, 1], [0.0]), 2 * y[:, 2] + 1])
        moments = moments_of(values.astype(float), [3, 2, 0], x)
        found.append(
            np.concatenate([moments.thresholds, moments.means, moments.slopes.ravel(), moments.cov[moments.rows, moments.cols]])
        )
        claimed.append(np.sqrt(moments.gamma.diagonal() / 300))
    expected = np.array([-0.5, 0.5, 0, 1, 0.4, 0.4, 0.8, 0.5, 0.6, 0.8, 4])
    noise = 4 * np.std(found, axis=0) / 20 + np.abs(expected) * 3 / 300  # four Monte Carlo errors, and the bias of order 1/n
    assert (np.abs(np.mean(found, axis=0) - expected) < noise).all()
    np.testing.assert_allclose(np.mean(claimed, axis=0), np.std(found, axis=0), rtol=0.12)


FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "delta": (NINE, {"ordered": True}),
    "theta": (NINE, {"ordered": True, "parameterization": "theta"}),
    "mixed with covariates": (NINE + "visual ~ ageyr + sex\nx9 ~ sex", {"ordered": ["x1", "x4", "x9"], "parameterization": "theta"}),
    "delta with covariates": (NINE + "visual ~ ageyr\nspeed ~ visual + sex", {"ordered": True}),
    "groups with free scales": (NINE, {"ordered": True, "group": "sex", "group_equal": ["thresholds", "loadings"]}),
    "ordered predictors": ("f =~ x1 + x2 + x3\nx4 ~ x1\nx5 ~ x4 + ageyr", {"ordered": ["x1", "x4"], "parameterization": "theta"}),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_gradient_and_hessian(name: str) -> None:
    syntax, options = FORMS[name]
    fit = ci.SEM(syntax, **options).fit(answers())
    assert_derivatives(fit.objective, fit.layout.to_eta(fit.params) * 1.02 + 0.01)


@pytest.mark.parametrize("options", [{}, {"group": "sex"}, {"group": "sex", "group_equal": ["thresholds", "loadings"]}], ids=str)
def test_delta_and_theta_are_one_model(options: dict[str, Any]) -> None:
    delta, theta = (ci.SEM(NINE, ordered=True, parameterization=way, **options).fit(answers()) for way in ("delta", "theta"))
    assert chisq(delta) == pytest.approx(chisq(theta), rel=1e-8)
    one, two = ci.standardized(delta).to_frame(), ci.standardized(theta).to_frame()
    loadings = one.op == "=~"
    np.testing.assert_allclose(one.estimate[loadings], two.estimate[loadings], rtol=1e-6)
    np.testing.assert_allclose(one.std_error[loadings], two.std_error[loadings], rtol=1e-5)


def test_reversed_recoded_and_permuted_answers() -> None:
    data = answers()
    moved = data.sample(frac=1, random_state=3)
    moved["x2"] = 5 - moved["x2"]
    moved["x5"] = moved["x5"].map({1: 10, 2: 11, 3: 15, 4: 90})
    one, two = (ci.SEM(NINE, ordered=True).fit(one) for one in (data, moved))
    assert chisq(one) == pytest.approx(chisq(two), rel=1e-8)
    for term, sign in (("visual =~ x2", -1), ("textual =~ x5", 1)):
        assert two.estimates[term].standardized == pytest.approx(sign * one.estimates[term].standardized, rel=1e-6)


def test_groups_without_constraints_are_separate_fits() -> None:
    data = answers()
    together = ci.SEM(NINE, ordered=True, group="sex").fit(data)
    apart = [ci.SEM(NINE, ordered=True).fit(data[data.sex == value]) for value in dict.fromkeys(data.sex)]
    assert chisq(together) == pytest.approx(sum(chisq(fit) for fit in apart), rel=1e-8)


def test_pairwise_without_holes_is_listwise() -> None:
    fits = [ci.SEM(NINE, ordered=True, missing=how).fit(answers()) for how in ("listwise", "pairwise")]
    assert chisq(fits[0]) == pytest.approx(chisq(fits[1]), rel=1e-12)


def test_thresholds_in_the_syntax() -> None:
    data = answers()
    tied = ci.SEM(NINE + "x1 | a*t1\nx2 | a*t1", ordered=ITEMS).fit(data)
    assert tied.estimates["x1 | t1"].estimate == tied.estimates["x2 | t1"].estimate
    assert tied.df_resid == 25
    implied = ci.SEM(NINE + "\n".join(f"{name} | t1 + t2 + t3" for name in ITEMS)).fit(
        data
    )  # thresholds declare the variables ordered
    assert chisq(implied) == pytest.approx(chisq(ci.SEM(NINE, ordered=True).fit(data)), rel=1e-10)


@pytest.mark.parametrize(
    ("syntax", "options", "said"),
    [
        (NINE, {"ordered": ["x10"]}, "ordered='x10' is not a variable.*Did you mean 'x1'"),
        (NINE + "visual ~ sex", {"ordered": ["x1", "sex"]}, "'sex' is declared ordered, but it only predicts"),
        (NINE + "x1 | t7", {"ordered": True}, "no threshold of 'x1', which has 4 categories.*t1 to t3"),
        (NINE + "x1 ~~ 0.5*x1", {"ordered": True}, 'Use parameterization="theta"'),
        (NINE, {"ordered": True, "estimator": "mlr"}, "does not fit ordered variables"),
        (NINE, {"ordered": True, "estimator": "gls"}, "does not fit ordered variables"),
        (NINE, {"ordered": True, "missing": "fiml"}, 'missing="pairwise" for missing values'),
        (NINE, {"ordered": True, "parameterization": "gamma"}, "parameterization='gamma' is not known"),
    ],
)
def test_refused(syntax: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ci.SpecificationError, match=said):
        ci.SEM(syntax, **options).fit(answers())


def test_bad_answers_are_refused_with_their_variable() -> None:
    data = answers()
    with pytest.raises(ci.DataError, match="'x3' has one category"):
        ci.SEM(NINE, ordered=True).fit(data.assign(x3=2))
    with pytest.raises(ci.DataError, match="nobody in group 1 answered 4 to 'x2'"):
        ci.SEM(NINE, ordered=True, group="sex").fit(data.assign(x2=data.x2.mask((data.sex == 1) & (data.x2 == 4), 3)))
    with pytest.raises(ci.DataError, match="ageyr"):
        ci.SEM(NINE + "visual ~ ageyr", ordered=True).fit(data.assign(ageyr="old"))


def test_dropped_and_incomplete_cases_are_counted() -> None:
    data = answers()
    data.loc[:9, "x1"] = np.nan
    dropped, kept = (ci.SEM(NINE, ordered=True, missing=how).fit(data) for how in ("listwise", "pairwise"))
    assert (dropped.nobs, kept.nobs) == (291, 301)
    assert [notice.code for notice in dropped.notices] == ["rows_dropped"]
    assert "10 of 301 cases are incomplete" in kept.notices[0].text


def test_an_empty_cell_of_yes_and_no_is_mended_and_said() -> None:
    data = (answers()[ITEMS] > 2).astype(int)
    data.loc[(data.x1 == 0) & (data.x2 == 1), "x2"] = 0
    fit = ci.SEM(NINE, ordered=True).fit(data)
    assert "empty_cell" in [notice.code for notice in fit.notices]
    assert fit.sample_covs[0][0, 1] < 0.99


def test_what_is_derived_for_likelihood_only() -> None:
    fit = ci.SEM(NINE, ordered=True, group="sex", group_equal=["loadings"]).fit(answers())
    with pytest.raises(ci.InferenceError, match=r'not derived for fits by least squares.*estimator="mlr"'):
        ci.bootstrap(fit, draws=100, seed=1)
