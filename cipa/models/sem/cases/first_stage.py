"""What the model is fitted to, and the unrestricted moments: by EM, pairwise, or as the first of two stages.

Source: Savalei, V. & Bentler, P. M. (2009). A two-stage approach to missing data: theory and application to auxiliary variables.
Structural Equation Modeling, 16, 477-497.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cipa.errors import DataError
from cipa.models.sem.cases.conditions import collinear, collinear_message
from cipa.models.sem.cases.sample import GroupSample
from cipa.models.sem.declare.options import UNRESTRICTED_FIRST
from cipa.numerics.algebra.linalg import Array, IntArray
from cipa.numerics.moments.normal import (
    Patterns,
    Saturated,
    complete_pattern,
    evaluate,
    pairwise_covariance,
    pairwise_moments,
    saturated,
    saturated_information,
    saturated_scores,
)
from cipa.results.fit import Notice


def first_stage(
    values: Array, patterns: Patterns, variables: Sequence[str], *, missing: str, group: str | None, notices: list[Notice]
) -> tuple[Patterns, Saturated, Array | None]:
    """What the model is fitted to, the unrestricted moments, and where moments come first n times their covariance."""
    place = f" in group {group}" if group else ""
    fitted, unrestricted = first_moments(values, patterns, missing=missing)
    if unrestricted is None or collinear(unrestricted.cov) is not None:
        if missing == "pairwise" and np.isnan(values).any():
            raise DataError(
                f"The matrix of pairwise covariances is not positive definite{place}: each covariance rests on other cases, and "
                'together they are those of no data. Use missing="fiml", which needs less: values missing at random.'
            )
        raise DataError(collinear_message(unrestricted, values, variables, place=place))
    if not unrestricted.converged:
        notices.append(Notice(code="em", values={"steps": unrestricted.iterations, "group": group}, severity="warning"))
    gamma = None
    if missing == "pairwise":
        gamma = pairwise_covariance(values, unrestricted.cov, unrestricted.mean)
    elif missing in UNRESTRICTED_FIRST:
        gamma = _first_stage_covariance(values, patterns, unrestricted, robust=missing == "robust_two_stage")
    return fitted, unrestricted, gamma


def first_moments(values: Array, patterns: Patterns, *, missing: str) -> tuple[Patterns, Saturated | None]:
    """The patterns that the model is fitted to, and the unrestricted moments; None when these are not positive definite."""
    if missing == "pairwise":
        patterns = complete_pattern(*pairwise_moments(values), len(values))
    unrestricted = saturated(patterns)
    if missing not in UNRESTRICTED_FIRST or unrestricted is None:
        return patterns, unrestricted
    patterns = complete_pattern(unrestricted.cov, unrestricted.mean, len(values))
    complete = saturated(patterns)
    return patterns, None if complete is None else replace(unrestricted, loglik=complete.loglik)


def _first_stage_covariance(values: Array, patterns: Patterns, unrestricted: Saturated, *, robust: bool) -> Array:
    """N times the covariance of the saturated moments: inverse observed information, or its sandwich (Savalei & Bentler 2009)."""
    found = evaluate(patterns, unrestricted.cov, unrestricted.mean)
    assert found is not None
    inverse = np.linalg.inv(saturated_information(found))
    if not robust:
        return np.asarray(inverse)
    scores = saturated_scores(values, patterns, found, unrestricted.mean)
    return np.asarray(inverse @ (scores.T @ scores / len(values)) @ inverse)


def second_moments(group: GroupSample, held: IntArray) -> Array:
    """G (m, m), divisor n: covariance of products (row-wise vech) and values of complete cases; in two stages that of the first.

    Given exogenous variables (positions `held`) only what they leave varies: the products and values that their regressions
    predict are subtracted (Yuan, K.-H. & Hayashi, K., 2006. British Journal of Mathematical and Statistical Psychology, 59,
    397-417).
    """
    if group.gamma is not None:
        return group.gamma
    assert group.values is not None
    centred = group.values - group.saturated.mean
    rows, cols = np.tril_indices(centred.shape[1])
    z = np.hstack([centred[:, rows] * centred[:, cols], centred])
    if len(held):
        x = centred[:, held]
        predicted = x @ np.linalg.lstsq(x, centred, rcond=None)[0]
        z -= np.hstack([predicted[:, rows] * predicted[:, cols], predicted])
    z -= z.mean(axis=0)
    return np.asarray(z.T @ z / len(z))
