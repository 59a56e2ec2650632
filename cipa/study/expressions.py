"""Arithmetic on labels, for `:=`, `==`, `<` and `>`: a closed grammar, evaluated with its gradient.

    expression = term (("+" | "-") term)*        power = atom ["^" factor]
    term       = factor (("*" | "/") factor)*    atom  = number | name | function "(" expression ")" | "(" expression ")"
    factor     = ["-" | "+"] factor | power

The gradient is exact: each node returns its value and its derivatives (forward mode, chain rule).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cipa.errors import did_you_mean
from cipa.numerics.algebra.linalg import Array
from cipa.study.tokens import Token, at

Dual = tuple[Any, Any]
"""A value and its gradient: a float and an (k,) array; or arrays of draws (R,) and None."""

_DEPTH = 60  # nested parentheses; deeper text is refused before Python's own stack is in danger
_LENGTH = 800  # words of one expression; a chain of sums is a tree as deep as it is long

FUNCTIONS: Mapping[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "exp": (np.exp, np.exp),
    "log": (np.log, lambda x: 1 / x),
    "log10": (np.log10, lambda x: 1 / (x * math.log(10))),
    "sqrt": (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "abs": (np.abs, np.sign),
    "sin": (np.sin, np.cos),
    "cos": (np.cos, lambda x: -np.sin(x)),
    "tan": (np.tan, lambda x: 1 / np.cos(x) ** 2),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "atanh": (np.arctanh, lambda x: 1 / (1 - x**2)),
}
"""What an expression may call, with derivatives."""


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True, slots=True)
class Name:
    """A label of a parameter, or an effect defined before."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function of one argument."""

    function: str
    argument: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    """left operator right."""

    operator: str
    left: Expression
    right: Expression


Expression = Number | Name | Call | Binary


def names_in(expression: Expression) -> tuple[str, ...]:
    """The names that an expression uses, each once, in order."""
    match expression:
        case Name(name):
            return (name,)
        case Call(_, argument):
            return names_in(argument)
        case Binary(_, left, right):
            return tuple(dict.fromkeys(names_in(left) + names_in(right)))
    return ()


def substitute(expression: Expression, defined: Mapping[str, Expression]) -> Expression:
    """The expression with each defined name replaced by what defines it."""
    match expression:
        case Name(name):
            return defined.get(name, expression)
        case Call(function, argument):
            return Call(function, substitute(argument, defined))
        case Binary(operator, left, right):
            return Binary(operator, substitute(left, defined), substitute(right, defined))
    return expression


def evaluate(expression: Expression, values: Mapping[str, Dual], *, size: int) -> Dual:
    """Value and gradient (size,) of an expression whose names have the duals in `values`."""
    match expression:
        case Number(value):
            return value, np.zeros(size)
        case Name(name):
            return values[name]
        case Call(function, argument):
            value, gradient = evaluate(argument, values, size=size)
            call, derivative = FUNCTIONS[function]
            with np.errstate(all="ignore"):
                return call(value), _scaled(derivative(value), gradient)
        case Binary(operator, left, right):
            return _combine(operator, evaluate(left, values, size=size), evaluate(right, values, size=size))


def _scaled(factor: Any, gradient: Any) -> Any:
    return np.asarray(factor)[..., None] * gradient if np.ndim(factor) else factor * gradient


def _combine(operator: str, left: Dual, right: Dual) -> Dual:
    (a, da), (b, db) = left, right
    with np.errstate(all="ignore"):
        if operator == "+":
            return a + b, da + db
        if operator == "-":
            return a - b, da - db
        if operator == "*":
            return a * b, _scaled(b, da) + _scaled(a, db)
        if operator == "/":
            quotient = np.divide(a, b)
            return quotient, _scaled(np.divide(1.0, b), da) - _scaled(np.divide(quotient, b), db)
        power = np.power(np.asarray(a, dtype=np.float64), b)
        slope = _scaled(b * np.power(np.asarray(a, dtype=np.float64), np.asarray(b) - 1), da)
        constant_exponent = not np.any(db)
        return power, slope if constant_exponent else slope + _scaled(power * np.log(a), db)


def gradient_of(expression: Expression, params: Array, positions: Mapping[str, int]) -> tuple[float, Array]:
    """Value and gradient at `params` (k,) of an expression in labels that stand at `positions`."""
    size = len(params)
    unit = np.eye(size)
    duals = {name: (params[positions[name]], unit[positions[name]]) for name in names_in(expression)}
    value, gradient = evaluate(expression, duals, size=size)
    return float(value), np.asarray(gradient, dtype=np.float64)


class Parser:
    """A recursive-descent parser over tokens of one expression."""

    def __init__(self, tokens: Sequence[Token], *, source: str, functions: Collection[str] = FUNCTIONS) -> None:
        self.tokens, self.source, self.functions = tokens, source, functions
        self.position = self.depth = 0

    def parse(self) -> Expression:
        """The whole expression; refuses what is left over."""
        if not self.tokens:
            raise at(
                self.source,
                1,
                1,
                "An expression is missing here. Write what is to be computed, for example a*b or log(employees).",
            )
        if len(self.tokens) > _LENGTH:
            self._refuse(
                f"the expression has {len(self.tokens)} words, more than {_LENGTH}, which nobody can check. Split it: "
                "define intermediate effects with ':='."
            )
        result = self._sum()
        if self.position < len(self.tokens):
            self._refuse(
                f"'{self.tokens[self.position].text}' does not continue the expression, so that it is open what is "
                "computed. Join terms by '+', '-', '*', '/' or '^'."
            )
        return result

    def _peek(self) -> str:
        return self.tokens[self.position].text if self.position < len(self.tokens) else ""

    def _take(self) -> Token:
        if self.position >= len(self.tokens):
            self._refuse("the expression ends too early, so that it is open what is computed. Write the rest.")
        self.position += 1
        return self.tokens[self.position - 1]

    def _refuse(self, problem: str) -> None:
        token = self.tokens[min(self.position, len(self.tokens) - 1)]
        raise at(self.source, token.line, token.column, problem)

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > _DEPTH:
            self._refuse(
                f"the expression is nested deeper than {_DEPTH} levels, which nobody can check. Define intermediate effects with "
                "':='."
            )

    def _sum(self) -> Expression:
        self._deeper()
        left = self._product()
        while self._peek() in ("+", "-"):
            left = Binary(self._take().text, left, self._product())
        self.depth -= 1
        return left

    def _product(self) -> Expression:
        left = self._factor()
        while self._peek() in ("*", "/"):
            left = Binary(self._take().text, left, self._factor())
        return left

    def _factor(self) -> Expression:
        signs = 0
        negative = False
        while self._peek() in ("-", "+"):
            negative ^= self._take().text == "-"
            signs += 1
        base = self._atom()
        if self._peek() == "^":
            self._take()
            self._deeper()
            base = Binary("^", base, self._factor())
            self.depth -= 1
        return Binary("*", Number(-1.0), base) if negative else base

    def _atom(self) -> Expression:
        token = self._take()
        if token.kind == "number":
            return Number(float(token.text))
        if token.text == "(":
            return self._closed()
        if token.kind == "name" and self._peek() == "(":
            if token.text not in self.functions:
                self.position -= 1
                known = ", ".join(self.functions)
                self._refuse(
                    f"the function '{token.text}' is not known here.{did_you_mean(token.text, self.functions)} Without it "
                    f"nothing is computed: use one of {known}."
                )
            self._take()
            return Call(token.text, self._closed())
        if token.kind == "name":
            return Name(token.text)
        self.position -= 1
        self._refuse(f"a number, a label or '(' is expected here, not '{token.text}', which has no value. Write one of them.")
        raise AssertionError

    def _closed(self) -> Expression:
        inner = self._sum()
        if self._peek() != ")":
            self.position = min(self.position, len(self.tokens) - 1)
            self._refuse("a ')' is missing, so that it is open what belongs together. Close every '('.")
        self._take()
        return inner
