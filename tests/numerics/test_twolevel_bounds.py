"""Where the two-level likelihood ends, where its search starts, and what the unrestricted moments may be."""

from __future__ import annotations

import numpy as np
import pytest

from cipa.numerics.algebra.linalg import Array, IntArray
from cipa.numerics.twolevel import complete, incomplete, kernel

ONE = np.array([0])


def two_in_each(count: int = 30, size: int = 4) -> tuple[Array, IntArray]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(count * size, 1)), np.repeat(np.arange(count), size)


@pytest.mark.parametrize("arrange", [complete.clusters_of, incomplete.incomplete_clusters])
@pytest.mark.parametrize(("least", "there"), [(1 / 5000, True), (1 / 20000, False)])
def test_the_likelihood_ends_at_a_ten_thousandth_of_the_variance_within(arrange: object, least: float, there: bool) -> None:
    """V = Sigma_B + Sigma_W / n of a negative Sigma_B, as a share of Sigma_W / n; n = 4."""
    values, codes = two_in_each()
    c = arrange(values, codes, within=ONE, between=ONE)  # type: ignore[operator]
    found = kernel.evaluate(c, np.array([[2.0]]), np.array([[-0.5 * (1 - least)]]), np.zeros(1))
    assert (found is not None) == there


@pytest.mark.parametrize(("share", "there"), [(1e-3, True), (1e-7, True), (1e-11, False)])
def test_a_quadratic_form_without_digits_has_no_likelihood(share: float, there: bool) -> None:
    """With missing values it is a difference, a share of the minuend like that of Sigma_W / n in the variance of a cluster mean.

    Before, two differences stood one in the other: at 1e-7 the log-likelihood of these 200 cases was .3 off.
    """
    rng = np.random.default_rng(2)
    codes = np.repeat(np.arange(40), 5)
    values = rng.normal(size=(40, 1))[codes] + np.sqrt(5 * share) * rng.normal(size=(200, 1))
    moments = np.array([[5 * share]]), np.eye(1), np.zeros(1)
    c = incomplete.incomplete_clusters(values, codes, within=ONE, between=ONE)
    found = incomplete.evaluate(c, *moments)
    assert (found is not None) == there
    plain = complete.evaluate(complete.clusters_of(values, codes, within=ONE, between=ONE), *moments)
    if found is not None:
        assert plain is not None
        assert found.value == pytest.approx(plain.value, rel=1e-9)
        np.testing.assert_allclose(found.B, plain.B, rtol=1e-6)


def test_one_case_more_than_clusters_leaves_one_contrast() -> None:
    values, codes = np.array([[1.0], [4.0], [2.0]]), np.array([0, 0, 1])
    assert complete.clusters_of(values, codes, within=ONE, between=ONE).pooled == pytest.approx(np.array([[4.5]]))


def holed(share: float) -> tuple[Array, IntArray]:
    """Four variables, the last between only (and missing in some clusters); clusters of 1 to 6."""
    rng = np.random.default_rng(4)
    codes = np.repeat(np.arange(50), rng.integers(1, 7, 50))
    between = rng.normal(size=(50, 4)) + rng.normal(size=(50, 1))
    values = between[codes] + rng.normal(size=(len(codes), 4)) * [1.0, 2.0, 0.5, 0.0]
    values[:, :3][rng.random((len(codes), 3)) < share] = np.nan
    values[np.isin(codes, np.flatnonzero(rng.random(50) < share)), 3] = np.nan
    return values, codes


def available(values: Array, codes: IntArray) -> tuple[Array, Array, Array]:
    """Pooled products of what is seen (of both, for two variables) about cluster means, those of cluster means, and mu."""
    count, p = int(codes.max()) + 1, values.shape[1]
    means = np.full((count, p), np.nan)
    for j in range(count):
        for a in range(p):
            seen = values[codes == j, a]
            seen = seen[~np.isnan(seen)]
            means[j, a] = seen.mean() if len(seen) else np.nan
    mu = np.nanmean(means, axis=0)
    W, B = np.zeros((3, 3)), np.zeros((p, p))
    there = ~np.isnan(values)
    for a in range(3):
        for b in range(3):
            both = there[:, a] & there[:, b]
            apart = (values - means[codes])[both]
            clusters = (~np.isnan(means[:, a]) & ~np.isnan(means[:, b])).sum()
            W[a, b] = (apart[:, a] * apart[:, b]).sum() / (both.sum() - clusters)
    gaps = means - mu
    for a in range(p):
        for b in range(p):
            B[a, b] = np.nanmean(gaps[:, a] * gaps[:, b])
    B[:3, :3] -= W * np.mean(1 / np.bincount(codes))
    return W, B, mu


def test_starting_moments_are_those_of_available_values() -> None:
    inner, outer = np.arange(3), np.arange(4)
    values, codes = holed(0.0)
    W, B, mu = complete.starting_moments(complete.clusters_of(values, codes, within=inner, between=outer))
    for here, there in zip((W, B, mu), available(values, codes), strict=True):
        assert here == pytest.approx(there, rel=1e-12)
    values, codes = holed(0.2)
    W, B, mu = incomplete.starting_moments(incomplete.incomplete_clusters(values, codes, within=inner, between=outer))
    for here, there in zip((W, B, mu), available(values, codes), strict=True):
        assert here == pytest.approx(there, rel=1e-12)


def test_starting_moments_are_positive_in_any_units() -> None:
    """Two variables that are nearly the same: the least eigenvalue, in standard deviations, is a hundredth."""
    rng = np.random.default_rng(6)
    codes = np.repeat(np.arange(30), 5)
    values = rng.normal(size=(30, 1))[codes] + rng.normal(size=(150, 1)) + 1e-3 * rng.normal(size=(150, 2))
    values[3, 0] = np.nan
    every = np.arange(2)
    for unit in (1.0, 1e3):
        scaled = values * [1.0, unit]
        c = incomplete.incomplete_clusters(scaled, codes, within=every, between=every)
        W = incomplete.starting_moments(c)[0]
        assert np.linalg.eigvalsh(W / np.sqrt(np.outer(W.diagonal(), W.diagonal())))[0] == pytest.approx(0.01, rel=0.02)
        smooth = complete.smooth(np.array([[1.0, unit], [unit, unit**2]]), np.array([1.0, unit**2]))
        assert smooth / np.outer([1, unit], [1, unit]) == pytest.approx(np.array([[1.005, 0.995], [0.995, 1.005]]))


def test_variances_of_the_masked_form_may_be_negative() -> None:
    """The baseline is a model like others; the unrestricted Sigma_B is a covariance matrix (here on its bound)."""
    rng = np.random.default_rng(3)
    codes = np.repeat(np.arange(40), 5)
    values = rng.normal(size=(200, 2))
    values -= 0.9 * np.array([values[codes == j].mean(axis=0) for j in range(40)])[codes]
    every = np.arange(2)
    c = complete.clusters_of(values, codes, within=every, between=every)
    masked = kernel.unrestricted(c, within=np.eye(2, dtype=bool), between=np.eye(2, dtype=bool))
    free = kernel.unrestricted(c)
    assert masked is not None
    assert free is not None
    assert (masked.converged, masked.bounded) == (True, False)
    assert (masked.between.diagonal() < -0.01).all()
    assert (free.converged, free.bounded) == (True, True)
    assert free.between == pytest.approx(np.zeros((2, 2)), abs=1e-9)


UNITS = np.array([1.0, 200.0, 0.02, 5.0, 0.4, 30.0])
ROOTS = [
    (3.0, 1 + 2e-5, 0.5), (3.0, 1.002, 0.999), (0.9, 0.5, 0.3), (5.0, 1 - 1e-5, 0.2), (3.0, 2.0, 1 - 1e-5), (1.3, 1.2, 1.1),
    (1 + 1e-4, 0.8, 0.6), (3.0, 1.01, 1 + 2e-5, 0.5), (4.0, 1.01, 1.008, 1.006, 1.004, 0.5),
]  # fmt: skip
"""Eigenvalues of the covariance of cluster means against Sigma_W / n: above 1 there is variance between clusters."""


def balanced(roots: tuple[float, ...], *, clusters: int = 40, size: int = 5) -> tuple[Array, IntArray, Array]:
    """Cases whose pooled covariance is T T' and whose cluster means have T diag(roots) T' / size, to rounding; and T (p, p)."""
    rng, p = np.random.default_rng(8), len(roots)
    T = UNITS[:p, None] * (np.eye(p) + 0.3 * rng.normal(size=(p, p)))
    codes = np.repeat(np.arange(clusters), size)
    means = rng.normal(size=(clusters, p))
    means -= means.mean(axis=0)
    means = means @ np.linalg.inv(np.linalg.cholesky(means.T @ means / clusters)).T * np.sqrt(np.array(roots) / size)
    apart = rng.normal(size=(len(codes), p))
    apart -= np.array([apart[codes == j].mean(axis=0) for j in range(clusters)])[codes]
    apart = apart @ np.linalg.inv(np.linalg.cholesky(apart.T @ apart / (len(codes) - clusters))).T
    return (means[codes] + apart) @ T.T, codes, T


@pytest.mark.parametrize("arrange", [complete.clusters_of, incomplete.incomplete_clusters])
@pytest.mark.parametrize("roots", ROOTS, ids=str)
def test_balanced_clusters_have_closed_forms_on_the_bound_too(roots: tuple[float, ...], arrange: object) -> None:
    """Roots below 1 have no variance between, and pool both levels (Anderson, B. M., Anderson, T. W. & Olkin, I. 1986).

    Annals of Statistics, 14, 405-417: with Sigma_W = T T', Sigma_B = T diag(max(root - 1, 0) / n) T' and Sigma_W = T diag(1 or (n -
    1 + root) / n) T'.
    """
    values, codes, T = balanced(roots)
    every, unit = np.arange(len(roots)), UNITS[: len(roots)]
    found = kernel.unrestricted(arrange(values, codes, within=every, between=every))  # type: ignore[operator]
    assert found is not None
    root = np.array(roots)
    assert (found.converged, found.bounded) == (True, bool((root < 1).any()))
    units = np.outer(unit, unit)
    B = T * np.maximum(root - 1, 0.0) / 5 @ T.T
    W = T * np.where(root > 1, 1.0, (4 + root) / 5) @ T.T
    assert found.between / units == pytest.approx(B / units, abs=1e-9)
    assert found.within / units == pytest.approx(W / units, abs=1e-9)
    assert found.mean / unit == pytest.approx(np.zeros(len(unit)), abs=1e-9)
