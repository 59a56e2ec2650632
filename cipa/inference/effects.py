"""Where the coefficients of an effect stand in a fit: what mediation and moderation share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cipa.errors import InferenceError, no_such
from cipa.numerics.algebra.linalg import Array
from cipa.results.estimates import Estimate
from cipa.results.fit import Fit
from cipa.terms import Term


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """Some coefficients of a fit with their joint distribution.

    Parameters
    ----------
    rows : tuple of Estimate, length r
    values : (r,) array
    cov : (r, r) array
        Their covariance; zero for a coefficient that is fixed.
    """

    rows: tuple[Estimate, ...]
    values: Array
    cov: Array

    @property
    def df(self) -> float:
        """Degrees of freedom of t; infinity for the normal distribution."""
        return min(row.df for row in self.rows)


def coefficients(fit: Fit, terms: Sequence[Term]) -> Coefficients:
    """The coefficients of `terms`.

    Raises
    ------
    InferenceError
        For a term that the fit does not have, with the nearest that it has.
    """
    rows = tuple(_row(fit, term) for term in terms)
    where = {term: position for position, term in enumerate(fit.terms)}
    positions = [where.get(row.term) for row in rows]
    cov = np.zeros((len(rows), len(rows)))
    free = [k for k, position in enumerate(positions) if position is not None]
    chosen = [position for position in positions if position is not None]
    cov[np.ix_(free, free)] = fit.vcov[np.ix_(chosen, chosen)]
    return Coefficients(rows=rows, values=np.array([row.estimate for row in rows]), cov=cov)


def groups_of(fit: Fit, term: Term) -> tuple[str | None, ...]:
    """Labels of the groups in which the fit has a term; (None,) for one group.

    Raises
    ------
    InferenceError
        When the fit has the term in no group.
    """
    if fit.estimates.find(term) is not None:
        return (term.group,)
    labels = dict.fromkeys(row.term.group for row in fit.estimates)
    found = tuple(label for label in labels if fit.estimates.find(replace(term, group=label)) is not None)
    return found or (_row(fit, term).term.group,)


def _row(fit: Fit, term: Term) -> Estimate:
    row = fit.estimates.find(term)
    if row is None:
        known = [str(one.term) for one in fit.estimates if one.term.op == term.op]
        raise InferenceError(no_such("coefficient", term, known))
    return row
