"""From a formula and data to the columns of a regression: the estimation sample, and what was dropped on the way.

A row is used when every variable of the model, every cluster column and the weight are there. Lags are taken on all
rows of the data before that, so that a row dropped for another reason still serves as the past of the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cipa.data.dataset import Dataset, as_dataset, require
from cipa.data.panel import PanelKeys, category_codes, panel_keys
from cipa.errors import DataError
from cipa.models.panel.common.formula import Atom, Call, Column, Formula, Product, column_of
from cipa.numerics.algebra.linalg import Array, BoolArray, IntArray
from cipa.results.fit import Notice
from cipa.terms import Term

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
class Design:
    """The estimation sample of a panel model.

    Parameters
    ----------
    formula : Formula
    data : Dataset
        All rows, as given.
    rows : (n,) int array
        Which of them are used.
    keys : PanelKeys
        Of the rows used.
    response : (n,) array
    regressors : (n, k) array
        Without the intercept, Fortran order.
    names : tuple of str, length k
    endogenous : int
        The last so many regressors are instrumented.
    instruments : (n, l) array
    instrument_names : tuple of str
    weights : (n,) array or None
    clusters : mapping of str to (n,) int array
    absorbed : mapping of str to (n,) int array
        Codes of the columns (or combinations "a^b") in `absorb`.
    notices : tuple of Notice
    """

    formula: Formula
    data: Dataset
    rows: IntArray
    keys: PanelKeys
    response: Array
    regressors: Array
    names: tuple[str, ...]
    endogenous: int
    instruments: Array
    instrument_names: tuple[str, ...]
    weights: Array | None
    clusters: Mapping[str, IntArray]
    absorbed: Mapping[str, IntArray]
    notices: tuple[Notice, ...]

    @property
    def nobs(self) -> int:
        """Number of rows used."""
        return len(self.response)

    @property
    def response_name(self) -> str:
        """The outcome, as the formula writes it."""
        return str(self.formula.response)

    def term(self, name: str) -> Term:
        """The Term of a regressor."""
        return Term(lhs=self.response_name, op="~", rhs=name)

    @property
    def intercept_term(self) -> Term:
        """The Term of the constant."""
        return Term(lhs=self.response_name, op="~1", rhs="")

    def column(self, atom: Atom) -> Array:
        """Any variable (n,), as a formula writes it, over the estimation sample."""
        used = np.zeros(self.data.nobs, dtype=bool)
        used[self.rows] = True
        keys = panel_keys(self.data, entity=self.keys.entity, time=self.keys.time)
        return _Variables(self.data, keys, used).value(atom)[self.rows]


def build_design(
    data: Any,
    formula: Formula,
    *,
    entity: str | None,
    time: str | None,
    clusters: Sequence[str] = (),
    absorb: Sequence[str] = (),
    weights: str | None = None,
    full_dummies: bool = False,
) -> Design:
    """The estimation sample of a formula.

    Parameters
    ----------
    data : Dataset or DataFrame
    formula : Formula
    entity, time : str or None
        The panel keys; None takes the roles of the Dataset.
    clusters, absorb : sequence of str
        Columns of the clusters, and of further effects ("a" or "a^b").
    weights : str, optional
        Column of positive weights.
    full_dummies : bool
        Whether the first i(...) keeps all its levels (a model without intercept and effects).
    """
    parts = [part for name in absorb for part in name.split("^")]
    extra = [*clusters, *parts, *([weights] if weights else []), *(key for key in (entity, time) if key)]
    dataset = as_dataset(data, columns=list(dict.fromkeys([*formula.columns, *extra])))
    require(list(dict.fromkeys([*formula.columns, *extra])), present=dataset.columns, name=dataset.name)
    keys = panel_keys(dataset, entity=entity, time=time)
    groupings = {name: _codes(dataset, name) for name in dict.fromkeys([*clusters, *absorb])}
    weight = _weights(dataset, weights)
    variables = _Variables(dataset, keys, None)
    columns = _Columns(variables, formula, full_dummies=full_dummies)
    used = columns.complete
    for codes in groupings.values():
        used = used & (codes >= 0)
    if weight is not None:
        used = used & ~np.isnan(weight)
    _refuse_empty(dataset, formula, used, columns)
    if _centres(formula):
        columns = _Columns(_Variables(dataset, keys, used), formula, full_dummies=full_dummies)
    return _assemble(dataset, keys, formula, columns, used, groupings, weight, clusters=clusters, absorb=absorb)


class _Variables:
    """Values of atoms over all rows of the data."""

    def __init__(self, data: Dataset, keys: PanelKeys, used: BoolArray | None) -> None:
        self.data, self.keys, self.used = data, keys, used

    def value(self, atom: Atom) -> Array:
        """The (n,) values of an atom other than i(...)."""
        if isinstance(atom, Column):
            return self.data.numeric([atom.name])[:, 0]
        inner = self.value(atom.argument)
        if atom.function in _SIMPLE:
            return self._simple(atom, inner)
        if atom.function == "lag":
            return self.keys.lag(inner, atom.periods)
        if atom.function == "lead":
            return self.keys.lag(inner, -atom.periods)
        if atom.function == "diff":
            return inner - self.keys.lag(inner, atom.periods)
        return self._centred(atom, inner)

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
        sample = inner if self.used is None else inner[self.used]
        sample = sample[~np.isnan(sample)]
        if sample.size < 2 or (atom.function == "standardize" and np.ptp(sample) == 0):
            raise DataError(
                f"{self.data.name}: {atom} cannot be formed: '{column_of(atom)}' has {sample.size} usable values and no variance."
                " A standard deviation needs two different values. Check the column."
            )
        centred = inner - sample.mean()
        return np.asarray(centred if atom.function == "center" else centred / sample.std(ddof=1))

    def dummies(self, atom: Call, *, full: bool) -> tuple[Array, list[str]]:
        """Columns (n, levels - 1) of i(...), NaN where the value is missing, and their names."""
        assert isinstance(atom.argument, Column)
        codes, labels = category_codes(self.data, atom.argument.name)
        shown = [_label(value) for value in labels]
        if atom.option and atom.option not in shown:
            raise DataError(
                f"{self.data.name}: i({atom.argument}, ref={atom.option}) names a value that '{atom.argument}' does not have."
                f" It has {', '.join(shown[:12])}. Choose one of them."
            )
        reference = shown.index(atom.option) if atom.option else 0
        kept = [level for level in range(len(shown)) if full or level != reference]
        values = np.asarray(codes[:, None] == np.asarray(kept)[None, :], dtype=np.float64)
        values[codes < 0] = np.nan
        return values, [f"i({atom.argument}){shown[level]}" for level in kept]


class _Columns:
    """All columns that a formula asks for, over all rows of the data."""

    def __init__(self, variables: _Variables, formula: Formula, *, full_dummies: bool) -> None:
        self.response = variables.value(formula.response)
        self.full = full_dummies and not formula.intercept
        exogenous = self._expand(variables, formula.terms)
        endogenous = self._expand(variables, formula.endogenous)
        instruments = self._expand(variables, formula.instruments)
        self.endogenous = len(endogenous)
        self.names = tuple(name for name, _ in (*exogenous, *endogenous))
        self.instrument_names = tuple(name for name, _ in instruments)
        self.values = [values for _, values in (*exogenous, *endogenous)]
        self.instruments = [values for _, values in instruments]

    def _expand(self, variables: _Variables, terms: Sequence[Product]) -> list[tuple[str, Array]]:
        """Names and values of terms, a term with i(...) giving several."""
        found: list[tuple[str, Array]] = []
        for term in terms:
            parts: list[tuple[str, Array | None]] = [("", None)]
            for atom in term:
                parts = [
                    (f"{name}:{label}" if name else label, values if product is None else product * values)
                    for name, product in parts
                    for label, values in self._atom(variables, atom)
                ]
            found += [(name, values) for name, values in parts if values is not None]
        return found

    def _atom(self, variables: _Variables, atom: Atom) -> list[tuple[str, Array]]:
        if isinstance(atom, Call) and atom.function == "i":
            dummies, names = variables.dummies(atom, full=self.full)
            self.full = False  # only the first set may carry the constant
            return list(zip(names, dummies.T, strict=True))
        return [(str(atom), variables.value(atom))]

    @property
    def complete(self) -> BoolArray:
        """Rows (n,) with a value for every column."""
        every = [self.response, *self.values, *self.instruments]
        missing = np.zeros(len(self.response), dtype=bool)
        for values in every:
            if not np.isfinite(values.sum()):
                missing |= ~np.isfinite(values)
        return ~missing


def _assemble(
    data: Dataset,
    keys: PanelKeys,
    formula: Formula,
    columns: _Columns,
    used: BoolArray,
    groupings: Mapping[str, IntArray],
    weight: Array | None,
    *,
    clusters: Sequence[str],
    absorb: Sequence[str],
) -> Design:
    every = bool(used.all())
    rows = np.flatnonzero(used)
    kept = keys if every else keys.take(rows)

    def part(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return values if every else values[rows]

    coded = {name: _compact(part(codes)) for name, codes in groupings.items()}
    return Design(
        formula=formula, data=data, rows=rows, keys=kept,
        response=part(columns.response),
        regressors=_stacked([part(values) for values in columns.values], len(rows)),
        names=columns.names, endogenous=columns.endogenous,
        instruments=_stacked([part(values) for values in columns.instruments], len(rows)),
        instrument_names=columns.instrument_names,
        weights=None if weight is None else part(weight),
        clusters={name: coded[name] for name in clusters}, absorbed={name: coded[name] for name in absorb},
        notices=_sample_notices(data, kept, columns, used),
    )  # fmt: skip


def _stacked(columns: Sequence[Array], nobs: int) -> Array:
    values = np.empty((nobs, len(columns)), order="F")
    for position, column in enumerate(columns):
        values[:, position] = column
    return values


def _codes(data: Dataset, name: str) -> IntArray:
    """Codes (n,) of a column, or of the combinations of "a^b"; -1 where a part is missing."""
    joint = np.zeros(data.nobs, dtype=np.int64)
    missing = np.zeros(data.nobs, dtype=bool)
    for part in name.split("^"):
        codes, labels = category_codes(data, part)
        missing |= codes < 0
        joint = joint * (len(labels) + 1) + np.maximum(codes, 0)
    return np.where(missing, -1, joint)


def _compact(codes: IntArray) -> IntArray:
    return np.unique(codes, return_inverse=True)[1].reshape(-1)


def _weights(data: Dataset, name: str | None) -> Array | None:
    if name is None:
        return None
    values = data.numeric([name])[:, 0]
    wrong = np.flatnonzero(values <= 0)
    if wrong.size:
        raise DataError(
            f"{data.name}: the weight '{name}' is {values[wrong[0]]:g} in row {wrong[0] + 1} ({wrong.size} rows are not positive)."
            " A weight says how much a row counts, so it is positive. Drop those rows, or mend the column."
        )
    return values


def _label(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _centres(formula: Formula) -> bool:
    def inside(atom: Atom) -> bool:
        return isinstance(atom, Call) and (atom.function in ("center", "standardize") or inside(atom.argument))

    every = (*formula.terms, *formula.endogenous, *formula.instruments, (formula.response,))
    return any(inside(atom) for term in every for atom in term)


def _refuse_empty(data: Dataset, formula: Formula, used: BoolArray, columns: _Columns) -> None:
    named = dict(zip((*columns.names, *columns.instrument_names), (*columns.values, *columns.instruments), strict=True))
    for name, values in {str(formula.response): columns.response, **named}.items():
        if np.isnan(values).all():
            raise DataError(
                f"{data.name}: '{name}' has no value in any of the {data.nobs} rows. A variable without values cannot be estimated:"
                " check how the column was read, or (for a lag) whether consecutive periods are in the data; else drop the term."
            )
    if not used.any():
        raise DataError(
            f"{data.name}: no row has a value for every one of {', '.join(formula.columns)}. The model has nothing to be"
            " fitted to. Drop the variable with the most missing values, or fill them for a stated reason."
        )


def _sample_notices(data: Dataset, keys: PanelKeys, columns: _Columns, used: BoolArray) -> tuple[Notice, ...]:
    found = []
    dropped = len(used) - int(used.sum())
    if dropped:
        counts = {
            name: int(np.isnan(values).sum())
            for name, values in zip(("the outcome", *columns.names), (columns.response, *columns.values), strict=True)
        }
        worst = ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: -item[1])[:4] if count)
        text = (
            f"{dropped} of {len(used)} rows of {data.name} are not used, because a variable is missing"
            f"{f' (missing values: {worst})' if worst else ''}. The estimates describe the {len(used) - dropped} rows that remain."
        )
        found.append(Notice(code="rows_dropped", text=text))
    if keys.singletons:
        text = (
            f"{keys.singletons} of {keys.n_entities} entities have one row only. They stay in the sample (as plm and fixest do by"
            " default); entity effects fit them exactly, so they inform no slope there."
        )
        found.append(Notice(code="singletons", text=text))
    if keys.gaps:
        text = (
            f"In {keys.gaps} places the next row of an entity is more than one period later. Lags and differences are taken by"
            " the calendar, so they are missing across such a gap."
        )
        found.append(Notice(code="gaps", text=text))
    return tuple(found)
