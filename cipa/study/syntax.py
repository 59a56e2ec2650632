"""Model syntax, compatible with lavaan: text -> statements, errors with line and column.

All of lavaan's operators and modifiers are read; what a model makes of them is the model's business.
Source: Rosseel, Y. (2012). lavaan: An R package for structural equation modeling. Journal of Statistical
Software, 48(2), section 3 and appendix; the manual page `model.syntax`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cipa.errors import did_you_mean
from cipa.study.expressions import Expression, Parser, evaluate, names_in
from cipa.study.tokens import LARGEST, Token, at, tokenize

_MODIFIER_FUNCTIONS = ("start", "equal", "label", "lower", "upper", "c")
_CONSTRAINTS = (":=", "==", "<", ">")


@dataclass(frozen=True, slots=True, kw_only=True)
class Modifiers:
    """What stands before the `*`: one entry, or one per group from `c()`.

    `fixed` holds numbers, NaN for `NA` (free); `equal` holds the text of the parameter meant.
    """

    fixed: tuple[float, ...] = ()
    label: tuple[str, ...] = ()
    start: tuple[float, ...] = ()
    equal: tuple[str, ...] = ()
    lower: tuple[float, ...] = ()
    upper: tuple[float, ...] = ()

    def merged(self, other: Modifiers) -> Modifiers:
        """Both, where the later wins."""
        return Modifiers(
            fixed=other.fixed or self.fixed,
            label=other.label or self.label,
            start=other.start or self.start,
            equal=other.equal or self.equal,
            lower=other.lower or self.lower,
            upper=other.upper or self.upper,
        )


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

    def refuse(self, place: Formula | Constraint, problem: str) -> Exception:
        """An error at the place where a statement stands."""
        return at(self.source, place.line, place.column, problem)


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
                f"No operator in '{_text(line)}', so it says nothing about its variables. A formula has one of =~ ~ ~~ <~ | := == < >.",
            )
        if fresh:
            statements.append(line)
        else:
            statements[-1].extend(line)
    return statements


def _is_block(tokens: Sequence[Token]) -> bool:
    return len(tokens) >= 3 and tokens[2].kind == "label"


def _block(tokens: Sequence[Token], *, source: str) -> tuple[str, str]:
    """The kind of a block and its label, without quotes; unquoted, it is the rest of the line, and must not look like a formula."""
    kind, label = tokens[0].text.lower(), tokens[2].text
    quote = label[:1] if label[:1] in ("'", '"') else ""
    bare = label[1:-1] if quote else label
    if kind == "class":
        raise at(
            source,
            tokens[0].line,
            tokens[0].column,
            "latent classes are not a model of cipa. A group: block holds a model of each observed group; drop the class: blocks.",
        )
    wrong = label.count(quote) != 2 or label[-1] != quote if quote else re.search("[~=|]", label)
    if wrong or not bare.strip() or len(tokens) > 3:
        problem = f"write '{kind}: LABEL' alone on its line; a label with ~ = | ; # or ! in it stands in quotes."
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
            f"Nothing stands to the {side} of '{first.text}'. A formula relates two sides: write the missing name, or drop the line.",
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
        raise at(source, left[0].line, left[0].column, "The left side of ':=' is one new name, for example 'indirect := a*b'.")
    return Constraint(
        op=op.text,
        lhs=_text(left),
        rhs=_text(right),
        left=None if op.text == ":=" else Parser(left, source=source).parse(),
        right=Parser(right, source=source).parse(),
        line=left[0].line,
        column=left[0].column,
    )


def _lhs(tokens: list[Token], *, source: str) -> list[str]:
    names = [_variable(element, source=source) for element in _split(tokens, "+", source=source)]
    if "" in names:
        raise at(
            source,
            tokens[0].line,
            tokens[0].column,
            "The left side of a formula is one or more variable names, and no number. Write it as 'y ~ x'.",
        )
    return names


def _elements(tokens: list[Token], *, source: str) -> list[list[Token]]:
    return _split(tokens, "+", source=source)


def _split(tokens: list[Token], sign: str, *, source: str) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.text == "(") - (token.text == ")")
        if depth < 0:
            raise at(
                source,
                token.line,
                token.column,
                "This ')' closes nothing, so what belongs together is not clear. Drop it, or open '(' before.",
            )
        if token.text == sign and token.kind == "sign" and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    if not all(parts):
        signs = [token for token in tokens if token.text == sign] or [tokens[0]]
        place = signs[max(parts.index([]) - 1, 0)]
        raise at(
            source,
            place.line,
            place.column,
            f"Something is missing next to '{sign}'. It joins two things: write the missing one, or drop the sign.",
        )
    if depth:
        raise at(
            source,
            tokens[-1].line,
            tokens[-1].column,
            "A ')' is missing, so what belongs together is not clear. Close every '(' in the formula.",
        )
    return parts


def _formula(name: str, op: Token, element: list[Token], *, source: str) -> Formula:
    for sign in ("*", "?"):
        parts = _split(element, sign, source=source)
        if len(parts) > 1:
            break
    *before, last = parts
    modifiers = Modifiers()
    for part in before:
        modifier = _modifier(part, starting=sign == "?", source=source)
        _refuse_second_label(modifiers, modifier, part[0], _text(last), source=source)
        modifiers = modifiers.merged(modifier)
    variable = _variable(last, source=source)
    operator = op.text
    if not variable and not (op.text == "=~" and _number(last) == 0.0 and not before):  # `f =~ 0` measures a phantom by nothing
        operator, modifiers = _intercept(op, last, modifiers, source=source)
    if operator == "|" and not variable.lower().startswith("t"):
        raise at(source, last[0].line, last[0].column, "A threshold is written t1, t2, …: 'item | t1 + t2 + t3'.")
    return Formula(lhs=name, op=operator, rhs=variable, modifiers=modifiers, line=element[0].line, column=element[0].column)


def _refuse_second_label(first: Modifiers, second: Modifiers, place: Token, name: str, *, source: str) -> None:
    """Refuse `a*b*x`, which lavaan refuses too."""
    if first.label and second.label:
        one, two = first.label[0], second.label[0]
        raise at(
            source,
            place.line,
            place.column,
            f"'{name}' has two labels here, '{one}' and '{two}', and a parameter has one: it would be open which of them ties it to"
            f" others. Write one of them; that both are equal is a line of its own ({one} == {two}), and an effect that is a product"
            f" is defined ({one}{two} := {one}*{two}).",
        )


def _intercept(op: Token, last: list[Token], modifiers: Modifiers, *, source: str) -> tuple[str, Modifiers]:
    number = _number(last)
    if op.text != "~" or number not in (0.0, 1.0):
        raise at(
            source,
            last[0].line,
            last[0].column,
            f"'{_text(last)}' is not a variable name. A fixed value is written before a star: '0.5*x'.",
        )
    return "~1", modifiers if number == 1.0 else modifiers.merged(Modifiers(fixed=(0.0,)))


def _variable(tokens: list[Token], *, source: str) -> str:
    """`x`, or `x:z`; "" for a number."""
    names, colons = tokens[0::2], tokens[1::2]
    if all(token.kind == "name" for token in names) and all(token.text == ":" for token in colons) and len(tokens) % 2:
        return ":".join(token.text for token in names)
    if _number(tokens) is not None:
        return ""
    raise at(
        source,
        tokens[0].line,
        tokens[0].column,
        f"'{_text(tokens)}' is not a variable name. Names hold letters, digits, dots and underscores; others stand in backticks.",
    )


def _modifier(tokens: list[Token], *, starting: bool, source: str) -> Modifiers:
    head = tokens[0]
    if len(tokens) > 1 and head.kind == "name" and tokens[1].text == "(" and tokens[-1].text == ")":
        return _modifier_call(head, tokens[2:-1], source=source)
    entry = _entry(tokens, source=source)
    return _as_modifiers([entry], starting=starting)


def _modifier_call(head: Token, inner: list[Token], *, source: str) -> Modifiers:
    if head.text in ("exp", "log", "sqrt"):
        opening, closing = (Token("sign", sign, head.line, head.column) for sign in "()")
        return Modifiers(fixed=(_computed([head, opening, *inner, closing], source=source),))
    if head.text not in _MODIFIER_FUNCTIONS or not inner:
        hint = did_you_mean(head.text, _MODIFIER_FUNCTIONS)
        raise at(
            source,
            head.line,
            head.column,
            f"The modifier '{head.text}()' is not known.{hint} Known: start(), equal(), label(), lower(), upper(), c().",
        )
    if head.text != "c" and len(inner) > 2 and inner[0].text == "c" and inner[1].text == "(":
        inner = inner[2:-1]
    entries = [_entry(part, source=source) for part in _split(inner, ",", source=source)]
    if head.text == "equal":
        return Modifiers(equal=tuple(str(entry).replace(" ", "") for entry in entries))
    if head.text in ("lower", "upper"):
        if not all(isinstance(entry, float) for entry in entries):
            raise at(
                source, head.line, head.column, f"{head.text}() takes a number, or one for each group in c(): {head.text}(0)*x."
            )
        bounds = tuple(entry for entry in entries if isinstance(entry, float))
        return Modifiers(lower=bounds) if head.text == "lower" else Modifiers(upper=bounds)
    if head.text == "label":
        return Modifiers(label=tuple(str(entry) for entry in entries))
    return _as_modifiers(entries, starting=head.text == "start")


def _as_modifiers(entries: Sequence[float | str], *, starting: bool) -> Modifiers:
    numbers = [entry for entry in entries if isinstance(entry, float)]
    if starting:
        return Modifiers(start=tuple(numbers))
    if len(numbers) == len(entries):
        return Modifiers(fixed=tuple(numbers))
    return Modifiers(label=tuple("" if isinstance(entry, float) else entry for entry in entries))


def _entry(tokens: list[Token], *, source: str) -> float | str:
    """A number, NaN for NA, or a label."""
    if len(tokens) == 1 and tokens[0].kind == "string":
        return tokens[0].text[1:-1]
    if len(tokens) == 1 and tokens[0].kind == "name":
        return math.nan if tokens[0].text in ("NA", "na") else tokens[0].text
    number = _number(tokens)
    if number is None:
        number = _computed(tokens, source=source)
    return number


def _computed(tokens: list[Token], *, source: str) -> float:
    """The value of an expression without names; refuses one that has no value."""
    expression = Parser(tokens, source=source).parse()
    if names_in(expression):
        raise at(
            source,
            tokens[0].line,
            tokens[0].column,
            f"'{_text(tokens)}' is neither a number nor one label. Before the star stands one of them: '0.5*x' or 'b*x'.",
        )
    number = float(evaluate(expression, {}, size=0)[0])
    if not abs(number) <= LARGEST:
        problem = f"'{_text(tokens)[:40]}' is {number:g}, and no parameter can be held there. Write NA for a free parameter."
        raise at(source, tokens[0].line, tokens[0].column, problem)
    return number


def _number(tokens: Sequence[Token]) -> float | None:
    sign = 1.0
    rest = list(tokens)
    while rest and rest[0].text in ("-", "+"):
        sign *= -1.0 if rest.pop(0).text == "-" else 1.0
    return sign * float(rest[0].text) if len(rest) == 1 and rest[0].kind == "number" else None


def _text(tokens: Sequence[Token]) -> str:
    return "".join(token.text for token in tokens)
