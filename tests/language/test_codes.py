"""Words by code: every code that the package names has its words, in every language, and every word has its use."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

import cipa
from cipa.language import LANGUAGES
from cipa.language.en import EN, TEMPLATES, data, fits, notices, report, tables, verdicts
from cipa.language.speech import NUMBERS, Language, Template, parts
from cipa.models.panel.linear.fit import METHODS
from cipa.models.sem.steps.indices import LABELLED
from cipa.report.document import FRAME
from cipa.report.tables.regressions import STATISTICS
from cipa.report.tables.reliability import HEADS
from cipa.report.tables.sample import STEPS
from cipa.report.tables.verdicts import ORDER

PACKAGE = Path(cipa.__file__).parent

LISTED = {
    *FRAME,
    *(f"reliability.{name}" for name in HEADS),
    *(f"verdict.{word}" for word in ORDER),
    *(f"statistic.{name}" for name, _ in STATISTICS),
    *(f"step.{name}" for name in STEPS),
    *(f"label.{name}" for name in LABELLED),
    *(f"method.{name}" for name in METHODS),
}
"""Codes made of names that a table lists."""


class Use(NamedTuple):
    """A place in the package that says something."""

    where: str
    code: str
    values: frozenset[str] | None


def uses() -> Iterator[Use]:
    """Every `say(...)`, `EN(...)`, `Notice(...)` and heading of a section, with the names of its values where they stand there."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if {"_datasets", "_analyses"} & set(path.parts):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        written = dictionaries(tree)
        for node in ast.walk(tree):
            where = f"{path.relative_to(PACKAGE).as_posix()}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call):
                yield from said(node, where, written)
            elif isinstance(node, ast.keyword) and node.arg == "heading" and constants(node.value) - {""}:
                yield from (Use(where, code, frozenset()) for code in constants(node.value))


def dictionaries(tree: ast.Module) -> dict[tuple[str, int], ast.Dict]:
    """Dictionaries that are given a name, by the name and the line."""
    return {
        (node.targets[0].id, node.lineno): node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Dict)
    }


def said(call: ast.Call, where: str, written: dict[tuple[str, int], ast.Dict]) -> Iterator[Use]:
    name = getattr(call.func, "id", "")
    given = {word.arg: word.value for word in call.keywords}
    if name in ("say", "EN") and call.args:
        values = None if None in given else frozenset(map(str, given))
        yield from (Use(where, code, values) for code in constants(call.args[0]))
    if name == "Notice":
        assert "code" in given, f"{where}: a notice names its code"
        values = keys(given.get("values"), call.lineno, written)
        for code in constants(given["code"]):
            for variant in constants(given["variant"]) if "variant" in given else {""}:
                yield Use(where, f"notice.{code}.{variant}" if variant else f"notice.{code}", values)


def constants(node: ast.expr) -> set[str]:
    """The codes that an argument may be: a constant, or one of two."""
    if isinstance(node, ast.IfExp):
        return constants(node.body) | constants(node.orelse)
    return {str(node.value)} if isinstance(node, ast.Constant) else set()


def keys(values: ast.expr | None, line: int, written: dict[tuple[str, int], ast.Dict]) -> frozenset[str]:
    """The names in a dictionary that stands there, or was given a name above."""
    if values is None:
        return frozenset()
    if isinstance(values, ast.Name):
        values = written[values.id, max(at for name, at in written if name == values.id and at <= line)]
    assert isinstance(values, ast.Dict), f"line {line}: the values of a notice are written out as a dictionary"
    return frozenset(str(key.value) for key in values.keys if isinstance(key, ast.Constant))


def places(template: Template) -> frozenset[str]:
    """What a template asks for."""
    if callable(template):
        return frozenset(inspect.signature(template).parameters)
    return frozenset(name for _, name, _ in parts(template) if name)


def lacks(language: Language, other: Language) -> list[str]:
    """What a language must still say, or says otherwise than another one."""
    wrong = [f"{code}: no words" for code in other.templates if code not in language.templates]
    wrong += [f"{code}: no such code" for code in language.templates if code not in other.templates]
    wrong += [f"{way}: no such way of writing" for way in other.ways if way not in language.ways]
    for code in language.templates.keys() & other.templates.keys():
        here, there = places(language.templates[code]), places(other.templates[code])
        wrong += [f"{code}: names {sorted(here)}, not {sorted(there)}"] if here != there else []
    return wrong


def test_every_code_has_words_and_all_words_are_used() -> None:
    used = {use.code: use.where for use in uses()} | dict.fromkeys(LISTED, "a list")
    assert {code: where for code, where in used.items() if code not in TEMPLATES} == {}
    assert set(TEMPLATES) - set(used) == set()


def test_no_file_of_a_language_says_what_another_one_says() -> None:
    files = [
        vars(file)[name]
        for file in (data, fits, notices, report, tables, verdicts)
        for name in [file.__name__.split(".")[-1].upper()]
    ]
    assert sum(map(len, files)) == len(TEMPLATES)


def test_what_is_said_gets_the_values_that_its_words_name() -> None:
    wrong = [
        f"{use.where}: {use.code} gets {sorted(use.values)}, and its words name {sorted(places(TEMPLATES[use.code]))}"
        for use in uses()
        if use.values is not None and use.code in TEMPLATES and use.values != places(TEMPLATES[use.code])
    ]
    assert wrong == []


def test_every_language_says_what_english_says() -> None:
    assert [lacks(language, EN) for language in LANGUAGES.values()] == [[] for _ in LANGUAGES]


def test_every_way_of_writing_is_known() -> None:
    for language in LANGUAGES.values():
        for code, template in language.templates.items():
            for _, name, way in () if callable(template) else parts(template):
                assert not name or name.isidentifier(), f"{code}: {name}"
                known = not way or way in {*language.ways, *NUMBERS} or re.fullmatch(r",?(\.\d)?[efg%]?", way)
                assert known, f"{code}: {name}:{way}"


TOY = Language(
    name="xx",
    templates={code: "".join(f"{{{name}}}" for name in sorted(places(template))) for code, template in TEMPLATES.items()},
    ways=EN.ways,
)
"""A second language, as a folder beside `en/` would make it."""


@pytest.mark.parametrize(
    ("templates", "wrong"),
    [
        ({}, []),
        ({"notice.gaps": "{places} Luecken"}, []),
        ({"notice.gaps": "{gaps} Luecken"}, ["notice.gaps: names ['gaps'], not ['places']"]),
        ({"notice.binding": lambda *, count: f"{count}"}, ["notice.binding: names ['count'], not ['constraints', 'count']"]),
        ({"notice.new": "neu"}, ["notice.new: no such code"]),
    ],
)  # fmt: skip
def test_a_second_language_is_told_what_it_lacks(templates: dict[str, Template], wrong: list[str]) -> None:
    assert lacks(replace(TOY, templates={**TOY.templates, **templates}), EN) == wrong


def test_a_second_language_is_told_which_words_and_ways_it_lacks() -> None:
    fewer = {code: template for code, template in TOY.templates.items() if code != "notice.heywood"}
    assert lacks(replace(TOY, templates=fewer, ways={}), EN) == [
        "notice.heywood: no words", *(f"{way}: no such way of writing" for way in EN.ways),
    ]  # fmt: skip
