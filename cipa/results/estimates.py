"""Estimate (a row) and Estimates (the tidy, immutable table of them)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from cipa.errors import InferenceError, did_you_mean
from cipa.numerics.algebra.linalg import Array
from cipa.results.display import frame, render_html, render_text
from cipa.terms import Term

if TYPE_CHECKING:
    import pandas as pd

Status = Literal["free", "fixed", "defined"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One parameter with its number.

    Parameters
    ----------
    term : Term
    label : str
        The user's label, or "".
    status : {"free", "fixed", "defined"}
    estimate : float
    std_error : float
        NaN for a fixed parameter.
    statistic : float
        estimate / std_error.
    df : float
        Degrees of freedom of the t distribution; infinity for the normal.
    p_value : float
        Two-sided.
    conf_low, conf_high : float
        At the fit's `conf_level`.
    standardized : float
        Completely standardized (lavaan's std.all); NaN where it is not defined.
    """

    term: Term
    label: str = ""
    status: Status = "free"
    estimate: float
    std_error: float = np.nan
    statistic: float = np.nan
    df: float = np.inf
    p_value: float = np.nan
    conf_low: float = np.nan
    conf_high: float = np.nan
    standardized: float = np.nan


@dataclass(frozen=True, slots=True)
class Estimates(Sequence[Estimate]):
    """An immutable table of estimates, by position, term (`"y ~ x"`) or label."""

    rows: tuple[Estimate, ...] = ()

    def __getitem__(self, key: int | str | Term) -> Estimate:  # type: ignore[override]
        if isinstance(key, int):
            return self.rows[key]
        found = self.find(key)
        if found is None:
            names = [str(row.term) for row in self.rows] + [row.label for row in self.rows if row.label]
            raise InferenceError(f"This fit has no parameter '{key}'.{did_you_mean(str(key), names)}")
        return found

    def find(self, key: str | Term) -> Estimate | None:
        """The estimate of a term or label, or None.

        What stands in brackets is a group ("y ~ x [Pasteur]"), or else the level of a regressor ("y ~ south[yes]").
        """
        if isinstance(key, str):
            for row in self.rows:
                if row.label == key or (row.term.op == ":=" and row.term.lhs == key):
                    return row
            if not any(mark in key for mark in "~=|<>"):
                return None
        term = Term.parse(key) if isinstance(key, str) else key
        matches = [row for row in self.rows if row.term == term]
        if not matches and term.op == "~" and term.group is not None:
            level = replace(term, rhs=f"{term.rhs}[{term.group}]", group=None)
            matches = [row for row in self.rows if row.term == level]
        return matches[0] if matches else None

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Estimate]:
        return iter(self.rows)

    def to_frame(self) -> pd.DataFrame:
        """A fresh DataFrame, one row per parameter; the columns stand in INTERFACE order."""
        rows = self.rows
        columns: dict[str, list[object]] = {
            name: [getattr(row.term, name) for row in rows] for name in ("lhs", "op", "rhs", "group", "level")
        }
        for name in (
            *("label", "status", "estimate", "std_error", "statistic", "df", "p_value"),
            *("conf_low", "conf_high", "standardized"),
        ):
            columns[name] = [getattr(row, name) for row in rows]
        return frame(columns)

    def __str__(self) -> str:
        return render_text(self.to_frame().dropna(axis="columns", how="all"))

    def _repr_html_(self) -> str:
        return render_html(self.to_frame())


def tabulate(
    terms: Sequence[Term],
    estimates: Array,
    std_errors: Array,
    *,
    labels: Sequence[str] | None = None,
    statuses: Sequence[Status] | None = None,
    standardized: Array | None = None,
    df: float | Array = np.inf,
    conf_level: float = 0.95,
) -> Estimates:
    """Estimates with their Wald statistics, two-sided p-values and intervals.

    Parameters
    ----------
    terms : sequence of Term, length k
    estimates, std_errors : (k,) array
        A std_error of NaN or 0 marks a parameter that was not estimated.
    df : float or (k,) array
        Degrees of freedom of t; infinity means the normal distribution.
    conf_level : float
        Level of the two-sided interval.
    """
    values = np.asarray(estimates, dtype=np.float64)
    errors = np.where(np.asarray(std_errors) > 0, std_errors, np.nan)
    statistic = values / errors
    degrees = np.broadcast_to(np.asarray(df, dtype=np.float64), values.shape)
    normal = ~np.isfinite(degrees)
    p_value = 2 * stdtr(np.where(normal, 1e300, degrees), -np.abs(statistic))
    upper = (1 + conf_level) / 2
    quantile = np.where(normal, ndtri(upper), stdtrit(np.where(normal, 1.0, degrees), upper))
    low, high = values - quantile * errors, values + quantile * errors
    beta = np.full(len(values), np.nan) if standardized is None else standardized
    columns = zip(
        *(terms, labels or [""] * len(values), statuses or ["free"] * len(values)),
        *(
            column.tolist()
            for column in (values, errors, statistic, degrees, p_value, low, high, np.asarray(beta, dtype=np.float64))
        ),
        strict=True,
    )
    return Estimates(
        tuple(
            Estimate(
                term=term, label=label, status=status, estimate=b, std_error=se, statistic=t, df=t_df,
                p_value=p, conf_low=lo, conf_high=hi, standardized=std,
            )
            for term, label, status, b, se, t, t_df, p, lo, hi, std in columns
        )
    )  # fmt: skip
