"""What is said of data: how a file was read, and what was done to the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cipa.language.en.grammar import counted
from cipa.language.speech import Template

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabulators", "|": "bars"}

ENCODINGS = {"gb18030": "GB 18030", "cp950": "Big5 (cp950)", "cp1252": "Latin letters (cp1252)"}


def _quoted(names: Sequence[str], most: int) -> str:
    return ", ".join(f"'{name}'" for name in names[:most]) + (", …" if len(names) > most else "")


def _titles(*, titles: Sequence[str], row: int) -> str:
    verb = "is a title and was" if len(titles) == 1 else "are titles and were"
    return f"{_quoted(titles, len(titles))} above the table {verb} left out; the names stand in row {row}."


def _numbers_as_names(*, names: Sequence[str], row: int) -> str:
    return (
        f"the names in row {row} are numbers throughout: {_quoted(names, 5)}. If they are the first case, it is lost: write a "
        "row of names above it."
    )


def _two_rows(*, first: int, second: int, names: Sequence[str]) -> str:
    joined = _quoted(names, len(names))
    return f"rows {first} and {second} are a header of two rows and were joined into one: {joined}, …."


def _blanks(*, names: Sequence[str]) -> str:
    return f"blanks around {counted(len(names), 'name')} were taken away: {_quoted(names, 5)}."


def _label_rows(*, first: int, last: int, example: str) -> str:
    which = f"rows {first} to {last}" if last > first else f"row {first}"
    return (
        f"{which} under the names hold words where all other rows have numbers ('{example}'): labels, taken as such, and no case."
    )


def _separator(*, separator: str, decimal: str) -> str:
    marks = " and decimal commas" if decimal == "," else ""
    return f"the file separates its cells by {SEPARATORS[separator]}{marks}, and was read so."


def _identifiers(*, names: Sequence[str]) -> str:
    verb = "hold" if len(names) > 1 else "holds"
    return f"{_quoted(names, 5)} {verb} digits that begin with 0, or more than 15 of them: identifiers, kept as text."


def _encoding(*, encoding: str, line: int, shown: str, other: str, otherwise: str) -> str:
    alternative = f", in {other} {otherwise}" if other else ""
    return (
        f"the text was read as {ENCODINGS[encoding]}: line {line} has {shown}{alternative}. If names come out wrong, say the "
        "right one with encoding=."
    )


def _sheets(*, names: Sequence[str]) -> str:
    return (
        f"the first of {len(names)} sheets, '{names[0]}', was read. The others are {_quoted(names[1:], 8)}: name one with sheet=."
    )


def _blank_rows(*, rows: int) -> str:
    return f"{counted(rows, 'blank row')} between the others {'were' if rows > 1 else 'was'} left out."


def _texts(*, cells: int) -> str:
    return (
        f"{cells} numbers are stored as text, and were read as numbers."
        if cells > 1
        else "1 number is stored as text, and was read as one."
    )


def _merged(*, cells: int, first: str) -> str:
    which = f"{cells} cells are" if cells > 1 else "1 cell is"
    return (
        f"{which} merged over others among the cases, first {first}: only the upper left one holds the value, and the others are "
        "missing here. Unmerge them in the spreadsheet and fill the value into each."
    )


def _remark(*, text: str, row: int) -> str:
    return (
        f"row {row}, after a blank one, holds '{text}' and nothing else: a remark under the table? It counts as a case, and "
        "makes its column one of words. Delete it in the spreadsheet."
    )


def _uncomputed(*, formulas: int, first: str) -> str:
    which = f"{formulas} formulas have" if formulas > 1 else "1 formula has"
    return (
        f"{which} no computed value, first in {first}: missing here. The program that wrote the file did not compute them: open "
        "it in Excel or LibreOffice and save it there."
    )


def _dots(*, cells: int) -> str:
    return f"{cells} cell{'s hold' if cells > 1 else ' holds'} '.', read as missing, as SAS and Stata write it."


def _errors(*, cells: int, first: str) -> str:
    where = f", first in {first}" if first else ""
    return (
        f"{cells} cell{'s hold' if cells > 1 else ' holds'} an error of the spreadsheet such as #DIV/0!{where}, read as missing. "
        "The value that was meant is lost to every model: mend the formulas and save again."
    )


def _masked(*, cells: int) -> str:
    return f" ({counted(cells, 'cell')} {'hold' if cells > 1 else 'holds'} a code that the file declares missing)"


FILES: Mapping[str, Template] = {
    "file.titles": _titles,
    "file.two_rows": _two_rows,
    "file.numbers_as_names": _numbers_as_names,
    "file.blanks": _blanks,
    "file.label_rows": _label_rows,
    "file.row_numbers": "the first column has no name and counts the rows, as pandas and R write it; it was left out.",
    "file.separator": _separator,
    "file.identifiers": _identifiers,
    "file.encoding": _encoding,
    "file.sheets": _sheets,
    "file.blank_rows": _blank_rows,
    "file.texts": _texts,
    "file.merged": _merged,
    "file.remark": _remark,
    "file.uncomputed": _uncomputed,
    "file.dots": _dots,
    "file.errors": _errors,
}
"""Notes on a file that was read."""

LOG: Mapping[str, Template] = {
    "log.file": "{file}{detail}",
    "log.file.encoding": " (encoding {encoding})",
    "log.file.masked": _masked,
    "log.frame": "rows of {name}",
    "log.attention": "failed the attention check {column} = {answer:g}",
    "log.fast": "answered faster than possible ({column} < {least:g})",
    "log.longstring": "gave the same answer {length} or more times in a row",
    "log.reversed": "reversed items turned round: {items:commas}",
    "log.reversed.item": "{item} ({low:g} to {high:g})",
    "log.simulated": "drawn from the model's law",
    "log.bootstrap": "bootstrap",
    "log.bootstrap.cases": "bootstrap of cases",
    "log.bootstrap.entities": "bootstrap of entities",
    "log.used": "estimation sample",
}
"""Why rows are as they are."""

DATA: Mapping[str, Template] = {**FILES, **LOG}
