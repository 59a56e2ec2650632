"""Ten thousand broken syntaxes: each ends in a result or in a message of ours, in seconds."""

from __future__ import annotations

import random

import numpy as np
import pandas as pd
import pytest
from fuzzing import outcome

import cipa as ci

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")

VALID = [
    "f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6\ng ~ f",
    "visual =~ NA*x1 + a*x2 + start(0.8)*x3\nvisual ~~ 1*visual",
    "x4 ~ a*x1 + b*x2\nx5 ~ c*x4 + x1\nind := a*c\ntotal := ind + b",
    "f =~ x1 + c(a, b)*x2 + c(1, NA)*x3",
    "f =~ x1 + l2*x2 + l3*x3 + x4\nl2 == l3\nx1 ~~ x2",
    "f =~ x1 + l2*x2 + l3*x3\nl2 > 0.1\nl3 < 3*exp(0.2)",
    "x1 ~ 1\nx2 ~ 0.5*1\nx1 ~~ x2",
    "i =~ 1*x1 + 1*x2 + 1*x3 + 1*x4\ns =~ 0*x1 + 1*x2 + 2*x3 + 3*x4\ni ~ x5",
    'f =~ x1 + equal("f=~x1")*x2 + label("q")*x3\nx1 | t1',
    "x4 ~ x1 + x5\nx5 ~ x2 + x4\nx4 ~~ x5",
    "f =~ x1 + x2 + x3; g =~ x4 + x5 + x6; f ~~ 0*g  # orthogonal",
    "f =~ x1 + x2\n  + x3 # continued\n! comment\ng =~ x4 + x5 + x6",
    "level: 1\nf =~ x1 + x2 + x3\nlevel: 2\nfb =~ x1 + x2 + x3",
    "group: 1\nf =~ x1 + x2 + x3\ngroup: 2\nf =~ x1 + x2 + x3",
    "f <~ x1 + x2\nx3 ~ f",
    "f =~ x1 + x2 + x3\nx4 ~ f + f:x5",
    "x1 ~*~ 1*x1\nf =~ x1 + x2 + x3 + x4",
    "a.b =~ x1 + x2 + x3\n变量 =~ x4 + x5 + x6",
    "x4 ~ b1*x1\nodd := sqrt(abs(b1)) / log(2) ^ -1.5 + (b1 - 1e-3) * tanh(b1)",
]

INSERTS = [
    "=~", "~", "~~", ":=", "==", "<", ">", "|", "~*~", "<~", "*", "+", "-", "/", "^", "(", ")", ",", ":", "?", "%", ";", "\n", "#", "!",
    '"', "'", "NA", "1e999", "-1e999", "9**9**9", "9^9^9^9", "1e-320", "0", "1", "-0.0", "99999999999999999999999", "0x10", "1_000", "nan",
    "inf", "c(", "c(1,2,3)*", "c()*", "start()*", "start(NA)*", "start(1e308)*", "equal()*", 'label("")*', "x1", "x2", "f", "x99", "t1",
    "group:", "level:", "class: 2", "\u200b", "\u0301", "é", "变", "🙂", "\x00", "\t", "\r\n", "\ufeff", "\u00a0", "ｘ１", "if", "lambda",
    "__import__('os')",
    "exp(", "log(0)", "log(-1)", "sqrt(-1)", "1/0", "abs(abs(abs(", "a:b:c", "..", "...", ".x", "x.", "_", "x1.x2", "x1 x2", "NA*NA*", "0*0*",
    "b1 == b1", "a == a + 1", "q := q", "q := zz", "a < a", "x1 ~~ x1", "x1 =~ x1", "f ~ f", "f =~ f", "f ~~ f", "1 ~ x1", "x1 ~ 2",
]  # fmt: skip


def mutated(rng: random.Random) -> str:
    """A valid syntax, changed in one to five places."""
    text = rng.choice(VALID)
    for _ in range(rng.choice([1, 1, 1, 2, 2, 3, 5])):
        text = rng.choice(MUTATIONS)(text, rng)
    return text


def _delete(text: str, rng: random.Random) -> str:
    start = rng.randrange(len(text) + 1)
    return text[:start] + text[start + rng.randint(1, 6) :]


def _duplicate(text: str, rng: random.Random) -> str:
    start = rng.randrange(len(text) + 1)
    part = text[start : start + rng.randint(1, 20)]
    return text[:start] + part * rng.choice([2, 2, 3, 50]) + text[start + len(part) :]


def _swap(text: str, rng: random.Random) -> str:
    words = text.split(" ")
    i, j = rng.randrange(len(words)), rng.randrange(len(words))
    words[i], words[j] = words[j], words[i]
    return " ".join(words)


def _insert(text: str, rng: random.Random) -> str:
    start = rng.randrange(len(text) + 1)
    return text[:start] + rng.choice(["", " "]) + rng.choice(INSERTS) + rng.choice(["", " "]) + text[start:]


def _replace(text: str, rng: random.Random) -> str:
    words = text.split(" ")
    words[rng.randrange(len(words))] = rng.choice(INSERTS)
    return " ".join(words)


def _line(text: str, rng: random.Random) -> str:
    lines = text.split("\n")
    lines.insert(rng.randrange(len(lines) + 1), rng.choice([*rng.choice(VALID).split("\n"), *INSERTS]))
    return "\n".join(lines)


def _nest(text: str, rng: random.Random) -> str:
    depth = rng.choice([3, 59, 60, 61, 500, 5000])
    kind = rng.choice([("(", ")"), ("exp(", ")"), ("-", ""), ("c(", ")"), ("2^", ""), ("start(", ")*x1"), ("1+(", ")")])
    return f"{text}\nq := {kind[0] * depth}1{kind[1] * depth}"


def _long(text: str, rng: random.Random) -> str:
    return text + rng.choice(
        [" + x1" * 3000, " " * 100_000, "\nx1 ~ x2" * 800, "y" * 20_000, "+".join(["1"] * 5000), "\n" * 5000]
    )


MUTATIONS = [*[_delete, _duplicate, _swap, _insert, _insert, _replace, _line] * 4, _nest, _long]


def people(n: int = 120) -> pd.DataFrame:
    """Six items of two constructs, and a group."""
    rng = np.random.default_rng(1)
    f, g = rng.multivariate_normal([0, 0], [[1, 0.4], [0.4, 1]], size=n).T
    columns = {f"x{k}": (f if k < 4 else g) + 0.7 * rng.normal(size=n) for k in range(1, 7)}
    return pd.DataFrame({**columns, "school": np.where(np.arange(n) % 2, "A", "B")})


OPTIONS = [{}, {}, {}, {"group": "school"}, {"std_lv": True}, {"missing": "fiml"}, {"estimator": "mlr"}, {"defaults": "lavaan"}]


def run(seeds: range) -> tuple[int, int]:
    """(fitted, refused); a string that ends in anything else is printed with its seed."""
    data, fitted = people(), 0
    for seed in seeds:
        rng = random.Random(seed)
        text, options = mutated(rng), rng.choice(OPTIONS)
        try:
            fitted += outcome(lambda: ci.SEM(text, **options), data) is not None  # noqa: B023
        except Exception as error:
            raise AssertionError(f"seed {seed}, {options}, {type(error).__name__}: {error}\n{text[:600]!r}") from error
    return fitted, len(seeds) - fitted


def test_a_few_hundred_broken_syntaxes() -> None:
    fitted, refused = run(range(300))
    assert fitted > 5
    assert refused > 20


@pytest.mark.slow
def test_ten_thousand_broken_syntaxes() -> None:
    fitted, refused = run(range(300, 10_300))
    assert fitted > 300
    assert refused > 3000
