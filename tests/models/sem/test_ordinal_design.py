"""Ordered variables with sampling weights and clusters: lavaan 0.6-14 (weights), identities, and what samples show.

Weights of lavaan's numbers: .3 + 37 i / 101, and .9 more where x4 > 2, for case i = 1, 2, … of `holzinger_ordinal_x.csv`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from oracle_files import HERE

import cipa as ci
from cipa.numerics.responses.stages import Moments, moments_of

ITEMS = ["x1", "x2", "x3", "x4"]
MODEL = "f =~ x1 + x2 + x3 + x4"
LAVAAN: dict[str, tuple[str, dict[str, Any], dict[str, tuple[float, float]], dict[str, float]]] = {
    "ordered": (
        MODEL, {"ordered": ITEMS},
        {"f =~ x2": (0.70005273824, 0.12255644024), "f =~ x4": (0.71418156420, 0.13981911415), "x1 | t1": (-0.81941439120, 0.09431842979)},
        {"chisq": 2.362, "chisq.scaled": 4.362, "cfi.scaled": 0.985, "baseline.chisq.scaled": 164.920, "rmsea.scaled": 0.063, "srmr": 0.031},
    ),
    "mixed": (
        MODEL, {"ordered": ITEMS[:3]},
        {"f =~ x4": (0.66155663706, 0.14760796785), "x4 ~~ x4": (0.73069356139, 0.09384485376), "x4 ~1": (2.54885431323, 0.06306653030)},
        {"chisq": 1.863, "chisq.scaled": 4.119, "baseline.chisq": 161.570, "baseline.chisq.scaled": 137.468},
    ),
    "covariate": (
        MODEL + "\nf ~ ageyr", {"ordered": ITEMS[:3]},
        {"f ~ ageyr": (-0.03698823838, 0.05286704552), "x4 ~1": (4.00298965095, 0.83585773092), "x1 | t2": (-0.14924018750, 0.89847731772)},
        {"chisq": 5.084, "chisq.scaled": 7.805, "baseline.chisq": 161.630, "baseline.chisq.scaled": 137.195},
    ),
    "groups": (
        MODEL, {"ordered": ITEMS, "group": "sex"},
        {"f =~ x3 [1]": (1.221723745371, 0.3843601047), "f ~~ f [2]": (0.783083611686, 0.1501641284)}, {"chisq": 2.137, "chisq.scaled": 3.809},
    ),
    "full weights": (
        MODEL, {"ordered": ITEMS, "estimator": "wls"},
        {"f =~ x2": (0.69416933489, 0.11934086592), "x1 | t1": (-0.82554866238, 0.09425033236)}, {"chisq": 4.066, "baseline.chisq": 101.438},
    ),
}  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


def data() -> pd.DataFrame:
    found = pd.read_csv(HERE / "sem" / "data" / "holzinger_ordinal_x.csv")
    case = np.arange(1, len(found) + 1)
    return found.assign(w=0.3 + 37 * case / 101 + 0.9 * (found.x4 > 2))


def values() -> np.ndarray:
    return data()[ITEMS].to_numpy(dtype=float) - [1, 1, 1, 0]


def gathered(moments: Moments) -> np.ndarray:
    return np.concatenate([moments.thresholds, moments.means, moments.slopes.ravel(), moments.cov[moments.rows, moments.cols]])


@pytest.mark.parametrize("name", LAVAAN)
def test_weights_are_lavaans(name: str) -> None:
    """Estimates and errors to 5e-6 relative (lavaan stops at a gradient of 1e-6), measures to the digits that it prints."""
    syntax, options, rows, measures = LAVAAN[name]
    fit = ci.SEM(syntax, sampling_weight="w", **options).fit(data())
    for term, (estimate, error) in rows.items():
        row = fit.estimates[term]
        assert (row.estimate, row.std_error) == pytest.approx((estimate, error), rel=5e-6), term
    for measure, expected in measures.items():
        assert fit.measures[measure] == pytest.approx(expected, abs=6e-4), measure


def test_free_groups_are_their_sum() -> None:
    """The reference has a baseline of 214.48538 for groups that have 71.87893 and 142.61480 by themselves, which is 214.49373."""
    fit = ci.SEM(MODEL, ordered=ITEMS, group="sex", sampling_weight="w").fit(data())
    alone = [ci.SEM(MODEL, ordered=ITEMS, sampling_weight="w").fit(data()[data().sex == sex]) for sex in (1, 2)]
    for measure in ("chisq", "baseline.chisq"):
        assert fit.measures[measure] == pytest.approx(sum(float(one.measures[measure]) for one in alone), rel=1e-9)
    assert fit.measures["baseline.chisq"] == pytest.approx(71.8789297218 + 142.6147954280, rel=1e-7)


CASES = [([4, 4, 4, 4], False), ([4, 4, 0, 0], False), ([4, 4, 4, 0], True)]


@pytest.mark.parametrize(("sizes", "covariate"), CASES, ids=["ordered", "mixed", "covariate"])
def test_identities_of_weights_and_clusters(sizes: list[int], covariate: bool) -> None:
    """Equal weights change nothing; a weight of 2 estimates as two cases do; cases alone in clusters are independent cases; and a
    case repeated in its cluster tells no more than once."""
    table = values()[:, [0, 1, 2, 3]]
    table[:, 3] -= 1 if sizes[3] else 0
    x = data()[["ageyr"]].to_numpy(dtype=float) if covariate else None
    n = len(table)
    plain = moments_of(table, sizes, x)
    equal = moments_of(table, sizes, x, weights=np.full(n, 1.0))
    np.testing.assert_allclose(equal.gamma, plain.gamma, rtol=1e-12)
    alone = moments_of(table, sizes, x, clusters=np.arange(n))
    np.testing.assert_allclose(alone.gamma, plain.gamma * n / (n - 1), rtol=1e-10, atol=1e-12)

    def twice(rows: np.ndarray) -> np.ndarray:
        return np.concatenate([rows, rows])

    repeated = moments_of(twice(table), sizes, None if x is None else twice(x), clusters=twice(np.arange(n)))
    np.testing.assert_allclose(gathered(repeated), gathered(plain), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(repeated.gamma / (2 * n), alone.gamma / n, rtol=1e-6, atol=1e-9)
    some = np.arange(n) % 3 == 0
    weights = np.where(some, 2.0, 1.0)
    weighted = moments_of(table, sizes, x, weights=weights * n / weights.sum())
    longer = moments_of(np.vstack([table, table[some]]), sizes, None if x is None else np.vstack([x, x[some]]))
    np.testing.assert_allclose(gathered(weighted), gathered(longer), rtol=1e-7, atol=1e-9)


def test_errors_of_clusters_and_weights_are_what_samples_show() -> None:
    """300 samples of 80 clusters of 2 to 9 firms, of which those with much of y1 are kept half as often and weigh twice: the
    moments are those of the population, and their errors the spread; independent, unweighted cases have errors far off."""
    rng = np.random.default_rng(2005)
    found, claimed, naive, unweighted = [], [], [], []
    for _ in range(300):
        code = np.repeat(np.arange(80), rng.integers(2, 10, size=80))
        between = rng.multivariate_normal([0, 0, 0], 0.5 * np.array([[1, 0.6, 0.6], [0.6, 1, 0.6], [0.6, 0.6, 1]]), size=80)
        within = rng.multivariate_normal([0, 0, 0], 0.5 * np.array([[1, 0.4, 0.2], [0.4, 1, 0.4], [0.2, 0.4, 1]]), size=len(code))
        y = between[code] + within
        keep = rng.random(len(code)) < np.where(y[:, 0] > 0.5, 0.5, 1.0)
        y, clusters = y[keep], np.unique(code[keep], return_inverse=True)[1]
        weights = np.where(y[:, 0] > 0.5, 2.0, 1.0)
        table = np.column_stack([np.digitize(y[:, 0], [-0.5, 0.5]), np.digitize(y[:, 1], [0.0]), 2 * y[:, 2] + 1]).astype(float)
        moments = moments_of(table, [3, 2, 0], weights=weights / weights.mean(), clusters=clusters)
        plain = moments_of(table, [3, 2, 0])
        found.append(gathered(moments))
        unweighted.append(gathered(plain))
        claimed.append(np.sqrt(moments.gamma.diagonal() / len(y)))
        naive.append(np.sqrt(plain.gamma.diagonal() / len(y)))
    expected = np.array([-0.5, 0.5, 0, 1, 0.5, 0.8, 1.0, 4])
    spread = np.std(found, axis=0)
    noise = 4 * spread / np.sqrt(300) + np.abs(expected) * 5 / 400  # four Monte Carlo errors, and a bias of order 1 / clusters
    assert (np.abs(np.mean(found, axis=0) - expected) < noise).all()
    assert (np.abs(np.mean(unweighted, axis=0) - expected) > noise)[:4].all()
    np.testing.assert_allclose(np.mean(claimed, axis=0), spread, rtol=0.13)
    assert (np.mean(naive, axis=0)[:4] < 0.75 * spread[:4]).all()


def test_a_clustered_fit_says_so() -> None:
    rng = np.random.default_rng(3)
    clustered = data().assign(firm=rng.permutation(np.arange(301) // 5))
    fit = ci.SEM(MODEL, ordered=ITEMS, cluster="firm", sampling_weight="w").fit(clustered)
    assert "61 clusters" in fit.vcov_type.note
    assert fit.vcov_type.note.endswith("sampling weights")
    alone, same = (ci.SEM(MODEL, ordered=ITEMS, estimator="ulsmv", **how).fit(clustered) for how in ({}, {"cluster": "firm"}))
    assert [row.estimate for row in same.estimates] == pytest.approx([row.estimate for row in alone.estimates], rel=1e-9)
    assert same.estimates["f =~ x2"].std_error != alone.estimates["f =~ x2"].std_error
    assert same.measures["chisq.scaled"] != alone.measures["chisq.scaled"]


def test_cases_without_a_cluster_or_a_weight_are_counted() -> None:
    holes = data().assign(firm=np.arange(301) // 5)
    holes["firm"] = holes["firm"].where(holes.index > 3)
    holes.loc[299:, "w"] = np.nan
    fit = ci.SEM(MODEL, ordered=ITEMS, cluster="firm", sampling_weight="w").fit(holes)
    assert fit.measures["ntotal"] == 295
    assert sum(notice.code == "rows_dropped" for notice in fit.notices) == 2
    kept = ci.SEM(MODEL, ordered=ITEMS, cluster="firm", sampling_weight="w").fit(holes.iloc[4:299])
    assert [row.estimate for row in fit.estimates] == [row.estimate for row in kept.estimates]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cluster": "age"}, r"have cases in several groups.*within groups"),
        ({"cluster": "sex"}, "of one cluster of 'sex'"),
    ],
)
def test_clusters_that_the_groups_cannot_have(options: dict[str, Any], said: str) -> None:
    table = data().assign(age=data().ageyr)
    with pytest.raises(ci.DataError, match=said):
        ci.SEM(MODEL, ordered=ITEMS, group="sex", **options).fit(table)


def test_what_a_design_refuses() -> None:
    with pytest.raises(ci.SpecificationError, match=r'"dwls" with se="standard" takes the cases as independent.*"wlsmv"'):
        ci.SEM(MODEL, ordered=ITEMS, estimator="dwls", sampling_weight="w").fit(data())
    with pytest.raises(ci.DataError, match="18 moments, and 12 clusters"):
        ci.SEM(MODEL, ordered=ITEMS, estimator="wls", cluster="town").fit(data().assign(town=np.arange(301) % 12))
    with pytest.raises(ci.DataError, match="the sampling weight 'w' is -1 in row 1"):
        ci.SEM(MODEL, ordered=ITEMS, sampling_weight="w").fit(data().assign(w=-1.0))


def test_weights_of_incomplete_answers() -> None:
    """Pairwise, a weight of 2 estimates as two cases do, with holes in ordered and continuous answers."""
    rng = np.random.default_rng(8)
    table = values()
    table[rng.random(table.shape) < 0.2] = np.nan
    some = np.arange(len(table)) % 4 == 1
    weights = np.where(some, 2.0, 1.0)
    sizes = [4, 4, 4, 0]
    weighted = moments_of(table, sizes, weights=weights / weights.mean())
    longer = moments_of(np.vstack([table, table[some]]), sizes)
    np.testing.assert_allclose(gathered(weighted), gathered(longer), rtol=1e-7, atol=1e-9)
    plain = moments_of(table, sizes)
    assert np.abs(gathered(weighted) - gathered(plain)).max() > 0.01


def test_units_of_weights_and_order_of_cases_do_not_matter() -> None:
    table = data().assign(firm=np.arange(301) // 4)
    options: dict[str, Any] = {"ordered": ITEMS[:3], "cluster": "firm", "sampling_weight": "w"}
    fit = ci.SEM(MODEL, **options).fit(table)
    other = ci.SEM(MODEL, **options).fit(table.assign(w=1000 * table.w, firm=900 - table.firm).sample(frac=1, random_state=2))
    for one, two in zip(fit.estimates, other.estimates, strict=True):
        assert one.estimate == pytest.approx(two.estimate, rel=1e-7, abs=1e-9)
        assert one.std_error == pytest.approx(two.std_error, rel=1e-7, nan_ok=True)
    assert fit.measures["chisq.scaled"] == pytest.approx(other.measures["chisq.scaled"], rel=1e-7)
