"""What the data show of a model: a sample for each group, and on two levels its clusters and the moments of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cipa.models.sem.declare.layout import Layout
from cipa.numerics.algebra.linalg import Array, IntArray
from cipa.numerics.moments import ram
from cipa.numerics.moments.normal import Patterns, Saturated
from cipa.numerics.twolevel.kernel import Sampled, Unrestricted
from cipa.results.fit import Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """What a group shows of two levels.

    clusters : its cases in clusters; `variables` (p) are those of the group. codes : (n,) position of each case's cluster there.
    free : unrestricted moments of both levels. independent : those of the baseline model, in which variables do not covary,
    except exogenous ones.
    exogenous : per level, covariance and mean of all its variables as the sample shows them directly, right for exogenous ones.
    exogenous_loglik : log-likelihood of the exogenous variables, which fixed_x conditions on.
    """

    clusters: Sampled
    codes: IntArray
    free: Unrestricted
    independent: Unrestricted | None
    baseline_df: int
    exogenous: tuple[tuple[Array, Array], ...]
    exogenous_loglik: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSample:
    """One group: its label, variables, patterns, saturated moments, and the rows of the data it uses; on two levels, its levels.

    `values` (n, p) is None for covariance input; `rows` (n,) are positions in the data. With two stages `patterns` hold the
    moments of the first as if they were complete, and `gamma` n times their covariance (row-wise vech, then means).
    """

    label: str
    variables: tuple[str, ...]
    patterns: Patterns
    saturated: Saturated
    values: Array | None
    rows: IntArray
    weights: Array | None = None
    clusters: IntArray | None = None
    gamma: Array | None = None
    levels: Levels | None = None

    @property
    def nobs(self) -> int:
        """Cases that enter the likelihood."""
        return self.patterns.nobs if self.values is None else len(self.rows)

    @property
    def total(self) -> float:
        """What they count together: their number, or the sum of their sampling weights."""
        return self.patterns.total


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """All groups, their data, and notices about what was dropped."""

    groups: tuple[GroupSample, ...]
    data: Any
    notices: tuple[Notice, ...]
    missing: str

    @property
    def levels(self) -> tuple[Levels, ...]:
        """The two levels of each group; () in a model of one level."""
        return tuple(group.levels for group in self.groups if group.levels is not None)

    @property
    def nobs(self) -> int:
        """Cases of all groups."""
        return sum(group.nobs for group in self.groups)

    @property
    def weights(self) -> Array | None:
        """Sampling weights (n,) of the cases used, with mean 1."""
        found = [group.weights for group in self.groups if group.weights is not None]
        return np.concatenate(found) if found else None

    @property
    def clusters(self) -> IntArray | None:
        """Codes (n,) of the clusters of the cases used."""
        found = [group.clusters for group in self.groups if group.clusters is not None]
        return np.unique(np.concatenate(found), return_inverse=True)[1].reshape(-1) if found else None

    @property
    def strata(self) -> IntArray:
        """Codes (n,) of the groups of the cases used."""
        return np.repeat(np.arange(len(self.groups)), [len(group.rows) for group in self.groups])


def bases_with_exogenous(layout: Layout, sample: Sample) -> tuple[ram.Matrices, ...]:
    """The fixed matrices of each group, with the sample's moments of exogenous variables put in."""
    found = []
    for block, group in zip(layout.blocks, sample.groups, strict=True):
        base = block.base
        S, M = base.S.copy(), base.M.copy()
        x = block.exogenous
        S[np.ix_(x, x)] = group.saturated.cov[np.ix_(x, x)]
        M[x] = group.saturated.mean[x] if layout.means else 0.0
        found.append(ram.Matrices(A=base.A, S=S, M=M, observed=base.observed))
    return tuple(found)
