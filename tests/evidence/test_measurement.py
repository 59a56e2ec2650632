"""Reliability and validity against published formulas and independent numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from oracle_files import sem_fit
from scipy.stats import pearsonr

import cipa as ci
from cipa.evidence.descriptives import correlations

ALPHAS = {"FIRM": 0.854, "COL": 0.865, "ENV": 0.799, "INET": 0.879, "RI": 0.850, "MS": 0.807, "CIP": 0.876, "MRK": 0.742}
"""An independent program's, on the 600 rows after reversing, listwise by scale."""

NINE = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"


@pytest.mark.parametrize("construct", ALPHAS)
def test_alpha_of_the_shipped_survey(construct: str) -> None:
    data = ci.datasets.load("cluster_survey")
    known = {one.name: one for one in data.constructs}
    items = known[construct].items or tuple(item for part in known[construct].dimensions for item in known[part].items)
    assert ci.cronbach_alpha(data, items) == pytest.approx(ALPHAS[construct], abs=0.0006)


def test_omega_is_alpha_for_a_tau_equivalent_model() -> None:
    data = ci.datasets.load("holzinger1939")
    fit = ci.SEM("f =~ 1*x4 + 1*x5 + 1*x6").fit(data)
    row = ci.reliability(fit).to_frame().iloc[0]
    S = np.cov(data.numeric(["x4", "x5", "x6"]).T, bias=True)
    phi, theta = fit.latent_covs[0][0, 0], [fit.estimates[f"x{k} ~~ x{k}"].estimate for k in (4, 5, 6)]
    assert row.omega == pytest.approx(9 * phi / (9 * phi + sum(theta)), rel=1e-12)
    assert row.alpha == pytest.approx(1.5 * (1 - np.trace(S) / S.sum()), rel=1e-9)


def test_omega_counts_residual_covariances_and_cr_does_not() -> None:
    fit = ci.SEM(NINE + "\nx7 ~~ x8").fit(ci.datasets.load("holzinger1939"))
    table = ci.reliability(fit).to_frame().set_index("construct")
    loading = np.array([fit.estimates[f"speed =~ x{k}"].estimate for k in (7, 8, 9)])
    phi = fit.estimates["speed ~~ speed"].estimate
    residual = sum(fit.estimates[f"x{k} ~~ x{k}"].estimate for k in (7, 8, 9)) + 2 * fit.estimates["x7 ~~ x8"].estimate
    assert table.loc["speed", "omega"] == pytest.approx(
        loading.sum() ** 2 * phi / (loading.sum() ** 2 * phi + residual), rel=1e-12
    )
    beta = np.array([fit.estimates[f"speed =~ x{k}"].standardized for k in (7, 8, 9)])
    assert table.loc["speed", "ave"] == pytest.approx((beta**2).mean(), rel=1e-12)
    assert table.loc["speed", "cr"] == pytest.approx(beta.sum() ** 2 / (beta.sum() ** 2 + (1 - beta**2).sum()), rel=1e-12)


def test_an_item_worded_the_other_way_round_changes_nothing() -> None:
    data = ci.datasets.load("holzinger1939").to_frame()
    plain = ci.reliability(ci.SEM(NINE).fit(data)).to_frame()
    found = ci.reliability(ci.SEM(NINE).fit(data.assign(x5=10 - data.x5)))
    assert found.to_frame()[["alpha", "omega", "cr", "ave"]].to_numpy() == pytest.approx(
        plain[["alpha", "omega", "cr", "ave"]].to_numpy(), rel=1e-7
    )
    assert "x5" in found.notes[1]


def test_htmt_by_hand() -> None:
    data = ci.datasets.load("holzinger1939")
    found = ci.htmt(data, {"visual": ["x1", "x2", "x3"], "textual": ["x4", "x5", "x6"]}).to_frame().iloc[0]
    r = np.abs(np.corrcoef(data.numeric([f"x{k}" for k in range(1, 7)]).T))
    within = [r[a:b, a:b][np.tril_indices(3, -1)].mean() for a, b in ((0, 3), (3, 6))]
    assert found.htmt == pytest.approx(r[:3, 3:].mean() / np.sqrt(within[0] * within[1]), rel=1e-12)


def test_fornell_larcker_has_roots_of_ave_on_the_diagonal() -> None:
    fit = ci.SEM(NINE).fit(ci.datasets.load("holzinger1939"))
    table = ci.fornell_larcker(fit).to_frame().set_index("construct")
    ave = ci.reliability(fit).to_frame().set_index("construct")["ave"]
    assert table.loc["textual", "textual"] == pytest.approx(np.sqrt(ave["textual"]), rel=1e-12)
    assert table.loc["textual", "visual"] == pytest.approx(fit.standardized["visual ~~ textual"].estimate, rel=1e-9)
    assert np.isnan(table.loc["visual", "textual"])


def test_groups_and_second_order_constructs() -> None:
    data = ci.datasets.load("holzinger1939")
    two = ci.reliability(ci.SEM(NINE, group="school").fit(data)).to_frame()
    assert two.group.tolist() == ["Pasteur"] * 3 + ["Grant-White"] * 3
    second = ci.reliability(ci.SEM(NINE + "\ng =~ visual + textual + speed").fit(data)).to_frame().set_index("construct")
    assert second.loc["g", "items"] == 9
    assert second.loc["g", "alpha"] == pytest.approx(ci.cronbach_alpha(data, [f"x{k}" for k in range(1, 10)]), rel=1e-7)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: ci.cronbach_alpha(ci.datasets.load("holzinger1939"), ["x1"]), "at least two"),
        (lambda: ci.cronbach_alpha(pd.DataFrame({"a": [1, 2, None], "b": [1, None, 2]}), ["a", "b"]), "1 cases answered"),
        (lambda: ci.htmt(ci.datasets.load("holzinger1939"), {"a": ["x1", "x2"], "b": ["x3"]}), "Fewer than two items: b"),
        (
            lambda: ci.htmt(ci.datasets.load("holzinger1939"), {"a": ["x1", "x2", "x3"], "b": ["x3", "x4"]}),
            "x3 measures two constructs",
        ),
        (lambda: ci.reliability(ci.Panel("inv ~ value").fit(ci.datasets.load("grunfeld"))), "not derived for panel fits"),
        (lambda: ci.reliability(ci.SEM("x1 ~ x2").fit(ci.datasets.load("holzinger1939"))), "has no '=~'"),
        (lambda: ci.descriptives(ci.datasets.load("holzinger1939"), ["school"]), "holds words"),
        (lambda: ci.descriptives(pd.DataFrame({"a": [np.nan, np.nan]})), "has no value"),
    ],
)
def test_refusals(call: object, said: str) -> None:
    with pytest.raises(ci.CipaError, match=said):
        call()  # type: ignore[operator]


def test_descriptives_by_hand() -> None:
    data = pd.DataFrame({"a": [1.0, 2, 3, 10, np.nan], "b": 5.0})
    table = ci.descriptives(data).to_frame().set_index("variable")
    a = np.array([1.0, 2, 3, 10])
    assert table.loc["a", ["n", "missing"]].tolist() == [4, 1]
    assert table.loc["a", "sd"] == pytest.approx(a.std(ddof=1))
    assert table.loc["a", "skewness"] == pytest.approx(((a - 4) ** 3).mean() / a.std() ** 3)
    assert table.loc["a", "kurtosis"] == pytest.approx(((a - 4) ** 4).mean() / a.var() ** 2 - 3)
    assert np.isnan(table.loc["b", "skewness"])


def test_correlations_over_the_cases_that_have_both() -> None:
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(2, 12))
    x[0], y[[1, 2]] = np.nan, np.nan
    x[1], y[0] = 40.0, -40.0  # far away, and without a partner
    row = correlations({"x": x, "y": y}, title="").to_frame().iloc[0]
    expected = pearsonr(x[3:], y[3:])
    assert row.n == 9
    assert (row.r, row.p_value) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-10)


def test_htmt_takes_absolute_correlations() -> None:
    data = ci.datasets.load("holzinger1939").to_frame()
    constructs = {"visual": ["x1", "x2", "x3"], "textual": ["x4", "x5", "x6"]}
    plain, turned = (ci.htmt(one, constructs).columns["htmt"][0] for one in (data, data.assign(x2=-data.x2)))
    assert turned == pytest.approx(plain, rel=1e-12)


def test_omega_of_each_group_counts_its_own_residuals() -> None:
    fit = ci.SEM(NINE, group="school").fit(ci.datasets.load("holzinger1939"))
    table = ci.reliability(fit).to_frame().set_index(["construct", "group"])
    for group in ("Pasteur", "Grant-White"):
        loading = sum(fit.estimates[f"speed =~ x{k} [{group}]"].estimate for k in (7, 8, 9))
        phi = fit.estimates[f"speed ~~ speed [{group}]"].estimate
        theta = sum(fit.estimates[f"x{k} ~~ x{k} [{group}]"].estimate for k in (7, 8, 9))
        assert table.loc[("speed", group), "omega"] == pytest.approx(loading**2 * phi / (loading**2 * phi + theta), rel=1e-12)


@pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")
def test_alpha_of_ordered_items_is_that_of_each_groups_answers() -> None:
    data = ci.datasets.load("holzinger1939").to_frame()
    for item in ("x4", "x5", "x6"):
        data[item] = data[item].rank(pct=True).mul(3.999).astype(int)
    fit = ci.SEM("f =~ x4 + x5 + x6", ordered=True, group="school").fit(data)
    for group, alpha in zip(*(ci.reliability(fit).columns[name] for name in ("group", "alpha")), strict=True):
        S = data.loc[data.school == group, ["x4", "x5", "x6"]].cov().to_numpy()
        assert alpha == pytest.approx(1.5 * (1 - np.trace(S) / S.sum()), rel=1e-9)


@pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")
def test_growth_factors_that_explain_nothing_have_no_reliability() -> None:
    found = ci.reliability(sem_fit("growth_quadratic")).to_frame().set_index("construct")
    assert found.omega.isna().any()
    assert found.omega["i"] > 0
