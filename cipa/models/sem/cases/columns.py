"""The columns that a model needs: those of its variables, and the one that names the group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cipa.data.dataset import Dataset, as_dataset
from cipa.data.moments import SampleMoments
from cipa.errors import DataError
from cipa.numerics.algebra.linalg import IntArray
from cipa.study.syntax import Syntax

_MANY = 10  # so many groups of fewer than three cases are no groups


def require_columns(syntax: Syntax, names: Sequence[str], data: Any, *, source: str = "") -> None:
    """Refuse a variable of the syntax that is neither latent nor a column, with its place."""
    present = [str(name) for name in getattr(data, "columns", data if source else ())]
    if not present:
        return
    source = source or getattr(data, "name", "the data")
    syntax.refuse_unknown(names, present, source=source)


def refuse_names_taken(syntax: Syntax, data: Any) -> None:
    """Refuse a construct that has the name of a column, with its place: it is not clear which of them an equation means."""
    present = {str(name) for name in getattr(data, "columns", ())}
    for row in syntax.formulas:
        if row.op in ("=~", "<~") and row.lhs in present:
            items = ", ".join(other.rhs for other in syntax.formulas if other.op == row.op and other.lhs == row.lhs)
            raise syntax.refuse(
                row,
                f"'{row.lhs}' is measured here by {items}, and {getattr(data, 'name', 'the data')} has a column of that name. "
                "What stands in the other equations could be either. Give the construct a name of its own, or drop the column.",
            )


def group_labels(data: Any, *, group: str | None) -> tuple[str, ...]:
    """Labels of the groups, in order of appearance; ("",) for a single group."""
    if isinstance(data, (list, tuple)) and data and isinstance(data[0], SampleMoments):
        return tuple(str(one.group or position + 1) for position, one in enumerate(data))
    if group is None or isinstance(data, SampleMoments):
        return ("",)
    column = as_dataset(data, columns=[group]).words(group)
    labels = list(dict.fromkeys(label_of(value) for value in column if value is not None and value == value))
    if len(labels) < 2:
        raise DataError(
            f"The group column '{group}' has {len(labels)} value. A multi-group model needs at least 2: drop group=, or check "
            "the column."
        )
    if len(labels) > _MANY and 3 * len(labels) > len(column):
        raise DataError(
            f"The group column '{group}' has {len(labels)} values ({', '.join(labels[:3])}, …) for {len(column)} cases, and "
            "every group gets a model of its own. Is it an identifier, or a measure? Choose a column of a few groups, or use it "
            "as cluster=."
        )
    return tuple(labels)


def group_codes(data: Dataset, group: str | None, labels: Sequence[str]) -> IntArray:
    """Position (n,) in `labels` of each case's group; -1 without one."""
    if group is None:
        return np.zeros(data.nobs, dtype=np.intp)
    lookup = {label: position for position, label in enumerate(labels)}
    return np.array([lookup.get(label_of(value), -1) if value is not None else -1 for value in data.words(group)], dtype=np.intp)


def label_of(value: Any) -> str:
    """A group or cluster as it is written: a whole number without its point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
