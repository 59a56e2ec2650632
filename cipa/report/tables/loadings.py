"""The measurement model: standardized loadings with their own errors, construct by construct."""

from __future__ import annotations

from cipa.evidence.findings import Analysis
from cipa.evidence.sample import dataset_of
from cipa.language.speech import Language
from cipa.report.document import Block, Row, Table, body, columns, group
from cipa.report.titles import construct_head, construct_titles
from cipa.report.view import View
from cipa.results.questions import standardized
from cipa.study.constructs import Item


def _blocks(analysis: Analysis, model: str, say: Language) -> list[Block]:
    fit = analysis.fits[model]
    loadings = [row for row in fit.estimates if row.term.op == "=~"]
    if not loadings:
        return []
    errors = {row.term: row for row in standardized(fit, "A table of loadings")}
    titles, items = construct_titles(analysis, model), dataset_of(analysis, model).items
    wordings = {row.term.rhs: _wording(say, items.get(row.term.rhs), titles.get(row.term.rhs, "")) for row in loadings}
    worded = any(wordings.values())
    heads = columns(
        (say("loadings.item"), "text"),
        (say("loadings.wording"), "text"),
        (say("b"), "estimate"),
        (say("loadings.lambda"), "unit"),
        (say("se"), "unit"),
        (say("loadings.interval"), "interval"),
    )
    heads = heads if worded else (heads[0], *heads[2:])
    rows: list[Row] = []
    seen: set[tuple[str, str | None, str | None]] = set()
    for row in loadings:
        key = (row.term.lhs, row.term.group, row.term.level)
        if key not in seen:
            seen.add(key)
            rows.append(group(construct_head(say, titles, *key), width=len(heads)))
        std, wording = errors[row.term], [wordings[row.term.rhs]] * worded
        rows.append(body(row.term.rhs, *wording, row.estimate, std.estimate, std.std_error, (std.conf_low, std.conf_high)))
    notes = (say("loadings.note"),)
    return [Table(key=f"measurement-{model}", title=say("loadings"), columns=heads, rows=tuple(rows), notes=notes)]


def _wording(say: Language, item: Item | None, title: str) -> str:
    """What was asked, or the label of the column."""
    if item is None:
        return title
    return say("loadings.reversed", wording=item.text) if item.reversed else item.text


LOADINGS = View(blocks=_blocks)
