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
        {
            "hypothesis": "H1",
            "claim": "textual ~ visual > 0",
            "model": "main",
            "group": None,
            "level": None,
            "verdict": "supported",
        }
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
                 ["study.toml, [models.main], line 19", "^", "'visula' is neither a construct of the model nor", "Did you mean 'visual'"],
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


TWO = STUDY.replace(
    "[models.main]", '[models.other]\nkind = "sem"\nsyntax = "textual =~ x4 + x5 + x6\\nx1 ~ textual"\nOPTION\n[models.main]'
)


@pytest.mark.parametrize(
    ("option", "code", "said"),
    [
        ('cluster = "schol"', 3, ["[models.other]", "no column named 'schol'", "Did you mean 'school'"]),
        ('sampling_weight = "weight"', 3, ["no column named 'weight'"]),
        ('group = "class"', 3, ["no column named 'class'"]),
        ('engine = "sempy"', 2, ["[models.other]", "engine='sempy' is not known", "Did you mean 'semopy'"]),
    ],
)
@pytest.mark.parametrize("command", ["check", "run"])
def test_what_a_run_would_refuse_is_found_before(
    command: str, option: str, code: int, said: list[str], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, out, err = run(command, written(place, TWO.replace("OPTION", option)), capsys=capsys)
    assert found == code
    assert all(words in err for words in said), err
    assert "fitted" not in out + err


PANEL = STUDY.replace("holzinger1939", "grunfeld").split("[constructs")[0] + '[models.m]\nkind = "panel"\n'
SYNTAX = '[models.main]\nkind = "sem"\nsyntax = "textual =~ x4 + x5\\nvisual =~ x1 + x2 + x3\\ntextual ~ visual + visul"\n'
CHECKED = [
    (STUDY.replace('"x3"]', '"school"]'), "'school' holds words"),
    (STUDY.split("[models")[0] + SYNTAX, "'visul' is neither a construct"),
    (PANEL + 'formula = "inv ~ valu"\n', "Did you mean 'value'"),
    (PANEL + 'formula = "inv ~ value"\nvcov = { clustered = "industry" }\n', "no column named 'industry'"),
    (STUDY.replace('"holzinger1939"', '"t.csv"'), "'x6' is constant"),
]


@pytest.mark.parametrize(("text", "said"), CHECKED)
def test_check_reads_the_columns(text: str, said: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "\n".join(",".join(str((row * k) % 7) for k in (1, 2, 3, 4, 5, 0)) for row in range(20))
    code, _, err = run("check", written(place, text, t_csv=f"x1,x2,x3,x4,x5,x6\n{rows}\n"), capsys=capsys)
    assert code in (2, 3)
    assert said in err


def test_a_format_that_is_not_written_is_refused_before_anything_is_read(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("run", "check"):
        code, _, err = run(command, "nowhere", "--to", "html,pfd", capsys=capsys)
        assert code == 2
        assert "--to='pfd' is not known" in err
        assert "Did you mean 'pdf'" in err


def test_a_model_that_fails_leaves_the_others(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = TWO.replace("x1 ~ textual", "x1 ~ textual\\nx1 ~~ textual").replace("OPTION", "")
    code, out, err = run("run", written(place, text), "--to", "html", capsys=capsys)
    assert code == 1
    assert "H1     supported" in out
    assert "failed other" in err
    assert "fitted main" in err
    assert "fitted other" not in err
    assert "The model other could not be fitted" in err
    assert (place / "reports/study/report.html").stat().st_size > 500


def test_a_small_study_to_start_from(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run("init", "mine", capsys=capsys)
    assert code == 0
    assert "cipa run mine" in out
    text = (place / "mine/study.toml").read_text(encoding="utf-8")
    assert text.count("[constructs.") == 2
    assert sum(line.startswith("H") for line in text.splitlines()) == 3
    assert "developers" not in text
    assert run("check", "mine", "--to", "html", capsys=capsys)[0] == 0
    code, out, _ = run("run", "mine", "--to", "html", capsys=capsys)
    assert code == 0
    assert out.count("supported") == 3
    assert run("init", "big", "--template", "internet_plus", capsys=capsys)[0] == 0
    assert "Internet+" in (place / "big/study.toml").read_text(encoding="utf-8")
