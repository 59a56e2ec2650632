"""Means, standard deviations and correlations of the variables of a model, group by group."""

from __future__ import annotations

import math

from cipa.evidence.findings import Analysis, Key
from cipa.evidence.sample import dataset_of
from cipa.language.speech import Language
from cipa.report.document import Block, Cell, Row, Table, columns
from cipa.report.titles import construct_titles, in_group, model_title, table_key
from cipa.report.view import View, evidence_of


def _blocks(analysis: Analysis, _: str, say: Language) -> list[Block]:
    """The tables of one model for each source and way of declaring: of the model with the fewest variables."""
    chosen: dict[tuple[str, str], str] = {}
    for name in analysis.fits:
        width = _width(analysis, name)
        key = (analysis.study.models[name].source, analysis.study.models[name].kind)
        if width and (key not in chosen or width < _width(analysis, chosen[key])):
            chosen[key] = name
    return [_table(analysis, key, say) for name in chosen.values() for key in evidence_of(analysis, "descriptives", name)]


def _width(analysis: Analysis, model: str) -> int:
    return max((len(table) for table in evidence_of(analysis, "descriptives", model).values()), default=0)


def _table(analysis: Analysis, key: Key, say: Language) -> Table:
    """Correlations below the diagonal, the square root of AVE on it for constructs."""
    model, described = key.model, analysis.tables[key]
    correlated = analysis.tables[Key("correlations", model, group=key.group)]
    names = list(described.columns["variable"])
    r = {(a, b): value for a, b, value in zip(*(correlated.columns[name] for name in ("first", "second", "r")), strict=True)}
    ave, titles = _root_ave(analysis, key), construct_titles(analysis, model)
    wide = len(names) if names[-1] in ave else len(names) - 1  # without AVE nothing stands in the last column
    heads = columns(
        (say("descriptives.variable"), "text"),
        (say("descriptives.n"), "int"),
        (say("descriptives.mean"), "estimate"),
        (say("descriptives.sd"), "estimate"),
        *[(str(k + 1), "unit") for k in range(wide)],
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
    of = say("descriptives.of", model=model_title(analysis, model))
    notes = [of, *[say("descriptives.ave")] * bool(ave), say("descriptives.note")]
    return Table(
        key=table_key("descriptives", key), notes=tuple(notes), columns=heads, rows=rows,
        title=say("descriptives", data=dataset_of(analysis, model).name, group=in_group(say, key.group)),
    )  # fmt: skip


def _entry(names: list[str], row: int, column: int, r: dict[tuple[str, str], float], ave: dict[str, float]) -> float | None:
    if column > row:
        return None
    return ave.get(names[row]) if row == column else r[names[row], names[column]]


def _root_ave(analysis: Analysis, key: Key) -> dict[str, float]:
    """Square roots of AVE of the constructs of a group."""
    table = analysis.tables.get(Key("reliability", key.model))
    if table is None:
        return {}
    cells = zip(*(table.columns[name] for name in ("construct", "group", "ave")), strict=True)
    return {construct: math.sqrt(ave) for construct, group, ave in cells if group == key.group and not math.isnan(ave)}


DESCRIPTIVES = View(blocks=_blocks, shows=("descriptives", "correlations"))
