"""Dataset: columns with roles and a log of every step. pandas stops here on the way in.

A numeric column is a float64 array with NaN for missing; any other column is an object array with None for
missing. Every function that removes or changes rows returns a new Dataset whose log has one more step, so that
the report can count what was dropped and why.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cipa.data.checks import (
    Column,
    numbers_of,
    refuse_infinity,
    refuse_missing_key,
    refuse_repeated,
    repeated_pair,
    require,
)
from cipa.errors import DataError, public, public_value
from cipa.frozen import FrozenDict
from cipa.language.en import EN
from cipa.numerics.algebra.linalg import Array, BoolArray
from cipa.study.constructs import Construct, Item

_NUMERIC = ("integer", "floating", "mixed-integer-float", "boolean", "decimal")
"""Kinds of objects, as pandas tells them, that are numbers."""

_WHOLE = 2**53
"""The largest whole number up to which float64 tells all of them apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that was done to the rows.

    Parameters
    ----------
    action : str
        What was done ("read", "exclude careless").
    reason : str
        Why, in words a reader accepts.
    rows_before, rows_after : int
    """

    action: str
    reason: str
    rows_before: int
    rows_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Which columns have a role: the panel keys, groups, sampling clusters and weights."""

    entity: str | None = None
    time: str | None = None
    group: str | None = None
    cluster: str | None = None
    weight: str | None = None


@public_value
@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """The observed firms.

    Parameters
    ----------
    columns : mapping of str to (n,) array
        float64 for numbers (NaN missing), object for words (None missing). Read-only.
    name : str
        How messages and the report call it.
    items : mapping of str to Item
        The codebook's lines for survey questions.
    labels : mapping of str to str
        The codebook's label of any column.
    constructs : tuple of Construct
        The codebook's constructs.
    value_labels : mapping of str to mapping of float to str
        The words of a column's codes, as SPSS and Stata files keep them; they name groups.
    orders : mapping of str to tuple of str
        The words of an ordered category, from low to high; such a column can be an ordered variable of a model.
    roles : Roles
    log : tuple of Step

    Examples
    --------
    >>> import cipa as ci
    >>> data = ci.datasets.load("holzinger1939")
    >>> data.nobs, data["school"][0]
    (301, 'Pasteur')
    >>> data.to_frame().shape
    (301, 15)
    """

    columns: Mapping[str, Column]
    name: str = "data"
    items: Mapping[str, Item] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    constructs: tuple[Construct, ...] = ()
    value_labels: Mapping[str, Mapping[float, str]] = field(default_factory=dict)
    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    roles: Roles = field(default_factory=Roles)
    log: tuple[Step, ...] = ()

    @classmethod
    @public
    def from_frame(cls, table: pd.DataFrame, *, name: str = "data", columns: Sequence[str] | None = None) -> Dataset:
        """Copy a DataFrame (or only the `columns` named) into a Dataset; the frame is never changed."""
        refuse_repeated(table, name=name)
        place = {str(label): position for position, label in enumerate(table.columns)}
        if columns is not None:
            require(columns, present=list(place), name=name)
            wanted = set(columns)
            place = {text: position for text, position in place.items() if text in wanted}
        part = table if len(place) == table.shape[1] else table.take(list(place.values()), axis=1)
        kinds = part.dtypes.to_numpy()
        converted = _columns(part, kinds, list(place))
        ordered = ((text, k) for k, text in enumerate(place) if isinstance(kinds[k], pd.CategoricalDtype))
        orders = {text: order for text, k in ordered if (order := _order(part.iloc[:, k]))}
        rows = len(table)
        log = (Step(action="read", reason=EN("log.frame", name=name), rows_before=rows, rows_after=rows),)
        return cls(columns=FrozenDict(converted), name=name, log=log, orders=orders)

    @property
    def nobs(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values()), ()))

    @property
    def notices(self) -> tuple[str, ...]:
        """What a reader must know about how the data were read: encoding, title rows, cells with an error."""
        return tuple(step.reason for step in self.log if step.action == "notice")

    @property
    def digest(self) -> str:
        """SHA-256 of names and values, the same on every machine."""
        found = hashlib.sha256()
        for name in sorted(self.columns):
            values = self.columns[name]
            found.update(name.encode() + b"\0")
            found.update(values.astype("<f8").tobytes() if values.dtype == np.float64 else repr(values.tolist()).encode())
        return found.hexdigest()

    def __getstate__(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for values in state["columns"].values():
            _read_only(values)  # a pickled array forgets that it is read-only
        for name, value in state.items():
            object.__setattr__(self, name, value)

    def __getitem__(self, name: str) -> Column:
        require([name], present=self.columns, name=self.name)
        return self.columns[name]

    @public
    def numeric(self, names: Sequence[str], *, ordered: Sequence[str] = ()) -> Array:
        """The columns as an (n, k) float array; refuses words that are no numbers, infinity, columns not there.

        A column in `ordered` may hold words whose order is known (`orders`): they count from 1.
        """
        require(names, present=self.columns, name=self.name)
        found = {column: self.columns[column] for column in names}
        for column in ordered:
            if column in found and column in self.orders:
                found[column] = _ranks(found[column], self.orders[column])
        values = _side_by_side(numbers_of(found, name=self.name, ordered=ordered))
        refuse_infinity(values, names=names, name=self.name)
        return values

    def missing(self, name: str) -> BoolArray:
        """Which rows (n,) lack a value in a column."""
        values = self[name]
        return np.asarray(np.isnan(values) if values.dtype == np.float64 else [value is None for value in values], dtype=bool)

    def take(self, rows: npt.NDArray[Any], *, action: str, reason: str) -> Dataset:
        """The rows selected by a mask or an index, with one more step in the log."""
        kept = {name: _read_only(values[rows]) for name, values in self.columns.items()}
        after = len(next(iter(kept.values()), ()))
        step = Step(action=action, reason=reason, rows_before=self.nobs, rows_after=after)
        return replace(self, columns=FrozenDict(kept), log=(*self.log, step))

    @public
    def keep(self, mask: BoolArray, *, action: str, reason: str) -> Dataset:
        """Keep the rows where `mask` holds."""
        return self.take(np.asarray(mask, dtype=bool), action=action, reason=reason)

    @public
    def with_columns(self, new: Mapping[str, npt.ArrayLike]) -> Dataset:
        """Add (or replace) columns, given as arrays of length n."""
        added = {name: _column(pd.Series(np.asarray(values))) for name, values in new.items()}
        for name, values in added.items():
            if len(values) != self.nobs:
                raise DataError(
                    f"{self.name}: the new column '{name}' has {len(values)} values for {self.nobs} rows, so that it is open "
                    "which value belongs to which row. Add NaN where none is known."
                )
        labels = {name: words for name, words in self.value_labels.items() if name not in added}
        orders = {name: order for name, order in self.orders.items() if name not in added}
        return replace(self, columns=FrozenDict({**self.columns, **added}), value_labels=labels, orders=orders)

    @public
    def panel(self, *, entity: str, time: str) -> Dataset:
        """Name the panel keys; refuses a key that is not there, is missing somewhere, or repeats a pair."""
        require([entity, time], present=self.columns, name=self.name)
        keys = pd.DataFrame({"entity": self.columns[entity], "time": self.columns[time]})
        for role, column in (("entity", entity), ("time", time)):
            refuse_missing_key(keys[role].isna().to_numpy(), role=role, column=column, name=self.name)
        twice = np.flatnonzero(keys.duplicated().to_numpy())
        if twice.size:
            first = keys.iloc[int(twice[0])]
            raise repeated_pair({entity: first["entity"], time: first["time"]}, rows=twice.size, name=self.name)
        return replace(self, roles=replace(self.roles, entity=entity, time=time))

    def resample(self, rng: np.random.Generator) -> Dataset:
        """Draw n rows with replacement; whole entities when the entity role is set."""
        if self.roles.entity is None:
            return self.take(rng.integers(self.nobs, size=self.nobs), action="resample", reason=EN("log.bootstrap.cases"))
        _, code = np.unique(self.columns[self.roles.entity].astype(str), return_inverse=True)
        order = np.argsort(code, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(code))])
        drawn = rng.integers(len(starts) - 1, size=len(starts) - 1)
        rows = np.concatenate([order[starts[entity] : starts[entity + 1]] for entity in drawn])
        return self.take(rows, action="resample", reason=EN("log.bootstrap.entities"))

    def words(self, name: str) -> Column:
        """A column with the words of its codes in their place, where each code has a word of its own."""
        values, labels = self[name], self.value_labels.get(name, {})
        present = [] if values.dtype != np.float64 else [float(value) for value in np.unique(values[~np.isnan(values)])]
        used = [labels.get(value, "") for value in present]
        if not present or not all(used) or len(set(used)) < len(used):
            return values
        return _read_only(np.array([None if value != value else labels[float(value)] for value in values], dtype=object))

    @public
    def rename(self, names: Mapping[str, str]) -> Dataset:
        """The data with other names of columns, given as ``{"Q5.R&D (%)": "rd"}``.

        Examples
        --------
        >>> import cipa as ci
        >>> ci.datasets.load("grunfeld").rename({"inv": "investment"})["investment"].shape
        (200,)
        """
        require(list(names), present=self.columns, name=self.name)
        taken = [new for new in names.values() if new in self.columns and new not in names]
        if taken or len(set(names.values())) < len(names):
            twice = (taken or list(names.values()))[0]
            raise DataError(
                f"{self.name}: rename= gives the name '{twice}' to more than one column. Which one a model means would not be "
                "decided: choose another name."
            )

        def new(name: str) -> str:
            return names.get(name, name)

        roles = {one.name: getattr(self.roles, one.name) for one in fields(Roles)}
        return replace(
            self,
            columns=FrozenDict({new(name): values for name, values in self.columns.items()}),
            items={new(name): replace(item, name=new(name)) for name, item in self.items.items()},
            labels={**{new(name): name for name in names}, **{new(name): label for name, label in self.labels.items()}},
            value_labels={new(name): labels for name, labels in self.value_labels.items()},
            orders={new(name): order for name, order in self.orders.items()},
            constructs=tuple(
                replace(
                    one,
                    items=tuple(map(new, one.items)),
                    reversed=tuple(map(new, one.reversed)),
                    column=one.column and new(one.column),
                )
                for one in self.constructs
            ),
            roles=Roles(**{role: column and new(column) for role, column in roles.items()}),
        )

    def to_frame(self) -> pd.DataFrame:
        """A fresh DataFrame."""
        return pd.DataFrame({name: values.copy() for name, values in self.columns.items()})

    def __str__(self) -> str:
        more = ", …" if len(self.columns) > 8 else ""
        return f"{self.name}: {self.nobs} rows, {len(self.columns)} columns ({', '.join(list(self.columns)[:8])}{more})"

    def __repr__(self) -> str:
        return f"<Dataset {self}>"


def as_dataset(data: Any, *, columns: Sequence[str] | None = None, name: str = "data") -> Dataset:
    """Take a Dataset as it is, or copy the `columns` needed out of a DataFrame."""
    if isinstance(data, Dataset):
        return data
    if isinstance(data, pd.DataFrame):
        return Dataset.from_frame(data, name=name, columns=columns)
    raise DataError(
        f"A model is fitted to a Dataset (ci.read, ci.datasets.load) or a pandas DataFrame, not to {type(data).__name__}. "
        "Columns are found by their names: make a DataFrame with names, or read the file with ci.read."
    )


def _columns(part: pd.DataFrame, kinds: Any, names: Sequence[str]) -> dict[str, Column]:
    """Copies of columns; floats that stand in one frame are copied in one block, which a model then uses as it is."""
    floats = [position for position, kind in enumerate(kinds) if kind == np.float64]
    block = np.array(part.iloc[:, floats].to_numpy() if len(floats) < part.shape[1] else part.to_numpy(), order="F", copy=True)
    block.setflags(write=False)
    place = {position: k for k, position in enumerate(floats)}
    return {
        text: block[:, place[position]] if position in place else _column(part.iloc[:, position])
        for position, text in enumerate(names)
    }


def _side_by_side(columns: Sequence[Column]) -> Array:
    """The columns as an (n, k) array in Fortran order; no copy when they already stand so in memory."""
    if len(columns) > 1:
        base = columns[0].base
        step = columns[0].nbytes
        first = columns[0].__array_interface__["data"][0]
        together = all(
            column.base is base and column.__array_interface__["data"][0] == first + k * step for k, column in enumerate(columns)
        )
        if isinstance(base, np.ndarray) and base.ndim == 2 and base.flags.f_contiguous and together:
            start = (first - base.__array_interface__["data"][0]) // max(step, 1)
            return base[:, start : start + len(columns)]
    values = np.empty((len(columns[0]) if columns else 0, len(columns)), order="F")
    for position, column in enumerate(columns):
        values[:, position] = column
    return values


def _column(series: pd.Series[Any]) -> Column:
    if _is_wide(series):
        return _read_only(np.array([None if pd.isna(value) else str(int(value)) for value in series], dtype=object))
    number = pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_complex_dtype(series.dtype)
    if number or pd.api.types.is_bool_dtype(series.dtype):
        return _read_only(series.to_numpy(dtype=np.float64, na_value=np.nan, copy=True))
    if isinstance(series.dtype, pd.CategoricalDtype) and pd.api.types.is_numeric_dtype(series.cat.categories.dtype):
        return _read_only(series.astype(np.float64).to_numpy(copy=True))
    if series.dtype == object and pd.api.types.infer_dtype(series, skipna=True) in _NUMERIC:
        return _read_only(np.array([np.nan if pd.isna(value) else float(value) for value in series], dtype=np.float64))
    values = series.astype(object).to_numpy(copy=True)
    values[np.asarray(pd.isna(series))] = None
    return _read_only(values)


def _is_wide(series: pd.Series[Any]) -> bool:
    """Whether whole numbers are so large that two of them would be one in float64: identifiers, kept as text."""
    objects = series.dtype == object and pd.api.types.infer_dtype(series, skipna=True) == "integer"
    if not objects and not pd.api.types.is_integer_dtype(series.dtype):
        return False
    return any(abs(int(value)) > _WHOLE for value in (series.min(), series.max()) if not pd.isna(value))


def _order(series: pd.Series[Any]) -> tuple[str, ...]:
    """The words of an ordered category that occur, from low to high; () for any other column."""
    kind = series.dtype
    if not isinstance(kind, pd.CategoricalDtype) or not kind.ordered or pd.api.types.is_numeric_dtype(kind.categories.dtype):
        return ()
    return tuple(series.cat.remove_unused_categories().cat.categories)


def _read_only(values: Column) -> Column:
    values.setflags(write=False)
    return values


def _ranks(values: Column, order: Sequence[str]) -> Column:
    """Words as their place in an order, from 1; NaN for a missing one."""
    place = {word: rank for rank, word in enumerate(order, start=1)}
    return np.array([np.nan if value is None else place[value] for value in values], dtype=np.float64)
