"""The two keys of a panel: who and when, as codes, with lags that respect the calendar.

A lag is taken by the value of time within an entity, never by the row above: where the earlier year is not in the
data, the lag is missing. One period is the smallest distance between two times that occur (one year in yearly data,
two in biennial data); times that are not numbers are taken in their sorted order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cipa.data.checks import refuse_missing_key, repeated_pair, require
from cipa.data.dataset import Dataset
from cipa.errors import DataError
from cipa.numerics.algebra.linalg import Array, IntArray

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
"""Text that is a number and nothing else."""

_NEAR_WHOLE = 1e-6  # a time axis such as 2010.25, 2010.5 is rounded by the file it came from


@dataclass(frozen=True, kw_only=True)
class PanelKeys:
    """Entity and time of each row, as codes.

    Parameters
    ----------
    entity, time : str
        The columns.
    entities : (n,) int array
        Code of the entity, 0..n_entities-1 in order of appearance.
    entity_labels : (n_entities,) array
    periods : (n,) int array
        Position on the time axis, in periods from the first; a period that no row has leaves a hole.
    times : (n,) int array
        Code of the time among those that occur, 0..n_times-1, sorted.
    time_labels : (n_times,) array
    """

    entity: str
    time: str
    entities: IntArray
    entity_labels: npt.NDArray[Any]
    periods: IntArray
    times: IntArray
    time_labels: npt.NDArray[Any]

    @property
    def named(self) -> bool:
        """Whether the data have keys; a cross-section has none (`row_keys`)."""
        return bool(self.entity)

    @property
    def nobs(self) -> int:
        """Number of rows."""
        return len(self.entities)

    @property
    def n_entities(self) -> int:
        """Number of entities."""
        return len(self.entity_labels)

    @property
    def n_times(self) -> int:
        """Number of times that occur."""
        return len(self.time_labels)

    @property
    def span(self) -> int:
        """Length of the time axis in periods, holes included."""
        return int(self.periods.max(initial=-1)) + 1

    @cached_property
    def _order(self) -> tuple[IntArray, IntArray]:
        key = self._key(self.periods)
        order = np.argsort(key, kind="stable")
        return order, key[order]

    def _key(self, periods: IntArray) -> IntArray:
        # an axis of three spans keeps shifted periods of one entity apart from its neighbour's
        width = 3 * self.span
        return self.entities.astype(np.int64) * width + periods + self.span

    def earlier_row(self, lags: int) -> IntArray:
        """Row (n,) of the same entity `lags` periods before; -1 where there is none. Negative lags look ahead."""
        if abs(lags) > self.span or self.nobs == 0:
            return np.full(self.nobs, -1)
        order, ordered = self._order
        wanted = self._key(self.periods - lags)
        place = np.minimum(np.searchsorted(ordered, wanted), self.nobs - 1)
        return np.where(ordered[place] == wanted, order[place], -1)

    def lag(self, column: Array, lags: int) -> Array:
        """The (n,) column `lags` periods before; NaN where the data do not have that period."""
        row = self.earlier_row(lags)
        return np.where(row >= 0, column[row], np.nan)

    def take(self, rows: npt.NDArray[Any]) -> PanelKeys:
        """The keys of some rows, with codes that leave no level empty."""
        entities, entity_labels = _recoded(self.entities[rows], self.entity_labels)
        times, time_labels = _recoded(self.times[rows], self.time_labels)
        return PanelKeys(
            entity=self.entity, time=self.time, entities=entities, entity_labels=entity_labels,
            periods=self.periods[rows], times=times, time_labels=time_labels,
        )  # fmt: skip

    @cached_property
    def rows_per_entity(self) -> IntArray:
        """Number of rows of each entity, (n_entities,)."""
        return np.bincount(self.entities, minlength=self.n_entities)

    @property
    def balanced(self) -> bool:
        """Whether every entity has a row at every time."""
        return self.nobs == self.n_entities * self.n_times

    @property
    def singletons(self) -> int:
        """Number of entities with one row only."""
        return int((self.rows_per_entity == 1).sum())

    @property
    def gaps(self) -> int:
        """Number of rows whose previous row of the same entity lies more than one period back."""
        order, ordered = self._order
        same = np.diff(self.entities[order]) == 0
        return int((same & (np.diff(ordered) > 1)).sum())


def panel_keys(data: Dataset, *, entity: str | None = None, time: str | None = None) -> PanelKeys:
    """Codes of the entity and time of every row.

    Parameters
    ----------
    data : Dataset
    entity, time : str, optional
        Columns; by default the roles of the Dataset.

    Raises
    ------
    DataError
        When a key is not named, not there, missing somewhere, or a pair stands twice.
    """
    entity, time = entity or data.roles.entity, time or data.roles.time
    if entity is None or time is None:
        lacking = " and ".join(word for word, key in (("entity", entity), ("time", time)) if key is None)
        raise DataError(
            f"{data.name}: the panel key for {lacking} is not named. A panel model must know which rows belong to one firm and"
            ' when they were observed. Write ci.Panel(..., entity="firm", time="year"), or data.panel(entity=..., time=...).'
        )
    require([entity, time], present=data.columns, name=data.name)
    entities, entity_labels = _codes(data[entity], role="entity", column=entity, name=data.name)
    times, time_labels = _codes(data[time], role="time", column=time, name=data.name)
    ranked = _sorted_labels(time_labels)
    times, time_labels = np.argsort(ranked)[times], time_labels[ranked]
    periods = _positions(time_labels)[times]
    found = PanelKeys(
        entity=entity, time=time, entities=entities, entity_labels=entity_labels,
        periods=periods, times=times, time_labels=time_labels,
    )  # fmt: skip
    _refuse_repeated_pair(found, name=data.name)
    return found


def row_keys(nobs: int) -> PanelKeys:
    """The keys of a cross-section: each row an entity of its own, without a name and without time."""
    rows, none = np.arange(nobs), np.zeros(nobs, dtype=np.intp)
    return PanelKeys(
        entity="", time="", entities=rows, entity_labels=rows, periods=none, times=none, time_labels=np.zeros(min(nobs, 1))
    )


def category_codes(data: Dataset, column: str) -> tuple[IntArray, npt.NDArray[Any]]:
    """Codes (n,) of any column's values and the sorted values; -1 marks a missing value."""
    codes, labels = pd.factorize(data[column])
    ranked = _sorted_labels(np.asarray(labels))
    recoded = np.argsort(ranked)[codes] if len(labels) else codes
    return np.where(codes < 0, -1, recoded), np.asarray(labels)[ranked]


def _codes(values: npt.NDArray[Any], *, role: str, column: str, name: str) -> tuple[IntArray, npt.NDArray[Any]]:
    codes, labels = pd.factorize(values)
    refuse_missing_key(codes < 0, role=role, column=column, name=name)
    return codes, np.asarray(labels)


def _sorted_labels(labels: npt.NDArray[Any]) -> IntArray:
    """The order of levels: by size where every one is a number, else by the alphabet."""
    if labels.dtype == np.float64:
        return np.argsort(labels, kind="stable")
    sizes = [as_number(label) for label in labels]
    if None not in sizes:
        return np.argsort(np.array(sizes, dtype=np.float64), kind="stable")
    return np.asarray(sorted(range(len(labels)), key=lambda position: str(labels[position])))


def as_number(label: Any) -> float | None:
    """The number that a level is or that its text writes; None where it is another word."""
    if isinstance(label, (bool, int, float, np.number, np.bool_)):
        return float(label)
    return float(label) if isinstance(label, str) and NUMBER.fullmatch(label.strip()) else None


def _positions(labels: npt.NDArray[Any]) -> IntArray:
    """Position of each sorted time on the axis, in units of the smallest distance between two of them."""
    if labels.dtype != np.float64 or len(labels) < 2:
        return np.arange(len(labels))
    distance = (labels - labels[0]) / np.diff(labels).min()
    whole = np.rint(distance)
    if np.abs(distance - whole).max() > _NEAR_WHOLE * max(1.0, float(whole[-1])) or whole[-1] > 1e6:
        return np.arange(len(labels))  # an irregular axis has no period; its order is all that is known
    return np.asarray(whole, dtype=np.intp)


def _recoded(codes: IntArray, labels: npt.NDArray[Any]) -> tuple[IntArray, npt.NDArray[Any]]:
    present = np.bincount(codes, minlength=len(labels)) > 0
    if present.all():
        return codes, labels
    return (np.cumsum(present) - 1)[codes], labels[present]


def _refuse_repeated_pair(keys: PanelKeys, *, name: str) -> None:
    pair = keys.entities.astype(np.int64) * keys.n_times + keys.times
    if keys.n_entities * keys.n_times <= 20 * max(keys.nobs, 1):
        twice = np.bincount(pair, minlength=1).max(initial=0) > 1
    else:
        twice = len(np.unique(pair)) < keys.nobs
    if not twice:
        return
    repeated = np.flatnonzero(pd.Series(pair).duplicated().to_numpy())
    first = repeated[0]
    who, when = keys.entity_labels[keys.entities[first]], keys.time_labels[keys.times[first]]
    raise repeated_pair({keys.entity: who, keys.time: when}, rows=repeated.size, name=name)
