"""The measurement model: standardized loadings with their own errors, construct by construct."""

from __future__ import annotations

from cipa.evidence.findings import Analysis
from cipa.evidence.sample import dataset_of
from cipa.report.document import Block, Row, Table, body, columns, group
from cipa.report.titles import construct_head, construct_titles
from cipa.report.view import View
from cipa.results.questions import standardized


def _blocks(analysis: Analysis, model: str) -> list[Block]:
    fit = analysis.fits[model]
    loadings = [row for row in fit.estimates if row.term.op == "=~"]
    if not loadings:
        return []
    errors = {row.term: row for row in standardized(fit, "A table of loadings")}
    titles, items = construct_titles(analysis, model), dataset_of(analysis, model).items
    heads = columns(
        ("Construct and item", "text"), ("Wording", "text"), ("b", "estimate"), ("λ", "unit"), ("SE", "unit"),
        ("95% interval of λ", "interval"),
    )  # fmt: skip
    rows: list[Row] = []
    seen: set[tuple[str, str | None, str | None]] = set()
    for row in loadings:
        key = (row.term.lhs, row.term.group, row.term.level)
        if key not in seen:
            seen.add(key)
            rows.append(group(construct_head(titles, *key), width=6))
        std, item = errors[row.term], items.get(row.term.rhs)
        wording = f"{item.text}{' (reversed)' if item.reversed else ''}" if item else titles.get(row.term.rhs, "")
        rows.append(body(row.term.rhs, wording, row.estimate, std.estimate, std.std_error, (std.conf_low, std.conf_high)))
    notes = (
        "b: loading in the units of the items, 1 where it sets the construct's scale; λ: completely standardized loading, with its own"
        " standard error (delta method).",
    )
    title = "Measurement model: loadings"
    return [Table(key=f"measurement-{model}", title=title, columns=heads, rows=tuple(rows), notes=notes)]


LOADINGS = View(blocks=_blocks)
