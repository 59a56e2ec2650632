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


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("group: Grant-White", "Grant-White"),
        ("  Group :  Grant-White  # the second school", "Grant-White"),
        ("group: two words ! a comment", "two words"),
        ("group: Children's (< 12 & ≥ 3)", "Children's (< 12 & ≥ 3)"),
        ('group: "a ~ b; c # d"  # quoted', "a ~ b; c # d"),
        ("group: 'Grant-White'", "Grant-White"),
        ("group:1", "1"),
        ("group: 1; f =~ y", "1"),
        ("group: 2\r", "2"),
        ("group: (", "("),
        ("group: 中学-甲", "中学-甲"),
        ("block: b-1", "b-1"),
    ],
)
def test_the_label_of_a_block_is_the_rest_of_its_line(line: str, label: str) -> None:
    found = parse(f"{line}\nf =~ x1 + x2\nf ~~ f")
    assert {row.group for row in found.formulas} == {label}
    assert [row.line for row in found.formulas if row.rhs == "x1"] == [2]


def test_a_label_with_a_hyphen_finds_its_group() -> None:
    three = "f =~ x1 + x2 + x3"
    data = ci.datasets.load("holzinger1939")
    plain, quoted = (
        ci.SEM(f"group: Pasteur\n{three}\ngroup: {label}\n{three}", group="school").fit(data)
        for label in ("Grant-White", '"Grant-White"')
    )
    assert plain.estimates["f =~ x2 [Grant-White]"].estimate == quoted.estimates["f =~ x2 [Grant-White]"].estimate
    assert parse("level: within-school\nf =~ x\nlevel: between\nf =~ x").levels == ("within-school", "between")


def test_variables_may_be_called_as_blocks_are() -> None:
    assert rows("y ~ group:x + level\ngroup ~ x\nlevel =~ a + b")[0] == ("y", "~", "group:x")
    assert parse("f =~ a*x + b*y\ngroup := a*b\nlevel:=a").constraints[1].lhs == "level"


@pytest.mark.parametrize(
    "line",
    [
        "group:",
        "group: # none",
        'group: ""',
        'group: "a" b',
        "group: 'a' 'b'",
        "group: a f =~ x",
        "group:x ~ y",
        "group: a\nb",
        "group: '",
    ],
)
def test_a_block_without_a_plain_label_is_refused(line: str) -> None:
    with pytest.raises(ci.SpecificationError, match=r"(?s)line 1:.*Write 'group: LABEL' alone on its line"):
        parse(f"{line}\nf =~ x1 + x2")


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
