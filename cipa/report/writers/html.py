"""A Document as one HTML file: no network, no script, figures inside as images, everything escaped by the template."""

from __future__ import annotations

import base64
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cipa.report.document import Document, numbered, side
from cipa.report.letters import text_width
from cipa.report.words import shown

_HERE = Path(__file__).parent


def write_html(document: Document, path: Path) -> None:
    """Write the report to `path`."""
    path.write_text(render_html(document), encoding="utf-8", newline="\n")


def render_html(document: Document) -> str:
    """The report as text."""
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "shown": shown,
        "image": _image,
        "side": side,
        "room": _room,
        "kind": lambda block: type(block).__name__,
    }
    return environment.get_template("report.html.j2").render(document=document, blocks=numbered(document))


def _room(text: str) -> str:
    """Class of a cell of words: short ones are not broken, long ones have room for a few words in a line."""
    width = text_width(text, 1.0)
    return "short" if width < 8 else "wide" if width > 14 else ""


def _image(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
