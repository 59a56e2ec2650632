"""Regressions of one outcome side by side, errors in parentheses, with what each family says of its fit."""

from __future__ import annotations

from collections.abc import Mapping

from cipa.evidence.findings import Analysis
from cipa.language.speech import Language
from cipa.language.words import p_value
from cipa.report.document import Block, Cell, Format, Row, Table, Value, columns
from cipa.report.tables.any_fit import is_regression
from cipa.report.titles import construct_titles, hypotheses_by_term, model_title
from cipa.report.view import View
from cipa.results.fit import Fit
from cipa.results.questions import facts
from cipa.terms import Term

Fits = Mapping[str, Fit]

STATISTICS: tuple[tuple[str, Format], ...] = (("nobs", "int"), ("entities", "int"), ("r2", "unit"), ("r2_within", "unit"))
"""Name and format of the statistics at the foot."""


def regressions(analysis: Analysis) -> dict[str, Fit]:
    """The fits that can stand side by side, in the order of the study."""
    return {name: fit for name, fit in analysis.fits.items() if is_regression(fit)}


def _blocks(analysis: Analysis, _: str, say: Language) -> list[Block]:
    """One table for each outcome."""
    fits = regressions(analysis)
    outcomes = dict.fromkeys(fit.terms[0].lhs for fit in fits.values())
    return [
        _table(analysis, say, outcome, {name: fit for name, fit in fits.items() if fit.terms[0].lhs == outcome})
        for outcome in outcomes
    ]


def _table(analysis: Analysis, say: Language, outcome: str, fits: Fits) -> Table:
    first = next(iter(fits))
    titles = construct_titles(analysis, first)
    names = [f"({number})\N{NO-BREAK SPACE}{model_title(analysis, name)}" for number, name in enumerate(fits, 1)]
    about: dict[object, str] = {}
    for name in fits:
        about |= hypotheses_by_term(analysis, name)
    terms = list(dict.fromkeys(row.term for fit in fits.values() for row in fit.estimates))
    dummies = [term for term in terms if term.rhs.startswith("i(")]
    shown = [term for term in terms if term not in dummies and term.op != "~1"] + [term for term in terms if term.op == "~1"]
    rows = [row for term in shown for row in _pair(say, term, fits, titles, about)]
    rows += [*_dummy_rows(say, dummies, fits), *_foot(say, fits)]
    notes = (say("regressions.note"), *_error_notes(say, fits))
    return Table(
        key=f"regressions-{first}", title=say("regressions.of", outcome=titles.get(outcome, outcome)), rows=tuple(rows),
        notes=notes,
        columns=columns(("", "text"), *[(name, "estimate") for name in names]),
    )  # fmt: skip


def _error_notes(say: Language, fits: Fits) -> list[str]:
    """Which standard errors: one line for the models that share them."""
    kinds: dict[str, list[str]] = {}
    for number, fit in enumerate(fits.values(), 1):
        note = f", {say.again(fit.vcov_type.note)}" if fit.vcov_type.note else ""
        kinds.setdefault(f"{fit.vcov_type}{note}", []).append(f"({number})")
    return [say("regressions.errors", models=numbers, kind=kind) for kind, numbers in kinds.items()]


def _pair(say: Language, term: Term, fits: Fits, titles: dict[str, str], about: dict[object, str]) -> list[Row]:
    """The estimates, and below them the errors and the p-values."""
    found = [fit.estimates.find(term) for fit in fits.values()]
    label = (
        say("regressions.intercept") if term.op == "~1" else " × ".join(titles.get(part, part) for part in term.rhs.split(":"))
    )
    hypothesis = f" ({about[term]})" if term in about else ""
    errors = tuple(None if row is None else Cell(row.std_error, "paren") for row in found)
    ps = tuple(None if row is None else f"[{p_value(row.p_value)}]" for row in found)
    return [
        Row(cells=(label + hypothesis, *[None if row is None else row.estimate for row in found])),
        Row(cells=("", *errors), kind="second"),
        Row(cells=("", *ps), kind="second"),
    ]


def _dummy_rows(say: Language, dummies: list[Term], fits: Fits) -> list[Row]:
    columns_of = dict.fromkeys(term.rhs[2 : term.rhs.index(")")] for term in dummies)
    return [
        Row(
            cells=(
                say("regressions.dummies", column=column),
                *[
                    say("yes" if any(fit.estimates.find(t) for t in dummies if t.rhs.startswith(f"i({column})")) else "no")
                    for fit in fits.values()
                ],
            )
        )
        for column in columns_of
    ]


def _foot(say: Language, fits: Fits) -> list[Row]:
    """What each family says of its fit, then statistics, below a rule."""
    told = [dict(facts(fit)) for fit in fits.values()]
    labels = dict.fromkeys(label for each in told for label in each)
    rows: list[tuple[Value | Cell, ...]] = [
        (say.again(label), *[say.again(each[label]) if label in each else None for each in told]) for label in labels
    ]
    for name, format in STATISTICS:
        values = [_statistic(fit, name) for fit in fits.values()]
        if name == "nobs" or any(value is not None for value in values):
            rows.append((say(f"statistic.{name}"), *[None if value is None else Cell(value, format) for value in values]))
    return [Row(cells=cells, kind="body" if number else "rule") for number, cells in enumerate(rows)]


def _statistic(fit: Fit, name: str) -> float | None:
    if name in fit.statistics:
        return fit.statistics[name].value
    return float(fit.nobs) if name == "nobs" else None


REGRESSIONS = View(blocks=_blocks)
