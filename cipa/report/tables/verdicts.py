"""Which hypotheses hold: the first table of a report."""

from __future__ import annotations

from cipa.evidence.findings import Analysis, Verdict
from cipa.report.document import Row, Table, body, columns, group
from cipa.report.titles import construct_titles, model_title
from cipa.report.words import arrow


def verdict_table(analysis: Analysis) -> Table | None:
    """One row for each hypothesis and model."""
    if not analysis.verdicts:
        return None
    heads = columns(
        ("", "text"),
        ("Hypothesis", "text"),
        ("b", "estimate"),
        ("β", "unit"),
        ("95% interval", "interval"),
        ("p", "p"),
        ("Verdict", "text"),
    )
    rows: list[Row] = []
    model = None
    for verdict in analysis.verdicts:
        if verdict.model != model:
            model = verdict.model
            rows.append(group(model_title(analysis, model) if model else "Not tested", width=7))
        rows.append(_row(analysis, verdict))
    smallest = analysis.study.smallest_effect
    notes = [
        f"Supported: the interval excludes 0 on the side claimed; contrary: on the other side; not supported: it covers 0 and excludes a"
        f" standardized effect of {smallest:g}; inconclusive: it covers both. p-values are two-sided."
    ]
    if any(" -> " in str(verdict.hypothesis.claim) and verdict.estimate is not None for verdict in analysis.verdicts):
        notes.append(
            f"Indirect effects: Monte Carlo intervals (20,000 draws, seed {analysis.seed}). A product of coefficients is a causal effect"
            " only under assumptions that these data cannot show."
        )
    waiting: dict[str, list[str]] = {}
    for verdict in analysis.verdicts:
        if verdict.verdict in ("not tested", "inconclusive"):
            waiting.setdefault(verdict.reason, []).append(verdict.hypothesis.name)
    notes += [f"{', '.join(names)}: {reason}" for reason, names in waiting.items()]
    return Table(key="verdicts", title="Hypotheses and verdicts", columns=heads, rows=tuple(rows), notes=tuple(notes))


def _row(analysis: Analysis, verdict: Verdict) -> Row:
    hypothesis, row = verdict.hypothesis, verdict.estimate
    model = verdict.model or next(iter(analysis.fits), "") or next(iter(analysis.study.models))
    claim = arrow(hypothesis.claim, construct_titles(analysis, model))
    sign = {">": "+", "<": "\N{MINUS SIGN}", "!=": "±"}[hypothesis.direction]
    where = f", group {row.term.group}" if row is not None and row.term.group else ""
    text = f"{hypothesis.label or claim} ({sign}){where}"
    if row is None:
        return body(hypothesis.name, text, None, None, None, None, verdict.verdict)
    return body(
        hypothesis.name, text, row.estimate, row.standardized, (row.conf_low, row.conf_high), row.p_value, verdict.verdict
    )
