"""Items worded against the others: a notice names them, `reversed` turns them, and never twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cipa as ci

STUDY = """
[study]
title = "Reversed"
[sources]
survey = "survey.csv"
[constructs.visual]
items = ["x1", "x2", "x3"]
{more}
[constructs.textual]
items = ["x4", "x5", "x6"]
[hypotheses]
H1 = "textual ~ visual > 0"
[models.main]
kind = "sem"
structure = ["textual ~ visual"]
"""


def study(place: Path, more: str = "") -> ci.Study:
    frame = ci.datasets.load("holzinger1939").to_frame()[["x1", "x2", "x3", "x4", "x5", "x6"]]
    frame["x2"] = 10.0 - frame["x2"]
    frame.to_csv(place / "survey.csv", index=False)
    (place / "study.toml").write_text(STUDY.format(more=more))
    return ci.Study.from_toml(place)


def mean_correlation(analysis: ci.Analysis) -> float:
    table = analysis.tables[ci.Key("correlations", "main")].to_frame()
    return float(table.loc[table.iloc[:, 0] == "textual"].iloc[0]["visual"])


def test_an_item_worded_against_the_others_is_named(tmp_path: Path) -> None:
    analysis = ci.run(study(tmp_path))
    (notice,) = analysis.notices
    assert notice.code == "reversed_item"
    assert notice.text.startswith("'x2' loads on visual with another sign than most of its items")
    assert 'reversed = ["x2"] in [constructs.visual]' in notice.text


def test_a_study_says_which_items_are_reversed(tmp_path: Path) -> None:
    declared = study(tmp_path, 'reversed = ["x2"]\nscale = [0, 10]')
    analysis = ci.run(declared)
    assert analysis.notices == ()
    data = analysis.datasets["survey"]
    original = ci.datasets.load("holzinger1939")
    np.testing.assert_allclose(data["x2"], original["x2"], atol=1e-12)
    assert data.log[-1].reason == "reversed items turned round: x2 (0 to 10)"
    # the mean that the tables describe is that of the turned items, and alpha does not turn them again
    assert ci.cronbach_alpha(data, ["x1", "x2", "x3"]) == pytest.approx(ci.cronbach_alpha(original, ["x1", "x2", "x3"]))
    means = original.numeric(["x1", "x2", "x3"]).mean(axis=1)
    described = analysis.tables[ci.Key("descriptives", "main")].to_frame().set_index("variable")
    assert described.loc["visual", "mean"] == pytest.approx(means.mean())
    assert described.loc["visual", "sd"] == pytest.approx(means.std(ddof=1))
    assert ci.Study.from_toml(tmp_path).to_toml() == declared.to_toml()
    (tmp_path / "study.toml").write_text(declared.to_toml())
    assert ci.Study.from_toml(tmp_path).constructs == declared.constructs


def test_without_a_scale_the_answers_given_are_its_ends(tmp_path: Path) -> None:
    data = ci.run(study(tmp_path, 'reversed = ["x2"]')).datasets["survey"]
    given = 10.0 - ci.datasets.load("holzinger1939")["x2"]
    np.testing.assert_allclose(data["x2"], given.min() + given.max() - given)
    assert data.log[-1].reason == f"reversed items turned round: x2 ({given.min():g} to {given.max():g})"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('reversed = ["x22"]', r"\[constructs\.visual\].*reverses 'x22', which is not among its items.*Did you mean 'x2'"),
        ('reversed = ["x2"]\nscale = [7, 1]', "write the lowest answer before the highest"),
        ('scale = "7"', r"two ends of a scale such as \[1, 7\], got '7'"),
    ],
)
def test_what_cannot_be_turned_is_refused(more: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ci.SpecificationError, match=said):
        study(tmp_path, more)
