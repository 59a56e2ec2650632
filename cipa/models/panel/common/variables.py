"""The values of a formula's variables over the rows of the data, and what was learned from them on the way.

What is learned (the levels of a column of words, the mean of `center`) belongs to the estimation sample; a prediction for other
data uses it instead of learning it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from cipa.data.dataset import Dataset
from cipa.data.panel import PanelKeys, category_codes
from cipa.data.values import level_names, numbers_of
from cipa.errors import DataError
from cipa.models.panel.common.atoms import Atom, Call, Column, Product, column_of
from cipa.numerics.algebra.linalg import Array, BoolArray

_SIMPLE: Mapping[str, Callable[[Array], Array]] = {
    "log": np.log,
    "log1p": np.log1p,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "square": np.square,
}

_DOMAIN = {
    "log": "The logarithm needs positive values; write log1p(x) for a count or an amount with zeros",
    "log1p": "log(1 + x) needs values above -1",
    "sqrt": "The root needs values of 0 or more",
    "exp": "The exponential overflows beyond 709; rescale the column",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What the estimation sample settled.

    Parameters
    ----------
    levels : mapping of str to tuple of str
        The levels of each column of words ("south") and of each i(...) ("i(year)"), the one left out included.
    centres : mapping of str to (float, float)
        Mean and divisor of each center(...) and standardize(...).
    categories : frozenset of str
        Columns of numbers that are to be read as levels.
    as_numbers : mapping of str to str
        Columns of text that were read as numbers, and a value of each.
    """

    levels: MutableMapping[str, tuple[str, ...]] = field(default_factory=dict)
    centres: MutableMapping[str, tuple[float, float]] = field(default_factory=dict)
    categories: frozenset[str] = frozenset()
    as_numbers: MutableMapping[str, str] = field(default_factory=dict)

    def copy(self) -> Learned:
        """The same, apart: what is learned further stays there."""
        return replace(self, levels=dict(self.levels), centres=dict(self.centres), as_numbers=dict(self.as_numbers))


class Variables:
    """Values of atoms over all rows of the data.

    Parameters
    ----------
    data : Dataset
    keys : PanelKeys
    used : (n,) bool array, optional
        The rows to learn from.
    learned : Learned
        What is known already; the rest is learned, and added.
    """

    def __init__(self, data: Dataset, keys: PanelKeys, used: BoolArray | None, learned: Learned) -> None:
        self.data, self.keys, self.used, self.learned = data, keys, used, learned
        self._read: dict[str, tuple[Array, bool] | None] = {}

    def value(self, atom: Atom) -> Array:
        """The (n,) values of an atom that is a number."""
        if isinstance(atom, Column):
            return self._numbers(atom.name)
        inner = self.value(atom.argument)
        if atom.function in _SIMPLE:
            return self._simple(atom, inner)
        if atom.function in ("lag", "lead", "diff"):
            self._refuse_without_time(atom)
        if atom.function == "lag":
            return self.keys.lag(inner, atom.periods)
        if atom.function == "lead":
            return self.keys.lag(inner, -atom.periods)
        if atom.function == "diff":
            return inner - self.keys.lag(inner, atom.periods)
        return self._centred(atom, inner)

    def has_levels(self, atom: Atom) -> bool:
        """Whether an atom expands into indicators: i(...), or a column of words or categories."""
        if isinstance(atom, Call):
            return atom.function == "i"
        known = atom.name in self.learned.categories or atom.name in self.learned.levels
        return known or self._reading(atom.name) is None

    def _reading(self, name: str) -> tuple[Array, bool] | None:
        if name not in self._read:
            self._read[name] = numbers_of(self.data, name)
        return self._read[name]

    def indicators(self, atom: Atom, *, full: bool) -> list[tuple[str, Array]]:
        """Names and (n,) values of the levels but the reference (of all, with `full`); NaN where the value is missing."""
        name, option = column_of(atom), atom.option if isinstance(atom, Call) else ""
        codes, labels = category_codes(self.data, name)
        texts = level_names(labels.tolist())
        shown = self.learned.levels.setdefault(str(atom), self._levels(codes, texts))
        if option and option not in shown:
            raise DataError(
                f"{self.data.name}: i({name}, ref={option}) names a value that '{name}' does not have in the estimation sample, "
                f"so that nothing could be compared with it. It has {', '.join(shown[:12])}. Choose one of them."
            )
        reference = shown.index(option) if option else 0
        known = np.array([shown.index(text) if text in shown else -1 for text in texts], dtype=np.intp)
        positions = np.where(codes >= 0, known[codes], -1) if len(known) else codes
        head = f"i({name})" if isinstance(atom, Call) else f"{name}["
        tail = "" if isinstance(atom, Call) else "]"
        kept = [level for level in range(len(shown)) if full or level != reference]
        self._refuse_one_level(atom, shown, kept)
        return [
            (f"{head}{shown[level]}{tail}", np.where(positions < 0, np.nan, (positions == level).astype(np.float64)))
            for level in kept
        ]

    def _levels(self, codes: Array, texts: Sequence[str]) -> tuple[str, ...]:
        present = codes if self.used is None else codes[self.used]
        return tuple(texts[level] for level in np.unique(present[present >= 0]))

    def _refuse_one_level(self, atom: Atom, shown: Sequence[str], kept: Sequence[int]) -> None:
        if not kept and (self.used is None or self.used.any()):
            what = f"one value ('{shown[0]}')" if shown else "no value"
            raise DataError(
                f"{self.data.name}: '{column_of(atom)}' has {what} in the estimation sample. Levels are compared with one "
                "another, so a regressor needs two. Drop the term, or check how the column was read."
            )

    def _numbers(self, name: str) -> Array:
        found = self._reading(name)
        if found is None:
            return self.data.numeric([name])[:, 0]  # refuses words
        values, written = found
        if written:
            self.learned.as_numbers[name] = next(repr(value) for value in self.data.columns[name] if isinstance(value, str))
        return values

    def _simple(self, atom: Call, inner: Array) -> Array:
        with np.errstate(all="ignore"):
            found = _SIMPLE[atom.function](inner)
        if np.isfinite(found.sum()):
            return found
        broken = np.flatnonzero(~np.isfinite(found) & np.isfinite(inner))
        if broken.size:
            raise DataError(
                f"{self.data.name}: {atom} is not a number in {broken.size} rows, first in row {broken[0] + 1}, where"
                f" {atom.argument} is {inner[broken[0]]:g}. {_DOMAIN[atom.function]}, or drop those rows for a stated reason."
            )
        return found

    def _centred(self, atom: Call, inner: Array) -> Array:
        key = str(atom)
        if key not in self.learned.centres or self.used is not None:
            self.learned.centres[key] = self._centre(atom, inner)
        mean, divisor = self.learned.centres[key]
        return np.asarray((inner - mean) / divisor)

    def _centre(self, atom: Call, inner: Array) -> tuple[float, float]:
        sample = inner if self.used is None else inner[self.used]
        sample = sample[~np.isnan(sample)]
        if sample.size < 2 or (atom.function == "standardize" and np.ptp(sample) == 0):
            raise DataError(
                f"{self.data.name}: {atom} cannot be formed: '{column_of(atom)}' has {sample.size} usable values and no variance."
                " A standard deviation needs two different values. Check the column."
            )
        return float(sample.mean()), 1.0 if atom.function == "center" else float(sample.std(ddof=1))

    def _refuse_without_time(self, atom: Call) -> None:
        if not self.keys.named:
            raise DataError(
                f"{self.data.name}: {atom} looks at another period, and the data have no keys that say which row that is. Write"
                ' ci.Panel(..., entity="firm", time="year"), or data.panel(entity=..., time=...).'
            )


def uses_sample(variables: Variables, terms: Sequence[Product]) -> bool:
    """Whether a value depends on which rows are used: levels, means."""

    def inside(atom: Atom) -> bool:
        return isinstance(atom, Call) and (atom.function in ("center", "standardize") or inside(atom.argument))

    return any(inside(atom) or variables.has_levels(atom) for term in terms for atom in term)
