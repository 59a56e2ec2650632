"""Every value of a study file and of a codebook, replaced by one of another kind: read, or refused in cipa's own words."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cipa as ci
from cipa.study.toml import _key, _string

ROOT = Path(__file__).parent.parent.parent
WRONG: tuple[Any, ...] = (3, True, "", "x", [], [1], [["a"]], {"a": {"b": 1}})


def places(table: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in table.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from places(value, (*above, key))


def written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {written(inner)}" for key, inner in value.items()) + "}"
    return "[" + ", ".join(map(written, value)) + "]" if isinstance(value, list) else repr(value)


def spoilt(table: dict[str, Any], place: tuple[str, ...], value: Any) -> str:
    changed = copy.deepcopy(table)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return "\n".join(f"{_key(key)} = {written(part)}" for key, part in changed.items())


@pytest.fixture(scope="module")
def study() -> dict[str, Any]:
    table = tomllib.loads((ROOT / "analyses/internet_plus/study.toml").read_text(encoding="utf-8"))
    table["constructs"] = {"A": {"label": "a", "items": ["cip1", "cip2"], "reversed": ["cip1"], "scale": [1, 7], "column": "x"}}
    table["sources"]["survey"] |= {"rename": {"a": "b"}, "sheet": "s", "encoding": "utf-8"}
    return table


def test_a_study_of_wrong_kinds(study: dict[str, Any], tmp_path: Path) -> None:
    refused = 0
    for place in places(study):
        for value in WRONG[::2]:
            (tmp_path / "study.toml").write_text(spoilt(study, place, value), encoding="utf-8")
            try:
                ci.Study.from_toml(tmp_path).to_toml()
            except ci.CipaError:
                refused += 1
    assert refused > 200


def test_a_codebook_of_wrong_kinds(tmp_path: Path) -> None:
    table: dict[str, Any] = {
        "data": {"title": "t"},
        "columns": {"q1": {"label": "one", "scale": [1, 7], "reversed": True}, "q2": {"text": "two"}},
        "constructs": {"C": {"label": "c", "items": ["q1", "q2"], "column": "q1"}},
        "roles": {"cluster": "q2"},
    }
    (tmp_path / "data.csv").write_text("q1,q2\n1,7\n2,3\n4,5\n")
    refused = 0
    for place in places(table):
        for value in WRONG:
            (tmp_path / "codebook.toml").write_text(spoilt(table, place, value), encoding="utf-8")
            try:
                ci.read(tmp_path)
            except ci.CipaError:
                refused += 1
    assert refused > 50
