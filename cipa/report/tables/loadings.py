"""The measurement model: standardized loadings with their own errors, construct by construct."""

from __future__ import annotations

from cipa.evidence.findings import Analysis
from cipa.evidence.sample import dataset_of
from cipa.report.document import Block, Row, Table, body, columns, group
from cipa.report.titles import construct_head, construct_titles
from cipa.report.view import View
from cipa.results.questions import standardized
from cipa.study.constructs import Item


def _blocks(analysis: Analysis, model: str) -> list[Block]:
    fit = analysis.fits[model]
    loadings = [row for row in fit.estimates if row.term.op == "=~"]
    if not loadings:
        return []
    errors = {row.term: row for row in standardized(fit, "A table of loadings")}
    titles, items = construct_titles(analysis, model), dataset_of(analysis, model).items
    wordings = {row.term.rhs: _wording(items.get(row.term.rhs), titles.get(row.term.rhs, "")) for row in loadings}
    worded = any(wordings.values())
    heads = columns(
        ("Construct and item", "text"),
        ("Wording", "text"),
        ("b", "estimate"),
        ("λ", "unit"),
        ("SE", "unit"),
        ("95% interval of λ", "interval"),
    )
    heads = heads if worded else (heads[0], *heads[2:])
    rows: list[Row] = []
    seen: set[tuple[str, str | None, str | None]] = set()
    for row in loadings:
        key = (row.term.lhs, row.term.group, row.term.level)
        if key not in seen:
            seen.add(key)
            rows.append(group(construct_head(titles, *key), width=len(heads)))
        std, wording = errors[row.term], [wordings[row.term.rhs]] * worded
        rows.append(body(row.term.rhs, *wording, row.estimate, std.estimate, std.std_error, (std.conf_low, std.conf_high)))
    notes = (
        "b: loading in the units of the items, 1 where it sets the construct's scale; λ: completely standardized loading, with its own"
        " standard error (delta method).",
    )
    title = "Measurement model: loadings"
    return [Table(key=f"measurement-{model}", title=title, columns=heads, rows=tuple(rows), notes=notes)]


def _wording(item: Item | None, title: str) -> str:
    """What was asked, or the label of the column."""
    return f"{item.text}{' (reversed)' if item.reversed else ''}" if item else title


LOADINGS = View(blocks=_blocks)
