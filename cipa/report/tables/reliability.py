"""Alpha, omega, composite reliability and AVE of each construct."""

from __future__ import annotations

from cipa.evidence.findings import Analysis
from cipa.report.document import Block, Table, body, columns
from cipa.report.titles import construct_head, construct_titles
from cipa.report.view import View, evidence_of

HEADS = {
    "alpha": "α", "omega": "ω", "alpha_ordinal": "ordinal α", "omega_ordinal": "ordinal ω", "cr": "CR", "ave": "AVE"
}  # fmt: skip
"""Columns and their heads, in the order shown."""


def _blocks(analysis: Analysis, model: str) -> list[Block]:
    titles = construct_titles(analysis, model)
    return [
        Table(
            key=f"reliability-{model}", title="Reliability and convergent validity", notes=table.notes,
            columns=columns(("Construct", "text"), ("Items", "int"), *[(HEADS[name], "unit") for name in HEADS if name in table.columns]),
            rows=tuple(
                body(construct_head(titles, construct, label), *rest)
                for construct, label, *rest in zip(
                    *(table.columns[name] for name in ("construct", "group", "items", *HEADS) if name in table.columns), strict=True
                )
            ),
        )
        for table in evidence_of(analysis, "reliability", model).values()
    ]  # fmt: skip


RELIABILITY = View(blocks=_blocks, shows=("reliability",))
