"""Reliability of ordered items: of the sum of the answers (Green & Yang 2009), whatever the parameterization, the groups, the wording."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

import cipa as ci
from cipa.evidence.categorical import sum_reliability
from cipa.report.document import Table
from cipa.report.outline import outline

MODEL = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6"
ITEMS = [f"x{k}" for k in range(1, 7)]


@cache
def answers() -> pd.DataFrame:
    """Four, three and two categories."""
    frame = ci.datasets.load("holzinger1939").to_frame()
    for item, count in zip(ITEMS, (4, 4, 3, 4, 3, 2), strict=True):
        frame[item] = (frame[item].rank(pct=True) ** 1.3 * (count - 0.001)).astype(int) + 1
    return frame


@cache
def fit(**options: Any) -> Any:
    return ci.SEM(MODEL, ordered=True, **options).fit(answers())


def rows(found: Any) -> pd.DataFrame:
    return ci.reliability(found).to_frame().set_index("construct")


def by_quadrature(loadings: np.ndarray, thresholds: list[np.ndarray]) -> tuple[float, float]:
    """Variance of the expected sum given the construct, and of the sum, of items that only the construct joins."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()
    expected = np.zeros(len(nodes))
    noise = 0.0
    for loading, tau in zip(loadings, thresholds, strict=True):
        above = ndtr((loading * nodes[:, None] - tau) / np.sqrt(1 - loading**2))
        levels = np.hstack([np.ones((len(nodes), 1)), above]) - np.hstack([above, np.zeros((len(nodes), 1))])
        scores = np.arange(len(tau) + 1)
        mean = levels @ scores
        expected += mean
        noise += float(weights @ (levels @ scores**2 - mean**2))
    true = float(weights @ expected**2 - (weights @ expected) ** 2)
    return true, true + noise


@pytest.mark.parametrize("seed", range(6))
def test_reliability_of_a_sum_is_the_variance_that_the_construct_explains(seed: int) -> None:
    rng = np.random.default_rng(seed)
    k = int(rng.integers(2, 6))
    loadings = rng.uniform(-0.5, 0.95, size=k)
    thresholds = [np.sort(rng.normal(size=rng.integers(1, 6))) for _ in range(k)]
    correlations = np.outer(loadings, loadings)
    np.fill_diagonal(correlations, 1.0)
    true, total = by_quadrature(loadings, thresholds)
    assert sum_reliability(loadings, thresholds, correlations) == pytest.approx(true / total, rel=1e-9)


def test_a_loading_above_one_has_no_reliability_and_one_of_one_has() -> None:
    """It ended the run with a StopIteration that said nothing."""
    rng = np.random.default_rng(2)
    y = rng.normal(size=(150, 1)) * [0.97, 0.5, 0.3] + rng.normal(size=(150, 3)) * [0.24, 0.86, 0.95]
    data = pd.DataFrame(np.digitize(y, [-0.6, 0.6]), columns=["a", "b", "c"])
    with pytest.warns(ci.CipaWarning):
        found = ci.SEM("f =~ a + b + c", ordered=True, std_lv=True).fit(data)
    assert found.estimates["f =~ a"].standardized > 1.05
    assert np.isnan(rows(found).loc["f", "omega"])
    assert 0 < rows(found).loc["f", "alpha"] < 1
    thresholds = [np.array([-0.6, 0.6])] * 3
    near, exact, rounded = (
        sum_reliability(loadings, thresholds, np.outer(loadings, loadings) + np.diag(1 - loadings**2))
        for loadings in (np.array([first, 0.6, 0.5]) for first in (1 - 1e-9, 1.0, 1 + 1e-15))
    )
    assert rounded == pytest.approx(exact, rel=1e-12)
    assert near == pytest.approx(exact, abs=1e-5)


@pytest.mark.parametrize("construct", ["visual", "textual"])
def test_omega_is_that_of_the_sum_of_answers(construct: str) -> None:
    found = fit()
    items = ITEMS[:3] if construct == "visual" else ITEMS[3:]
    loadings = np.array([found.estimates[f"{construct} =~ {item}"].standardized for item in items])
    thresholds = [
        np.array([row.estimate for row in found.estimates if row.term.op == "|" and row.term.lhs == item]) for item in items
    ]
    true, total = by_quadrature(loadings, thresholds)
    assert rows(found).loc[construct, "omega"] == pytest.approx(true / total, rel=1e-6)


def test_the_parameterization_does_not_matter() -> None:
    """Unstandardized loadings of the theta parameterization weigh items by their scale: omega was .688 for .619."""
    delta, theta = rows(fit()), rows(fit(parameterization="theta"))
    for column in ("alpha", "omega", "alpha_ordinal", "omega_ordinal", "cr", "ave"):
        assert theta[column].to_numpy() == pytest.approx(delta[column].to_numpy(), rel=1e-5), column


def test_alpha_of_the_answers_stands_beside_that_of_the_response_variables() -> None:
    found = rows(fit())
    for construct, items in (("visual", ITEMS[:3]), ("textual", ITEMS[3:])):
        assert found.loc[construct, "alpha"] == pytest.approx(ci.cronbach_alpha(answers(), items), rel=1e-12)
        r = fit().sample_covs[0]
        where = [fit().observed.index(item) for item in items]
        r = r[np.ix_(where, where)]
        assert found.loc[construct, "alpha_ordinal"] == pytest.approx(1.5 * (1 - 3 / r.sum()), rel=1e-10)
        assert found.loc[construct, "alpha"] < found.loc[construct, "alpha_ordinal"]
        assert found.loc[construct, "omega"] < found.loc[construct, "omega_ordinal"]


def test_an_item_worded_the_other_way_round_changes_nothing() -> None:
    turned = ci.SEM(MODEL, ordered=True).fit(answers().assign(x2=5 - answers().x2, x6=3 - answers().x6))
    plain = rows(fit())
    for column in ("alpha", "omega", "alpha_ordinal", "omega_ordinal"):
        assert rows(turned)[column].to_numpy() == pytest.approx(plain[column].to_numpy(), rel=1e-5), column


def test_groups_have_their_own_thresholds_and_scales() -> None:
    """With equal loadings and thresholds the response variables of the second group have other means and scales."""
    found = ci.SEM(MODEL, ordered=True, group="school", group_equal=("loadings", "thresholds")).fit(answers())
    table = ci.reliability(found).to_frame().set_index(["construct", "group"])
    free = ci.SEM(MODEL, ordered=True, group="school").fit(answers())
    alone = ci.reliability(free).to_frame().set_index(["construct", "group"])
    for key in table.index:
        assert table.loc[key, "omega"] == pytest.approx(alone.loc[key, "omega"], abs=0.03)
        assert table.loc[key, "alpha"] == alone.loc[key, "alpha"]


def test_thresholds_of_a_later_group_count_from_its_own_mean() -> None:
    """With thresholds and intercepts equal the construct of the second group has a mean, which moves every item's cut points."""
    held = ("loadings", "thresholds", "intercepts")
    found = ci.SEM("textual =~ x4 + x5 + x6", ordered=True, group="school", group_equal=held).fit(answers())
    group = found.group_labels[1]

    def of(op: str, lhs: str, rhs: str = "") -> list[float]:
        rows = [row for row in found.estimates if (row.term.op, row.term.lhs, row.term.group) == (op, lhs, group)]
        return [row.estimate for row in rows if rhs in ("", row.term.rhs)]

    mean, variance = of("~1", "textual")[0], of("~~", "textual")[0]
    assert abs(mean) > 0.3
    scaled, thresholds = [], []
    for item in ITEMS[3:]:
        (loading,) = of("=~", "textual", item)
        sd = np.sqrt(loading**2 * variance + of("~~", item)[0])
        scaled.append(loading * np.sqrt(variance) / sd)
        thresholds.append((np.array(of("|", item)) - loading * mean) / sd)
    true, total = by_quadrature(np.array(scaled), thresholds)
    table = ci.reliability(found).to_frame().set_index("group")
    assert table.loc[group, "omega"] == pytest.approx(true / total, rel=1e-6)


def test_continuous_items_have_no_ordinal_columns() -> None:
    table = ci.reliability(ci.SEM(MODEL).fit(ci.datasets.load("holzinger1939")))
    assert list(table.columns) == ["construct", "group", "items", "alpha", "omega", "cr", "ave"]


def test_mixed_items_have_no_omega() -> None:
    mixed = ci.SEM("f =~ x1 + x2 + x3 + x7", ordered=["x1", "x2", "x3"]).fit(answers())
    assert np.isnan(rows(mixed).loc["f", "omega"])
    assert 0 < rows(mixed).loc["f", "alpha"] < 1


def test_the_report_says_what_is_what(tmp_path: Path) -> None:
    answers().to_csv(tmp_path / "d.csv", index=False)
    (tmp_path / "study.toml").write_text(
        "[study]\ntitle = 't'\n[sources]\nd = 'd.csv'\n[models.m]\nkind = 'sem'\nordered = true\n"
        "syntax = '''\nvisual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\n'''\n"
    )
    blocks = outline(ci.run(tmp_path)).blocks
    table = next(block for block in blocks if isinstance(block, Table) and block.key == "reliability-m")
    assert [column.head for column in table.columns] == ["Construct", "Items", "α", "ω", "ordinal α", "ordinal ω", "CR", "AVE"]
    assert "Green & Yang 2009" in table.notes[0]
    assert "polychoric" in table.notes[0]
