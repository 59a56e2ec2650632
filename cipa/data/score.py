"""Scores: reversed items, composites, and derived columns from a closed grammar (never Python code)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cipa.data.dataset import Dataset, as_dataset
from cipa.errors import DataError, SpecificationError, did_you_mean, public
from cipa.numerics.algebra.linalg import Array
from cipa.study.constructs import Construct, Item
from cipa.study.expressions import Binary, Call, Expression, Name, Number, Parser, names_in
from cipa.study.tokens import tokenize


def _zscore(x: Array) -> Array:
    return np.asarray((x - np.nanmean(x)) / np.nanstd(x, ddof=1))


def _center(x: Array) -> Array:
    return np.asarray(x - np.nanmean(x))


FUNCTIONS: Mapping[str, Callable[[Array], Array]] = {
    "log": np.log,
    "log1p": np.log1p,
    "log10": np.log10,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "zscore": _zscore,
    "center": _center,
}
"""What a derived column may call; zscore has divisor n - 1, zscore and center leave missing values out."""


@public
def derive(data: Any, columns: Mapping[str, str]) -> Dataset:
    """Add columns computed from others, in order, by arithmetic that is read and never executed.

    Parameters
    ----------
    data : Dataset or DataFrame
    columns : mapping of str to str
        The new column and its formula: + - * / ^, brackets, log, log1p, log10, exp, sqrt, abs, zscore (divisor n - 1), center; a
        name with punctuation in backticks.

    Raises
    ------
    SpecificationError
        For a function that is not in the closed list, or text that is not arithmetic.
    DataError
        For a column that is not there, or a result that is infinite (a logarithm of zero) in some row.

    Examples
    --------
    >>> import cipa as ci
    >>> data = ci.derive(ci.datasets.load("grunfeld"), {"ln_inv": "log(inv)"})
    >>> round(float(data["ln_inv"][0]), 3)
    5.761
    """
    found = as_dataset(data)
    for name, text in columns.items():
        expression = Parser(list(tokenize(text)), source=text, functions=FUNCTIONS).parse()
        for column in names_in(expression):
            if column not in found.columns:
                hint = did_you_mean(column, found.columns)
                raise DataError(
                    f"The derived column '{name} = {text}' uses '{column}', which {found.name} does not have.{hint} Without it "
                    "nothing follows: check the spelling, or derive that column first."
                )
        with np.errstate(all="ignore"):
            values = np.broadcast_to(np.asarray(_value(expression, found), dtype=np.float64), (found.nobs,))
        _refuse_undefined(values, expression, found, name=name, text=text)
        found = found.with_columns({name: values})
    return found


def _value(expression: Expression, data: Dataset) -> Array | float:
    match expression:
        case Number(value):
            return value
        case Name(name):
            return data.numeric([name])[:, 0]
        case Call(function, argument):
            return FUNCTIONS[function](np.asarray(_value(argument, data)))
        case Binary(operator, left, right):
            one, two = np.asarray(_value(left, data), dtype=np.float64), np.asarray(_value(right, data), dtype=np.float64)
            operations = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "^": np.power}
            return np.asarray(operations[operator](one, two))


def _refuse_undefined(values: Array, expression: Expression, data: Dataset, *, name: str, text: str) -> None:
    known = (
        ~np.isnan(data.numeric(list(names_in(expression)))).any(axis=1)
        if names_in(expression)
        else np.ones(data.nobs, dtype=bool)
    )
    bad = np.flatnonzero(~np.isfinite(values) & known)
    if bad.size:
        raise DataError(
            f"{data.name}, row {bad[0] + 1}: '{name} = {text}' is not a number there ({bad.size} rows in all). A logarithm needs "
            "positive values (log1p allows zero), and a division a divisor other than zero: mend these cells, or mark them as "
            "missing."
        )


@public
def reverse(data: Dataset, items: Sequence[str] | None = None) -> Dataset:
    """Turn reversed items round (low + high - answer), so that a high answer means much of the construct; never twice.

    Parameters
    ----------
    data : Dataset
    items : sequence of str
        Default: those that the codebook marks as reversed.

    Raises
    ------
    SpecificationError
        For an item that the codebook does not have, or has without its scale.

    Examples
    --------
    >>> import cipa as ci
    >>> survey = ci.datasets.load("cluster_survey")
    >>> turned = ci.reverse(survey)
    >>> float(survey["env5"][0] + turned["env5"][0])  # low + high
    8.0
    """
    strange = [name for name in items or () if name not in data.items]
    if strange:
        hint = did_you_mean(strange[0], data.items)
        raise SpecificationError(
            f"ci.reverse: {data.name} has no codebook line for '{strange[0]}', so the ends of its scale are not known.{hint}"
            " Describe it in codebook.toml, or in a study as reversed = [...] with scale = [low, high]."
        )
    chosen = [item for item in data.items.values() if item.reversed] if items is None else [data.items[name] for name in items]
    turned = {}
    for item in chosen:
        if item.turned:
            continue  # twice would undo it
        if item.low is None or item.high is None:
            raise SpecificationError(
                f"'{item.name}' has no scale in the codebook of {data.name}. It is reversed to low + high - answer, which needs "
                "both ends: add scale = [low, high] to its line."
            )
        turned[item.name] = item.low + item.high - data.numeric([item.name])[:, 0]
    if not turned:
        return data
    done = {item.name: replace(item, turned=True) for item in chosen if item.name in turned}
    return replace(data.with_columns(turned), items={**data.items, **done})


def marked_reversed(data: Dataset, constructs: Iterable[Construct]) -> Dataset:
    """The data whose items know that a construct reverses them, with the scale of either, or the ends of the answers."""
    items = dict(data.items)
    for construct in constructs:
        for name in (item for item in construct.reversed if item in data.columns):
            known = items.get(name, Item(name=name))
            low, high = construct.scale or (known.low, known.high)
            if low is None or high is None:
                answers = data.numeric([name])[:, 0]
                low, high = float(np.nanmin(answers)), float(np.nanmax(answers))
            items[name] = replace(known, reversed=True, low=low, high=high)
    return replace(data, items=items)


def composite(data: Dataset, items: Sequence[str]) -> Array:
    """Mean (n,) of the items that a case answered; NaN when it answered none."""
    values = data.numeric(items)
    count = (~np.isnan(values)).sum(axis=1)
    return np.where(count > 0, np.nansum(values, axis=1) / np.maximum(count, 1), np.nan)
