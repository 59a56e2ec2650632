"""Progress of long computations on stderr: how many of how many, how fast, how long still.

Nothing is said in the first two seconds, nor where stderr is no terminal, unless CIPA_PROGRESS=always asks for it;
CIPA_PROGRESS=never silences it (`cipa run --quiet` sets that). Numbers never depend on it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

PATIENCE = 2.0
"""Seconds before anything is said."""

_INTERVAL = 0.5  # seconds between two messages on a terminal; elsewhere ten times that, a line each
_WIDTH = 78


def watched(items: Iterable[Item], *, total: int, what: str) -> Iterator[Item]:
    """The items, with a message from time to time about how many have been worked on.

    Parameters
    ----------
    items : iterable
        One for each step of a long computation.
    total : int
        How many there are.
    what : str
        The computation, in a word or two ("ci.bootstrap").
    """
    terminal = sys.stderr.isatty()
    if not _asked(terminal):
        yield from items
        return
    start = spoken = time.monotonic()
    said = False
    for done, item in enumerate(items):
        now = time.monotonic()
        if done and now - start > PATIENCE and now - spoken > _INTERVAL * (1 if terminal or not said else 10):
            _say(message(what, done, total, now - start), terminal=terminal)
            spoken, said = now, True
        yield item
    if said and terminal:
        sys.stderr.write("\r" + " " * _WIDTH + "\r")
        sys.stderr.flush()


def message(what: str, done: int, total: int, seconds: float) -> str:
    """The progress in words: "ci.bootstrap: 320 of 5000, 41 a second, 1 min 54 s left"."""
    rate = done / max(seconds, 1e-9)
    speed = f"{rate:.0f} a second" if rate >= 3 else f"{1 / rate:.1f} s each"
    return f"{what}: {done} of {total}, {speed}, {_span((total - done) / rate)} left"


def _span(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def _asked(terminal: bool) -> bool:
    wanted = os.environ.get("CIPA_PROGRESS", "")
    return wanted == "always" or (terminal and wanted != "never")


def _say(text: str, *, terminal: bool) -> None:
    sys.stderr.write(f"\r{text:<{_WIDTH}.{_WIDTH}}" if terminal else f"{text}\n")
    sys.stderr.flush()
