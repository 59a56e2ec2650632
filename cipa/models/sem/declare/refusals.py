"""What no declaration can mean, whatever the method: refused by name before any number is computed."""

from __future__ import annotations

from collections.abc import Sequence

from cipa.errors import SpecificationError
from cipa.models.sem.declare.declaration import Declaration
from cipa.study.syntax import Syntax


def refuse_impossible(declaration: Declaration) -> None:
    """Refuse options that this version does not derive, products, and statements that contradict themselves.

    Raises
    ------
    SpecificationError
        Naming the option, or the statement with its line.
    """
    for name in ("interaction", "nodes"):
        if getattr(declaration, name):
            raise SpecificationError(
                f"ci.SEM: {name}={getattr(declaration, name)!r} is not available in this version, and no other option stands in "
                "for it. Leave it out, or fit this model with a program that has it."
            )
    _refuse_products(declaration)
    _refuse_misplaced(declaration.parsed, declaration.ordered_names)


def _refuse_products(declaration: Declaration) -> None:
    """Refuse products of constructs, of ordered variables, and products that are anything but a predictor."""
    syntax = declaration.parsed
    latent = {row.lhs for row in syntax.formulas if row.op in ("=~", "<~")}
    for row in syntax.formulas:
        parts = row.rhs.split(":") if ":" in row.rhs else []
        if ":" in row.lhs or (parts and row.op not in ("~", "~~")):
            raise syntax.refuse(
                row, "A product predicts: write it on the right of '~'. It measures nothing and is explained by nothing."
            )
        special = next((part for part in parts if part in latent or part in declaration.ordered_names), "")
        if special:
            kind = "a construct" if special in latent else "an ordered variable"
            raise syntax.refuse(
                row,
                f"The product '{row.rhs}' is not available in this version: '{special}' is {kind}, whose values are not "
                "observed. Leave it out, or write a product of observed variables, which is made from their columns.",
            )


def _refuse_misplaced(syntax: Syntax, ordered: Sequence[str]) -> None:
    """Refuse a variable that depends on itself, and thresholds and scales of what is not ordered."""
    latent = {row.lhs for row in syntax.formulas if row.op == "=~"}
    for row in syntax.formulas:
        if row.op in ("=~", "~") and row.lhs == row.rhs:
            raise syntax.refuse(
                row, f"'{row.lhs}' stands on both sides: no variable measures or explains itself. Remove it on one side."
            )
        if row.op == "|" and row.lhs in latent:
            raise syntax.refuse(row, f"'{row.lhs}' is a construct, which has no thresholds. Write them for its ordered items.")
        if row.op == "~*~" and (row.lhs not in ordered or row.rhs != row.lhs):
            raise syntax.refuse(
                row,
                f"'{row.lhs} ~*~ {row.rhs}' is no scale of an ordered variable. Write 'item ~*~ item', and name the item in "
                "ordered=.",
            )
