"""Items that seem to be worded against the others of their construct."""

from __future__ import annotations

from collections.abc import Mapping

from cipa.results.fit import Fit, Notice


def against_the_others(fits: Mapping[str, Fit]) -> tuple[Notice, ...]:
    """A notice for each item whose loading has another sign than most of its construct's: it enters means as it stands."""
    notices: dict[str, Notice] = {}
    for fit in fits.values():
        loadings: dict[str, dict[str, float]] = {}
        for row in fit.estimates:
            if row.term.op == "=~":
                items = loadings.setdefault(row.term.lhs, {})
                items[row.term.rhs] = items.get(row.term.rhs, 0.0) + row.standardized
        for construct, items in loadings.items():
            negative = [item for item, loading in items.items() if loading < 0]
            fewer = negative if 2 * len(negative) <= len(items) else [item for item in items if item not in negative]
            for item in (each for each in fewer if each not in loadings):
                notices.setdefault(f"{construct} {item}", _notice(construct, item))
    return tuple(notices.values())


def _notice(construct: str, item: str) -> Notice:
    return Notice(code="reversed_item", values={"item": item, "construct": construct}, severity="warning")
