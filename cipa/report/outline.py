"""Which parts, in which order: an Analysis becomes a Document.

A section is a heading and views in order. Structural equation models have sections of their own and regressions stand side by
side; a fit of any other family, and evidence that no view shows, is printed as it is, so that nothing that was computed is
invisible.
"""

from __future__ import annotations

from cipa.evidence.findings import Analysis
from cipa.evidence.sample import dataset_of
from cipa.language.en import EN
from cipa.language.speech import Language
from cipa.report.document import FRAME, Block, Document, Note, Paragraph
from cipa.report.figures.diagrams import DIAGRAM
from cipa.report.fit_sentence import fit_sentence
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


def outline(analysis: Analysis, say: Language = EN) -> Document:
    """The whole report in a language."""
    study = analysis.study
    blocks = [block for section in SECTIONS for block in section.blocks(analysis, say)]
    return Document(
        title=study.title or say("untitled"), author=str(study.report.get("author", "")), blocks=tuple(blocks), language=say.name,
        words={code: say(code) for code in FRAME},
    )  # fmt: skip


def _remark(analysis: Analysis, _: str, say: Language) -> list[Block]:
    note = analysis.study.report.get("note")
    return [Note(text=str(note))] if note else []


def _introduction(analysis: Analysis, model: str, say: Language) -> list[Block]:
    """Which model, by which method, of how many cases; the fit of a structural equation model."""
    fit = analysis.fits[model]
    about = say("introduction", title=fit.title, nobs=fit.nobs, npar=fit.npar, data=dataset_of(analysis, model).name)
    told = "" if fit.answers.structure is None else f" {fit_sentence(fit.reported_statistics, say)}"
    return [Paragraph(text=f"{about}{told}")]


def _structures(analysis: Analysis) -> list[str]:
    return [name for name, fit in analysis.fits.items() if fit.answers.structure is not None]


def _others(analysis: Analysis) -> list[str]:
    """The fits that no other section shows."""
    return [name for name in analysis.fits if name not in (*_structures(analysis), *regressions(analysis))]


def _moderations(analysis: Analysis, _: str, say: Language) -> list[Block]:
    return [block for name in regressions(analysis) for block in MODERATION.blocks(analysis, name, say)]


def _unseen(analysis: Analysis, _: str, say: Language) -> list[Block]:
    return plain_tables(analysis, {exhibit for section in SECTIONS for view in section.views for exhibit in view.shows}, say)


INTRODUCTION = View(blocks=_introduction)

SECTIONS: tuple[Section, ...] = (
    Section(heading="", views=(View(blocks=_remark),)),
    Section(heading="summary", views=(VERDICTS,)),
    Section(heading="data", views=(SAMPLE, DESCRIPTIVES)),
    Section(
        heading=model_title, subjects=_structures,
        views=(INTRODUCTION, LOADINGS, RELIABILITY, FORNELL_LARCKER, HTMT, PATHS, DIAGRAM, MODERATION),
    ),
    Section(heading="regressions", views=(REGRESSIONS, View(blocks=_moderations, shows=MODERATION.shows))),
    Section(heading=model_title, subjects=_others, views=(INTRODUCTION, ESTIMATES, ABOUT, MODERATION)),
    Section(heading="further", views=(View(blocks=_unseen),)),
    Section(heading="agreement", views=(AGREEMENT,)),
    Section(heading="notices", views=(NOTICES,)),
    Section(heading="reproduce", views=(REPRODUCE,)),
)  # fmt: skip
"""The parts of a report, in order."""
