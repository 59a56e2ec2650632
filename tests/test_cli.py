"""The terminal: what is written where, exit codes, and refusals without a traceback or a half-written report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cipa.cli import main

STUDY = """
[study]
title = "A small study"

[sources]
children = "holzinger1939"

[constructs.visual]
items = ["x1", "x2", "x3"]

[constructs.textual]
items = ["x4", "x5", "x6"]

[hypotheses]
H1 = "textual ~ visual > 0"

[models.main]
kind = "sem"
structure = ["textual ~ visual"]
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(place: Path, text: str, **files: str) -> str:
    folder = place / "study"
    folder.mkdir(exist_ok=True)
    (folder / "study.toml").write_text(text, encoding="utf-8")
    for name, content in files.items():
        (folder / name.replace("_csv", ".csv")).write_text(content, encoding="utf-8")
    return "study"


def run(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(arguments)
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    return code, shown.out, shown.err


def test_run_writes_a_report_and_says_the_verdicts(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run("run", written(place, STUDY), capsys=capsys)
    assert code == 0
    assert "H1" in out
    assert "supported" in out
    assert "fitted main" in err
    for name in ("report.html", "report.pdf", "results.json", "figures/figure1-diagram-main.svg"):
        assert (place / "reports/study" / name).stat().st_size > 500
    assert sorted(one.name for one in (place / "reports").iterdir()) == ["study"]


def test_json_and_quiet(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = written(place, STUDY)
    code, out, _ = run("run", study, "--json", "--to", "html", "--out", "here", capsys=capsys)
    found = json.loads(out)
    assert code == 0
    assert found["verdicts"] == [
        {"hypothesis": "H1", "claim": "textual ~ visual > 0", "model": "main", "group": None, "verdict": "supported"}
    ]
    assert found["files"][0] == "here/report.html"
    assert not (place / "here/report.pdf").exists()
    assert run("run", study, "--quiet", "--to", "html", capsys=capsys) == (0, "", "")


def test_files_of_others_stay(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "reports/study").mkdir(parents=True)
    (place / "reports/study/notes.txt").write_text("mine")
    assert run("run", written(place, STUDY), "--to", "html", capsys=capsys)[0] == 0
    assert (place / "reports/study/notes.txt").read_text() == "mine"


def test_check_fits_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run("check", written(place, STUDY), capsys=capsys)
    assert code == 0
    assert "301 rows" in out
    assert not (place / "reports").exists()


BAD = [
    pytest.param(STUDY.replace('"x3"]', '"x33"]'), 2, ["'x33'", "Did you mean"], id="unknown-item"),
    pytest.param(STUDY.replace('["textual ~ visual"]', '["textual ~ visula"]'), 2,
                 ["study.toml, [models.main], line 19", "^", "'visula' is neither a construct nor a column", "Did you mean 'visual'"],
                 id="misspelt-construct"),
    pytest.param(STUDY + '\nkind = "panel"\n', 2, ["study.toml, line", "Each key and each table stands once"], id="duplicated-key"),
    pytest.param(STUDY.replace("textual ~ visual > 0", "visual ~ textual > 0"), 2,
                 ["study.toml, [hypotheses.H1]", "which no model of the study holds", "A model holds 'textual ~ visual', the other way round"],
                 id="hypothesis-without-path"),
    pytest.param("", 2, ["study.toml"], id="empty-file"),
    pytest.param("title: A study in YAML\n- one\n", 2, ["study.toml, line 1", "Not TOML", "^"], id="not-toml"),
    pytest.param(STUDY.replace('"x3"]', '"school"]'), 3, ["'school' holds words"], id="text-column"),
    pytest.param(STUDY.replace('"holzinger1939"', '"/etc/passwd"'), 2, ["outside the study's folder"], id="absolute-path"),
    pytest.param(STUDY.replace('"holzinger1939"', '"../secret.csv"'), 2, ["outside the study's folder"], id="way-up"),
    pytest.param(STUDY.replace('"holzinger1939"', '"holzinger"'), 3, ["no shipped data set", "Did you mean 'holzinger1939'"], id="no-data"),
    pytest.param(STUDY.replace('["textual ~ visual"]', '["textual ~~ textual"]').replace("textual ~ visual > 0", "textual =~ x5 > 0")
                 .replace(', "x6"]', "]"), 2, ["[models.main]"], id="under-identified"),
    pytest.param(STUDY.replace('kind = "sem"', 'kind = "sme"'), 2, ['kind=\'sme\'', "Did you mean 'sem'"], id="unknown-kind"),
    pytest.param(STUDY + 'estimater = "ml"\n', 2, ["[models.main]", "no keyword 'estimater'", "Did you mean 'estimator'"], id="unknown-option"),
    pytest.param(STUDY.replace('H1 = "textual ~ visual > 0"', 'H1 = "textual ~ visual"'), 2, ["H1", "states no direction"], id="no-direction"),
    pytest.param(STUDY.replace("[study]", "[stduy]"), 2, ["stduy", "Did you mean 'study'"], id="unknown-table"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "said"), BAD)
def test_refused_plainly(text: str, code: int, said: list[str], place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, out, err = run("run", written(place, text), "--quiet", capsys=capsys)
    assert found == code, err
    assert not out
    for words in said:
        assert words in err
    assert not (place / "reports").exists()


HEADER = "a,b,c,d\n"
ROWS = [f"{k % 7},{(3 * k) % 5},{(k * k) % 11},{(7 * k) % 13}" for k in range(40)]
ON_FILE = (
    STUDY.replace('"holzinger1939"', '"data.csv"')
    .replace('["x1", "x2", "x3"]', '["a", "b"]')
    .replace('["x4", "x5", "x6"]', '["c", "d"]')
)
DAMAGED = [
    pytest.param("", ["is empty"], id="empty"),
    pytest.param(HEADER, ["a header but no row"], id="no-row"),
    pytest.param(HEADER + "\n".join(f"1,{row.split(',', 1)[1]}" for row in ROWS), ["'a'", "constant"], id="constant"),
    pytest.param(HEADER + "\n".join(f",{row.split(',', 1)[1]}" for row in ROWS), ["'a' has no value"], id="all-missing"),
    pytest.param(HEADER + "\n".join([*ROWS, "inf,1,2,3"]), ["'a' is infinite in row 41"], id="infinite"),
    pytest.param(
        HEADER + "\n".join(f"{row.split(',')[1]},{row.split(',', 1)[1]}" for row in ROWS), ["collinear"], id="collinear"
    ),
    pytest.param(HEADER + "\n".join(ROWS[:4]), ["4"], id="few-cases"),
    pytest.param(HEADER + "1,2,3\n", ["line 2", "3 cells under 4 names"], id="short-row"),
    pytest.param("a,a,c,d\n1,2,3,4\n", ["line 1", "'a'"], id="repeated-name"),
]


@pytest.mark.parametrize(("content", "said"), DAMAGED)
def test_wrong_data_are_refused_with_their_place(
    content: str, said: list[str], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run("run", written(place, ON_FILE, data_csv=content), "--quiet", capsys=capsys)
    assert code == 3, err
    for words in said:
        assert words in err
    assert not (place / "reports").exists()


def test_a_link_out_of_the_folder_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "secret.csv").write_text(HEADER + "\n".join(ROWS))
    study = written(place, ON_FILE)
    os.symlink(place / "secret.csv", place / "study/data.csv")
    code, _, err = run("run", study, "--quiet", capsys=capsys)
    assert code == 2
    assert "outside the study's folder" in err


def test_data_lists_describes_and_copies(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "cluster_survey" in run("data", capsys=capsys)[1]
    assert "Gross investment" in run("data", "grunfeld", "--to", "here", capsys=capsys)[1]
    assert (place / "here/grunfeld/data.csv").is_file()
    assert run("data", "grunfled", capsys=capsys)[0] == 3


def test_init_starts_a_study_that_runs(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("init", "mine", "--template", "grunfeld", capsys=capsys)[0] == 0
    assert run("run", "mine", "--to", "html", capsys=capsys)[0] == 0
    code, _, err = run("init", "mine", capsys=capsys)
    assert code == 2
    assert "not empty" in err


def test_doctor_and_explain(capsys: pytest.CaptureFixture[str]) -> None:
    assert "numpy" in run("doctor", capsys=capsys)[1]
    assert "negative" in run("explain", "heywood", capsys=capsys)[1]
    assert run("explain", "nothing", capsys=capsys)[0] == 2


def test_usage_errors_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help", capsys=capsys)[0] == 0
    assert run("run", capsys=capsys)[0] == 2
    assert run("fly", capsys=capsys)[0] == 2


def test_python_m_cipa() -> None:
    done = subprocess.run([sys.executable, "-m", "cipa", "--version"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("cipa, version")


def test_an_interrupt_writes_nothing(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cipa.cli.ci.run", interrupted)
    assert run("run", written(place, STUDY), "--quiet", capsys=capsys)[0] == 130
    assert not (place / "reports").exists()
