"""`conditional_x` of continuous variables: the same estimates, and a baseline that keeps what exogenous variables explain.

lavaan 0.6-14, HolzingerSwineford1939, sem(..., conditional.x = TRUE).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cipa as ci

MODEL = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nvisual ~ ageyr + sex\ntextual ~ visual + ageyr\nx7 ~ textual + sex"
LAVAAN: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
    "ml": ({}, {
        "npar": 26, "chisq": 56.5821009300, "df": 23, "baseline.chisq": 664.567193769, "baseline.df": 21, "cfi": 0.947818811687,
        "tli": 0.952356306323, "rmsea": 0.0696476978077, "logl": -2957.29795621, "aic": 5966.59591240, "bic": 6062.98077929,
    }),
    "mlr": ({"estimator": "mlr"}, {"chisq.scaled": 58.3930390257, "baseline.chisq": 664.567193769, "baseline.chisq.scaled": 619.755737653}),
    "groups": ({"group": "school"}, {
        "npar": 52, "chisq": 75.0990234839, "df": 46, "baseline.chisq": 686.487639933, "baseline.df": 42, "cfi": 0.954849369203,
        "tli": 0.958775511011, "logl": -2906.01675698,
    }),
}  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


@pytest.mark.parametrize("name", LAVAAN)
def test_fit_measures_are_lavaans(name: str) -> None:
    """To 3e-6: lavaan stops at a gradient of about 1e-6."""
    options, expected = LAVAAN[name]
    fit = ci.SEM(MODEL, conditional_x=True, **options).fit(ci.datasets.load("holzinger1939"))
    for measure, value in expected.items():
        assert fit.measures[measure] == pytest.approx(value, rel=3e-6), measure


@pytest.mark.parametrize("estimator", ["ml", "mlr", "mlm", "mlf"])
def test_estimates_and_errors_are_those_of_fixed_x(estimator: str) -> None:
    data = ci.datasets.load("holzinger1939")
    fixed, given = (
        ci.SEM(MODEL, estimator=estimator, meanstructure=True, **option).fit(data) for option in ({}, {"conditional_x": True})
    )
    np.testing.assert_array_equal(fixed.params, given.params)
    np.testing.assert_array_equal(fixed.vcov, given.vcov)
    for measure in ("chisq", "df", "npar", "logl", "rmsea", "srmr"):
        assert fixed.measures[measure] == given.measures[measure]
    assert given.measures["baseline.df"] == 21


def test_the_baseline_is_regressions_by_themselves() -> None:
    """Twice the log-likelihood that unrestricted residual covariances gain over variances alone: n (sum log diag - log det)."""
    data = ci.datasets.load("holzinger1939")
    fit = ci.SEM(MODEL, conditional_x=True).fit(data)
    frame = data.to_frame()
    y, x = frame[["x1", "x2", "x3", "x4", "x5", "x6", "x7"]].to_numpy(), frame[["ageyr", "sex"]].to_numpy(dtype=float)
    design = np.column_stack([np.ones(len(x)), x])
    rest = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    cov = rest.T @ rest / len(y)
    expected = len(y) * (np.log(cov.diagonal()).sum() - np.linalg.slogdet(cov)[1])
    assert fit.measures["baseline.chisq"] == pytest.approx(expected, rel=1e-10)


def test_scaled_baselines_are_those_of_a_fit() -> None:
    """The baseline written as a model: regressions of every variable, residuals that do not covary."""
    data = ci.datasets.load("holzinger1939")
    names = ["x1", "x2", "x3", "x4", "x5", "x6", "x7"]
    apart = "\n".join(f"{a} ~~ 0*{b}" for i, a in enumerate(names) for b in names[:i])
    written = "\n".join(f"{name} ~ ageyr + sex" for name in names) + "\n" + apart
    for estimator in ("mlm", "mlmv", "mlr"):
        fit = ci.SEM(MODEL, conditional_x=True, estimator=estimator).fit(data)
        base = ci.SEM(written, meanstructure=True, estimator=estimator).fit(data)
        assert base.measures["chisq"] == pytest.approx(fit.measures["baseline.chisq"], rel=1e-9)
        assert base.measures["chisq.scaled"] == pytest.approx(fit.measures["baseline.chisq.scaled"], rel=1e-8), estimator


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"fixed_x": False}, "conditional_x=True with fixed_x=False"),
        ({"missing": "fiml"}, 'conditional_x=True with missing="fiml"'),
        ({"meanstructure": False}, "conditional_x=True with meanstructure=False"),
        ({"estimator": "wls"}, r"conditional_x=True is not derived for least squares"),
    ],
)
def test_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ci.SpecificationError, match=said):
        ci.SEM(MODEL, conditional_x=True, **options).fit(ci.datasets.load("holzinger1939"))


def test_the_script_for_r_says_so() -> None:
    fit = ci.SEM(MODEL, conditional_x=True).fit(ci.datasets.load("holzinger1939"))
    assert "conditional.x = TRUE" in str(ci.r_script(fit))
