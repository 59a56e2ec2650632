"""Statistic: a test or an index with its degrees of freedom, p-value, interval and reference distribution."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from cipa.errors import InferenceError, no_such
from cipa.frozen import FrozenDict
from cipa.results.display import clipped, frame, p_text, render_html, render_text

if TYPE_CHECKING:
    import pandas as pd


_COUNTS = ("nobs", "entities", "times")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """One number about a fit.

    Parameters
    ----------
    name : str
        Its key, spelt as lavaan's `fitMeasures` for SEM ("chisq", "cfi.robust"), as the field's for panels ("r2_within").
    value : float
        NaN where it is not defined for this model.
    df : float, optional
        Degrees of freedom; of the numerator for F.
    df_denominator : float, optional
        For F.
    p_value : float, optional
    conf_low, conf_high, conf_level : float, optional
        An interval and its level.
    reference : str
        The reference distribution ("chi2", "F", "t", "normal") or "" for an index.
    label : str
        How a reader would write it ("CFI", "Within R²").
    """

    name: str
    value: float
    df: float | None = None
    df_denominator: float | None = None
    p_value: float | None = None
    conf_low: float | None = None
    conf_high: float | None = None
    conf_level: float | None = None
    reference: str = ""
    label: str = ""

    def __str__(self) -> str:
        text = f"{self.label or self.name}: {f'{self.value:g}' if self.name in _COUNTS else f'{self.value:.3f}'}"
        if self.df is not None:
            denominator = f", {self.df_denominator:g}" if self.df_denominator is not None else ""
            text += f" ({self.df:g}{denominator} df)"
        if self.conf_low is not None and self.conf_high is not None:
            level = f"{self.conf_level:.0%} " if self.conf_level is not None else ""
            text += f", {level}interval [{self.conf_low:.3f}, {self.conf_high:.3f}]"
        if self.p_value is not None and math.isfinite(self.p_value):
            p = p_text(self.p_value)
            text += f", p{' of close fit' if self.name.startswith('rmsea') else ''} {p if p.startswith('<') else f'= {p}'}"
        return text

    def __repr__(self) -> str:
        return f"<Statistic {self.name!r}; {self}>"


@dataclass(frozen=True, slots=True)
class Statistics(Mapping[str, Statistic]):
    """An immutable table of statistics, by name."""

    rows: tuple[Statistic, ...] = ()

    def __getitem__(self, name: str) -> Statistic:
        for row in self.rows:
            if row.name == name:
                return row
        raise InferenceError(no_such("statistic", name, self, most=100))

    def __contains__(self, name: object) -> bool:
        return any(row.name == name for row in self.rows)

    def __iter__(self) -> Iterator[str]:
        return (row.name for row in self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def values_by_name(self) -> Mapping[str, float]:
        """The bare numbers."""
        return FrozenDict({row.name: row.value for row in self.rows})

    def corrected(self, name: str) -> Statistic:
        """The statistic in its robust form, else its scaled one, where these are defined; otherwise as it is."""
        forms = (self[f"{name}{form}"] for form in (".robust", ".scaled") if f"{name}{form}" in self)
        return next((row for row in forms if math.isfinite(row.value)), self[name])

    def to_frame(self) -> pd.DataFrame:
        """A fresh DataFrame, one row per statistic."""
        names = [field.name for field in fields(Statistic)]
        return frame({name: [getattr(row, name) for row in self.rows] for name in names})

    def __repr__(self) -> str:
        return clipped(str(self))

    def __str__(self) -> str:
        return render_text(self.to_frame().drop(columns=["label"]).dropna(axis="columns", how="all"))

    def _repr_html_(self) -> str:
        return render_html(self.to_frame())
