"""English grammar: what a sentence needs to hold values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def listed(words: Sequence[str]) -> str:
    """Words as a list in a sentence: "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def counted(number: int, word: str) -> str:
    """Count things: "1 hypothesis", "3 hypotheses"."""
    plural = f"{word[:-2]}es" if word.endswith("is") else f"{word}s"
    return f"{number} {word if number == 1 else plural}"


def in_group(group: str | None) -> str:
    """The group that a statement is about; nothing where there is one group only."""
    return f" in group {group}" if group else ""


def of_group(group: str | None) -> str:
    """The group that a thing belongs to; nothing where there is one group only."""
    return f" of group {group}" if group else ""


def at_level(level: str | None) -> str:
    """The level that a statement is about; nothing where there is one level only."""
    return f" at level {level}" if level else ""


WAYS: Mapping[str, Callable[[Any], str]] = {
    "listed": listed, "commas": ", ".join, "in_group": in_group, "of_group": of_group, "at_level": at_level,
}  # fmt: skip
"""Ways of writing a value in English, by the name that a template gives after the colon."""
