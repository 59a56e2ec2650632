"""What every structural equation fit answers alike: how a variable varies, its structure, score tests."""

from __future__ import annotations

import math

import numpy as np

from cipa.errors import InferenceError, no_such
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.steps.indices import as_statistics
from cipa.models.sem.steps.release import release_tests
from cipa.results.answers import Cases, Spread, Structure
from cipa.results.estimates import Estimates
from cipa.results.statistics import Statistics
from cipa.terms import Term


def implied_spread(fit: SEMFit, name: str, group: str | None = None) -> Spread:
    """Mean and standard deviation of a variable as the model implies them, in a group (the first without `group`).

    On two levels, at the within one. Without a mean structure the model implies no mean of an observed variable: it is that of
    the sample.
    """
    g = 0 if group is None else fit.group_labels.index(group)
    first = next(b for b in range(len(fit.layout.blocks)) if fit.layout.place(b)[0] == g)
    block, moments = fit.layout.blocks[first], fit.point.blocks[first]
    if name not in block.variables:
        raise InferenceError(no_such("variable", name, block.variables))
    position = block.variables.index(name)
    unmodelled = not fit.layout.means and name in fit.observed
    mean = fit.sample.groups[g].saturated.mean[fit.observed.index(name)] if unmodelled else moments.tau[position]
    return Spread(mean=float(mean), sd=float(np.sqrt(moments.T[position, position])))


def structure(fit: SEMFit) -> Structure:
    """Constructs, observed variables, their covariances and R², block by block."""
    return Structure(
        blocks=fit.block_labels, latent=fit.latent, observed=fit.observed, latent_covs=fit.latent_covs,
        sample_covs=fit.sample_covs, r_squared=fit.r_squared_rows,
        implied_means=tuple(moments.mean for moments in fit.point.blocks),
        implied_covs=tuple(moments.cov for moments in fit.point.blocks),
    )  # fmt: skip


def standardized(fit: SEMFit) -> Estimates:
    """The completely standardized solution."""
    return fit.standardized


def cases(fit: SEMFit) -> Cases | None:
    """The rows that each group uses; None for moments, which have none."""
    groups = fit.sample.groups
    if any(group.values is None for group in groups):
        return None
    labels = fit.group_labels if len(groups) > 1 else (None,)
    return Cases(columns=tuple(fit.model.variables), labels=labels, rows=tuple(group.rows for group in groups))


def released(fit: SEMFit) -> list[tuple[Term, float, float, float]]:
    """Score tests of the constraints; beside robust errors in their robust form too."""
    robust = fit.recipe.se in ("robust_huber_white", "robust_sem") and fit.objective.noise(fit.point) is None
    observed = fit.recipe.information == "observed"
    return release_tests(fit.objective, fit.point, fit.terms, nobs=fit.nobs, robust=robust, observed=observed)


def has_scaled_test(fit: SEMFit) -> bool:
    """Whether the chi-square has a scaled form."""
    return math.isfinite(fit.measures.get("chisq.scaling.factor", math.nan))


def reported(fit: SEMFit) -> Statistics:
    """The statistics; beside a scaled test, indices corrected for missing values replace those that are not."""
    return fit.late_statistics if has_scaled_test(fit) else fit.statistics


def headline(fit: SEMFit) -> tuple[str, ...]:
    """The statistics that a summary shows first: with a scaled test the scaled chi-square too, and corrected indices."""
    if not has_scaled_test(fit):
        return ("chisq", "cfi", "tli", "rmsea", "srmr", "aic", "bic", "logl")
    indices = (fit.reported_statistics.corrected(name).name for name in ("cfi", "tli", "rmsea"))
    return ("chisq", "chisq.scaled", "chisq.scaling.factor", *indices, "srmr", "aic", "bic", "logl")


def as_measured(fit: SEMFit) -> Statistics:
    """All measures of a method that derives none later."""
    return as_statistics(fit.measures)
