"""Panel models side by side, errors in parentheses, with what was swept out and how errors were clustered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cipa.evidence.findings import Analysis
from cipa.report.document import Cell, Row, Table, columns
from cipa.report.titles import construct_titles, fits_of, hypotheses_by_term, model_title
from cipa.report.words import listed, p_value
from cipa.results.fit import Fit
from cipa.terms import Term


def panel_tables(analysis: Analysis) -> list[Table]:
    """One table for each outcome."""
    fits = fits_of(analysis, "panel")
    outcomes = dict.fromkeys(fit.terms[0].lhs for fit in fits.values())
    return [
        _panel_table(analysis, outcome, {name: fit for name, fit in fits.items() if fit.terms[0].lhs == outcome})
        for outcome in outcomes
    ]


def _panel_table(analysis: Analysis, outcome: str, fits: Mapping[str, Fit]) -> Table:
    first = next(iter(fits))
    titles = construct_titles(analysis, first)
    names = [f"({number}) {model_title(analysis, name)}" for number, name in enumerate(fits, 1)]
    about: dict[object, str] = {}
    for name in fits:
        about |= hypotheses_by_term(analysis, name)
    terms = list(dict.fromkeys(row.term for fit in fits.values() for row in fit.estimates))
    dummies = [term for term in terms if term.rhs.startswith("i(")]
    shown = [term for term in terms if term not in dummies and term.op != "~1"] + [term for term in terms if term.op == "~1"]
    rows = [row for term in shown for row in _pair(term, fits, titles, about)]
    rows += _dummy_rows(dummies, fits)
    rows += _foot(fits)
    heads = columns(("", "text"), *[(name, "estimate") for name in names])
    notes = [
        "Standard errors in parentheses, exact two-sided p-values below them in brackets.",
        *_error_notes(fits),
    ]
    return Table(
        key=f"panel-{first}",
        title=f"Panel models of {titles.get(outcome, outcome)}",
        columns=heads,
        rows=tuple(rows),
        notes=tuple(notes),
    )


def _error_notes(fits: Mapping[str, Fit]) -> list[str]:
    """Which standard errors: one line for the models that share them."""
    kinds: dict[str, list[str]] = {}
    for number, fit in enumerate(fits.values(), 1):
        note = f", {fit.vcov_type.note}" if fit.vcov_type.note else ""
        kinds.setdefault(f"{fit.vcov_type}{note}", []).append(f"({number})")
    return [f"Standard errors of {listed(numbers)}: {kind}." for kind, numbers in kinds.items()]


def _pair(term: Term, fits: Mapping[str, Fit], titles: dict[str, str], about: dict[object, str]) -> list[Row]:
    """The estimates, and below them the errors and the p-values."""
    found = [fit.estimates.find(term) for fit in fits.values()]
    label = "Intercept" if term.op == "~1" else " × ".join(titles.get(part, part) for part in term.rhs.split(":"))
    hypothesis = f" ({about[term]})" if term in about else ""
    errors = tuple(None if row is None else Cell(row.std_error, "paren") for row in found)
    ps = tuple(None if row is None else f"[{p_value(row.p_value)}]" for row in found)
    return [
        Row(cells=(label + hypothesis, *[None if row is None else row.estimate for row in found])),
        Row(cells=("", *errors), kind="second"),
        Row(cells=("", *ps), kind="second"),
    ]


def _dummy_rows(dummies: list[Term], fits: Mapping[str, Fit]) -> list[Row]:
    columns_of = dict.fromkeys(term.rhs[2 : term.rhs.index(")")] for term in dummies)
    return [
        Row(
            cells=(
                f"Dummies of {column}",
                *[
                    "yes" if any(fit.estimates.find(t) for t in dummies if t.rhs.startswith(f"i({column})")) else "no"
                    for fit in fits.values()
                ],
            )
        )
        for column in columns_of
    ]


def _foot(fits: Mapping[str, Any]) -> list[Row]:
    models = [fit.model for fit in fits.values()]
    rows = [
        Row(cells=("Method", *[model.method.replace("_", " ") for model in models]), kind="rule"),
        Row(cells=("Entity effects", *[_effect(model, "entity") for model in models])),
        Row(cells=("Time effects", *[_effect(model, "time") for model in models])),
    ]
    for name, label in (("nobs", "Observations"), ("entities", "Entities")):
        rows.append(
            Row(
                cells=(
                    label,
                    *[Cell(int(fit.statistics[name].value), "int") if name in fit.statistics else None for fit in fits.values()],
                )
            )
        )
    for name, label in (("r2", "R²"), ("r2_within", "Within R²")):
        rows.append(
            Row(
                cells=(
                    label,
                    *[Cell(fit.statistics[name].value, "unit") if name in fit.statistics else None for fit in fits.values()],
                )
            )
        )
    return rows


def _effect(model: Any, which: str) -> str:
    if model.method == "within":
        return "yes" if which in model.effects else "no"
    return "random" if model.method in ("random", "mundlak") and which in model.effects else "no"
