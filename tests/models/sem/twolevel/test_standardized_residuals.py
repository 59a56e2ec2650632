"""Standardized residuals of two levels, for which there is no reference: simulation, one level as a special case, and algebra."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from two_levels import CFA, EQUAL, ITEMS, drawn, spread_of_residuals

import cipa as ci
from cipa.models.sem.twolevel.residual_errors import residual_covariance
from cipa.models.sem.twolevel.residuals import held_moments
from cipa.numerics.algebra.linalg import Array
from cipa.numerics.twolevel import kernel

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")

SATURATED_BETWEEN = "level: within\nfw =~ y1 + y2 + y3 + y4\nlevel: between\ny1 ~~ y2 + y3 + y4\ny2 ~~ y3 + y4\ny3 ~~ y4\n"


def fit(syntax: str, table: pd.DataFrame, **options: Any) -> Any:
    return ci.SEM(syntax, cluster="cluster", **options).fit(table)


def residuals(one: Any, level: str | None = None) -> pd.Series:
    """By unordered pair of names, so that the order of variables does not matter."""
    table = ci.residuals(one, kind="standardized").to_frame()
    table = table if level is None else table[table.level == level]
    pairs = [f"{row.level}: {row.op} {' '.join(sorted([row.lhs, row.rhs or '']))}" for row in table.itertuples()]
    return pd.Series(table.residual.to_numpy(float), index=pairs).sort_index()


@pytest.mark.parametrize(
    ("law", "samples", "clusters", "count"),
    [
        ({"estimator": "ml"}, 90, 300, 19),
        ({"estimator": "mlr", "heavy": True}, 90, 300, 18),
        ({"estimator": "ml", "missing": "fiml", "holes": True, "syntax": EQUAL, "equal": True}, 24, 150, 28),
    ],
    ids=["normal", "heavy tails, MLR", "missing at random"],
)
def test_over_samples_of_a_true_model_they_are_standard_normal(
    law: dict[str, Any], samples: int, clusters: int, count: int
) -> None:
    """Clusters of 5 to 15; to 3.5 Monte Carlo errors each, their average to .6 (it has about a quarter of one's error).

    The study of 500 samples is in tests/montecarlo.
    """
    found = spread_of_residuals(np.random.default_rng(17), samples, clusters, **law)
    assert len(found.names) >= count
    assert np.abs(found.means).max() < 3.5 / np.sqrt(samples)
    assert found.deviations == pytest.approx(1.0, abs=3.5 / np.sqrt(2 * samples))
    assert np.mean(found.deviations) == pytest.approx(1.0, abs=0.6 / np.sqrt(2 * samples))


def one_level(rng: np.random.Generator, *, holes: bool) -> pd.DataFrame:
    """Four items that vary between clusters only, and four that vary within them only, neither of one factor."""
    size = rng.integers(3, 9, 150)
    cluster = np.repeat(np.arange(150), size)

    def items(n: int) -> Array:
        values = np.outer(rng.normal(size=n), [1, 0.8, 0.7, 0.9]) + 0.8 * rng.standard_t(6, size=(n, 4)) + np.arange(4)
        values[:, 3] += 0.3 * values[:, 2]
        lost = rng.random((n, 4)) < (0.15 if holes else 0.0)
        lost[:, 0] = False
        return np.where(lost, np.nan, values)

    columns = [f"{letter}{k}" for letter in "zy" for k in (1, 2, 3, 4)]
    return pd.DataFrame(np.hstack([items(150)[cluster], items(len(cluster))]), columns=columns).assign(cluster=cluster)


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("estimator", ["ml", "mlr"])
def test_levels_that_share_no_variable_are_two_fits_of_one_level(estimator: str, holes: bool) -> None:
    """The single-level code agrees with lavaan; its errors from clusters have a factor J / (J - 1) that those of two levels have not."""
    table = one_level(np.random.default_rng(3), holes=holes)
    options: dict[str, Any] = {
        "estimator": estimator,
        "information": "expected",
        "missing": "fiml" if holes else "listwise",
    }
    factor = {letter: f"{letter} =~ {' + '.join(f'{letter}{k}' for k in (1, 2, 3, 4))}\n" for letter in "zy"}
    both = fit(f"level: within\n{factor['y']}level: between\n{factor['z']}", table, **options)
    clustered = {"cluster": "cluster"} if estimator == "mlr" else {}
    alone = {
        "between": ci.SEM(factor["z"], meanstructure=True, **options).fit(table.drop_duplicates("cluster")),
        "within": ci.SEM(factor["y"], meanstructure=True, **options, **clustered).fit(table),
    }
    for level, single in alone.items():
        here = residuals(both, level)
        there = ci.residuals(single, kind="standardized").to_frame()
        there.index = [f"{level}: {row.op} {' '.join(sorted([row.lhs, row.rhs or '']))}" for row in there.itertuples()]
        there = there.loc[here.index]
        covariances = (there.op == "~~") & (there.lhs != there.rhs)
        scale = np.sqrt(150 / 149) if clustered and level == "within" else 1.0
        assert here[covariances].to_numpy() == pytest.approx(scale * there.residual[covariances].to_numpy(), rel=1e-5)
        assert here[~covariances].isna().all()  # variances and means have parameters of their own


def test_their_quadratic_form_is_the_chi_square_of_a_large_sample() -> None:
    """r' (Q G Q')^+ r of 20,000 clusters with a small misfit at both levels, the rank being the degrees of freedom."""
    rng = np.random.default_rng(23)
    table = drawn(rng, 20000)
    common, shared = 0.1 * rng.normal(size=len(table)), 0.1 * rng.normal(size=20000)[table.cluster]
    here = fit(CFA, table.assign(y1=table.y1 + common, y2=table.y2 + common, y3=table.y3 + shared, y4=table.y4 + shared))
    (levels,) = here.sample.levels
    keep = np.flatnonzero(~held_moments(levels, levels.free, here.layout, 0))
    cov, there = residual_covariance(here, [keep])
    inner, outer = here.point.blocks
    mean = here.point.groups[0].likelihood.mean
    gaps = ((levels.free.within - inner.cov), (levels.free.between - outer.cov))
    raw = np.concatenate([*(gap[np.tril_indices(len(gap))] for gap in gaps), levels.free.mean - mean])[keep]
    assert raw[there] / np.sqrt(cov.diagonal()[there]) == pytest.approx(
        [z for z in ci.residuals(here, kind="standardized").columns["residual"] if z and not np.isnan(z)]
    )
    unit = np.sqrt(np.abs(levels_scale(levels))[keep])
    values, vectors = np.linalg.eigh(cov / np.outer(unit, unit))
    df = int(here.df_resid)
    assert values[-df] / values[-df - 1] > 1e6  # the rank
    pulled = vectors[:, -df:].T @ (raw / unit)
    assert float(pulled @ (pulled / values[-df:])) == pytest.approx(here.measures["chisq"], rel=0.03)
    assert here.measures["chisq"] > 30


def test_what_groups_have_in_common_joins_their_residuals() -> None:
    """The rank of the joint covariance is the degrees of freedom; residuals of two groups depend on each other if loadings are equal."""
    table = drawn(np.random.default_rng(5), 200).assign(part=lambda d: np.where(d.cluster % 3 == 0, "north", "south"))
    apart, tied = (fit(CFA, table, group="part", group_equal=held) for held in ([], ["loadings", "intercepts"]))
    for here in (apart, tied):
        keep = [np.flatnonzero(~held_moments(one, one.free, here.layout, g)) for g, one in enumerate(here.sample.levels)]
        cov, _ = residual_covariance(here, keep)
        unit = np.sqrt(np.concatenate([levels_scale(one)[own] for one, own in zip(here.sample.levels, keep, strict=True)]))
        values = np.linalg.eigvalsh(cov / np.outer(unit, unit))
        df = int(here.df_resid)
        assert values[-df] > 1e6 * abs(values[-df - 1])
        crossing = cov[: len(keep[0]), len(keep[0]) :]
        assert (np.abs(crossing).max() > 1e-6) == (here is tied)


def levels_scale(levels: Any) -> Array:
    """Squares of the units of the moments: products of variances, and variances."""
    variances = [levels.free.within.diagonal(), levels.free.between.diagonal()]
    products = [np.outer(v, v)[np.tril_indices(len(v))] for v in variances]
    return np.concatenate([*products, np.ones(levels.clusters.variables)])


@pytest.mark.parametrize("options", [{"estimator": "mlr"}, {"missing": "fiml"}])
def test_units_order_of_cases_and_of_variables_do_not_matter(options: dict[str, Any]) -> None:
    table = drawn(np.random.default_rng(8), 60, holes="missing" in options)
    here = residuals(fit(EQUAL, table, **options))
    other = table.assign(y1=1000 * table.y1, y2=1000 * table.y2 + 5, y3=1000 * table.y3, y4=1000 * table.y4, x1=table.x1 / 50)
    turned = EQUAL.replace("fb ~ w1", "fb ~ w1\ny4 ~~ y4").replace("level: within\n", "level: within\ny3 ~~ y3\n")
    for there in (fit(EQUAL, other, **options), fit(turned, table.sample(frac=1, random_state=2), **options)):
        moved = residuals(there)
        assert list(moved.index) == list(here.index)
        assert moved.to_numpy() == pytest.approx(here.to_numpy(), rel=1e-4, abs=1e-6, nan_ok=True)
    assert here.notna().sum() >= 24


def test_what_a_level_reproduces_has_no_standardized_residual() -> None:
    """A saturated between level answers the misfit within by thousandths of a standard error, which are no evidence there."""
    rng = np.random.default_rng(4)
    table = drawn(rng, 300)
    common = 0.4 * rng.normal(size=len(table))
    here = fit(SATURATED_BETWEEN, table.assign(y1=table.y1 + common, y2=table.y2 + common))
    assert residuals(here, "between").isna().all()
    within = residuals(here, "within")
    assert (
        within[[re.search("(y.) (y.)$", name) is not None and name[-2:] != name[-5:-3] for name in within.index]].abs().max() > 4
    )
    assert within.isna().sum() == 4  # the variances, each with a parameter of its own
    saturated = fit("level: within\nfw =~ y1 + y2 + y3\nlevel: between\nfb =~ y1 + y2 + y3\n", table)
    assert residuals(saturated).drop([f"within: ~1  y{k}" for k in (1, 2, 3)]).isna().all()


def test_moments_that_are_held_have_the_residual_zero() -> None:
    here = residuals(fit(CFA, drawn(np.random.default_rng(6), 80)))
    assert here["within: ~~ x1 x1"] == here["between: ~~ w1 w1"] == here["within: ~1  x1"] == 0.0
    assert here[["between: ~1  y1", "between: ~1  y4"]].isna().all()


@pytest.mark.parametrize(("apart", "there"), [(0.0, True), (0.06, False), (0.2, False)])
def test_what_means_that_miss_leave_to_the_covariances_is_blank(apart: float, there: bool) -> None:
    """Means held equal: the covariance of y1 and y4 between takes up the product of what they miss, which is of second order."""
    syntax = "level: within\nfw =~ y1 + y2 + y3 + y4\nlevel: between\nfb =~ y1 + y2 + y3 + y4\n"
    table = drawn(np.random.default_rng(9), 100)
    means = fit(syntax, table).sample.levels[0].free.mean
    level = table.assign(**{name: table[name] - mean for name, mean in zip(ITEMS, means, strict=True)})
    equal = syntax + "".join(f"{name} ~ m*1\n" for name in ITEMS)
    here = residuals(fit(equal, level.assign(y1=level.y1 + apart, y4=level.y4 - apart)))
    assert np.isnan(here["between: ~~ y1 y4"]) != there
    assert here[["between: ~1  y1", "between: ~1  y4", "between: ~~ y1 y2", "between: ~~ y2 y4"]].notna().all()
    assert here[["between: ~~ y1 y1", "between: ~~ y4 y4"]].isna().all()  # parameters of their own


def test_a_misfit_of_the_covariances_is_no_reason_to_be_blank() -> None:
    """A covariance whose residual has little variance, and more than four standard errors of misfit."""
    rng = np.random.default_rng(0)
    table = drawn(rng, 300)
    common, shared = 0.4 * rng.normal(size=len(table)), 0.4 * rng.normal(size=300)[table.cluster]
    here = residuals(
        fit(CFA, table.assign(y1=table.y1 + common, y2=table.y2 + common, y3=table.y3 + shared, y4=table.y4 + shared))
    )
    assert here["between: ~~ y3 y4"] > 4


@pytest.mark.parametrize("estimator", ["ml", "mlr"])
def test_with_complete_cases_they_rest_on_expected_information(estimator: str) -> None:
    """Also where the standard errors of the estimates are from observed information."""
    table = drawn(np.random.default_rng(12), 40)
    observed, expected = (
        fit(CFA, table, estimator=estimator, information=information) for information in ("observed", "expected")
    )
    assert residuals(observed).to_numpy() == pytest.approx(residuals(expected).to_numpy(), rel=1e-6, nan_ok=True)
    assert observed.vcov != pytest.approx(expected.vcov, rel=1e-3)


def test_information_that_is_not_positive_definite_is_refused() -> None:
    """As it would be of unrestricted moments that are no maximum: here with covariances three times too large."""
    here = fit(CFA, drawn(np.random.default_rng(2), 60, holes=True), missing="fiml")
    (group,), (levels,) = here.sample.groups, here.sample.levels
    free, keep = levels.free, np.flatnonzero(~held_moments(levels, levels.free, here.layout, 0))
    elsewhere = kernel.evaluate(levels.clusters, 3 * free.within, 3 * free.between, free.mean)
    moved = replace(group, levels=replace(levels, free=replace(free, found=elsewhere)))
    spoilt = replace(here, sample=replace(here.sample, groups=(moved,)))
    with pytest.raises(ci.InferenceError, match="the information of the unrestricted moments is not positive definite"):
        residual_covariance(spoilt, [keep])


def test_parameters_that_move_the_same_moments_are_refused() -> None:
    """As they would be by a model that is not identified, which no fit is: here a parameter counted twice."""
    here = fit(CFA, drawn(np.random.default_rng(2), 60))
    K = here.layout.K
    twice = replace(here, layout=replace(here.layout, K=np.hstack([K, K[:, :1]])))
    keep = np.flatnonzero(~held_moments(here.sample.levels[0], here.sample.levels[0].free, here.layout, 0))
    with pytest.raises(ci.InferenceError, match="or some parameters move the same moments"):
        residual_covariance(twice, [keep])
