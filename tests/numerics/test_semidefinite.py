"""Unrestricted moments of two levels where Sigma_B is singular at the maximum: EM from below, and the conditions of the maximum."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cipa as ci
from cipa.numerics.algebra.linalg import Array, IntArray
from cipa.numerics.twolevel import complete, incomplete, kernel

CASES = [(4, 2, 25, 0), (4, 2, 25, 1), (6, 1, 30, 0), (6, 2, 40, 2), (8, 3, 50, 1)]
"""Variables, rank between, clusters, seed."""


def sample(p: int, rank: int, count: int, seed: int) -> tuple[Array, IntArray]:
    """Cases (n, p) in clusters of 2 to 11, with a Sigma_B of low rank."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(count), rng.integers(2, 12, count))
    loadings = rng.normal(size=(p, rank)) * 0.5
    within = np.full((p, p), 0.4) + 0.6 * np.eye(p)
    shared = (rng.normal(size=(count, rank)) @ loadings.T)[codes]
    return shared + rng.multivariate_normal(np.zeros(p), within, size=len(codes)), codes


def em_loglik(values: Array, codes: IntArray, steps: int) -> float:
    """Log-likelihood after so many EM steps from a positive definite start: every Sigma_B on the way is one, so none is above the maximum."""
    every = np.arange(values.shape[1])
    c = complete.clusters_of(values, codes, within=every, between=every)
    W, B, mu = complete.starting_moments(c)
    for _ in range(steps):
        V = np.linalg.inv(B + W / c.size[:, None, None])
        part = np.einsum("ij,kjl,kl->ki", B, V, c.mean - mu)
        left = B - B @ V @ B
        mu = np.average(c.mean - part, axis=0, weights=c.size)
        B = (part.T @ part + left.sum(axis=0)) / c.nclusters
        apart = c.mean - mu - part
        scatter = c.deviations.T @ c.deviations + (apart * c.size[:, None]).T @ apart
        W = (scatter + np.einsum("k,kij->ij", c.size, left)) / c.nobs
    found = complete.evaluate(c, W, B, mu)
    assert found is not None
    return complete.loglik(c, found.value)


@pytest.mark.parametrize("which", CASES, ids=str)
def test_em_comes_near_from_below(which: tuple[int, int, int, int]) -> None:
    values, codes = sample(*which)
    every = np.arange(values.shape[1])
    found = kernel.unrestricted(complete.clusters_of(values, codes, within=every, between=every))
    assert found is not None
    slow = [em_loglik(values, codes, steps) for steps in (300, 3000)]
    assert slow[0] < slow[1] < found.loglik
    assert slow[1] > found.loglik - 0.1


@pytest.mark.parametrize("holes", [0.0, 0.1])
@pytest.mark.parametrize("which", CASES, ids=str)
def test_the_conditions_of_a_maximum_hold(which: tuple[int, int, int, int], holes: float) -> None:
    values, codes = sample(*which)
    every = np.arange(values.shape[1])
    if holes:
        values[np.random.default_rng(1).random(values.shape) < holes] = np.nan
        c: kernel.Sampled = incomplete.incomplete_clusters(values, codes, within=every, between=every)
    else:
        c = complete.clusters_of(values, codes, within=every, between=every)
    found = kernel.unrestricted(c)
    assert found is not None
    assert (found.converged, found.bounded) == (True, True)
    assert np.linalg.eigvalsh(found.between)[0] == pytest.approx(0, abs=1e-10)
    assert np.linalg.eigvalsh(found.found.B)[0] > -1e-7  # the value falls towards no other covariance matrix
    assert found.between @ found.found.B == pytest.approx(np.zeros_like(found.between), abs=1e-7)
    np.testing.assert_allclose(found.found.W, 0, atol=1e-7)


def test_a_maximum_inside_stays_where_it_was() -> None:
    rng = np.random.default_rng(5)
    codes = np.repeat(np.arange(60), 6)
    values = rng.normal(size=(60, 3))[codes] + rng.normal(size=(360, 3))
    every = np.arange(3)
    c = complete.clusters_of(values, codes, within=every, between=every)
    found = kernel.unrestricted(c)
    assert found is not None
    assert not found.bounded
    means = np.array([values[codes == j].mean(axis=0) for j in range(60)])
    assert found.between == pytest.approx(np.cov(means.T, bias=True) - c.pooled / 6, abs=1e-9)


def test_the_chi_square_compares_with_a_matrix_that_is_a_covariance() -> None:
    """lavaan 0.6-14 after its EM (`em.h1.iter.max = 20000`): unrestricted -925.3740518, still rising; an indefinite matrix has -924.9112."""
    values, codes = sample(4, 2, 25, 0)
    data = pd.DataFrame(values, columns=["y1", "y2", "y3", "y4"]).assign(firm=codes)
    between = "\n".join(f"y{k} ~~ y{k}" for k in range(1, 5))
    model = ci.SEM(f"level: 1\nf =~ y1 + y2 + y3 + y4\nlevel: 2\n{between}", cluster="firm")
    fit = model.fit(data)
    assert fit.measures["unrestricted.logl"] == pytest.approx(-925.3392, abs=1e-4)
    assert fit.measures["unrestricted.logl"] > -925.3740518
    assert fit.measures["chisq"] == pytest.approx(21.9026061 + 2 * (925.3740518 - 925.3391956), abs=1e-4)
    notice = next(notice.text for notice in fit.notices if notice.code == "between_cov")
    assert "held at the bound of what is possible" in notice
