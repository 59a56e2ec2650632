"""Which blocks, in which order: an Analysis becomes a Document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from cipa.evidence.findings import Analysis, VerdictWord
from cipa.report.document import Block, Document, Figure, Heading, Note, Paragraph, not_empty
from cipa.report.figures.path_diagram import path_diagram
from cipa.report.figures.simple_slopes import slopes_figure
from cipa.report.replication import reproduce_blocks
from cipa.report.tables.agreement import agreement_blocks, engine_table
from cipa.report.tables.descriptives import descriptives_table
from cipa.report.tables.measurement import measurement_table, reliability_table, validity_table
from cipa.report.tables.panel import panel_tables
from cipa.report.tables.sample import sample_table
from cipa.report.tables.slopes import slopes_table
from cipa.report.tables.structural import structural_table
from cipa.report.tables.verdicts import verdict_table
from cipa.report.titles import construct_titles, dataset_of, fits_of, model_title
from cipa.report.words import counted, decimal, fit_sentence, listed, per_cent
from cipa.results.display import ResultTable
from cipa.results.questions import spread


def outline(analysis: Analysis) -> Document:
    """The whole report."""
    study = analysis.study
    blocks = [
        *_summary(analysis),
        Heading(text="Data"),
        Paragraph(text=_sample_sentence(analysis)),
        sample_table(analysis),
        *_descriptives(analysis),
        *[block for name in fits_of(analysis, "sem") for block in _sem(analysis, name)],
        *_panel(analysis),
        *_agreement(analysis),
        *_notices(analysis),
        *reproduce_blocks(analysis),
    ]
    return Document(title=study.title or "Untitled study", author=str(study.report.get("author", "")), blocks=tuple(blocks))


def _summary(analysis: Analysis) -> list[Block]:
    blocks: list[Block] = []
    note = analysis.study.report.get("note")
    if note:
        blocks.append(Note(text=str(note)))
    table = verdict_table(analysis)
    if table is not None:
        blocks += [Heading(text="Summary"), Paragraph(text=_verdict_sentence(analysis)), table]
    return blocks


def _verdict_sentence(analysis: Analysis) -> str:
    order: tuple[VerdictWord, ...] = ("supported", "contrary", "not supported", "inconclusive", "not tested")
    count = Counter(verdict.verdict for verdict in analysis.verdicts)
    parts = [f"{count[word]} {'is' if count[word] == 1 else 'are'} {word}" for word in order if count[word]]
    total = len({verdict.hypothesis.name for verdict in analysis.verdicts})
    several = " (a hypothesis has a verdict in each model that holds it)" if total < len(analysis.verdicts) else ""
    return f"The study declares {counted(total, 'hypothesis')}{several}: {listed(parts)}."


def _sample_sentence(analysis: Analysis) -> str:
    parts = []
    for name, data in analysis.datasets.items():
        dropped = data.log[0].rows_before - data.nobs if data.log else 0
        read = data.log[0].rows_before if data.log else data.nobs
        share = (
            f", {dropped} of them ({per_cent(dropped / read)}) excluded by the screening rules" if dropped else ", none excluded"
        )
        parts.append(f"Source {name}: {read} rows read{share}")
    return ". ".join(parts) + "."


def _descriptives(analysis: Analysis) -> list[Block]:
    """One table for each source and family: that of the model with the fewest variables."""
    chosen: dict[tuple[str, str], str] = {}
    for name, fit in analysis.fits.items():
        key = (analysis.study.models[name].source, fit.kind)
        if key not in chosen or _width(analysis, name) < _width(analysis, chosen[key]):
            chosen[key] = name
    return list(not_empty([descriptives_table(analysis, name) for name in chosen.values()]))


def _width(analysis: Analysis, model: str) -> int:
    return len(analysis.tables[f"descriptives:{model}"])


def _sem(analysis: Analysis, name: str) -> list[Block]:
    fit: Any = analysis.fits[name]
    if fit.engine != "native":
        return [
            Heading(text=model_title(analysis, name)),
            Paragraph(text=f"{fit.title}. N = {fit.nobs}, {fit.npar} free parameters, {dataset_of(analysis, name).name}."),
            engine_table(analysis, name),
        ]
    diagram = path_diagram(fit, titles=construct_titles(analysis, name))
    figure = Figure(key=f"diagram-{name}", title="Path diagram", svg=diagram.svg, alt=diagram.alt, notes=(diagram.note,))
    used = f"N = {fit.nobs}, {fit.npar} free parameters, {dataset_of(analysis, name).name}"
    about = f"{fit.title}. {used}. {fit_sentence(fit.reported_statistics)}"
    return [
        Heading(text=model_title(analysis, name)),
        Paragraph(text=about),
        *not_empty(
            [
                measurement_table(analysis, name),
                reliability_table(analysis, name),
                validity_table(analysis, name),
                structural_table(analysis, name),
                figure,
            ]
        ),
    ]


def _agreement(analysis: Analysis) -> list[Block]:
    found = agreement_blocks(analysis)
    return [Heading(text="Agreement of two programs"), *found] if found else []


def _panel(analysis: Analysis) -> list[Block]:
    fits = fits_of(analysis, "panel")
    if not fits:
        return []
    blocks: list[Block] = [Heading(text="Panel models"), *panel_tables(analysis)]
    for name in fits:
        slopes = [(key, table) for key, table in analysis.tables.items() if key.startswith(f"simple_slopes:{name}:")]
        for key, table in slopes:
            blocks += _moderation(analysis, name, key, table)
    return blocks


def _moderation(analysis: Analysis, name: str, key: str, found: ResultTable) -> Sequence[Block]:
    fit = analysis.fits[name]
    _, _, path, moderator = key.split(":", 3)
    outcome, cause = (part.strip() for part in path.split("~"))
    titles = construct_titles(analysis, name)
    shown = {word: titles.get(word, word) for word in (outcome, cause, moderator)}
    two_valued = len(found) == 2
    effect = f"{shown[cause]} → {shown[outcome]}"
    table = slopes_table(found, key=f"slopes-{name}-{cause}-{moderator}", effect=effect, moderator=shown[moderator])
    figure = slopes_figure(
        found, key=f"slopes-{name}-{cause}-{moderator}", spread=spread(fit, cause), cause=shown[cause], outcome=shown[outcome],
        moderator=shown[moderator], two_valued=two_valued,
    )  # fmt: skip
    blocks: list[Block] = [table, figure]
    region = analysis.tables.get(key.replace("simple_slopes:", "johnson_neyman:", 1))
    if region is not None and not two_valued:
        blocks.insert(1, Paragraph(text=_region_sentence(region, effect, shown[moderator])))
    return blocks


def _region_sentence(region: ResultTable, effect: str, moderator: str) -> str:
    low, high, word, share = (region.columns[name][0] for name in ("bound_low", "bound_high", "significant", "share"))
    if word in ("everywhere", "nowhere"):
        return f"Johnson-Neyman: the effect {effect} differs from 0 at {'every value' if word == 'everywhere' else 'no value'} of {moderator}."
    return (
        f"Johnson-Neyman: the effect {effect} differs from 0 (pointwise 95% tests) where {moderator} lies {word} {decimal(low)} to"
        f" {decimal(high)}; {per_cent(share)} of the sample lie there."
    )


def _notices(analysis: Analysis) -> list[Block]:
    blocks: list[Block] = []
    for name, message in analysis.failures.items():
        blocks.append(Note(text=f"The model {name} could not be fitted. {message}", severity="warning"))
    seen: set[str] = set()
    for fit in analysis.fits.values():
        for notice in fit.notices:
            if notice.text not in seen:
                same = [other for other, one in analysis.fits.items() if any(n.text == notice.text for n in one.notices)]
                blocks.append(Note(text=f"{listed(same)}: {notice.text}", severity=notice.severity))
                seen.add(notice.text)
    blocks += [Note(text=notice.text, severity=notice.severity) for notice in analysis.notices]
    return [Heading(text="Notices"), *blocks] if blocks else []
