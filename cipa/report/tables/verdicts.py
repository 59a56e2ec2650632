"""Which hypotheses hold: the first table of a report."""

from __future__ import annotations

from collections import Counter

from cipa.evidence.findings import Analysis, Verdict, VerdictWord
from cipa.evidence.verdicts import DRAWS
from cipa.language.speech import Language
from cipa.report.document import Block, Paragraph, Row, Table, body, columns, group
from cipa.report.titles import construct_titles, in_block, model_title
from cipa.report.view import View
from cipa.report.words import arrow

ORDER: tuple[VerdictWord, ...] = ("supported", "contrary", "not supported", "inconclusive", "not tested")


def _blocks(analysis: Analysis, _: str, say: Language) -> list[Block]:
    return [Paragraph(text=_sentence(analysis, say)), _table(analysis, say)] if analysis.verdicts else []


def _sentence(analysis: Analysis, say: Language) -> str:
    """How many verdicts of each kind there are."""
    count = Counter(verdict.verdict for verdict in analysis.verdicts)
    counts = [(say(f"verdict.{word}"), count[word]) for word in ORDER if count[word]]
    total = len({verdict.hypothesis.name for verdict in analysis.verdicts})
    return say("verdicts.sentence", hypotheses=total, several=total < len(analysis.verdicts), counts=counts)


def _table(analysis: Analysis, say: Language) -> Table:
    """One row for each hypothesis, model and group; model by model."""
    heads = columns(
        ("", "text"), (say("hypothesis"), "text"), (say("b"), "estimate"), (say("beta"), "unit"), (say("interval"), "interval"),
        (say("p"), "p"), (say("verdict"), "text"),
    )  # fmt: skip
    rows: list[Row] = []
    for model in dict.fromkeys(verdict.model for verdict in analysis.verdicts):
        rows.append(group(model_title(analysis, model) if model else say("verdicts.waiting"), width=7))
        rows += [_row(analysis, verdict, say) for verdict in analysis.verdicts if verdict.model == model]
    return Table(key="verdicts", title=say("verdicts"), columns=heads, rows=tuple(rows), notes=tuple(_notes(analysis, say)))


def _notes(analysis: Analysis, say: Language) -> list[str]:
    notes = [say("verdicts.note", smallest=analysis.study.smallest_effect)]
    if any(" -> " in str(verdict.hypothesis.claim) and verdict.estimate is not None for verdict in analysis.verdicts):
        notes.append(say("verdicts.indirect", draws=DRAWS, seed=analysis.seed))
    waiting: dict[str, list[str]] = {}
    for verdict in analysis.verdicts:
        if verdict.verdict in ("not tested", "inconclusive"):
            waiting.setdefault(say.again(verdict.reason), []).append(_named(analysis, verdict, say))
    return [*notes, *(f"{', '.join(names)}: {reason}" for reason, names in waiting.items())]


def _named(analysis: Analysis, verdict: Verdict, say: Language) -> str:
    """The hypothesis; with its model and group where it has several verdicts."""
    same = [other for other in analysis.verdicts if other.hypothesis.name == verdict.hypothesis.name]
    if len(same) == 1:
        return verdict.hypothesis.name
    return f"{verdict.hypothesis.name} ({model_title(analysis, verdict.model)}{_place(verdict, say)})"


def _place(verdict: Verdict, say: Language) -> str:
    """Its group and level."""
    row = verdict.estimate
    return "" if row is None else in_block(say, row.term.group, row.term.level)


def _row(analysis: Analysis, verdict: Verdict, say: Language) -> Row:
    hypothesis, row, word = verdict.hypothesis, verdict.estimate, say(f"verdict.{verdict.verdict}")
    model = verdict.model or next(iter(analysis.fits), "") or next(iter(analysis.study.models))
    claim = arrow(hypothesis.claim, construct_titles(analysis, model))
    sign = {">": "+", "<": "\N{MINUS SIGN}", "!=": "±"}[hypothesis.direction]
    text = f"{hypothesis.label or claim} ({sign}){_place(verdict, say)}"
    if row is None:
        return body(hypothesis.name, text, None, None, None, None, word)
    return body(hypothesis.name, text, row.estimate, row.standardized, (row.conf_low, row.conf_high), row.p_value, word)


VERDICTS = View(blocks=_blocks)
