"""Casewise scores of the normal likelihood, and of its moments.

(u'a)(v'a) - u'Pv + t u'a,   a = P (x - mu)          the gradient of the log-likelihood of a case, by parameter
D'W z                                                   z the second moments (and values) of a complete case about the sample's
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cipa.models.sem.cases.sample import GroupSample
from cipa.models.sem.declare.layout import Layout
from cipa.numerics.algebra.linalg import Array
from cipa.numerics.moments import ram
from cipa.numerics.moments.normal import Evaluation


def casewise_scores(
    layout: Layout, groups: Sequence[GroupSample], blocks: Sequence[ram.Implied], evaluations: Sequence[Evaluation],
    factors: Sequence[ram.Factors],
) -> Array | None:  # fmt: skip
    """Derivatives (n, k) of the log-likelihood of each case: (u'a)(v'a) - u'Pv + t u'a with a = P (x - mu).

    None without cases.
    """
    return _scores(layout, groups, blocks, evaluations, factors, model_centred=True)


def moment_scores(
    layout: Layout, groups: Sequence[GroupSample], blocks: Sequence[ram.Implied], evaluations: Sequence[Evaluation],
    factors: Sequence[ram.Factors],
) -> Array | None:  # fmt: skip
    """D'W z of each case (complete data), with z its second moments (and values) about the sample's: sums are zero."""
    return _scores(layout, groups, blocks, evaluations, factors, model_centred=False)


def _scores(
    layout: Layout, groups: Sequence[GroupSample], blocks: Sequence[ram.Implied], evaluations: Sequence[Evaluation],
    factors: Sequence[ram.Factors], *, model_centred: bool,
) -> Array | None:  # fmt: skip
    if any(group.values is None for group in groups):
        return None
    stacked = []
    for g, (block, group) in enumerate(zip(layout.blocks, groups, strict=True)):
        assert group.values is not None
        part = np.zeros((len(group.values), layout.nfree))
        mean = blocks[g].mean if layout.means and model_centred else group.saturated.mean
        for r, P in enumerate(evaluations[g].P):
            rows = np.flatnonzero(group.patterns.membership == r)
            a = np.where(group.patterns.observed[r], group.values[rows] - mean, 0.0) @ P
            aU, aV = a @ factors[g].U, a @ factors[g].V
            middle = P if model_centred else P @ group.saturated.cov @ P
            base = np.einsum("ik,ik->k", factors[g].U, middle @ factors[g].V)
            part[np.ix_(rows, block.free)] = aU * aV - base + factors[g].t * aU
        stacked.append(part)
    return np.vstack(stacked)
