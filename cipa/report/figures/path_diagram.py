"""Path diagram of a structural equation model: ellipses for constructs, boxes for observed variables, SVG of our own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cipa.errors import DataError, InferenceError, SpecificationError, public
from cipa.language.en import EN
from cipa.language.speech import Language
from cipa.report.figures import svg
from cipa.report.figures.scene import Scene, scene_of
from cipa.report.letters import text_width
from cipa.report.writers.pdf import render_picture
from cipa.results import questions
from cipa.results.fit import Fit

SUFFIXES = (".svg", ".pdf", ".png")
"""What a diagram can be saved as."""

_BETWEEN = 30.0  # between the panels of two groups
_HEAD = 26.0  # above a panel, for the name of its group


@dataclass(frozen=True, slots=True)
class PathDiagram:
    """A drawn model.

    Parameters
    ----------
    svg : str
    alt : str
        What the picture shows, in words.
    note : str
        What is drawn and what is not.
    """

    svg: str
    alt: str
    note: str

    @public
    def save(self, path: str | Path) -> Path:
        """Write the file that the suffix of `path` names: .svg, .pdf, or .png (300 dots per inch).

        Raises
        ------
        SpecificationError
            For another suffix.
        DataError
            For a folder that is not there.
        """
        target = Path(path)
        suffix = target.suffix.lower()
        if suffix not in SUFFIXES:
            raise SpecificationError(
                f"PathDiagram.save: '{target.name}' names no kind of picture that is written here, and a file whose content is "
                f"not what its name says opens nowhere. End it with {', '.join(SUFFIXES)}."
            )
        if not target.parent.is_dir():
            raise DataError(
                f"PathDiagram.save: there is no folder '{target.parent}' to write '{target.name}' to. Nothing is created by a "
                "slip of the pen: make the folder first, or write elsewhere."
            )
        content = self.svg.encode() if suffix == ".svg" else render_picture(self.svg, "png" if suffix == ".png" else "pdf")
        target.write_bytes(content)
        return target

    def _repr_svg_(self) -> str:
        return self.svg


@public
def path_diagram(
    fit: Any, *, titles: Mapping[str, str] | None = None, measurement: bool | None = None, group: str | None = None
) -> PathDiagram:
    r"""Draw a fitted structural equation model with its completely standardized estimates.

    Parameters
    ----------
    fit : Fit of kind "sem"
    titles : mapping of name to label, optional
    measurement : bool, optional
        Whether to draw the items; default: when there are at most 20.
    group : str, optional
        Which group; by default all, a panel each.

    Returns
    -------
    PathDiagram
        Dashed lines have p ≥ .05; no path is ever left out, and no line passes behind a box that is not its end.

    Examples
    --------
    >>> import cipa as ci, pathlib, tempfile
    >>> fit = ci.SEM("visual =~ x1 + x2 + x3\nx4 ~ visual").fit(ci.datasets.load("holzinger1939"))
    >>> place = pathlib.Path(tempfile.mkdtemp()) / "figure.svg"
    >>> _ = ci.path_diagram(fit).save(place)
    >>> "visual" in place.read_text(encoding="utf-8")
    True
    """
    return draw(fit, titles=titles or {}, measurement=measurement, group=group, say=EN)


def draw(
    fit: Fit, *, titles: Mapping[str, str], measurement: bool | None, group: str | None, say: Language
) -> PathDiagram:  # fmt: skip
    """The diagram in a language."""
    structure = questions.structure(fit, "A path diagram")
    if structure.levels:
        raise InferenceError(
            f"A path diagram of two levels ({' and '.join(structure.levels)}) is not drawn in this version. Look at "
            "fit.estimates, which have their level, or draw a fit without 'level:' blocks."
        )
    if group is not None:
        questions.refuse_group(group, structure.groups)
    labels = structure.groups if group is None else (group,)
    rows = questions.standardized(fit, "A path diagram")
    scenes = {
        label: scene_of(
            structure, [row for row in rows if row.term.group == label and row.term.op in ("=~", "~", "~~")], titles,
            measurement=measurement, group=label,
        )
        for label in labels
    }  # fmt: skip
    alt = say("diagram.alt", panels=" ".join(_words(say, label, scene) for label, scene in scenes.items()))
    return PathDiagram(svg=_drawn(say, scenes, alt), alt=alt, note=_note(say, next(iter(scenes.values()))))


def _drawn(say: Language, scenes: Mapping[str | None, Scene], alt: str) -> str:
    """The panels one below the other, each with the name of its group."""
    if len(scenes) == 1:
        shapes, box = next(iter(scenes.values())).drawn()
        return svg.picture(shapes, box=box, title=say("diagram"), description=alt)
    panels, wide, y = [], 0.0, 0.0
    for label, scene in scenes.items():
        shapes, (left, top, width, height) = scene.drawn()
        head = svg.label([say("group", group=label)], 0, 0, size=14, weight="bold", anchor="start")
        panels += [svg.moved([head], 12, y + 18), svg.moved(shapes, -left, y + _HEAD - top)]
        wide, y = max(wide, width, text_width(say("group", group=label), 14) * 1.1 + 24), y + _HEAD + height + _BETWEEN
    return svg.picture(panels, box=(0.0, 0.0, wide, y - _BETWEEN), title=say("diagram"), description=alt)


def _words(say: Language, label: str | None, scene: Scene) -> str:
    """The paths of a panel, for a reader who does not see it."""
    told = []
    for row in (line.row for line in scene.lines if line.row in scene.paths):
        ends = (row.term.rhs, row.term.lhs) if row.term.op == "~" else (row.term.lhs, row.term.rhs)
        told.append(say("diagram.path", cause=ends[0], outcome=ends[1], value=row.estimate))
    paths = "; ".join(told)
    return say("diagram.panel", paths=paths) if label is None else say("diagram.panel.group", group=label, paths=paths)


def _note(say: Language, scene: Scene) -> str:
    note = say("diagram.note" if scene.paths else "diagram.note.measurement")
    return f"{note} {say('diagram.hidden', count=scene.hidden)}" if scene.hidden else note
