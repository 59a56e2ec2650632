"""Axes of a chart in SVG: round ticks, and places on the page.

Text stays text, so that any script is shown and long labels are broken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cipa.language.words import MINUS
from cipa.numerics.algebra.linalg import Array
from cipa.report.figures import svg

SIZE = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """The ranges of a chart, and the rectangle (left, top, width, height) in which it is drawn."""

    x: tuple[float, float]
    y: tuple[float, float]
    box: tuple[float, float, float, float]

    def places(self, x: Array, y: Array) -> list[tuple[float, float]]:
        """Places on the page of points (n,)."""
        left, top, width, height = self.box
        across = left + (np.asarray(x) - self.x[0]) / (self.x[1] - self.x[0]) * width
        down = top + height - (np.asarray(y) - self.y[0]) / (self.y[1] - self.y[0]) * height
        return list(zip(across.tolist(), down.tolist(), strict=True))

    def frame(self) -> list[str]:
        """Both axes with their ticks, and a thin line where y is 0."""
        left, top, width, height = self.box
        corner = (left, top + height)
        shapes = [svg.stroke([(left, top), corner]), svg.stroke([corner, (left + width, top + height)])]
        for value in ticks(*self.x):
            ((x, _),) = self.places(np.array([value]), np.array([self.y[0]]))
            shapes += [
                svg.stroke([(x, top + height), (x, top + height + 5)]),
                svg.label([_written(value)], x, top + height + 15, size=SIZE),
            ]
        for value in ticks(*self.y):
            ((_, y),) = self.places(np.array([self.x[0]]), np.array([value]))
            shapes += [svg.stroke([(left - 5, y), (left, y)]), svg.label([_written(value)], left - 9, y, size=SIZE, anchor="end")]
        if self.y[0] < 0 < self.y[1]:
            ends = self.places(np.array(self.x), np.zeros(2))
            shapes.append(svg.path(ends, colour="#999999", width=0.7))
        return shapes


def ticks(low: float, high: float, *, about: int = 5) -> list[float]:
    """Round numbers within a range."""
    raw = (high - low) / about
    power = 10.0 ** np.floor(np.log10(raw))
    step = float(power * next(round_step for round_step in (1.0, 2.0, 2.5, 5.0, 10.0) if round_step * power >= raw * (1 - 1e-9)))
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    return [float(k * step) for k in range(first, last + 1)]


def _written(value: float) -> str:
    return f"{0.0 if abs(value) < 1e-12 else value:.6g}".replace("-", MINUS)
