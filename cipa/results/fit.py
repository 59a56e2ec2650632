"""What every fit is, whichever family or engine made it.

A model is a value; `model.fit(data)` is a pure function to a `Fit`, which is also a value. Everything else is a
plain function of a fit. `fit.model` and `fit.data` make the bootstrap and power analysis one function for every
family; `bread` and `scores` make robust errors one function for every family; `notices` carry what was warned.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import platform
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from importlib import metadata
from typing import Any, Protocol, runtime_checkable

import numpy as np

import cipa
from cipa.errors import CipaWarning
from cipa.frozen import FrozenDict
from cipa.language.en import EN
from cipa.language.speech import Language
from cipa.numerics.algebra.linalg import Array
from cipa.results.answers import Answers
from cipa.results.estimates import Estimates
from cipa.results.statistics import Statistics
from cipa.results.vcov import VCov
from cipa.terms import Term

_PACKAGE = os.path.join(os.path.dirname(cipa.__file__), "")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Notice:
    """Something a reader of the numbers must know; shown on the console and printed in the report.

    Its words stand in `cipa/language`, by code: "notice.code", or "notice.code.variant".

    Parameters
    ----------
    code : str
        A short stable identifier ("heywood", "rows_dropped").
    variant : str
        Which sentence, where one code has several.
    values : mapping of str to str, number or tuple
        What the sentence names.
    severity : {"info", "warning"}
        "warning" is also given as a Python warning.

    Examples
    --------
    >>> Notice(code="gaps_not_differenced", values={"rows": 12}).text[:40]
    '12 rows follow a gap in time and have no'
    """

    code: str
    variant: str = ""
    values: Mapping[str, object] = field(default_factory=FrozenDict, hash=False)
    severity: str = "info"

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", FrozenDict({name: _plain(value) for name, value in self.values.items()}))

    def words(self, say: Language) -> str:
        """What, where, why it matters, what to do."""
        return say(f"notice.{self.code}.{self.variant}" if self.variant else f"notice.{self.code}", **self.values)

    @property
    def text(self) -> str:
        """The words in English."""
        return self.words(EN)

    def __repr__(self) -> str:
        return f"Notice(code={self.code!r}, text={self.text!r}, severity={self.severity!r})"


def _plain(value: object) -> object:
    """A number of NumPy as one of Python, a list as a tuple."""
    if isinstance(value, (list, tuple)):
        return tuple(map(_plain, value))
    return value.item() if isinstance(value, np.generic) else value


def announce(notices: Sequence[Notice], *, category: type[CipaWarning] = CipaWarning) -> None:
    """Give every notice of severity "warning" as a Python warning too, at the line outside cipa that asked for the fit."""
    for notice in notices:
        if notice.severity == "warning":
            warnings.warn(notice.text, category, stacklevel=_frames_to_the_user())


def _frames_to_the_user() -> int:
    """The stack level, for its caller's warning, of the first frame that is not of this package."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    return level  # this function's own frame stands where the level of `warn` begins to count, at 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Convergence:
    """How the search for the estimates ended.

    Parameters
    ----------
    converged : bool
        Whether the end point is stationary within the tolerance.
    iterations : int
    criterion : float
        The largest scaled gradient at the end (0 for a closed form).
    message : str
    """

    converged: bool = True
    iterations: int = 0
    criterion: float = 0.0
    message: str = "closed form"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where the numbers come from: engine, versions, seed and data digest."""

    engine: str
    engine_version: str
    versions: Mapping[str, str]
    seed: int | None
    data_digest: str
    settings: Mapping[str, Any] = field(default_factory=dict)


def _digest(data: Any) -> str:
    """SHA-256 of the data; of moments of several groups that of their digests, in order."""
    if not isinstance(data, tuple):
        return str(data.digest)
    return hashlib.sha256("\0".join(moments.digest for moments in data).encode()).hexdigest()


def versions_of(*packages: str) -> dict[str, str]:
    """Versions of Python, cipa and the packages named, for a Provenance."""
    found = {"python": platform.python_version(), "cipa": cipa.__version__}
    for package in ("numpy", "scipy", "pandas", *packages):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # a source tree that was never installed
            found[package] = "unknown"
    return found


class Model(Protocol):
    """A declared model: a value that can be fitted."""

    def fit(self, data: Any, *, start: Any = None) -> Fit:
        """Estimate the model on `data`; the model itself does not change."""
        ...


@runtime_checkable
class Lawful(Protocol):
    """A model whose parameters say how data arise: what power and simulation draw from."""

    def population(self, *, params: Mapping[Any, float] | None = None, nobs: Any = None) -> Any:
        """The model with a value for every parameter."""
        ...


@dataclass(frozen=True, kw_only=True, repr=False)
class Fit:
    """What every family of models returns.

    Parameters
    ----------
    model : Model
        The declaration that was fitted.
    data : Dataset or SampleMoments
        What it was fitted to.
    kind : str
        The family: "sem", "panel".
    terms : tuple of Term, length k
        The free parameters.
    params : (k,) array
    vcov : (k, k) array
        Covariance of the estimates, as `vcov_type` says.
    bread : (k, k) array or None
        Inverse of the (expected or observed) information of the whole sample.
    scores : (n, k) array or None
        Casewise gradient of the objective (log-likelihood, or moment condition).
    nobs : int
    df_resid : float
        Degrees of freedom: of the model for SEM, of the residual for regression.
    loglik : float
        With all normalising constants; NaN where there is no likelihood.
    vcov_type : VCov
    convergence : Convergence
    estimates : Estimates
        All parameters: free, fixed, defined.
    statistics : Statistics
    notices : tuple of Notice
    title : str
        One line: which model, by which method.
    conf_level : float
    npar : int
        Number of free parameters, less the rank of the equality constraints.
    answers : Answers
        What else the family derives; asked through `cipa.results.questions`.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.SEM("x4 ~ x1 + x2").fit(ci.datasets.load("holzinger1939"))
    >>> isinstance(fit, ci.Fit), fit.nobs, fit.npar
    (True, 301, 3)
    """

    model: Any
    data: Any
    kind: str
    terms: tuple[Term, ...]
    params: Array
    vcov: Array
    bread: Array | None = None
    nobs: int
    df_resid: float
    loglik: float = float("nan")
    npar: int
    vcov_type: VCov = field(default_factory=VCov)
    convergence: Convergence = field(default_factory=Convergence)
    estimates: Estimates
    statistics: Statistics
    notices: tuple[Notice, ...] = ()
    title: str = ""
    engine: str = "native"
    engine_packages: tuple[str, ...] = ()
    seed: int | None = None
    conf_level: float = 0.95
    answers: Answers = field(default_factory=Answers, repr=False)

    @cached_property
    def scores(self) -> Array | None:
        """Casewise gradient (n, k) of the objective, in the order of the cases used; None for a family that has none."""
        return None if self.answers.scores is None else self.answers.scores(self)

    @property
    def provenance(self) -> Provenance:
        """Engine, versions, seed and data digest."""
        found = versions_of(*self.engine_packages)
        version = found[self.engine_packages[0]] if self.engine_packages else found["cipa"]
        return Provenance(
            engine=self.engine, engine_version=version, versions=found, seed=self.seed, data_digest=_digest(self.data)
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        for value in state.values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)  # a pickled array forgets that it is read-only
        self.__dict__.update(state)

    def __str__(self) -> str:
        head, tests, notes = self._summary()
        return "\n".join([*head, *tests, "", str(self.estimates), *(["", *notes] if notes else [])])

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.title}; {self.nobs} observations, {self.npar} parameters; print() shows it>"

    def _summary(self) -> tuple[list[str], list[str], list[str]]:
        """What was fitted, the statistics that come first, and the notices."""
        degrees = {row.df for row in self.estimates if np.isfinite(row.df)}
        t = f"   t with {degrees.pop():.6g} df" if len(degrees) == 1 else ""
        head = [self.title, f"Observations: {self.nobs}   Parameters: {self.npar}   Standard errors: {self.vcov_type}{t}"]
        tests = [line for line in (_statistic_line(self.reported_statistics, name) for name in self.headline) if line]
        return head, tests, [f"[{notice.severity}] {notice.text}" for notice in self.notices]

    @property
    def headline(self) -> tuple[str, ...]:
        """The names in `reported_statistics` that a summary shows first."""
        return tuple(self.statistics)[:8] if self.answers.headline is None else self.answers.headline(self)

    @cached_property
    def late_statistics(self) -> Statistics:
        """The statistics, with what a family derives only when it is asked for."""
        return self.statistics if self.answers.statistics is None else self.answers.statistics(self)

    @property
    def reported_statistics(self) -> Statistics:
        """The statistics that a summary and a report draw from."""
        return self.statistics if self.answers.reported is None else self.answers.reported(self)

    def _repr_html_(self) -> str:
        head, tests, notes = self._summary()
        above = (
            "".join(f"<p>{escape(line)}</p>" for line in head)
            + "<ul>"
            + "".join(f"<li>{escape(line)}</li>" for line in tests)
            + "</ul>"
        )
        return above + self.estimates._repr_html_() + "".join(f"<p>{escape(note)}</p>" for note in notes)


def _statistic_line(found: Statistics, name: str) -> str:
    if name not in found:
        return ""
    row = found[name]
    if not np.isfinite(row.value):
        return ""
    return str(row)
