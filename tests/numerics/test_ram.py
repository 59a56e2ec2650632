"""The reticular action model: its derivatives are difference quotients, by entries of A, S and M at random places."""

from __future__ import annotations

import numpy as np
import pytest

from cipa.numerics.algebra.linalg import Array
from cipa.numerics.moments import ram

SIZE, OBSERVED = 6, 4
KIND = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
ROW = np.array([0, 1, 2, 5, 1, 3, 4, 5, 0, 4])
COL = np.array([4, 4, 5, 4, 1, 0, 4, 4, 0, 0])
PLACES = ram.Places(kind=KIND, row=ROW, col=COL)
STEP = 1e-5


def base() -> ram.Matrices:
    rng = np.random.default_rng(1)
    A, root = np.zeros((SIZE, SIZE)), rng.normal(size=(SIZE, 2 * SIZE))
    A[3, 5], A[1, 0], A[4, 5] = 0.4, -0.3, 0.2  # feedback: 5 <- 4 is free
    return ram.Matrices(A=A, S=root @ root.T / SIZE, M=rng.normal(size=SIZE), observed=OBSERVED)


def start() -> Array:
    rng = np.random.default_rng(2)
    theta = 0.5 * rng.normal(size=len(KIND))
    theta[4:8] = [2.0, 0.1, 3.0, 0.4]
    return theta


def moments(theta: Array) -> ram.Implied:
    found = ram.implied(ram.place(PLACES, theta, base()))
    assert found is not None
    return found


def differences(f: object, theta: Array) -> Array:
    """Difference quotients (..., k) of an array-valued function."""
    steps = STEP * np.eye(len(theta))
    return np.stack([(f(theta + e) - f(theta - e)) / (2 * STEP) for e in steps], axis=-1)  # type: ignore[operator]


def stacked(theta: Array) -> Array:
    here = moments(theta)
    return np.concatenate([here.cov[np.tril_indices(OBSERVED)], here.mean])


def weights() -> tuple[Array, Array]:
    rng = np.random.default_rng(3)
    root = rng.normal(size=(OBSERVED, OBSERVED))
    return root + root.T, rng.normal(size=OBSERVED)


def test_implied_moments_are_those_of_the_reduced_form() -> None:
    theta = start()
    put = ram.place(PLACES, theta, base())
    for k, (kind, row, col) in enumerate(zip(KIND, ROW, COL, strict=True)):
        there = ((put.A[row, col],), (put.S[row, col], put.S[col, row]), (put.M[row],))[kind]
        assert set(there) == {theta[k]}
    B = np.linalg.inv(np.eye(SIZE) - put.A)
    here = moments(theta)
    np.testing.assert_allclose(here.cov, (B @ put.S @ B.T)[:OBSERVED, :OBSERVED], rtol=1e-12)
    np.testing.assert_allclose(here.mean, (B @ put.M)[:OBSERVED], rtol=1e-12)


def test_a_feedback_loop_that_explodes_has_no_moments() -> None:
    A = np.zeros((2, 2))
    A[0, 1] = A[1, 0] = 1.0
    assert ram.implied(ram.Matrices(A=A, S=np.eye(2), M=np.zeros(2), observed=2)) is None


def test_jacobian_and_gradient_are_difference_quotients() -> None:
    theta = start()
    parts = ram.factors(moments(theta), PLACES)
    jacobian = ram.jacobian(parts, with_means=True)
    np.testing.assert_allclose(jacobian, differences(stacked, theta), atol=1e-8)
    size = OBSERVED * (OBSERVED + 1) // 2
    np.testing.assert_array_equal(ram.jacobian(parts, with_means=False), jacobian[:size])
    W, w = weights()
    slope = differences(lambda x: np.sum(W * moments(x).cov) / 2 - w @ moments(x).mean, theta)
    np.testing.assert_allclose(ram.gradient(parts, W, w), slope, atol=1e-8)


def test_second_derivatives_are_difference_quotients_of_the_gradient() -> None:
    theta = start()
    W, w = weights()
    bend = differences(lambda x: ram.gradient(ram.factors(moments(x), PLACES), W, w), theta)
    np.testing.assert_allclose(ram.second_order(moments(theta), PLACES, W, w), bend, atol=1e-7)


def brute(parts: ram.Factors, P: Array, R: Array, Pd: Array, spread: Array) -> Array:
    """The formula of `curvature` for one pattern, from the matrices dSigma (k, p, p) and dmu (k, p)."""
    dS = np.einsum("ak,bk->kab", parts.U, parts.V)
    dS, dmu = (dS + np.swapaxes(dS, 1, 2)) * spread[:, None, None], (parts.U * parts.t).T
    cross = np.einsum("a,kab,bc,lc->kl", Pd, dS, P, dmu)
    return np.asarray(np.einsum("ab,kbc,cd,lda->kl", P, dS, R, dS) / 2 + cross + cross.T + dmu @ P @ dmu.T)


@pytest.mark.parametrize("patterns", [1, 3])
def test_curvature_and_information_are_traces_of_dense_matrices(patterns: int) -> None:
    rng = np.random.default_rng(4)
    parts = ram.factors(moments(start()), PLACES)
    roots = rng.normal(size=(2, patterns, OBSERVED, OBSERVED))
    P, Q = roots @ np.swapaxes(roots, -1, -2)
    Pd, shares, spread = rng.normal(size=(patterns, OBSERVED)), rng.random(patterns), rng.random((patterns, len(KIND)))
    for own in (spread, None):
        dense = sum(
            shares[r] * brute(parts, P[r], 2 * Q[r] - P[r], Pd[r], np.ones(len(KIND)) if own is None else own[r])
            for r in range(patterns)
        )
        symmetric = (np.asarray(dense) + np.asarray(dense).T) / 2
        np.testing.assert_allclose(ram.curvature(parts, P, Q, Pd, shares, spread=own), symmetric, rtol=1e-10, atol=1e-10)
    plain = brute(parts, P[0], P[0], np.zeros(OBSERVED), np.ones(len(KIND)))
    np.testing.assert_allclose(ram.expected_information(parts, P[0]), plain, rtol=1e-10, atol=1e-10)


def test_many_patterns_are_summed_in_pieces() -> None:
    """More than a piece holds (2^18 / k^2)."""
    rng = np.random.default_rng(5)
    parts = ram.factors(moments(start()), PLACES)
    count = 2**18 // len(KIND) ** 2 + 7
    P = np.broadcast_to(np.eye(OBSERVED), (count, OBSERVED, OBSERVED))
    shares = rng.random(count)
    one = ram.curvature(parts, P[:1], P[:1], np.zeros((1, OBSERVED)), np.ones(1))
    total = ram.curvature(parts, P, P, np.zeros((count, OBSERVED)), shares)
    np.testing.assert_allclose(total, one * shares.sum(), rtol=1e-10, atol=1e-10)


def test_replicates_are_the_same_one_by_one() -> None:
    thetas = start() + 0.01 * np.random.default_rng(6).normal(size=(5, len(KIND)))
    together = ram.implied(ram.place(PLACES, thetas, base()))
    assert together is not None
    W, w = weights()
    W5, w5 = np.broadcast_to(W, (5, *W.shape)), np.broadcast_to(w, (5, *w.shape))
    parts = ram.factors(together, PLACES)
    gradients, bends = ram.gradient(parts, W5, w5), ram.second_order(together, PLACES, W5, w5)
    for k, theta in enumerate(thetas):
        alone = moments(theta)
        np.testing.assert_allclose(together.cov[k], alone.cov, rtol=1e-12)
        np.testing.assert_allclose(gradients[k], ram.gradient(ram.factors(alone, PLACES), W, w), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(bends[k], ram.second_order(alone, PLACES, W, w), rtol=1e-10, atol=1e-12)
