"""Estimates of several fits side by side, whatever their family or engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cipa.errors import SpecificationError, public
from cipa.language.en import EN
from cipa.results.display import ResultTable
from cipa.results.fit import Fit
from cipa.terms import Term


@public
def compare(*fits: Fit, names: Sequence[str] | None = None) -> ResultTable:
    """One table of several fits, matched by term.

    Parameters
    ----------
    *fits : Fit
        At least one, of any family.
    names : sequence of str, optional
        Column heads; default "(1)", "(2)", …

    Returns
    -------
    ResultTable
        term, and for each fit "NAME estimate", "NAME std_error", "NAME p_value"; a term that a fit does not have is empty.
        The notes say what each column is: family, method, standard errors, number of observations.

    Examples
    --------
    >>> import cipa as ci
    >>> one, two = (ci.SEM(text).fit(ci.datasets.load("holzinger1939")) for text in ("x4 ~ x1", "x4 ~ x1 + x2"))
    >>> ci.compare(one, two, names=["one", "two"]).to_frame()["two estimate"].round(3).tolist()
    [0.358, 1.16, 0.046]
    """
    if not fits:
        raise SpecificationError(
            "ci.compare got nothing to compare. Give at least one fit, for example ci.compare(pooled, within)."
        )
    heads = list(names) if names is not None else [f"({number})" for number in range(1, len(fits) + 1)]
    if len(heads) != len(fits) or len(set(heads)) < len(heads):
        raise SpecificationError(
            f"ci.compare: {len(set(heads))} different names for {len(fits)} fits, whose columns could not be told apart. Give "
            "each fit a name of its own."
        )
    terms = list(dict.fromkeys(row.term for fit in fits for row in fit.estimates if row.status != "fixed"))
    columns: dict[str, tuple[Any, ...]] = {"term": tuple(str(term) for term in terms)}
    for head, fit in zip(heads, fits, strict=True):
        for name in ("estimate", "std_error", "p_value"):
            columns[f"{head} {name}"] = tuple(_cell(fit, term, name) for term in terms)
    notes = tuple(
        EN("table.compare.fit", name=head, title=fit.title, errors=str(fit.vcov_type), nobs=fit.nobs)
        for head, fit in zip(heads, fits, strict=True)
    )
    return ResultTable(title=EN("table.compare"), columns=columns, notes=notes)


def _cell(fit: Fit, term: Term, name: str) -> float | None:
    row = fit.estimates.find(term)
    return None if row is None else float(getattr(row, name))
