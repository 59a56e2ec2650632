"""Whether constructs are distinct: Fornell and Larcker's comparison, and HTMT ratios."""

from __future__ import annotations

from cipa.evidence.findings import Analysis, Key
from cipa.language.speech import Language
from cipa.report.document import Block, Table, body, columns
from cipa.report.titles import construct_titles, in_group, table_key
from cipa.report.view import View, evidence_of
from cipa.results.display import ResultTable


def _fornell_larcker(analysis: Analysis, model: str, say: Language) -> list[Block]:
    """Roots of AVE on the diagonal, correlations of the constructs below it."""
    titles = construct_titles(analysis, model)
    blocks: list[Block] = []
    for key, table in evidence_of(analysis, "fornell_larcker", model).items():
        names = table.columns["construct"]
        heads = columns((say("construct"), "text"), *[(str(k + 1), "unit") for k in range(len(names))])
        rows = tuple(
            body(f"{i + 1} {titles.get(name, name)}", *[table.columns[other][i] for other in names])
            for i, name in enumerate(names)
        )
        title = f"{say.again(table.title)}{in_group(say, key.group)}"
        notes = tuple(map(say.again, table.notes))
        blocks.append(Table(key=table_key("fornell-larcker", key), title=title, columns=heads, rows=rows, notes=notes))
    return blocks


def _htmt(analysis: Analysis, model: str, say: Language) -> list[Block]:
    return [_ratios(analysis, key, table, say) for key, table in evidence_of(analysis, "htmt", model).items()]


def _ratios(analysis: Analysis, key: Key, table: ResultTable, say: Language) -> Table:
    """Ratios below the diagonal."""
    ratio = {(a, b): value for a, b, value in zip(*(table.columns[name] for name in ("first", "second", "htmt")), strict=True)}
    names = list(dict.fromkeys([*table.columns["second"], *table.columns["first"]]))
    titles = construct_titles(analysis, key.model)
    heads = columns((say("construct"), "text"), *[(str(k + 1), "unit") for k in range(len(names) - 1)])
    rows = tuple(
        body(
            f"{i + 1} {titles.get(name, name)}",
            *[ratio.get((name, names[j]), ratio.get((names[j], name))) if j < i else None for j in range(len(names) - 1)],
        )
        for i, name in enumerate(names)
    )
    notes = (*map(say.again, table.notes), say("htmt.note"))
    title = f"{say.again(table.title)}{in_group(say, key.group)}"
    return Table(key=table_key("htmt", key), title=title, columns=heads, rows=rows, notes=notes)


FORNELL_LARCKER = View(blocks=_fornell_larcker, shows=("fornell_larcker",))
HTMT = View(blocks=_htmt, shows=("htmt",))
