"""The path diagram of a model as a block of the report."""

from __future__ import annotations

from cipa.errors import InferenceError
from cipa.evidence.findings import Analysis
from cipa.language.speech import Language
from cipa.report.document import Block, Figure, Note
from cipa.report.figures.path_diagram import draw
from cipa.report.titles import construct_titles
from cipa.report.view import View


def _blocks(analysis: Analysis, model: str, say: Language) -> list[Block]:
    """The figure, or why there is none."""
    try:
        diagram = draw(analysis.fits[model], titles=construct_titles(analysis, model), measurement=None, group=None, say=say)
    except InferenceError as problem:
        return [Note(text=str(problem))]
    return [Figure(key=f"diagram-{model}", title=say("diagram"), svg=diagram.svg, alt=diagram.alt, notes=(diagram.note,))]


DIAGRAM = View(blocks=_blocks)
