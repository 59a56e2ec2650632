"""Names of parameters: normal form, paths, hypotheses, expressions."""

from __future__ import annotations

import numpy as np
import pytest

import cipa as ci
from cipa.numerics.algebra.derivatives import central_jacobian
from cipa.study.expressions import Parser, evaluate, gradient_of, names_in
from cipa.study.tokens import tokenize


@pytest.mark.parametrize(
    ("one", "other"),
    [("y ~ a:b", "y ~ b:a"), ("a ~~ b", "b~~a"), ("y~1", "y ~ 1"), ("f =~ x", "f=~x"), ("y ~ x [one]", "y~x[one]")],
)
def test_equal_terms(one: str, other: str) -> None:
    assert ci.Term.parse(one) == ci.Term.parse(other)
    assert hash(ci.Term.parse(one)) == hash(ci.Term.parse(other))


@pytest.mark.parametrize(("one", "other"), [("y ~ a", "a ~ y"), ("f =~ x", "f ~ x"), ("y ~ x [a]", "y ~ x [b]")])
def test_different_terms(one: str, other: str) -> None:
    assert ci.Term.parse(one) != ci.Term.parse(other)


@pytest.mark.parametrize("text", ["", "y", "~ x", "y ~"])
def test_what_is_no_term(text: str) -> None:
    with pytest.raises(ci.SpecificationError):
        ci.Term.parse(text)


def test_paths() -> None:
    assert [str(step) for step in ci.Path.parse("a -> b → c").steps] == ["b ~ a", "c ~ b"]
    for wrong in ("a", "a ->", "a -> b -> a"):
        with pytest.raises(ci.SpecificationError):
            ci.Path.parse(wrong)


def test_hypotheses() -> None:
    found = ci.Hypothesis.parse("H1", "x -> m -> y != 0")
    assert found.direction == "!="
    assert str(found) == "x -> m -> y != 0"
    for wrong in ("y ~ x", "y ~ x > 1", "y ~1 > 0"):
        with pytest.raises(ci.SpecificationError):
            ci.Hypothesis.parse("H1", wrong)


EXPRESSIONS = [
    "a*b + c",
    "(a - b)^2/c",
    "exp(a)*log(c) - sqrt(b*b + 1)",
    "-a^2 + 3.5e-1*b",
    "a/(b + c)/2",
    "tanh(a*b) + abs(c - 2)",
    "a^b",
]


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expressions_with_exact_gradients(text: str) -> None:
    expression = Parser(list(tokenize(text)), source=text).parse()
    point = np.array([1.3, 0.7, 2.1])
    where = {"a": 0, "b": 1, "c": 2}
    value, gradient = gradient_of(expression, point, where)

    def at(values: np.ndarray) -> float:
        return float(evaluate(expression, {k: (values[i], 0.0) for k, i in where.items()}, size=1)[0])

    assert value == pytest.approx(at(point))
    assert gradient == pytest.approx(central_jacobian(at, point)[0], rel=1e-6, abs=1e-8)
    assert set(names_in(expression)) <= set(where)
