"""The invariance ladder of ordered indicators: the reference's models, equivalent ways to write them, what is refused."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from oracle_files import HERE, case
from oracle_report import agree

import cipa as ci
from cipa.evidence.ladder import Ladder

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")

FIT = 1e-6
"""lavaan's search stops at a relative change of F of 1e-10."""

DIFFERENCE = 1e-5
"""The difference of two such chi-squares, a tenth of either."""

FIRST_ORDER = 1e-5
"""SRMR moves with the error of lavaan's estimates, chi-square and what is made of it with its square."""

EQUIVALENT = 1e-7
"""Two searches for one optimum."""

FOLDER = HERE / "ordinal_invariance"
CASES = sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != "score_fixed")
TEN = [f"{letter}{k}" for letter in "AC" for k in range(1, 6)]
SIX = "f =~ x1 + x2 + x3 + x4 + x5 + x6"
COLUMNS = ("df", "chisq", "cfi", "rmsea")


def items_of(name: str) -> pd.DataFrame:
    """The data of a case, its categories merged as run.R does."""
    data = pd.read_csv(HERE / "sem" / "data" / "bfi_ac.csv").dropna(subset=[*TEN, "gender", "age"])
    data["thirds"] = 1 + (data.age > 21).astype(int) + (data.age > 30)
    if name == "three":
        data[TEN] = np.ceil(data[TEN] / 2)
    halved = {"two": TEN, "mixed_two": ["A2", "C4"]}.get(name, [])
    data[halved] = (data[halved] > 3).astype(float)
    return data


def answers(
    *, cuts: Any = (-1.0, 0.2, 1.1), easier: float = 0.0, groups: str = "ab", n: int = 500, seed: int = 3
) -> pd.DataFrame:
    """Six items of one factor, whose law differs between groups; x4 is `easier` in the last group."""
    rng = np.random.default_rng(seed)
    tables = []
    for g, label in enumerate(groups):
        y = 0.9 * (rng.standard_normal(n) * (1 + 0.2 * g) + 0.4 * g)[:, None] + rng.standard_normal((n, 6))
        y[:, 3] += easier * (g == len(groups) - 1)
        coded = np.column_stack([np.digitize(y[:, j], np.array(cuts) + 0.15 * (j - 2.5)) for j in range(6)])
        tables.append(pd.DataFrame(coded, columns=[f"x{k}" for k in range(1, 7)]).assign(group=label))
    return pd.concat(tables, ignore_index=True)


@pytest.mark.parametrize("name", CASES)
def test_levels_and_differences_are_those_of_the_reference(name: str) -> None:
    found = case("ordinal_invariance", name)
    model = ci.SEM(found["model"], ordered=found["ordered"], estimator=found["estimator"], group_partial=found["partial"])
    table = ci.invariance(
        model, items_of(name), group=found["group"], levels=[row["level"] for row in found["levels"]]
    ).to_frame()
    pairs, changes, residuals = [], [], []
    for row, want in zip(table.itertuples(), found["levels"], strict=True):
        expected = (want["df"], want["chisq"], want["cfi.scaled"], want["rmsea.scaled"])
        pairs += [(f"{row.level} {head}", getattr(row, head), value) for head, value in zip(COLUMNS, expected, strict=True)]
        residuals.append((f"{row.level} srmr", row.srmr, want["srmr"]))
        if want["df_diff"]:
            heads = ("chisq_diff", "df_diff", "p_diff")
            changes += [(f"{row.level} {head}", getattr(row, head), want[head]) for head in heads]
    agree("ordinal_invariance", name, pairs, rtol=FIT)
    agree("ordinal_invariance", name, residuals, rtol=FIRST_ORDER)
    agree("ordinal_invariance", name, changes, rtol=DIFFERENCE, atol=1e-12)


def test_three_categories_make_the_thresholds_level_the_configural_model() -> None:
    found = ci.invariance(ci.SEM(SIX, ordered=True), answers(cuts=(-0.4, 0.7)), group="group")
    assert found.table.columns["level"] == ("configural", "thresholds", "metric", "scalar", "strict")
    configural, thresholds = found.fits[:2]
    assert thresholds.df_resid == configural.df_resid
    assert thresholds.statistics["chisq"].value == pytest.approx(configural.statistics["chisq"].value, rel=EQUIVALENT)
    assert found.table.columns["stands"][1] == "yes"
    assert "thresholds adds no restriction" in str(found)


def in_delta(level: str) -> ci.SEM:
    """A level in the delta parameterization, written by hand: scales instead of residual variances are free in the second group."""
    names = [f"x{k}" for k in range(1, 7)]
    classes = {"thresholds": ["thresholds"], "metric": ["thresholds", "loadings"], "scalar": ["thresholds", "loadings"]}[level]
    lines = [] if level == "scalar" else [f"{name} ~ c(0, NA)*1" for name in names]
    lines += [f"{name} ~*~ c(1, NA)*{name}" for name in names]
    lines += ["f ~ c(0, NA)*1" if level == "scalar" else "f ~ 0*1"]
    return ci.SEM("\n".join([SIX, *lines]), ordered=True, group="group", group_equal=classes)


def test_theta_and_delta_are_one_model_up_to_scalar() -> None:
    data = answers(easier=0.4)
    found = ci.invariance(ci.SEM(SIX, ordered=True), data, group="group", levels=("thresholds", "metric", "scalar"))
    for name, fit in zip(found.table.columns["level"], found.fits, strict=True):
        other = in_delta(name).fit(data)
        assert other.df_resid == fit.df_resid
        assert other.statistics["chisq"].value == pytest.approx(fit.statistics["chisq"].value, rel=EQUIVALENT)


def test_markers_and_unit_variances_give_the_same_ladder() -> None:
    data = answers(easier=0.4)
    marker, unit = (ci.invariance(ci.SEM(SIX, ordered=True, std_lv=one), data, group="group").to_frame() for one in (False, True))
    for head in ("df", "chisq", "chisq_diff"):
        np.testing.assert_allclose(marker[head], unit[head], rtol=1e-5)


def test_items_of_two_categories_restrict_nothing_before_scalar() -> None:
    """Among items of four categories: each level has the degrees of freedom of the five others only."""
    data = answers()
    data["x6"] = (data.x6 > 1).astype(int)
    table = ci.invariance(ci.SEM(SIX, ordered=True), data, group="group").to_frame()
    assert table.df_diff.tolist()[1:] == [5.0, 4.0, 5.0, 6.0]
    assert table.chisq.is_monotonic_increasing


def test_two_categories_alone_begin_with_scalar() -> None:
    data = answers(cuts=(0.3,))
    model = ci.SEM(SIX, ordered=True)
    assert Ladder.of(model, data, group="group").checked(None) == ["configural", "scalar", "strict"]
    with pytest.raises(ci.SpecificationError, match=r"'thresholds' and 'metric'.* of f have two categories.*Use levels="):
        ci.invariance(model, data, group="group", levels=("configural", "thresholds", "metric"))


def test_the_search_finds_the_item_that_is_easier_in_one_group() -> None:
    found = ci.invariance(
        ci.SEM(SIX, ordered=True),
        answers(easier=0.6),
        group="group",
        levels=("configural", "thresholds", "metric", "scalar"),
        search=True,
    )
    assert found.steps.columns["level"] == ("scalar",)
    assert found.steps.columns["parameter"] == ("x4 ~1",)
    hint = next(row for row in zip(*found.suggestions.columns.values(), strict=True) if row[0] == "scalar")
    assert hint[1] == "x4 ~1"
    assert found.table.columns["p_diff"][3] > 0.05
    estimate = found.fits[-1].estimates["x4 ~1 [b]"].estimate
    assert estimate == pytest.approx(0.6, abs=0.2)


def test_the_search_finds_it_among_items_of_two_categories() -> None:
    found = ci.invariance(ci.SEM(SIX, ordered=True), answers(cuts=(0.3,), easier=0.9, n=900), group="group", search=True)
    assert found.steps.columns["parameter"][0] == "x4 ~1"
    assert {row[1] for row in zip(*found.suggestions.columns.values(), strict=True) if row[0] == "scalar"} <= {
        f"x{k} ~1" for k in range(1, 7)
    }


def test_each_group_beyond_two_is_a_test_of_its_own() -> None:
    """The corrected p-value of the first step: six items in three groups, of which the first is the measure of the others."""
    data = answers(easier=0.6, groups="abc", n=300)
    found = ci.invariance(ci.SEM(SIX, ordered=True), data, group="group", levels=("metric", "scalar"), search=True)
    chisq, p_value = (found.steps.columns[name][0] for name in ("chisq", "p_value"))
    raw = next(row[3] for row in zip(*found.suggestions.columns.values(), strict=True) if row[2] == chisq)
    assert p_value == pytest.approx(12 * raw, rel=1e-9)


def test_the_ladder_of_ordered_indicators_keeps_two_anchors() -> None:
    data = answers()
    for item in ("x1", "x2", "x3", "x4", "x5"):
        data[item] = np.clip(data[item] + (data.group == "b") * (1 if item in ("x1", "x2", "x3") else -1), 0, 3)
        data[item] = data[item].where(np.arange(len(data)) % 9 > 0, np.arange(len(data)) // 9 % 4)
    found = ci.invariance(ci.SEM(SIX, ordered=True), data, group="group", search=True)
    assert len(found.steps) > 0
    loose = {
        re.split(r" (?:~1|\|)", name)[0].removeprefix("f =~ ") for name in found.steps.columns["parameter"] if "~~" not in name
    }
    assert len(loose) <= 4


def test_latent_means_are_named_and_held() -> None:
    found = ci.invariance(ci.SEM(SIX, ordered=True), answers(), group="group", levels=("scalar", "means"))
    assert found.table.columns["stands"][1] == "no"
    assert found.suggestions.columns["parameter"][-1] == "f ~1" or "f ~1" in found.suggestions.columns["parameter"]
    assert found.fits[1].estimates["f ~1 [b]"].estimate == pytest.approx(0.0, abs=1e-12)
    assert found.fits[0].estimates["f ~1 [b]"].estimate == pytest.approx(0.4, abs=0.15)


def test_the_note_says_how_the_groups_are_identified() -> None:
    model = ci.SEM(SIX, ordered=True)
    found = ci.invariance(model, answers(), group="group", levels=("configural",))
    assert model.parameterization == "delta"
    assert found.fits[0].model.parameterization == "theta"
    assert 'parameterization "theta"' in found.table.notes[1]


@pytest.mark.parametrize(
    ("syntax", "options", "words"),
    [
        (f"{SIX}\nx2 ~ 0*1", {}, "'x2 ~1' is written.*Leave this line out"),
        (f"{SIX}\nx2 ~~ 1*x2", {"parameterization": "theta"}, "'x2 ~~ x2' is written"),
        (f"{SIX}\nx2 | c(a, a)*t1", {}, r"'x2 \| t1' is written"),
        (f"{SIX}\nf ~ 0*1", {}, "'f ~1' is written"),
        (f"group: a\n{SIX}\ngroup: b\n{SIX}", {}, "is written for group a"),
        (SIX, {"effect_coding": True}, "effect_coding=True sets scale"),
        (SIX, {"defaults": "growth"}, 'defaults="growth" sets scale'),
        ("f =~ x1 + x2 + x3 + x4 + x5\nx6 ~ f", {}, "'x6' measures no construct"),
    ],
)
def test_what_the_ladder_cannot_be_built_on_is_refused(syntax: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ci.SpecificationError, match=words):
        ci.invariance(ci.SEM(syntax, ordered=[f"x{k}" for k in range(1, 7)], **options), answers(), group="group")


def test_thresholds_of_continuous_indicators_are_refused() -> None:
    with pytest.raises(ci.SpecificationError, match="no ordered indicators"):
        ci.invariance(ci.SEM(SIX), answers(), group="group", levels=("configural", "thresholds"))


def test_a_group_without_a_category_is_refused() -> None:
    data = answers()
    data.loc[(data.group == "b") & (data.x2 == 0), "x2"] = 1
    with pytest.raises(ci.DataError, match="nobody in group b answered 0 to 'x2'"):
        ci.invariance(ci.SEM(SIX, ordered=True), data, group="group")


MIXED = "f =~ x1 + x2 + x3 + x4\ng =~ x5 + x6"


def written(level: str, *free: str, **categories: int) -> list[str]:
    """What the ladder adds to the syntax of a model."""
    rungs = Ladder(model=ci.SEM(MIXED, ordered=list(categories)), group="group", ngroups=3, categories=categories)
    return rungs.at(level, free).syntax.splitlines()[2:]


@pytest.mark.parametrize(
    ("level", "free", "movable"),
    [
        ("thresholds", (), False),
        ("metric", (), True),
        ("metric", ("g =~ x6",), False),
        ("metric", ("f =~ x2",), True),
        ("metric", ("x6 | t1",), False),
        ("scalar", (), True),
        ("scalar", ("g =~ x6",), True),
        ("scalar", ("x6 ~1",), True),
        ("scalar", ("g =~ x6", "x6 ~1"), False),
    ],
)
def test_the_residual_variance_of_two_categories_is_free_where_something_tells_it_apart(
    level: str, free: tuple[str, ...], movable: bool
) -> None:
    """Its one equal threshold takes one parameter; loading or intercept have to be equal for the other (Wu & Estabrook 2016)."""
    lines = [line for line in written(level, *free, x6=2) if line.startswith("x6 ~~")]
    assert lines == [f"x6 ~~ c(1, {', '.join(['NA' if movable else '1'] * 2)})*x6"]


def test_a_latent_mean_that_is_spared_is_not_held() -> None:
    lines = written("means", "f ~1")
    assert [line for line in lines if line.startswith("f ~")] == ["f ~ c(0, NA, NA)*1"]
    assert [line for line in lines if "==" in line] == ["mean_g_2 == 0", "mean_g_3 == 0"]


def test_a_model_that_writes_every_parameter_itself_gets_no_latent_means() -> None:
    rungs = Ladder(model=ci.SEM(MIXED, defaults="lavaan"), group="group", ngroups=2, categories={})
    assert rungs.at("means", ()).syntax == MIXED


def test_groups_and_categories_are_those_of_the_cases_that_are_used() -> None:
    data = answers(n=60).astype({"x1": float, "x2": float, "group": object})
    data.loc[data.x1 == 3, "x2"] = np.nan  # the highest answer to x1 stands in incomplete rows only
    data.loc[[0, 1], "group"] = None
    counted = {
        missing: Ladder.of(ci.SEM(SIX, ordered=True, missing=missing), data, group="group")
        for missing in ("listwise", "pairwise")
    }
    assert {missing: (rungs.ngroups, rungs.categories["x1"]) for missing, rungs in counted.items()} == {
        "listwise": (2, 3),
        "pairwise": (2, 4),
    }
