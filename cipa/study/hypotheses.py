"""Hypothesis: a term with a sign, ``"performance ~ collaboration > 0"``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from cipa.errors import SpecificationError, public
from cipa.terms import Path, Term

Direction = Literal[">", "<", "!="]

_CLAIM = re.compile(r"^(?P<claim>.*\S)\s*(?P<direction>>|<|!=)\s*0\s*$")


@public
@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """A claim about one effect, made before looking.

    Parameters
    ----------
    name : str
        "H2".
    claim : Term or Path
        A path `y ~ x`, a moderation `y ~ x:z`, or an indirect effect `x -> m -> y`.
    direction : {">", "<", "!="}
        The sign claimed.
    label : str
        The claim in words.
    models : tuple of str
        The models it is tested in; empty means every model that holds the term.
    planned : str
        Why no model of the study tests it yet; "" for a hypothesis that is tested now.

    Examples
    --------
    >>> Hypothesis.parse("H2", "performance ~ collaboration > 0").direction
    '>'
    """

    name: str
    claim: Term | Path
    direction: Direction
    label: str = ""
    models: tuple[str, ...] = ()
    planned: str = ""

    @classmethod
    @public
    def parse(cls, name: str, text: str, *, label: str = "", models: tuple[str, ...] = (), planned: str = "") -> Hypothesis:
        """Read a hypothesis; the right-hand side is always 0."""
        match = _CLAIM.match(text)
        if match is None:
            raise SpecificationError(
                f"Hypothesis {name}: '{text}' states no direction, so that no estimate could contradict it. Write '… > 0', '… < "
                "0' or '… != 0', for example 'performance ~ collaboration > 0'."
            )
        claim = match["claim"]
        parsed: Term | Path = Path.parse(claim) if "->" in claim or "→" in claim else Term.parse(claim)
        if isinstance(parsed, Term) and parsed.op not in ("~", "~~", "=~", ":="):
            raise SpecificationError(
                f"Hypothesis {name}: '{claim}' is not an effect, and a verdict is about one. Write 'y ~ x', 'y ~ x:z' or 'x -> m "
                "-> y'."
            )
        side: Any = match["direction"]
        return cls(name=name, claim=parsed, direction=side, label=label, models=models, planned=planned)

    def __str__(self) -> str:
        return f"{self.claim} {self.direction} 0"
