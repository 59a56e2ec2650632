"""Agreement of two programs: a native fit beside the same model fitted by the engine that `kinds.py` lists for its family.

Both programs get the same cases and the same list of parameters, which cipa read and completed; what is checked is what comes
after, the estimates, their standard errors and the statistics that both report. An error in reading the data or in completing the
model would be common to both, and is not found here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cipa.errors import InferenceError, public
from cipa.language.en import EN
from cipa.models.kinds import ENGINES, fit_with
from cipa.numerics.algebra.linalg import Array
from cipa.results.display import ResultTable, Tabular
from cipa.results.fit import Fit

AGREE = 1e-3
"""Largest difference (of an estimate in its standard errors, of an error or a statistic relative) that a reader could not see."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CrossCheck(Tabular):
    """How far two programs agree.

    Parameters
    ----------
    table : ResultTable
        term, kind ("estimate", "std_error", "statistic"), native, other, difference, relative, in_std_errors (of estimates).
    engine : str
        The other program and its version.
    largest_difference : float
        The largest relative difference of all rows: of an estimate |native - other| / max(|native|, its standard error), of
        anything else |native - other| / max(|native|, 1e-8).
    agree : bool
        No estimate differs by more than 0.001 of its standard error, nothing else by more than 0.1 per cent.
    verdict : str
        One sentence: what was compared, and how far it agrees.
    """

    table: ResultTable
    engine: str
    largest_difference: float
    agree: bool
    verdict: str

    def __str__(self) -> str:
        return f"{self.verdict}\n\n{self.table}"


@public
def cross_check(fit: Fit) -> CrossCheck:
    """Fit the model of a native fit again with another program, and compare.

    Parameters
    ----------
    fit : Fit
        By the native engine: of a structural equation model (compared with semopy) or a panel model (with linearmodels).

    Returns
    -------
    CrossCheck

    Raises
    ------
    InferenceError
        For a fit that another program made, or of a family for which no other program is known.
    SpecificationError
        For a model that the other program does not fit, or fits wrongly; the message names what it lacks.

    Examples
    --------
    >>> import cipa as ci
    >>> model = ci.SEM("visual =~ x1 + x2 + x3; textual =~ x4 + x5 + x6")
    >>> found = ci.cross_check(model.fit(ci.datasets.load("holzinger1939")))
    >>> found.agree
    True
    """
    engine = _engine_of(fit)
    other = fit_with(fit.model, fit.data, kind=fit.kind, engine=engine, where="ci.cross_check")
    _refuse_unlike(fit, other)
    name = f"{engine} {other.provenance.engine_version}"
    rows = [*_parameters(fit, other), *_statistics(fit, other)]
    heads = ("term", "kind", "native", "other", "difference", "relative", "in_std_errors")
    largest = max((row[5] for row in rows), default=0.0)
    agree = all((row[5] if row[6] is None else abs(row[6])) <= AGREE for row in rows)
    verdict = _verdict(fit, rows, name, agree)
    columns = dict(zip(heads, zip(*rows, strict=True), strict=True))
    table = ResultTable(title=EN("table.agreement", program=name), columns=columns, notes=(verdict,))
    return CrossCheck(table=table, engine=name, largest_difference=largest, agree=agree, verdict=verdict)


def _engine_of(fit: Fit) -> str:
    if not isinstance(fit, Fit):
        raise InferenceError(
            f"ci.cross_check: {type(fit).__name__} is not a fit, so that it has no estimates to check. Give what model.fit(data) "
            "returns."
        )
    if fit.engine != "native":
        raise InferenceError(
            f"ci.cross_check: this fit was made by {fit.engine}. The check goes from a native fit to the other program, so that "
            "one of the two is always cipa. Fit the model with model.fit(data)."
        )
    engines = [engine for family, engine in ENGINES if family == fit.kind]
    if not engines:
        families = ", ".join(dict.fromkeys(family for family, _ in ENGINES))
        raise InferenceError(
            f"ci.cross_check: no second program is known for {fit.kind} models. Without one there is nothing to compare with. "
            f"Leave it out; families that have one: {families}."
        )
    return engines[0]


def _refuse_unlike(fit: Fit, other: Fit) -> None:
    if not fit.terms:
        raise InferenceError("ci.cross_check: the model has no free parameter, so there is nothing to compare. Free one.")
    if fit.nobs != other.nobs or set(fit.terms) != set(other.terms):
        raise InferenceError(
            f"ci.cross_check: cipa used {fit.nobs} cases and {len(fit.terms)} parameters, {other.engine} {other.nobs} and"
            f" {len(other.terms)}. Numbers of two different models do not check each other. Leave this model out of the check."
        )


Row = tuple[str, str, float, float, float, float, float | None]


def _parameters(fit: Fit, other: Fit) -> list[Row]:
    """Estimates, then standard errors, of the free parameters."""
    place = {term: k for k, term in enumerate(other.terms)}
    order = [place[term] for term in fit.terms]
    ours, theirs = _errors(fit), _errors(other)[order]
    estimates, errors = [], []
    for k, term in enumerate(fit.terms):
        b, b2, se, se2 = float(fit.params[k]), float(other.params[order[k]]), float(ours[k]), float(theirs[k])
        relative = abs(b2 - b) / max(abs(b), se, 1e-300)
        estimates.append((str(term), "estimate", b, b2, b2 - b, relative, (b2 - b) / max(se, 1e-300)))
        errors.append((str(term), "std_error", se, se2, se2 - se, abs(se2 - se) / max(se, 1e-300), None))
    return [*estimates, *errors]


def _errors(fit: Fit) -> Array:
    return np.asarray(np.sqrt(np.maximum(fit.vcov.diagonal(), 0.0)))


def _statistics(fit: Fit, other: Fit) -> list[Row]:
    """Statistics that both programs report under one name and definition."""
    rows: list[Row] = []
    for name in (name for name in other.statistics if name in fit.statistics):
        a, b = fit.statistics[name].value, other.statistics[name].value
        if np.isfinite(a) and np.isfinite(b):
            rows.append((name, "statistic", a, b, b - a, abs(b - a) / max(abs(a), 1e-8), None))
    return rows


def _verdict(fit: Fit, rows: list[Row], name: str, agree: bool) -> str:
    estimates = [row for row in rows if row[1] == "estimate"]
    worst = max(estimates, key=lambda row: abs(row[6] or 0.0))
    errors = max((row[5] for row in rows if row[1] == "std_error"), default=0.0)
    statistics = [row for row in rows if row[1] == "statistic"]
    worst_b = abs(worst[6] or 0.0)
    compared = EN("table.agreement.compared", program=name, cases=fit.nobs, parameters=len(estimates))
    names = tuple(row[0] for row in statistics)
    largest = max((row[5] for row in statistics), default=0.0)
    if agree:
        return EN("table.agreement.agree", compared=compared, estimates=worst_b, errors=errors, statistics=names, largest=largest)
    return EN(
        "table.agreement.disagree",
        compared=compared, worst=worst[0], estimates=worst_b, errors=errors, statistics=names, largest=largest,
    )  # fmt: skip
