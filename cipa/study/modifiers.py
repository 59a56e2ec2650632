"""What stands before the star in a formula: values, labels, starts, bounds, references, one or one for each group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cipa.errors import did_you_mean
from cipa.study.expressions import Parser, evaluate, names_in
from cipa.study.tokens import LARGEST, Token, at

_MODIFIER_FUNCTIONS = ("start", "equal", "label", "lower", "upper", "c")


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


def modifier(tokens: list[Token], *, starting: bool, source: str) -> Modifiers:
    """One modifier; a plain number is a starting value where `?` stands instead of the star."""
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
            f"The modifier '{head.text}()' is not known.{hint} It would change nothing: rename or drop it. Known: start(), "
            "equal(), label(), lower(), upper(), c().",
        )
    if head.text != "c" and len(inner) > 2 and inner[0].text == "c" and inner[1].text == "(":
        inner = inner[2:-1]
    entries = [_entry(part, source=source) for part in split_at(inner, ",", source=source)]
    if head.text == "equal":
        return Modifiers(equal=tuple(str(entry).replace(" ", "") for entry in entries))
    if head.text in ("lower", "upper"):
        if not all(isinstance(entry, float) for entry in entries):
            raise at(
                source,
                head.line,
                head.column,
                f"{head.text}() takes a number, or one for each group in c(), and this is none. Write {head.text}(0)*x.",
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
    number = number_of(tokens)
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
            f"'{text_of(tokens)}' is neither a number nor one label, so that it neither holds nor names a parameter. Write "
            "one of them before the star: '0.5*x' or 'b*x'.",
        )
    number = float(evaluate(expression, {}, size=0)[0])
    if not abs(number) <= LARGEST:
        problem = f"'{text_of(tokens)[:40]}' is {number:g}, and no parameter can be held there. Write NA for a free parameter."
        raise at(source, tokens[0].line, tokens[0].column, problem)
    return number


def number_of(tokens: Sequence[Token]) -> float | None:
    """The number that the tokens write, with its sign; None where they write something else."""
    sign = 1.0
    rest = list(tokens)
    while rest and rest[0].text in ("-", "+"):
        sign *= -1.0 if rest.pop(0).text == "-" else 1.0
    return sign * float(rest[0].text) if len(rest) == 1 and rest[0].kind == "number" else None


def text_of(tokens: Sequence[Token]) -> str:
    """The tokens as they were written, without blanks."""
    return "".join(token.text for token in tokens)


def split_at(tokens: list[Token], sign: str, *, source: str) -> list[list[Token]]:
    """The parts between a sign, outside parentheses."""
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
