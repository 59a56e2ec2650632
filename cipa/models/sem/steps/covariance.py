"""The covariance of the estimates: inverse information, and sandwiches of it.

    standard              A^-1 / n,  A the expected or observed information of an average case
    first_order           B^-1 / n,  B the mean outer product of casewise scores
    robust_huber_white    A^-1 B A^-1 / n with observed A (Huber 1967; White 1982); with clusters, B sums scores by
                          cluster and takes the factor G/(G - 1)
    robust_sem            A^-1 D'W G W D A^-1 / n with expected A, W the normal-theory weight at the implied moments, D the
                          Jacobian and G the sample covariance of the second moments (Satorra & Bentler 1994)

Constrained parameters: theta = offset + K eta, and every matrix is taken between K' and K.

Sources: Satorra, A. & Bentler, P. M. (1994), in von Eye & Clogg (eds.), Latent Variables Analysis, 399-419; Yuan, K.-H. &
Bentler, P. M. (2000). Sociological Methodology, 30, 165-200.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cipa.language.en import EN
from cipa.models.sem.cases.sample import Sample
from cipa.models.sem.declare.options import Recipe
from cipa.models.sem.problem import Objective
from cipa.numerics.algebra.linalg import Array, IntArray, symmetric
from cipa.numerics.sandwich import casewise_meat
from cipa.results.vcov import VCov


def scaled_inverse(matrix: Array) -> Array:
    """Inverse of a symmetric matrix, computed on its unit-diagonal scale."""
    if not len(matrix):
        return matrix
    scale = 1 / np.sqrt(np.abs(matrix.diagonal()))
    return np.asarray(np.linalg.inv(matrix * np.outer(scale, scale)) * np.outer(scale, scale))


def bread(objective: Objective, point: Any, *, observed: bool, nobs: int) -> Array:
    """Inverse information (k, k) of the whole sample: K (K' I K)^-1 K' / n."""
    layout = objective.layout
    full = objective.information(point, observed=observed)
    if not layout.tied:
        return scaled_inverse(full) / nobs
    return np.asarray(layout.K @ scaled_inverse(layout.K.T @ full @ layout.K) @ layout.K.T / nobs)


def covariance(se: str, objective: Objective, point: Any, *, inverse: Array) -> Array:
    """Covariance (k, k) of the estimates.

    Parameters
    ----------
    se : {"standard", "first_order", "robust_huber_white"}
    inverse : (k, k) array
        From `bread`.
    """
    if se == "standard":
        return inverse
    scores = objective.scores(point)
    assert scores is not None
    if se == "first_order":
        K = objective.layout.K
        return np.asarray(K @ scaled_inverse(K.T @ casewise_meat(scores) @ K) @ K.T)
    return sandwich(inverse, scores, objective.units)


def sandwich(inverse: Array, scores: Array, units: tuple[IntArray, IntArray] | None) -> Array:
    """A^-1 B A^-1 (k, k), B the meat of scores (n, k) by their clusters and groups."""
    return symmetric(inverse @ casewise_meat(scores, *(units or ())) @ inverse)


def described(recipe: Recipe, sample: Sample) -> VCov:
    """The standard errors in words."""
    first = recipe.se == "robust_sem" and any(group.gamma is not None for group in sample.groups)
    clusters = None if recipe.se == "standard" or sample.clusters is None else int(sample.clusters.max()) + 1
    note = EN(
        "errors.sandwich", kind="robust_sem.first" if first else recipe.se, information=recipe.information, clusters=clusters,
        weights=sample.weights is not None,
    )  # fmt: skip
    kind = f"{recipe.information} information" if recipe.se == "standard" else recipe.se.replace("_", " ")
    return VCov(kind=kind, convention="none", note=note)
