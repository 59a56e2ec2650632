"""ci.read: a file, or a folder with its codebook, becomes a Dataset. Nothing in a file is ever executed.

A format is a row of `READERS`. Numbers and words are told apart cell by cell; an empty cell is missing. What was not plain about
a file (its encoding, a title above the names, an error in a cell) is a step of the Dataset's log, and a warning where it changes
numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_integer_dtype

from cipa.data.checks import suspected_code
from cipa.data.codebook import read_codebook
from cipa.data.dataset import Dataset, Step
from cipa.data.formats.delimited import read_delimited
from cipa.data.formats.excel import read_excel
from cipa.data.formats.kinds import refuse_absent, without_rows
from cipa.data.formats.packages import read_parquet, read_spss, read_stata
from cipa.data.formats.table import Note, Read
from cipa.errors import DataError, DataWarning, SpecificationError, did_you_mean, public, warn
from cipa.language.en import EN


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How the user wants a file to be read."""

    sheet: str | int | None = None
    encoding: str | None = None


Reader = Callable[[Path, Wanted], Read]


@public
def read(path: str | Path, *, name: str | None = None, sheet: str | int | None = None, encoding: str | None = None) -> Dataset:
    r"""Read data.

    Parameters
    ----------
    path : str or Path
        A csv, tsv, xlsx, sav, dta or parquet file, possibly gzipped csv or tsv; or a folder that holds `data.csv` and, usually,
        `codebook.toml`.
    name : str, optional
        How messages and the report call the data (default: the file's or folder's name).
    sheet : str or int, optional
        Which sheet of a workbook, by name or position from 0 (default: the first; a notice names the others).
    encoding : str, optional
        Of the text in a csv, tsv, sav or dta file. By default a csv or tsv is UTF-8, else GB 18030, Big5 or Latin letters
        (cp1252) when its characters show it, and refused otherwise; sav and dta files say theirs.

    Returns
    -------
    Dataset
        `data.notices` lists what was not plain about the file.

    Raises
    ------
    DataError
        When there is no such file, it is empty, damaged or of another kind, in no clear encoding, or a row does not fit the
        header, with the line.
    SpecificationError
        When there is no such sheet or encoding, or the format has none.

    Examples
    --------
    >>> import cipa as ci, pathlib, tempfile
    >>> place = pathlib.Path(tempfile.mkdtemp()) / "firms.csv"
    >>> _ = place.write_text("firm,sales\n000001,1.5\n000002,2.5\n")
    >>> data = ci.read(place)
    >>> data["sales"].tolist(), data["firm"].tolist()
    ([1.5, 2.5], ['000001', '000002'])
    >>> data.notices
    ("'firm' holds digits that begin with 0, or more than 15 of them: identifiers, kept as text.",)
    """
    place, wanted = Path(path), Wanted(sheet=sheet, encoding=encoding)
    if place.is_dir():
        return _read_folder(place, name=name or place.resolve().name, wanted=wanted)
    return _read_file(place, name=name or place.name.split(".")[0], wanted=wanted)


def _read_folder(folder: Path, *, name: str, wanted: Wanted) -> Dataset:
    for candidate in ("data.csv", "data.csv.gz", "nodes.csv"):
        if (folder / candidate).is_file():
            data = _read_file(folder / candidate, name=name, wanted=wanted)
            break
    else:
        raise DataError(
            f"The folder '{folder.resolve().name}' holds no data.csv. A data set is a folder with data.csv and codebook.toml: "
            "put the file there under that name, or read the file itself."
        )
    if not (folder / "codebook.toml").is_file():
        return data
    data = read_codebook(folder / "codebook.toml").describe(data, source=f"{name}/codebook.toml")
    keys = data.roles
    return data.panel(entity=keys.entity, time=keys.time) if keys.entity and keys.time else data


def _read_file(path: Path, *, name: str, wanted: Wanted) -> Dataset:
    suffix = _suffix(path)
    _refuse_wanted(wanted, suffix, path=path)
    found = READERS[suffix](path, wanted)
    if not len(found.table) or not len(found.table.columns):
        raise without_rows(path)
    data = Dataset.from_frame(found.table, name=name)
    rows = len(found.table)
    notes = (*found.notes, *_wide(data, found.table), *_suspected(data))
    first = Step(action="read", reason=EN("log.file", file=path.name, detail=found.detail), rows_before=rows, rows_after=rows)
    log = (first, *(_step(note, path, rows) for note in notes))
    for note in notes:
        if note.serious:
            warn(f"'{path.name}': {note.text}", DataWarning)
    return replace(data, log=log, labels=found.labels, value_labels=found.value_labels)


def _wide(data: Dataset, table: pd.DataFrame) -> list[Note]:
    """A note on columns of whole numbers that are too large for numbers to tell apart."""
    names = [
        str(name) for name, kind in table.dtypes.items() if is_integer_dtype(kind) and data.columns[str(name)].dtype == object
    ]
    return [Note(text=EN("file.identifiers", names=tuple(names)))] if names else []


def _suspected(data: Dataset) -> list[Note]:
    """A note on every column that seems to hold a code for a missing answer."""
    notes = []
    for name, values in data.columns.items():
        code = suspected_code(values) if values.dtype == np.float64 else None
        if code is not None:
            text = EN("notice.suspected_code", name=name, value=code[0], rows=code[1])
            notes.append(Note(text=text, serious=True))
    return notes


def _step(note: Note, path: Path, rows: int) -> Step:
    return Step(action="notice", reason=note.text, rows_before=rows, rows_after=rows)


def _suffix(path: Path) -> str:
    """The format of a file that is there and holds something."""
    refuse_absent(path)
    if path.stat().st_size == 0:
        raise DataError(
            f"'{path.name}' is empty: it has no header and no row, so nothing can be learnt from it. Export the data again."
        )
    suffix = "".join(path.suffixes[-2:]).lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if suffix not in READERS:
        raise DataError(
            f"'{path.name}': the format '{suffix}' is not read, and taken for another it would give other numbers. Formats: "
            f"{', '.join(READERS)}.{did_you_mean(suffix, READERS)} Save the data in one of them."
        )
    return suffix


def _refuse_wanted(wanted: Wanted, suffix: str, *, path: Path) -> None:
    """Refuse an option that the format does not have."""
    if wanted.sheet is not None and suffix != ".xlsx":
        raise SpecificationError(
            f"ci.read: sheet={wanted.sheet!r}, but '{path.name}' is no workbook and has no sheets. Leave sheet= out, or name the "
            ".xlsx file."
        )
    if wanted.encoding is not None and suffix in (".xlsx", ".parquet"):
        raise SpecificationError(
            f"ci.read: encoding={wanted.encoding!r}, but '{path.name}' is always Unicode: its format leaves no choice. Leave "
            "encoding= out."
        )


def _csv(path: Path, wanted: Wanted) -> Read:
    return read_delimited(path, separator=",", encoding=wanted.encoding)


def _tsv(path: Path, wanted: Wanted) -> Read:
    return read_delimited(path, separator="\t", encoding=wanted.encoding)


READERS: dict[str, Reader] = {
    ".csv": _csv,
    ".csv.gz": _csv,
    ".tsv": _tsv,
    ".tsv.gz": _tsv,
    ".xlsx": lambda path, wanted: read_excel(path, sheet=wanted.sheet),
    ".sav": lambda path, wanted: read_spss(path, encoding=wanted.encoding),
    ".dta": lambda path, wanted: read_stata(path, encoding=wanted.encoding),
    ".parquet": lambda path, wanted: read_parquet(path),
}
"""One row a format: suffix -> reader."""
