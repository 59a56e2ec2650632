"""Panels of every shape against brute force: dummies by a singular value decomposition, formulas written out, refits.

The panels differ in balance, order of rows, string keys, singletons, gaps, units (1e-7, 1e8) and in how their levels connect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import cipa as ci

Values = NDArray[np.float64]
EXACT = 1e-8  # relative

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")

SHAPES: dict[str, dict[str, Any]] = {
    "gaps": {"seed": 1},
    "balanced": {"seed": 2, "keep": 1.1, "singles": 0},
    "tiny units": {"seed": 3, "unit": 1e-7},
    "huge units": {"seed": 4, "unit": 1e8},
    "disconnected": {"seed": 5, "firms": 24, "years": 8, "apart": True, "keep": 0.95, "singles": 0},
    "short": {"seed": 6, "firms": 30, "years": 4},
    "long": {"seed": 7, "firms": 12, "years": 14, "singles": 1},
}
EFFECTS: tuple[tuple[str, ...], ...] = (
    (), ("firm",), ("year",), ("firm", "year"), ("firm", "reg^year"), ("firm", "year", "ind"), ("firm", "year", "reg^year"),
)  # fmt: skip


def panel(
    *, seed: int, firms: int = 17, years: int = 7, keep: float = 0.8, unit: float = 1.0, singles: int = 3, apart: bool = False
) -> pd.DataFrame:
    """Rows in random order; `singles` firms with one row each; `apart`: even firms in the first years, odd ones in the last."""
    rng = np.random.default_rng(seed)
    firm, year = np.repeat(np.arange(firms), years), np.tile(np.arange(years), firms)
    level, trend = rng.standard_normal(firms)[firm], rng.standard_normal(years)[year]
    x = rng.standard_normal(len(firm)) + level
    z = rng.exponential(size=len(firm)) + trend + 0.3 * x
    y = x - 0.5 * z + level + trend + rng.standard_normal(len(firm)) * (1 + np.abs(x))
    data = pd.DataFrame({"firm": firm, "year": 2000 + year, "x": x * unit, "z": z / unit, "y": y, "reg": firm % 5})
    data = data.assign(w=rng.gamma(2.0, size=len(firm)) + 0.1, ind=rng.integers(0, 4, len(firm)))
    kept = (rng.random(len(firm)) < keep) & ((firm >= singles) | (year == firm % years))
    if apart:
        kept &= (firm % 2 == 0) == (year < years // 2)
    data = data[kept].assign(firm=lambda rows: "f" + rows.firm.astype(str))
    return data.sample(frac=1, random_state=seed).reset_index(drop=True)


def codes(data: pd.DataFrame, name: str) -> NDArray[np.int64]:
    joined = data[name.split("^")].astype(str).agg("^".join, axis=1)
    return np.asarray(pd.factorize(joined)[0])


class Dummies:
    """Least squares with the dummies written out."""

    def __init__(self, data: pd.DataFrame, effects: Sequence[str], weights: str | None) -> None:
        self.data, self.effects, self.weights = data, effects, weights
        root = np.ones(len(data)) if weights is None else np.sqrt(data[weights].to_numpy())
        sets = [np.eye(codes(data, name).max() + 1)[codes(data, name)] for name in effects] or [np.ones((len(data), 1))]
        U, s, _ = np.linalg.svd(np.hstack(sets) * root[:, None], full_matrices=False)
        basis = U[:, s > 1e-9 * s[0]]
        columns = data[["y", "x", "z"]].to_numpy() * root[:, None]
        for _ in range(2):
            columns = columns - basis @ (basis.T @ columns)
        y, self.X = columns[:, 0], columns[:, 1:]
        unit = np.linalg.norm(self.X, axis=0)
        Q, R = np.linalg.qr(self.X / unit)
        self.b = np.linalg.solve(R, Q.T @ y) / unit
        inverse = np.linalg.inv(R) / unit[:, None]
        self.bread, self.e = inverse @ inverse.T, y - self.X @ self.b
        self.hat = basis @ basis.T + Q @ Q.T
        self.df = len(data) - basis.shape[1] - 2
        self.tss = float(np.sum(root**2 * (data.y - np.average(data.y, weights=root**2)) ** 2))

    def clustered(self, name: str) -> Values:
        sums = pd.DataFrame(self.X * self.e[:, None]).groupby(codes(self.data, name)).sum().to_numpy()
        return np.asarray(sums.T @ sums)

    def kernel(self, ways: Sequence[str], lags: int) -> Values:
        """Sum over pairs of rows of the same way (of any for Driscoll-Kraay) at most `lags` periods apart."""
        S, year = self.X * self.e[:, None], self.data.year.to_numpy()
        weight = np.maximum(1 - np.abs(year[:, None] - year[None, :]) / (lags + 1), 0.0)
        for way in ways:
            weight = weight * (codes(self.data, way)[:, None] == codes(self.data, way)[None, :])
        return np.asarray(S.T @ weight @ S)

    def covariance(self, kind: str, name: str = "") -> Values:
        """The covariance of the slopes, no small-sample factor but that of the kind."""
        S, h, n = self.X * self.e[:, None], np.diag(self.hat), len(self.data)
        if kind == "iid":
            return float(self.e @ self.e) / self.df * self.bread
        if kind == "crv3":
            groups = codes(self.data, name)
            kept = [self.data[groups != g].reset_index(drop=True) for g in range(groups.max() + 1)]
            apart = np.array([Dummies(rows, self.effects, self.weights).b - self.b for rows in kept])
            return (len(apart) - 1) / len(apart) * apart.T @ apart
        meats = {
            "hc0": lambda: S.T @ S,
            "hc1": lambda: S.T @ S * n / self.df,
            "hc2": lambda: S.T @ (S / (1 - h)[:, None]),
            "hc3": lambda: S.T @ (S / (1 - h)[:, None] ** 2),
            "clustered": lambda: self.clustered(name),
            "driscoll_kraay": lambda: self.kernel((), 2),
            "newey_west": lambda: self.kernel(("firm",), 2),
            "cr2": lambda: self.bias_reduced(name),
        }
        return np.asarray(self.bread @ meats[kind]() @ self.bread)

    def bias_reduced(self, name: str) -> Values:
        groups, meat = codes(self.data, name), np.zeros((2, 2))
        for g in range(groups.max() + 1):
            rows = np.flatnonzero(groups == g)
            values, vectors = np.linalg.eigh(np.eye(len(rows)) - self.hat[np.ix_(rows, rows)])
            kept = values > 1e-10
            root = (vectors[:, kept] / np.sqrt(values[kept])) @ vectors[:, kept].T
            score = self.X[rows].T @ root @ self.e[rows]
            meat += np.outer(score, score)
        return meat


def fitted(data: pd.DataFrame, effects: Sequence[str], weights: str | None) -> Any:
    words = {"firm": "entity", "year": "time"}
    if not effects:
        options: dict[str, Any] = {"method": "pooled"}
    else:
        named = tuple(words[name] for name in effects if name in words)
        options = {"effects": named, "absorb": tuple(name for name in effects if name not in words)}
    return ci.Panel("y ~ x + z", entity="firm", time="year", weights=weights, **options).fit(data)


KINDS: dict[tuple[str, str], Any] = {
    **{(kind, ""): kind for kind in ("iid", "hc0", "hc1", "hc2", "hc3")},
    **{("clustered", name): ci.clustered(name, convention="none") for name in ("firm", "reg", "year")},
    ("driscoll_kraay", ""): ci.driscoll_kraay(2, convention="none"),
    ("newey_west", ""): ci.newey_west(2, convention="none"),
    **{("cr2", name): ci.cr2(name) for name in ("firm", "reg", "ind")},
    **{("crv3", name): ci.crv3(name) for name in ("reg", "year")},
}


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("effects", EFFECTS, ids=" ".join)
@pytest.mark.parametrize("shape", SHAPES)
def test_estimates_and_errors_of_every_kind_are_those_of_the_dummies(
    shape: str, effects: tuple[str, ...], weights: str | None
) -> None:
    """Three sets of effects counted levels less constants: up to ten degrees of freedom too few, iid errors up to .37 off."""
    data = panel(**SHAPES[shape])
    brute, fit = Dummies(data, effects, weights), fitted(data, effects, weights)
    slopes = slice(1, None) if not effects else slice(None)
    assert fit.params[slopes] == pytest.approx(brute.b, rel=EXACT)
    assert fit.df_resid == brute.df
    rss = float(brute.e @ brute.e)
    assert fit.statistics["r2"].value == pytest.approx(1 - rss / brute.tss, rel=EXACT)
    assert fit.statistics["r2_adj"].value == pytest.approx(1 - rss / brute.tss * (len(data) - 1) / brute.df, rel=EXACT)
    refused = []
    for (kind, name), vcov in KINDS.items():
        try:
            again = ci.vcov(fit, vcov, data=data)
        except ci.InferenceError as refusal:
            refused.append(str(refusal))  # leverages of 1, weights, three sets, scores that cancel
            continue
        want = np.sqrt(np.diag(brute.covariance(kind, name)))
        assert np.sqrt(np.diag(again.vcov))[slopes] == pytest.approx(want, rel=EXACT), (kind, name)
    assert len(refused) <= len(KINDS) - 8
    assert all("vcov=" in text for text in refused)


FAR = {1e4: 1e-10, 1e6: 1e-8, 1e8: 1e-6}
"""Distance of a regressor's mean from 0 in standard deviations, and what the values themselves are rounded to, with slack."""

METHODS: dict[str, dict[str, Any]] = {
    "pooled": {"method": "pooled"},
    "weighted": {"method": "pooled", "weights": "w"},
    "within": {},
    "between": {"method": "between"},
    "random": {"method": "random"},
    "swar_stata": {"method": "random", "random_method": "swar_stata"},
    "mundlak": {"method": "mundlak"},
    "first_difference": {"method": "first_difference"},
}


@pytest.mark.parametrize("far", FAR)
@pytest.mark.parametrize("name", [*METHODS, "instruments"])
def test_where_a_regressor_is_zero_does_not_matter(name: str, far: float) -> None:
    """The constant takes it: with a mean of 1e6 standard deviations robust errors were .001 off, with 1e8 three times too large."""
    data = panel(seed=9, singles=1).assign(x=lambda rows: rows.x.round(6))
    data["q"] = (data.x + np.random.default_rng(1).standard_normal(len(data))).round(6)
    formula = "y ~ z + [x ~ q]" if name == "instruments" else "y ~ z + x"
    model = ci.Panel(formula, entity="firm", time="year", **METHODS.get(name, {"method": "pooled"}))
    away = data.assign(x=data.x + far, q=data.q + far)
    near, moved = model.fit(data), model.fit(away)
    slopes = [k for k, term in enumerate(near.terms) if term.op == "~"]
    assert moved.params[slopes] == pytest.approx(near.params[slopes], rel=FAR[far])
    for vcov in ("iid", "hc1", "hc3", ci.clustered("reg"), ci.driscoll_kraay(1), ci.cr2("reg"), ci.crv3("reg")):
        try:
            want = ci.vcov(near, vcov, data=data)
        except ci.InferenceError:
            continue  # not derived for this method
        errors = [np.sqrt(np.diag(fit.vcov))[slopes] for fit in (want, ci.vcov(moved, vcov, data=away))]
        assert errors[1] == pytest.approx(errors[0], rel=FAR[far])


@pytest.mark.parametrize("method", ["pooled", "within", "between", "random", "mundlak", "first_difference"])
@pytest.mark.parametrize("constant", [3.0, 0.1, 1e6 / 3])
def test_a_constant_regressor_is_refused_by_name(method: str, constant: float) -> None:
    """Beside the intercept it has no variance; what rounding leaves gave coefficients of 1e28."""
    data = panel(seed=9, singles=1).assign(same=constant)
    for formula in ("y ~ x + same", "y ~ same", "y ~ same + x"):
        with pytest.raises(ci.IdentificationError, match="'same' is constant"):
            ci.Panel(formula, method=method, entity="firm", time="year").fit(data)


def test_without_an_intercept_one_constant_regressor_is_the_constant() -> None:
    data = panel(seed=9).assign(same=0.1, other=7.7)
    found = ci.OLS("y ~ x + same - 1").fit(data)
    assert found.params[1] * 0.1 == pytest.approx(ci.OLS("y ~ x").fit(data).params[0], rel=EXACT)
    with pytest.raises(ci.IdentificationError, match="'other' is collinear"):
        ci.OLS("y ~ x + same + other - 1").fit(data)


def test_outcomes_too_small_to_square_twice_have_the_same_shares() -> None:
    data = panel(seed=9)
    found, want = (fitted(data.assign(y=data.y * unit), ("firm",), None).statistics for unit in (1e-150, 1.0))
    for name in ("r2", "r2_within", "r2_between", "r2_overall"):
        assert found[name].value == pytest.approx(want[name].value, rel=EXACT)


def test_effects_that_overlap_say_how_many_constants_are_open() -> None:
    """Five regions by eight years hold the years: each year's effect can be moved into its regions."""
    data = panel(seed=2, keep=1.1, singles=0)
    table = ci.fixed_effects(fitted(data, ("firm", "year", "reg^year"), None))
    counted = len(table.to_frame()) - int(table.to_frame().reference.sum())
    rank = np.linalg.matrix_rank(np.hstack([np.eye(codes(data, name).max() + 1)[codes(data, name)] for name in EFFECTS[-1]]))
    assert f"{counted - rank} more constants" in str(table)
    assert "more constants" not in str(ci.fixed_effects(fitted(panel(**SHAPES["disconnected"]), ("firm", "year"), None)))
