"""A language: what is said, by code. Code names a code and its values; the words are in one folder a language.

A template is text with named places, `{n}`, each with a way of writing it after a colon: `{share:per_cent}`, `{low:decimal}`,
`{names:listed}`; or a function of the values, where grammar asks for one. Names and labels that a study gives are values, and are
never read as templates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

from cipa.language.words import decimal, equals_p, level, per_cent, signed, statistic, unit

Template = str | Callable[..., str]

WAYS: Mapping[str, Callable[[Any], str]] = {
    "decimal": decimal, "unit": unit, "stat": statistic, "level": level, "per_cent": per_cent, "equals_p": equals_p,
    "signed": signed,
}  # fmt: skip
"""Ways of writing a number."""


class _Writer(Formatter):
    """Named places only, with the ways of writing above."""

    def __init__(self, listed: Callable[[Sequence[str]], str]) -> None:
        self.listed = listed

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec == "listed":
            return self.listed(value)
        way = WAYS.get(format_spec)
        return way(value) if way else str(super().format_field(value, format_spec))


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """What is said, by code.

    Parameters
    ----------
    name : str
        "en", as in HTML's lang.
    templates : mapping of code to template
    listed : words -> a list in a sentence
    """

    name: str
    templates: Mapping[str, Template]
    listed: Callable[[Sequence[str]], str]

    def __call__(self, code: str, /, **values: Any) -> str:
        """The words of a code."""
        template = self.templates[code]
        return template(**values) if callable(template) else _Writer(self.listed).vformat(template, (), values)
