"""Two engines, one model: the native core against semopy, and what semopy is not asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from oracle_files import case, sem_data, sem_fit, sem_model

import cipa as ci
from cipa.models.engines import semopy
from cipa.models.kinds import fit_with

AGREE = 1e-7
"""In standard errors for estimates, relative for the rest: both solve the same equations; semopy's Fisher steps stop at 1e-9, and
its observed information is a central difference of its gradient."""

WITHOUT_COVARIATES = [
    *(
        "hs_bifactor",
        "hs_cfa_ml",
        "hs_cfa_ml_orthogonal",
        "hs_cfa_ml_stdlv",
        "hs_cfa_mlm",
        "hs_cfa_se_robust_sem",
        "hs_cov_input",
    ),
    *("hs_equality_labels", "hs_fixed_values", "hs_listwise", "hs_second_order", "hs_syntax_auto", "hs_tau_equivalent", "pd_sem"),
    "pd_sem_equal",
]
WITH_COVARIATES = ["hs_mimic", "hs_mimic_random_x", "path_correlated_errors", "path_nonrecursive", "path_saturated"]
pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.InadmissibleWarning")
PD = "ind60 =~ x1 + x2 + x3\ndem60 =~ y1 + y2 + y3 + y4\ndem60 ~ ind60"


def errors(fit: ci.Fit) -> np.ndarray:
    return np.sqrt(fit.vcov.diagonal())


def compare(native: ci.Fit, other: ci.Fit) -> None:
    assert other.terms == native.terms
    assert (other.nobs, other.npar, other.engine) == (native.nobs, native.npar, "semopy")
    assert np.abs((other.params - native.params) / errors(native)).max() < AGREE
    np.testing.assert_allclose(other.vcov / np.outer(errors(native), errors(native)),
                               native.vcov / np.outer(errors(native), errors(native)), atol=AGREE)  # fmt: skip
    for ours, theirs in zip(native.estimates, other.estimates, strict=True):
        assert (ours.term, ours.label, ours.status) == (theirs.term, theirs.label, theirs.status)
        assert theirs.estimate == pytest.approx(ours.estimate, abs=AGREE * max(1.0, abs(ours.estimate)))


@pytest.mark.parametrize("name", [*WITHOUT_COVARIATES, *WITH_COVARIATES])
def test_semopy_agrees_with_the_native_engine(name: str) -> None:
    found = case("sem", name)
    other = fit_with(sem_model(found), sem_data(found), kind="sem", engine="semopy", where="test")
    compare(sem_fit(name), other)
    if name in WITHOUT_COVARIATES:
        assert list(other.statistics) == ["chisq", "baseline.chisq", "cfi", "tli", "nfi"]
        assert other.df_resid == found["fit"]["df"]
        for key in other.statistics:
            assert other.statistics[key].value == pytest.approx(ci.fit_measures(sem_fit(name))[key], rel=1e-9)
    else:
        assert not len(other.statistics)
        assert any(notice.code == "engine_no_test" for notice in other.notices)


def test_observed_information_agrees() -> None:
    model = ci.SEM(PD, information="observed")
    data = ci.datasets.load("political_democracy")
    compare(model.fit(data), semopy.fit(model, data))


def test_a_negative_variance_is_found_where_semopy_alone_would_stop_at_zero() -> None:
    data = ci.datasets.load("holzinger1939").to_frame().iloc[:30]
    model = ci.SEM("f =~ x1 + x4 + x7")
    native, other = model.fit(data), semopy.fit(model, data)
    assert min(row.estimate for row in native.estimates if row.term.op == "~~") < 0
    compare(native, other)


def test_names_that_semopy_cannot_read_and_reversed_items() -> None:
    table = ci.datasets.load("political_democracy").to_frame()[["x1", "x2", "x3", "y1"]]
    table["x2"] = -table["x2"]
    table["y1"] *= 1e-3
    table = table.rename(columns={"x1": "创新", "x2": "r.2_", "x3": "p1"})
    model = ci.SEM("能力 =~ 创新 + r.2_ + p1 + -1.5e-7*y1; 创新 ~~ 0.1*创新")
    compare(model.fit(table), semopy.fit(model, table))
    free = ci.SEM("能力 =~ r.2_ + 创新 + p1 + y1", std_lv=True)
    compare(free.fit(table), semopy.fit(free, table))


def test_covariates_of_which_some_covariances_are_written() -> None:
    table = ci.datasets.load("political_democracy").to_frame()
    model = ci.SEM("y1 ~ x1 + x2 + x3\nx1 ~~ x2")
    compare(model.fit(table), semopy.fit(model, table))


@pytest.mark.parametrize(
    ("syntax", "options", "said"),
    [
        (PD, {"estimator": "mlr"}, 'estimator="mlr"'),
        (PD, {"estimator": "wls"}, 'estimator="wls"'),
        (PD, {"missing": "fiml"}, 'missing="fiml"'),
        (PD, {"likelihood": "wishart"}, "wishart"),
        (PD, {"meanstructure": True}, "a mean structure"),
        (PD, {"se": "robust_huber_white"}, 'se="robust_huber_white"'),
        (PD, {"effect_coding": True}, "effect coding"),
        (PD, {"sampling_weight": "y5"}, "sampling weights"),
        (PD, {"cluster": "y5"}, "clusters"),
        (PD, {"group": "half"}, "groups"),
        (PD, {"ordered": ["x1"]}, "ordered variables"),
        (PD.replace("~ ind60", "~ a*ind60") + "\nd := 2*a", {}, "':='"),
        (PD.replace("+ x2", "+ a*x2") + "\na == 2", {}, "'=='"),
        (PD.replace("+ x2", "+ a*x2") + "\na > 0", {}, "inequality"),
        (PD.replace("+ x2", "+ a*x2").replace("+ y2", "+ a*y2").replace("y3", "2*y3").replace("x3", "c*x3") + "\ny1 ~~ c*y1 + 1*y1", {},
         "more than a shared label"),
        (PD + "\nx2 ~~ dem60", {}, "x2 ~~ dem60"),
        (PD + "\ny1 ~~ y5\ny5 ~~ y5", {}, "covariances only"),
    ],
)  # fmt: skip
def test_refuses_by_name(syntax: str, options: dict[str, object], said: str) -> None:
    table = ci.datasets.load("political_democracy").to_frame()
    table["half"] = np.arange(len(table)) % 2
    with pytest.raises(ci.SpecificationError, match="engine semopy") as problem:
        semopy.fit(ci.SEM(syntax, **options), pd.DataFrame(table))
    assert said in str(problem.value)
    assert "Use the native engine" in str(problem.value)
