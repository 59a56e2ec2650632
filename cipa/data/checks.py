"""What the columns of a model must be, each refused by name.

Not empty, not constant, within reach of double precision, seen together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cipa.errors import DataError, did_you_mean
from cipa.numerics.algebra.linalg import Array, BoolArray

Column = npt.NDArray[Any]

LARGEST, SMALLEST = 1e30, 1e-30
"""Largest value and smallest standard deviation: fourth powers and their products must not leave double precision."""

_CONSTANT = 1e-12  # variance over squared mean below which a column may be constant
_CODES = (99.0, 999.0, 9999.0, 99999.0, 88.0, 888.0, 8888.0, 97.0, 98.0, 997.0, 998.0, -9.0, -8.0, -99.0, -999.0, -9999.0, -1.0)
_FAR = 5.0  # a code lies so many times the others' range away from them
_SCALE = 10.0  # the longest answer scale beside which a negative whole number is no answer
_DIGITS = 1e-20  # the same, below which fewer than six digits of the variation are left


def refuse_empty(holes: BoolArray, variables: Sequence[str], *, place: str) -> None:
    """Refuse a column without any value."""
    empty = np.flatnonzero(holes.all(axis=0))
    if len(holes) and len(empty):
        raise DataError(
            f"The column '{variables[empty[0]]}' has no value at all{place}. Nothing can be learnt from it: drop it from the "
            "model."
        )


def suspected_code(values: Array) -> tuple[float, int] | None:
    """A value that looks like a code for a missing answer (99, -9, 999), far off all the others, and in how many rows.

    The others are at least three different ones, and lie within a fifth of the distance.
    """
    ends = float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))
    if not np.isnan(ends[0]) and not any(end in _CODES for end in ends):
        return None  # a code is the smallest or the largest value, or stands beside another one that is
    seen = values[~np.isnan(values)]
    if not len(seen) or not any(end in _CODES for end in (seen.min(), seen.max())):
        return None
    for code in _CODES:
        hit = seen == code
        if not hit.any():
            continue
        rest = seen[~hit & ~np.isin(seen, _CODES)]
        if len(rest) < 3 or len(np.unique(rest)) < 3:
            continue
        low, high = float(rest.min()), float(rest.max())
        distance = low - code if code < low else code - high
        if code < 0 and low >= 0 and distance >= 2 and high - low <= _SCALE and (rest == np.rint(rest)).all():
            return code, int(hit.sum())
        if distance > _FAR * (high - low):
            return code, int(hit.sum())
    return None


def refuse_constant(values: Array, mean: Array, variance: Array, variables: Sequence[str], *, place: str) -> None:
    """Refuse a column whose observed values are all the same, or vary too little to be computed with."""
    for position in map(int, np.flatnonzero((variance <= _CONSTANT * mean**2) | (variance < SMALLEST**2))):
        low, high = np.nanmin(values[:, position]), np.nanmax(values[:, position])
        if low == high:
            raise DataError(
                f"The column '{variables[position]}' is constant{place}: every case has {low:g}. A variable without variance has "
                "no covariance to explain: drop it, or check how it was read."
            )
        if variance[position] < max(_DIGITS * mean[position] ** 2, SMALLEST**2):
            raise DataError(
                f"The column '{variables[position]}' varies by {np.sqrt(variance[position]):.2g} around "
                f"{mean[position]:.2g}{place}: so little that rounding decides its covariances. Subtract a constant from it, or "
                "measure it in a smaller unit."
            )


def never_together(holes: BoolArray, variables: Sequence[str]) -> tuple[str, str] | None:
    """The first two variables that no case (or one) has both of, or None."""
    seen = (~holes).astype(np.float64)
    rows, cols = np.nonzero(np.tril(seen.T @ seen < 2))
    return (variables[cols[0]], variables[rows[0]]) if len(rows) else None


def refuse_never_together(holes: BoolArray, variables: Sequence[str], *, what: str, place: str, advice: str) -> None:
    """Refuse two variables whose covariance the data say nothing about."""
    pair = never_together(holes, variables)
    if pair is not None:
        raise DataError(
            f"No two cases{place} have both '{pair[0]}' and '{pair[1]}', so the data say nothing about their covariance, and "
            f"{what} needs all of them. {advice}, or leave one of the two out."
        )


def require(names: Sequence[str], *, present: Any, name: str) -> None:
    """Refuse columns that the data do not have, naming the nearest ones they do have."""
    missing = [column for column in names if column not in present]
    if missing:
        advice = "A model can use only what the data hold: check the spelling, or add the data."
        if len(missing) == 1:
            raise DataError(f"{name} has no column named '{missing[0]}'.{did_you_mean(missing[0], present)} {advice}")
        hints = "".join(f"\n    '{column}'.{did_you_mean(column, present)}" for column in missing)
        raise DataError(f"{name} has no columns named:{hints}\n{advice}")


def numbers_of(columns: Mapping[str, Column], *, name: str, ordered: Sequence[str] = ()) -> list[Column]:
    """The columns as numbers; every one that holds a word which is no number is named, with these words.

    Of a variable declared `ordered` the words may be right, and only their order is not known.
    """
    read = {column: values if values.dtype == np.float64 else _parsed(values) for column, values in columns.items()}
    wrong = {column: values for column, values in read.items() if values is None}
    if wrong:
        listed = "".join(f"\n    {_offenders(columns[column], column=column)}" for column in wrong)
        what = f"the column '{next(iter(wrong))}' holds" if len(wrong) == 1 else f"{len(wrong)} columns hold"
        advice = (
            "These variables are declared ordered, and words do not say which answer is the lower one (by alphabet 'high' comes"
            " before 'low'). Give the order: pandas.Categorical(values, categories=[lowest, ..., highest], ordered=True), or "
            "numbers in their place; mark what is no answer as missing."
            if set(wrong) <= set(ordered)
            else "Recode them to numbers, mark what is no answer as missing, or use the column as group=, cluster= or i(...) "
            "instead."
        )
        raise DataError(
            f"{name}: {what} {_kind(columns[column] for column in wrong)}, and a model needs numbers:{listed}\n{advice}"
        )
    return [values for values in read.values() if values is not None]


def _kind(columns: Iterable[Column]) -> str:
    """What columns hold in place of numbers."""
    values = [value for column in columns for value in column if value is not None]
    return "dates" if all(isinstance(value, (date, np.datetime64)) for value in values) else "words"


def _parsed(values: Column) -> Column | None:
    """Words as numbers, or None where some are not."""
    try:
        return np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)
    except (TypeError, ValueError):
        return None


def _offenders(values: Column, *, column: str) -> str:
    """The words of a column that are no numbers, the first rows of each, and how many rows hold one."""
    rows: dict[str, list[int]] = {}
    for row, value in enumerate(values, start=1):
        if value is not None and _parsed(np.array([value], dtype=object)) is None:
            rows.setdefault(repr(value)[:40], []).append(row)
    shown = ", ".join(
        f"{word} (row {', '.join(map(str, places[:3]))}{', …' if len(places) > 3 else ''})"
        for word, places in list(rows.items())[:4]
    )
    more = f", and {len(rows) - 4} words more" if len(rows) > 4 else ""
    count = sum(map(len, rows.values()))
    return f"'{column}': {shown}{more}; {count} of {len(values)} rows"


def _refuse_huge(values: Array, *, names: Sequence[str], name: str) -> None:
    places = np.argwhere((np.abs(values) > LARGEST) & np.isfinite(values))
    if len(places):
        row, position = places[0]
        raise DataError(
            f"{name}: the column '{names[position]}' has the value {values[row, position]:.2g} in row {row + 1}, beyond "
            f"{LARGEST:g}. Its squares leave what a computer can hold: divide the column by a power of ten, or mend the cell."
        )


def refuse_infinity(values: Array, *, names: Sequence[str], name: str) -> None:
    """Refuse values (n, k) that are infinite or whose squares would be, by column and row."""
    if abs(values.sum()) < LARGEST:
        return
    _refuse_huge(values, names=names, name=name)
    row, position = (int(place[0]) for place in np.nonzero(np.isinf(values))) if np.isinf(values).any() else (-1, -1)
    if row >= 0:
        raise DataError(
            f"{name}: the column '{names[position]}' is infinite in row {row + 1}. A moment of such a column does not exist;"
            " it often comes from log(0) or a division by zero. Mark the cell as missing or mend the computation."
        )


def refuse_repeated(table: pd.DataFrame, *, name: str) -> None:
    """Refuse a frame that has a name twice."""
    labels = [str(label) for label in table.columns]
    if len(set(labels)) < len(labels):
        twice = sorted({label for label in labels if labels.count(label) > 1})
        raise DataError(
            f"{name} has more than one column named {', '.join(twice)}. Which one a model means is not decided: rename them."
        )


def refuse_not_positive(values: Array, *, what: str, why: str, name: str) -> None:
    """Refuse weights (n,) of which one is 0 or less, by row; `why` says what that means and what to do."""
    wrong = np.flatnonzero(values <= 0)
    if wrong.size:
        raise DataError(
            f"{name}: the {what} is {values[wrong[0]]:g} in row {wrong[0] + 1} ({wrong.size} rows are not positive). {why}"
        )


def refuse_missing_key(missing: BoolArray, *, role: str, column: str, name: str) -> None:
    """Refuse a panel key that is missing in some rows (n,)."""
    rows = np.flatnonzero(missing)
    if rows.size:
        raise DataError(
            f"{name}: the {role} key '{column}' is missing in {rows.size} rows, first in row {rows[0] + 1}. A row without its "
            "key belongs to no firm-year. Fill the key or drop the rows."
        )


def repeated_pair(pair: Mapping[str, Any], *, rows: int, name: str) -> DataError:
    """The refusal of a panel in which a pair of keys, column by column, stands in more than one row."""
    shown = ", ".join(f"{key}={value:g}" if isinstance(value, float) else f"{key}={value!r}" for key, value in pair.items())
    return DataError(
        f"{name}: {shown} stands in more than one row ({rows} rows repeat a pair). A panel has one row for each "
        f"{' and '.join(pair)}. Remove or aggregate the repeats."
    )
