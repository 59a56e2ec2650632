"""Kernels: likelihoods, absorbing, sandwiches, the search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from cipa.numerics.algebra.derivatives import central_jacobian, complex_jacobian, jacobian
from cipa.numerics.algebra.linalg import cholesky_or_none, frozen, inverse_and_logdet, null_space, symmetric, vech
from cipa.numerics.moments.normal import evaluate, loglik, patterns_of, saturated
from cipa.numerics.panel.absorb import absorb
from cipa.numerics.panel.span import Effect
from cipa.numerics.sandwich import (
    bartlett,
    clustered_meat,
    driscoll_kraay_meat,
    intersect,
    multiway_meats,
    nearest_positive,
    newey_west_meat,
)
from cipa.numerics.search.optimize import minimize


def test_linear_algebra() -> None:
    A = np.array([[4.0, 1.0], [1.0, 3.0]])
    found = inverse_and_logdet(A)
    assert found is not None
    assert found[0] @ A == pytest.approx(np.eye(2))
    assert found[1] == pytest.approx(np.log(11))
    assert inverse_and_logdet(np.array([[1.0, 2.0], [2.0, 1.0]])) is None
    assert cholesky_or_none(-A) is None
    assert vech(A).tolist() == [4, 1, 3]
    assert vech(np.array([[1, 2, 3], [2, 4, 5], [3, 5, 6]])).tolist() == [1, 2, 3, 4, 5, 6]  # column by column
    assert symmetric(np.array([[1.0, 2.0], [0.0, 1.0]])).tolist() == [[1, 1], [1, 1]]
    N = null_space(np.array([[1.0, 1.0, 0.0]]))
    assert N.shape == (3, 2)
    assert null_space(np.full((2, 2), 1e-12)).shape == (2, 2)  # nothing but rounding has no rank
    assert np.abs(np.array([1.0, 1.0, 0.0]) @ N).max() < 1e-14
    with pytest.raises(ValueError, match="read-only"):
        frozen([1.0])[0] = 2


def test_the_likelihood_of_patterns_is_the_normal_density_of_what_was_seen() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 3))
    values[rng.random(values.shape) < 0.25] = np.nan
    values = values[~np.isnan(values).all(axis=1)]
    cov, mean = np.array([[1.0, 0.3, 0.1], [0.3, 1.2, 0.2], [0.1, 0.2, 0.8]]), np.array([0.1, -0.2, 0.3])
    expected = 0.0
    for row in values:
        seen = ~np.isnan(row)
        expected += multivariate_normal(mean[seen], cov[np.ix_(seen, seen)]).logpdf(row[seen])
    patterns = patterns_of(values)
    found = evaluate(patterns, cov, mean)
    assert found is not None
    assert loglik(patterns, found.value) == pytest.approx(expected, rel=1e-12)


def test_saturated_moments_are_a_maximum() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(200, 3)) @ np.array([[1, 0.5, 0.2], [0, 1, 0.3], [0, 0, 1]])
    values[rng.random(values.shape) < 0.2] = np.nan
    patterns = patterns_of(values[~np.isnan(values).all(axis=1)])
    best = saturated(patterns)
    assert best is not None
    assert best.converged
    for change in (0.01 * np.eye(3), -0.01 * np.eye(3), 0.01 * np.ones((3, 3))):
        near = evaluate(patterns, best.cov + change, best.mean)
        assert near is not None
        assert loglik(patterns, near.value) < best.loglik


def test_absorbing_is_projecting_off_the_dummies() -> None:
    rng = np.random.default_rng(2)
    n = 120
    codes = [rng.integers(0, size, n) for size in (9, 7, 5)]
    effects = [Effect(codes=np.unique(code, return_inverse=True)[1], levels=len(np.unique(code))) for code in codes]
    columns = np.asfortranarray(rng.normal(size=(n, 2)))
    weights = rng.uniform(0.5, 2, n)
    for used in (effects[:1], effects[:2], effects):
        for w in (None, weights):
            D = np.hstack([np.eye(effect.levels)[effect.codes] for effect in used])
            root = np.sqrt(np.ones(n) if w is None else w)[:, None]
            slopes = np.linalg.lstsq(D * root, columns * root, rcond=None)[0]
            found = absorb(columns, used, weights=w)
            assert found.converged
            assert found.values == pytest.approx(columns - D @ slopes, abs=1e-8)
            if len(used) < 3:
                assert found.rank == np.linalg.matrix_rank(D)


def test_sandwiches() -> None:
    rng = np.random.default_rng(3)
    scores, codes = rng.normal(size=(50, 2)), rng.integers(0, 6, 50)
    codes = np.unique(codes, return_inverse=True)[1]
    groups = int(codes.max()) + 1
    sums = np.array([scores[codes == g].sum(axis=0) for g in range(groups)])
    assert clustered_meat(scores, codes, groups) == pytest.approx(sums.T @ sums)
    alone = np.arange(50)
    parts = multiway_meats(scores, [codes, alone])
    total = sum(sign * part for part, sign, _ in parts)
    assert total == pytest.approx(sums.T @ sums)  # every row is its own cluster in the second way and in the intersection
    assert bartlett(2) == pytest.approx([2 / 3, 1 / 3])
    mended, changed = nearest_positive(np.diag([1.0, -0.5]))
    assert changed
    assert mended == pytest.approx(np.diag([1.0, 0.0]))


def test_groupings_that_differ_stay_apart_in_their_intersection() -> None:
    one, two = (part.ravel() for part in np.meshgrid(np.arange(3), np.arange(4), indexing="ij"))
    code, groups = intersect([one, two])
    assert groups == 12
    assert sorted(code.tolist()) == list(range(12))


def kernel(scores: np.ndarray, units: np.ndarray, periods: np.ndarray, lags: int) -> np.ndarray:
    """Sum over all pairs of rows of a unit of (1 - |t - s| / (L + 1)) s_t s_s', pair by pair."""
    total = np.zeros((scores.shape[1], scores.shape[1]))
    for a in range(len(scores)):
        for b in range(len(scores)):
            gap = abs(int(periods[a]) - int(periods[b]))
            if units[a] == units[b] and gap <= lags:
                total += (1 - gap / (lags + 1)) * np.outer(scores[a], scores[b])
    return total


@pytest.mark.parametrize("lags", [0, 1, 3, 4, 7])
def test_kernels_pair_by_pair(lags: int) -> None:
    rng = np.random.default_rng(5)
    entities, periods = np.repeat(np.arange(6), 5), np.tile(np.arange(5), 6)
    kept = rng.permutation(np.flatnonzero(rng.random(30) < 0.8))  # with gaps, in no order
    scores, entities, periods = rng.normal(size=(len(kept), 3)), entities[kept], periods[kept]
    assert newey_west_meat(scores, entities, periods, lags) == pytest.approx(kernel(scores, entities, periods, lags), abs=1e-12)
    together = kernel(scores, np.zeros(len(kept)), periods, lags)
    assert driscoll_kraay_meat(scores, periods, 5, lags) == pytest.approx(together, abs=1e-12)


def test_a_matrix_of_uneven_units_is_mended_on_its_unit_diagonal() -> None:
    units = np.array([1e-8, 1.0, 1e6])
    R = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    values, vectors = np.linalg.eigh(R)
    expected = (vectors * np.maximum(values, 0)) @ vectors.T
    mended, changed = nearest_positive(R * np.outer(units, units))
    assert changed
    assert mended / np.outer(units, units) == pytest.approx(expected, abs=1e-9)


def test_derivatives() -> None:
    def f(x: np.ndarray) -> np.ndarray:
        return np.array([np.exp(x[0]) * x[1], x[0] ** 2])

    point = np.array([0.3, -1.2])
    exact = np.array([[np.exp(0.3) * -1.2, np.exp(0.3)], [0.6, 0.0]])
    assert complex_jacobian(f, point) == pytest.approx(exact, rel=1e-14)
    assert central_jacobian(f, point) == pytest.approx(exact, rel=1e-8)
    assert jacobian(lambda x: np.abs(x), point) == pytest.approx(np.diag([1.0, -1.0]))


@dataclass(frozen=True)
class At:
    eta: np.ndarray
    value: float
    gradient: np.ndarray


class Rosenbrock:
    switch = 1e9

    def evaluate(self, eta: np.ndarray) -> At | None:
        x, y = eta
        if y > 50:
            return None
        return At(
            eta, float((1 - x) ** 2 + 100 * (y - x * x) ** 2), np.array([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)])
        )

    def curvature(self, point: At, *, exact: bool) -> np.ndarray:
        x, y = point.eta
        return np.array([[2 - 400 * (y - 3 * x * x), -400 * x], [-400 * x, 200.0]])


def test_the_search_finds_the_bottom_of_a_bent_valley() -> None:
    solution, point = minimize(Rosenbrock(), np.array([-1.2, 1.0]))
    assert solution.converged
    assert point is not None
    assert point.eta == pytest.approx([1, 1], abs=1e-8)


def test_a_search_that_is_cut_short_says_so() -> None:
    solution, _ = minimize(Rosenbrock(), np.array([-1.2, 1.0]), max_iterations=2)
    assert not solution.converged


def gaps(p: int, n: int, share: float, seed: int) -> np.ndarray:
    """Values on three factors, in units from 1e-4 to 1e4, with holes."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 3)) @ rng.normal(size=(3, p)) + rng.normal(size=(n, p))
    values = values * 10.0 ** rng.integers(-4, 5, p) + 3
    values[rng.random(values.shape) < share] = np.nan
    return values


@pytest.mark.parametrize(
    "which", [(9, 300, 0.15, 1), (9, 300, 0.5, 2), (3, 60, 0.3, 3), (20, 400, 0.1, 4), (50, 200, 0.05, 5)], ids=str
)
def test_unrestricted_moments_are_stationary_to_rounding(which: tuple[int, int, float, int]) -> None:
    """EM alone stops where moments are 3e-6 of a product of standard deviations off."""
    patterns = patterns_of(gaps(*which))
    found = saturated(patterns)
    assert found is not None
    assert found.converged
    here, sd = evaluate(patterns, found.cov, found.mean), np.sqrt(found.cov.diagonal())
    assert here is not None
    assert np.abs(here.W * np.outer(sd, sd)).max() < 1e-11
    assert np.abs(here.w * sd).max() < 1e-11


def test_moments_that_have_no_maximum_are_not_said_to_have_converged() -> None:
    """Twelve variables, a hundred cases, two of five values missing: the likelihood rises as the matrix becomes singular."""
    found = saturated(patterns_of(gaps(12, 60, 0.45, 0)))
    assert found is None or not found.converged
