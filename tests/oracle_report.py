"""What the comparing tests feed: how far cipa stands from each reference case.

`agree` compares and keeps score; `pytest --oracle-report` (tests/conftest.py) writes the score to tests/oracles/README.md.
"""

from __future__ import annotations

import json
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


FOLDERS = {"ordinal": "ordinal", "ordinal_invariance": "ordinal_invariance", "panel": "panel", "sem_after": "sem", "sem": "sem"}
"""Folder -> family: what is compared after the fit belongs to the case of the fit."""


def programs() -> dict[tuple[str, str], str]:
    """The program behind every (family, case) that is present."""
    found = {}
    for folder, family in FOLDERS.items():
        for path in sorted((README.parent / folder).glob("*.json")):
            software = json.loads(path.read_text(encoding="utf-8"))["software"]
            if isinstance(software, dict):
                software = " ".join(f"{name} {version}" for name, version in software.items() if name != "R")
            found[family, path.stem] = software.partition(" (R")[0]
    return found


def table() -> str:
    """The table of the scores, in Markdown."""
    known = programs()
    rows = ["| family | case | program | comparisons | farthest | where |", "|---|---|---|--:|--:|---|"]
    for (family, name), score in sorted(SCORES.items()):
        far = f"{score.worst:.0e}" if score.worst >= ROUNDING else f"< {ROUNDING:.0e}"
        rows.append(f"| {family} | {name} | {known[family, name]} | {score.compared} | {far} | {_quantity(score)} |")
    total = sum(score.compared for score in SCORES.values())
    return "\n".join([f"{len(SCORES)} cases, {total:,} comparisons.", "", *rows])


def _quantity(score: Score) -> str:
    return "" if score.worst < ROUNDING else "`" + score.where.replace("|", "\\|") + "`"


def write() -> None:
    """Put the table between the marks of the README."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    README.write_text(f"{before}{START}\n\n{table()}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def listed() -> list[tuple[str, str]]:
    """The (family, case) rows of the committed table."""
    part = README.read_text(encoding="utf-8").partition(START)[2].partition(END)[0]
    rows = [[cell.strip() for cell in line.split("|")] for line in part.splitlines() if line.startswith("| ")]
    return [(row[1], row[2]) for row in rows[1:]]
