"""ci.to_lavaan and ci.r_script: the exported syntax means the same model, and the script says what the fit said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from oracle_files import case, sem_data, sem_fit, sem_names

import cipa as ci

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")
SAME = 1e-8  # the same equations, solved from other starting values
HS = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6"


def reread(fit: ci.SEMFit, text: str) -> ci.SEM:
    """The exported syntax as a model: nothing automatic, no option that the syntax now carries."""
    return replace(
        fit.model, syntax=text, defaults="lavaan", group_equal=(), group_partial=(), std_lv=False, effect_coding=False,
        orthogonal=False, meanstructure=fit.layout.means,
    )  # fmt: skip


@pytest.mark.parametrize("name", sem_names())
def test_exported_syntax_gives_the_same_fit(name: str) -> None:
    fit = sem_fit(name)
    again = reread(fit, ci.to_lavaan(fit)).fit(sem_data(case("sem", name)))
    assert again.measures["chisq"] == pytest.approx(fit.measures["chisq"], abs=SAME * max(1.0, fit.measures["chisq"]))
    assert set(again.terms) == set(fit.terms)
    assert (again.npar, again.df_resid, again.nobs) == (fit.npar, fit.df_resid, fit.nobs)
    for term, value, error in zip(fit.terms, fit.params, np.sqrt(fit.vcov.diagonal()), strict=True):
        assert again.estimates[term].estimate == pytest.approx(value, abs=1e-5 * max(error, 1e-3))
    for key in ("cfi", "baseline.chisq"):
        assert again.measures.get(key, 0.0) == pytest.approx(fit.measures.get(key, 0.0), rel=1e-7)


def test_every_automatic_parameter_is_written() -> None:
    text = ci.to_lavaan(ci.SEM(HS + "\ntextual ~ visual + ageyr\nvisual ~ ageyr + sex", meanstructure=True))
    for line in ("visual =~ 1*x1", "x1 ~~ x1", "textual ~~ textual", "x1 ~ 1", "visual ~ 0*1"):
        assert line in text.splitlines()
    assert "ageyr ~~" not in text  # its moments are the sample's
    assert "ageyr ~ 1" not in text


def test_groups_stand_in_c_and_labels_make_equalities() -> None:
    fit = sem_fit("hs_mg_partial")
    lines = ci.to_lavaan(fit).splitlines()
    loading = next(line for line in lines if line.startswith("visual =~ ") and line.endswith("*x2"))
    assert loading.count("c(") == 0  # one label for both groups
    assert "x3 ~ 1" in lines
    assert "visual ~ c(0,NA)*1" in lines


def test_starting_values_on_request() -> None:
    fit = sem_fit("hs_cfa_ml")
    text = ci.to_lavaan(fit, start=True)
    again = reread(fit, text).fit(sem_data(case("sem", "hs_cfa_ml")))
    assert f"start({float(fit.estimates['visual =~ x2'].estimate)!r})*x2" in text
    assert again.convergence.iterations < fit.convergence.iterations
    assert "start(0.8)*x2" in ci.to_lavaan(ci.SEM("f =~ x1 + start(0.8)*x2 + x3"), start=True)


def test_a_group_may_lack_a_parameter() -> None:
    data = ci.datasets.load("holzinger1939")
    model = ci.SEM(
        f"group: Pasteur\n{HS}\nx1 ~~ x4\ngroup: Grant-White\n{HS}".replace("Grant-White", '"Grant-White"'), group="school"
    )
    fit = model.fit(data)
    again = reread(fit, ci.to_lavaan(fit)).fit(data)
    assert "x1 ~~ c(NA,0)*x4" in ci.to_lavaan(fit)
    assert again.measures["chisq"] == pytest.approx(fit.measures["chisq"], abs=1e-7)


def test_names_that_r_reserves_are_replaced() -> None:
    table = ci.datasets.load("holzinger1939").to_frame().rename(columns={"x1": "if", "x2": "_b", "x3": "创新"})
    fit = ci.SEM("f =~ if + _b + 创新", std_lv=True).fit(table)
    text = ci.to_lavaan(fit)
    assert text.startswith("# v1 stands for if\n# v2 stands for _b\n")
    assert "创新 ~~ 创新" in text
    script = ci.r_script(fit)
    assert script.isascii()
    assert 'data <- data[, c("if", "_b", "\\U0000521b\\U000065b0")]' in script
    assert 'names(data) <- c("v1", "v2", "v3")' in script


def test_the_script_holds_the_call_and_the_numbers() -> None:
    fit = sem_fit("hs_fiml_mlr")
    script = ci.r_script(fit, data="my data.csv", tolerance=0.01)
    for text in ("library(lavaan)", 'read.csv("my data.csv"', 'estimator = "MLR"', 'missing = "ml"', "meanstructure = TRUE",
                 "summary(fit, fit.measures = TRUE", repr(float(fit.measures["chisq"])), repr(float(fit.params[0])), "0.01"):  # fmt: skip
        assert text in script
    assert 'group = "cipa.group"' in ci.r_script(sem_fit("hs_mg_metric"))
    assert 'sampling.weights = "cipa.sampling.weights"' in ci.r_script(sem_fit("hs_weights"))
    assert 'ordered = c("x1"' in ci.r_script(sem_fit("hs_ord_wlsmv"))


def test_a_covariance_matrix_stands_in_the_script() -> None:
    cov = pd.DataFrame([[1.0, 0.3, 0.2], [0.3, 1.0, 0.4], [0.2, 0.4, 2.0]], columns=["a", "b", "c"])
    one = ci.SampleMoments(cov=cov, nobs=50)
    script = ci.r_script(ci.SEM("f =~ a + b + c").fit(one))
    assert "sample.nobs <- 50" in script
    assert "sample.mean <- NULL" in script
    assert "read.csv" not in script
    assert "sample.nobs <- list(50, 50)" in ci.r_script(ci.SEM("f =~ a + b + c", group="g").fit([one, one]))


def test_refusals() -> None:
    with pytest.raises(ci.SpecificationError, match="the groups stand in the data"):
        ci.to_lavaan(ci.SEM(HS, group="school"))
    with pytest.raises(ci.SpecificationError, match="categories of ordered variables stand in the data"):
        ci.to_lavaan(ci.SEM(HS, ordered=["x1"]))
    with pytest.raises(ci.SpecificationError, match="the label 'in' is a word that R reserves"):
        ci.to_lavaan(ci.SEM("f =~ x1 + in*x2 + in*x3"))
    with pytest.raises(ci.SpecificationError, match=r"tolerance=2\."):
        ci.r_script(sem_fit("hs_cfa_ml"), tolerance=2.0)
    with pytest.raises(ci.SpecificationError, match=r"model= is a model \(Panel\)\. Needed: a model made by ci\.SEM"):
        ci.to_lavaan(ci.Panel("y ~ x"))
    with pytest.raises(ci.SpecificationError, match=r"fit= is a model \(SEM\) that is not fitted"):
        ci.r_script(ci.SEM(HS))
    with pytest.raises(ci.InferenceError, match=r"fit= is a fit of kind 'panel'\. Needed: a fit of ci\.SEM"):
        ci.r_script(ci.Panel("inv ~ value").fit(ci.datasets.load("grunfeld")))
    text = f"group: Pasteur\n{HS} + x9\ngroup: 2\n{HS}"
    uneven = ci.SEM(text, group="school").fit(ci.datasets.load("holzinger1939"))
    with pytest.raises(ci.SpecificationError, match="not every group has the variable 'x9'"):
        ci.to_lavaan(uneven)
