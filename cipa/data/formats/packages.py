"""Files of statistical programs, SPSS and Stata, and Parquet: numbers with labels of columns and of codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyreadstat

from cipa.data.formats.dta import BrokenCountsError, check_counts
from cipa.data.formats.encodings import known
from cipa.data.formats.kinds import damaged, without_pyarrow
from cipa.data.formats.sav import BrokenDictionaryError, check_dictionary
from cipa.data.formats.table import Read
from cipa.errors import DataError
from cipa.language.en import EN

try:
    from pyarrow import ArrowException
except ImportError:  # an optional part; asking for it says so
    ArrowException = ValueError

_BROKEN = (
    pyreadstat.ReadstatError,
    pyreadstat.PyreadstatError,
    ValueError,
    OverflowError,
    KeyError,
    IndexError,
    TypeError,
    OSError,
    MemoryError,
)
"""What pyreadstat and pandas raise on a damaged file."""


def read_stata(path: Path, *, encoding: str | None) -> Read:
    """Read a dta file."""
    try:
        check_counts(path.read_bytes())
    except BrokenCountsError as problem:
        raise damaged(path, expected="a Stata file (.dta)", problem=problem) from problem
    table, meta = _opened(pyreadstat.read_dta, path, expected="a Stata file (.dta)", encoding=encoding)
    return Read(table=table, labels=_labels(meta), value_labels=_value_labels(meta))


def read_spss(path: Path, *, encoding: str | None) -> Read:
    """Read a sav file; codes that it declares missing become missing, and are counted."""
    try:
        check_dictionary(path.read_bytes())
    except BrokenDictionaryError as problem:
        raise damaged(path, expected="an SPSS file (.sav)", problem=problem) from problem
    table, meta = _opened(pyreadstat.read_sav, path, expected="an SPSS file (.sav)", encoding=encoding, user_missing=True)
    masked = 0
    for column, ranges in meta.missing_ranges.items():
        for span in ranges:
            low, high = span["lo"], span["hi"]
            same = table[column] == low if isinstance(low, str) else table[column].between(low, high)
            hit = same.to_numpy()
            masked += int(hit.sum())
            table[column] = table[column].mask(hit)
    detail = EN("log.file.masked", cells=masked) if masked else ""
    return Read(table=table, detail=detail, labels=_labels(meta), value_labels=_value_labels(meta))


def read_parquet(path: Path) -> Read:
    """Read a parquet file."""
    try:
        table = pd.read_parquet(path)
        words = {name: object for name, kind in table.dtypes.items() if isinstance(kind, pd.StringDtype)}
        plain = table.astype(words) if words and table.columns.is_unique else table
    except ImportError as problem:
        raise without_pyarrow(path) from problem
    except (ArrowException, *_BROKEN) as problem:
        raise damaged(path, expected="a Parquet file (.parquet)", problem=problem) from problem
    return Read(table=_with_index(plain, path=path))


def _with_index(table: pd.DataFrame, *, path: Path) -> pd.DataFrame:
    """The table with an index that has a name, as pandas stores one, as its first columns."""
    named = [level for level, name in enumerate(table.index.names) if name is not None]
    twice = [name for name in table.index.names if name is not None and name in table.columns]
    if twice:
        raise DataError(
            f"'{path.name}': the name '{twice[0]}' stands over the index and over a column. Which one a model means is not "
            "decided: rename one of them."
        )
    return table.reset_index(level=named) if named else table


def _opened(
    read: Callable[..., Any], path: Path, *, expected: str, encoding: str | None, **options: Any
) -> tuple[pd.DataFrame, Any]:
    chosen = {} if encoding is None else {"encoding": known(encoding, where="ci.read")}
    try:
        table, meta = read(str(path), **chosen, **options)
    except _BROKEN as problem:
        if "convert string" in str(problem) or isinstance(problem, UnicodeError):
            raise DataError(
                f"'{path.name}': its words are not in {encoding or 'the encoding that it states'} ({problem}). Read otherwise, "
                "labels would be"
                ' wrong: name the encoding, as in ci.read(path, encoding="gb18030"), or save the file in Unicode mode.'
            ) from problem
        raise damaged(path, expected=expected, problem=problem) from problem
    words = [name for name in table if table[name].dtype == object or isinstance(table[name].dtype, pd.StringDtype)]
    return table.assign(**{name: _without_blanks(table[name]) for name in words}), meta


def _without_blanks(column: pd.Series[Any]) -> pd.Series[Any]:
    """A column whose empty words are missing, as an empty cell of any other format is."""
    return column.astype(object).map(lambda value: None if isinstance(value, str) and not value.strip() else value)


def _labels(meta: Any) -> dict[str, str]:
    return {name: str(label) for name, label in meta.column_names_to_labels.items() if label}


def _value_labels(meta: Any) -> dict[str, Mapping[float, str]]:
    """Words of the codes of each column; words of a word (in a text column) are left out."""
    return {
        column: {float(value): str(label) for value, label in codes.items() if isinstance(value, (int, float))}
        for column, codes in meta.variable_value_labels.items()
        if any(isinstance(value, (int, float)) for value in codes)
    }
