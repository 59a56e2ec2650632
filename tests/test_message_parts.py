"""Every refusal of the package says more than what is wrong: two sentences at the least, and what to do.

The source is read, not run: of every message that is raised, the literal text with "…" in the place of what is filled in. Where a
part comes from a name or a function of the same file, each of its texts is tried.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cipa import errors

PACKAGE = Path(errors.__file__).parent
FILES = sorted(path for path in PACKAGE.rglob("*.py") if not {"_datasets", "_analyses"} & set(path.parts))

FAMILY = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, errors.CipaError)}
PLACING = {"refuse", "_refuse", "at"}
"""What makes an error of a text and the place where it stands: the text is their last argument."""

VERBS = (
    "add|ask|check|choose|close|cluster|compare|compute|copy|correct|declare|define|delete|describe|draw|drop|end|export|fill|fit|"
    "fix|free|gather|give|install|join|keep|label|leave|list|look|make|mark|measure|mend|merge|move|name|open|predict|put|read|recode|"
    "remove|rename|replace|save|say|see|show|split|start|take|use|write"
)
DOING = re.compile(rf"(?:^|[.?!:;,]\s+|\b(?:or|and)\s+)(?:{VERBS})\b|Did you mean|Needed:", re.IGNORECASE)
"""An imperative at the head of a sentence or of a part of one, or an offer."""

PASSED_ON = {
    ("data/checks.py", "rows are not positive"): "ends with why= of its callers, who say what a weight means and what to do",
    ("data/formats/kinds.py", "was expected to be"): "ends with the remedy of the kind that the file is, a row of a table",
    ("models/kinds.py", "[models."): "the words of a name that nothing stands behind, below the line where it stands",
    ("models/panel/common/formula.py", "panel formula, column"): "another message, below the formula and a caret",
    ("models/panel/linear/after/refit.py", "is not available for this fit"): "ends with the advice of the kind, a row of a table",
    ("results/covariance.py", "is not available here"): "ends with the reason that the kind's row gives, and its remedy",
    ("results/questions.py", "is not derived for"): "ends with what the family offers instead",
    ("study/tokens.py", "model syntax, line"): "another message, below the line of syntax and a caret",
    ("study/toml.py", "…: …"): "another message, with the line of the file before it",
}
"""File and words -> why a text is not the whole message."""


class Texts:
    """What the literal parts of a message can be, in one file."""

    def __init__(self, tree: ast.Module) -> None:
        self.open: list[str] = []  # functions whose returns are being read
        self.functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}

    def of(self, node: ast.expr, scope: ast.AST) -> list[str]:
        """Every text that an expression can have, with "…" for what is not written in this file."""
        if isinstance(node, ast.Constant):
            return [node.value if isinstance(node.value, str) else "…"]
        if isinstance(node, ast.FormattedValue):
            return self.of(node.value, scope)
        if isinstance(node, ast.JoinedStr):
            return self._joined(node.values, scope)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._joined([node.left, node.right], scope)
        if isinstance(node, ast.IfExp):
            return self.of(node.body, scope) + self.of(node.orelse, scope)
        if isinstance(node, ast.Name):
            return self._assigned(node.id, scope)
        if isinstance(node, ast.Call):
            return self._returned(node)
        return ["…"]

    def _joined(self, parts: list[ast.expr], scope: ast.AST) -> list[str]:
        return ["".join(chosen) for chosen in itertools.product(*(dict.fromkeys(self.of(part, scope)) for part in parts))]

    def _assigned(self, name: str, scope: ast.AST) -> list[str]:
        values = [
            node.value
            for node in ast.walk(scope)
            if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]
        ]
        written = [node for node in values if name not in {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}]
        return [text for node in written for text in self.of(node, scope)] or ["…"]

    def _returned(self, call: ast.Call) -> list[str]:
        name = ast.unparse(call.func).rsplit(".", 1)[-1]
        if name == "did_you_mean":
            return [""]
        function = self.functions.get(name)
        if function is None or name in self.open:
            return ["…"]
        self.open.append(name)
        returned = [node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value is not None]
        texts = [text for value in returned for text in self.of(value, function)]
        self.open.pop()
        return texts or ["…"]


def messages(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every refusal of a file."""
    texts = Texts(tree)
    for scope in [*texts.functions.values()]:
        for node in ast.walk(scope):
            if isinstance(node, ast.Call) and node.args:
                name = ast.unparse(node.func).rsplit(".", 1)[-1]
                if name in FAMILY | {"family"} or name in PLACING:
                    yield from ((node.lineno, text) for text in texts.of(node.args[-1], scope) if re.search(r"[a-z]{2}", text))


def lacking(text: str) -> str:
    """What a message lacks."""
    if len(re.findall(r"[.?!](?=\s|$|…)|\n", text)) < 2:
        return "a second sentence"
    return "" if DOING.search(text) else "what to do"


def excused(file: str, text: str) -> bool:
    return any(file == where and words in text for where, words in PASSED_ON)


@pytest.mark.parametrize("path", FILES, ids=[path.relative_to(PACKAGE).as_posix() for path in FILES])
def test_every_refusal_says_why_and_what_to_do(path: Path) -> None:
    file = path.relative_to(PACKAGE).as_posix()
    refusals = messages(ast.parse(path.read_text(encoding="utf-8")))
    short = [(line, lacking(text), text) for line, text in refusals if lacking(text) and not excused(file, text)]
    assert not short, "\n".join(f"{file}, line {line} lacks {what}: {text}" for line, what, text in dict.fromkeys(short))


def test_texts_that_others_complete_are_still_there() -> None:
    for file, words in PASSED_ON:
        assert any(words in text for _, text in messages(ast.parse((PACKAGE / file).read_text(encoding="utf-8")))), (file, words)


def completions(tree: ast.Module) -> Iterator[str]:
    """Texts that complete a message elsewhere: what a family offers `instead=`, why a kind of covariance may `refuse=`."""
    texts = Texts(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "instead":
            yield from texts.of(node.value, tree)
        elif isinstance(node, ast.keyword) and node.arg == "refuse" and isinstance(node.value, ast.Name):
            function = texts.functions.get(node.value.id, ast.Pass())
            returned = [found.value for found in ast.walk(function) if isinstance(found, ast.Return) and found.value is not None]
            yield from (text for value in returned for text in texts.of(value, function) if text not in ("", "…"))


def test_what_completes_a_message_says_what_to_do() -> None:
    written = [
        (path.relative_to(PACKAGE).as_posix(), text)
        for path in FILES
        for text in completions(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert len(written) > 10
    assert [pair for pair in written if not DOING.search(pair[1]) and not excused(*pair)] == []


SOURCE = """
def refused(name, near):
    hint = "Choose another." if near else ""
    if name:
        raise DataError(f"'{name}' is not a column, so nothing is estimated.{did_you_mean(name, [])} {hint}")
    raise syntax.refuse(row, problem())

def problem():
    return "The model is empty. It says nothing."
"""


def test_what_is_filled_in_is_read_in_every_form_and_what_lacks_is_named() -> None:
    read = {text: lacking(text) for _, text in messages(ast.parse(SOURCE))}
    assert read == {
        "'…' is not a column, so nothing is estimated. Choose another.": "",
        "'…' is not a column, so nothing is estimated. ": "a second sentence",
        "The model is empty. It says nothing.": "what to do",
    }
