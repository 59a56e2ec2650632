"""Which kind of file its first bytes show it to be, whatever its name says."""

from __future__ import annotations

from pathlib import Path

from cipa.errors import DataError, MissingPartError, did_you_mean

_SIGNS: tuple[tuple[bytes, str, str, str], ...] = (
    (b"PK\x03\x04", ".xlsx", "a zip archive, as .xlsx files are", "name it .xlsx if it comes from Excel, or unpack it"),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ".xls",
        "an Excel workbook of the old kind (.xls), or one with a password", "save it as .xlsx without a password",
    ),
    (b"$FL2", ".sav", "an SPSS file", "name it .sav"),
    (b"$FL3", ".zsav", "a compressed SPSS file (.zsav)", "save it as .sav"),
    (b"<stata_dta>", ".dta", "a Stata file", "name it .dta"),
    (b"PAR1", ".parquet", "a Parquet file", "name it .parquet"),
    (b"\x1f\x8b", ".gz", "a gzip file", "unpack it, or name it .csv.gz if it holds a csv"),
    (b"%PDF", ".pdf", "a PDF document", "export the data themselves"),
    (b"Rar!", ".rar", "a rar archive", "unpack it"),
    (b"7z\xbc\xaf", ".7z", "a 7z archive", "unpack it"),
    (b"RDX", ".rdata", "an R file (.RData)", "write the data as csv or parquet in R"),
)  # fmt: skip
"""First bytes, the name's ending, what it is, what to do."""

_PAGES = (b"<html", b"<!doctype", b"<?xml", b"<table")


def kind_of(content: bytes, *, suffix: str) -> tuple[str, str]:
    """What a file is, by its first bytes, and what to do with it; ("", "") where they say nothing else than its name."""
    for sign, ending, kind, remedy in _SIGNS:
        if content.startswith(sign):
            return ("", "") if ending == suffix else (kind, remedy)
    start = content[:256].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(_PAGES):
        return "a web page or XML", "open it in a spreadsheet and save it as .xlsx or CSV UTF-8"
    if content and not content[:4096].strip(b"\0"):
        return "nothing but zero bytes", "copy or download it again"
    return "", ""


def refuse_other_kind(content: bytes, *, path: Path, expected: str) -> None:
    """Refuse a file whose first bytes are those of another format, or that is no text at all."""
    kind, remedy = kind_of(content, suffix=path.suffix.lower())
    if kind:
        raise DataError(f"'{path.name}' was expected to be {expected}, and is {kind}. Its bytes are no numbers: {remedy}.")
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    place = -1 if wide else content.find(b"\0")
    if place >= 0:
        line = content.count(b"\n", 0, place) + 1
        raise DataError(
            f"'{path.name}', line {line}: expected {expected}, found a zero byte, which no text has. The file is damaged, or"
            " is UTF-16 without its mark, or of another kind: export the data again as CSV UTF-8."
        )


def refuse_absent(path: Path) -> None:
    """Refuse a file that is not there, with the nearest one that is."""
    if path.is_file():
        return
    near = did_you_mean(path.name, [other.name for other in path.parent.iterdir()]) if path.parent.is_dir() else ""
    place = path.parent.name or "."
    missing = "" if path.parent.is_dir() else f" There is no folder '{place}' either."
    raise DataError(
        f"There is no file '{path.name}' in '{place}'.{near}{missing} Nothing can be read: check the spelling, and from "
        "which folder the script runs."
    )


def without_rows(path: Path) -> DataError:
    """The refusal of a table that holds names and nothing else."""
    return DataError(f"'{path.name}' has a header but no row. There is nothing to analyse: export the data again.")


def without_pyarrow(path: Path) -> MissingPartError:
    """The refusal of a Parquet file where its library is not installed."""
    return MissingPartError(
        f"'{path.name}' is a Parquet file, which pyarrow reads, and pyarrow is not installed. Install it with python -m pip "
        "install pyarrow."
    )


def damaged(path: Path, *, expected: str, problem: Exception | str) -> DataError:
    """The refusal of a file that its own library cannot read."""
    content = path.read_bytes()[:4096]
    kind, remedy = kind_of(content, suffix=path.suffix.lower())
    if not kind and not any(content.startswith(sign) for sign, *_ in _SIGNS) and _is_text(content):
        kind, remedy = "plain text", "name it .csv or .tsv if it holds a table"
    reason = " ".join(str(problem).replace(str(path), path.name).split())[:200].rstrip(".") or "no more is known"
    return DataError(
        f"'{path.name}' was expected to be {expected}, and is {kind or 'damaged or incomplete'} ({reason}). No value in it can "
        f"be trusted: {remedy or 'copy, download or export it again'}."
    )


def _is_text(content: bytes) -> bool:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return bool(text) and all(letter.isprintable() or letter in "\r\n\t" for letter in text)
