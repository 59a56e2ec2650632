"""The formula of a panel model: a closed grammar, never Python code.

    formula  = response "~" right side
    right    = ["-"] item (("+" | "-") item)*          item   = "1" | "0" | product | "[" names "~" names "]"
    product  = cross ("*" cross)*                      cross  = factor (":" factor)*
    factor   = atom | "(" right ")"                    atom   = name | function "(" atom ["," option] ")"
    option   = whole number | whole number ":" whole number (lag, lead, diff)  |  "ref" "=" value (i)

`a*b` means `a + b + a:b`; a term after `-` is taken out again. The functions are listed in FUNCTIONS. Lags go by the
calendar (`cipa.data.panel`). Panel effects are not part of the formula: they are `effects=` and `absorb=`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from cipa.errors import SpecificationError, did_you_mean
from cipa.models.panel.common.atoms import SHIFTS, Atom, Call, Column, Formula, Product, term_name
from cipa.study.tokens import lookalike

FUNCTIONS = {
    "log": "natural logarithm",
    "log1p": "log(1 + x), for counts and amounts with zeros",
    "exp": "exponential",
    "sqrt": "square root",
    "abs": "absolute value",
    "square": "x times x",
    "lag": "the value one period (or k periods) before, by the calendar",
    "lead": "the value one period (or k periods) later, by the calendar",
    "diff": "x less its lag",
    "i": "a dummy for each value but the first (or but ref=)",
    "center": "x less its mean in the estimation sample",
    "standardize": "x less its mean, over its standard deviation (divisor n - 1), in the estimation sample",
}
"""What a formula may call."""

_TOKEN = re.compile(
    r"(?P<blank>\s+)|(?P<quoted>`[^`]+`)|(?P<number>\d+(?:\.\d+)?)"
    r"|(?P<name>[^\W\d](?:[\w.]|[\u0300-\u036f])*)|(?P<string>\"[^\"]*\"|'[^']*')|(?P<sign>[-+*:~()\[\],=|^])"
)


@lru_cache(maxsize=256)
def parse_formula(text: str) -> Formula:
    """Read a formula.

    Raises
    ------
    SpecificationError
        With the formula, a caret below the place and what may stand there.
    """
    if not isinstance(text, str):
        raise SpecificationError(
            f"ci.Panel: the formula is {type(text).__name__}, not text, and a model finds its columns by the names in it. Write "
            "it as 'y ~ x + z'."
        )
    return _Parser(unicodedata.normalize("NFC", text)).formula()


@lru_cache(maxsize=256)
def parse_atom(text: str) -> Atom:
    """Read one variable as a formula writes it ("x", "log(x)")."""
    parser = _Parser(unicodedata.normalize("NFC", text))
    atoms = parser.atom()
    if len(atoms) != 1 or parser.peek():
        raise parser.refuse(
            "one variable is expected here, and this is more or something else. Write 'x' or 'log(x)', for example."
        )
    return atoms[0]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int


class _Parser:
    """Recursive descent over the tokens; a position, and one method for each rule of the grammar."""

    def __init__(self, text: str) -> None:
        self.text, self.position = text, 0
        self.tokens: list[_Token] = []
        place = 0
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                self.tokens.append(_Token("bad", text[place], place))
                raise self.refuse(
                    lookalike(text[place:])
                    or f"the character {text[place]!r} has no meaning in a formula. Write a name with other characters in "
                    "backticks: `R&D (%)`.",
                    at=place,
                )
            if match.lastgroup != "blank":
                self.tokens.append(_Token(str(match.lastgroup), match.group(), place))
            place = match.end()

    def refuse(self, problem: str, *, at: int | None = None) -> SpecificationError:
        """An error with a caret below the current token."""
        if at is None:
            at = self.tokens[self.position].column if self.position < len(self.tokens) else len(self.text)
        shown = self.text.replace("\n", " ").replace("\t", " ")
        return SpecificationError(f"panel formula, column {at + 1}:\n    {shown}\n    {' ' * at}^\n{problem}")

    def peek(self, ahead: int = 0) -> str:
        """Text of the next token, "" at the end."""
        place = self.position + ahead
        return self.tokens[place].text if place < len(self.tokens) else ""

    def take(self, expected: str = "") -> _Token:
        """The next token; refuses another one than `expected`."""
        if not self.peek():
            raise self.refuse(
                f"the formula ends too early{f': {expected!r} is missing' if expected else ''}. What it says is not settled: "
                "write the rest."
            )
        if expected and self.peek() != expected:
            raise self.refuse(
                f"{expected!r} is expected here, not {self.peek()!r}. What belongs together is not clear: write the one, or drop "
                "the other."
            )
        self.position += 1
        return self.tokens[self.position - 1]

    def formula(self) -> Formula:
        if self.peek() == "~" or not self.peek():
            raise self.refuse(
                "the outcome is missing, so that nothing is explained. Write 'outcome ~ regressors', for example 'y ~ x + z'."
            )
        start = self.position
        responses = self.atom()
        if len(responses) != 1 or (isinstance(responses[0], Call) and responses[0].function == "i"):
            self.position = start
            raise self.refuse("the outcome is one variable, and a model explains one. Write 'y' or 'log(y)' before the '~'.")
        self.take("~")
        terms, intercept, endogenous, instruments = self.right_side()
        if self.peek():
            raise self.refuse(self._leftover())
        if responses[0] in [atom for term in (*terms, *endogenous) for atom in term]:
            raise self.refuse(
                f"the outcome '{responses[0]}' stands on the right side too. It would explain itself: take it out.", at=0
            )
        return Formula(
            text=self.text, response=responses[0], terms=tuple(terms), intercept=intercept,
            endogenous=tuple(endogenous), instruments=tuple(instruments),
        )  # fmt: skip

    def _leftover(self) -> str:
        if self.peek() == "|":
            return (
                'panel effects are not part of the formula, which names variables. Write effects=("entity", "time") or '
                'absorb=("industry^year",).'
            )
        if self.peek() == "^":
            return (
                "powers are not part of the grammar, so that nothing else is made of them. Write square(x), or x:z for a product."
            )
        if self.peek() == "~":
            return "a formula has one '~', between the outcome and what explains it. Write instruments in brackets: [w ~ z]."
        return (
            f"{self.peek()!r} does not continue the formula, so that it is open how it enters. Join terms by '+', '*', ':' or "
            "'-'."
        )

    def right_side(self) -> tuple[list[Product], bool, list[Product], list[Product]]:
        terms: list[Product] = []
        endogenous: list[Product] = []
        instruments: list[Product] = []
        intercept = True
        negative = self.peek() == "-" and bool(self.take())
        while True:
            if self.peek() in ("0", "1") and self.peek(1) not in ("*", ":"):
                intercept = (self.take().text == "1") != negative
            elif self.peek() == "[":
                if negative:
                    raise self.refuse("an instrumented part cannot be taken out, as it never was in. Drop the '-'.")
                endogenous, instruments = self.bracket(endogenous)
            else:
                self._merge(terms, self.product(), negative=negative)
            if self.peek() not in ("+", "-"):
                return terms, intercept, endogenous, instruments
            negative = self.take().text == "-"

    def _merge(self, terms: list[Product], found: Sequence[Product], *, negative: bool) -> None:
        seen = {frozenset(term): term for term in terms}
        for term in found:
            if not negative:
                if frozenset(term) not in seen:
                    terms.append(term)
                    seen[frozenset(term)] = term
            elif frozenset(term) in seen:
                terms.remove(seen.pop(frozenset(term)))
            else:
                self.position -= 1
                raise self.refuse(
                    f"'{term_name(term)}' is taken out, but it is not among the terms before it, so that nothing would change. "
                    "Drop it, or write it after the term."
                )

    def bracket(self, earlier: list[Product]) -> tuple[list[Product], list[Product]]:
        if earlier:
            raise self.refuse(
                "a second bracket: all instruments serve all instrumented variables. Write them in one: [w1 + w2 ~ z1 + z2]."
            )
        self.take("[")
        endogenous = self._plain_sum("the instrumented variable")
        self.take("~")
        instruments = self._plain_sum("an instrument")
        self.take("]")
        return endogenous, instruments

    def _plain_sum(self, what: str) -> list[Product]:
        terms: list[Product] = []
        while True:
            if self.peek() in ("~", "]", ""):
                raise self.refuse(
                    f"{what} is missing, and neither of the two serves without the other. Write [w ~ z], with z outside the "
                    "model and related to w."
                )
            self._merge(terms, self.product(), negative=False)
            if self.peek() != "+":
                return terms
            self.take()

    def product(self) -> list[Product]:
        terms = self.cross()
        while self.peek() == "*":
            self.take()
            right = self.cross()
            terms = [*terms, *right, *(self._joined(a, b) for a, b in product(terms, right))]
        return terms

    def cross(self) -> list[Product]:
        terms = self.factor()
        while self.peek() == ":":
            self.take()
            terms = [self._joined(a, b) for a, b in product(terms, self.factor())]
        return terms

    def _joined(self, left: Product, right: Product) -> Product:
        both = {str(atom) for atom in left} & {str(atom) for atom in right}
        if both:
            self.position -= 1
            name = both.pop()
            raise self.refuse(
                f"'{name}' is multiplied by itself, which a product of two variables is not. Write square({name}) for its square."
            )
        return (*left, *right)

    def factor(self) -> list[Product]:
        if self.peek() == "(":
            self.take()
            terms, intercept, endogenous, _ = self.right_side()
            if not intercept or endogenous:
                raise self.refuse(
                    "parentheses hold a sum of terms, to multiply them; there is no product with a constant or instruments. "
                    "Write (a + b):z, for example."
                )
            self.take(")")
            return terms
        return [(atom,) for atom in self.atom()]

    def atom(self) -> list[Atom]:
        if not self.peek():
            raise self.refuse("a variable is missing here, so that the sign before it joins nothing. Write it, or drop the sign.")
        token = self.tokens[self.position]
        if token.kind == "quoted":
            self.take()
            return [Column(token.text[1:-1])]
        if token.kind != "name":
            raise self.refuse(
                f"a variable or a function is expected here, not {token.text!r}, which names no column.{_hint(token.text)} Write "
                "a name; one with other characters stands in backticks."
            )
        self.take()
        return self.call(token.text) if self.peek() == "(" else [Column(token.text)]

    def call(self, function: str) -> list[Atom]:
        if function not in FUNCTIONS:
            self.position -= 1
            raise self.refuse(
                f"the function '{function}' is not part of the grammar.{did_you_mean(function, FUNCTIONS)}"
                f" A formula may use {', '.join(FUNCTIONS)}; compute anything else as a column first."
            )
        self.take("(")
        arguments = self.atom()
        if any(isinstance(argument, Call) and argument.function == "i" for argument in arguments):
            self.position -= 1
            raise self.refuse(
                "i(...) makes a dummy of each value, and a function takes one variable. Write it alone, or in a product such as "
                "i(sector):x."
            )
        options = self.option(function) if self.peek() == "," else [""]
        if self.peek() in ("+", "-", "*", "^", ":"):
            raise self.refuse(f"a function takes one variable; arithmetic inside {function}(...) is not part of the grammar."
                              f"{_arithmetic_hint(function)}")  # fmt: skip
        self.take(")")
        return [Call(function, argument, option) for argument in arguments for option in options]

    def option(self, function: str) -> list[str]:
        self.take(",")
        if function in SHIFTS:
            return [str(number) for number in self.range()]
        if function == "i":
            if self.peek() == "ref":
                self.take()
                self.take("=")
            return [self.take().text.strip("\"'`")]
        self.position -= 1
        raise self.refuse(f"{function}(...) takes one variable and no option, so that it would change nothing. Drop it.")

    def range(self) -> range:
        if self.peek() == "-":
            raise self.refuse(
                "a number of periods is positive, as the function says the direction. Write lag(x, 1) to look back, lead(x, 1) "
                "to look ahead."
            )
        first = self.whole()
        last = first
        if self.peek() == ":":
            self.take()
            last = self.whole()
        if last < first:
            self.position -= 1
            raise self.refuse(f"the range {first}:{last} is empty, so that no period is meant. Write it as {last}:{first}.")
        return range(first, last + 1)

    def whole(self) -> int:
        text = self.peek()
        if not text.isdigit() or int(text) > 999:
            raise self.refuse(
                "a whole number of periods below 1000 is expected here, as no row lies between two periods. Write lag(x, 2) or "
                "lag(x, 1:3), for example."
            )
        self.take()
        return int(text)


def _hint(text: str) -> str:
    if text in ("|", "^"):
        return ' Declare panel effects as effects=("entity", "time").' if text == "|" else " Write square(x) for a power."
    return ""


def _arithmetic_hint(function: str) -> str:
    return " Write log1p(x) for log(x + 1)." if function == "log" else " Compute it as a column first."
