"""Covariance input as a sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cipa.data.moments import SampleMoments
from cipa.errors import DataError, SpecificationError
from cipa.models.sem.cases.columns import require_columns
from cipa.models.sem.cases.conditions import condition_notices
from cipa.models.sem.cases.sample import GroupSample, Sample
from cipa.models.sem.declare.declaration import Declaration
from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.declare.options import Recipe
from cipa.numerics.moments.normal import complete_pattern, saturated
from cipa.results.fit import Notice
from cipa.study.syntax import Syntax


def from_moments(
    given: Sequence[SampleMoments],
    syntax: Syntax,
    *,
    observed: Sequence[Sequence[str]],
    labels: Sequence[str],
    likelihood: str,
    missing: str,
) -> Sample:
    """The sample of covariance input: divisor n, or n - 1 under the Wishart likelihood."""
    if missing != "listwise":
        raise SpecificationError(
            f'missing="{missing}" needs the cases; a covariance matrix has none. Give the data, or leave missing="listwise".'
        )
    groups, notices = [], []
    for position, one in enumerate(given):
        variables = list(observed[position])
        if one.dropped:
            values = {"lost": one.dropped, "total": one.nobs + one.dropped, "group": labels[position]}
            notices.append(Notice(code="rows_dropped", variant="moments", values=values))
        require_columns(syntax, variables, one.names, source="the covariance matrix")
        index = [one.names.index(name) for name in variables]
        cov = one.cov[np.ix_(index, index)] * (1.0 if likelihood == "wishart" else (one.nobs - 1) / one.nobs)
        mean = np.zeros(len(index)) if one.mean is None else one.mean[index]
        patterns = complete_pattern(cov, mean, one.nobs)
        unrestricted = saturated(patterns)
        if unrestricted is None:
            raise DataError(
                "The covariance matrix is not positive definite, so that the likelihood has no maximum. Look for a variable that "
                "is a sum of others, or for correlations computed from different cases."
            )
        notices.extend(condition_notices(cov, variables, group=labels[position]))
        groups.append(
            GroupSample(
                label=labels[position],
                variables=tuple(variables),
                patterns=patterns,
                saturated=unrestricted,
                values=None,
                rows=np.empty(0, dtype=np.intp),
            )
        )
    data = given[0] if len(given) == 1 else tuple(given)
    return Sample(groups=tuple(groups), data=data, notices=tuple(notices), missing=missing)


def refuse_means_without_means(layout: Layout, sample: Sample) -> None:
    """Refuse a mean structure for moments that came without means."""
    if layout.means and any(
        getattr(one, "mean", 0) is None for one in (sample.data if isinstance(sample.data, tuple) else [sample.data])
    ):
        raise SpecificationError(
            "The model has means ('~1' or meanstructure=True), but SampleMoments came without mean=, and a mean that is not "
            "given is not 0. Give the means, or drop them."
        )


def refuse_without_cases(declaration: Declaration, recipe: Recipe, sample: Sample) -> None:
    """Refuse corrections by what the cases show where there are none."""
    if any(group.values is None for group in sample.groups) and (recipe.se != "standard" or recipe.test != "standard"):
        raise SpecificationError(
            f'ci.SEM: estimator="{declaration.estimator}" corrects by what the cases show, and a covariance matrix has no cases. '
            'Give the data, or use estimator="ml".'
        )
