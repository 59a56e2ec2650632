"""Files as strangers bring them: merged cells, remarks below a table, long identifiers, an index, an open quotation mark."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyreadstat
import pytest

import cipa as ci
from cipa.errors import DataWarning


def workbook(folder: Path, sheets: dict[str, list[list[object]]], *, merged: tuple[str, ...] = ()) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
        for reference in merged:
            sheet.merge_cells(reference)
    book.save(folder / "book.xlsx")
    return folder / "book.xlsx"


def test_cells_merged_among_the_cases_are_counted(tmp_path: Path) -> None:
    rows: list[list[object]] = [["province", "firm", "x"], ["Hubei", 1, 2], [None, 2, 3], ["Hunan", 3, 4], [None, 4, 5]]
    with pytest.warns(DataWarning, match="2 cells are merged over others among the cases, first A2:A3"):
        data = ci.read(workbook(tmp_path, {"S": rows}, merged=("A2:A3", "A4:A5")))
    assert data["province"].tolist() == ["Hubei", None, "Hunan", None]


@pytest.mark.filterwarnings("ignore::cipa.errors.DataWarning")
def test_a_merged_title_or_header_is_not_counted_as_merged_cases(tmp_path: Path) -> None:
    titled: list[list[object]] = [["Survey 2020", None], ["firm", "x"], [1, 2], [2, 3]]
    assert not any("merged over" in note for note in ci.read(workbook(tmp_path, {"S": titled}, merged=("A1:B1",))).notices)
    two: list[list[object]] = [["firm", "2019", None], [None, "a", "b"], [1, 2, 3], [2, 3, 4]]
    assert not any("merged over" in note for note in ci.read(workbook(tmp_path, {"S": two}, merged=("B1:C1",))).notices)


def test_rows_are_numbered_as_the_spreadsheet_does(tmp_path: Path) -> None:
    rows: list[list[object]] = [["Survey", None], [None, None], ["firm", "x"], [1, 2], [2, 3]]
    with pytest.warns(DataWarning, match="'Survey' above the table is a title and was left out; the names stand in row 3"):
        ci.read(workbook(tmp_path, {"S": rows}))
    with pytest.raises(ci.DataError, match="line 3: the name 'x' stands over more than one column"):
        ci.read(workbook(tmp_path, {"S": [["T", None, None], [None, None, None], ["firm", "x", "x"], [1, 2, 3]]}))


def test_a_remark_below_a_table_is_said(tmp_path: Path) -> None:
    rows: list[list[object]] = [["firm", "x"], [1, 3], [2, 4], [None, None], ["Source: yearbook", None]]
    with pytest.warns(DataWarning, match="row 5, after a blank one, holds 'Source: yearbook' and nothing else"):
        data = ci.read(workbook(tmp_path, {"S": rows}))
    assert data.nobs == 3  # nothing is dropped by itself


def test_a_first_sheet_without_cases_names_the_others(tmp_path: Path) -> None:
    path = workbook(tmp_path, {"Read me": [["Notes"]], "Data": [["firm", "x"], [1, 2]]})
    with pytest.raises(ci.DataError, match=r"the sheet 'Read me' has a header but no row.*'Data': name the one.*sheet="):
        ci.read(path)
    assert ci.read(path, sheet="Data").nobs == 1


def test_a_title_above_a_blank_row_is_one_title(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("Survey,,\n,,\nfirm,x,y\n1,2,3\n")
    with pytest.warns(DataWarning, match="'Survey' above the table is a title and was left out; the names stand in row 3"):
        ci.read(tmp_path / "t.csv")


def test_an_open_quotation_mark_is_shown_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text('a,b\n1,x\n2,"abc\n3,y\n')
    with pytest.raises(ci.DataError, match=r"'q.csv', line 3: a quotation mark is opened and never closed"):
        ci.read(tmp_path / "q.csv")


LONG = [1152921504606846976, 1152921504606846977, 1152921504606846978]


@pytest.mark.parametrize("kind", ["int64", "uint64", "Int64", "object"])
def test_whole_numbers_that_float_cannot_tell_apart_stay_text(kind: str) -> None:
    table = pd.DataFrame({"firm": pd.array(LONG, dtype=kind) if kind != "object" else np.array(LONG, dtype=object), "x": 1})
    data = ci.Dataset.from_frame(table)
    assert data["firm"].tolist() == [str(number) for number in LONG]
    assert data["x"].dtype == np.float64


def test_long_identifiers_keep_firms_apart(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    firm = np.repeat(np.arange(6), 4)
    table = pd.DataFrame({"short": firm, "long": 2**60 + firm, "year": np.tile(range(4), 6), "x": rng.normal(size=24)})
    table["y"] = table.x + firm + rng.normal(size=24)
    short, long = (ci.Panel("y ~ x", entity=key, time="year").fit(table) for key in ("short", "long"))
    assert long.statistics["entities"].value == 6
    assert long.estimates["y ~ x"].estimate == pytest.approx(short.estimates["y ~ x"].estimate, rel=1e-12)
    table.to_parquet(tmp_path / "t.parquet")
    assert ci.read(tmp_path / "t.parquet").notices[0].startswith("'long' holds digits that begin with 0, or more than 15")


def test_the_index_of_a_parquet_file_is_read(tmp_path: Path) -> None:
    table = pd.DataFrame({"firm": ["a", "b"], "year": [2001, 2002], "x": [1.0, 2.0]})
    table.set_index(["firm", "year"]).to_parquet(tmp_path / "t.parquet")
    data = ci.read(tmp_path / "t.parquet")
    assert list(data.columns) == ["firm", "year", "x"]
    assert data["firm"].tolist() == ["a", "b"]


@pytest.mark.parametrize("suffix", [".sav", ".dta"])
def test_an_empty_word_is_missing_in_every_format(suffix: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"firm": ["a", "", "  ", "d"], "x": [1.0, 2.0, 3.0, 4.0]})
    write = pyreadstat.write_sav if suffix == ".sav" else pyreadstat.write_dta
    write(table, str(tmp_path / f"t{suffix}"))
    assert ci.read(tmp_path / f"t{suffix}")["firm"].tolist() == ["a", None, None, "d"]


def test_a_folder_without_a_name_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ci.DataError, match=f"The folder '{os.path.basename(tmp_path)}' holds no data.csv"):
        ci.read(".")


def test_an_index_that_is_named_as_a_column_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"x": [1, 2]}, index=pd.Index([2020, 2021], name="x")).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(ci.DataError, match="the name 'x' stands over the index and over a column"):
        ci.read(tmp_path / "t.parquet")


def test_a_file_without_names_is_said(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("1,2.5,3\n4,5,6\n7,8,9\n")
    with pytest.warns(DataWarning, match="names in row 1 are numbers throughout: '1', '2.5', '3'. If they are the first case"):
        ci.read(tmp_path / "t.csv")


def test_a_second_title_is_not_joined_with_the_names_below_it(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["Table 1. Firms", None, None],
        ["unit: 10 thousand yuan", None, None],
        ["firm", "sales", None],
        [None, "2019", "2020"],
        ["A", 1, 2],
        ["B", 3, 4],
    ]
    with pytest.raises(ci.DataError, match="line 3: column 3 has no name"):  # and no case of 2019 and 2020
        ci.read(workbook(tmp_path, {"S": rows}))
    rows[3] = [None, "first", "second"]
    with pytest.warns(DataWarning) as given:
        data = ci.read(workbook(tmp_path, {"S": rows}))
    said = " ".join(str(warning.message) for warning in given)
    assert "'Table 1. Firms', 'unit: 10 thousand yuan' above the table are titles" in said
    assert "rows 3 and 4 are a header of two rows" in said
    assert list(data.columns) == ["firm", "first", "second"]
