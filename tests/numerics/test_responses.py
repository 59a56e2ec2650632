"""Moments of ordered and continuous variables: derivatives against difference quotients, and what missing cases must not change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr, ndtri

from cipa.numerics.algebra.derivatives import central_jacobian
from cipa.numerics.responses import polychoric, stages
from cipa.numerics.responses.stages import Margin, Moments, moments_of

SIZES = [4, 2, 0, 3, 0]


def sample(*, n: int = 240, seed: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Two of three and four categories, one of two, two continuous ones of unlike scale; and two covariates."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    y = x @ rng.uniform(-0.4, 0.6, size=(2, 5)) + rng.normal(size=(n, 1)) * 0.7 + rng.normal(size=(n, 5)) * 0.8
    cuts: list[Any] = [[-0.8, 0.1, 0.9], [0.3], None, [-0.4, 0.7], None]
    columns = [100 * y[:, j] + 7 if cut is None else np.digitize(y[:, j], cut) for j, cut in enumerate(cuts)]
    return np.column_stack(columns).astype(float), x


def estimates(moments: Moments) -> np.ndarray:
    return np.concatenate([moments.thresholds, moments.means, moments.slopes.ravel(), moments.cov.ravel()])


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
@pytest.mark.parametrize("covariates", [False, True], ids=["alone", "covariates"])
def test_cases_without_any_answer_change_no_estimate_and_no_error(covariates: bool, weighted: bool) -> None:
    """Gamma is n times a covariance, so that it grows with the cases that are counted in n."""
    values, x = sample()
    n, empty = len(values), 60
    weights = np.random.default_rng(1).uniform(0.5, 1.5, size=n + empty)
    longer = np.vstack([values, np.full((empty, values.shape[1]), np.nan)])
    wider = np.vstack([x, np.random.default_rng(6).normal(size=(empty, 2))])
    seen = moments_of(values, SIZES, x if covariates else None, weights=weights[:n] if weighted else None)
    found = moments_of(longer, SIZES, wider if covariates else None, weights=weights if weighted else None)
    np.testing.assert_allclose(estimates(found), estimates(seen), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.gamma / (n + empty), seen.gamma / n, rtol=1e-8, atol=1e-10)


def test_a_variable_that_some_did_not_answer_is_estimated_from_those_who_did() -> None:
    values, x = sample()
    holed = values.copy()
    holed[::3, 0] = np.nan
    holed[1::4, 2] = np.nan
    found, alone = moments_of(holed, SIZES, x), moments_of(values, SIZES, x)
    for j, kind in ((0, 4), (2, 0)):
        some = ~np.isnan(holed[:, j])
        own = moments_of(values[some][:, [j]], [kind], x[some])
        assert found.slopes[j] == pytest.approx(own.slopes[0], rel=1e-10)
        assert found.cov[j, j] == pytest.approx(own.cov[0, 0], rel=1e-12)
        if kind:
            np.testing.assert_allclose(found.gamma[:3, :3] / len(values), own.gamma[:3, :3] / some.sum(), rtol=1e-9)
    both = ~np.isnan(holed[:, [0, 2]]).any(axis=1)
    assert 0 < both.sum() < len(values)
    np.testing.assert_allclose(found.cov[3, 4], alone.cov[3, 4], rtol=1e-12)  # a pair without holes


def margins() -> list[Margin]:
    values, x = sample(n=40)
    return [stages._margin(values[:, j], SIZES[j], x, np.ones(len(values))) for j in range(len(SIZES))]


def moved(margin: Margin, first: float, second: float) -> Margin:
    """A variable whose edges, or whose mean and variance, are a little others."""
    if margin.ordered:
        return replace(margin, lower=margin.lower + first, upper=margin.upper + second)
    mean, variance = margin.z * margin.sd - first, margin.params[-1] + second
    return replace(margin, z=mean / np.sqrt(variance), params=np.append(margin.params[:-1], variance))


PAIRS = {"ordered": (0, 3), "fourfold": (1, 3), "ordered and continuous": (0, 2), "continuous": (2, 4)}
KINDS = {
    "ordered": "_both_ordered",
    "fourfold": "_both_ordered",
    "ordered and continuous": "_polyserial",
    "continuous": "_both_continuous",
}


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.35])
@pytest.mark.parametrize("pair", PAIRS)
def test_the_derivatives_of_a_pair_are_those_of_its_density(pair: str, rho: float) -> None:
    """At correlations at which no cell is so rare that the rounding of its probability shows."""
    one, two = (margins()[j] for j in PAIRS[pair])
    kind = getattr(stages, KINDS[pair])
    _, slope, waves, others = kind(rho, one, two)
    quotient = central_jacobian(lambda at: kind(float(at[0]), one, two)[0], np.array([rho]))[:, 0]
    np.testing.assert_allclose(slope, quotient, rtol=1e-6, atol=1e-7)

    def log_density(at: np.ndarray) -> np.ndarray:
        scale = [1.0 if margin.ordered else margin.sd for margin in (one, one, two, two)]
        steps = at * scale
        return np.asarray(kind(rho, moved(one, steps[0], steps[1]), moved(two, steps[2], steps[3]))[0])

    scale = np.array([1.0 if margin.ordered else margin.sd for margin in (one, one, two, two)])
    quotients = central_jacobian(log_density, np.zeros(4))
    np.testing.assert_allclose(np.column_stack([*waves, *others]) * scale, quotients, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.5, -0.5, 0.6, 0.75, -0.75, 0.9, 0.925, -0.925, 0.97, -0.99])
def test_the_bivariate_normal_distribution_is_exact_to_rounding(rho: float) -> None:
    """At and between the limits of the rules, against adaptive quadrature of the same integral (Plackett 1954)."""
    places = np.random.default_rng(0).normal(size=(2, 25)) * 1.5

    def integral(x: float, y: float) -> float:
        def height(angle: float) -> float:
            return float(np.exp(-(x * x + y * y - 2 * x * y * np.sin(angle)) / (2 * np.cos(angle) ** 2)))

        return float(ndtr(x) * ndtr(y)) + quad(height, 0, np.arcsin(rho), epsabs=1e-14, epsrel=1e-12)[0] / (2 * np.pi)

    expected = [integral(x, y) for x, y in places.T]
    np.testing.assert_allclose(polychoric.bivariate_normal(*places, np.array(rho)), expected, rtol=0, atol=1e-13)


def test_variables_that_are_one_or_each_other_reversed() -> None:
    x, y = np.meshgrid(np.linspace(-3, 3, 13), np.linspace(-3, 3, 13))
    found = [polychoric.bivariate_normal(x, y, np.array(rho)) for rho in (1.0, -1.0)]
    np.testing.assert_allclose(found[0], ndtr(np.minimum(x, y)), atol=1e-12)
    np.testing.assert_allclose(found[1], np.maximum(ndtr(x) + ndtr(y) - 1, 0), atol=1e-12)


def test_a_step_that_is_too_long_is_halved() -> None:
    """Two cases that pull apart: their squared scores understate the curvature, so that near the top steps are far too long."""
    one, two = (replace(margin, z=np.array([-1.0, 1.0]), weights=np.ones(2)) for margin in margins()[2::2])

    def kind(rho: float, *_: Any) -> tuple[Any, ...]:
        away = np.arctanh(rho) - np.array([0.49, 0.51])
        return -(away**2), -2 * away / (1 - rho**2), (), ()

    rho, converged = stages._search(kind, one, two, np.ones(2, dtype=np.bool_))
    assert converged
    assert rho == pytest.approx(np.tanh(0.5), abs=1e-12)


ODD = {
    "opposite ends": ([[3, 0, 0, 2], [0, 7, 32, 0]], 0.13878),
    "against the order": ([[0, 23, 0], [11, 0, 1]], -0.69457),
    "a diagonal out of order": ([[36, 0, 0], [0, 0, 3], [0, 16, 0]], 0.82630),
    "two stray cases": ([[7, 0, 14, 0], [0, 0, 34, 0], [0, 2, 0, 30]], 0.85115),
}
"""Tables that two normal variables hardly give: the likelihood is bent up to three times as much as it is expected to be."""


def thresholds(counts: np.ndarray) -> list[np.ndarray]:
    """Of both variables of a table (K1, K2), with infinite ends, as a stack of one."""
    shares = [np.cumsum(counts.sum(axis=side))[:-1] / counts.sum() for side in (1, 0)]
    return [np.concatenate([[-np.inf], ndtri(share), [np.inf]])[None] for share in shares]


def case_by_case(counts: np.ndarray) -> tuple[float, bool]:
    rows = np.array([cell for cell, count in np.ndenumerate(counts) for _ in range(int(count))], dtype=float)
    each = [stages._margin(rows[:, j], counts.shape[j], np.empty((len(rows), 0)), np.ones(len(rows))) for j in (0, 1)]
    return stages._search(stages._both_ordered, *each, np.ones(len(rows), dtype=np.bool_))


@pytest.mark.parametrize("name", ODD)
def test_the_likelihood_of_an_odd_table_is_stationary(name: str) -> None:
    """Steps by the expected information went to and fro past these maxima, and ended beside them (.14015 for .13878)."""
    counts, rho = np.array(ODD[name][0], dtype=float), ODD[name][1]
    edges = thresholds(counts)
    found, converged = polychoric.table_correlations(counts[None], *edges)
    assert converged.all()
    assert found[0] == pytest.approx(rho, abs=1e-5)
    assert abs(polychoric._likelihood(np.arctanh(found), counts[None], *edges)[1][0]) < 1e-8
    alone, ended = case_by_case(counts)
    assert ended
    assert alone == pytest.approx(found[0], abs=1e-9)


@pytest.mark.parametrize(
    "counts", [[[17, 11, 0], [0, 16, 26], [0, 0, 2]], [[28, 0], [19, 6]], [[30, 0, 0], [0, 40, 0], [0, 0, 30]]], ids=str
)
def test_a_likelihood_that_rises_to_the_end_is_followed_to_the_limit(counts: list[list[int]]) -> None:
    """It flattens on the way, so that the curvature that a step has met says little of what is ahead."""
    table = np.array(counts, dtype=float)
    found, converged = polychoric.table_correlations(table[None], *thresholds(table))
    assert (float(found[0]), bool(converged[0])) == (pytest.approx(0.9999, abs=1e-12), False)  # a bound is no maximum
    assert case_by_case(table) == (pytest.approx(0.9999, abs=1e-12), False)


def test_a_search_that_is_cut_short_has_not_converged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polychoric, "_ITERATIONS", 1)
    values, _ = sample()
    assert not moments_of(values[:, [0, 3]], [4, 3]).converged


def test_the_information_of_a_table_is_that_of_its_probabilities() -> None:
    """Sum of p (d log p / dz)^2, and the gradient of the log-likelihood, in Fisher's z; cells that are rare too."""
    edges = np.array([[-np.inf, -3.4, 0.3, np.inf]]), np.array([[-np.inf, -0.5, 3.3, np.inf]])
    counts, z = np.random.default_rng(1).integers(1, 9, size=(1, 3, 3)).astype(float), np.array([0.45])

    def logs(at: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(polychoric._cells(np.tanh(at), *edges)[0])).ravel()

    slope = central_jacobian(logs, z)[:, 0]
    probability = np.exp(logs(z))
    assert probability.min() < 1e-6
    _, gradient, information = polychoric._likelihood(z, counts, *edges)
    assert gradient[0] == pytest.approx(counts.ravel() @ slope, rel=1e-5)
    assert information[0] == pytest.approx(probability @ slope**2, rel=1e-6)


def test_half_a_case_goes_into_one_empty_cell_and_not_into_an_empty_row() -> None:
    tables = np.array(
        [[[0, 4], [5, 6]], [[4, 0], [5, 6]], [[4, 5], [6, 0]], [[0, 0], [5, 6]], [[0, 4], [5, 0]], [[1, 2], [3, 4]]], dtype=float
    )
    mended, which = polychoric.without_empty_cells(tables)
    assert which.tolist() == [True, True, True, False, True, False]
    np.testing.assert_array_equal((mended - tables)[:, 0, 0], [0.5, -0.5, 0.5, 0, 0.5, 0])
    np.testing.assert_array_equal(mended.sum(axis=(1, 2)), tables.sum(axis=(1, 2)))


def test_one_pair_without_a_maximum_is_enough_to_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    values, x = sample()
    search, ends = stages._search, iter([False])

    def stubborn(*pair: Any) -> tuple[float, bool]:
        return search(*pair)[0], next(ends, True)

    monkeypatch.setattr(stages, "_search", stubborn)
    assert not moments_of(values, SIZES, x).converged  # the first pair only


def test_every_mended_table_is_counted() -> None:
    """Items 0 and 1 are never both 0, items 2 and 3 never both 1; the other pairs have all four cells."""
    cells = [(0, 1, 0, 0), (1, 0, 0, 1), (1, 1, 1, 0), (1, 1, 0, 1), (0, 1, 1, 0), (1, 0, 1, 0), (1, 0, 0, 0), (0, 1, 0, 1)]
    found = moments_of(np.array(cells * 9, dtype=float), [2, 2, 2, 2])
    assert found.mended == 2
    assert found.converged
    assert np.abs(found.cov[np.tril_indices(4, -1)]).max() < polychoric.LIMIT


@pytest.mark.parametrize("holes", [False, True], ids=["complete", "holes"])
def test_what_a_table_adds_up_is_what_its_cases_add_up(holes: bool) -> None:
    """The scores of the correlation and their sums with those of the thresholds, of a table with an empty cell too."""
    rng = np.random.default_rng(9)
    values = np.column_stack([rng.integers(0, 2, 90), rng.integers(0, 3, 90), rng.integers(0, 2, 90)]).astype(float)
    values[:, 2] = np.minimum(values[:, 2], values[:, 0])  # never 1 where the first is 0
    if holes:
        values[::7, 0] = values[3::11, 1] = values[5::13, 2] = np.nan
    x, weights = np.empty((90, 0)), rng.uniform(0.5, 1.5, 90)
    each = [stages._margin(values[:, j], size, x, weights) for j, size in enumerate((2, 3, 2))]
    pairs = [(1, 0), (2, 0), (2, 1)]
    for k, (rho, state, scores, sums) in stages._by_table(each, pairs).items():
        one, two = (each[j] for j in pairs[k])
        assert state.mended == (k == 1)
        _, slope, waves, others = stages._both_ordered(rho, one, two)
        both = one.seen & two.seen
        np.testing.assert_allclose(scores, np.where(both, slope, 0.0), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(sums[0], stages._onto(one, waves, scores * weights, x), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(sums[1], stages._onto(two, others, scores * weights, x), rtol=1e-9, atol=1e-9)
