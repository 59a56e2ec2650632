"""Which parts, in which order: an Analysis becomes a Document.

A section is a heading and views in order. Structural equation models have sections of their own and regressions stand side by side; a fit
of any other family, and evidence that no view shows, is printed as it is, so that nothing that was computed is invisible.
"""

from __future__ import annotations

from cipa.evidence.findings import Analysis
from cipa.evidence.sample import dataset_of
from cipa.report.document import Block, Document, Note, Paragraph
from cipa.report.figures.diagrams import DIAGRAM
from cipa.report.notices import NOTICES
from cipa.report.replication import REPRODUCE
from cipa.report.tables.agreement import AGREEMENT
from cipa.report.tables.any_fit import ABOUT, ESTIMATES
from cipa.report.tables.any_table import plain_tables
from cipa.report.tables.descriptives import DESCRIPTIVES
from cipa.report.tables.discriminant import FORNELL_LARCKER, HTMT
from cipa.report.tables.loadings import LOADINGS
from cipa.report.tables.moderation import MODERATION
from cipa.report.tables.paths import PATHS
from cipa.report.tables.regressions import REGRESSIONS, regressions
from cipa.report.tables.reliability import RELIABILITY
from cipa.report.tables.sample import SAMPLE
from cipa.report.tables.verdicts import VERDICTS
from cipa.report.titles import model_title
from cipa.report.view import Section, View
from cipa.report.words import fit_sentence


def outline(analysis: Analysis) -> Document:
    """The whole report."""
    study = analysis.study
    blocks = [block for section in SECTIONS for block in section.blocks(analysis)]
    return Document(title=study.title or "Untitled study", author=str(study.report.get("author", "")), blocks=tuple(blocks))


def _remark(analysis: Analysis, _: str) -> list[Block]:
    note = analysis.study.report.get("note")
    return [Note(text=str(note))] if note else []


def _introduction(analysis: Analysis, model: str) -> list[Block]:
    """Which model, by which method, of how many cases; the fit of a structural equation model."""
    fit = analysis.fits[model]
    used = f"N = {fit.nobs}, {fit.npar} free parameters, {dataset_of(analysis, model).name}"
    told = "" if fit.answers.structure is None else f" {fit_sentence(fit.reported_statistics)}"
    return [Paragraph(text=f"{fit.title}. {used}.{told}")]


def _structures(analysis: Analysis) -> list[str]:
    return [name for name, fit in analysis.fits.items() if fit.answers.structure is not None]


def _others(analysis: Analysis) -> list[str]:
    """The fits that no other section shows."""
    return [name for name in analysis.fits if name not in (*_structures(analysis), *regressions(analysis))]


def _moderations(analysis: Analysis, _: str) -> list[Block]:
    return [block for name in regressions(analysis) for block in MODERATION.blocks(analysis, name)]


def _unseen(analysis: Analysis, _: str) -> list[Block]:
    return plain_tables(analysis, {exhibit for section in SECTIONS for view in section.views for exhibit in view.shows})


INTRODUCTION = View(blocks=_introduction)

SECTIONS: tuple[Section, ...] = (
    Section(heading=lambda *_: "", views=(View(blocks=_remark),)),
    Section(heading=lambda *_: "Summary", views=(VERDICTS,)),
    Section(heading=lambda *_: "Data", views=(SAMPLE, DESCRIPTIVES)),
    Section(
        heading=model_title, subjects=_structures,
        views=(INTRODUCTION, LOADINGS, RELIABILITY, FORNELL_LARCKER, HTMT, PATHS, DIAGRAM, MODERATION),
    ),
    Section(heading=lambda *_: "Regressions", views=(REGRESSIONS, View(blocks=_moderations, shows=MODERATION.shows))),
    Section(heading=model_title, subjects=_others, views=(INTRODUCTION, ESTIMATES, ABOUT, MODERATION)),
    Section(heading=lambda *_: "Further evidence", views=(View(blocks=_unseen),)),
    Section(heading=lambda *_: "Agreement of two programs", views=(AGREEMENT,)),
    Section(heading=lambda *_: "Notices", views=(NOTICES,)),
    Section(heading=lambda *_: "How to reproduce", views=(REPRODUCE,)),
)  # fmt: skip
"""The parts of a report, in order."""
