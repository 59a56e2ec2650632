"""English grammar: what a sentence needs to hold values."""

from __future__ import annotations

from collections.abc import Sequence


def listed(words: Sequence[str]) -> str:
    """Words as a list in a sentence: "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def counted(number: int, word: str) -> str:
    """Count things: "1 hypothesis", "3 hypotheses"."""
    plural = f"{word[:-2]}es" if word.endswith("is") else f"{word}s"
    return f"{number} {word if number == 1 else plural}"
