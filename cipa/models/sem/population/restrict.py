"""A model with one claim more: a parameter at 0, or an equation of labels. And a model fitted to a population's moments.

The chi-square of a restricted model at the population's moments, less that of the model without the restriction, is the
noncentrality of the likelihood-ratio test (Satorra & Saris 1985, eq. 4): no draws are needed.

Source: Satorra, A. & Saris, W. E. (1985). Power of the likelihood ratio test in covariance structure analysis. Psychometrika, 50,
83-90.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from cipa.errors import InferenceError, did_you_mean
from cipa.models.sem.declare.declaration import Declaration
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.population.law import Population
from cipa.study.tokens import quoted
from cipa.terms import Term

D = TypeVar("D", bound=Declaration)


def fitted_to(model: D, law: Population) -> D:
    """The model as it is fitted to the exact moments of a population: by maximum likelihood.

    Raises
    ------
    InferenceError
        For ordered variables, whose categories have no covariance matrix.
    """
    if law.ordered or model.ordered_names:
        raise InferenceError(
            f"A model of ordered variables ({', '.join(law.ordered or model.ordered_names)}) is not fitted to population moments "
            "here: the noncentrality of WLSMV's test depends on what the cases show. Use Monte Carlo: draws=1000, seed=1."
        )
    return replace(
        model, estimator="ml", missing="listwise", se=None, test=None, information=None, likelihood="normal",
        meanstructure=_means(model)
    )  # fmt: skip


def _means(model: Declaration) -> bool | None:
    return True if model.missing != "listwise" and model.meanstructure is None else model.meanstructure


def restricted(model: D, claim: str, fit: SEMFit) -> D:
    """The model with a parameter at 0 (a term or label), or with an equation of labels ("a == b").

    Raises
    ------
    InferenceError
        For what is not a free parameter, or lies at the edge of its space at 0 (a variance).
    """
    if "==" in claim:
        return replace(model, syntax=f"{model.syntax}\n{claim}")
    labels = fit.layout.labels
    if claim in labels:
        rows = [row for row in fit.layout.rows if row.label == claim]
        _refuse_variance(claim, any(row.op == "~~" and row.lhs == row.rhs for row in rows))
        return replace(model, syntax=f"{model.syntax}\n{claim} == 0")
    if any(one.lhs == claim and one.op == ":=" for one in model.parsed.constraints):
        raise InferenceError(
            f"'{claim}' is defined by ':='. A product of two paths is 0 when either is, so its test has no noncentral "
            "chi-square. Use Monte Carlo: draws=1000, seed=1."
        )
    return replace(model, syntax=f"{model.syntax}\n{_at_zero(claim, fit)}")


def _at_zero(claim: str, fit: SEMFit) -> str:
    """A formula that holds a parameter at 0, in the group named or in all."""
    names = [str(term) for term in fit.terms]
    term = Term.parse(claim) if any(mark in claim for mark in "~=|") else None
    bare = None if term is None else replace(term, group=None)
    rows = [row for row in fit.layout.rows if bare is not None and replace(row.term(fit.group_labels), group=None) == bare]
    wanted = [row for row in rows if row.free and (term is None or term.group in (None, fit.group_labels[row.group]))]
    if not wanted or bare is None:
        raise InferenceError(
            f"'{claim}' is not a free parameter of the model, so there is no test of "
            f"it.{did_you_mean(claim, [*names, *fit.layout.labels])} Name a term as the estimates print it, or a label."
        )
    if len(wanted) < len(rows) and any(row.equal for row in wanted):
        raise InferenceError(
            f"'{claim}' is held equal across groups, so it cannot be 0 in one of them alone. Name it without the group: '{bare}'."
        )
    _refuse_variance(claim, bare.op == "~~" and bare.lhs == bare.rhs)
    values = ["0" if row in wanted else "NA" if row.free else repr(float(row.value)) for row in rows]
    modifier = values[0] if len(set(values)) == 1 else f"c({','.join(values)})"
    first = rows[0]
    right = "1" if first.op == "~1" else quoted(first.rhs)
    return f"{quoted(first.lhs)} {'~' if first.op == '~1' else first.op} {modifier}*{right}"


def _refuse_variance(claim: str, is_variance: bool) -> None:
    if is_variance:
        raise InferenceError(
            f"'{claim}' is a variance, and 0 is the edge of what it can be. The chi-square of such a test is a mixture, which is "
            "not derived here. Ask for the power of a path, loading or covariance."
        )
