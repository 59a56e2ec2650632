"""Alpha, omega, composite reliability and AVE of each construct."""

from __future__ import annotations

from cipa.evidence.findings import Analysis
from cipa.language.speech import Language
from cipa.report.document import Block, Format, Table, body, columns
from cipa.report.titles import construct_head, construct_titles
from cipa.report.view import View, evidence_of
from cipa.results.display import ResultTable

HEADS = ("alpha", "omega", "alpha_ordinal", "omega_ordinal", "cr", "ave")
"""Columns in the order shown."""


def _blocks(analysis: Analysis, model: str, say: Language) -> list[Block]:
    titles = construct_titles(analysis, model)
    return [
        Table(
            key=f"reliability-{model}", title=say("reliability"), notes=tuple(map(say.again, table.notes)),
            columns=columns((say("construct"), "text"), (say("reliability.items"), "int"), *_heads(say, table)),
            rows=tuple(
                body(construct_head(say, titles, construct, label), *rest)
                for construct, label, *rest in zip(
                    *(table.columns[name] for name in ("construct", "group", "items", *HEADS) if name in table.columns),
                    strict=True
                )
            ),
        )
        for table in evidence_of(analysis, "reliability", model).values()
    ]  # fmt: skip


def _heads(say: Language, table: ResultTable) -> list[tuple[str, Format]]:
    return [(say(f"reliability.{name}"), "unit") for name in HEADS if name in table.columns]


RELIABILITY = View(blocks=_blocks, shows=("reliability",))
