"""What a family of models derives for its fits beyond the estimates: carried by every fit, asked through `questions`.

An answer that a family does not derive is None, and asking for it is refused in one sentence: no code looks for methods or
attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.special import ndtr

from cipa.numerics.algebra.linalg import Array, BoolArray, IntArray
from cipa.results.display import ResultTable
from cipa.results.estimates import Estimates
from cipa.results.statistics import Statistics
from cipa.terms import Term


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a variable of a model varies in the estimation sample.

    Parameters
    ----------
    mean, sd : float
        As observed (divisor n - 1), or as implied for a latent variable.
    values : (n,) array or None
        Observed values; None for a latent variable, which is taken as normal.
    """

    mean: float
    sd: float
    values: Array | None = None

    def share(self, low: float, high: float) -> float:
        """Share of the sample (or of the normal distribution) between two values."""
        if self.values is not None:
            return float(((self.values >= low) & (self.values <= high)).mean())
        return float(ndtr((high - self.mean) / self.sd) - ndtr((low - self.mean) / self.sd))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """What R refits gave: values (R, m) of all rows, chi-square (R,), and which (R,) converged and are admissible."""

    values: Array
    chisq: Array
    converged: BoolArray
    admissible: BoolArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Refit:
    """The same model on other cases.

    Parameters
    ----------
    kind : str
        What is drawn: "case", "cluster", "entity", "parametric", "bollen_stine".
    sizes : tuple of int
        Cases of each group, in the order in which rows count.
    clusters : (n,) int array or None
        Codes of what is drawn whole, where that is not the case.
    run : draws -> Draws
        A draw is a list of row positions (within each group), or a generator for a parametric draw.
    """

    kind: str
    sizes: tuple[int, ...]
    clusters: IntArray | None
    run: Callable[[Sequence[Any]], Draws]


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """A measurement and path structure as evidence and figures see it.

    Parameters
    ----------
    blocks : tuple of (group or None, level or None)
        What tells the blocks apart: their groups, where there are several, and their levels, where there are two.
    latent, observed : tuple of str
    latent_covs, sample_covs : tuple of arrays
        Implied covariance (l, l) of the latent variables and sample covariance (p, p) of the observed ones, block by block.
    implied_means, implied_covs : tuple of arrays
        Implied means (p,) and covariance (p, p) of the observed variables (of ordered ones: of their response variables).
    r_squared : tuple of (variable, group or None, level or None, R²)
    """

    blocks: tuple[tuple[str | None, str | None], ...]
    latent: tuple[str, ...]
    observed: tuple[str, ...]
    latent_covs: tuple[Array, ...]
    sample_covs: tuple[Array, ...]
    r_squared: tuple[tuple[str, str | None, str | None, float], ...]
    implied_means: tuple[Array, ...] = ()
    implied_covs: tuple[Array, ...] = ()

    @property
    def groups(self) -> tuple[str | None, ...]:
        """The groups, or (None,)."""
        return tuple(dict.fromkeys(group for group, _ in self.blocks))

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels, or ()."""
        return tuple(dict.fromkeys(level for _, level in self.blocks if level is not None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """What a fit used of its data: which columns, and which rows, group by group.

    Parameters
    ----------
    columns : tuple of str
        The columns of the data that the model names.
    labels : tuple of (str or None), length G
        The groups, or (None,).
    rows : tuple of G int arrays
        Positions, in the data, of the rows that the estimates rest on.
    """

    columns: tuple[str, ...]
    labels: tuple[str | None, ...]
    rows: tuple[IntArray, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What can be asked of a fit, each answer a function of the fit, or None where the family does not derive it.

    Parameters
    ----------
    family : str
        Of which fits a refusal speaks ("fits by least squares").
    instead : str
        What a refusal advises: a whole sentence.
    spread : fit, name, group (its label, or None) -> Spread
    scores : fit -> casewise scores (n, k)
    statistics : fit -> all statistics, with those derived only when asked for
    reported : fit -> the statistics that a summary and a report draw from
    headline : fit -> names among them that a summary shows first
    refit : fit, kind (None for the family's own) -> Refit
    law : fit, params, nobs -> a population to draw from
    release : fit -> (term, chi-square, parting, robust chi-square or NaN) of freeing each parameter that a constraint holds
    difference : restricted, general, df, method -> (scale, shift) of a scaled difference test, (1, 0) if plain
    structure : fit -> Structure
    standardized : fit -> the completely standardized solution with errors of its own
    cases : fit -> Cases; None where the data are moments
    vcov : fit, kind of covariance, data or None -> the fit with that covariance
    residuals : fit, kind or None -> a table of where model and data part
    predict : fit, data or None -> a table of fitted values
    facts : fit -> rows such as ("Firm effects", "yes") of a table of estimates
    """

    family: str = "fits of this engine"
    instead: str = "Fit the model with the native engine."
    spread: Callable[[Any, str, str | None], Spread] | None = None
    scores: Callable[[Any], Array | None] | None = None
    statistics: Callable[[Any], Statistics] | None = None
    reported: Callable[[Any], Statistics] | None = None
    headline: Callable[[Any], tuple[str, ...]] | None = None
    refit: Callable[[Any, str | None], Refit] | None = None
    law: Callable[[Any, Mapping[Any, float] | None, Any], Any] | None = None
    release: Callable[[Any], list[tuple[Term, float, float, float]]] | None = None
    difference: Callable[[Any, Any, float, str], tuple[float, float]] | None = None
    structure: Callable[[Any], Structure] | None = None
    standardized: Callable[[Any], Estimates] | None = None
    cases: Callable[[Any], Cases | None] | None = None
    vcov: Callable[[Any, Any, Any], Any] | None = None
    residuals: Callable[[Any, str | None], ResultTable] | None = None
    predict: Callable[[Any, Any], ResultTable] | None = None
    facts: Callable[[Any], tuple[tuple[str, str], ...]] | None = None
