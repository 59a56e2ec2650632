"""Estimate (a row) and Estimates (the tidy, immutable table of them)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from cipa.errors import InferenceError, no_such, public
from cipa.numerics.algebra.linalg import Array
from cipa.results.display import Sections, clipped, frame, p_text, sections_html, sections_text
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

    def __str__(self) -> str:
        head = f"{self.term}{f' ({self.label})' if self.label else ''}: {_number(self.estimate)}"
        p = p_text(self.p_value)
        bounds = (_number(self.conf_low), _number(self.conf_high))
        word, degrees = ("t", f" ({self.df:.6g} df)") if np.isfinite(self.df) else ("z", "")
        parts = {
            "SE ": _number(self.std_error), f"{word} = ": _number(self.statistic) and f"{_number(self.statistic)}{degrees}",
            "p ": p and (p if p.startswith("<") else f"= {p}"), "interval ": all(bounds) and f"[{', '.join(bounds)}]",
            "standardized ": _number(self.standardized),
        }  # fmt: skip
        return ", ".join([head, *(f"{name}{cell}" for name, cell in parts.items() if cell)])

    def __repr__(self) -> str:
        return f"<Estimate {self}>"


@dataclass(frozen=True, slots=True)
class Estimates(Sequence[Estimate]):
    """An immutable table of estimates, by position, term (`"y ~ x"`) or label; `conf_level` is that of the intervals."""

    rows: tuple[Estimate, ...] = ()
    conf_level: float = 0.95

    def __getitem__(self, key: int | str | Term) -> Estimate:  # type: ignore[override]
        if isinstance(key, int):
            return self.rows[key]
        found = self.find(key)
        if found is None:
            names = [row.label for row in self.rows if row.label] + [str(row.term) for row in self.rows]
            raise InferenceError(no_such("parameter", key, names))
        return found

    @public
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
        if not isinstance(term, Term):
            return None
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
        return sections_text(self._heads, self._sections)

    def __repr__(self) -> str:
        return clipped(str(self))

    def _repr_html_(self) -> str:
        return sections_html(self._heads, self._sections)

    @property
    def _heads(self) -> tuple[str, ...]:
        word = "z" if all(np.isinf(row.df) for row in self.rows) else "t"
        return ("", "label", "estimate", "std. error", word, "df", "p", f"{self.conf_level:.0%} interval", "standardized")

    @property
    def _sections(self) -> Sections:
        """Rows in groups of a kind, block by block."""
        degrees = {row.df for row in self.rows if np.isfinite(row.df)}
        blocks: dict[tuple[str, str], list[tuple[str, ...]]] = {}
        for row in self.rows:
            term = row.term
            place = "".join(
                f", {word} {value}" for word, value in (("group", term.group), ("level", term.level)) if value is not None
            )
            title = _TITLES[_order(term)] if _order(term) < len(_TITLES) else term.op
            blocks.setdefault((place, title), []).append(_cells(row, degrees=len(degrees) > 1))
        order = list(dict.fromkeys(place for place, _ in blocks))
        keys = sorted(blocks, key=lambda key: (order.index(key[0]), _TITLES.index(key[1]) if key[1] in _TITLES else len(_TITLES)))
        return [(f"{title}{place}", blocks[place, title]) for place, title in keys]


_TITLES = (
    "Loadings", "Weights of composites", "Regressions", "Covariances", "Variances", "Intercepts and means", "Thresholds",
    "Scales", "Defined",
)  # fmt: skip
_OPERATORS = {"=~": 0, "<~": 1, "~": 2, "~1": 5, "|": 6, "~*~": 7, ":=": 8}


def _order(term: Term) -> int:
    """The place of a term's kind among the titles."""
    if term.op == "~~":
        return 4 if term.lhs == term.rhs else 3
    return _OPERATORS.get(term.op, len(_TITLES))


def _cells(row: Estimate, *, degrees: bool) -> tuple[str, ...]:
    """A row in words: numbers to three decimals, nothing where there is no number."""
    name = row.term.lhs if row.term.op == ":=" else str(replace(row.term, group=None, level=None))
    interval = f"[{_number(row.conf_low)}, {_number(row.conf_high)}]" if np.isfinite([row.conf_low, row.conf_high]).all() else ""
    label = "" if row.label == name else row.label
    df = f"{row.df:.6g}" if degrees and np.isfinite(row.df) else ""
    numbers = (_number(value) for value in (row.estimate, row.std_error, row.statistic))
    return (name, label, *numbers, df, p_text(row.p_value), interval, _number(row.standardized))


def _number(value: float) -> str:
    if not np.isfinite(value):
        return ""
    return f"{value:.3g}" if value != 0 and (abs(value) < 1e-3 or abs(value) >= 1e7) else f"{value:.3f}"


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
        ),
        conf_level,
    )  # fmt: skip
