"""A language: what is said, by code. The package names a code and its values; the words are in one folder a language.

A template is text with named places, `{n}`, each with a way of writing it after a colon: `{share:per_cent}`, `{low:decimal}`,
`{names:listed}`, `{group:in_group}`, or as Python formats numbers, `{estimate:.3g}`; or it is a function of the values, where
grammar asks for one. Names and labels that a study gives are values, and are never read as templates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

from cipa.language.words import decimal, equals_p, level, per_cent, signed, statistic, unit

Template = str | Callable[..., str]

NUMBERS: Mapping[str, Callable[[Any], str]] = {
    "decimal": decimal, "unit": unit, "stat": statistic, "level": level, "per_cent": per_cent, "equals_p": equals_p,
    "signed": signed,
}  # fmt: skip
"""Ways of writing a number, the same in every language."""


class _Writer(Formatter):
    """Named places only, with the ways of writing that a language has."""

    def __init__(self, ways: Mapping[str, Callable[[Any], str]]) -> None:
        self.ways = ways

    def format_field(self, value: Any, format_spec: str) -> str:
        way = self.ways.get(format_spec) or NUMBERS.get(format_spec)
        return way(value) if way else str(super().format_field(value, format_spec))


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """What is said, by code.

    Parameters
    ----------
    name : str
        "en", as in HTML's lang.
    templates : mapping of code to template
    ways : mapping of name to function
        Ways of writing a value that depend on the language: "listed", "in_group".

    Examples
    --------
    >>> toy = Language(name="de", templates={"left": "{n} Zeilen{group:in_group}"}, ways={"in_group": " in Gruppe {}".format})
    >>> toy("left", n=3, group="A")
    '3 Zeilen in Gruppe A'
    """

    name: str
    templates: Mapping[str, Template]
    ways: Mapping[str, Callable[[Any], str]]

    def __call__(self, code: str, /, **values: Any) -> str:
        """The words of a code."""
        template = self.templates[code]
        return template(**values) if callable(template) else _Writer(self.ways).vformat(template, (), values)
