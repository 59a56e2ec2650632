"""Whether an argument is of the kind that a public function asks for, told from the annotation of its parameter.

An annotation is read as text: alternatives between "|", plain kinds, sequences and mappings of them, and classes of this package
by their name. A parameter annotated `Any` is judged by its own name where that says what it holds (`data`, `fit`, `model`).
"""

from __future__ import annotations

import numbers
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

_DATA = "a Dataset (ci.read, ci.datasets.load) or a pandas DataFrame"
_FIT = "a fit, as model.fit(data) returns it"

_WORDS: Mapping[str, str] = {
    "str": "text", "int": "a whole number", "float": "a number", "bool": "True or False", "Path": "a path", "FilePath": "a path",
    "Sequence": "a list", "list": "a list", "tuple": "a list", "Mapping": "a dict", "Fit": _FIT, "SEMFit": "a fit of ci.SEM",
    "Dataset": "a Dataset (ci.read, ci.datasets.load)", "Study": "a ci.Study", "SEM": "a model made by ci.SEM",
    "Analysis": "an analysis, as ci.run returns it", "Bootstrapped": "what ci.bootstrap returns", "data": _DATA,
    "model": "a model such as ci.SEM(...)", "Construct": "ci.Construct", "Hypothesis": "a ci.Hypothesis", "Term": "a ci.Term",
    "DataFrame": "a DataFrame", "Series": "a Series", "array": "an array of numbers",
}  # fmt: skip


_PLURALS: Mapping[str, str] = {
    "str": "names", "float": "numbers", "int": "whole numbers", "Sequence[float]": "rows of numbers",
    "Sequence[str]": "lists of names",
}  # fmt: skip


def _named(*names: str) -> Callable[[Any], bool]:
    return lambda value: any(base.__name__ in names for base in type(value).__mro__)


def _is_number(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _is_data(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(map(_named("SampleMoments"), value))
    return _named("Dataset", "DataFrame", "SampleMoments")(value)


def _is_sem_fit(value: Any) -> bool:
    return _named("Fit")(value) and getattr(value, "kind", "") == "sem"


_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "int": lambda value: _is_number(value, numbers.Integral),
    "float": lambda value: _is_number(value, numbers.Real),
    "bool": lambda value: isinstance(value, bool) or type(value).__name__ == "bool",
    "None": lambda value: value is None,
    "Path": lambda value: isinstance(value, os.PathLike) or _named("Path")(value),
    "FilePath": lambda value: isinstance(value, os.PathLike),
    "Mapping": lambda value: isinstance(value, Mapping),
    "Sequence": lambda value: isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping))
    and not hasattr(value, "keys"),
    "Fit": _named("Fit"), "SEMFit": _is_sem_fit, "Dataset": _named("Dataset"), "Study": _named("Study"), "SEM": _named("SEM"),
    "Source": _named("Source"), "ModelSpec": _named("ModelSpec"), "Screening": _named("Screening"),
    "Construct": _named("Construct"),
    "Hypothesis": _named("Hypothesis"), "Term": _named("Term"), "Series": _named("Series"), "DataFrame": _named("DataFrame"),
    "array": lambda value: hasattr(value, "dtype") and getattr(value, "ndim", 0) > 0,
    "Analysis": _named("Analysis"), "Bootstrapped": _named("Bootstrapped"), "data": _is_data,
    "model": lambda value: (hasattr(value, "fit") and not isinstance(value, type)) or _named("Fit")(value),
}  # fmt: skip
_SEQUENCES = ("Sequence", "list", "tuple")
_BY_NAME: Mapping[str, tuple[str, ...]] = {
    "data": ("data",), "fit": ("Fit",), "model": ("model",), "population": ("model", "None"),
    "constructs": ("Mapping[str, Sequence[str]]", "Sequence[Construct]"), "values": ("Sequence[float]", "Mapping", "None"),
    "cov": ("DataFrame", "array", "Sequence[Sequence[float]]"), "mean": ("Series", "Mapping", "array", "Sequence[float]", "None"),
    "names": ("Sequence[str]", "None"),
}  # fmt: skip
"""What parameters hold that are annotated Any, by their names."""


def kinds_of(annotation: Any, *, name: str) -> tuple[str, ...]:
    """The alternatives of an annotation; () where anything is allowed."""
    text = annotation if isinstance(annotation, str) else "Any"
    parts = [part.strip() for part in _split(text)]
    if "Any" in parts:
        return _BY_NAME.get(name, ())
    return () if any(_head(part) not in _KINDS and _head(part) not in _SEQUENCES for part in parts) else tuple(parts)


def fits(value: Any, kinds: Iterable[str]) -> bool:
    """Whether a value is of one of the kinds, and its members where the kind says theirs."""
    return any(_is_of(value, kind) for kind in kinds)


def plain(value: Any, kinds: Iterable[str]) -> Any:
    """A one-dimensional array or index, or one name, where a list is asked for, as a tuple; anything else as it is."""
    if isinstance(value, str):
        names = any(_head(kind) in _SEQUENCES[:2] and ("str",) in _members(kind) for kind in kinds)
        return (value,) if names and "str" not in kinds else value
    listed = any(_head(kind) in _SEQUENCES for kind in kinds) and "array" not in kinds
    return tuple(value.tolist()) if listed and hasattr(value, "tolist") and getattr(value, "ndim", 0) == 1 else value


def expected(kinds: Iterable[str]) -> str:
    """The kinds in words: "text, a path or None"."""
    words = list(dict.fromkeys(_in_words(kind) for kind in kinds if kind != "None"))
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def described(value: Any) -> str:
    """What a value is, in words and short."""
    if value is None:
        return "None"
    if hasattr(value, "fit") and not isinstance(value, type):
        return f"a model ({type(value).__name__})"
    if _named("Fit")(value):
        return f"a fit of kind '{getattr(value, 'kind', '?')}'"
    if isinstance(value, type) or callable(value):
        return f"{getattr(value, '__name__', 'a function')} itself, not what it returns"
    text = " ".join(repr(value).split())
    return f"{text[:57]}… ({type(value).__name__})" if len(text) > 60 else f"{text} ({type(value).__name__})"


def _split(text: str, *, mark: str = "|") -> list[str]:
    """The parts of an annotation between marks; a mark within brackets belongs to a member."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == mark and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _head(kind: str) -> str:
    return kind.split("[", 1)[0].strip().rsplit(".", 1)[-1]


def _members(kind: str) -> list[tuple[str, ...]]:
    """The kinds of what a list or dict holds; several for a tuple of fixed length; [] where anything is allowed."""
    inner = re.fullmatch(r"\w+\[(.*)\]", kind)
    if inner is None:
        return []
    parts = [part.strip() for part in _split(inner[1], mark=",") if part.strip() != "..."]
    kinds = [kinds_of(part, name="") for part in parts]
    return kinds[1:] if _head(kind) == "Mapping" else kinds


def _is_of(value: Any, kind: str) -> bool:
    head, members = _head(kind), _members(kind)
    if head == "Mapping":
        return isinstance(value, Mapping) and all(
            not members[0] or fits(one, members[0]) for one in (value.values() if members else ())
        )
    if head not in _SEQUENCES:
        return _KINDS[head](value)
    if isinstance(value, str):
        return head != "tuple" and (("str",) in members or not any(members))
    if not _KINDS["Sequence"](value) or getattr(value, "ndim", 1) != 1:
        return False
    if not members or not isinstance(value, (list, tuple)) or not all(members):
        return True
    if len(members) > 1:
        return len(value) == len(members) and all(map(fits, value, members))
    return all(fits(one, members[0]) for one in value)


def _in_words(kind: str) -> str:
    head, members = _head(kind), _members(kind)
    if head in _SEQUENCES and members and members[0]:
        return f"a list of {_PLURALS.get(members[0][0]) or expected(members[0])}"
    if head == "Mapping" and members and members[0]:
        return f"a dict of {_PLURALS.get(members[0][0]) or expected(members[0])}"
    return _WORDS.get(head, head)
