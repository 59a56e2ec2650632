"""What files hide: encodings, identifiers, errors in cells, titles above the names, separators, sheets, labels of codes."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyreadstat
import pytest

import cipa as ci
from cipa.errors import DataWarning

GB = "省份,企业规模,绩效\n北京,1,2\n上海,3,4\n深圳,1,2\n"
BIG5 = "省份,企業規模,績效\n臺北,1,2\n高雄,3,4\n"
LATIN = "name,x\nMüller,1\nJosé,2\nCitroën,3\n"


def csv(folder: Path, content: bytes | str, name: str = "t.csv") -> Path:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder / name


def quietly(path: Path, **options: object) -> ci.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return ci.read(path, **options)


@pytest.mark.parametrize(
    ("text", "encoding", "said"),
    [
        (BIG5, "big5", "Big5"),
        ("公司,年份\n台積電,1\n", "big5", "Big5"),
        (LATIN, "latin-1", "Latin letters"),
        ("société,x\nL’Oréal,1\n", "cp1252", "Latin letters"),
        ("temp °C,x\n1,2\n", "cp1252", "Latin letters"),
        ("姓名,x\n朱镕基,1\n囧,2\n", "gb18030", "GB 18030"),
        ("회사,x\n삼성,1\n", "euc-kr", "in euc_kr '회사'"),
    ],
)
def test_an_encoding_that_had_to_be_judged_is_said(text: str, encoding: str, said: str, tmp_path: Path) -> None:
    with pytest.warns(DataWarning, match=said):
        data = ci.read(csv(tmp_path, text.encode(encoding)))
    assert any("encoding=" in notice for notice in data.notices)
    if encoding != "euc-kr":
        assert list(data.columns) == text.split("\n")[0].split(",")
        assert data[next(iter(data.columns))][0] in (*text.replace("\n", ",").split(","), 1.0)


def test_clear_encodings_need_no_warning(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "gb18030"):
        data = ci.read(csv(tmp_path, GB.encode(encoding)))
        assert list(data.columns) == ["省份", "企业规模", "绩效"]
        assert data.notices == ()


@pytest.mark.parametrize(
    ("text", "encoding", "shown"),
    [
        ("miasto,x\nŁódź,1\nKraków,2\nPoznań,3\n", "cp1250", "cp1250: 'Łódź'"),
        ("город,x\nМосква,1\n", "cp1251", "cp1251: 'город'"),
        ("会社,x\nトヨタ自動車,1\nソニー,2\n", "shift_jis", "shift_jis: '会社'"),
        ("회사,연도,이름,매출액,직원수,지역\n삼성전자,1,서울특별시,대한민국,가나다라마바사,1\n", "euc-kr", "euc_kr: '회사'"),
    ],
)
def test_an_encoding_that_nothing_explains_is_refused_and_can_be_named(
    text: str, encoding: str, shown: str, tmp_path: Path
) -> None:
    path = csv(tmp_path, text.encode(encoding))
    with pytest.raises(ci.DataError, match=r"neither UTF-8 nor GB 18030") as refusal:
        ci.read(path)
    assert shown in str(refusal.value)
    assert 'encoding="big5"' in str(refusal.value)
    assert list(ci.read(path, encoding=encoding).columns) == text.split("\n")[0].split(",")


def test_an_encoding_that_is_named_must_exist_and_fit(tmp_path: Path) -> None:
    path = csv(tmp_path, LATIN.encode("latin-1"))
    with pytest.raises(ci.SpecificationError, match=r"encoding='latin-11' is not known\. Did you mean 'latin"):
        ci.read(path, encoding="latin-11")
    with pytest.raises(ci.DataError, match=r"line 2: the bytes fc 6c 6c 65 are not utf-8"):
        ci.read(path, encoding="utf-8")
    pd.DataFrame({"a": [1.0]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(ci.SpecificationError, match="is always Unicode"):
        ci.read(tmp_path / "t.parquet", encoding="utf-8")


def test_identifiers_stay_text(tmp_path: Path) -> None:
    data = ci.read(csv(tmp_path, "code,credit,x,month\n000001,913301067046798000,0.5,1\n600000,913301067046798001,007.5,2\n"))
    assert data["code"].tolist() == ["000001", "600000"]
    assert data["credit"].tolist() == ["913301067046798000", "913301067046798001"]  # as numbers they would be one
    assert data["x"].tolist() == [0.5, 7.5]
    assert data["month"].tolist() == [1.0, 2.0]
    assert data.notices == (
        "'code', 'credit' hold digits that begin with 0, or more than 15 of them: identifiers, kept as text.",
    )
    assert data.numeric(["code"])[:, 0].tolist() == [1.0, 600000.0]


def workbook(folder: Path, rows: list[list[object]], *, more: tuple[str, ...] = ()) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in rows:
        sheet.append(row)
    for title in more:
        book.create_sheet(title).append(["other", "data"])
        book[title].append([1, 2])
    book.save(folder / "t.xlsx")
    return folder / "t.xlsx"


def test_identifiers_of_a_workbook_stay_text(tmp_path: Path) -> None:
    data = ci.read(workbook(tmp_path, [["code", "x", "y"], ["000001", "1.5", "a"], [600000, 2, 3], ["000002", None, "."]]))
    assert data["code"].tolist() == ["000001", "600000", "000002"]
    assert data["x"][:2].tolist() == [1.5, 2.0]
    assert np.isnan(data["x"][2])
    assert data["y"].tolist() == ["a", "3", None]
    assert data.notices == (
        "1 cell holds '.', read as missing, as SAS and Stata write it.",
        "1 number is stored as text, and was read as one.",
    )


def test_errors_and_formulas_without_a_value_are_counted(tmp_path: Path) -> None:
    path = workbook(
        tmp_path, [["firm", "x", "y"], ["a", 1, 1], ["b", "#DIV/0!", "=A1+1"], ["c", "#N/A", 2], ["d", 4, '=IF(1,"","")']]
    )
    with pytest.warns(DataWarning) as given:
        data = ci.read(path)
    said = [str(one.message) for one in given]
    assert any("2 cells hold an error of the spreadsheet such as #DIV/0!, first in B3" in text for text in said)
    assert any("2 formulas have no computed value, first in C3" in text for text in said)
    assert np.isnan(data["x"]).tolist() == [False, True, True, False]
    assert data["x"].dtype == np.float64


def test_errors_in_a_csv_are_counted(tmp_path: Path) -> None:
    with pytest.warns(DataWarning, match="2 cells hold an error"):
        data = ci.read(csv(tmp_path, "x,y\n1,#DIV/0!\n#REF!,2\n3,.\n"))
    assert np.isnan(data["y"]).tolist() == [True, False, True]
    assert data.notices[0] == "1 cell holds '.', read as missing, as SAS and Stata write it."


TITLED = "Survey of firms 2019,,\nunit: million,,\nfirm,sales,staff\na,1.5,2\nb,2.5,3\n"


def test_a_title_above_the_names_is_said(tmp_path: Path) -> None:
    with pytest.warns(DataWarning, match=r"'Survey of firms 2019', 'unit: million' above the table are titles.*in row 3"):
        data = ci.read(csv(tmp_path, TITLED))
    assert list(data.columns) == ["firm", "sales", "staff"]
    assert data["sales"].tolist() == [1.5, 2.5]
    with pytest.warns(DataWarning, match="'Survey of firms 2019' above the table is a title"):
        data = ci.read(csv(tmp_path, "Survey of firms 2019\nfirm,sales\na,1.5\nb,2.5\n"))
    assert data["sales"].tolist() == [1.5, 2.5]
    rows = [["Survey 2019", None, None], [None, None, None], ["firm", "x", "y"], ["a", 1, 2]]
    with pytest.warns(DataWarning, match="'Survey 2019' above the table is a title"):
        data = ci.read(workbook(tmp_path, rows))
    assert list(data.columns) == ["firm", "x", "y"]


def test_a_header_of_two_rows_is_joined_and_said(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["firm", "2019", None, "2020", None],
        [None, "sales", "staff", "sales", "staff"],
        ["a", 1, 2, 3, 4],
        ["b", 5, 6, 7, 8],
    ]
    with pytest.warns(DataWarning, match="a header of two rows"):
        data = ci.read(workbook(tmp_path, rows))
    assert list(data.columns) == ["firm", "2019 sales", "2019 staff", "2020 sales", "2020 staff"]
    assert data["2020 staff"].tolist() == [4.0, 8.0]
    with pytest.warns(DataWarning, match="a header of two rows"):
        data = ci.read(csv(tmp_path, "firm,basic,,result\n,age,size,sales\na,1,2,3\nb,4,5,6\n"))
    assert list(data.columns) == ["firm", "age", "size", "sales"]
    with pytest.warns(DataWarning, match="a header of two rows"):
        data = ci.read(csv(tmp_path, "firm,,\n,sales,staff\na,1,2\nb,3,4\n"))
    assert list(data.columns) == ["firm", "sales", "staff"]


@pytest.mark.parametrize(
    "content", ["x,\n1,\n2,\n", "id,,name\na,b,c\nd,e,f\n", ",x\n0,1\n2,2\n", ",x\na,1\nb,2\n", "x,\n1,0\n2,1\n"]
)
def test_a_column_without_a_name_is_not_taken_for_a_title(content: str, tmp_path: Path) -> None:
    with pytest.raises(ci.DataError, match=r"line 1: column \d has no name"):
        ci.read(csv(tmp_path, content))


def test_separators(tmp_path: Path) -> None:
    data = ci.read(csv(tmp_path, "firm;sales\na;1,5\nb;2,25\n"))
    assert data["sales"].tolist() == [1.5, 2.25]
    assert data.notices == ("the file separates its cells by semicolons and decimal commas, and was read so.",)
    assert ci.read(csv(tmp_path, "firm;sales\na;1.5\n"))["sales"].tolist() == [1.5]
    assert ci.read(csv(tmp_path, "firm\tsales\na\t1.5\n"))["sales"].tolist() == [1.5]
    assert ci.read(csv(tmp_path, 'note;"a, b"\nx;1\n')).notices[0].startswith("the file separates its cells by semicolons")
    assert list(ci.read(csv(tmp_path, "only\n1\n2\n")).columns) == ["only"]
    with pytest.raises(ci.DataError, match="full-width commas"):
        ci.read(csv(tmp_path, "企业，年龄\n甲，1\n"))


def test_blanks_around_names_are_taken_away_and_said(tmp_path: Path) -> None:
    data = ci.read(csv(tmp_path, "firm , x1,\u3000x2\na,1,2\n"))
    assert list(data.columns) == ["firm", "x1", "x2"]
    assert data.notices == ("blanks around 2 names were taken away: 'firm', 'x2'.",)


def test_sheets(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["x"], [1], [2]], more=("codes", "wave 2"))
    data = ci.read(path)
    assert data["x"].tolist() == [1.0, 2.0]
    assert data.notices == ("the first of 3 sheets, 'Sheet', was read. The others are 'codes', 'wave 2': name one with sheet=.",)
    assert ci.read(path, sheet="codes")["other"].tolist() == [1.0]
    assert ci.read(path, sheet=2)["data"].tolist() == [2.0]
    with pytest.raises(
        ci.SpecificationError, match=r"has no sheet 'code'; it has 'Sheet', 'codes', 'wave 2'.* Did you mean 'codes'"
    ):
        ci.read(path, sheet="code")
    with pytest.raises(ci.SpecificationError, match="is no workbook"):
        ci.read(csv(tmp_path, "a\n1\n"), sheet="codes")


def test_labels_of_codes_are_kept(tmp_path: Path) -> None:
    frame = pd.DataFrame({"core": [1.0, 2.0, 2.0], "x": [1.0, 2.0, 4.0]})
    labels = {"core": {1.0: "core firm", 2.0: "auxiliary"}}
    pyreadstat.write_sav(frame, str(tmp_path / "t.sav"), variable_value_labels=labels)
    pyreadstat.write_dta(frame, str(tmp_path / "t.dta"), variable_value_labels={"core": {1: "core firm", 2: "auxiliary"}})
    for name in ("t.sav", "t.dta"):
        assert ci.read(tmp_path / name).value_labels == labels


def test_a_large_table_of_plain_numbers_is_read_unchanged(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.normal(size=(500, 6)) * 10.0 ** rng.integers(-12, 12, size=6), columns=list("abcdef"))
    frame.loc[rng.random(500) < 0.2, "c"] = np.nan
    data = ci.read(csv(tmp_path, frame.to_csv(index=False)))
    np.testing.assert_array_equal(data.numeric(list("abcdef")), frame.to_numpy())
    assert data.notices == ()


def test_numbers_of_rows_without_a_name_are_left_out(tmp_path: Path) -> None:
    frame = pd.DataFrame({"firm": ["a", "b", "c"], "x": [1.5, 2.5, 3.5]})
    frame.to_excel(tmp_path / "t.xlsx")
    for path in (
        csv(tmp_path, frame.to_csv()),
        csv(tmp_path, '"","firm","x"\n"1","a",1.5\n"2","b",2.5\n"3","c",3.5\n'),
        tmp_path / "t.xlsx",
    ):
        data = ci.read(path)
        assert list(data.columns) == ["firm", "x"]
        assert data.notices == ("the first column has no name and counts the rows, as pandas and R write it; it was left out.",)
    long = "".join(f"{row},{row}\n" for row in [*range(30), 31])
    with pytest.raises(ci.DataError, match="line 1: column 1 has no name"):
        ci.read(csv(tmp_path, f",x\n{long}"))


def test_labels_under_the_names_are_no_case(tmp_path: Path) -> None:
    rows = "Symbol,Year,Sales\n证券代码,年份,销售额\n没有单位,没有单位,万元\n000001,2019,1.5\n000002,2020,2.5\n"
    with pytest.warns(DataWarning, match=r"rows 2 to 3 under the names hold words.*'证券代码 年份 销售额'"):
        data = ci.read(csv(tmp_path, rows))
    assert data["Symbol"].tolist() == ["000001", "000002"]
    assert data["Sales"].tolist() == [1.5, 2.5]
    assert data.labels["Sales"] == "销售额"
    plain = ci.read(csv(tmp_path, "name,score\nAlice,absent\nBob,3\nCy,4\n"))  # a case, as far as anybody can tell
    assert plain.nobs == 3


def test_whole_numbers_beyond_what_a_number_keeps_stay_text(tmp_path: Path) -> None:
    data = ci.read(csv(tmp_path, "x,y\n99999999999999999999,1\n1,2\n"))
    assert data["x"].tolist() == ["99999999999999999999", "1"]
