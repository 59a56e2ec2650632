"""Simple slopes: the line of a moderated effect at values of its moderator, over the range of the data."""

from __future__ import annotations

import io
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure as Canvas

from cipa.report.document import Figure
from cipa.report.words import decimal, level
from cipa.results.answers import Spread
from cipa.results.display import ResultTable

STYLE: Any = {
    "svg.hashsalt": "cipa", "svg.fonttype": "path", "font.family": "STIXGeneral", "mathtext.fontset": "stix", "font.size": 10,
    "axes.spines.top": False, "axes.spines.right": False, "axes.unicode_minus": True, "legend.frameon": False,
}  # fmt: skip
"""Same bytes for the same picture, letters as outlines, a serif face close to the page's."""

_DASHES = ("-", "--", ":", "-.")
_GREYS = ("#000000", "#4d4d4d", "#8c8c8c", "#b3b3b3")


def slopes_figure(
    found: ResultTable, *, key: str, spread: Spread, cause: str, outcome: str, moderator: str, two_valued: bool
) -> Figure:
    """Lines through the mean of the cause, with pointwise 95 % bands, readable in grey."""
    low, high = (
        np.quantile(spread.values, [0.01, 0.99])
        if spread.values is not None
        else (spread.mean - 2 * spread.sd, spread.mean + 2 * spread.sd)
    )
    x = np.linspace(low, high, 60)
    with matplotlib.rc_context(STYLE):
        canvas = Canvas(figsize=(5.6, 3.5), layout="constrained")
        axes = canvas.add_subplot()
        cells = zip(*(found.columns[name] for name in ("value", "at", "estimate", "conf_low", "conf_high")), strict=True)
        for k, (value, at, slope, lower, upper) in enumerate(cells):
            name = f"{moderator} = {level(value)}" if two_valued else f"{moderator}: {decimal(value)} ({at:+.0f} SD)"
            axes.fill_between(
                x, lower * (x - spread.mean), upper * (x - spread.mean), color=_GREYS[k % 4], alpha=0.15, linewidth=0
            )
            axes.plot(x, slope * (x - spread.mean), linestyle=_DASHES[k % 4], color=_GREYS[k % 4], linewidth=1.6, label=name)
        axes.axhline(0, color="#999999", linewidth=0.6)
        axes.set_xlabel(cause)
        axes.set_ylabel(f"Change in {outcome}")
        axes.legend(loc="upper left", fontsize=9)
    slopes = [decimal(value) for value in found.columns["estimate"]]
    return Figure(
        key=key, title=f"Effect of {cause} on {outcome} by {moderator}", svg=as_svg(canvas),
        alt=f"Lines with slopes {', '.join(slopes)} at {moderator} = {', '.join(level(v) for v in found.columns['value'])}.",
        notes=("Change from the outcome at the mean of the cause; bands: pointwise 95% intervals of the slope; range: 1st to 99th percentile.",),
    )  # fmt: skip


def as_svg(canvas: Canvas) -> str:
    """A matplotlib figure as SVG without date and program."""
    stream = io.StringIO()
    with matplotlib.rc_context(STYLE):
        canvas.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return stream.getvalue()
