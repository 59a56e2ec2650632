"""The measurement model: loadings, reliability, and whether constructs are distinct."""

from __future__ import annotations

from typing import Any

from cipa.evidence.findings import Analysis
from cipa.report.document import Row, Table, body, columns, group
from cipa.report.titles import construct_titles, dataset_of


def measurement_table(analysis: Analysis, model: str) -> Table | None:
    """Standardized loadings with their own errors, construct by construct."""
    fit: Any = analysis.fits[model]
    loadings = [row for row in fit.estimates if row.term.op == "=~"]
    if not loadings:
        return None
    errors = {row.term: row for row in fit.standardized}
    titles, data = construct_titles(analysis, model), dataset_of(analysis, model)
    heads = columns(
        ("Construct and item", "text"),
        ("Wording", "text"),
        ("b", "estimate"),
        ("λ", "unit"),
        ("SE", "unit"),
        ("95% interval of λ", "interval"),
    )
    rows: list[Row] = []
    seen: set[tuple[str, str | None]] = set()
    for row in loadings:
        key = (row.term.lhs, row.term.group)
        if key not in seen:
            seen.add(key)
            rows.append(group(_head(titles, *key), width=6))
        std = errors[row.term]
        item = data.items.get(row.term.rhs)
        wording = f"{item.text}{' (reversed)' if item.reversed else ''}" if item else titles.get(row.term.rhs, "")
        rows.append(body(row.term.rhs, wording, row.estimate, std.estimate, std.std_error, (std.conf_low, std.conf_high)))
    notes = (
        "b: loading in the units of the items, 1 where it sets the construct's scale; λ: completely standardized loading, with its own"
        " standard error (delta method).",
    )
    return Table(key=f"measurement-{model}", title="Measurement model: loadings", columns=heads, rows=tuple(rows), notes=notes)


def _head(titles: dict[str, str], construct: str, label: str | None) -> str:
    title = titles.get(construct, construct)
    name = title if title == construct else f"{title} ({construct})"
    return f"{name}, group {label}" if label else name


def reliability_table(analysis: Analysis, model: str) -> Table | None:
    """Alpha, omega, composite reliability and AVE of each construct."""
    found = analysis.tables.get(f"reliability:{model}")
    if found is None:
        return None
    titles = construct_titles(analysis, model)
    heads = columns(("Construct", "text"), ("Items", "int"), ("α", "unit"), ("ω", "unit"), ("CR", "unit"), ("AVE", "unit"))
    cells = zip(*(found.columns[name] for name in ("construct", "group", "items", "alpha", "omega", "cr", "ave")), strict=True)
    rows = tuple(body(_head(titles, construct, label), *rest) for construct, label, *rest in cells)
    return Table(
        key=f"reliability-{model}", title="Reliability and convergent validity", columns=heads, rows=rows, notes=found.notes
    )


def validity_table(analysis: Analysis, model: str) -> Table | None:
    """HTMT ratios below the diagonal."""
    found = analysis.tables.get(f"htmt:{model}")
    if found is None:
        return None
    ratio = {(a, b): value for a, b, value in zip(*(found.columns[key] for key in ("first", "second", "htmt")), strict=True)}
    names = list(dict.fromkeys([*found.columns["second"], *found.columns["first"]]))
    titles = construct_titles(analysis, model)
    heads = columns(("Construct", "text"), *[(str(k + 1), "unit") for k in range(len(names) - 1)])
    rows = tuple(
        body(
            f"{i + 1} {titles.get(name, name)}",
            *[ratio.get((name, names[j]), ratio.get((names[j], name))) if j < i else None for j in range(len(names) - 1)],
        )
        for i, name in enumerate(names)
    )
    notes = (*found.notes, "Values above .85 (.90 for neighbouring constructs) would question that two constructs are distinct.")
    return Table(key=f"htmt-{model}", title=found.title, columns=heads, rows=rows, notes=notes)
