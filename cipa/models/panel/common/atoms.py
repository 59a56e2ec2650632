"""What a formula of a panel model says: columns, functions of them, and their products, as values."""

from __future__ import annotations

from dataclasses import dataclass

SHIFTS = ("lag", "lead", "diff")
"""Functions that look at another row of the same entity."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the data."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Call:
    """A function of one argument.

    Parameters
    ----------
    function : str
        A key of `formula.FUNCTIONS`.
    argument : Column or Call
    option : str
        As it is printed: the number of periods, or the reference value of `i`; "" when not written.
    """

    function: str
    argument: Atom
    option: str = ""

    @property
    def periods(self) -> int:
        """Number of periods of lag, lead and diff."""
        return int(self.option or 1)

    def __str__(self) -> str:
        if self.function == "i":
            return f"i({self.argument})"
        return f"{self.function}({self.argument}{', ' + self.option if self.option else ''})"


Atom = Column | Call
Product = tuple[Atom, ...]
"""Atoms that are multiplied; one atom is a main effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """A formula, read.

    Parameters
    ----------
    text : str
    response : Column or Call
    terms : tuple of Product
        In the order written, interactions in the place where `*` puts them.
    intercept : bool
    endogenous, instruments : tuple of Product
        The two sides of `[w ~ z]`.
    """

    text: str
    response: Atom
    terms: tuple[Product, ...]
    intercept: bool = True
    endogenous: tuple[Product, ...] = ()
    instruments: tuple[Product, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the data that the formula needs, each once."""
        return tuple(dict.fromkeys(column_of(atom) for term in self.products for atom in term))

    @property
    def products(self) -> tuple[Product, ...]:
        """Outcome, regressors and instruments."""
        return ((self.response,), *self.terms, *self.endogenous, *self.instruments)

    @property
    def regressor_columns(self) -> tuple[str, ...]:
        """The columns of the data that the regressors need, each once."""
        return tuple(dict.fromkeys(column_of(atom) for term in (*self.terms, *self.endogenous) for atom in term))


def column_of(atom: Atom) -> str:
    """The data column inside an atom."""
    while isinstance(atom, Call):
        atom = atom.argument
    return atom.name


def looks_at_another_period(atom: Atom) -> bool:
    """Whether an atom is, or holds, a lag, lead or difference."""
    while isinstance(atom, Call):
        if atom.function in SHIFTS:
            return True
        atom = atom.argument
    return False


def term_name(term: Product) -> str:
    """A term as the estimates show it."""
    return ":".join(str(atom) for atom in term)
