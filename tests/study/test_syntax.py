"""lavaan's model syntax: what it means, and where an error is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cipa as ci
from cipa.study.syntax import parse


def rows(source: str) -> list[tuple[str, str, str]]:
    return [(row.lhs, row.op, row.rhs) for row in parse(source).formulas]


def test_every_operator() -> None:
    source = """
    f =~ x1 + x2      # a comment
    y ~ f + z ; y ~~ z ! another
    y ~ 1
    c <~ a + b
    u | t1 + t2
    u ~*~ u
    ab := a*b
    a == b
    c > 0
    """
    found = parse(source)
    assert rows(source)[:4] == [("f", "=~", "x1"), ("f", "=~", "x2"), ("y", "~", "f"), ("y", "~", "z")]
    assert {row.op for row in found.formulas} == {"=~", "~", "~~", "~1", "<~", "|", "~*~"}
    assert [one.op for one in found.constraints] == [":=", "==", ">"]


@pytest.mark.parametrize(
    ("modifier", "name", "value"),
    [
        ("0.5*x", "fixed", (0.5,)),
        ("-2e-1*x", "fixed", (-0.2,)),
        ("a*x", "label", ("a",)),
        ("start(0.7)*x", "start", (0.7,)),
        ('equal("f=~y")*x', "equal", ("f=~y",)),
        ("c(a, b)*x", "label", ("a", "b")),
        ("c(1, 0.5)*x", "fixed", (1.0, 0.5)),
        ("label('w')*x", "label", ("w",)),
    ],
)
def test_modifiers(modifier: str, name: str, value: tuple[object, ...]) -> None:
    assert getattr(parse(f"f =~ {modifier}").formulas[0].modifiers, name) == value


def test_repeated_modifiers_are_merged() -> None:
    row = parse("f =~ a*x + start(0.3)*x + y").formulas[0]
    assert row.modifiers.label == ("a",)
    assert row.modifiers.start == (0.3,)


def test_continuation_lines_several_left_sides_and_blocks() -> None:
    assert rows("f =~ x1 +\n  x2\n  + x3")[-1] == ("f", "=~", "x3")
    assert rows("a + b ~ x") == [("a", "~", "x"), ("b", "~", "x")]
    found = parse("group: one\nf =~ x\ngroup: two\nf =~ y")
    assert found.groups == ("one", "two")


def test_names_of_any_script() -> None:
    assert rows("能力 =~ 项目1 + été.2") == [("能力", "=~", "项目1"), ("能力", "=~", "été.2")]


@pytest.mark.parametrize(
    ("source", "line", "said"),
    [
        ("f =~ x1 +", 1, "Something is missing next to '+'"),
        ("f =~ x1\ny ~~~ x", 2, ""),
        ("f =~ x1\n\n$y ~ x", 3, "'$' has no meaning"),
        ("f =~ (x1 + x2", 1, ""),
        ("f", 1, ""),
        ("=~ x", 1, ""),
        ("a := ", 1, ""),
        ("a := sqrtt(b)\nf =~ x", 1, "Did you mean 'sqrt'"),
        ("a := __import__('os')\nf =~ x", 1, ""),
        ("a := " + "(" * 200 + "b" + ")" * 200 + "\nf =~ x", 1, "nested"),
    ],
)
def test_errors_name_line_and_reason(source: str, line: int, said: str) -> None:
    with pytest.raises(ci.SpecificationError) as found:
        parse(source)
    message = str(found.value)
    assert f"line {line}" in message
    assert "^" in message
    assert said in message


ALPHABET = st.sampled_from([*"abxy12 \n=~:*+-<>|().,#!;'\"_^ 能$", "=~", "~~", ":=", "start(", "c(", "NA*", "group: "])


@settings(max_examples=400, deadline=None)
@given(st.lists(ALPHABET, max_size=60).map("".join))
def test_any_text_ends_in_a_model_or_a_plain_error(source: str) -> None:
    try:
        assert parse(source).formulas
    except ci.SpecificationError as problem:
        assert str(problem)  # noqa: PT017 - either way is right, and both are looked at
