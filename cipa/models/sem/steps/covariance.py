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

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cipa.models.sem.cases.moments import GroupSample, Sample
from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.likelihood.objective import Likelihood, LikelihoodPoint
from cipa.numerics.algebra.linalg import Array, IntArray, symmetric
from cipa.results.vcov import VCov

ESTIMATORS = {
    "ml": ("standard", "standard", ""),
    "mlm": ("robust_sem", "satorra_bentler", "expected"),
    "mlmv": ("robust_sem", "scaled_shifted", "expected"),
    "mlmvs": ("robust_sem", "mean_var_adjusted", "expected"),
    "mlr": ("robust_huber_white", "yuan_bentler_mplus", "observed"),
    "mlf": ("first_order", "standard", ""),
    "gls": ("standard", "standard", "expected"),
    "uls": ("standard", "standard", "expected"),
    "ulsm": ("robust_sem", "satorra_bentler", "expected"),
    "ulsmv": ("robust_sem", "scaled_shifted", "expected"),
    "wls": ("standard", "standard", "expected"),
    "dwls": ("standard", "standard", "expected"),
    "wlsm": ("robust_sem", "satorra_bentler", "expected"),
    "wlsmv": ("robust_sem", "scaled_shifted", "expected"),
}
"""Estimator -> standard errors, test, and information ("" is the default for the data)."""

ERRORS = {
    "standard": "inverse {information} information",
    "first_order": "inverse mean outer product of casewise scores",
    "robust_sem": "sandwich of expected information and the sample's fourth moments (Satorra & Bentler 1994)",
    "robust_huber_white": "sandwich of {information} information and casewise scores (Huber, White)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Which information, standard errors and test a fit reports."""

    information: str
    se: str
    test: str
    estimator: str = "ml"

    @property
    def linear(self) -> bool:
        """Whether A0 of the Yuan-Bentler test leaves out second derivatives of the moments: "ml" with clusters, as lavaan 0.6."""
        return self.estimator == "ml"

    def described(self, sample: Sample) -> VCov:
        """The standard errors in words."""
        note = ERRORS[self.se].format(information=self.information)
        if self.se == "robust_sem" and any(group.gamma is not None for group in sample.groups):
            note = "sandwich of expected information and the covariance of the moments that came first (Savalei & Bentler 2009)"
        if sample.clusters is not None and self.se != "standard":
            note += f", summed over {int(sample.clusters.max()) + 1} clusters, factor G/(G - 1)"
        if sample.weights is not None:
            note += ", sampling weights"
        kind = f"{self.information} information" if self.se == "standard" else self.se.replace("_", " ")
        return VCov(kind=kind, convention="none", note=note)


def recipe(estimator: str, *, se: str | None, test: str | None, information: str | None, complete: bool, design: bool) -> Recipe:
    """What an estimator means for these data.

    Parameters
    ----------
    design : bool
        Whether there are clusters or sampling weights, with which only the sandwich is right (ML becomes MLR, as in lavaan).
    """
    own_se, own_test, own_information = ESTIMATORS["mlr" if design and estimator == "ml" else estimator]
    se = {"robust": own_se if own_se.startswith("robust") else "robust_huber_white"}.get(se or "", se) or own_se
    observed = se == "robust_huber_white" or not complete
    chosen = information or own_information or ("observed" if observed else "expected")
    return Recipe(information=chosen, se=se, test=test or own_test, estimator=estimator)


def scaled_inverse(matrix: Array) -> Array:
    """Inverse of a symmetric matrix, computed on its unit-diagonal scale."""
    if not len(matrix):
        return matrix
    scale = 1 / np.sqrt(np.abs(matrix.diagonal()))
    return np.asarray(np.linalg.inv(matrix * np.outer(scale, scale)) * np.outer(scale, scale))


def bread(objective: Likelihood, point: LikelihoodPoint, *, observed: bool, nobs: int) -> Array:
    """Inverse information (k, k) of the whole sample: K (K' I K)^-1 K' / n."""
    layout = objective.layout
    full = objective.information(point, observed=observed)
    if not layout.tied:
        return scaled_inverse(full) / nobs
    return np.asarray(layout.K @ scaled_inverse(layout.K.T @ full @ layout.K) @ layout.K.T / nobs)


def covariance(se: str, objective: Likelihood, point: LikelihoodPoint, sample: Sample, *, inverse: Array, nobs: int) -> Array:
    """Covariance (k, k) of the estimates.

    Parameters
    ----------
    se : {"standard", "first_order", "robust_huber_white", "robust_sem"}
    inverse : (k, k) array
        From `bread`.
    nobs : int
        n of the likelihood.
    """
    if se == "standard":
        return inverse
    layout = objective.layout
    if se == "first_order":
        B = layout.K.T @ meat(weighted_scores(layout, sample, point), None) @ layout.K
        return np.asarray(layout.K @ scaled_inverse(B) @ layout.K.T)
    scores = weighted_scores(layout, sample, point) if se == "robust_huber_white" else moment_scores(layout, sample, point)
    return symmetric(inverse @ meat(scores, sample.clusters, sample.strata) @ inverse)


def meat(scores: Array, clusters: IntArray | None, strata: IntArray | None = None) -> Array:
    """Sum (k, k) of outer products of scores (n, k), by cluster with the factor G/(G - 1) where there are clusters.

    `strata` (n,) are the groups of the cases, each with its own G; a cluster may have cases in several of them.
    """
    if clusters is None:
        return np.asarray(scores.T @ scores)
    home = np.zeros(len(clusters), dtype=np.intp) if strata is None else strata
    counts = np.array([len(np.unique(clusters[home == g])) for g in range(int(home.max()) + 1)], dtype=np.float64)
    sums = np.zeros((int(clusters.max()) + 1, scores.shape[1]))
    np.add.at(sums, clusters, scores * np.sqrt(counts / np.maximum(counts - 1, 1))[home, None])
    return np.asarray(sums.T @ sums)


def weighted_scores(layout: Layout, sample: Sample, point: LikelihoodPoint) -> Array:
    """Casewise gradient (n, k) of the log-likelihood, times the sampling weight."""
    scores = casewise_scores(layout, sample.groups, point)
    assert scores is not None
    weights = sample.weights
    return scores if weights is None else scores * weights[:, None]


def casewise_scores(layout: Layout, groups: Sequence[GroupSample], point: LikelihoodPoint) -> Array | None:
    """Derivatives of the log-likelihood of each case: (u'a)(v'a) - u'Pv + t u'a with a = P (x - mu)."""
    return _scores(layout, groups, point, model_centred=True)


def moment_scores(layout: Layout, sample: Sample, point: LikelihoodPoint) -> Array:
    """D'W z of each case (complete data), with z its second moments (and values) about the sample's: sums are zero."""
    scores = _scores(layout, sample.groups, point, model_centred=False)
    assert scores is not None
    return scores


def _scores(layout: Layout, groups: Sequence[GroupSample], point: LikelihoodPoint, *, model_centred: bool) -> Array | None:
    if any(group.values is None for group in groups):
        return None
    found = []
    for block, group, here in zip(layout.blocks, groups, point.groups, strict=True):
        assert group.values is not None
        part = np.zeros((len(group.values), layout.nfree))
        mean = here.moments.mean if layout.means and model_centred else group.saturated.mean
        for r, P in enumerate(here.likelihood.P):
            rows = np.flatnonzero(group.patterns.membership == r)
            a = np.where(group.patterns.observed[r], group.values[rows] - mean, 0.0) @ P
            aU, aV = a @ here.factors.U, a @ here.factors.V
            middle = P if model_centred else P @ group.saturated.cov @ P
            base = np.einsum("ik,ik->k", here.factors.U, middle @ here.factors.V)
            part[np.ix_(rows, block.free)] = aU * aV - base + here.factors.t * aU
        found.append(part)
    return np.vstack(found)
