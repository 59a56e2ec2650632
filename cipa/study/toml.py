"""study.toml as tables whose every key has a line, so that a message can say where.

Only TOML is read: a study file holds words, numbers and lists, and nothing in it is executed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cipa.errors import SpecificationError, did_you_mean

_MAX_BYTES = 4_000_000
_HEADER = re.compile(r"^\s*\[([^\[\]]+)\]\s*(?:#.*)?$")
_KEY = re.compile(r"^\s*((?:[\w\-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w\-]+|\"[^\"]*\"|'[^']*'))*)\s*=")


@dataclass(frozen=True, slots=True)
class Lines:
    """The file's name and text, and the line of each key."""

    file: str
    text: tuple[str, ...]
    index: Mapping[tuple[str, ...], int]

    def line(self, *keys: str) -> int | None:
        """Line (1-based) of a key, or of the table that holds it."""
        for size in range(len(keys), 0, -1):
            if keys[:size] in self.index:
                return self.index[keys[:size]]
        return None

    def where(self, *keys: str) -> str:
        """A place in words: "study.toml, [models.survey], line 31"."""
        table = f", [{'.'.join(keys)}]" if keys else ""
        line = self.line(*keys)
        return f"{self.file}{table}" + (f", line {line}" if line else "")

    def containing(self, text: str, *keys: str) -> int | None:
        """The first line at or after a key that contains `text`."""
        first = self.line(*keys) or 1
        return next((number for number in range(first, len(self.text) + 1) if text in self.text[number - 1]), None)


@dataclass(frozen=True, slots=True)
class Declared:
    """The tables of a study file."""

    tables: Mapping[str, Any]
    lines: Lines

    def refuse(self, keys: Sequence[str], problem: str) -> SpecificationError:
        """An error at a key."""
        return SpecificationError(f"{self.lines.where(*keys)}: {problem}")

    def table(self, *keys: str, known: Sequence[str] | None = None) -> dict[str, Any]:
        """A copy of the table at `keys` (empty when absent); unknown keys are refused."""
        found: Any = self.tables
        for key in keys:
            found = found.get(key, {})
        if not isinstance(found, dict):
            raise self.refuse(
                keys,
                f"this is a table of keys and values, not {found!r}, which declares nothing. Write its keys below "
                f"[{'.'.join(keys)}], or in {{ }}.",
            )
        if known is not None:
            self.only(keys, known, found=found)
        return dict(found)

    def only(self, keys: Sequence[str], known: Sequence[str], *, found: Mapping[str, Any] | None = None) -> None:
        """Refuse keys that are not known, with the nearest that is."""
        for key in self.tables if found is None else found:
            if key not in known:
                raise self.refuse(
                    (*keys, key),
                    f"the key '{key}' is not known.{did_you_mean(key, known)} It would change nothing: rename or drop it. "
                    f"Known: {', '.join(known)}.",
                )

    def of_type(self, keys: Sequence[str], value: Any, kind: type | tuple[type, ...]) -> Any:
        """The value, when it is of the kind expected."""
        if isinstance(value, bool) or not isinstance(value, kind):
            names = {str: "text in quotes", int: "a whole number", (int, float): "a number"}
            raise self.refuse(
                keys,
                f"expected {names.get(kind, 'another kind')}, got {value!r}, which declares nothing here. Mend the value at "
                "that line.",
            )
        return value

    def words(self, keys: Sequence[str], value: Any) -> list[str]:
        """A list of words."""
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self.refuse(
                keys,
                f'expected a list of words such as ["col1", "col2"], got {value!r}, which names nothing. Put each word in '
                "quotes, between [ and ].",
            )
        return value


def read(file: Path) -> Declared:
    """Read a study file."""
    if not file.is_file():
        near = did_you_mean(file.name, [one.name for one in file.parent.iterdir()]) if file.parent.is_dir() else ""
        raise SpecificationError(
            f"There is no study file '{file.name}' in '{file.parent.name or '.'}'.{near} Without it nothing is declared: check "
            "the path, or let `cipa init DIR` write one."
        )
    raw = file.read_bytes()
    if len(raw) > _MAX_BYTES:
        raise SpecificationError(
            f"{file.name} has {len(raw):,} bytes; a study file is a page or two, so this is something else. Name a study.toml; "
            "data files are named in its [sources]."
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise SpecificationError(
            f"{file.name}, byte {problem.start}: not UTF-8 text, so its words cannot be trusted. A study is a TOML file: save it "
            "as UTF-8."
        ) from problem
    if not text.strip():
        raise SpecificationError(
            f"{file.name} is empty, so it declares nothing. Write a study, or let `cipa init DIR` write one to start from."
        )
    lines = text.replace("\r\n", "\n").split("\n")
    try:
        tables = tomllib.loads(text.replace("\r\n", "\n"))
    except (tomllib.TOMLDecodeError, RecursionError) as problem:
        raise SpecificationError(_syntax_message(file.name, lines, str(problem))) from problem
    return Declared(tables=tables, lines=Lines(file=file.name, text=tuple(lines), index=_index(lines)))


def _syntax_message(name: str, lines: Sequence[str], problem: str) -> str:
    place = re.search(r"line (\d+), column (\d+)", problem)
    if place is None:
        return f"{name} is not a TOML file: {problem}. It declares nothing: mend that place."
    line, column = int(place[1]), int(place[2])
    shown = lines[line - 1][:160] if line <= len(lines) else ""
    reason = problem.split(" (at")[0]
    twice = " Each key and each table stands once: merge the two." if "overwrite" in problem or "twice" in problem else ""
    caret = " " * (min(column, 160) - 1) + "^"
    bare = re.match(r"\s*\[?\s*(?:[\w\-]+\s*\.\s*)*([^\s\[\]\"'=#.]*[^\x00-\x7f][^\s\[\]\"'=#.]*)", shown)
    if bare and ("key" in reason or "statement" in reason):
        quoted = shown.strip().replace(bare[1], f'"{bare[1]}"', 1)
        twice = f" A key with other letters than A to Z, digits, - and _ stands in quotes: {quoted.split('#')[0].strip()[:80]}"
    return (
        f"{name}, line {line}:\n    {shown}\n    {caret}\nNot TOML: {reason}.{twice} The file declares nothing until this line "
        "is mended: write text in quotes, lists in [ ]."
    )


def _index(lines: Sequence[str]) -> dict[tuple[str, ...], int]:
    """Line of each table header and key."""
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    inside = ""
    for number, line in enumerate(lines, start=1):
        if inside:
            inside = "" if inside in line else inside
            continue
        if match := _HEADER.match(line):
            table = _keys(match[1])
            found.setdefault(table, number)
        elif match := _KEY.match(line):
            found.setdefault((*table, *_keys(match[1])), number)
        for quote in ('"""', "'''"):
            if line.count(quote) % 2:
                inside = quote
    return found


def _keys(text: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in re.findall(r"\"[^\"]*\"|'[^']*'|[^.]+", text))


def write(tables: Mapping[str, Any]) -> str:
    """Nested tables as TOML."""
    parts: list[str] = []
    for name, table in tables.items():
        _write_table(parts, (name,), table)
    return "\n".join(parts).lstrip("\n") + "\n"


def _write_table(parts: list[str], keys: tuple[str, ...], table: Mapping[str, Any]) -> None:
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping) or len(keys) > 1}
    if plain:
        parts.append(f"\n[{'.'.join(_key(key) for key in keys)}]")
        parts.extend(f"{_key(key)} = {_value(value)}" for key, value in plain.items())
    for key, value in table.items():
        if key not in plain:
            _write_table(parts, (*keys, key), value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_\-]+", key) else _string(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    return repr(value)


_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}


def _string(text: str) -> str:
    escaped = "".join(
        _ESCAPES.get(letter, letter if letter >= " " and letter != "\x7f" else f"\\u{ord(letter):04x}") for letter in text
    )
    return f'"{escaped}"'
