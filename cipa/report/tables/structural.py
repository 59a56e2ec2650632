"""Structural paths with their hypotheses, and explained variance."""

from __future__ import annotations

from typing import Any

from cipa.evidence.findings import Analysis
from cipa.report.document import Cell, Row, Table, body, columns, group
from cipa.report.titles import construct_titles, hypotheses_by_term
from cipa.report.words import arrow
from cipa.results.estimates import Estimate


def structural_table(analysis: Analysis, model: str) -> Table | None:
    """Paths and defined effects, outcome by outcome, each block closed by R²."""
    fit: Any = analysis.fits[model]
    paths = [row for row in fit.estimates if row.term.op in ("~", ":=") and row.status != "fixed"]
    if not paths:
        return None
    titles, about = construct_titles(analysis, model), hypotheses_by_term(analysis, model)
    heads = columns(
        ("Path", "text"),
        ("b", "estimate"),
        ("SE", "estimate"),
        ("95% interval", "interval"),
        ("p", "p"),
        ("β", "unit"),
        ("Hypothesis", "text"),
    )
    rows: list[Row] = []
    for key in dict.fromkeys(_block(row) for row in paths):
        outcome, label = key
        rows.append(group(_head(titles, outcome, label, "level" if fit.levels else "group"), width=7))
        rows += [_row(row, titles, about) for row in paths if _block(row) == key]
        explained = next((value for name, where, value in fit.r_squared_rows if (name, where) == key), None)
        if explained is not None:
            rows.append(body("R²", Cell(explained, "unit"), None, None, None, None, None))
    notes = (
        f"b: unstandardized; β: completely standardized. Standard errors: {fit.vcov_type.note or fit.vcov_type}. p-values are two-sided.",
    )
    return Table(key=f"structural-{model}", title="Structural model", columns=heads, rows=tuple(rows), notes=notes)


def _block(row: Estimate) -> tuple[str, str | None]:
    return ("" if row.term.op == ":=" else row.term.lhs, row.term.group or row.term.level)


def _head(titles: dict[str, str], outcome: str, label: str | None, kind: str) -> str:
    head = titles.get(outcome, outcome) if outcome else "Defined effects"
    return f"{head}, {kind} {label}" if label else head


def _row(row: Estimate, titles: dict[str, str], about: dict[object, str]) -> Row:
    text = f"{row.term.lhs} = {row.term.rhs}" if row.term.op == ":=" else arrow(row.term, titles)
    return body(
        text, row.estimate, row.std_error, (row.conf_low, row.conf_high), row.p_value, row.standardized, about.get(row.term, "")
    )
