"""How far two programs agree, and the estimates of a model that another program fitted."""

from __future__ import annotations

from cipa.evidence.findings import Analysis
from cipa.report.document import Block, Note, Row, Table, body, columns
from cipa.report.titles import model_title
from cipa.results.display import ResultTable

_ONE = "cross_check:"


def agreement_blocks(analysis: Analysis) -> list[Block]:
    """One table of the models that were compared, and a line for each that could not be."""
    found = {key.removeprefix(_ONE): table for key, table in analysis.tables.items() if key.startswith(_ONE)}
    rows = [_row(model_title(analysis, name), table) for name, table in found.items() if len(table)]
    blocks: list[Block] = []
    if rows:
        heads = columns(
            ("Model", "text"),
            ("Parameters", "int"),
            ("Estimates, in SEs", "text"),
            ("Standard errors, relative", "text"),
            ("Statistics", "text"),
            ("Statistics, relative", "text"),
        )
        notes = (*(f"{model_title(analysis, name)}: {table.notes[0]}" for name, table in found.items() if len(table)), _SCOPE)
        blocks.append(Table(key="agreement", title="Agreement of two programs", columns=heads, rows=tuple(rows), notes=notes))
    refused = [Note(text=f"{model_title(analysis, name)}: {table.notes[0]}") for name, table in found.items() if not len(table)]
    return [*blocks, *refused]


_SCOPE = (
    "Largest differences. Both programs were given the data and the list of parameters that cipa read, so an error in reading or in"
    " completing the model would be common to both."
)


def _row(title: str, table: ResultTable) -> Row:
    cells = list(zip(*(table.columns[name] for name in ("kind", "term", "relative", "in_std_errors")), strict=True))
    estimates = [abs(in_errors) for kind, _, _, in_errors in cells if kind == "estimate"]
    errors = [relative for kind, _, relative, _ in cells if kind == "std_error"]
    others = [(term, relative) for kind, term, relative, _ in cells if kind == "statistic"]
    worst = _small(max(relative for _, relative in others)) if others else "none compared"
    return body(title, len(estimates), _small(max(estimates)), _small(max(errors)), ", ".join(term for term, _ in others), worst)


def _small(value: float) -> str:
    """A bound, as a power of ten: what lies below it is rounding, and differs between machines."""
    for exponent in range(8, 0, -1):
        if value < 10.0**-exponent:
            return f"< 1e−{exponent}"
    return f"{value:.2g}"


def engine_table(analysis: Analysis, model: str) -> Table:
    """Free parameters of a structural equation model that another program fitted."""
    fit = analysis.fits[model]
    heads = columns(("Parameter", "text"), ("b", "estimate"), ("SE", "estimate"), ("95% interval", "interval"), ("p", "p"))
    rows = tuple(
        body(str(row.term), row.estimate, row.std_error, (row.conf_low, row.conf_high), row.p_value)
        for row in fit.estimates
        if row.status == "free"
    )
    notes = (f"Computed by {fit.engine}. Standard errors: {fit.vcov_type.note or fit.vcov_type}. p-values are two-sided.",)
    return Table(key=f"engine-{model}", title=f"Estimates by {fit.engine}", columns=heads, rows=rows, notes=notes)
