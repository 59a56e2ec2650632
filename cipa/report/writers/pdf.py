"""A Document as PDF, set by Typst: the template is fixed, the text arrives as JSON and is never read as markup."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import typst

from cipa.report.document import Block, Document, Figure, Heading, Listing, Note, Paragraph, numbered
from cipa.report.writers.columns import set_out

_TEMPLATE = Path(__file__).parent / "report.typ"
_EPOCH = 1_577_836_800
"""Date inside the file, the start of 2020 in seconds: a PDF of the same numbers is the same bytes."""

_PICTURE = '#set page(width: auto, height: auto, margin: 0pt)\n#image("figure.svg")\n'

_EAST_ASIAN = "\u2e80"


def write_pdf(document: Document, path: Path) -> None:
    """Write the report to `path`."""
    path.write_bytes(render_pdf(document))


def render_pdf(document: Document) -> bytes:
    """The report as PDF; fonts of the system are asked only for East Asian letters, which the built-in ones lack."""
    figures = {f"figure{k}.svg": block.svg.encode() for k, block in enumerate(_figures(document), 1)}
    data = json.dumps(_plain(document), ensure_ascii=False)
    files: Any = {"main.typ": _TEMPLATE.read_bytes(), "report.json": data.encode(), **figures}
    return bytes(typst.compile(files, format="pdf", ignore_system_fonts=_built_in(data), timestamp=_EPOCH))


def render_picture(svg: str, format: Literal["pdf", "png"]) -> bytes:
    """A figure by itself as "pdf" or "png" (300 dots per inch), on a page of its size."""
    files: Any = {"main.typ": _PICTURE.encode(), "figure.svg": svg.encode()}
    return bytes(typst.compile(files, format=format, ignore_system_fonts=_built_in(svg), timestamp=_EPOCH, ppi=300.0))


def _built_in(text: str) -> bool:
    """Whether the fonts inside Typst have every letter."""
    return not any(character >= _EAST_ASIAN for character in text)


def _figures(document: Document) -> list[Figure]:
    return [block for block in document.blocks if isinstance(block, Figure)]


def _plain(document: Document) -> dict[str, Any]:
    return {
        "title": document.title, "author": document.author, "language": document.language, "words": dict(document.words),
        "blocks": [_block(block, number) for block, number in numbered(document)],
    }  # fmt: skip


def _block(block: Block, number: int) -> dict[str, Any]:
    match block:
        case Heading(text=text, level=level):
            return {"kind": "heading", "text": text, "level": level}
        case Paragraph(text=text):
            return {"kind": "paragraph", "text": text}
        case Note(text=text, severity=severity):
            return {"kind": "note", "text": text, "severity": severity}
        case Listing(text=text):
            return {"kind": "listing", "text": text}
        case Figure():
            return {
                "kind": "figure", "title": block.title, "file": f"figure{number}.svg", "alt": block.alt,
                "notes": list(block.notes),
                "number": number,
            }  # fmt: skip
    return {"kind": "table", "title": block.title, "number": number, "notes": list(block.notes), "parts": set_out(block)}
