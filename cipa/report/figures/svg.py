"""A few SVG shapes with escaped text and fixed decimals, so that the same picture is the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

FONT = "Libertinus Serif, Georgia, Times New Roman, serif"
CHARACTER = 0.5
"""Mean width of a character, in font sizes; for making room, not for setting type."""


def number(value: float) -> str:
    """A coordinate with at most two decimals."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def text_width(text: str, size: float) -> float:
    """Room that a line of text needs; characters of East Asian scripts are as wide as they are high."""
    return size * sum(1.0 if ord(character) > 0x2E80 else CHARACTER for character in text)


def label(lines: Sequence[str], x: float, y: float, *, size: float, weight: str = "normal") -> str:
    """Lines of text centred on a point."""
    first = y - (len(lines) - 1) * size * 0.6
    spans = "".join(
        f'<tspan x="{number(x)}" y="{number(first + k * size * 1.2 + size * 0.35)}">{escape(line)}</tspan>'
        for k, line in enumerate(lines)
    )
    return f'<text text-anchor="middle" font-size="{number(size)}" font-weight="{weight}" fill="#000">{spans}</text>'


def ellipse(x: float, y: float, rx: float, ry: float) -> str:
    """A latent variable."""
    return f'<ellipse cx="{number(x)}" cy="{number(y)}" rx="{number(rx)}" ry="{number(ry)}" fill="#fff" stroke="#000" stroke-width="1.2"/>'


def rectangle(x: float, y: float, width: float, height: float, *, stroke: str = "#000") -> str:
    """An observed variable (or, without stroke, the ground of a label), centred on a point."""
    corner = f'x="{number(x - width / 2)}" y="{number(y - height / 2)}"'
    return f'<rect {corner} width="{number(width)}" height="{number(height)}" fill="#fff" stroke="{stroke}" stroke-width="1.2"/>'


def line(start: tuple[float, float], end: tuple[float, float], *, dashed: bool = False) -> str:
    """A straight line."""
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    ends = f'x1="{number(start[0])}" y1="{number(start[1])}" x2="{number(end[0])}" y2="{number(end[1])}"'
    return f'<line {ends} stroke="#000" stroke-width="1.1"{dash}/>'


def curve(start: tuple[float, float], bend: tuple[float, float], end: tuple[float, float], *, dashed: bool = False) -> str:
    """A quadratic curve."""
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    points = f"M {number(start[0])} {number(start[1])} Q {number(bend[0])} {number(bend[1])} {number(end[0])} {number(end[1])}"
    return f'<path d="{points}" fill="none" stroke="#000" stroke-width="1.1"{dash}/>'


def head(tip: tuple[float, float], towards: tuple[float, float], *, size: float = 8.0) -> str:
    """An arrow head at `tip` on a line that comes from `towards`."""
    dx, dy = tip[0] - towards[0], tip[1] - towards[1]
    length = max((dx * dx + dy * dy) ** 0.5, 1e-9)
    ux, uy = dx / length, dy / length
    back = (tip[0] - size * ux, tip[1] - size * uy)
    left = (back[0] - 0.4 * size * uy, back[1] + 0.4 * size * ux)
    right = (back[0] + 0.4 * size * uy, back[1] - 0.4 * size * ux)
    points = " ".join(f"{number(x)},{number(y)}" for x, y in (tip, left, right))
    return f'<polygon points="{points}" fill="#000"/>'


def picture(shapes: Sequence[str], *, box: tuple[float, float, float, float], title: str, description: str) -> str:
    """A whole picture; `box` is left, top, width, height."""
    view = " ".join(number(value) for value in box)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}" width="{number(box[2])}" height="{number(box[3])}"'
        f' font-family="{FONT}" role="img">\n<title>{escape(title)}</title>\n<desc>{escape(description)}</desc>\n'
        + "\n".join(shapes)
        + "\n</svg>\n"
    )
