"""Docstrings of the public names: sections of numpydoc, and an example that runs (doctests are collected from the package)."""

from __future__ import annotations

import doctest
import inspect
import re
from typing import Any

import pytest

import cipa as ci

PUBLIC = [name for name in ci.__all__ if callable(getattr(ci, name))]


def section(name: str, heading: str) -> str:
    """The text below a heading of a docstring; "" without one."""
    text = inspect.getdoc(getattr(ci, name)) or ""
    found = re.search(rf"^{heading}\n-+\n(.*?)(?=^\w+\n-+\n|\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def parameters(name: str) -> list[str]:
    """Names of the parameters; those of an exception are Python's."""
    target: Any = getattr(ci, name)
    if inspect.isclass(target) and issubclass(target, (BaseException, ci.Fit)):
        return []  # a fit is made by `fit`, and its class describes what it adds
    return [one for one in inspect.signature(target).parameters if one != "self"]


@pytest.mark.parametrize("name", PUBLIC)
def test_an_example_is_there(name: str) -> None:
    examples = doctest.DocTestParser().get_examples(section(name, "Examples"))
    assert examples, f"ci.{name} has no Examples section with '>>>'"
    assert any(example.want for example in examples), f"the example of ci.{name} shows no output, so it cannot fail"


@pytest.mark.parametrize("name", [name for name in PUBLIC if parameters(name)])
def test_every_parameter_is_described(name: str) -> None:
    heads = re.findall(r"^(\S.*?)(?: :.*)?$", section(name, "Parameters"), re.MULTILINE)
    described = {word.strip().lstrip("*") for head in heads for word in head.split(",")}
    missing = [one for one in parameters(name) if one not in described]
    assert not missing, f"ci.{name} does not describe {', '.join(missing)}"


@pytest.mark.parametrize("name", PUBLIC)
def test_the_first_line_is_a_sentence(name: str) -> None:
    first = (inspect.getdoc(getattr(ci, name)) or "").splitlines()[0]
    assert first.endswith((".", ":")), first
