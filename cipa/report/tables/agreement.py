"""How far two programs agree."""

from __future__ import annotations

from cipa.evidence.findings import Analysis
from cipa.language.speech import Language
from cipa.report.document import Block, Note, Row, Table, body, columns
from cipa.report.titles import model_title
from cipa.report.view import View
from cipa.results.display import ResultTable


def _blocks(analysis: Analysis, _: str, say: Language) -> list[Block]:
    """One table of the models that were compared, and a line for each that could not be."""
    compared = {model_title(analysis, key.model): table for key, table in analysis.tables.items() if key.exhibit == "cross_check"}
    blocks: list[Block] = []
    if compared:
        heads = columns(
            (say("model"), "text"), (say("agreement.parameters"), "int"), (say("agreement.estimates"), "text"),
            (say("agreement.errors"), "text"), (say("agreement.statistics"), "text"), (say("agreement.relative"), "text"),
        )  # fmt: skip
        notes = (*(f"{title}: {say.again(table.notes[0])}" for title, table in compared.items()), say("agreement.scope"))
        rows = tuple(_row(say, title, table) for title, table in compared.items())
        blocks.append(Table(key="agreement", title=say("agreement"), columns=heads, rows=rows, notes=notes))
    refused = {model_title(analysis, key.model): why for key, why in analysis.refusals.items() if key.exhibit == "cross_check"}
    return [*blocks, *(Note(text=say("agreement.refused", model=title, reason=why)) for title, why in refused.items())]


def _row(say: Language, title: str, table: ResultTable) -> Row:
    cells = list(zip(*(table.columns[name] for name in ("kind", "term", "relative", "in_std_errors")), strict=True))
    estimates = [abs(in_errors) for kind, _, _, in_errors in cells if kind == "estimate"]
    errors = [relative for kind, _, relative, _ in cells if kind == "std_error"]
    others = [(term, relative) for kind, term, relative, _ in cells if kind == "statistic"]
    worst = _small(max(relative for _, relative in others)) if others else say("agreement.none")
    return body(title, len(estimates), _small(max(estimates)), _small(max(errors)), ", ".join(term for term, _ in others), worst)


def _small(value: float) -> str:
    """A bound, as a power of ten: what lies below it is rounding, and differs between machines."""
    for exponent in range(8, 0, -1):
        if value < 10.0**-exponent:
            return f"< 1e−{exponent}"
    return f"{value:.2g}"


AGREEMENT = View(blocks=_blocks, shows=("cross_check",))
