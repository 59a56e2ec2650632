"""Alpha, omega, composite reliability and AVE of each construct."""

from __future__ import annotations

from cipa.evidence.findings import Analysis
from cipa.report.document import Block, Table, body, columns
from cipa.report.titles import construct_head, construct_titles
from cipa.report.view import View, evidence_of


def _blocks(analysis: Analysis, model: str) -> list[Block]:
    titles = construct_titles(analysis, model)
    heads = columns(("Construct", "text"), ("Items", "int"), ("α", "unit"), ("ω", "unit"), ("CR", "unit"), ("AVE", "unit"))
    return [
        Table(
            key=f"reliability-{model}", title="Reliability and convergent validity", columns=heads, notes=table.notes,
            rows=tuple(
                body(construct_head(titles, construct, label), *rest)
                for construct, label, *rest in zip(
                    *(table.columns[name] for name in ("construct", "group", "items", "alpha", "omega", "cr", "ave")), strict=True
                )
            ),
        )
        for table in evidence_of(analysis, "reliability", model).values()
    ]  # fmt: skip


RELIABILITY = View(blocks=_blocks, shows=("reliability",))
