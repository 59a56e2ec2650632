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
    for name in ("conditional_x", "interaction", "nodes", "bounds"):
        if getattr(declaration, name) and not (name == "conditional_x" and declaration.ordered_names):
            raise SpecificationError(
                f"ci.SEM: {name}={getattr(declaration, name)!r} is not available in this version, and no other option stands in for it."
                " Leave it out, or fit this model with a program that has it."
            )
    _refuse_products(declaration.parsed)
    _refuse_misplaced(declaration.parsed, declaration.ordered_names)


def _refuse_products(syntax: Syntax) -> None:
    """Refuse `x:z`."""
    for row in syntax.formulas:
        if ":" in row.lhs or ":" in row.rhs:
            raise syntax.refuse(
                row,
                f"The product '{row.rhs}' is not available in this version. For a product of observed variables, compute the column and name"
                " it.",
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
                f"'{row.lhs} ~*~ {row.rhs}' is no scale of an ordered variable. Write 'item ~*~ item', and name the item in ordered=.",
            )
