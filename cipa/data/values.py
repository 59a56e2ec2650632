"""What a column of a Dataset means in a formula: numbers, numbers written as words, or words.

A column is read as numbers where it can mean nothing else: floats, truth values, and text of which every value is a number ("12",
"-3.5", "1e4"). A column whose values are all words has levels. Anything between is refused, because either reading could be
wrong: numbers beside words, or codes such as "007", whose zeros say that they are names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cipa.data.checks import require
from cipa.data.dataset import Dataset
from cipa.data.panel import NUMBER
from cipa.errors import DataError
from cipa.numerics.algebra.linalg import Array

_CODE = re.compile(r"[+-]?0\d")


def categorical_columns(data: Any, names: Iterable[str]) -> frozenset[str]:
    """Those of the columns that a DataFrame declares as categories (dtype "category")."""
    if not isinstance(data, pd.DataFrame):
        return frozenset()
    kinds = {str(label): kind for label, kind in zip(data.columns, data.dtypes, strict=True)}
    return frozenset(name for name in names if isinstance(kinds.get(name), pd.CategoricalDtype))


def numbers_of(data: Dataset, name: str) -> tuple[Array, bool] | None:
    """The (n,) numbers of a column and whether they were written as words; None where the column holds words.

    Raises
    ------
    DataError
        When the column is neither, or is infinite.
    """
    require([name], present=data.columns, name=data.name)
    values = data.columns[name]
    if values.dtype == np.float64:
        return data.numeric([name])[:, 0], False
    plain = [value for value in values if value is not None]
    texts = [value for value in plain if isinstance(value, str)]
    if len(texts) == len(plain):
        numeric = [NUMBER.fullmatch(text.strip()) is not None for text in texts]
        if not any(numeric):
            return None
        _refuse_between(data, name, texts, numeric)
    elif texts:
        _refuse_between(data, name, plain, [not isinstance(value, str) for value in plain])
    elif not all(isinstance(value, (bool, int, float, np.bool_, np.number)) for value in plain):
        return None  # dates and other objects have levels
    found = np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)
    checked = Dataset(columns={name: found}, name=data.name).numeric([name])  # refuses infinity
    return checked[:, 0], bool(texts)


def level_names(labels: Sequence[Any]) -> list[str]:
    """Levels as a term shows them: 3 rather than 3.0, and no two alike."""
    return [str(plain_label(label)) for label in labels]


def plain_label(label: Any) -> Any:
    """A level as a Python value: whole numbers as integers."""
    if isinstance(label, (float, np.floating)):
        return int(label) if float(label).is_integer() else float(label)
    return label.item() if isinstance(label, np.generic) else label


def plain_labels(labels: npt.NDArray[Any]) -> tuple[Any, ...]:
    """Levels as Python values."""
    return tuple(plain_label(label) for label in labels)


def _refuse_between(data: Dataset, name: str, values: Sequence[Any], numeric: Sequence[bool]) -> None:
    odd = next((value for value, number in zip(values, numeric, strict=True) if not number), None)
    if odd is not None:
        count = len(numeric) - sum(numeric)
        others = f"{count} values that are" if count > 1 else "1 value that is"
        raise DataError(
            f"{data.name}: the column '{name}' holds numbers and {others} none, first {odd!r}. Read as numbers it "
            f"would lose them, read as words it would lose its order. Mark them as missing, or write i({name}) for a dummy of "
            "each value."
        )
    code = next((value for value in values if isinstance(value, str) and _CODE.match(value.strip())), None)
    if code is not None:
        raise DataError(
            f"{data.name}: the column '{name}' holds digits with leading zeros, such as {code!r}. They may be codes (of sectors,"
            f" say), whose size means nothing, or numbers. Write i({name}) for a dummy of each value, or make the column a "
            "number first."
        )
