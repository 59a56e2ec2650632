"""The simulator: the same seed gives the same world, the knobs do what they say, the moments are those declared."""

from __future__ import annotations

import numpy as np
import pytest

import cipa as ci


def test_the_same_seed_gives_the_same_world() -> None:
    one, two, other = (ci.datasets.simulate(n=240, clusters=12, regions=4, seed=seed) for seed in (7, 7, 8))
    for name in ("survey", "truth", "panel", "nodes", "edges"):
        assert getattr(one, name).digest == getattr(two, name).digest
    assert one.survey.digest != other.survey.digest


def test_columns_are_those_of_the_shipped_files() -> None:
    world = ci.datasets.simulate(seed=3)
    assert set(world.survey.columns) == set(ci.datasets.load("cluster_survey").columns)
    assert set(world.panel.columns) == set(ci.datasets.load("cluster_panel").columns)


def test_moments_of_the_constructs() -> None:
    # a large world, so that sampling error is small; tolerances are about 4 standard errors, clusters included
    world = ci.datasets.simulate(n=4800, clusters=96, regions=32, seed=5, missing=False, careless=0.0)
    truth = world.truth
    r = np.corrcoef(np.column_stack([truth[name] for name in ("FIRM", "COL", "ENV", "INET", "RI", "MS", "CIP")]).T)
    assert r[0, 1] == pytest.approx(0.40, abs=0.07)
    assert r[2, 3] == pytest.approx(0.30, abs=0.09)
    assert truth["core"].mean() == pytest.approx(0.30, abs=0.03)
    assert np.isfinite(np.column_stack([world.survey[f"cip{k}"] for k in range(1, 6)])).all()


def test_knobs() -> None:
    plain = ci.datasets.simulate(n=300, clusters=12, regions=4, seed=1, likert=False, missing=False, careless=0.0)
    assert len(np.unique(plain.survey["cip1"])) > 100
    assert plain.truth["careless"].sum() == 0
    with pytest.raises(ci.SpecificationError, match="clusters=5"):
        ci.datasets.simulate(n=100, clusters=5, regions=8)
    with pytest.raises(ci.SpecificationError, match="careless=2"):
        ci.datasets.simulate(careless=2)
    with pytest.raises(TypeError, match="Did you mean 'seed'"):
        ci.datasets.simulate(sed=1)


@pytest.mark.slow
def test_least_squares_on_the_true_latents_recovers_the_coefficients() -> None:
    truths = {"FIRM": 0.20, "COL": 0.25, "ENV": 0.15, "INET": 0.35, "INET:COL": 0.12}
    found = []
    for seed in range(40):
        truth = ci.datasets.simulate(seed=1000 + seed, missing=False, careless=0.0).truth
        columns = [truth[name] for name in ("FIRM", "COL", "ENV", "INET")] + [truth["INET"] * truth["COL"]]
        X = np.column_stack([np.ones(truth.nobs), *columns])
        found.append(np.linalg.lstsq(X, truth["RI"], rcond=None)[0][1:])
    draws = np.array(found)
    errors = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    assert np.all(np.abs(draws.mean(axis=0) - list(truths.values())) < 3.5 * errors)
