"""A fitted structural equation model: a value."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cipa.errors import InferenceError, no_such
from cipa.models.sem.cases.sample import Sample
from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.declare.options import Recipe
from cipa.models.sem.problem import Objective, Point
from cipa.models.sem.steps.standardize import explained_variance
from cipa.models.sem.steps.table import residual_matrices, standardized_table, where
from cipa.numerics.algebra.linalg import Array
from cipa.results.estimates import Estimates
from cipa.results.fit import Fit


class Measures(dict[str, float]):
    """Fit measures by name; one that the fit does not have is refused with the nearest it has."""

    def __missing__(self, name: str) -> float:
        raise InferenceError(no_such("measure", name, self, most=100))


@dataclass(frozen=True, kw_only=True, repr=False)
class SEMFit(Fit):
    """A fitted structural equation model.

    Besides what every fit has: the layout, the sample and the end point of the search, from which the standardized
    solution and R² are derived when they are first asked for.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.SEM("visual =~ x1 + x2 + x3").fit(ci.datasets.load("holzinger1939"))
    >>> fit.latent, fit.observed, round(float(fit.implied_cov[0, 1]), 3)
    (('visual',), ('x1', 'x2', 'x3'), 0.407)
    """

    layout: Layout
    sample: Sample
    objective: Objective
    point: Point
    recipe: Recipe
    group_labels: tuple[str, ...]
    measures: Measures

    @property
    def levels(self) -> tuple[str, ...]:
        """Labels of the levels of a two-level model, the within level first; otherwise ()."""
        return self.layout.levels

    @property
    def block_labels(self) -> tuple[tuple[str | None, str | None], ...]:
        """The group of each block of the layout, None where there is one, and its level, None where there is one."""
        return tuple(where(self.layout, self.group_labels, block) for block in range(len(self.layout.blocks)))

    @property
    def latent(self) -> tuple[str, ...]:
        """Names of the latent variables (of the within level)."""
        return self.layout.roles[0].latent

    @property
    def observed(self) -> tuple[str, ...]:
        """Names of the observed variables (of the within level)."""
        return self.layout.blocks[0].observed

    @property
    def implied_cov(self) -> Array:
        """Implied covariance of the observed variables of the first group or level."""
        return self.point.blocks[0].cov

    @property
    def latent_covs(self) -> tuple[Array, ...]:
        """Implied covariance of the latent variables, group by group in the order of `latent`, or block by block."""
        return tuple(
            moments.T[np.ix_(rows, rows)]
            for moments, block, roles in zip(self.point.blocks, self.layout.blocks, self.layout.roles, strict=True)
            for rows in [[block.variables.index(name) for name in (roles.latent if self.levels else self.latent)]]
        )

    @property
    def sample_covs(self) -> tuple[Array, ...]:
        """Sample covariance of the observed variables, group by group (divisor n; by EM with missing values)."""
        return tuple(group.saturated.cov for group in self.sample.groups)

    @property
    def test_used(self) -> str:
        """The kind of chi-square test ("standard", "satorra_bentler", …)."""
        return self.recipe.test

    @cached_property
    def standardized(self) -> Estimates:
        """The completely standardized solution with delta-method standard errors."""
        return standardized_table(
            self.model.parsed.constraints, self.objective, self.point, self.group_labels, self.vcov, kind="std_all",
            conf_level=self.conf_level,
        )  # fmt: skip

    @cached_property
    def r_squared_rows(self) -> tuple[tuple[str, str | None, str | None, float], ...]:
        """(variable, its group or None, its level or None, R²) of every dependent variable."""
        rows = explained_variance(self.layout, self.point.blocks, residual_matrices(self.objective, self.point))
        return tuple((name, *self.block_labels[block], share) for block, name, share in rows)
