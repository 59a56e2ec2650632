"""The path diagram of a model as a block of the report."""

from __future__ import annotations

from cipa.errors import InferenceError
from cipa.evidence.findings import Analysis
from cipa.report.document import Block, Figure, Note
from cipa.report.figures.path_diagram import path_diagram
from cipa.report.titles import construct_titles
from cipa.report.view import View


def _blocks(analysis: Analysis, model: str) -> list[Block]:
    """The figure, or why there is none."""
    try:
        diagram = path_diagram(analysis.fits[model], titles=construct_titles(analysis, model))
    except InferenceError as problem:
        return [Note(text=str(problem))]
    return [Figure(key=f"diagram-{model}", title="Path diagram", svg=diagram.svg, alt=diagram.alt, notes=(diagram.note,))]


DIAGRAM = View(blocks=_blocks)
