"""Study files: read, written, refused with their line."""

from __future__ import annotations

from pathlib import Path

import pytest

import cipa as ci
from cipa.study.constructs import Construct
from cipa.study.measurement import whole_model

ANALYSES = Path(__file__).parent.parent.parent / "analyses"


def study(tmp_path: Path, text: str) -> ci.Study:
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    return ci.Study.from_toml(tmp_path)


@pytest.mark.parametrize("name", ["internet_plus", "political_democracy", "grunfeld"])
def test_what_is_written_reads_back_as_the_same_study(name: str, tmp_path: Path) -> None:
    found = ci.Study.from_toml(ANALYSES / name)
    assert study(tmp_path, found.to_toml()) == found


MINIMAL = '[study]\ntitle = "t"\n[sources]\nd = "grunfeld"\n[models.m]\nkind = "panel"\nformula = "inv ~ value"\n'


def test_defaults() -> None:
    found = ci.Study(
        title="t", sources={"d": ci.Study.from_toml(ANALYSES / "grunfeld").sources["firms"]},
        models={"m": ci.Study.from_toml(ANALYSES / "grunfeld").models["within"].__class__(kind="panel", source="d", formula="inv ~ value")},
    )  # fmt: skip
    assert found.smallest_effect == 0.10
    assert found.seed == 1
    assert ci.run(found).fits["m"].nobs == 200


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MINIMAL.replace("kind", "knid"), r"\[models.m\].*line 5"),
        (MINIMAL + "[hypotheses]\nH1 = 'inv ~ value'\n", r"\[hypotheses.H1\], line 9.*states no direction"),
        (MINIMAL + "[hypotheses]\nH1 = {claim = 'inv ~ value > 0', models = ['n']}\n", r"there is no model 'n'"),
        (MINIMAL + "[constructs.a]\nlabel = 'x'\n", r"\[constructs.a\], line 8.*has no measure"),
        (MINIMAL + "[constructs.a]\nitems = ['x', 'x']\n", "lists x twice"),
        (MINIMAL.replace('"t"', "5"), "expected text in quotes, got 5"),
        (MINIMAL.replace('d = "grunfeld"', 'd = { pth = "grunfeld" }'), "Did you mean 'path'"),
        (MINIMAL + "source = 'e'\n", r"\[models.m\].*'?source.* \"e\" is not in \[sources\]|source = \"e\""),
        (MINIMAL.replace("[models.m]", "[modles.m]"), "Did you mean 'models'"),
        ("[study]\ntitle = 't'\n[sources]\nd = 'grunfeld'\n", "has no model"),
        ("[study]\ntitle = 't'\n", "names no data"),
        (MINIMAL + "[screening.e]\nlongstring = 3\n", "there is no source 'e'"),
    ],
)
def test_a_wrong_declaration_is_refused_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ci.SpecificationError, match=said):
        study(tmp_path, text)


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(ci.SpecificationError, match="no study file"):
        ci.Study.from_toml(tmp_path / "nowhere")
    (tmp_path / "study.toml").write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(ci.SpecificationError, match=r"study\.toml"):
        ci.Study.from_toml(tmp_path)


def test_second_order_constructs_bring_their_dimensions() -> None:
    constructs = {
        "C": Construct(name="C", dimensions=("A", "B")),
        "A": Construct(name="A", items=("a1", "a2")),
        "B": Construct(name="B", items=("b1", "b2")),
    }
    assert whole_model(["y ~ C"], constructs).splitlines() == ["A =~ a1 + a2", "B =~ b1 + b2", "C =~ A + B", "y ~ C"]
    with pytest.raises(ci.SpecificationError, match="dimension 'B', which is not declared"):
        whole_model(["y ~ C"], {"C": constructs["C"], "A": constructs["A"]})


def test_one_construct_is_measured_in_survey_and_panel() -> None:
    panel = ci.Study.from_toml(ANALYSES / "grunfeld")
    source = panel.sources["firms"]
    model = panel.models["within"].__class__(kind="panel", source="d", formula="spending ~ worth + capital")
    constructs = (Construct(name="spending", column="inv"), Construct(name="worth", label="Market worth", column="value"))
    hypothesis = ci.Hypothesis.parse("H1", "spending ~ worth > 0")
    found = ci.run(
        ci.Study(title="t", sources={"d": source}, models={"m": model}, constructs=constructs, hypotheses=(hypothesis,))
    )
    assert found.verdicts[0].verdict == "supported"
    assert found.verdicts[0].estimate is not None
    assert found.verdicts[0].estimate.estimate == pytest.approx(0.1101, abs=5e-5)
