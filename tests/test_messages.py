"""Messages say what is wrong, where with the offending value, why it matters and what to do; lavaan's spellings are understood."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cipa as ci
from cipa.errors import DataWarning

CFA = "visual =~ x1 + x2 + x3"


def children(**columns: object) -> pd.DataFrame:
    return ci.datasets.load("holzinger1939").to_frame().assign(**columns)


@pytest.mark.parametrize(
    ("syntax", "said"),
    [
        ("visual = x1 + x2", r"'=' alone relates nothing\. Write '=~' for a construct"),
        ("visual ＝～ x1 + x2", "'＝～' is typed with an input method .* Write '=~'"),
        ("visual =～ x1 + x2", "'=～' is typed with an input method .* Write '=~'"),
        ("y ～ x", "Write '~'"),
        ("visual =~ x1 ＋ x2", r"Write '\+'"),
        ("visual =~ x1 + x2。", "'。' is typed .* Leave it out"),
        ("visual =~ start（0.8）*x1", r"Write '\('"),
        ("visual =~ c(a，b)*x1", "Write ','"),
        ("visual =~ x1；y ~ x", "Write ';'"),
        ("y ~ b*x\nz ~ c*x\nd := b–c", "Write '-'"),
        ("visual =~ R&D + x2", "the character '&' has no meaning here.*in backticks"),
    ],
)
def test_a_character_that_is_no_operator_is_named(syntax: str, said: str) -> None:
    with pytest.raises(ci.SpecificationError, match=rf"(?s)model syntax, line \d.*\^.*{said}"):
        ci.SEM(syntax)


def test_columns_of_words_are_listed_with_their_words_and_rows_all_at_once() -> None:
    spoilt = children().astype({"x1": object, "x2": object})
    spoilt.loc[[2, 9], "x1"] = "n.a."
    spoilt.loc[4, "x2"] = "3,5"
    with pytest.raises(ci.DataError) as refusal:
        ci.SEM(f"{CFA} + school").fit(spoilt)
    message = str(refusal.value)
    assert "3 columns hold words, and a model needs numbers" in message
    assert "'x1': 'n.a.' (row 3, 10); 2 of 301 rows" in message
    assert "'x2': '3,5' (row 5); 1 of 301 rows" in message
    assert "'school': 'Pasteur' (row 1, 2, 3, …), 'Grant-White'" in message
    assert "mark what is no answer as missing" in message


def test_numbers_in_other_clothes_are_read() -> None:
    plain = children(x3=lambda d: (d.x3 > 2).astype(float), x1=lambda d: d.x1.round())
    clothed = plain.assign(x1=plain.x1.astype("category"), x2=plain.x2.astype(str), x3=plain.x3 > 0)
    odd = plain.assign(x1=plain.x1.astype("Int64"), x2=plain.x2.astype(object))
    expected = ci.SEM(CFA).fit(plain)
    for frame in (clothed, odd):
        np.testing.assert_array_equal(ci.SEM(CFA).fit(frame).params, expected.params)


def test_a_bare_key_in_another_script_is_to_be_quoted(tmp_path: Path) -> None:
    for text, quoted in (("[constructs.协同]", '[constructs."协同"]'), ("协同 = 1", '"协同" = 1')):
        (tmp_path / "study.toml").write_text(f"[study]\ntitle = 'x'\n{text}\n", encoding="utf-8")
        with pytest.raises(ci.SpecificationError) as refusal:
            ci.Study.from_toml(tmp_path)
        assert f"stands in quotes: {quoted}" in str(refusal.value)


def test_groups_that_are_none() -> None:
    with pytest.raises(ci.DataError, match="1 case in group b for 3 observed variables"):
        ci.SEM(CFA, group="place").fit(children(place=["a"] * 300 + ["b"]))
    with pytest.raises(ci.DataError, match=r"'place' has 301 values \(0, 1, 2, …\) for 301 cases.*Is it an identifier"):
        ci.SEM(CFA, group="place").fit(children(place=np.arange(301)))


def test_a_code_for_a_missing_answer_is_suspected(tmp_path: Path) -> None:
    spoilt = children(
        x1=lambda d: d.x1.round().mask(d.index % 50 == 0, 999), x2=lambda d: d.x2.round().mask(d.index % 70 == 0, -9)
    )
    with pytest.warns(ci.CipaWarning) as given:
        fit = ci.SEM(CFA).fit(spoilt)
    texts = [notice.text for notice in fit.notices if notice.code == "suspected_code"]
    assert texts[0].startswith("'x1' is 999 in 7 rows, far from all its other values")
    assert texts[1].startswith("'x2' is -9 in 5 rows")
    assert len(given) >= 2
    with pytest.warns(ci.CipaWarning, match="'x1' is 999 in 7 rows"):
        ci.SEM(CFA, ordered=["x1"]).fit(
            spoilt.assign(x2=children().x2)
        )  # as a category of its own it would be the highest answer
    spoilt[["x1", "x3"]].to_csv(tmp_path / "t.csv", index=False)
    with pytest.warns(DataWarning, match="'x1' is 999 in 7 rows"):
        ci.read(tmp_path / "t.csv")


@pytest.mark.parametrize(
    "values", [[97.0, 98, 99, 96, 95], [1.0, 99], [-1.0, 0, 1], [18.0, 35, 65, 99], [-3.0, -2, -1, 0, 1], [0.5, 1.2, -1, -2.2]]
)
def test_a_value_among_others_is_no_code(values: list[float], tmp_path: Path) -> None:
    pd.DataFrame({"x": values}).to_csv(tmp_path / "t.csv", index=False)
    assert ci.read(tmp_path / "t.csv").notices == ()


def test_missing_columns_have_their_own_suggestion() -> None:
    data = ci.datasets.load("grunfeld")
    with pytest.raises(ci.DataError, match=r"grunfeld has no column named 'valu'\. Did you mean 'value'\? A model can use only"):
        ci.Panel("inv ~ valu").fit(data)
    with pytest.raises(
        ci.DataError, match=r"no columns named:\n    'valu'\. Did you mean 'value'\?\n    'captal'\. Did you mean 'capital'\?"
    ):
        ci.Panel("inv ~ valu + captal").fit(data)


@pytest.mark.parametrize(
    ("option", "ours"),
    [
        ({"estimator": "MLR"}, {"estimator": "mlr"}),
        ({"estimator": "WLSMV", "ordered": ["sex"]}, {"estimator": "wlsmv", "ordered": ["sex"]}),
        ({"missing": "ml"}, {"missing": "fiml"}),
        ({"missing": "direct"}, {"missing": "fiml"}),
        ({"missing": "FIML"}, {"missing": "fiml"}),
        ({"missing": "two.stage"}, {"missing": "two_stage"}),
        ({"missing": "robust.two.stage"}, {"missing": "robust_two_stage"}),
        ({"missing": "ml.x"}, {"missing": "fiml_x"}),
        ({"se": "robust.sem"}, {"se": "robust_sem"}),
        ({"test": "Satorra-Bentler"}, {"test": "satorra_bentler"}),
        (
            {"group": "school", "group_equal": ["loadings", "lv.variances"]},
            {"group": "school", "group_equal": ["loadings", "lv_variances"]},
        ),
    ],
)
def test_the_spelling_of_lavaan_is_understood(option: dict[str, object], ours: dict[str, object]) -> None:
    assert ci.SEM(CFA, **option) == ci.SEM(CFA, **ours)


def test_options_are_given_by_name() -> None:
    with pytest.raises(TypeError, match=r"ci\.SEM was called with 2 arguments by position, and takes 1 \(syntax\)"):
        ci.SEM(CFA, "mlr")
    with pytest.raises(TypeError, match=r"ci\.Panel was called with 2 arguments by position, and takes 1 \(formula\)"):
        ci.Panel("y ~ x", "pooled")


def test_an_unknown_measure_is_refused_with_the_nearest_one() -> None:
    fit = ci.SEM("visual =~ x1 + x2 + x3 + x4").fit(ci.datasets.load("holzinger1939"))
    for measures in (fit.measures, ci.fit_measures(fit)):
        with pytest.raises(ci.InferenceError, match=r"no measure 'cfii'. Did you mean 'cfi'"):
            measures["cfii"]
        assert measures.get("cfii") is None


@pytest.mark.parametrize("seed", [-1, None])
def test_draws_that_cannot_be_repeated_are_refused_everywhere_in_the_same_words(seed: int | None) -> None:
    """A negative seed was numpy's ValueError."""
    fit = ci.SEM("x4 ~ a*x1\nx5 ~ b*x4").fit(ci.datasets.load("holzinger1939"))
    for name, draw in {
        "ci.bootstrap": lambda: ci.bootstrap(fit, draws=100, seed=seed),
        "ci.indirect": lambda: ci.indirect(fit, "x1 -> x4 -> x5", draws=1000, seed=seed),
        "ci.power": lambda: ci.power(fit.model, population=fit, draws=20, seed=seed),
        "ci.simulate": lambda: ci.simulate(fit, seed=seed),
    }.items():
        with pytest.raises(ci.SpecificationError, match=rf"{name}: seed={seed}\. .*give a whole number of 0 or more"):
            draw()
