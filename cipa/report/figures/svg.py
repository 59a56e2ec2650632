"""A few SVG shapes with escaped text and fixed decimals, so that the same picture is the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

FONT = "Libertinus Serif, Georgia, Times New Roman, serif"


def number(value: float) -> str:
    """A coordinate with at most two decimals."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def label(lines: Sequence[str], x: float, y: float, *, size: float, weight: str = "normal", anchor: str = "middle") -> str:
    """Lines of text centred on a point, or starting there."""
    first = y - (len(lines) - 1) * size * 0.6
    spans = "".join(
        f'<tspan x="{number(x)}" y="{number(first + k * size * 1.2 + size * 0.35)}">{escape(line)}</tspan>'
        for k, line in enumerate(lines)
    )
    return f'<text text-anchor="{anchor}" font-size="{number(size)}" font-weight="{weight}" fill="#000">{spans}</text>'


def ellipse(x: float, y: float, rx: float, ry: float) -> str:
    """A latent variable."""
    return (
        f'<ellipse cx="{number(x)}" cy="{number(y)}" rx="{number(rx)}" ry="{number(ry)}" fill="#fff" stroke="#000" '
        'stroke-width="1.2"/>'
    )


def rectangle(x: float, y: float, width: float, height: float, *, stroke: str = "#000") -> str:
    """An observed variable (or, without stroke, the ground of a label), centred on a point."""
    corner = f'x="{number(x - width / 2)}" y="{number(y - height / 2)}"'
    return f'<rect {corner} width="{number(width)}" height="{number(height)}" fill="#fff" stroke="{stroke}" stroke-width="1.2"/>'


def stroke(control: Any, *, dashed: bool = False) -> str:
    """A line through two points, or a curve by three or four control points."""
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    points = [f"{number(float(x))} {number(float(y))}" for x, y in control]
    shape = {2: "L", 3: "Q", 4: "C"}[len(points)]
    return f'<path d="M {points[0]} {shape} {" ".join(points[1:])}" fill="none" stroke="#000" stroke-width="1.1"{dash}/>'


def path(points: Any, *, colour: str, width: float, dash: str = "") -> str:
    """A line through any points."""
    places = " ".join(f"{number(float(x))},{number(float(y))}" for x, y in points)
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="{number(width)}"{dashes}/>'


def area(points: Any, *, colour: str) -> str:
    """A light area."""
    places = " ".join(f"{number(float(x))},{number(float(y))}" for x, y in points)
    return f'<polygon points="{places}" fill="{colour}" fill-opacity="0.15"/>'


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


def moved(shapes: Sequence[str], x: float, y: float) -> str:
    """A group of shapes, shifted."""
    inner = "\n".join(shapes)
    return f'<g transform="translate({number(x)} {number(y)})">\n{inner}\n</g>'


def picture(shapes: Sequence[str], *, box: tuple[float, float, float, float], title: str, description: str) -> str:
    """A whole picture; `box` is left, top, width, height."""
    view = " ".join(number(value) for value in box)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}" width="{number(box[2])}" height="{number(box[3])}"'
        f' font-family="{FONT}" role="img">\n<title>{escape(title)}</title>\n<desc>{escape(description)}</desc>\n'
        + "\n".join(shapes)
        + "\n</svg>\n"
    )
