"""Which information standard errors rest on: the patterns that the data have, and the curvature of nonlinear constraints."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from oracle_files import case, sem_data

import cipa as ci

NINE = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
LAVAAN = 1e-6  # relative; lavaan stops at a gradient of about 1e-6
pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [("ml", [0.0971683358337511, 0.1044931546624825]), ("mlr", [0.100558903213007, 0.103345786036751])],
)
def test_expected_information_counts_what_is_missing(estimator: str, expected: list[float]) -> None:
    """lavaan 0.6-14, cfa(NINE, holzinger_missing, missing = "ml", information = "expected"): errors of x2 and x3."""
    fit = ci.SEM(NINE, missing="fiml", information="expected", estimator=estimator).fit(sem_data(case("sem", "hs_fiml")))
    errors = [fit.estimates[f"visual =~ {name}"].std_error for name in ("x2", "x3")]
    np.testing.assert_allclose(errors, expected, rtol=LAVAAN * 10)


def test_expected_information_agrees_with_the_observed_one_where_the_model_holds() -> None:
    """Values missing completely at random in 4,000 cases of the model: the two differ by noise; without the holes a tenth would be missing."""
    fit = ci.SEM(NINE, meanstructure=True).fit(ci.datasets.load("holzinger1939"))
    frame = ci.simulate(fit, nobs=4000, seed=8).to_frame()
    frame = frame.mask(np.random.default_rng(8).random(frame.shape) < 0.3)
    errors = {
        word: np.sqrt(ci.SEM(NINE, missing="fiml", information=word).fit(frame).vcov.diagonal())
        for word in ("observed", "expected")
    }
    ratios = errors["expected"] / errors["observed"]
    assert np.abs(np.log(ratios)).max() < 0.08
    assert abs(float(np.log(ratios).mean())) < 0.01


TWO = "f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6\nf ~~ c*g"
SIX = [f"x{k}" for k in range(1, 7)]
CURVED = f"{TWO}\nf ~~ v*f\ng ~~ w*g\nc == 0.2*sqrt(v*w)"
STRAIGHT = TWO.replace("c*g", "0.2*g")  # with the variances at 1 the same claim needs no nonlinear constraint


@pytest.mark.parametrize(
    ("options", "reference", "with_bend"),
    [
        ({"information": "observed"}, 0.1430578674807, 0.1378403086848),
        ({"estimator": "mlr"}, 0.1920227246858, 0.1769977380805),
        ({"missing": "fiml"}, None, None),
        ({"missing": "fiml", "estimator": "mlr"}, None, None),
    ],
    ids=str,
)
def test_errors_under_a_nonlinear_constraint_do_not_depend_on_the_parametrization(
    options: dict[str, str], reference: float | None, with_bend: float | None
) -> None:
    """A correlation of .2 as c == .2 sqrt(v w), and as a covariance of .2 with unit variances: residual variances have the same errors.

    lavaan 0.6-14 leaves the curvature of the constraint out (`reference`, of x1); its own fit of the other form has `with_bend`.
    """
    data = ci.datasets.load("holzinger1939") if "missing" not in options else sem_data(case("sem", "hs_fiml"))
    curved, straight = ci.SEM(CURVED, **options).fit(data), ci.SEM(STRAIGHT, std_lv=True, **options).fit(data)
    errors = [[fit.estimates[f"{name} ~~ {name}"].std_error for name in SIX] for fit in (curved, straight)]
    np.testing.assert_allclose(errors[0], errors[1], rtol=1e-7)
    if reference is not None:
        assert errors[0][0] == pytest.approx(with_bend, rel=LAVAAN * 5)
        assert errors[0][0] != pytest.approx(reference, rel=0.01)
    if options.get("estimator") == "mlr":
        factors = [fit.measures["chisq.scaling.factor"] for fit in (curved, straight)]
        assert factors[0] == pytest.approx(factors[1], rel=1e-7)


def test_the_same_on_two_levels() -> None:
    rng = np.random.default_rng(4)
    codes = np.repeat(np.arange(60), 8)
    common = np.repeat(rng.multivariate_normal([0, 0], [[1, 0.45], [0.45, 1]], size=480), 3, axis=1)
    values = common * [1, 0.8, 0.7, 1, 1.2, 0.6] + rng.normal(size=(480, 6)) + 0.5 * rng.normal(size=(60, 6))[codes]
    data = pd.DataFrame(values, columns=SIX).assign(firm=codes)
    between = "\nlevel: 2\n" + "\n".join(f"{name} ~~ {name}" for name in SIX)
    head, *constraint = CURVED.rsplit("\n", 1)
    curved = ci.SEM(f"level: 1\n{head}{between}\n{constraint[0]}", cluster="firm", information="observed").fit(data)
    level = STRAIGHT.replace("f =~ x1", "f =~ NA*x1").replace("g =~ x4", "g =~ NA*x4") + "\nf ~~ 1*f\ng ~~ 1*g"
    straight = ci.SEM(f"level: 1\n{level}{between}", cluster="firm", information="observed").fit(data)
    assert curved.loglik == pytest.approx(straight.loglik, rel=1e-10)
    errors = [
        [row.std_error for row in fit.estimates if row.term.op == "~~" and row.term.lhs == row.term.rhs and row.term.lhs in SIX]
        for fit in (curved, straight)
    ]
    np.testing.assert_allclose(errors[0], errors[1], rtol=1e-6)


@pytest.mark.parametrize("equal", [["loadings"], ["loadings", "intercepts"]], ids=str)
def test_scaling_factors_are_per_free_parameter(equal: list[str]) -> None:
    """Mplus' difference test from log-likelihoods, (p0 c0 - p1 c1) / (p0 - p1), is that from chi-squares, (d0 c0 - d1 c1) / (d0 - d1).

    So it is only if p counts free parameters after constraints, as Mplus prints them; lavaan 0.6 divides by those before.
    """
    data = ci.datasets.load("holzinger1939")
    nested = ci.SEM(NINE, estimator="mlr", group="school", group_equal=equal).fit(data)
    a, b = nested.measures, ci.SEM(NINE, estimator="mlr", group="school").fit(data).measures
    by_chisq = (a["df"] * a["chisq.scaling.factor"] - b["df"] * b["chisq.scaling.factor"]) / (a["df"] - b["df"])
    by_loglik = (a["npar"] * a["scaling.factor.h0"] - b["npar"] * b["scaling.factor.h0"]) / (a["npar"] - b["npar"])
    assert by_loglik == pytest.approx(by_chisq, rel=1e-9)
