"""A language: what is said, by code. The package names a code and its values; the words are in one folder a language.

A template is text with named places, `{n}`, each with a way of writing it after a colon: `{share:per_cent}`, `{low:decimal}`,
`{names:listed}`, `{group:in_group}`, or as Python formats numbers, `{estimate:.3g}`; or it is a function of the values, where
grammar asks for one. Names and labels that a study gives are values, and are never read as templates.

What is said remembers its code and values, so that another language can say it again: a fit or a table holds its words in English
(`EN("code", value=...)`), and a report says them in its own (`say.again(text)`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from string import Formatter
from typing import Any

from cipa.frozen import FrozenDict
from cipa.language.words import decimal, equals_p, level, per_cent, signed, statistic, unit

Template = str | Callable[..., str]

NUMBERS: Mapping[str, Callable[[Any], str]] = {
    "decimal": decimal, "unit": unit, "stat": statistic, "level": level, "per_cent": per_cent, "equals_p": equals_p,
    "signed": signed,
}  # fmt: skip
"""Ways of writing a number, the same in every language."""


class Phrase(str):
    """What a language said: text that remembers its code and its values."""

    __slots__ = ("code", "values")
    code: str
    values: Mapping[str, Any]

    def __new__(cls, text: str, code: str, values: Mapping[str, Any]) -> Phrase:
        """The text, with what it was made of."""
        phrase = super().__new__(cls, text)
        phrase.code, phrase.values = code, values
        return phrase

    def __getnewargs__(self) -> tuple[str, str, Mapping[str, Any]]:  # type: ignore[override]
        return str(self), self.code, self.values


@cache
def parts(template: str) -> tuple[tuple[str, str, str], ...]:
    """A template as (text, the place after it, its way of writing); the last text has no place ("")."""
    return tuple((text, name or "", way or "") for text, name, way, _ in Formatter().parse(template))


def _written(template: str, values: Mapping[str, Any], ways: Mapping[str, Callable[[Any], str]]) -> str:
    """The text with values in its places; a place is a name alone, so that no value is ever looked into."""
    words = []
    for text, name, spec in parts(template):
        words.append(text)
        if name:
            way = ways.get(spec) or NUMBERS.get(spec)
            words.append(way(values[name]) if way else format(values[name], spec))
    return "".join(words)


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
    >>> english = Language(name="en", templates={"left": "{n} rows{group:in_group}"}, ways={"in_group": " in group {}".format})
    >>> toy.again(english("left", n=3, group="A"))
    '3 Zeilen in Gruppe A'
    """

    name: str
    templates: Mapping[str, Template]
    ways: Mapping[str, Callable[[Any], str]]

    def __call__(self, code: str, /, **values: Any) -> Phrase:
        """The words of a code; what another language said among the values is said again."""
        template, said = self.templates[code], {name: self._again(value) for name, value in values.items()}
        text = template(**said) if callable(template) else _written(template, said, self.ways)
        return Phrase(text, code, FrozenDict(values))

    def again(self, text: str) -> str:
        """What another language said, in this one; text of another origin (a label, an error's message) as it is."""
        return self(text.code, **text.values) if isinstance(text, Phrase) else text

    def _again(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return type(value)(map(self._again, value))
        return self.again(value) if isinstance(value, Phrase) else value
