"""Reading files: formats, encodings, codebooks, and refusals with the line."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest

import cipa as ci
from cipa.data.source import load_source

TABLE = pd.DataFrame({"firm": ["a", "b", "c"], "x": [1.5, np.nan, 3.0], "n": [1, 2, 3]})


def written(folder: Path, suffix: str) -> Path:
    path = folder / f"table{suffix}"
    if suffix == ".csv":
        TABLE.to_csv(path, index=False)
    elif suffix == ".csv.gz":
        path.write_bytes(gzip.compress(TABLE.to_csv(index=False).encode()))
    elif suffix == ".tsv":
        TABLE.to_csv(path, index=False, sep="\t")
    elif suffix == ".xlsx":
        TABLE.to_excel(path, index=False)
    elif suffix == ".dta":
        TABLE.to_stata(path, write_index=False)
    elif suffix == ".sav":
        pyreadstat.write_sav(TABLE, str(path), column_labels=["Firm", "Something", "Number"])
    else:
        TABLE.to_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".tsv", ".xlsx", ".dta", ".sav", ".parquet"])
def test_every_format_gives_the_same_numbers(suffix: str, tmp_path: Path) -> None:
    data = ci.read(written(tmp_path, suffix))
    assert data.nobs == 3
    assert data["firm"].tolist() == ["a", "b", "c"]
    assert data["x"][[0, 2]].tolist() == [1.5, 3.0]
    assert np.isnan(data["x"][1])
    assert data["n"].tolist() == [1.0, 2.0, 3.0]


def test_encodings(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig", "gb18030"):
        (tmp_path / "t.csv").write_bytes("企业年龄,x\n甲,1\n乙,2\n".encode(encoding))
        data = ci.read(tmp_path / "t.csv")
        assert list(data.columns) == ["企业年龄", "x"]
        assert data["企业年龄"].tolist() == ["甲", "乙"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"a,b\n", "a header but no row"),
        (b"a,b\n1,2\n3\n", "line 3: 1 cells under 2 names"),
        (b"a,a\n1,2\n", "line 1: the name 'a' stands over more than one column"),
        (b"a,,c\n1,2,3\n", "line 1: column 2 has no name"),
        (b"a,b\n1,\xff\xff\x80\n", "neither UTF-8 nor GB 18030"),
    ],
)
def test_damaged_files_are_refused_with_their_line(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ci.DataError, match=said):
        ci.read(tmp_path / "t.csv")


def test_what_is_not_there_or_not_read(tmp_path: Path) -> None:
    (tmp_path / "survey.csv").write_text("a\n1\n")
    with pytest.raises(ci.DataError, match=r"Did you mean 'survey\.csv'"):
        ci.read(tmp_path / "survy.csv")
    (tmp_path / "t.docx").write_text("x")
    with pytest.raises(ci.DataError, match=r"'\.docx' is not read"):
        ci.read(tmp_path / "t.docx")
    with pytest.raises(ci.DataError, match=r"holds no data\.csv"):
        ci.read(tmp_path)


def folder(place: Path, codebook: str) -> Path:
    (place / "data.csv").write_text("q1,q2\n1,7\n2,3\n")
    (place / "codebook.toml").write_text(codebook)
    return place


def test_a_folder_with_its_codebook(tmp_path: Path) -> None:
    data = ci.read(
        folder(tmp_path, '[columns.q1]\ntext = "asks"\nscale = [1, 7]\nreversed = true\n[constructs.C]\nitems = ["q1", "q2"]\n')
    )
    assert data.items["q1"].reversed
    assert data.constructs[0].items == ("q1", "q2")


@pytest.mark.parametrize(
    ("codebook", "said"),
    [
        ("[columns.q3]\nlabel = 'x'\n", "'q3' is described, but"),
        ("[columns.q1]\nscale = [1, 5]\n[columns.q2]\nscale = [1, 5]\n", "row 1: q2 is 7"),
        ("[columns.q1]\nlabl = 'x'\n", "Did you mean 'label'"),
        ("[colums.q1]\n", "Did you mean 'columns'"),
        ("not toml", "is not a TOML file"),
    ],
)
def test_a_codebook_that_does_not_fit_is_refused(codebook: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ci.CipaError, match=said):
        ci.read(folder(tmp_path, codebook))


def test_shipped_data_sets() -> None:
    assert ci.datasets.names() == (
        "cluster_network",
        "cluster_panel",
        "cluster_survey",
        "grunfeld",
        "holzinger1939",
        "political_democracy",
    )
    rows = {name: ci.datasets.load(name).nobs for name in ci.datasets.names()}
    assert rows["cluster_survey"] == 600
    assert rows["cluster_panel"] == 8937
    assert rows["holzinger1939"] == 301
    with pytest.raises(ci.DataError, match="Did you mean 'grunfeld'"):
        ci.datasets.load("grunfelt")


def test_a_source_stays_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "secret.csv").write_text("a\n1\n2\n")
    (tmp_path / "study/own.csv").write_text("a\n1\n2\n")
    inside = tmp_path / "study"
    assert load_source("own.csv", folder=inside, name="s", where="here").nobs == 2
    assert load_source("../../datasets/grunfeld", folder=inside, name="s", where="here").nobs == 200
    for path in ("../secret.csv", str(tmp_path / "secret.csv"), "own.csv/../../secret.csv", "~/x.csv", "C:\\x.csv", "", "a\0b"):
        with pytest.raises(ci.SpecificationError, match="outside the study's folder"):
            load_source(path, folder=inside, name="s", where="here")
