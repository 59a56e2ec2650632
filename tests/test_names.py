"""Names as surveys have them, with punctuation: in syntax, formulas, derived columns and studies; names and words of codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest

import cipa as ci
from cipa.data.score import derive

RD, AGE, ITEM = "Q5.R&D (%)", "1、企业年龄（题1）", "x3 - agree/disagree"
MODEL = f"visual =~ x1 + x2 + `{ITEM}`\nvisual ~ `{RD}` + b*`{AGE}`\nd := 2*b"


def children() -> pd.DataFrame:
    frame = ci.datasets.load("holzinger1939").to_frame()
    return frame.rename(columns={"x3": ITEM, "ageyr": RD, "agemo": AGE})


def plain() -> str:
    return MODEL.replace(f"`{ITEM}`", "x3").replace(f"`{RD}`", "ageyr").replace(f"`{AGE}`", "agemo")


def test_backticks_in_syntax() -> None:
    fit, same = ci.SEM(MODEL).fit(children()), ci.SEM(plain()).fit(ci.datasets.load("holzinger1939"))
    np.testing.assert_array_equal(fit.params, same.params)
    assert fit.estimates[f"visual ~ `{RD}`"].estimate == same.estimates["visual ~ ageyr"].estimate
    assert fit.estimates[f"visual ~ {RD}"] is fit.estimates[f"visual ~ `{RD}`"]
    assert fit.estimates["d"].estimate == same.estimates["d"].estimate
    assert "Q5.R&D (%)" in str(fit)
    np.testing.assert_allclose(
        ci.modification_indices(fit).to_frame()["mi"].to_numpy(),
        ci.modification_indices(same).to_frame()["mi"].to_numpy(),
        rtol=1e-6,
    )
    assert ci.wald_test(fit, "b == 0").value == pytest.approx(ci.wald_test(same, "b == 0").value)


def test_backticks_under_invariance_and_power() -> None:
    frame = children()
    found = ci.invariance(ci.SEM(f"visual =~ x1 + x2 + `{ITEM}` + x4"), frame, group="school", levels=("configural", "metric"))
    assert len(found.fits) == 2
    table = ci.power(ci.SEM(f"y ~ `{RD}`"), params={f"y ~ `{RD}`": 0.3}, nobs=100, terms=[f"y ~ `{RD}`"])
    assert 0.8 < table.to_frame()["power"][0] < 0.95


@pytest.mark.parametrize("name", ["a~b", "a=b", "a:b", "a<b", "a[b]", "a->b"])
def test_a_name_that_could_be_read_two_ways_is_refused(name: str) -> None:
    with pytest.raises(ci.SpecificationError, match=r"stands between the names of a parameter.*Rename the column"):
        ci.SEM(f"y ~ `{name}`")


def test_backticks_in_formulas_and_derived_columns() -> None:
    data = ci.datasets.load("grunfeld").rename({"value": RD})
    fit = ci.Panel(f"inv ~ `{RD}` + capital").fit(data)
    assert fit.estimates[f"inv ~ `{RD}`"].estimate == pytest.approx(0.1101238, abs=1e-7)
    doubled = derive(data, {"twice": f"2 * `{RD}`", AGE: "log(capital)"})
    np.testing.assert_array_equal(doubled["twice"], 2 * data[RD])
    assert AGE in doubled.columns


STUDY = """
[study]
title = "Names"
[sources.survey]
path = "survey.xlsx"
sheet = "answers"
[sources.survey.rename]
rd = "Q5.R&D (%)"
"1、企业年龄（题1）" = "age"
[sources.survey.derive]
older = "age / 12"
[constructs.visual]
items = ["x1", "x2", "x3 - agree/disagree"]
[hypotheses]
H1 = "visual ~ rd > 0"
H2 = "visual ~ older > 0"
[models.main]
kind = "sem"
structure = ["visual ~ rd + older"]
"""


def test_a_study_renames_columns_and_names_a_sheet(tmp_path: Path) -> None:
    with pd.ExcelWriter(tmp_path / "survey.xlsx") as book:
        pd.DataFrame({"notes": ["see the other sheet"]}).to_excel(book, sheet_name="notes", index=False)
        children().to_excel(book, sheet_name="answers", index=False)
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    study = ci.Study.from_toml(tmp_path)
    analysis = ci.run(study)
    assert analysis.failures == {}
    syntax = f"visual =~ x1 + x2 + `{ITEM}`\nvisual ~ `{RD}` + older"
    by_hand = ci.SEM(syntax).fit(children().assign(older=lambda d: d[AGE] / 12))
    found = analysis.fits["main"].estimates["visual ~ rd"].estimate
    assert found == pytest.approx(by_hand.estimates[f"visual ~ {RD}"].estimate, rel=1e-6)
    assert analysis.datasets["survey"].labels["rd"] == RD
    (tmp_path / "study.toml").write_text(study.to_toml(), encoding="utf-8")
    assert ci.Study.from_toml(tmp_path).sources == study.sources
    (tmp_path / "study.toml").write_text(STUDY.replace("Q5.R&D (%)", "Q5.R&D"), encoding="utf-8")
    with pytest.raises(
        ci.DataError, match=r"study\.toml, \[sources\.survey\].*no column named 'Q5\.R&D'\. Did you mean 'Q5\.R&D \(%\)'"
    ):
        ci.check(tmp_path)


def test_rename() -> None:
    data = ci.datasets.load("cluster_survey").rename({"env5": "turbulence", "firm1": "size"})
    assert data.items["turbulence"].reversed
    assert "turbulence" in next(one for one in data.constructs if one.name == "ENV").items
    with pytest.raises(ci.DataError, match="gives the name 'env4' to more than one column"):
        ci.datasets.load("cluster_survey").rename({"env5": "env4"})


def test_words_of_codes_name_the_groups(tmp_path: Path) -> None:
    frame = ci.datasets.load("holzinger1939").to_frame()[["x1", "x2", "x3", "sex"]]
    pyreadstat.write_sav(frame, str(tmp_path / "t.sav"), variable_value_labels={"sex": {1: "boys", 2: "girls"}})
    fit = ci.SEM("visual =~ x1 + x2 + x3", group="sex").fit(ci.read(tmp_path / "t.sav"))
    same = ci.SEM("visual =~ x1 + x2 + x3", group="sex").fit(frame)
    assert set(fit.group_labels) == {"boys", "girls"}
    assert set(same.group_labels) == {"1", "2"}
    np.testing.assert_allclose(fit.params, same.params)
    assert fit.estimates["visual =~ x2 [girls]"].estimate == same.estimates["visual =~ x2 [2]"].estimate


def test_ordered_categories_are_ordered_variables() -> None:
    frame = ci.datasets.load("holzinger1939").to_frame()
    codes = pd.DataFrame({name: pd.cut(frame[name], 3, labels=False) for name in ("x1", "x2", "x3", "x4")}).astype(float)
    words = {0.0: "low", 1.0: "middle", 2.0: "high"}
    named = codes.apply(lambda column: pd.Categorical(column.map(words), ["low", "middle", "high"], ordered=True))
    model = ci.SEM("visual =~ x1 + x2 + x3 + x4", ordered=True)
    fit, same = model.fit(named), model.fit(codes)
    np.testing.assert_array_equal(fit.params, same.params)
    assert fit.statistics["chisq"].value == same.statistics["chisq"].value
    assert ci.factor_scores(fit).to_frame().shape[0] == len(named)
    with pytest.raises(ci.DataError, match="4 columns hold words"):
        ci.SEM("visual =~ x1 + x2 + x3 + x4").fit(named)  # an order is no measure
    with pytest.raises(ci.DataError, match="4 columns hold words"):
        model.fit(named.astype(str))
