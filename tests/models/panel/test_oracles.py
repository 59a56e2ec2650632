"""Linear panel models against plm 2.6-2 and fixest 0.12.2: estimates, errors of every kind, tests, R²."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from oracle_files import HERE, case
from oracle_report import agree

import cipa as ci

TOLERANCE = 1e-8
"""Relative; closed forms in double precision, computed in another order."""

METHOD = {"pooling": "pooled", "within": "within", "between": "between", "random": "random", "fd": "first_difference"}
EFFECTS = {"individual": ("entity",), "time": ("time",), "twoways": ("entity", "time")}

PLM = sorted(
    path.stem
    for path in (HERE / "panel").glob("*.json")
    if "index" in case("panel", path.stem)["spec"] and "fd_time" not in path.stem
)
FIXEST = sorted(path.stem for path in (HERE / "panel").glob("*_fixest_*.json"))
PLM_CASES = [(name, kind) for name in PLM for kind in case("panel", name).get("vcov_se", {})]
FIXEST_CASES = [(name, kind) for name in FIXEST for kind in case("panel", name)["by_vcov"]]

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


def data(found: dict[str, Any]) -> pd.DataFrame:
    return pd.read_csv(HERE / "panel" / found["data"])


def plm_vcov(kind: str, entity: str, time: str) -> Any:
    return {
        "iid": "iid",
        "white1_HC0": "hc0",
        "arellano_group_HC0": ci.clustered(entity, convention="plm"),
        "arellano_time_HC0": ci.clustered(time, convention="plm"),
        "twoway_cluster_vcovDC_HC0": ci.clustered(entity, time, convention="plm"),
        "driscoll_kraay_vcovSCC_HC0_maxlag3": ci.driscoll_kraay(3, convention="plm"),
        "newey_west_vcovNW_HC0_maxlag2": ci.newey_west(2, convention="plm"),
    }[kind]


def fixest_vcov(kind: str, cluster: str, entity: str, time: str) -> Any:
    return {
        "iid": "iid",
        "hetero": "hc1",
        "cluster": ci.clustered(cluster),
        "cluster_nossc": ci.clustered(cluster, convention="none"),
        "twoway": ci.clustered(entity, time),
        "twoway_conv": ci.clustered(entity, time, convention="stata"),
        "newey_west_lag2": ci.newey_west(2),
        "driscoll_kraay_lag2": ci.driscoll_kraay(2),
    }[kind]


def plm_fit(name: str, vcov: str) -> Any:
    spec = case("panel", name)["spec"]
    entity, time = spec["index"]
    model = ci.Panel(
        spec["formula"], method=METHOD[spec["model"]], effects=EFFECTS[spec["effect"]], entity=entity, time=time,
        vcov=plm_vcov(vcov, entity, time),
    )  # fmt: skip
    return model.fit(data(case("panel", name)))


def term(fit: Any, name: str) -> ci.Term:
    outcome = fit.terms[0].lhs
    return ci.Term(lhs=outcome, op="~1", rhs="") if name == "(Intercept)" else ci.Term(lhs=outcome, op="~", rhs=name)


def not_positive(name: str, kind: str) -> bool:
    """The two-way matrix of this case has a negative eigenvalue, which plm leaves and cipa sets to zero with a warning."""
    return (name, kind) in {("grunfeld_fd", "twoway_cluster_vcovDC_HC0")}


@pytest.mark.parametrize(("name", "kind"), PLM_CASES)
def test_plm(name: str, kind: str) -> None:
    found, fit = case("panel", name), plm_fit(name, kind)
    assert fit.nobs == found["nobs"]
    assert fit.df_resid == found["df_resid"]
    agree(
        "panel",
        name,
        [(key, fit.estimates[term(fit, key)].estimate, value) for key, value in found["coef"].items()],
        rtol=TOLERANCE,
    )
    if not_positive(name, kind):
        assert "vcov_mended" in [notice.code for notice in fit.notices]
        return
    errors = [
        (f"{kind} error of {key}", fit.estimates[term(fit, key)].std_error, se) for key, se in found["vcov_se"][kind].items()
    ]
    agree("panel", name, errors, rtol=TOLERANCE)
    if kind == "iid":
        for key in found["t"]:
            row = fit.estimates[term(fit, key)]
            agree("panel", name, [(f"t of {key}", row.statistic, found["t"][key])], rtol=TOLERANCE)
            assert row.p_value == pytest.approx(found["p"][key], rel=1e-6, abs=1e-300)


@pytest.mark.parametrize("name", PLM)
def test_r_squared_and_components(name: str) -> None:
    found, fit = case("panel", name), plm_fit(name, "iid")
    swept = found["spec"]["model"] == "within"
    if not swept or found["spec"]["effect"] == "individual":  # the reference leaves the effects of time out of X b
        for part, value in found.get("r2_squared_corr", {}).items():
            agree("panel", name, [(f"r2_{part}", fit.statistics[f"r2_{part}"].value, value)], rtol=TOLERANCE)
    if found["spec"]["model"] != "fd":
        r2 = fit.statistics["r2_within" if swept else "r2"].value
        agree("panel", name, [("r2", r2, found["r2_plm"])], rtol=TOLERANCE)
    if found.get("error_components"):
        sigma2 = found["error_components"]["sigma2"]
        agree("panel", name, [("sigma_e²", fit.statistics["sigma_e"].value ** 2, sigma2["idios"])], rtol=TOLERANCE)
        if "id" in sigma2:
            agree("panel", name, [("sigma_u²", fit.statistics["sigma_u"].value ** 2, sigma2["id"])], rtol=TOLERANCE)


@pytest.mark.parametrize(("name", "kind"), FIXEST_CASES)
def test_fixest(name: str, kind: str) -> None:
    found = case("panel", name)
    formula, _, swept = found["spec"]["formula"].partition("|")
    entity, time = ("firm", "year") if name.startswith("grunfeld") else ("state", "year")
    effects = tuple(word for word, key in (("entity", entity), ("time", time)) if key in swept)
    cluster = "region" if "region" in name else entity
    fit = ci.Panel(
        formula, method="within" if effects else "pooled", effects=effects, entity=entity, time=time,
        vcov=fixest_vcov(kind, cluster, entity, time),
    ).fit(data(found))  # fmt: skip
    expected = found["by_vcov"][kind]
    for key, value in found["coef"].items():
        row = fit.estimates[term(fit, key)]
        pairs = [(key, row.estimate, value), (f"{kind} error of {key}", row.std_error, expected["se"][key])]
        agree("panel", name, pairs, rtol=TOLERANCE)
        assert row.p_value == pytest.approx(expected["p"][key], rel=1e-6, abs=1e-300)


def test_differences_go_by_the_calendar() -> None:
    found = case("panel", "sim_gaps_fd_timeaware")
    for vcov, key in (("iid", "se_iid"), (ci.clustered("firm", convention="plm"), "se_cluster_HC0")):
        fit = ci.Panel(
            "lninnov ~ collab + internet_plus + rd + lnsize - 1", method="first_difference", entity="firm", time="year", vcov=vcov
        ).fit(data(found))
        assert fit.nobs == found["nobs"]
        for name, value in found["coef"].items():
            row = fit.estimates[term(fit, name)]
            pairs = [(name, row.estimate, value), (f"{key} of {name}", row.std_error, found[key][name])]
            agree("panel", "sim_gaps_fd_timeaware", pairs, rtol=TOLERANCE)
