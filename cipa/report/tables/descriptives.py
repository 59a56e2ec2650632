"""Means, standard deviations and correlations of the variables of a model."""

from __future__ import annotations

import math

from cipa.evidence.findings import Analysis
from cipa.report.document import Cell, Row, Table, columns
from cipa.report.titles import construct_titles, dataset_of


def descriptives_table(analysis: Analysis, model: str) -> Table | None:
    """Correlations below the diagonal, the square root of AVE on it for constructs."""
    described, correlated = analysis.tables.get(f"descriptives:{model}"), analysis.tables.get(f"correlations:{model}")
    if described is None or correlated is None:
        return None
    names = list(described.columns["variable"])
    r = {(a, b): value for a, b, value in zip(*(correlated.columns[key] for key in ("first", "second", "r")), strict=True)}
    ave = _root_ave(analysis, model)
    titles = construct_titles(analysis, model)
    wide = len(names) if names[-1] in ave else len(names) - 1  # without AVE nothing stands in the last column
    heads = columns(
        ("Variable", "text"), ("N", "int"), ("M", "estimate"), ("SD", "estimate"), *[(str(k + 1), "unit") for k in range(wide)]
    )
    rows = tuple(
        Row(
            cells=(
                f"{k + 1} {titles.get(name, name)}", described.columns["n"][k],
                Cell(described.columns["mean"][k], "stat"), Cell(described.columns["sd"][k], "stat"),
                *[Cell(_entry(names, k, j, r, ave), "unit") for j in range(wide)],
            )
        )
        for k, name in enumerate(names)
    )  # fmt: skip
    notes = ["Correlations over the cases that have both variables."]
    if ave:
        notes.insert(
            0, "Constructs: mean of the items that a case answered; diagonal: square root of the average variance extracted."
        )
    return Table(
        key=f"descriptives-{model}",
        title=f"Descriptive statistics and correlations, {dataset_of(analysis, model).name}",
        columns=heads,
        rows=rows,
        notes=tuple(notes),
    )


def _entry(names: list[str], row: int, column: int, r: dict[tuple[str, str], float], ave: dict[str, float]) -> float | None:
    if column > row:
        return None
    return ave.get(names[row]) if row == column else r[names[row], names[column]]


def _root_ave(analysis: Analysis, model: str) -> dict[str, float]:
    table = analysis.tables.get(f"reliability:{model}")
    if table is None:
        return {}
    pairs = zip(table.columns["construct"], table.columns["ave"], strict=True)
    return {construct: math.sqrt(ave) for construct, ave in pairs if not math.isnan(ave)}
