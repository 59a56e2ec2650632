"""Structural paths with their hypotheses, and explained variance."""

from __future__ import annotations

from cipa.evidence.findings import Analysis
from cipa.language.speech import Language
from cipa.report.document import Block, Cell, Row, Table, body, columns, group
from cipa.report.titles import construct_titles, errors_note, hypotheses_by_term, in_block
from cipa.report.view import View
from cipa.report.words import arrow
from cipa.results.estimates import Estimate
from cipa.results.questions import structure


def _blocks(analysis: Analysis, model: str, say: Language) -> list[Block]:
    """Paths and defined effects, outcome by outcome, each part closed by R²."""
    fit = analysis.fits[model]
    paths = [row for row in fit.estimates if row.term.op in ("~", ":=") and row.status != "fixed"]
    if not paths:
        return []
    drawn = structure(fit, "A table of paths")
    titles, about = construct_titles(analysis, model), hypotheses_by_term(analysis, model)
    heads = columns(
        (say("paths.path"), "text"), (say("b"), "estimate"), (say("se"), "estimate"), (say("interval"), "interval"),
        (say("p"), "p"),
        (say("beta"), "unit"), (say("hypothesis"), "text"),
    )  # fmt: skip
    rows: list[Row] = []
    for key in dict.fromkeys(_part(row) for row in paths):
        rows.append(group(_head(say, titles, *key), width=7))
        rows += [_row(row, titles, about) for row in paths if _part(row) == key]
        explained = next((value for *where, value in drawn.r_squared if tuple(where) == key), None)
        if explained is not None:
            rows.append(body("R²", Cell(explained, "unit"), None, None, None, None, None))
    notes = (say("paths.note", errors=errors_note(say, fit)),)
    return [Table(key=f"structural-{model}", title=say("paths"), columns=heads, rows=tuple(rows), notes=notes)]


def _part(row: Estimate) -> tuple[str, str | None, str | None]:
    return ("" if row.term.op == ":=" else row.term.lhs, row.term.group, row.term.level)


def _head(say: Language, titles: dict[str, str], outcome: str, label: str | None, level: str | None) -> str:
    head = titles.get(outcome, outcome) if outcome else say("paths.defined")
    return f"{head}{in_block(say, label, level)}"


def _row(row: Estimate, titles: dict[str, str], about: dict[object, str]) -> Row:
    text = f"{row.term.lhs} = {row.term.rhs}" if row.term.op == ":=" else arrow(row.term, titles)
    return body(
        text, row.estimate, row.std_error, (row.conf_low, row.conf_high), row.p_value, row.standardized, about.get(row.term, "")
    )


PATHS = View(blocks=_blocks)
