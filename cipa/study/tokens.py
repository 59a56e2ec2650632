"""Tokens of lavaan's model syntax, each with its line and column.

Names may hold any Unicode letter, in any locale, and dots and underscores; others stand in backticks: `R&D (%)`. Comments begin
with `#` or `!`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from cipa.errors import SpecificationError

RELATIONS = ("=~", "<~", ":=", "~*~", "~~", "==", "~", "<", ">", "|")

LARGEST = 1e100
"""Squares and products of larger numbers overflow."""

_TOKEN = re.compile(
    r"""
    (?P<blank>[ \t\r\f\v\u00a0\u3000]+)
  | (?P<comment>[#!][^\n]*)
  | (?P<newline>\n)
  | (?P<separator>;)
  | (?P<quoted>`[^`\n]+`)
  | (?P<string>"[^"\n]*"|'[^'\n]*')
  | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<name>(?:[^\W\d]|\.(?=[^\W\d]))(?:[\w.]|[\u0300-\u036f])*)
  | (?P<relation>=~|<~|:=|~\*~|~~|==|~|<|>|\|)
  | (?P<sign>[-+*/^(),:?%])
    """,
    re.VERBOSE,
)


_PLAIN = re.compile(r"(?:[^\W\d]|\.(?=[^\W\d]))(?:[\w.]|[\u0300-\u036f])*")
_SEPARATING = re.compile(r"[~=:<>|\[\]]|->")

_BLOCK = re.compile(
    r"""
    (?P<name>group|level|block|class)(?P<blank>[^\S\n]*)
    (?P<sign>:)(?!=)[^\S\n]*
    (?P<label>"[^"\n]*"(?=[^\S\n]*(?:[#!;\n]|$))|'[^'\n]*'(?=[^\S\n]*(?:[#!;\n]|$))|[^\n;#!]*)
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the syntax: its kind, text and 1-based position."""

    kind: str
    text: str
    line: int
    column: int


def tokenize(source: str) -> Iterator[Token]:
    """Split model syntax into tokens; blanks and comments are dropped, newlines are kept.

    At the start of a statement `group:` (or `level:`, `block:`, `class:`) makes the rest of its line one token, a label.

    Raises
    ------
    SpecificationError
        At the first character that belongs to no token, with line, column and a caret.
    """
    text = unicodedata.normalize("NFC", source)
    position, line, start, fresh = 0, 1, 0, True
    while position < len(text):
        block = _BLOCK.match(text, position) if fresh else None
        if block is not None:
            for kind in ("name", "sign", "label"):
                yield Token(kind, block[kind].strip(), line, block.start(kind) - start + 1)
            position, fresh = block.end(), False
            continue
        match = _TOKEN.match(text, position)
        if match is None:
            raise at(source, line, position - start + 1, _meaningless(text[position:]))
        kind = str(match.lastgroup)
        if kind == "number" and float(match.group()) > LARGEST:
            problem = (
                f"the number {match.group()[:20]} is larger than any parameter can be. Products of such numbers leave what a "
                f"computer can hold: write one below {LARGEST:g}."
            )
            raise at(source, line, position - start + 1, problem)
        if kind == "quoted":
            yield Token("name", _unquoted(match.group(), source, line, position - start + 1), line, position - start + 1)
            fresh = False
        elif kind not in ("blank", "comment"):
            yield Token(kind, match.group(), line, position - start + 1)
            fresh = kind in ("newline", "separator")
        position = match.end()
        if kind == "newline":
            line, start = line + 1, position


_LOOKALIKES = dict(
    zip("～〜∼˜＝＋＊×（），、；：＜＞｜－–—−＃！“”‘’％＾／？．", "~~~~=+**(),,;:<>|----#!\"\"''%^/?.", strict=True)
) | {"。": ""}
"""Characters of input methods and word processors, and what is meant."""


def lookalike(rest: str) -> str:
    """What to write in place of a look-alike of an operator at the head of `rest`; "" where none stands there."""
    run = ""
    for letter in rest:
        if letter not in _LOOKALIKES and not (run and letter in "=~"):
            break
        run += letter
    if rest[0] == "=" and rest[1:2] in _LOOKALIKES and _LOOKALIKES[rest[1]] in "=~":
        run = rest[:2]
    if run:
        meant = "".join(_LOOKALIKES.get(letter, letter) for letter in run)
        advice = f"Write '{meant}'" if meant else "Leave it out"
        return (
            f"'{run}' is typed with an input method or copied from a word processor, and is another character than the operator "
            f"it looks like. {advice}, with the keyboard set to English."
        )
    return ""


def _meaningless(rest: str) -> str:
    """Why the first character means nothing, and what to write: a look-alike of an operator, a lone "=", or a stranger."""
    seeming = lookalike(rest)
    if seeming:
        return seeming
    if rest[0] == "=":
        return (
            "'=' alone relates nothing. Write '=~' for a construct and its items (visual =~ x1 + x2), '~' for a regression (y ~ "
            "x), or '==' for two labels that are equal."
        )
    if rest[0] == "`":
        return "A backtick is opened here, and closes no name on this line. Write the name between two of them: `R&D (%)`."
    return (
        f"the character {rest[0]!r} has no meaning here. A name holds letters, digits, dots and underscores; write one with "
        "other characters in backticks: `R&D (%)`."
    )


def quoted(name: str) -> str:
    """A name as syntax writes it: in backticks, unless it is made of letters, digits, dots and underscores."""
    return name if _PLAIN.fullmatch(name) else f"`{name}`"


def _unquoted(text: str, source: str, line: int, column: int) -> str:
    """The name between backticks; it may not hold what separates the names of a parameter."""
    name = text[1:-1].strip()
    wrong = _SEPARATING.search(name)
    if wrong or not name:
        problem = (
            f"The name {text} holds '{wrong[0] if wrong else ' '}', which stands between the names of a parameter, so 'y ~ x' "
            "could be read two ways. Rename the column, as in [sources.survey.rename] of a study, or data.rename({...})."
        )
        raise at(source, line, column, problem)
    return name


def at(source: str, line: int, column: int, problem: str) -> SpecificationError:
    """An error that shows the line with a caret below the place."""
    lines = unicodedata.normalize("NFC", source).split("\n")
    shown = lines[line - 1].rstrip() if line <= len(lines) else ""
    if len(shown) > 160:
        first = max(0, min(column - 80, len(shown) - 160))
        shown, column = shown[first : first + 160], column - first
    caret = " " * (column - 1) + "^"
    return SpecificationError(f"model syntax, line {line}:\n    {shown}\n    {caret}\n{problem}")
