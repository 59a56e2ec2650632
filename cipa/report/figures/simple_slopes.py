"""Simple slopes: the line of a moderated effect at values of its moderator, over the range of the data."""

from __future__ import annotations

import numpy as np

from cipa.language.speech import Language
from cipa.language.words import decimal, level
from cipa.report.document import Figure
from cipa.report.figures import svg
from cipa.report.figures.axes import SIZE, Axes
from cipa.report.letters import broken
from cipa.results.answers import Spread
from cipa.results.display import ResultTable

WIDTH, HEIGHT = 470.0, 270.0
_LEFT, _LINE = 62.0, SIZE * 1.25
_DASHES = ("", "7 4", "2 3", "8 3 2 3")
_GREYS = ("#000000", "#4d4d4d", "#7a7a7a", "#9a9a9a")
_KEY = 150.0  # room of a line's name below the chart


def slopes_figure(
    found: ResultTable,
    *,
    key: str,
    spread: Spread,
    cause: str,
    outcome: str,
    moderator: str,
    two_valued: bool,
    say: Language,
) -> Figure:
    """Lines through the mean of the cause, with pointwise 95 % bands, readable in grey; labels of any length and script."""
    low, high = _range(spread)
    bounds = [np.array(found.columns[name]) for name in ("estimate", "conf_low", "conf_high")]
    ends = np.array([low, high]) - spread.mean
    reach = [float(f(np.multiply.outer(slope, ends))) for slope in bounds for f in (np.min, np.max)]
    bottom, top = min([0.0, *reach]), max([0.0, *reach])
    room = 0.04 * ((top - bottom) or 1.0)
    above = broken(say("slopes.change", outcome=outcome), WIDTH + _LEFT - 10, SIZE)
    axes = Axes(x=(low, high), y=(bottom - room, top + room), box=(_LEFT, 14 + len(above) * _LINE, WIDTH, HEIGHT))
    shapes = [svg.label(above, 6, 8 + (len(above) - 1) * _LINE / 2 + 4, size=SIZE, anchor="start")]
    shapes += [
        shape for k in range(len(found)) for shape in _band(axes, ends, [float(slope[k]) for slope in bounds], spread.mean, k)
    ]
    shapes += axes.frame()
    shapes += [shape for k in range(len(found)) for shape in _line(axes, ends, float(bounds[0][k]), spread.mean, k)]
    below, bottom_edge = _below(say, found, axes, cause, moderator, two_valued=two_valued)
    slopes = [decimal(value) for value in found.columns["estimate"]]
    alt = say(
        "slopes.alt", slopes=", ".join(slopes), moderator=moderator, values=", ".join(level(v) for v in found.columns["value"])
    )
    title = say("slopes.figure", cause=cause, outcome=outcome, moderator=moderator)
    picture = svg.picture([*shapes, *below], box=(0.0, 0.0, _LEFT + WIDTH + 14, bottom_edge), title=title, description=alt)
    return Figure(key=key, title=title, svg=picture, alt=alt, notes=(say("slopes.note"),))


def _range(spread: Spread) -> tuple[float, float]:
    """From the 1st to the 99th percentile, of a latent variable two standard deviations to each side."""
    if spread.values is None:
        return spread.mean - 2 * spread.sd, spread.mean + 2 * spread.sd
    low, high = (float(end) for end in np.quantile(spread.values, [0.01, 0.99]))
    return (low, high) if high > low else (float(spread.values.min()), float(spread.values.max()))


def _band(axes: Axes, ends: np.ndarray, slopes: list[float], mean: float, k: int) -> list[str]:
    """The area between the ends of the slope's interval: two triangles that meet at the mean."""
    x = np.array([ends[0], 0.0, ends[1]]) if ends[0] < 0 < ends[1] else ends
    upper, lower = axes.places(x + mean, slopes[2] * x), axes.places(x + mean, slopes[1] * x)
    return [svg.area([*upper, *lower[::-1]], colour=_GREYS[k % 4])]


def _line(axes: Axes, ends: np.ndarray, slope: float, mean: float, k: int) -> list[str]:
    return [svg.path(axes.places(ends + mean, slope * ends), colour=_GREYS[k % 4], width=1.8, dash=_DASHES[k % 4])]


def _below(
    say: Language, found: ResultTable, axes: Axes, cause: str, moderator: str, *, two_valued: bool
) -> tuple[list[str], float]:
    """The label of the horizontal axis, and which line stands for which value; and where the picture ends."""
    left, top, width, height = axes.box
    under = broken(cause, width, SIZE)
    y = top + height + 40
    shapes = [svg.label(under, left + width / 2, y + (len(under) - 1) * _LINE / 2, size=SIZE)]
    heads = broken(say("slopes.key", moderator=moderator), width, SIZE)
    y += len(under) * _LINE + 12
    shapes.append(svg.label(heads, left, y + (len(heads) - 1) * _LINE / 2, size=SIZE, anchor="start"))
    y += len(heads) * _LINE + 4
    per_row = max(1, int(width // _KEY))
    for k, (value, at) in enumerate(zip(found.columns["value"], found.columns["at"], strict=True)):
        x, row = left + (k % per_row) * _KEY, y + (k // per_row) * _LINE
        name = level(value) if two_valued else say("slopes.line", value=value, at=at)
        sample = svg.path([(x, row), (x + 30, row)], colour=_GREYS[k % 4], width=1.8, dash=_DASHES[k % 4])
        shapes += [sample, svg.label([name], x + 37, row, size=SIZE, anchor="start")]
    return shapes, y + ((len(found) - 1) // per_row) * _LINE + 16
