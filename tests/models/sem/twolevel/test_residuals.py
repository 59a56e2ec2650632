"""Normalized residuals of two levels (lavaan 0.6 has none): their errors by simulation, and what must hold of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from oracle_files import HERE

import cipa as ci
from cipa.numerics.algebra.linalg import Array

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")

EQUAL = "level: 1\nfw =~ y1 + a*y2 + b*y3\nlevel: 2\nfb =~ y1 + a*y2 + b*y3\n"
SHORT = "level: 1\ny1 ~~ 0*y2\nlevel: 2\ny1 ~~ 0*y2\n"


def data() -> pd.DataFrame:
    return pd.read_csv(HERE / "sem" / "data" / "demo_twolevel.csv")


def fit(syntax: str, table: pd.DataFrame | None = None, **options: Any) -> Any:
    return ci.SEM(syntax, cluster="cluster", **options).fit(data() if table is None else table)


def residuals(one: Any, kind: str) -> Array:
    return np.array(ci.residuals(one, kind=kind).columns["residual"], dtype=float)


def drawn(rng: np.random.Generator, *, exponential: bool = False) -> pd.DataFrame:
    """Two hundred clusters of 4 or 8 cases with y2 on y1 at both levels; skewed residuals whose spread grows with x1, if asked."""
    cluster = np.repeat(np.arange(200), np.tile([4, 8], 100))
    x1, w1 = rng.normal(size=len(cluster)), rng.normal(size=200)

    def part(size: int) -> Array:
        return np.asarray(rng.exponential(size=size) - 1 if exponential else rng.normal(size=size))

    b1 = 0.4 * w1 + part(200)
    b2 = 0.5 * b1 + part(200)
    e1 = 0.5 * x1 + part(len(cluster)) * (np.sqrt(0.5 + x1**2 / 2) if exponential else 1.0)
    e2 = 0.3 * e1 + part(len(cluster))
    return pd.DataFrame({"cluster": cluster, "x1": x1, "w1": w1[cluster], "y1": b1[cluster] + e1, "y2": b2[cluster] + e2})


@pytest.mark.parametrize(("estimator", "exponential"), [("ml", False), ("mlr", True)])
def test_normalized_residuals_count_in_the_errors_of_the_unrestricted_moments(estimator: str, exponential: bool) -> None:
    """Over 150 samples the covariances y1, y2 of either level vary as the errors say, to 3.5 Monte Carlo errors (6% each)."""
    rng = np.random.default_rng(31)
    moments, errors = [], []
    for _ in range(150):
        one = fit(SHORT, drawn(rng, exponential=exponential), estimator=estimator)
        raw, z = (
            ci.residuals(one, kind=kind).to_frame().query("lhs == 'y2' and rhs == 'y1'").residual
            for kind in ("raw", "normalized")
        )
        errors.append(raw.to_numpy(float) / z.to_numpy(float))
        moments.append([one.sample.levels[0].free.within[1, 0], one.sample.levels[0].free.between[1, 0]])
    assert np.mean(errors, axis=0) / np.std(moments, axis=0) == pytest.approx(1.0, abs=0.21)


@pytest.mark.parametrize("estimator", ["ml", "mlr"])
def test_residuals_keep_their_sign_and_do_not_depend_on_units(estimator: str) -> None:
    here = fit(EQUAL, estimator=estimator)
    there = fit(
        EQUAL, data().assign(y1=lambda d: 100 * d.y1, y2=lambda d: 100 * d.y2 + 7, y3=lambda d: 100 * d.y3), estimator=estimator
    )
    raw = residuals(here, "raw")
    z = residuals(here, "normalized")
    moves = np.abs(z) > 1e-6
    assert moves.sum() >= 12
    assert (np.sign(z[moves]) == np.sign(raw[moves])).all()
    assert residuals(there, "normalized") == pytest.approx(z, rel=1e-5, abs=1e-6)


def test_residuals_over_errors_are_refused_where_the_unrestricted_moments_are_on_their_bound() -> None:
    table = data().assign(y3=lambda d: d.y3.sample(frac=1, random_state=0).to_numpy())  # nothing between clusters
    free = "level: 1\ny1 ~~ y2\ny1 ~~ y3\ny2 ~~ y3\nlevel: 2\ny1 ~~ y2\ny3 ~~ 0*y3\ny3 ~~ 0*y1\ny3 ~~ 0*y2\n"
    here = fit(free, table)
    assert here.sample.levels[0].free.bounded
    for kind in ("normalized", "standardized"):
        with pytest.raises(ci.InferenceError, match=f'kind="{kind}".*on the bound of what is possible'):
            ci.residuals(here, kind=kind)


def test_what_a_saturated_model_reproduces_has_no_residual() -> None:
    here = fit("level: 1\nfw =~ y1 + y2 + y3\nlevel: 2\nfb =~ y1 + y2 + y3\n")
    assert np.abs(residuals(here, "normalized")).max() < 1e-6
