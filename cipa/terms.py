"""The names of parameters.

Every quantity in the field has the form `lhs op rhs`: a loading `collaboration =~ col1`, a path or a panel
coefficient `performance ~ collaboration`, a moderation `performance ~ collaboration:internet_plus`, a residual
covariance `perf1 ~~ perf2`, an intercept `performance ~1`, a defined effect `indirect := a*b`. A hypothesis is a
term with a sign; an estimate is the same term with a number; a verdict is the join of the two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from cipa.errors import SpecificationError, public, public_value

OPERATORS = ("=~", "<~", ":=", "~*~", "~~", "~1", "~", "==", "<", ">", "|")
"""The operators of lavaan's model syntax, longest first where one begins another."""

_TERM = re.compile(
    r"^\s*(?P<lhs>.*?)\s*(?P<op>=~|<~|:=|~\*~|~~|~\s*1\s*(?=$|\[)|~|==|\||<|>)\s*(?P<rhs>.*?)\s*"
    r"(?:\[(?!level )(?P<group>[^\[\]]+)\])?\s*(?:\[level (?P<level>[^\[\]]+)\])?\s*$"
)


@public_value
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Term:
    """The name of one parameter.

    Two terms are equal when they name the same parameter: `y ~ a:b` equals `y ~ b:a`, and `a ~~ b` equals `b ~~ a`.

    Parameters
    ----------
    lhs, op, rhs : str
        As in lavaan's syntax. The intercept of y is `lhs="y", op="~1", rhs=""`.
    group : str, optional
        The label of the group in a multi-group model.
    level : str, optional
        The label of the level in a two-level model.

    Examples
    --------
    >>> Term.parse("y ~ x:z") == Term.parse("y ~ z:x")
    True
    >>> str(Term.parse("perf1~~perf2"))
    'perf1 ~~ perf2'
    """

    lhs: str
    op: str
    rhs: str
    group: str | None = None
    level: str | None = None

    @classmethod
    @public
    def parse(cls, text: str) -> Term:
        """Read a term such as ``"y ~ x:z"``, ``"y ~ x [Pasteur]"``, ``"y ~ x [level within]"`` or with both."""
        match = _TERM.match(text.replace("`", ""))
        if match is None or not match["lhs"]:
            raise SpecificationError(
                f"'{text}' is not the name of a parameter, so that it stands for none. Write it as 'lhs op rhs', for example "
                "'performance ~ collaboration', 'capability =~ cap1' or 'perf1 ~~ perf2'."
            )
        op = re.sub(r"\s+", "", match["op"])
        rhs = "" if op == "~1" else re.sub(r"\s*:\s*", ":", match["rhs"])
        if not rhs and op != "~1":
            raise SpecificationError(
                f"'{text}' has no right-hand side after '{op}', so it names no parameter. Write it as 'y ~ x'."
            )
        level = None if match["level"] is None else match["level"].strip()
        return cls(lhs=re.sub(r"\s*:\s*", ":", match["lhs"]), op=op, rhs=rhs, group=match["group"], level=level)

    @property
    def key(self) -> tuple[str, str, str, str | None, str | None]:
        """What two equal terms share."""
        lhs, rhs = self.lhs, self.rhs
        if ":" in rhs and self.op != ":=":
            rhs = ":".join(sorted(rhs.split(":")))
        if self.op in ("~~", "~*~") and rhs < lhs:
            lhs, rhs = rhs, lhs
        return lhs, self.op, rhs, self.group, self.level

    @property
    def is_interaction(self) -> bool:
        """Whether the right-hand side is a product."""
        return self.op in ("~", "=~") and ":" in self.rhs

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Term) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        text = f"{self.lhs} ~1" if self.op == "~1" else f"{self.lhs} {self.op} {self.rhs}"
        return f"{text} {self.place}".rstrip()

    @property
    def place(self) -> str:
        """Its group and level, "[Pasteur] [level within]"; "" where there is one of each."""
        group = "" if self.group is None else f"[{self.group}]"
        level = "" if self.level is None else f"[level {self.level}]"
        return f"{group} {level}".strip()

    def covers(self, other: Term) -> bool:
        """Whether another term is this one, where this one names no group (or level) in any of them."""
        same = self.key[:3] == other.key[:3]
        return same and self.group in (None, other.group) and self.level in (None, other.level)


@public_value
@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A chain of effects, ``"capability -> collaboration -> performance"``.

    Parameters
    ----------
    nodes : tuple of str
        Variables in order, at least three.

    Examples
    --------
    >>> [str(step) for step in Path.parse("x -> m -> y").steps]
    ['m ~ x', 'y ~ m']
    """

    nodes: tuple[str, ...]

    @classmethod
    @public
    def parse(cls, text: str) -> Path:
        """Read a path; arrows are ``->`` (or the Unicode arrow)."""
        nodes = tuple(node.strip() for node in re.split(r"->|→", text.replace("`", "")))
        if len(nodes) < 2 or not all(nodes):
            raise SpecificationError(
                f"'{text}' is not a path, which leads from one variable to another. Write it as 'x -> m -> y', with a name at "
                "each end of each arrow."
            )
        if len(set(nodes)) != len(nodes):
            raise SpecificationError(
                f"'{text}' passes through a variable twice. An effect along a path is a product of steps, each taken once: drop "
                "the way back."
            )
        return cls(nodes=nodes)

    @property
    def steps(self) -> tuple[Term, ...]:
        """The regressions along the path, in order."""
        return tuple(Term(lhs=after, op="~", rhs=before) for before, after in zip(self.nodes, self.nodes[1:], strict=False))

    def __str__(self) -> str:
        return " -> ".join(self.nodes)
