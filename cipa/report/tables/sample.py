"""The sample, and what was dropped on the way to it."""

from __future__ import annotations

from cipa.evidence.findings import Analysis
from cipa.report.document import Paragraph, Row, Table, body, columns, group
from cipa.report.view import View
from cipa.report.words import per_cent

_WORDS = {"read": "Rows read", "screen": "Screening", "reverse": "Recoding", "used": "Estimation sample"}


def _sentence(analysis: Analysis) -> Paragraph:
    """How many rows were read, and how many the screening rules excluded."""
    parts = []
    for name, data in analysis.datasets.items():
        dropped = data.log[0].rows_before - data.nobs if data.log else 0
        read = data.log[0].rows_before if data.log else data.nobs
        share = (
            f", {dropped} of them ({per_cent(dropped / read)}) excluded by the screening rules" if dropped else ", none excluded"
        )
        parts.append(f"Source {name}: {read} rows read{share}")
    return Paragraph(text=". ".join(parts) + ".")


def _table(analysis: Analysis) -> Table:
    """One row for each step, source by source, then the observations of each model."""
    heads = columns(("Step", "text"), ("What was done", "text"), ("Dropped", "int"), ("Rows left", "int"))
    rows: list[Row] = []
    for name, data in analysis.datasets.items():
        title = f"Source {name}" + (f" ({data.name})" if data.name != name else "")
        rows.append(group(title, width=4))
        for step in data.log:
            dropped = step.rows_before - step.rows_after
            rows.append(body(_WORDS.get(step.action, step.action), step.reason, dropped or None, step.rows_after))
        for model, fit in analysis.fits.items():
            if analysis.study.models[model].source == name:
                lost = data.nobs - fit.nobs
                rows.append(body("Model", f"used by model {model}", lost if lost > 0 else None, fit.nobs))
    note = (
        "Rows that a model does not use lack a value that it needs, or became differences or means; see the notices of the model."
    )
    return Table(key="sample", title="The samples, and what was dropped", columns=heads, rows=tuple(rows), notes=(note,))


SAMPLE = View(blocks=lambda analysis, _: [_sentence(analysis), _table(analysis)])
