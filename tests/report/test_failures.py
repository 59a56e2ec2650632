"""One failed model does not lose the report of the others, and nothing is said to be fitted that was not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import cipa as ci
from cipa.cli import main
from cipa.report.document import Note
from cipa.report.outline import outline

HEAD = "[study]\ntitle = 't'\n[sources]\nd = 'holzinger1939'\nfirms = 'grunfeld'\n[hypotheses]\nH1 = 'x4 ~ x1 > 0'\n"
GOOD = "[models.good]\nkind = 'sem'\nsource = 'd'\nsyntax = 'x4 ~ x1 + x2'\n"
BAD = {
    "not identified": (
        "[models.bad]\nkind = 'sem'\nsource = 'd'\nsyntax = '''\nf =~ x1 + x2\nx1 ~~ x2\n'''\n",
        "its estimates are not unique",
    ),
    "no freedom": (
        "[models.bad]\nkind = 'panel'\nsource = 'firms'\nformula = 'inv ~ i(year) + i(firm)*i(year)'\nmethod = 'pooled'\n",
        "degrees of freedom|collinear|regressors",
    ),
}


def study(folder: Path, text: str) -> Path:
    (folder / "study.toml").write_text(text)
    return folder


@pytest.mark.parametrize("name", BAD)
def test_the_other_model_is_reported(name: str, tmp_path: Path) -> None:
    text, _ = BAD[name]
    steps: list[str] = []

    def note(what: str, *_: Any) -> None:
        steps.append(what)

    found = ci.run(study(tmp_path, HEAD + GOOD + text), progress=note)
    assert list(found.fits) == ["good"]
    assert list(found.failures) == ["bad"]
    assert ("fitted good" in steps, "fitted bad" in steps, "failed bad" in steps) == (True, False, True)
    assert [one.verdict for one in found.verdicts] == ["supported"]
    (failed,) = [block for block in outline(found).blocks if isinstance(block, Note) and block.text.startswith("The model bad")]
    assert failed.severity == "warning"
    assert {path.name for path in ci.publish(found, tmp_path / "out")} >= {"report.html", "report.pdf", "results.json"}


@pytest.mark.parametrize("name", BAD)
def test_alone_it_has_nothing_to_report_and_says_where_it_failed(name: str, tmp_path: Path) -> None:
    text, said = BAD[name]
    with pytest.raises(ci.CipaError, match=rf"\[models\.bad\], line \d+: .*({said})"):
        ci.run(study(tmp_path, HEAD.split("[hypotheses]")[0] + text))


def test_the_terminal_reports_and_ends_with_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = study(tmp_path, HEAD + GOOD + BAD["not identified"][0])
    assert main(["run", str(place), "--to", "html", "--out", str(tmp_path / "out")]) == 1
    out, err = capsys.readouterr()
    assert "supported" in out
    assert "The model bad could not be fitted. " in err
    assert "fitted bad" not in err
    assert (tmp_path / "out/report.html").is_file()


def test_a_path_that_is_held_and_not_defined_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It was reported as 'No fitted model holds this effect.'"""

    def refuses(*_: Any, **__: Any) -> None:
        raise ci.InferenceError("the covariance of the coefficients is not positive semidefinite")

    monkeypatch.setattr("cipa.evidence.verdicts.indirect", refuses)
    text = HEAD.replace("x4 ~ x1 > 0", "x1 -> x4 -> x7 > 0") + GOOD.replace("x4 ~ x1 + x2", "x4 ~ x1; x7 ~ x4")
    (verdict,) = ci.run(study(tmp_path, text)).verdicts
    assert (verdict.model, verdict.verdict) == ("good", "not tested")
    assert "positive semidefinite" in verdict.reason
