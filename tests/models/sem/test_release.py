"""Score tests of constraints: the reference's, the generalized form of least squares, and its distribution."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from oracle_files import case, sem_fit
from oracle_report import agree

import cipa as ci
from cipa.results.questions import release

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")

SEARCH = 1e-5
"""lavaan's search stops at a relative change of F of 1e-10."""

SIX = "f =~ x1 + x2 + x3 + x4 + x5 + x6"


def skewed(rng: np.random.Generator, *, n: int = 400, slope: float = 0.8) -> pd.DataFrame:
    """Two groups of one law: a skewed factor, skewed residuals; `slope` is the loading of x4 in the second group."""
    tables = []
    for group in (0, 1):
        f, e = ((rng.chisquare(4, size) - 4) / np.sqrt(8) for size in ((n, 1), (n, 6)))
        loadings = np.array([0.8, 0.8, 0.8, slope if group else 0.8, 0.8, 0.8])
        tables.append(pd.DataFrame(f * loadings + e, columns=[f"x{k}" for k in range(1, 7)]).assign(group=group))
    return pd.concat(tables, ignore_index=True)


def released(fit: Any) -> dict[str, tuple[float, float]]:
    return {str(term): (chisq, epc) for term, chisq, epc, _ in release(fit, "a test")}


def test_parameters_that_a_constraint_fixes_are_released_as_the_reference_does() -> None:
    found = case("ordinal_invariance", "score_fixed")
    ours = released(ci.SEM(found["model"]).fit(ci.datasets.load("holzinger1939")))
    names = {"a": "x1 ~~ x9", "b": "textual =~ x5", "d": "x7 ~~ x8"}
    pairs = [(names[one["lhs"]], ours[names[one["lhs"]]][0], one["X2"]) for one in found["uni"]]
    assert len(ours) == len(pairs) + 1  # either end of the tie
    agree("ordinal_invariance", "score_fixed", pairs, rtol=SEARCH)


def test_a_released_parameter_gains_what_its_modification_index_says() -> None:
    """A constraint `a == 0` is the absence of the parameter."""
    data = ci.datasets.load("holzinger1939")
    nine = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
    index = ci.modification_indices(ci.SEM(nine).fit(data)).to_frame().set_index(["lhs", "op", "rhs"]).loc[("visual", "=~", "x9")]
    held = released(ci.SEM(f"{nine} + 1*x7\nvisual =~ a*x9\na == 0").fit(data))["visual =~ x9"]
    assert held == pytest.approx((index.mi, index.epc), rel=1e-5)


def test_with_the_optimal_weight_the_generalized_test_is_the_classical_one() -> None:
    """W = G^-1: n g^2 / V."""
    fit = ci.SEM(SIX, estimator="wls", group="group", group_equal=["loadings"]).fit(skewed(np.random.default_rng(5)))
    E, K = fit.objective.information(fit.point, observed=False), fit.layout.K
    g = -sum(
        weight * part.D.T @ target.weight @ (target.s - part.m)
        for target, part, weight in zip(fit.objective.targets, fit.point.parts, fit.objective.weights, strict=True)
    )
    V = (E - E @ K @ np.linalg.solve(K.T @ E @ K, K.T @ E)).diagonal()
    for k, term in enumerate(fit.terms):
        if str(term) in released(fit):
            classical = (fit.nobs * g[k] ** 2 / V[k], -g[k] / V[k])
            assert released(fit)[str(term)] == pytest.approx(classical, rel=1e-6)
    assert len(released(fit)) == 10


@pytest.mark.parametrize("estimator", ["ulsmv", "wlsmv"])
def test_least_squares_agree_with_the_scaled_difference_and_the_change(estimator: str) -> None:
    """Score test and difference test of one constraint come together in large samples; so do the distance foretold and found."""
    data = skewed(np.random.default_rng(8), n=20_000, slope=0.86)
    model = ci.SEM(SIX, estimator=estimator, group="group", group_equal=["loadings"])
    fit = model.fit(data)
    free = ci.SEM(SIX, estimator=estimator, group="group", group_equal=["loadings"], group_partial=["f =~ x4"]).fit(data)
    chisq, epc = released(fit)["f =~ x4 [1]"]
    assert chisq == pytest.approx(ci.lr_test(free, fit).columns["chisq_diff"][1], rel=0.1)
    assert chisq > 10
    made = free.estimates["f =~ x4 [1]"].estimate - free.estimates["f =~ x4 [0]"].estimate
    assert epc == pytest.approx(made, rel=0.1)


def test_under_the_constraint_the_test_is_a_chi_square() -> None:
    """200 skewed samples, unweighted least squares: n g^2 / V has a mean above 4 here and rejects a third of them."""
    rng = np.random.default_rng(20160307)
    model = ci.SEM(SIX, estimator="ulsmv", group="group", group_equal=["loadings"])
    drawn = np.array([released(model.fit(skewed(rng)))["f =~ x4 [1]"][0] for _ in range(200)])
    assert 0.8 < drawn.mean() < 1.25
    assert 0.015 < (drawn > 3.8415).mean() < 0.09


def test_ordered_indicators_name_the_parameter_to_release() -> None:
    table = ci.score_test(sem_fit("bfi_ord_mg_loadings")).to_frame()
    assert set(table.op) == {"=~", "|"}
    assert (table.chisq.diff().dropna() <= 0).all()


def test_nothing_held_is_refused() -> None:
    with pytest.raises(ci.InferenceError, match="no constraint to test"):
        ci.score_test(ci.SEM(SIX, estimator="ulsmv").fit(skewed(np.random.default_rng(1), n=50)))


def heavy(rng: np.random.Generator, n: int, slope: float = 0.8) -> pd.DataFrame:
    """Two groups of multivariate t with 5 degrees of freedom: loadings vary more than normal theory says."""
    tables = []
    for group in (0, 1):
        loadings = np.array([0.8, 0.8, 0.8, slope if group else 0.8, 0.8, 0.8])
        values = rng.normal(size=(n, 1)) * loadings + rng.normal(size=(n, 6))
        values /= np.sqrt(rng.chisquare(5, size=(n, 1)) / 5)
        tables.append(pd.DataFrame(values, columns=[f"x{k}" for k in range(1, 7)]).assign(group=group))
    return pd.concat(tables, ignore_index=True)


@pytest.mark.parametrize(
    "options", [{"estimator": "mlr"}, {"estimator": "mlm"}, {"estimator": "ml", "se": "robust", "missing": "fiml"}]
)
def test_beside_robust_errors_the_robust_test_keeps_its_size(options: Any) -> None:
    """150 samples with heavy tails under the constraint: the classical test of normal data rejects too often."""
    rng = np.random.default_rng(1992)
    model = ci.SEM(SIX, group="group", group_equal=["loadings"], **options)
    drawn = []
    for _ in range(150):
        row = next(row for row in release(model.fit(heavy(rng, 400)), "a test") if str(row[0]) == "f =~ x4 [1]")
        drawn.append((row[1], row[3]))
    classical, robust = np.array(drawn).T
    assert classical.mean() > 1.35
    assert 0.75 < robust.mean() < 1.25
    assert (robust > 3.8415).mean() < 0.1 < (classical > 3.8415).mean()


def test_the_robust_test_is_near_the_wald_test_of_the_freed_model() -> None:
    data = heavy(np.random.default_rng(8), n=20_000, slope=0.86)
    options: dict[str, Any] = {"estimator": "mlr", "group": "group", "group_equal": ["loadings"]}
    held = ci.score_test(ci.SEM(SIX, **options).fit(data), release=["f =~ x4 [1]"]).columns
    free = ci.SEM(f"{SIX}\n", group_partial=["f =~ x4"], **options).fit(data)
    gap = free.estimates["f =~ x4 [1]"].estimate - free.estimates["f =~ x4 [0]"].estimate
    names = [str(term) for term in free.terms]
    one, two = names.index("f =~ x4 [1]"), names.index("f =~ x4 [0]")
    V = free.vcov
    wald = gap**2 / (V[one, one] + V[two, two] - 2 * V[one, two])
    assert held["chisq_robust"][0] == pytest.approx(wald, rel=0.1)
    assert held["chisq"][0] > 1.3 * held["chisq_robust"][0] > 5


def test_without_robust_errors_there_is_no_robust_column() -> None:
    data = skewed(np.random.default_rng(8), n=500)
    assert "chisq_robust" not in ci.score_test(ci.SEM(SIX, group="group", group_equal=["loadings"]).fit(data)).columns


def regression(rng: np.random.Generator, n: int = 300) -> pd.DataFrame:
    """Two predictors of unlike effects, and an error whose spread follows the first."""
    x = rng.normal(size=(n, 2)) @ np.array([[1.0, 0.4], [0.0, 1.0]]) + 1
    return pd.DataFrame(x, columns=["u", "v"]).assign(y=x @ [0.5, 0.3] + rng.normal(size=n) * (0.4 + np.abs(x[:, 0])))


HELD = "y ~ a*u + a*v"


@pytest.mark.parametrize("information", ["observed", "expected"])
def test_the_robust_test_of_a_regression_is_the_formula(information: str) -> None:
    """T = n (c'g)^2 / (c'B c) with c = e - K (K'AK)^-1 K'A e (Boos 1992, eq. 5), A by hand for (constant, two slopes, variance)."""
    data = regression(np.random.default_rng(3))
    found = ci.score_test(ci.SEM(HELD, estimator="mlr", information=information).fit(data), release=["y ~ v"]).columns
    n, x, total = len(data), np.column_stack([np.ones(len(data)), data[["u", "v"]]]), data.u + data.v
    slope = np.cov(total, data.y)[0, 1] / total.var()
    error = (data.y - data.y.mean() - slope * (total - total.mean())).to_numpy()
    s2 = float(error @ error) / n
    scores = np.column_stack([-x * error[:, None] / s2, (1 - error**2 / s2) / (2 * s2)])
    A = np.zeros((4, 4))
    A[:3, :3], A[3, 3] = x.T @ x / (n * s2), 1 / (2 * s2**2)
    if information == "observed":
        A[:3, 3] = A[3, :3] = x.T @ error / (n * s2**2)
    K = np.array([[1.0, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]])
    e = np.array([0.0, 0, 1, 0])
    c = e - K @ np.linalg.solve(K.T @ A @ K, K.T @ A @ e)
    g, B = scores.mean(axis=0), scores.T @ scores / n
    assert found["chisq_robust"][0] == pytest.approx(n * (c @ g) ** 2 / (c @ B @ c), rel=1e-6)


def test_a_case_that_stands_twice_in_a_cluster_of_its_own_counts_once() -> None:
    """But for the factor G / (G - 1) of G clusters, which the clustered errors have too."""
    data = regression(np.random.default_rng(4)).assign(who=lambda frame: np.arange(len(frame)))
    twice, factor = pd.concat([data, data], ignore_index=True), len(data) / (len(data) - 1)
    alone, clustered, apart = (
        np.array(ci.score_test(ci.SEM(HELD, estimator="mlr", **options).fit(frame)).columns["chisq_robust"])
        for frame, options in ((data, {}), (twice, {"cluster": "who"}), (twice, {}))
    )
    assert clustered * factor == pytest.approx(alone, rel=1e-7)
    assert apart == pytest.approx(2 * alone, rel=1e-7)


def test_units_of_the_variables_do_not_matter() -> None:
    data = regression(np.random.default_rng(5))
    plain = released(ci.SEM(HELD).fit(data))
    small = released(ci.SEM(HELD).fit(data.assign(u=1e-6 * data.u, v=1e-6 * data.v)))
    assert {term: chisq for term, (chisq, _) in small.items()} == pytest.approx(
        {term: chisq for term, (chisq, _) in plain.items()}
    )
    assert small["y ~ v"][1] == pytest.approx(1e6 * plain["y ~ v"][1])
