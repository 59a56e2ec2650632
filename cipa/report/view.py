"""How a report is put together: a view shows something of a subject, a section is views in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cipa.evidence.findings import Analysis, Key
from cipa.language.speech import Language
from cipa.report.document import Block, Heading
from cipa.results.display import ResultTable


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A table, a figure or a paragraph of a report.

    Parameters
    ----------
    blocks : analysis, subject, language -> blocks
        The subject is a model of the study, or "" where a view is of the whole study.
    shows : tuple of str
        The exhibits of `cipa.evidence.exhibits` that it shows; what no view shows, the report prints as a plain table.
    """

    blocks: Callable[[Analysis, str, Language], Sequence[Block]]
    shows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a report, once for each of its subjects.

    Parameters
    ----------
    heading : str, or analysis, subject -> str
        A code of the language, or how the heading follows from the subject; "" for a part without a heading.
    views : tuple of View
        In order. A part of which they show nothing is left out.
    subjects : analysis -> models; by default the study as a whole
    """

    heading: str | Callable[[Analysis, str], str]
    views: tuple[View, ...]
    subjects: Callable[[Analysis], Sequence[str]] = lambda analysis: ("",)

    def blocks(self, analysis: Analysis, say: Language) -> list[Block]:
        """Heading and blocks of every subject."""
        return [block for subject in self.subjects(analysis) for block in self._part(analysis, subject, say)]

    def _part(self, analysis: Analysis, subject: str, say: Language) -> list[Block]:
        blocks = [block for view in self.views for block in view.blocks(analysis, subject, say)]
        title = self.heading(analysis, subject) if callable(self.heading) else say(self.heading) if self.heading else ""
        return [Heading(text=title), *blocks] if blocks and title else blocks


def evidence_of(analysis: Analysis, exhibit: str, model: str) -> dict[Key, ResultTable]:
    """What an exhibit found about a model, in the order in which it was computed."""
    return {key: table for key, table in analysis.tables.items() if (key.exhibit, key.model) == (exhibit, model)}
