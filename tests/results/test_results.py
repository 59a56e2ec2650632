"""Tables of estimates and statistics: columns, look-up, printing, and that nothing can be changed."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import cipa as ci
from cipa.results.answers import Spread
from cipa.results.estimates import tabulate
from cipa.results.statistics import Statistic, Statistics

COLUMNS = [
    *("lhs", "op", "rhs", "group", "level", "label", "status", "estimate", "std_error", "statistic", "df", "p_value"),
    *("conf_low", "conf_high", "standardized"),
]


def table(df: float = np.inf):
    terms = [ci.Term.parse(text) for text in ("y ~ x", "y ~ x:z", "y ~1")]
    return tabulate(terms, np.array([1.0, -2.0, 0.5]), np.array([0.5, 0.0, np.nan]), labels=["a", "", ""], df=df)


def test_columns_in_the_order_of_the_interface() -> None:
    assert list(table().to_frame().columns) == COLUMNS


@pytest.mark.parametrize("df", [np.inf, 7.0])
def test_wald_statistics(df: float) -> None:
    row = table(df)["y ~ x"]
    law = stats.norm if np.isinf(df) else stats.t(df)
    assert row.statistic == 2
    assert row.p_value == pytest.approx(2 * law.sf(2), rel=1e-12)
    assert row.conf_high == pytest.approx(1 + 0.5 * law.ppf(0.975), rel=1e-12)


def test_a_parameter_without_an_error_has_no_test() -> None:
    for name in ("y ~ z:x", "y ~ 1"):
        assert np.isnan(table()[name].p_value)


def test_look_up_by_term_label_and_position() -> None:
    found = table()
    assert found["a"] is found[0] is found[ci.Term.parse("y~x")]
    assert table().find("y ~ q") is None
    with pytest.raises(ci.InferenceError, match="no parameter 'y ~ xx'"):
        table()["y ~ xx"]


def test_values_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        table()[0].estimate = 5  # type: ignore[misc]
    fit = ci.SEM("x4 ~ x1").fit(ci.datasets.load("holzinger1939"))
    with pytest.raises(ValueError, match="read-only"):
        fit.params[0] = 1
    with pytest.raises(FrozenInstanceError):
        fit.nobs = 3
    frame = fit.estimates.to_frame()
    frame.loc[0, "estimate"] = 99
    assert fit.estimates[0].estimate != 99


def test_statistics() -> None:
    found = Statistics((Statistic(name="chisq", value=3.0, df=2, p_value=0.22), Statistic(name="cfi", value=0.99)))
    assert found["cfi"].value == 0.99
    assert "tli" not in found
    assert found.values_by_name["chisq"] == 3.0
    assert found.to_frame().shape[0] == 2
    with pytest.raises(ci.InferenceError, match="Did you mean 'chisq'"):
        found["chsq"]


def test_spread() -> None:
    normal = Spread(mean=1.0, sd=2.0)
    assert normal.share(-1.0, 3.0) == pytest.approx(stats.norm.cdf(1) - stats.norm.cdf(-1))
    assert Spread(mean=2.0, sd=1.0, values=np.array([1.0, 2.0, 3.0, 4.0])).share(1.5, 3.0) == 0.5


def test_models_and_fits_survive_pickling() -> None:
    model = ci.SEM("visual =~ x1 + x2 + x3")
    fit = model.fit(ci.datasets.load("holzinger1939").to_frame()[["x1", "x2", "x3"]])
    assert pickle.loads(pickle.dumps(model)) == model
    again = pickle.loads(pickle.dumps(fit))
    assert again.params == pytest.approx(fit.params)
    with pytest.raises(ValueError, match="read-only"):
        again.params[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        again.data["x1"][0] = 1
    with pytest.raises(TypeError, match="cannot be changed"):
        again.data.columns["x1"] = 1


def test_provenance_names_engine_versions_and_data() -> None:
    fit = ci.Panel("inv ~ value").fit(ci.datasets.load("grunfeld"))
    found = fit.provenance
    assert found.engine == "native"
    assert found.engine_version == ci.__version__
    assert found.data_digest == ci.datasets.load("grunfeld").digest
    assert {"python", "cipa", "numpy", "scipy", "pandas"} <= set(found.versions)


def test_a_statistic_in_its_corrected_form() -> None:
    values = {
        "cfi": 0.9,
        "cfi.scaled": 0.91,
        "cfi.robust": 0.92,
        "tli": 0.8,
        "tli.scaled": 0.81,
        "tli.robust": np.nan,
        "srmr": 0.05,
    }
    found = Statistics(tuple(Statistic(name=name, value=value) for name, value in values.items()))
    assert [found.corrected(name).name for name in ("cfi", "tli", "srmr")] == ["cfi.robust", "tli.scaled", "srmr"]


COV = np.array([[1, 0.9, 0.8], [0.9, 1, 0.5], [0.8, 0.5, 1]])  # x has a negative residual variance
NEGATIVE = np.array([[1, 0.4, 0.4], [0.4, 1, -0.4], [0.4, -0.4, 1]])  # and here the construct has


def of_cov(cov: np.ndarray, rows: int = 600) -> pd.DataFrame:
    """Cases of exactly these covariances, in two groups and many clusters."""
    raw = np.random.default_rng(3).normal(size=(rows, 3))
    centred = raw - raw.mean(axis=0)
    values = centred @ np.linalg.inv(np.linalg.cholesky(np.cov(centred.T))).T @ np.linalg.cholesky(cov).T
    return pd.DataFrame(values, columns=["x", "y", "z"]).assign(
        group=np.arange(rows) % 2, cluster=np.arange(rows) // 5, time=np.arange(rows) % 5
    )


def signs(cov: np.ndarray) -> pd.DataFrame:
    return (of_cov(cov)[["x", "y", "z"]] > 0).astype(int)


ONE = "f =~ x + y + z"
TWO = "level: 1\nf =~ hs1 + hs2 + hs3\nlevel: 2\ng =~ hs1 + hs2 + hs3"
ASKED: dict[str, Callable[[pd.DataFrame], object]] = {
    "maximum likelihood": lambda data: ci.SEM(ONE).fit(data),
    "least squares": lambda data: ci.SEM(ONE, estimator="gls").fit(data),
    "ordered": lambda data: ci.SEM(ONE, ordered=["x", "y", "z"]).fit(signs(NEGATIVE)),
    "two levels": lambda data: ci.SEM(TWO, cluster="cluster_id").fit(ci.datasets.load("cluster_survey")),
    "far from the user": lambda data: ci.invariance(ci.SEM(ONE), data, group="group", levels=["configural"]),
    "panel": lambda data: ci.Panel("y ~ z", method="random", entity="cluster", time="time").fit(data),
}


@pytest.mark.parametrize("how", ASKED)
def test_a_warning_points_at_the_line_that_asked(how: str) -> None:
    data, ask = of_cov(COV), ASKED[how]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ask(data)
    assert {(one.filename, one.lineno) for one in caught} == {(__file__, ask.__code__.co_firstlineno)}
