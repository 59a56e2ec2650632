"""Evidence that no other view shows, as the table it is."""

from __future__ import annotations

from cipa.evidence.findings import Analysis, Key
from cipa.language.speech import Language
from cipa.report.document import Block, Table, body, columns
from cipa.report.titles import in_group, model_title, table_key
from cipa.results.display import ResultTable


def plain_tables(analysis: Analysis, shown: set[str], say: Language) -> list[Block]:
    """A table for each piece of evidence whose exhibit is not among those shown."""
    return [_plain(analysis, key, table, say) for key, table in analysis.tables.items() if key.exhibit not in shown]


def _plain(analysis: Analysis, key: Key, table: ResultTable, say: Language) -> Table:
    heads = columns(*[(name, "estimate" if _numeric(values) else "text") for name, values in table.columns.items()])
    rows = tuple(body(*cells) for cells in zip(*table.columns.values(), strict=True))
    about = f", {model_title(analysis, key.model)}" if key.model else ""
    return Table(
        key=table_key(key.exhibit, key),
        title=f"{say.again(table.title)}{about}{in_group(say, key.group)}",
        columns=heads,
        rows=rows,
        notes=tuple(map(say.again, table.notes)),
    )


def _numeric(values: tuple[object, ...]) -> bool:
    return any(isinstance(value, float) for value in values) and not any(isinstance(value, str) for value in values)
