"""Model syntax, compatible with lavaan: text -> statements, errors with line and column.

All of lavaan's operators and modifiers are read; what a model makes of them is the model's business.
Source: Rosseel, Y. (2012). lavaan: An R package for structural equation modeling. Journal of Statistical
Software, 48(2), section 3 and appendix; the manual page `model.syntax`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from cipa.errors import did_you_mean
from cipa.study.expressions import Expression, Parser, names_in
from cipa.study.modifiers import Modifiers, modifier, number_of, split_at, text_of
from cipa.study.tokens import Token, at, tokenize

_CONSTRAINTS = (":=", "==", "<", ">")


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """One element of a formula: `lhs op modifiers*rhs`, in a block, at a place in the text."""

    lhs: str
    op: str
    rhs: str
    modifiers: Modifiers
    group: str | None = None
    level: str | None = None
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """`lhs := right`, or `left == right`, `left < right`, `left > right` in labels."""

    op: str
    lhs: str
    rhs: str
    left: Expression | None
    right: Expression
    line: int = 0
    column: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The labels that the constraint uses."""
        return tuple(dict.fromkeys((names_in(self.left) if self.left else ()) + names_in(self.right)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Syntax:
    """A parsed model."""

    source: str
    formulas: tuple[Formula, ...]
    constraints: tuple[Constraint, ...] = ()

    @property
    def groups(self) -> tuple[str, ...]:
        """Labels of `group:` blocks, in order."""
        return tuple(dict.fromkeys(row.group for row in self.formulas if row.group is not None))

    @property
    def levels(self) -> tuple[str, ...]:
        """Labels of `level:` blocks, in order."""
        return tuple(dict.fromkeys(row.level for row in self.formulas if row.level is not None))

    def refuse_unknown(self, names: Iterable[str], columns: Iterable[str], *, source: str) -> None:
        """Refuse a variable that is neither a construct nor a column, with its place."""
        latent = {row.lhs for row in self.formulas if row.op in ("=~", "<~")}
        known, wanted = list(columns), set(names)
        strange = wanted - set(known)
        for row in self.formulas:
            for name in (row.lhs, row.rhs):
                if name in strange:
                    raise self.refuse(row, neither(name, source=source, near=did_you_mean(name, [*latent, *known])))

    def refuse(self, place: Formula | Constraint, problem: str) -> Exception:
        """An error at the place where a statement stands."""
        return at(self.source, place.line, place.column, problem)


def neither(name: str, *, source: str, near: str) -> str:
    """What is wrong with a name that nothing stands behind."""
    return (
        f"'{name}' is neither a construct of the model nor a column of {source}.{near} It has no values: check the spelling, or "
        "measure it with '=~'."
    )


def parse(source: str) -> Syntax:
    """Read model syntax.

    Parameters
    ----------
    source : str
        lavaan model syntax.

    Raises
    ------
    SpecificationError
        With the line, a caret, the reason and what is understood instead.

    Examples
    --------
    >>> [f"{row.lhs} {row.op} {row.rhs}" for row in parse("f =~ x1 + 0.8*x2").formulas]
    ['f =~ x1', 'f =~ x2']
    """
    formulas: list[Formula] = []
    constraints: list[Constraint] = []
    group: str | None = None
    level: str | None = None
    for tokens in _statements(source):
        if _is_block(tokens):
            kind, label = _block(tokens, source=source)
            group, level = (label, None) if kind == "group" else (group, label)
            continue
        found = _statement(tokens, source=source)
        if isinstance(found, Constraint):
            constraints.append(found)
        else:
            formulas.extend(replace(row, group=group, level=level) for row in found)
    if not formulas:
        raise at(
            source, 1, 1, "The model is empty. Write at least one formula, for example 'collaboration =~ col1 + col2 + col3'."
        )
    return Syntax(source=source, formulas=_merged(formulas), constraints=tuple(constraints))


def _merged(formulas: Sequence[Formula]) -> tuple[Formula, ...]:
    """One row per parameter: `x + start(.8)*x` names x once, with both modifiers."""
    rows: dict[tuple[str | None, ...], Formula] = {}
    for row in formulas:
        lhs, rhs = sorted((row.lhs, row.rhs)) if row.op == "~~" else (row.lhs, row.rhs)
        key = (lhs, row.op, rhs, row.group, row.level)
        rows[key] = replace(rows[key], modifiers=rows[key].modifiers.merged(row.modifiers)) if key in rows else row
    return tuple(rows.values())


def _statements(source: str) -> list[list[Token]]:
    """Tokens of each statement: a line without a relation continues the one before."""
    lines: list[list[Token]] = [[]]
    depth = 0
    for token in tokenize(source):
        if token.kind == "sign":
            depth += (token.text == "(") - (token.text == ")")
        if token.kind == "separator" or (token.kind == "newline" and depth <= 0):
            lines.append([])
            depth = 0
        elif token.kind != "newline":
            lines[-1].append(token)
    statements: list[list[Token]] = []
    for line in filter(None, lines):
        fresh = any(token.kind == "relation" for token in line) or _is_block(line)
        if not fresh and not statements:
            raise at(
                source,
                line[0].line,
                line[0].column,
                f"No operator in '{text_of(line)}', so it says nothing about its variables. Write one of =~ ~ ~~ <~ | := == < >.",
            )
        if fresh:
            statements.append(line)
        else:
            statements[-1].extend(line)
    return statements


def _is_block(tokens: Sequence[Token]) -> bool:
    return len(tokens) >= 3 and tokens[2].kind == "label"


def _block(tokens: Sequence[Token], *, source: str) -> tuple[str, str]:
    """The kind of a block and its label, without quotes.

    Unquoted, it is the rest of the line, and must not look like a formula.
    """
    kind, label = tokens[0].text.lower(), tokens[2].text
    quote = label[:1] if label[:1] in ("'", '"') else ""
    bare = label[1:-1] if quote else label
    if kind == "class":
        raise at(
            source,
            tokens[0].line,
            tokens[0].column,
            "latent classes are not a model of cipa. A group: block holds a model of each observed group; drop the class: "
            "blocks.",
        )
    wrong = label.count(quote) != 2 or label[-1] != quote if quote else re.search("[~=|]", label)
    if wrong or not bare.strip() or len(tokens) > 3:
        problem = (
            f"this block has no label that can be read, so that it is open whose it is. Write '{kind}: LABEL' alone on its "
            "line; a label with ~ = | ; # or ! in it stands in quotes."
        )
        raise at(source, tokens[0].line, tokens[0].column, problem)
    return ("level" if kind == "level" else "group"), bare


def _statement(tokens: list[Token], *, source: str) -> Constraint | list[Formula]:
    places = [i for i, token in enumerate(tokens) if token.kind == "relation"]
    first = tokens[places[0]]
    if len(places) > 1:
        second = tokens[places[1]]
        raise at(
            source,
            second.line,
            second.column,
            f"'{first.text}' and '{second.text}' stand in one formula, which has one operator. Start a new line for the second.",
        )
    left, right = tokens[: places[0]], tokens[places[0] + 1 :]
    if not left or not right:
        side = "left" if not left else "right"
        raise at(
            source,
            first.line,
            first.column,
            f"Nothing stands to the {side} of '{first.text}'. A formula relates two sides: write the missing name, or drop the "
            "line.",
        )
    if first.text in _CONSTRAINTS:
        return _constraint(left, first, right, source=source)
    return [
        row
        for name in _lhs(left, source=source)
        for element in _elements(right, source=source)
        for row in [_formula(name, first, element, source=source)]
    ]


def _constraint(left: list[Token], op: Token, right: list[Token], *, source: str) -> Constraint:
    if op.text == ":=" and (len(left) != 1 or left[0].kind != "name"):
        raise at(
            source,
            left[0].line,
            left[0].column,
            "The left side of ':=' is one new name, which the effect gets. Write, for example, 'indirect := a*b'.",
        )
    return Constraint(
        op=op.text,
        lhs=text_of(left),
        rhs=text_of(right),
        left=None if op.text == ":=" else Parser(left, source=source).parse(),
        right=Parser(right, source=source).parse(),
        line=left[0].line,
        column=left[0].column,
    )


def _lhs(tokens: list[Token], *, source: str) -> list[str]:
    names = [_variable(element, source=source) for element in split_at(tokens, "+", source=source)]
    if "" in names:
        raise at(
            source,
            tokens[0].line,
            tokens[0].column,
            "The left side of a formula is one or more variable names, and no number. Write it as 'y ~ x'.",
        )
    return names


def _elements(tokens: list[Token], *, source: str) -> list[list[Token]]:
    return split_at(tokens, "+", source=source)


def _formula(name: str, op: Token, element: list[Token], *, source: str) -> Formula:
    for sign in ("*", "?"):
        parts = split_at(element, sign, source=source)
        if len(parts) > 1:
            break
    *before, last = parts
    modifiers = Modifiers()
    for part in before:
        following = modifier(part, starting=sign == "?", source=source)
        _refuse_second_label(modifiers, following, part[0], text_of(last), source=source)
        modifiers = modifiers.merged(following)
    variable = _variable(last, source=source)
    operator = op.text
    if not variable and not (op.text == "=~" and number_of(last) == 0.0 and not before):  # `f =~ 0` measures a phantom by nothing
        operator, modifiers = _intercept(op, last, modifiers, source=source)
    if operator == "|" and not variable.lower().startswith("t"):
        raise at(
            source,
            last[0].line,
            last[0].column,
            f"'{variable}' is no threshold, and only thresholds stand behind '|'. Write them as t1, t2, …: 'item | t1 + t2 "
            "+ t3'.",
        )
    return Formula(lhs=name, op=operator, rhs=variable, modifiers=modifiers, line=element[0].line, column=element[0].column)


def _refuse_second_label(first: Modifiers, second: Modifiers, place: Token, name: str, *, source: str) -> None:
    """Refuse `a*b*x`, which lavaan refuses too."""
    if first.label and second.label:
        one, two = first.label[0], second.label[0]
        raise at(
            source,
            place.line,
            place.column,
            f"'{name}' has two labels here, '{one}' and '{two}', and a parameter has one: it would be open which of them ties it "
            f"to others. Write one of them; that both are equal is a line of its own ({one} == {two}), and an effect that is a "
            f"product is defined ({one}{two} := {one}*{two}).",
        )


def _intercept(op: Token, last: list[Token], modifiers: Modifiers, *, source: str) -> tuple[str, Modifiers]:
    number = number_of(last)
    if op.text != "~" or number not in (0.0, 1.0):
        raise at(
            source,
            last[0].line,
            last[0].column,
            f"'{text_of(last)}' is not a variable name, so that it stands for nothing. Write a fixed value before a star: "
            "'0.5*x'.",
        )
    return "~1", modifiers if number == 1.0 else modifiers.merged(Modifiers(fixed=(0.0,)))


def _variable(tokens: list[Token], *, source: str) -> str:
    """`x`, or `x:z`; "" for a number."""
    names, colons = tokens[0::2], tokens[1::2]
    if all(token.kind == "name" for token in names) and all(token.text == ":" for token in colons) and len(tokens) % 2:
        return ":".join(token.text for token in names)
    if number_of(tokens) is not None:
        return ""
    raise at(source, tokens[0].line, tokens[0].column, _not_a_name(tokens))


def _not_a_name(tokens: list[Token]) -> str:
    """Why tokens are no variable, and what to write: two names without a sign between them, a function of one, or a stranger."""
    for left, right in pairwise(tokens):
        if left.kind == right.kind == "name":
            return (
                f"No sign stands between '{left.text}' and '{right.text}', so that it is open what joins them. Write "
                f"'{left.text} + {right.text}', or a name that holds a blank in backticks."
            )
    if tokens[0].kind == "name" and len(tokens) > 1:
        return (
            f"'{text_of(tokens)}' is to be computed, and a model is made of columns as they are. Compute it as a "
            "column first (derive = in a study's source), and name that."
        )
    return (
        f"'{text_of(tokens)}' is not a variable name, so that it stands for nothing. Names hold letters, digits, dots and "
        "underscores: write others in backticks."
    )
