"""A structural equation fit with another covariance.

The sandwich of its bread and its casewise scores, under a named convention.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cipa.data.again import cluster_codes, source_of
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.steps.table import tabulated
from cipa.numerics.algebra.linalg import frozen
from cipa.results.covariance import SCORE_KINDS, Rows, as_vcov, sandwich
from cipa.results.fit import Notice
from cipa.results.questions import refused

_BELONGS = ("few_clusters", "vcov")  # notices that speak of the covariance


def with_vcov(fit: SEMFit, kind: Any, data: Any) -> SEMFit:
    """The same estimates with another covariance (see `ci.vcov`)."""
    wanted = as_vcov(kind, kinds=SCORE_KINDS, where="ci.vcov of a structural equation model")
    scores = fit.scores
    if scores is None or fit.bread is None:
        return refused(fit, "ci.vcov")
    used = np.concatenate([group.rows for group in fit.sample.groups])
    source = source_of(fit.data, data, wanted.clusters)
    none = np.zeros(len(used), dtype=np.intp)
    clusters = {name: cluster_codes(source, fit.data, used, name) for name in wanted.clusters}
    rows = Rows(entities=np.arange(len(used)), periods=none, times=none, span=0, n_times=0, clusters=clusters)
    found = sandwich(fit.bread, scores, rows, vcov=wanted, df_resid=fit.nobs - fit.npar)
    estimates, _ = tabulated(fit.model.parsed.constraints, fit.objective, fit.point, fit.group_labels, found.matrix)
    kept = tuple(notice for notice in fit.notices if notice.code not in _BELONGS)
    return replace(
        fit, vcov=frozen(found.matrix), vcov_type=found.vcov, estimates=estimates,
        notices=(*kept, *found.notices, Notice(code="vcov")),
    )  # fmt: skip
