"""Simple slopes of a moderated effect."""

from __future__ import annotations

from cipa.report.document import Table, body, columns
from cipa.report.words import level
from cipa.results.display import ResultTable


def slopes_table(found: ResultTable, *, key: str, effect: str, moderator: str) -> Table:
    """The effect at values of the moderator."""
    heads = columns(
        (moderator, "text"),
        ("SDs from mean", "stat"),
        ("Effect", "estimate"),
        ("SE", "estimate"),
        ("95% interval", "interval"),
        ("p", "p"),
    )
    cells = zip(
        *(found.columns[name] for name in ("value", "at", "estimate", "std_error", "conf_low", "conf_high", "p_value")),
        strict=True,
    )
    rows = tuple(body(level(value), at, b, se, (low, high), p) for value, at, b, se, low, high, p in cells)
    return Table(key=key, title=f"{effect} at values of {moderator}", columns=heads, rows=rows, notes=found.notes)
