"""Effects swept out and told by level: as on dummies, whatever the shape, balance, scale, weights and order of the panel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import qr

from cipa.numerics.panel import absorb as module
from cipa.numerics.panel import levels as levels_module
from cipa.numerics.panel.absorb import absorb, effect_leverage
from cipa.numerics.panel.levels import level_effects
from cipa.numerics.panel.span import Effect, components

Values = NDArray[np.float64]
EXACT = 1e-9  # relative to what is left of a column: the same numbers by dummies and QR
ORDER = 1e-10  # relative: the same rows in another order
PANELS = 500


def effect(codes: NDArray[np.int64]) -> Effect:
    levels, coded = np.unique(codes, return_inverse=True)
    return Effect(codes=coded.reshape(-1), levels=len(levels))


def dummies(effects: Sequence[Effect]) -> Values:
    return np.hstack([np.eye(part.levels)[part.codes] for part in effects])


def basis(effects: Sequence[Effect], weights: Values) -> Values:
    """Orthonormal basis of the weighted dummies, by QR with pivots."""
    Q, R, _ = qr(dummies(effects) * np.sqrt(weights)[:, None], mode="economic", pivoting=True)
    return np.asarray(Q[:, np.abs(np.diagonal(R)) > 1e-9 * abs(R[0, 0])])


def by_dummies(columns: Values, effects: Sequence[Effect], weights: Values) -> Values:
    root = np.sqrt(weights)[:, None]
    Q = basis(effects, weights)
    left = (columns - columns.mean(axis=0)) * root
    for _ in range(3):
        left = left - Q @ (Q.T @ left)
    return np.asarray(left / root)


def panel(seed: int) -> tuple[Values, list[Effect], Values | None]:
    """A panel of random shape: balanced or not, in one piece or several, two or three effects, columns of any scale."""
    rng = np.random.default_rng(seed)
    firms, years = int(rng.integers(3, 60)), int(rng.integers(2, 12))
    firm, year = (part.ravel() for part in np.meshgrid(np.arange(firms), np.arange(years), indexing="ij"))
    if seed % 3:  # unbalanced
        kept = rng.random(len(firm)) < rng.uniform(0.4, 0.95)
        kept[:3] = True
        firm, year = firm[kept], year[kept]
    if seed % 5 == 0:  # two pieces that no row connects
        year = np.where(firm % 2 == 0, year, year + years)
    effects = [effect(firm), effect(year)]
    if seed % 4 == 0:
        effects.append(effect(rng.integers(0, int(rng.integers(2, 9)), size=len(firm))))
    n = len(firm)
    plain = rng.normal(size=(n, 5)) + rng.normal(size=(firms, 5))[firm] + rng.normal(size=(2 * years, 5))[year]
    columns = plain * [1, 1e8, 1e-8, 1, 1] + [0, 0, 0, 1e6, 0]
    columns[:, 4] += 1e5 * firm  # the effects are all but all of it
    weights = rng.uniform(0.01, 5, size=n) ** 2 if seed % 2 else None
    return columns, effects, weights


@pytest.mark.parametrize("block", range(10))
def test_what_is_left_is_the_residual_on_dummies_and_the_order_of_rows_does_not_matter(block: int) -> None:
    for seed in range(block, PANELS, 10):
        columns, effects, weights = panel(seed)
        found = absorb(columns, effects, weights=weights)
        assert found.converged
        w = np.ones(len(columns)) if weights is None else weights
        expected = by_dummies(columns, effects, w)
        size = np.sqrt((w[:, None] * expected**2).sum(axis=0))
        floor = 1e-13 * np.sqrt((w[:, None] * (columns - columns.mean(axis=0)) ** 2).sum(axis=0))
        error = np.sqrt((w[:, None] * (found.values - expected) ** 2).sum(axis=0))
        assert (error <= EXACT * size + floor).all(), (seed, error / size)
        assert (found.rank, found.exact_rank) == (basis(effects, w).shape[1], True), seed
        order = np.random.default_rng(seed).permutation(len(columns))
        moved = [effect(part.codes[order]) for part in effects]
        again = absorb(columns[order], moved, weights=None if weights is None else weights[order])
        difference = np.sqrt((w[order, None] * (again.values - found.values[order]) ** 2).sum(axis=0))
        assert (difference <= ORDER * size + floor).all(), (seed, difference / size)


def test_an_ordinary_balanced_panel() -> None:
    """171 firms in 6 years: the zero eigenvalue of the Schur complement is rounding noise, and no threshold tells it from one."""
    rng = np.random.default_rng(1)
    effects = [effect(np.repeat(np.arange(171), 6)), effect(np.tile(np.arange(6), 171))]
    columns = rng.normal(size=(1026, 3)) + rng.normal(size=(171, 3))[effects[0].codes] + [0, 10, 1000]
    found = absorb(columns, effects)
    cells = columns.reshape(171, 6, 3)
    expected = cells - cells.mean(0) - cells.mean(1, keepdims=True) + cells.mean((0, 1))
    assert found.rank == 176
    assert np.abs(found.values.reshape(171, 6, 3) - expected).max() < 1e-11


@pytest.mark.parametrize("seed", range(0, 60))
def test_leverage_is_the_diagonal_of_the_hat_matrix(seed: int) -> None:
    columns, effects, weights = panel(seed)
    w = np.ones(len(columns)) if weights is None else weights
    for chosen in (effects[:1], effects[:2]):
        found = effect_leverage(chosen, len(columns), weights=weights)
        assert found.verified
        assert found.values == pytest.approx((basis(chosen, w) ** 2).sum(axis=1), abs=1e-11)


def test_components_come_from_the_rows_not_from_the_size_of_numbers() -> None:
    firm = effect(np.array([0, 0, 1, 1, 2, 2, 2]))
    year = effect(np.array([0, 1, 0, 1, 2, 3, 2]))
    assert components(firm, year)[0] == 2
    weights = np.array([1, 1e-14, 1, 1e-14, 1, 1, 1])  # a connection that is all but nothing is one
    found = absorb(np.arange(7.0)[:, None] ** 2, [firm, year], weights=weights)
    assert (found.rank, found.converged) == (5, True)


def test_conjugate_gradients_agree_with_the_direct_solution(monkeypatch: pytest.MonkeyPatch) -> None:
    columns, effects, weights = panel(7)
    direct = absorb(columns, effects, weights=weights)
    monkeypatch.setattr(module, "DIRECT_LEVELS", 1)
    iterated = absorb(columns, effects, weights=weights)
    assert iterated.iterations > 0 == direct.iterations
    assert iterated.rank == direct.rank
    assert iterated.values == pytest.approx(direct.values, rel=1e-8, abs=1e-9 * np.abs(direct.values).min(axis=0).max())


def test_a_chain_of_firms_is_swept_or_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each firm is seen in two adjacent years only: the weakest connection there is."""
    firm = effect(np.repeat(np.arange(400), 2))
    year = effect(np.arange(800) // 2 + np.arange(800) % 2)
    columns = np.random.default_rng(3).normal(size=(800, 2)).cumsum(axis=0)
    assert absorb(columns, [firm, year]).converged
    extra = effect(np.random.default_rng(4).integers(0, 3, size=800))
    monkeypatch.setattr(module, "CG_MAX_ITERATIONS", 3)
    assert not absorb(columns, [firm, year, extra]).converged


def test_effects_leave_nothing_of_their_own_columns() -> None:
    columns, effects, _ = panel(9)
    plain = [replace(part) for part in effects]
    spanned = np.column_stack([plain[0].codes * 1.0, plain[1].codes * 1e6, np.full(len(columns), 3.0)])
    left = absorb(spanned, plain).values
    assert (np.abs(left).max(axis=0) <= 1e-12 * np.abs(spanned).max(axis=0)).all()


@pytest.mark.parametrize("seed", range(40))
def test_the_effects_add_up_and_the_references_are_zero(seed: int) -> None:
    _, effects, _ = panel(seed)
    rng = np.random.default_rng(seed)
    true = [rng.normal(3, 2, size=part.levels) for part in effects]
    total = sum(value[part.codes] for value, part in zip(true, effects, strict=True))
    found = level_effects(total, effects)
    assert found.verified
    again = sum(value[part.codes] for value, part in zip(found.values, effects, strict=True))
    assert again == pytest.approx(total, abs=1e-10)
    for value, reference in zip(found.values[1:], found.references[1:], strict=True):
        assert reference.any()
        assert (value[reference] == 0).all()
    assert not found.references[0].any()


def test_one_effect_is_its_means_and_two_are_relative_to_the_first_level() -> None:
    firm, year = effect(np.array([0, 0, 1, 1])), effect(np.array([0, 1, 0, 1]))
    total = np.array([1.0, 4.0, 2.0, 5.0])
    assert level_effects(total, [firm, year]).values[0] == pytest.approx([1, 2])
    assert level_effects(total, [firm, year]).values[1] == pytest.approx([0, 3])
    assert level_effects(np.array([1.0, 1.0, 2.0, 2.0]), [firm]).values[0] == pytest.approx([1, 2])


def test_the_direct_and_the_iterated_solution_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    firm, year = effect(np.repeat(np.arange(20), 5)), effect(np.tile(np.arange(5), 20))
    total = np.arange(20.0)[firm.codes] ** 2 - 3.0 * year.codes
    direct = level_effects(total, [firm, year])
    monkeypatch.setattr(levels_module, "DIRECT_LEVELS", 1)
    iterated = level_effects(total, [firm, year])
    assert direct.values[1] == pytest.approx(iterated.values[1], abs=1e-9)
    assert iterated.verified


def test_a_total_outside_the_span_is_not_verified() -> None:
    firm = Effect(codes=np.array([0, 0, 1]), levels=2)
    assert not level_effects(np.array([1.0, 2.0, 3.0]), [firm]).verified


def test_effects_of_an_unbalanced_panel_of_two_parts_are_recovered() -> None:
    """Firms 0-5 in years 0-3 and firms 6-9 in years 4-6: one reference in each part."""
    rng = np.random.default_rng(11)
    firm = np.concatenate([np.repeat(np.arange(6), 4), np.repeat(np.arange(6, 10), 3)])
    year = np.concatenate([np.tile(np.arange(4), 6), np.tile(np.arange(4, 7), 4)])
    kept = np.flatnonzero((rng.random(len(firm)) < 0.85) | (firm % 6 == 0))
    firm, year = firm[kept], year[kept]
    a, b = rng.normal(size=10), 5 * rng.normal(size=7)
    b[[0, 4]] = 0.0
    effects = [Effect(codes=firm, levels=10), Effect(codes=year, levels=7)]
    found = level_effects(a[firm] + b[year], effects)
    assert found.verified
    assert np.flatnonzero(found.references[1]).tolist() == [0, 4]
    assert found.values[0] == pytest.approx(a, abs=1e-11)
    assert found.values[1] == pytest.approx(b, abs=1e-11)
