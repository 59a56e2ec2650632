"""What ci.SEM refuses or warns of, and in which words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cipa as ci
from cipa.errors import InadmissibleWarning

NINE = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"


def holzinger() -> pd.DataFrame:
    return ci.datasets.load("holzinger1939").to_frame()


@pytest.mark.parametrize(
    ("syntax", "said"),
    [
        ("f =~ x1 + x2 +\nf ~~~ x3", r"(?s)line 1:.*Something is missing next to .\+"),
        ("f =~ x1 + x2 + nosuch", r"(?s)line 1:.*\^.*'nosuch' is neither a construct"),
        ("f =~ x1 + x2 + X3", r"Did you mean 'x3'"),
        ("", "The model is empty"),
        ("f =~ x1 + x2 + x3\nf ~ 2*", "line 2"),
        ("f =~ x1 + x2 + x3 @ x4", "the character '@' has no meaning"),
        ("f =~ x1 + x2 + x3\ny ~ f:f", "not available in this version"),
        (NINE + "\nab := a*b", "'a'"),
    ],
)
def test_syntax_is_refused_with_its_place(syntax: str, said: str) -> None:
    with pytest.raises(ci.SpecificationError, match=said):
        ci.SEM(syntax).fit(holzinger())


@pytest.mark.parametrize(
    "syntax", ["f =~ x1 + x2", "x1 ~ x2\nx2 ~ x1", "f1 =~ x1 + x2\nf2 =~ x7 + x8\nf1 ~~ 0*f2", "f =~ NA*x1 + x2 + x3"]
)
def test_a_model_without_a_unique_solution_is_refused_before_fitting(syntax: str) -> None:
    with pytest.raises(ci.IdentificationError, match=r"unique|identified|scale|confounded"):
        ci.SEM(syntax).fit(holzinger())


def damaged(kind: str) -> pd.DataFrame:
    data = holzinger()
    if kind == "constant":
        data["x3"] = 4.0
    elif kind == "collinear":
        data["x3"] = data["x1"] + 2 * data["x2"]
    elif kind == "empty":
        data["x3"] = np.nan
    elif kind == "infinite":
        data.loc[17, "x3"] = np.inf
    elif kind == "text":
        data["x3"] = data["school"]
    elif kind == "few":
        data = data.head(6)
    elif kind == "twice":
        data = pd.concat([data, data[["x3"]]], axis=1)
    return data


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("constant", "'x3'.*constant|constant.*'x3'|no variance"),
        ("collinear", "'x3' is collinear: it is an exact linear combination of x1, x2"),
        ("empty", "'x3' has no value"),
        ("infinite", "'x3' is infinite in row 18"),
        ("text", "'x3' holds words"),
        ("few", "6"),
        ("twice", "more than one column named x3"),
    ],
)
def test_wrong_data_are_refused_by_name(kind: str, said: str) -> None:
    with pytest.raises(ci.DataError, match=said):
        ci.SEM(NINE).fit(damaged(kind))


def test_an_infinite_or_constant_column_outside_the_model_is_not_held_against_it() -> None:
    data = holzinger()
    data["other"] = np.inf
    assert ci.SEM(NINE).fit(data).nobs == 301


def test_a_negative_variance_is_reported_and_warned_of() -> None:
    rng = np.random.default_rng(2)
    f = rng.normal(size=60)
    data = pd.DataFrame(
        {"a": f + 0.05 * rng.normal(size=60), "b": 0.5 * f + rng.normal(size=60), "c": 0.3 * f + rng.normal(size=60)}
    )
    S = data.cov()
    S.loc["b", "c"] = S.loc["c", "b"] = S.loc["b", "c"] * 0.3
    moments = ci.SampleMoments(cov=S, nobs=60)
    with pytest.warns(InadmissibleWarning, match="residual variance of a is estimated at -0"):
        fit = ci.SEM("f =~ a + b + c").fit(moments)
    assert "heywood" in [notice.code for notice in fit.notices]
    assert min(row.estimate for row in fit.estimates if row.term.op == "~~") < 0


def test_variables_on_very_different_scales_give_the_same_answer() -> None:
    data = holzinger()
    plain = ci.SEM(NINE).fit(data)
    data["x1"] = data["x1"] * 1e6
    data["x9"] = data["x9"] * 1e-5
    scaled = ci.SEM(NINE).fit(data)
    assert scaled.statistics["chisq"].value == pytest.approx(plain.statistics["chisq"].value, rel=1e-8)
    assert scaled.estimates["visual =~ x2"].statistic == pytest.approx(plain.estimates["visual =~ x2"].statistic, rel=1e-6)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"estimator": "mlx"}, "estimator='mlx' is not known"),
        ({"missing": "fmil"}, "Did you mean 'fiml'"),
        ({"ordered": ["x1"]}, "has 35 categories"),
        ({"group_equal": ["loading"]}, "Did you mean 'loadings'"),
        ({"interaction": "lms"}, "interaction='lms' is not available"),
        ({"group": "scool"}, "Did you mean 'school'"),
    ],
)
def test_options_are_refused_with_what_is_understood(options: dict[str, object], said: str) -> None:
    with pytest.raises(ci.CipaError, match=said):
        ci.SEM(NINE, **options).fit(holzinger())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"group_equal": "loadings"}, r"group_equal=\('loadings',\) speaks of .*there is one sample.*group=\.\.\."),
        ({"group_partial": ["x3 ~1"]}, r"group_partial=\('x3 ~1',\) speaks of .*leave it out"),
        ({"group_equal": ["loadings"], "group_partial": ["x3 ~1"]}, r"group_equal=.* and group_partial=.* speak of"),
        ({"group": "school", "group_equal": ["loadings"], "group_partial": ["visual =~ x22"]}, "Did you mean 'visual =~ x2'"),
        (
            {"group": "school", "group_equal": ["loadings"], "group_partial": ["x1 ~ x2"]},
            "names 'x1 ~ x2', which is no parameter",
        ),
        (
            {"group": "school", "group_equal": ["loadings"], "group_partial": ["visual =~ x2 [Pasteur]"]},
            "without a group, such as",
        ),
        ({"group": "school", "group_partial": ["x33 ~1"]}, "Did you mean 'x3 ~1'"),
    ],
)
def test_equality_that_would_hold_or_free_nothing_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(ci.SpecificationError, match=said):
        ci.SEM(NINE, **options).fit(holzinger())


def test_ordered_equality_that_would_hold_or_free_nothing_is_refused() -> None:
    data = holzinger().assign(**{f"x{i}": holzinger()[f"x{i}"].rank(pct=True).mul(2.999).astype(int) for i in range(1, 10)})
    with pytest.raises(ci.SpecificationError, match="there is one sample"):
        ci.SEM(NINE, ordered=True, group_equal="thresholds").fit(data)
    with pytest.raises(ci.SpecificationError, match=r"names 'x1 \| t3'.*Did you mean 'x1 \| t[12]'"):
        ci.SEM(NINE, ordered=True, group="school", group_equal="thresholds", group_partial="x1 | t3").fit(data)


def test_a_term_that_is_free_anyhow_may_stand_in_group_partial() -> None:
    fits = [
        ci.SEM(NINE, group="school", group_equal=["loadings"], group_partial=terms).fit(holzinger())
        for terms in ((), ("x3 ~1", "x2 ~~ x2"))
    ]
    assert fits[0].statistics["chisq"].value == fits[1].statistics["chisq"].value


def test_an_estimate_that_is_not_there_is_refused_with_the_nearest() -> None:
    fit = ci.SEM(NINE).fit(holzinger())
    with pytest.raises(ci.InferenceError, match="Did you mean 'visual =~ x2'"):
        fit.estimates["visual =~ x22"]
    with pytest.raises(ci.InferenceError, match="no statistic 'cfii'"):
        fit.statistics["cfii"]


def test_the_data_are_never_changed() -> None:
    data = holzinger()
    before = data.copy()
    ci.SEM(NINE, missing="fiml").fit(data)
    pd.testing.assert_frame_equal(data, before)


def test_a_fit_prints_in_a_terminal_and_a_notebook() -> None:
    fit = ci.SEM(NINE).fit(holzinger())
    text = str(fit)
    for words in (
        "Structural equation model, maximum likelihood",
        "Observations: 301",
        "85.306",
        "visual =~" if "visual =~" in text else "visual",
    ):
        assert words in text
    assert "<table>" in fit._repr_html_()


@pytest.mark.parametrize("estimator", ["mlm", "mlmvs", "mlr", "wlsmv"])
def test_a_fit_with_a_scaled_test_prints_it_and_the_corrected_indices(estimator: str) -> None:
    fit = ci.SEM(NINE, estimator=estimator).fit(holzinger())
    found, text = ci.fit_measures(fit), str(fit)
    assert f"χ²: {found['chisq']:.3f} (24 df)" in text
    scaled = f"χ², scaled: {found['chisq.scaled']:.3f} ({found['df.scaled']:g} df), p < .001\n"
    assert f"{scaled}Scaling factor: {found['chisq.scaling.factor']:.3f}\nCFI, robust: {found['cfi.robust']:.3f}\n" in text
    assert f"TLI, robust: {found['tli.robust']:.3f}\nRMSEA, robust: {found['rmsea.robust']:.3f}, 90% interval" in text
    assert f"[{found['rmsea.ci.lower.robust']:.3f}, {found['rmsea.ci.upper.robust']:.3f}], p of close fit" in text
    assert "\nCFI:" not in text


def test_a_summary_of_incomplete_data_shows_the_indices_that_fit_measures_gives() -> None:
    data = holzinger()
    data.loc[::5, "x3"] = np.nan
    fit = ci.SEM(NINE, estimator="mlr", missing="fiml").fit(data)
    found = ci.fit_measures(fit)
    assert f"{found['rmsea.robust']:.3f}" != f"{fit.statistics['rmsea.robust'].value:.3f}"
    assert f"RMSEA, robust: {found['rmsea.robust']:.3f}," in str(fit)


def test_a_saturated_fit_prints_no_scaled_test() -> None:
    text = str(ci.SEM("x4 ~ x1 + x2", estimator="mlr").fit(holzinger()))
    assert "χ²: 0.000 (0 df)\nCFI: 1.000" in text
    assert "scaled" not in text


def test_tests_and_rmsea_carry_what_belongs_to_their_own_form() -> None:
    fit = ci.SEM(NINE, estimator="mlmvs").fit(holzinger())
    found = ci.fit_measures(fit)
    for name in ("chisq", "baseline.chisq"):
        stem, row = name.removesuffix("chisq"), fit.statistics[f"{name}.scaled"]
        assert (row.df, row.p_value, row.reference) == (found[f"{stem}df.scaled"], found[f"{stem}pvalue.scaled"], "chi2")
    for form in ("", ".scaled", ".robust"):
        row = fit.statistics[f"rmsea{form}"]
        assert (row.conf_low, row.conf_high) == (found[f"rmsea.ci.lower{form}"], found[f"rmsea.ci.upper{form}"])
        assert row.p_value == found[f"rmsea.pvalue{form}"]


def test_names_in_any_script() -> None:
    data = holzinger().rename(columns={"x1": "能力一", "x2": "能力二", "x3": "能力三"})
    fit = ci.SEM("企业能力 =~ 能力一 + 能力二 + 能力三").fit(data)
    assert fit.estimates["企业能力 =~ 能力二"].estimate == pytest.approx(0.7776, abs=0.001)
