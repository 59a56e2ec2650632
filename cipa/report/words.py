"""What a table holds as text: cells by their format, effects as readers write them."""

from __future__ import annotations

import math

from cipa.language.words import MINUS, decimal, p_value, statistic, unit
from cipa.report.document import Cell, Format, Value
from cipa.terms import Path, Term


def shown(value: Value | Cell, format: Format) -> str:
    """A cell as text; a missing number is empty."""
    if isinstance(value, Cell):
        return shown(value.value, value.format)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, tuple):
        low, high = value
        return "" if math.isnan(low) or math.isnan(high) else f"[{decimal(low)}, {decimal(high)}]"
    if isinstance(value, str):
        return value
    if format == "p":
        return p_value(float(value))
    if format == "int":
        return f"{int(value)}".replace("-", MINUS)
    text = {"unit": unit, "stat": statistic}.get(format, decimal)(float(value))
    return f"({text})" if format == "paren" else text


def arrow(claim: Term | Path, titles: dict[str, str]) -> str:
    """An effect as readers write it: from the cause to the outcome."""
    if isinstance(claim, Path):
        return " → ".join(titles.get(node, node) for node in claim.nodes)
    right = " × ".join(titles.get(part, part) for part in claim.rhs.split(":"))
    left = titles.get(claim.lhs, claim.lhs)
    if claim.op == "~":
        return f"{right} → {left}"
    return f"{left} ↔ {right}" if claim.op == "~~" else f"{left} {claim.op} {right}"
