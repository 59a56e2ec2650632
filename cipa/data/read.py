"""ci.read: a file, or a folder with its codebook, becomes a Dataset. Nothing in a file is ever executed.

A format is a row of `_READERS`. Numbers and words are told apart by pandas; an empty cell is missing.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyreadstat

from cipa.data.codebook import read_codebook
from cipa.data.dataset import Dataset, Step
from cipa.errors import DataError, MissingPartError, did_you_mean, public

_ENCODINGS = ("utf-8-sig", "gb18030")  # in this order: GBK bytes fail as UTF-8, UTF-8 bytes can pass as GBK in silence

Reader = Callable[[Path], tuple[pd.DataFrame, str, dict[str, str]]]


@public
def read(path: str | Path, *, name: str | None = None) -> Dataset:
    r"""Read data.

    Parameters
    ----------
    path : str or Path
        A csv (UTF-8, or GB 18030), tsv, xlsx, sav, dta or parquet file, possibly gzipped csv; or a folder that holds
        `data.csv` and, usually, `codebook.toml`.
    name : str, optional
        How messages and the report call the data (default: the file's or folder's name).

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        When there is no such file, it is empty, or a row does not fit the header, with the line.

    Examples
    --------
    >>> import cipa as ci, pathlib, tempfile
    >>> place = pathlib.Path(tempfile.mkdtemp()) / "firms.csv"
    >>> _ = place.write_text("firm,sales\nA,1.5\nB,2.5\n")
    >>> ci.read(place)["sales"].tolist()
    [1.5, 2.5]
    """
    place = Path(path)
    if place.is_dir():
        return _read_folder(place, name=name or place.resolve().name)
    return _read_file(place, name=name or place.name.split(".")[0])


def _read_folder(folder: Path, *, name: str) -> Dataset:
    for candidate in ("data.csv", "data.csv.gz", "nodes.csv"):
        if (folder / candidate).is_file():
            data = _read_file(folder / candidate, name=name)
            break
    else:
        raise DataError(f"The folder '{folder.name}' holds no data.csv. A data set is a folder with data.csv and codebook.toml.")
    if not (folder / "codebook.toml").is_file():
        return data
    data = read_codebook(folder / "codebook.toml").describe(data, source=f"{name}/codebook.toml")
    keys = data.roles
    return data.panel(entity=keys.entity, time=keys.time) if keys.entity and keys.time else data


def _read_file(path: Path, *, name: str) -> Dataset:
    if not path.is_file():
        near = did_you_mean(path.name, [one.name for one in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise DataError(f"There is no file '{path.name}' in '{path.parent.name or '.'}'.{near}")
    if path.stat().st_size == 0:
        raise DataError(f"'{path.name}' is empty: it has no header and no row. Export the data again.")
    suffix = "".join(path.suffixes[-2:]).lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if suffix not in _READERS:
        raise DataError(
            f"'{path.name}': the format '{suffix}' is not read. Formats: {', '.join(_READERS)}.{did_you_mean(suffix, _READERS)}"
        )
    table, note, labels = _READERS[suffix](path)
    if not len(table):
        raise DataError(f"'{path.name}' has a header but no row. There is nothing to analyse: export the data again.")
    data = Dataset.from_frame(table, name=name)
    step = Step(action="read", reason=f"{path.name}{note}", rows_before=len(table), rows_after=len(table))
    return replace(data, log=(step,), labels=labels)


def _read_delimited(path: Path, *, separator: str) -> tuple[pd.DataFrame, str, dict[str, str]]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text, encoding = _decoded(content, path=path)
    if not text.strip():
        raise DataError(f"'{path.name}' is empty: it has no header and no row. Export the data again.")
    lines = text.splitlines()
    header = next(csv.reader(lines[:1], delimiter=separator))
    _check_header(header, path=path)
    _check_widths(text, width=len(header), separator=separator, path=path)
    table = pd.read_csv(io.StringIO(text), sep=separator, skipinitialspace=True)
    return table, "" if encoding == "utf-8-sig" else f" (encoding {encoding})", {}


def _decoded(content: bytes, *, path: Path) -> tuple[str, str]:
    for encoding in _ENCODINGS:
        try:
            return content.decode(encoding), encoding
        except UnicodeDecodeError as problem:
            last = problem
    line = content[: last.start].count(b"\n") + 1
    raise DataError(f"'{path.name}', line {line}: the text is neither UTF-8 nor GB 18030. Save the file as CSV UTF-8.")


def _check_header(header: list[str], *, path: Path) -> None:
    names = [one.strip() for one in header]
    empty = [position + 1 for position, one in enumerate(names) if not one]
    if empty:
        raise DataError(f"'{path.name}', line 1: column {empty[0]} has no name. Every column needs one.")
    twice = sorted({one for one in names if names.count(one) > 1})
    if twice:
        raise DataError(f"'{path.name}', line 1: the name '{twice[0]}' stands over more than one column. Rename one of them.")


def _check_widths(text: str, *, width: int, separator: str, path: Path) -> None:
    reader = csv.reader(text.splitlines(), delimiter=separator)
    for row in reader:
        if row and len(row) != width:
            raise DataError(
                f"'{path.name}', line {reader.line_num}: {len(row)} cells under {width} names. A separator inside a cell needs quotes"
                " around the cell; a cell that is missing needs its separator."
            )


def _read_excel(path: Path) -> tuple[pd.DataFrame, str, dict[str, str]]:
    return pd.read_excel(path, engine="calamine"), "", {}


def _read_stata(path: Path) -> tuple[pd.DataFrame, str, dict[str, str]]:
    table, meta = pyreadstat.read_dta(str(path))
    return table, "", _labels(meta)


def _read_spss(path: Path) -> tuple[pd.DataFrame, str, dict[str, str]]:
    """Codes that the file declares missing become missing, and are counted."""
    table, meta = pyreadstat.read_sav(str(path), user_missing=True)
    masked = 0
    for column, ranges in meta.missing_ranges.items():
        for span in ranges:
            low, high = span["lo"], span["hi"]  # type: ignore[index]
            same = table[column] == low if isinstance(low, str) else table[column].between(low, high)
            hit = same.to_numpy()
            masked += int(hit.sum())
            table[column] = table[column].mask(hit)
    return table, f" ({masked} cells hold codes that the file declares missing)" if masked else "", _labels(meta)


def _labels(meta: Any) -> dict[str, str]:
    return {name: str(label) for name, label in meta.column_names_to_labels.items() if label}


def _read_parquet(path: Path) -> tuple[pd.DataFrame, str, dict[str, str]]:
    try:
        return pd.read_parquet(path), "", {}
    except ImportError as problem:
        raise MissingPartError("Parquet files need pyarrow: python -m pip install pyarrow.") from problem


_READERS: dict[str, Reader] = {
    ".csv": lambda path: _read_delimited(path, separator=","),
    ".csv.gz": lambda path: _read_delimited(path, separator=","),
    ".tsv": lambda path: _read_delimited(path, separator="\t"),
    ".xlsx": _read_excel,
    ".sav": _read_spss,
    ".dta": _read_stata,
    ".parquet": _read_parquet,
}
"""One row a format: suffix -> reader."""
