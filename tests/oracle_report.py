"""What the comparing tests feed: how far cipa stands from each reference case.

`agree` compares and keeps score; `pytest --oracle-report` (tests/conftest.py) writes the score to tests/oracles/README.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

README = Path(__file__).parent / "oracles" / "README.md"
START, END = "<!-- written by pytest --oracle-report -->", "<!-- end -->"

SMALL = 0.01
"""A deviation is relative to the reference value, or to this where the value is smaller."""

ROUNDING = 1e-9
"""Deviations below are two roundings of one number, and not listed apart."""

Pair = tuple[str, float, float]
"""Quantity, cipa's number, the reference's."""


@dataclass(slots=True)
class Score:
    """Comparisons made on one case, and the farthest of them."""

    compared: int = 0
    worst: float = 0.0
    where: str = ""


SCORES: dict[tuple[str, str], Score] = {}


def agree(family: str, case: str, pairs: list[Pair], *, rtol: float, atol: float = 0.0) -> None:
    """Hold every pair to the tolerance, and keep score."""
    score = SCORES.setdefault((family, case), Score())
    for what, got, want in pairs:
        score.compared += 1
        far = deviation(got, want)
        if far > score.worst or math.isnan(far):
            score.worst, score.where = far, what
    wrong = [(what, got, want) for what, got, want in pairs if not np.isclose(got, want, rtol=rtol, atol=atol)]
    assert not wrong, f"{len(wrong)} of {len(pairs)} differ, first: {wrong[:3]}"
    assert pairs


def deviation(got: float, want: float) -> float:
    """Relative deviation; 0 for two equal numbers (infinite ones too)."""
    return 0.0 if got == want else abs(got - want) / max(abs(want), SMALL)


def cases() -> list[tuple[str, str]]:
    """(family, case) of every structural equation case that is present, a case of two folders once."""
    names = {path.stem: "sem" for path in (README.parent / "sem_after").glob("*.json")}
    names |= {path.stem: "sem" for path in (README.parent / "sem").glob("*.json")}
    names |= {path.stem: "ordinal" for path in (README.parent / "ordinal").glob("*.json")}
    return sorted((family, name) for name, family in names.items())


def table(programs: dict[str, str]) -> str:
    """The table of the scores, in Markdown."""
    rows = ["| case | program | comparisons | farthest | where |", "|---|---|--:|--:|---|"]
    for (_, name), score in sorted(SCORES.items()):
        far = f"{score.worst:.0e}" if score.worst >= ROUNDING else f"< {ROUNDING:.0e}"
        rows.append(f"| {name} | {programs[name]} | {score.compared} | {far} | {_quantity(score)} |")
    total = sum(score.compared for score in SCORES.values())
    return "\n".join([f"{len(SCORES)} cases, {total:,} comparisons.", "", *rows])


def _quantity(score: Score) -> str:
    return "" if score.worst < ROUNDING else "`" + score.where.replace("|", "\\|") + "`"


def write(programs: dict[str, str]) -> None:
    """Put the table between the marks of the README."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    README.write_text(f"{before}{START}\n\n{table(programs)}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def listed() -> list[str]:
    """The cases that the committed table lists."""
    part = README.read_text(encoding="utf-8").partition(START)[2].partition(END)[0]
    rows = [line.split("|") for line in part.splitlines() if line.startswith("| ")]
    return [cells[1].strip() for cells in rows[1:]]
