"""Which hypotheses hold: the first table of a report."""

from __future__ import annotations

from collections import Counter

from cipa.evidence.findings import Analysis, Verdict, VerdictWord
from cipa.report.document import Block, Paragraph, Row, Table, body, columns, group
from cipa.report.titles import construct_titles, in_group, model_title
from cipa.report.view import View
from cipa.report.words import arrow, counted, listed

ORDER: tuple[VerdictWord, ...] = ("supported", "contrary", "not supported", "inconclusive", "not tested")


def _blocks(analysis: Analysis, _: str) -> list[Block]:
    return [Paragraph(text=_sentence(analysis)), _table(analysis)] if analysis.verdicts else []


def _sentence(analysis: Analysis) -> str:
    """How many verdicts of each kind there are."""
    count = Counter(verdict.verdict for verdict in analysis.verdicts)
    parts = [f"{count[word]} {'is' if count[word] == 1 else 'are'} {word}" for word in ORDER if count[word]]
    total = len({verdict.hypothesis.name for verdict in analysis.verdicts})
    several = " (a hypothesis has a verdict in each model and group that holds it)" if total < len(analysis.verdicts) else ""
    return f"The study declares {counted(total, 'hypothesis')}{several}: {listed(parts)}."


def _table(analysis: Analysis) -> Table:
    """One row for each hypothesis, model and group; model by model."""
    heads = columns(
        ("", "text"), ("Hypothesis", "text"), ("b", "estimate"), ("β", "unit"), ("95% interval", "interval"), ("p", "p"), ("Verdict", "text")
    )  # fmt: skip
    rows: list[Row] = []
    for model in dict.fromkeys(verdict.model for verdict in analysis.verdicts):
        rows.append(group(model_title(analysis, model) if model else "Not tested", width=7))
        rows += [_row(analysis, verdict) for verdict in analysis.verdicts if verdict.model == model]
    return Table(key="verdicts", title="Hypotheses and verdicts", columns=heads, rows=tuple(rows), notes=tuple(_notes(analysis)))


def _notes(analysis: Analysis) -> list[str]:
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
            waiting.setdefault(verdict.reason, []).append(_named(analysis, verdict))
    return [*notes, *(f"{', '.join(names)}: {reason}" for reason, names in waiting.items())]


def _named(analysis: Analysis, verdict: Verdict) -> str:
    """The hypothesis; with its model and group where it has several verdicts."""
    same = [other for other in analysis.verdicts if other.hypothesis.name == verdict.hypothesis.name]
    if len(same) == 1:
        return verdict.hypothesis.name
    label = None if verdict.estimate is None else verdict.estimate.term.group
    return f"{verdict.hypothesis.name} ({model_title(analysis, verdict.model)}{in_group(label)})"


def _row(analysis: Analysis, verdict: Verdict) -> Row:
    hypothesis, row = verdict.hypothesis, verdict.estimate
    model = verdict.model or next(iter(analysis.fits), "") or next(iter(analysis.study.models))
    claim = arrow(hypothesis.claim, construct_titles(analysis, model))
    sign = {">": "+", "<": "\N{MINUS SIGN}", "!=": "±"}[hypothesis.direction]
    text = f"{hypothesis.label or claim} ({sign}){in_group(None if row is None else row.term.group)}"
    if row is None:
        return body(hypothesis.name, text, None, None, None, None, verdict.verdict)
    return body(
        hypothesis.name, text, row.estimate, row.standardized, (row.conf_low, row.conf_high), row.p_value, verdict.verdict
    )


VERDICTS = View(blocks=_blocks)
