"""The two-level kernel: against the dense normal density, difference quotients, and closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from difference_quotients import assert_derivatives
from scipy.stats import multivariate_normal

from cipa.numerics.algebra.linalg import Array
from cipa.numerics.moments import normal
from cipa.numerics.twolevel import complete, incomplete, kernel
from cipa.numerics.twolevel.complete import Clusters

WITHIN, BETWEEN = np.array([0, 1, 2]), np.array([0, 1, 3])
"""Variables 0 and 1 stand on both levels, 2 within only, 3 between only."""


def moments(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    inner, outer = rng.normal(size=(3, 6)), rng.normal(size=(3, 6))
    return inner @ inner.T / 6 + 0.3 * np.eye(3), outer @ outer.T / 6 + 0.2 * np.eye(3), rng.normal(size=4)


def sample(sizes: list[int], seed: int = 3) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    W, B, mu = moments(rng)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    values = np.tile(mu, (len(codes), 1))
    values[:, WITHIN] += rng.multivariate_normal(np.zeros(3), W, size=len(codes))
    values[:, BETWEEN] += rng.multivariate_normal(np.zeros(3), B, size=len(sizes))[codes]
    order = rng.permutation(len(codes))
    return values[order], codes[order]


def clusters(sizes: list[int], seed: int = 3) -> Clusters:
    return complete.clusters_of(*sample(sizes, seed), within=WITHIN, between=BETWEEN)


SIZES = [1, 2, 2, 3, 5, 5, 5, 1, 4, 7, 3, 3]


def dense(values: Array, codes: Array, W: Array, B: Array, mu: Array) -> Array:
    """Log density (J,) of each cluster, from the covariance matrix of all its numbers."""
    found = []
    for j in range(int(codes.max()) + 1):
        own = values[codes == j]
        n = len(own)
        V = np.zeros((3 * n + 1, 3 * n + 1))
        V[: 3 * n, : 3 * n] = np.kron(np.eye(n), W)
        full = np.zeros((4, 4))
        full[np.ix_(BETWEEN, BETWEEN)] = B
        V[: 3 * n, : 3 * n] += np.kron(np.ones((n, n)), full[:3, :3])
        V[-1, -1] = full[3, 3]
        V[-1, : 3 * n] = V[: 3 * n, -1] = np.tile(full[3, :3], n)
        x, centre = np.append(own[:, :3].ravel(), own[0, 3]), np.append(np.tile(mu[:3], n), mu[3])
        found.append(multivariate_normal.logpdf(x, centre, V))
    return np.array(found)


def test_likelihood_is_that_of_the_stacked_normal_density() -> None:
    W, B, mu = moments(np.random.default_rng(9))
    found = complete.evaluate(clusters(SIZES), W, B, mu)
    assert found is not None
    assert complete.loglik(clusters(SIZES), found.value) == pytest.approx(dense(*sample(SIZES), W, B, mu).sum(), rel=1e-12)


def everything(c: Clusters) -> kernel._Free:
    lower = np.nonzero(np.tril(np.ones((3, 3))))
    return kernel._Free(clusters=c, inner=lower, outer=lower, parts=kernel._unit_parts(c, lower, lower))


def place(W: Array, B: Array, mu: Array) -> Array:
    lower = np.nonzero(np.tril(np.ones((3, 3))))
    return np.concatenate([W[lower], B[lower], mu])


def test_gradient_hessian_and_scores_are_difference_quotients() -> None:
    c = clusters(SIZES)
    problem, eta, h = everything(c), place(*moments(np.random.default_rng(4))), 1e-5
    assert_derivatives(problem, eta)
    here = problem.evaluate(eta)
    assert here is not None
    values, codes = sample(SIZES)
    apart = [(dense(values, codes, *problem.moments(eta + h * e)) - dense(values, codes, *problem.moments(eta - h * e))) / (2 * h)
             for e in np.eye(len(eta))]  # fmt: skip
    assert complete.scores(here.found, here.parts, c) == pytest.approx(np.array(apart).T, rel=1e-5, abs=1e-6)


def test_expected_information_is_the_observed_one_of_expected_moments() -> None:
    W, B, mu = moments(np.random.default_rng(3))
    c = clusters(SIZES)
    V = np.zeros((len(c.sizes), 4, 4))
    V[:, :3, :3] = W / c.sizes[:, None, None]
    V[:, BETWEEN[:, None], BETWEEN] += B
    problem = everything(replace(c, pooled=W, covs=V, means=np.tile(mu, (len(c.sizes), 1))))
    here, there = problem.evaluate(place(W, B, mu)), everything(c).evaluate(place(W, B, mu))
    assert here is not None
    assert there is not None
    observed, expected = problem.curvature(here, exact=True), everything(c).curvature(there, exact=False)
    assert observed == pytest.approx(expected, abs=1e-12)
    assert np.linalg.eigvalsh(expected)[0] > 0


def test_without_variance_between_the_likelihood_is_that_of_one_level() -> None:
    values, codes = sample(SIZES)
    every = np.arange(3)
    c = complete.clusters_of(values[:, :3], codes, within=every, between=every)
    W, _, mu = moments(np.random.default_rng(5))
    two = complete.evaluate(c, W, np.zeros((3, 3)), mu[:3])
    patterns = normal.patterns_of(values[:, :3])
    one = normal.evaluate(patterns, W, mu[:3])
    assert two is not None
    assert one is not None
    assert complete.loglik(c, two.value) == pytest.approx(normal.loglik(patterns, one.value), rel=1e-13)


def test_balanced_clusters_have_closed_forms() -> None:
    """Sigma_W = S_PW and Sigma_B = S_B - S_PW / n, S_B the covariance of the cluster means (Muthén 1994, eqs. 12-15)."""
    values, codes = sample([6] * 40)
    every = np.arange(3)
    c = complete.clusters_of(values[:, :3], codes, within=every, between=every)
    found = kernel.unrestricted(c)
    assert found is not None
    means = np.array([values[codes == j, :3].mean(axis=0) for j in range(40)])
    assert found.within == pytest.approx(c.pooled, rel=1e-9)
    assert found.between == pytest.approx(np.cov(means.T, bias=True) - c.pooled / 6, abs=1e-9)
    assert found.mean == pytest.approx(means.mean(axis=0), rel=1e-9)


def test_unrestricted_moments_are_stationary_and_keep_their_zeros() -> None:
    c = clusters(SIZES * 5)
    for mask in (None, np.eye(3, dtype=bool)):
        found = kernel.unrestricted(c, within=mask, between=mask)
        assert found is not None
        assert found.converged
        assert np.abs(complete.scores(found.found, found.parts, c).sum(axis=0)).max() < 1e-6
        if mask is not None:
            assert found.within[~mask].tolist() == found.between[~mask].tolist() == [0.0] * 6


def test_an_impossible_covariance_has_no_likelihood() -> None:
    W, B, mu = moments(np.random.default_rng(2))
    c = clusters(SIZES)
    assert complete.evaluate(c, -W, B, mu) is None
    assert complete.evaluate(c, W, B - 10 * np.eye(3), mu) is None
    assert complete.evaluate(c, W, B - 0.001 * np.eye(3), mu) is not None


def holed(sizes: list[int]) -> tuple[Array, Array]:
    values, codes = sample(sizes)
    rng = np.random.default_rng(8)
    hole = rng.random((len(codes), 3)) < 0.25
    hole[hole.all(axis=1)] = False
    values[:, :3][hole] = np.nan
    values[np.isin(codes, (1, 4)), 3] = np.nan  # no between-only value in two clusters
    return values, codes


def dense_incomplete(values: Array, codes: Array, W: Array, B: Array, mu: Array) -> Array:
    """Log density (J,) of what was seen of each cluster, from the covariance matrix of all its numbers."""
    found = []
    for j in range(int(codes.max()) + 1):
        own = values[codes == j]
        n = len(own)
        full, V = np.zeros((4, 4)), np.zeros((3 * n + 1, 3 * n + 1))
        full[np.ix_(BETWEEN, BETWEEN)] = B
        V[: 3 * n, : 3 * n] = np.kron(np.eye(n), W) + np.kron(np.ones((n, n)), full[:3, :3])
        V[-1, -1] = full[3, 3]
        V[-1, : 3 * n] = V[: 3 * n, -1] = np.tile(full[3, :3], n)
        x, centre = np.append(own[:, :3].ravel(), own[0, 3]), np.append(np.tile(mu[:3], n), mu[3])
        seen = ~np.isnan(x)
        found.append(multivariate_normal.logpdf(x[seen], centre[seen], V[np.ix_(seen, seen)]))
    return np.array(found)


def test_with_missing_values_likelihood_and_scores_are_those_of_the_stacked_density() -> None:
    values, codes = holed(SIZES)
    c = incomplete.incomplete_clusters(values, codes, within=WITHIN, between=BETWEEN)
    W, B, mu = moments(np.random.default_rng(9))
    found = incomplete.evaluate(c, W, B, mu)
    assert found is not None
    assert incomplete.loglik(c, found.value) == pytest.approx(dense_incomplete(values, codes, W, B, mu).sum(), rel=1e-12)
    problem, eta, h = everything(c), place(W, B, mu), 1e-5
    apart = [(dense_incomplete(values, codes, *problem.moments(eta + h * e)) - dense_incomplete(values, codes, *problem.moments(eta - h * e)))
             / (2 * h) for e in np.eye(len(eta))]  # fmt: skip
    assert incomplete.scores(found, problem.parts, c) == pytest.approx(np.array(apart).T, rel=1e-5, abs=1e-6)


def test_with_missing_values_gradient_and_hessian_are_difference_quotients() -> None:
    c = incomplete.incomplete_clusters(*holed(SIZES), within=WITHIN, between=BETWEEN)
    assert_derivatives(everything(c), place(*moments(np.random.default_rng(4))))


def test_without_missing_values_both_kernels_agree() -> None:
    values, codes = sample(SIZES)
    one, two = clusters(SIZES), incomplete.incomplete_clusters(values, codes, within=WITHIN, between=BETWEEN)
    W, B, mu = moments(np.random.default_rng(6))
    parts = everything(one).parts
    a, b = kernel.evaluate(one, W, B, mu), kernel.evaluate(two, W, B, mu)
    assert a is not None
    assert b is not None
    assert kernel.loglik(two, b.value) == pytest.approx(kernel.loglik(one, a.value), rel=1e-13)
    assert kernel.gradient(b, parts, two) == pytest.approx(kernel.gradient(a, parts, one), abs=1e-12)
    assert kernel.scores(b, parts, two) == pytest.approx(kernel.scores(a, parts, one), abs=1e-9)
    for observed in (True, False):
        mine, theirs = (kernel.curvature(found, parts, c, observed=observed) for found, c in ((b, two), (a, one)))
        assert mine == pytest.approx(theirs, abs=1e-12), observed


def test_unrestricted_moments_with_missing_values_are_stationary() -> None:
    c = incomplete.incomplete_clusters(*holed(SIZES * 5), within=WITHIN, between=BETWEEN)
    found = kernel.unrestricted(c)
    assert found is not None
    assert (found.converged, found.bounded) == (True, False)
    assert np.abs(kernel.scores(found.found, found.parts, c).sum(axis=0)).max() < 1e-6
