"""From a formula and data to the columns of a regression: the estimation sample, and what was dropped on the way.

A row is used when every variable of the model, every cluster column and the weight are there. Lags are taken on all
rows of the data before that, so that a row dropped for another reason still serves as the past of the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cipa.data.checks import refuse_not_positive, require
from cipa.data.dataset import Dataset, as_dataset
from cipa.data.panel import PanelKeys, category_codes, panel_keys, row_keys
from cipa.data.values import categorical_columns
from cipa.errors import DataError
from cipa.models.panel.common.atoms import Atom, Formula, Product
from cipa.models.panel.common.formula import parse_atom
from cipa.models.panel.common.variables import Learned, Variables, uses_sample
from cipa.numerics.algebra.linalg import Array, BoolArray, IntArray
from cipa.results.fit import Notice
from cipa.terms import Term


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
    learned : Learned
        Levels and means that the sample settled.
    full_dummies : bool
        As given to `build_design`.
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
    learned: Learned
    full_dummies: bool = False

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

    def column(self, name: str) -> Array:
        """Any variable (n,), as a formula writes it, or a regressor such as "south[yes]", over the estimation sample."""
        if name in self.names:
            return np.asarray(self.regressors[:, self.names.index(name)])
        keys = _keys(self.data, self.keys.entity or None, self.keys.time or None, required=self.keys.named)
        variables = Variables(self.data, keys, None, self.learned.copy())
        leveled = (atom for product in self.formula.products for atom in product if variables.has_levels(atom))
        indicators = {label: values for atom in leveled for label, values in variables.indicators(atom, full=True)}
        return np.asarray(indicators[name] if name in indicators else variables.value(parse_atom(name)))[self.rows]

    def regressors_in(self, data: Any) -> tuple[Array, PanelKeys]:
        """The regressors (m, k) of other data, with the levels and means of this sample, and the keys of all m rows.

        A row has NaN where a variable is missing, or has a level that the estimation sample does not.
        """
        entity, time = self.keys.entity or None, self.keys.time or None
        wanted = [*self.formula.regressor_columns, *(key for key in (entity, time) if key)]
        dataset = as_dataset(data, columns=list(dict.fromkeys(wanted)))
        require(wanted, present=dataset.columns, name=dataset.name)
        keys = _keys(dataset, entity, time, required=self.keys.named)
        variables = Variables(dataset, keys, None, self.learned.copy())
        columns = _Columns(variables, self.formula, full_dummies=self.full_dummies, outcome=False)
        return _stacked(columns.values, dataset.nobs), keys


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
    keyed: bool = True,
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
    keyed : bool
        Whether the model needs the panel keys; without need and without keys the data are a cross-section.
    """
    parts = [part for name in absorb for part in name.split("^")]
    extra = [*clusters, *parts, *([weights] if weights else []), *(key for key in (entity, time) if key)]
    dataset = as_dataset(data, columns=list(dict.fromkeys([*formula.columns, *extra])))
    require(list(dict.fromkeys([*formula.columns, *extra])), present=dataset.columns, name=dataset.name)
    keys = _keys(dataset, entity, time, required=keyed)
    groupings = {name: _codes(dataset, name) for name in dict.fromkeys([*clusters, *absorb])}
    weight = _weights(dataset, weights)
    learned = Learned(categories=categorical_columns(data, formula.columns))
    variables = Variables(dataset, keys, None, learned)
    columns = _Columns(variables, formula, full_dummies=full_dummies)
    used = columns.complete
    for codes in groupings.values():
        used = used & (codes >= 0)
    if weight is not None:
        used = used & ~np.isnan(weight)
    _refuse_empty(dataset, formula, used, columns)
    if uses_sample(variables, formula.products):
        learned = Learned(categories=learned.categories)
        columns = _Columns(Variables(dataset, keys, used, learned), formula, full_dummies=full_dummies)
    found = _assemble(dataset, keys, formula, columns, used, groupings, weight, clusters=clusters, absorb=absorb)
    return replace(
        found, learned=learned, full_dummies=full_dummies, notices=(*found.notices, *_reading_notices(dataset, learned))
    )


def _keys(data: Dataset, entity: str | None, time: str | None, *, required: bool) -> PanelKeys:
    """The panel keys; those of a cross-section where none are named and none are needed."""
    named = entity or time or (data.roles.entity and data.roles.time)
    return panel_keys(data, entity=entity, time=time) if required or named else row_keys(data.nobs)


def _reading_notices(data: Dataset, learned: Learned) -> tuple[Notice, ...]:
    if not learned.as_numbers:
        return ()
    return (Notice(code="read_as_numbers", values={"data": data.name, "columns": tuple(learned.as_numbers.items())}),)


class _Columns:
    """All columns that a formula asks for, over all rows of the data; the outcome only where it is needed."""

    def __init__(self, variables: Variables, formula: Formula, *, full_dummies: bool, outcome: bool = True) -> None:
        self.response = variables.value(formula.response) if outcome else np.zeros(variables.data.nobs)
        self.full = full_dummies and not formula.intercept
        exogenous = self._expand(variables, formula.terms)
        endogenous = self._expand(variables, formula.endogenous)
        instruments = self._expand(variables, formula.instruments) if outcome else []
        self.endogenous = len(endogenous)
        self.names = tuple(name for name, _ in (*exogenous, *endogenous))
        self.instrument_names = tuple(name for name, _ in instruments)
        self.values = [values for _, values in (*exogenous, *endogenous)]
        self.instruments = [values for _, values in instruments]

    def _expand(self, variables: Variables, terms: Sequence[Product]) -> list[tuple[str, Array]]:
        """Names and values of terms, a term with levels giving several."""
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

    def _atom(self, variables: Variables, atom: Atom) -> list[tuple[str, Array]]:
        if variables.has_levels(atom):
            indicators = variables.indicators(atom, full=self.full)
            self.full = False  # only the first set may carry the constant
            return indicators
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
        notices=_sample_notices(data, kept, columns, used), learned=Learned(),
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
    why = "A weight says how much a row counts, so it is positive. Drop those rows, or mend the column."
    refuse_not_positive(values, what=f"weight '{name}'", why=why, name=data.name)
    return values


def _refuse_empty(data: Dataset, formula: Formula, used: BoolArray, columns: _Columns) -> None:
    named = dict(zip((*columns.names, *columns.instrument_names), (*columns.values, *columns.instruments), strict=True))
    for name, values in {str(formula.response): columns.response, **named}.items():
        if np.isnan(values).all():
            raise DataError(
                f"{data.name}: '{name}' has no value in any of the {data.nobs} rows. A variable without values cannot be "
                "estimated: check how the column was read, or (for a lag) whether consecutive periods are in the data; else drop "
                "the term."
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
            for name, values in zip(("", *columns.names), (columns.response, *columns.values), strict=True)
        }
        worst = tuple(item for item in sorted(counts.items(), key=lambda item: -item[1])[:4] if item[1])
        lost = {"lost": dropped, "total": len(used), "data": data.name, "holes": worst}
        found.append(Notice(code="rows_dropped", variant="panel", values=lost))
    if keys.named and keys.singletons:
        found.append(Notice(code="singletons", values={"singletons": keys.singletons, "entities": keys.n_entities}))
    if keys.named and keys.gaps:
        found.append(Notice(code="gaps", values={"places": keys.gaps}))
    return tuple(found)
