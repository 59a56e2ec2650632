"""The sample, and what was dropped on the way to it."""

from __future__ import annotations

from cipa.evidence.findings import Analysis
from cipa.language.speech import Language
from cipa.report.document import Paragraph, Row, Table, body, columns, group
from cipa.report.view import View

STEPS = ("read", "screen", "reverse", "used")
"""Steps of a log that have words of their own."""


def _sentence(analysis: Analysis, say: Language) -> Paragraph:
    """How many rows were read, and how many the screening rules excluded."""
    parts = []
    for name, data in analysis.datasets.items():
        dropped = data.log[0].rows_before - data.nobs if data.log else 0
        read = data.log[0].rows_before if data.log else data.nobs
        parts.append(say("sample.sentence", source=name, read=read, dropped=dropped))
    return Paragraph(text=" ".join(parts))


def _table(analysis: Analysis, say: Language) -> Table:
    """One row for each step, source by source, then the observations of each model."""
    heads = columns(
        (say("sample.step"), "text"), (say("sample.what"), "text"), (say("sample.dropped"), "int"), (say("sample.left"), "int")
    )
    rows: list[Row] = []
    for name, data in analysis.datasets.items():
        named = data.name != name
        title = say("sample.source.named", source=name, data=data.name) if named else say("sample.source", source=name)
        rows.append(group(title, width=4))
        for step in data.log:
            dropped = step.rows_before - step.rows_after
            rows.append(
                body(
                    say(f"step.{step.action}") if step.action in STEPS else step.action,
                    say.again(step.reason),
                    dropped or None,
                    step.rows_after,
                )
            )
        for model, fit in analysis.fits.items():
            if analysis.study.models[model].source == name:
                lost = data.nobs - fit.nobs
                rows.append(body(say("model"), say("sample.used", model=model), lost if lost > 0 else None, fit.nobs))
    return Table(key="sample", title=say("sample"), columns=heads, rows=tuple(rows), notes=(say("sample.note"),))


SAMPLE = View(blocks=lambda analysis, _, say: [_sentence(analysis, say), _table(analysis, say)])
