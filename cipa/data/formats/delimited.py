"""Text files of separated values: csv and tsv, in any encoding that can be told, with the separator that the file uses."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cipa.data.formats.encodings import decoded
from cipa.data.formats.kinds import refuse_other_kind
from cipa.data.formats.table import (
    DOT,
    ERRORS,
    IDENTIFIER,
    Header,
    Note,
    Read,
    dot_note,
    error_note,
    header_of,
    without_row_numbers,
)
from cipa.errors import DataError
from cipa.language.en import EN

_SEPARATORS = (",", ";", "\t", "|")
_DECIMAL_COMMA = re.compile(r"-?\d+,\d+")
_HEAD = 10  # rows that show where the names stand


def read_delimited(path: Path, *, separator: str, encoding: str | None) -> Read:
    """Read a csv or tsv file.

    Raises
    ------
    DataError
        When it is empty, not text, in no clear encoding, or a row does not fit the header, with the line.
    """
    content = _content(path)
    refuse_other_kind(content, path=path, expected="text of separated values")
    text = decoded(content, name=path.name, encoding=encoding)
    if not text.text.strip():
        raise DataError(f"'{path.name}' is empty: it has no header and no row. Export the data again.")
    used = _separator(text.text, usual=separator, path=path)
    stream = io.StringIO(text.text, newline="")
    header = _header(text.text, stream, separator=used, path=path)
    body = text.text[stream.tell() :]
    _check_widths(text.text, width=len(header.names), above=header.above, separator=used, path=path)
    decimal = "," if used == ";" and _has_decimal_comma(body) else "."
    table = _parsed(body, header, separator=used, decimal=decimal, path=path)
    table, numbered = without_row_numbers(table, file=path.name)
    notes = [*header.notes, *numbered]
    labels = {name: label for name, label in header.labels.items() if name in table.columns}
    if used != separator or decimal == ",":
        notes.append(Note(text=EN("file.separator", separator=used, decimal=decimal)))
    table, kept = _with_identifiers(table, header.names, body, separator=used)
    notes += [*_kept_as_text(kept), *_marks(body, separator=used)]
    if text.doubt:
        notes.append(Note(text=text.doubt, serious=True))
    detail = "" if text.encoding in ("utf-8", "utf-8-sig") else EN("log.file.encoding", encoding=text.encoding)
    return Read(table=table, detail=detail, notes=tuple(notes), labels=labels)


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix.lower() != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as problem:
        raise DataError(
            f"'{path.name}' ends in .gz and is not a whole gzip file ({problem}). What is left of it cannot be trusted: compress "
            "or copy the file again."
        ) from problem


def _separator(text: str, *, usual: str, path: Path) -> str:
    """The separator that the first rows use: the format's own, unless they do not have it and have another."""
    first = text.lstrip("\r\n").split("\n", 1)[0].strip()
    if re.fullmatch(r"sep=.", first):
        raise DataError(
            f"'{path.name}', line 1: 'sep=' is a word of Excel to itself, and no header. Delete that line, or save the file as "
            "CSV UTF-8."
        )
    lines = [re.sub(r'"[^"]*"', "", line) for line in text[:100_000].splitlines()[:_HEAD] if line.strip()]
    table = lines[next((k for k, line in enumerate(lines) if any(mark in line for mark in _SEPARATORS)), 0) :]
    counts = {mark: [line.count(mark) for line in table[:4]] for mark in _SEPARATORS}
    even = [mark for mark in _SEPARATORS if counts[mark] and counts[mark][0] and len(set(counts[mark])) == 1]
    if counts[usual] and counts[usual][0] and (usual in even or not even):
        return usual
    if even:
        return max(even, key=lambda mark: counts[mark][0])
    if any("，" in line or "；" in line for line in lines[:3]):
        raise DataError(
            f"'{path.name}', line 1: the cells are separated by full-width commas (，or ；), which are letters to a table. Replace "
            "them by ',' in an editor, or save the file as CSV UTF-8 from the spreadsheet."
        )
    return usual


def _rows(text: str | io.StringIO, *, separator: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each row; a blank line is none."""
    reader = csv.reader(
        io.StringIO(text, newline="") if isinstance(text, str) else text, delimiter=separator, skipinitialspace=True
    )
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as problem:
        raise DataError(
            f"'{path.name}', line {reader.line_num}: {problem}. A quotation mark was opened and never closed, or the file is "
            "damaged: look at that line in an editor, or export the data again."
        ) from problem


def _header(text: str, stream: io.StringIO, *, separator: str, path: Path) -> Header:
    """The header; leaves `stream` at the first case."""
    head: list[list[str]] = []
    for _, row in _rows(text, separator=separator, path=path):
        head.append(row)
        if len(head) == _HEAD:
            break
    while len(head) > 1 and not any(cell.strip() for cell in head[0]):
        head.pop(0)
        next(_rows(stream, separator=separator, path=path))
    header = header_of(head, file=path.name)
    for _ in range(header.above):
        next(_rows(stream, separator=separator, path=path))
    return header


def _check_widths(text: str, *, width: int, above: int, separator: str, path: Path) -> None:
    skipped = 0
    for line, row in _rows(text, separator=separator, path=path):
        if skipped < above and (skipped or any(cell.strip() for cell in row)):
            skipped += 1
        elif row and skipped and len(row) != width:
            raise DataError(
                f"'{path.name}', line {line}: {len(row)} cells under {width} names, so that it is open which name a cell belongs "
                "to. Put quotes around a cell that holds a separator, and write the separator of a cell that is missing."
            )


def _parsed(body: str, header: Header, *, separator: str, decimal: str, path: Path) -> pd.DataFrame:
    if not body.strip():
        return pd.DataFrame(columns=list(header.names))
    try:
        return pd.read_csv(
            io.StringIO(body), sep=separator, header=None, names=list(header.names), index_col=False, skipinitialspace=True,
            na_values=[DOT, *ERRORS], decimal=decimal, low_memory=False,
        )  # fmt: skip
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError, OverflowError) as problem:
        opened = re.search(r"EOF inside string starting at row (\d+)", str(problem))
        if opened:
            line = header.above + int(opened[1]) + 1
            raise DataError(
                f"'{path.name}', line {line}: a quotation mark is opened and never closed, so that all that follows would be one "
                "cell. Close it, write it twice where it is meant, or export the data again."
            ) from problem
        raise DataError(
            f"'{path.name}' is not a table of separated values throughout: {str(problem).strip().rstrip('.')}. Some row is "
            "damaged: look for an open quotation mark, or export the data again."
        ) from problem


def _has_decimal_comma(body: str) -> bool:
    """Whether cells between semicolons are numbers with a comma, and none is a number with a point."""
    cells = [cell.strip().strip('"') for line in body[:200_000].splitlines()[:200] for cell in line.split(";")]
    return any(_DECIMAL_COMMA.fullmatch(cell) for cell in cells) and not any(re.fullmatch(r"-?\d*\.\d+", cell) for cell in cells)


def _with_identifiers(
    table: pd.DataFrame, names: tuple[str, ...], body: str, *, separator: str
) -> tuple[pd.DataFrame, list[str]]:
    """The table with columns of identifiers as they are written, and which these are."""
    cell = rf"(?:^|[\s\"{re.escape(separator)}])(?:0\d|\d{{16}})"
    numbers = [position for position, name in enumerate(names) if name in table.columns and _is_whole(table[name])]
    if not numbers or re.search(cell, body) is None:
        return table, []
    words = pd.read_csv(
        io.StringIO(body), sep=separator, header=None, usecols=numbers, names=[names[position] for position in numbers],
        dtype=str,
        skipinitialspace=True,
        na_values=[DOT, *ERRORS], index_col=False,
    )  # fmt: skip
    kept = [
        str(name)
        for name, position in zip(words.columns, numbers, strict=True)
        if words[name].str.strip().str.fullmatch(IDENTIFIER).any()
    ]
    return (table.assign(**{name: words[name].str.strip() for name in kept}) if kept else table), kept


def _is_whole(column: pd.Series[Any]) -> bool:
    """Whether a column of numbers has whole ones only, as identifiers are."""
    kind = column.dtype.kind
    values = column.to_numpy()
    if kind == "O":  # whole numbers beyond 64 bits
        return pd.api.types.infer_dtype(column, skipna=True) == "integer"
    return kind in "iu" or (kind == "f" and bool(np.all((values == np.rint(values)) | np.isnan(values))))


def _kept_as_text(names: list[str]) -> list[Note]:
    return [Note(text=EN("file.identifiers", names=tuple(names)))] if names else []


def _marks(body: str, *, separator: str) -> list[Note]:
    """Counts of the marks that mean a missing value and may not be meant so."""
    edge = re.escape(separator)

    def count(mark: str) -> int:
        return len(re.findall(rf'(?m)(?:^|(?<={edge}))[ "]*{mark}[ "]*(?={edge}|\r?$)', body))

    notes = []
    alone = [
        f"{separator}{DOT}{separator}",
        f"{separator}{DOT}\n",
        f"{separator}{DOT}\r",
        f"\n{DOT}{separator}",
        f" {DOT}",
        f"{DOT} ",
        f'"{DOT}"',
    ]
    dots = count(r"\.") if body.startswith(DOT) or body.endswith(separator + DOT) or any(mark in body for mark in alone) else 0
    if dots:
        notes.append(dot_note(dots))
    failed = count("(?:" + "|".join(map(re.escape, ERRORS)) + ")") if "#" in body else 0
    if failed:
        notes.append(error_note(failed))
    return notes
