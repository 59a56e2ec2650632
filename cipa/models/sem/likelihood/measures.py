"""The fit measures of maximum likelihood: model, unrestricted and baseline log-likelihoods, and what `indices` makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cipa.models.sem.cases.sample import GroupSample, Sample
from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.declare.options import SCALED_TESTS, UNRESTRICTED_FIRST, Recipe
from cipa.models.sem.likelihood.objective import Likelihood, LikelihoodPoint
from cipa.models.sem.likelihood.scaled import conditional_moments, saturated_alone, scaled_measures
from cipa.models.sem.steps.indices import GroupMoments, Test, chisq_rounded, measures
from cipa.numerics.algebra.linalg import Array
from cipa.numerics.moments.normal import (
    available_moments,
    complete_pattern,
    evaluate,
    loglik,
    pairwise_moments,
    saturated,
)


def likelihood_measures(
    recipe: Recipe, objective: Likelihood, point: LikelihoodPoint, sample: Sample, *, nobs: int, lost: int
) -> dict[str, float]:
    """All fit measures, keyed as lavaan's `fitMeasures`; with a scaled test the scaled and robust ones too.

    `nobs` is n of the chi-square; `lost` cases of each group do not count in it (1 under the Wishart likelihood).
    """
    found = _measures(objective.layout, sample, point, nobs=nobs, lost=lost)
    return found | _scaled(recipe, objective, point, sample, found, nobs=nobs) if recipe.test in SCALED_TESTS else found


def _scaled(
    recipe: Recipe, objective: Likelihood, point: LikelihoodPoint, sample: Sample, found: Mapping[str, float], *, nobs: int
) -> dict[str, float]:
    baseline = Test(chisq=found["baseline.chisq"], df=found["baseline.df"]) if "baseline.df" in found else None
    test = Test(chisq=found["chisq"], df=found["df"])
    return scaled_measures(recipe, objective, point, sample, test=test, baseline=baseline, nobs=nobs)


def _measures(layout: Layout, sample: Sample, point: LikelihoodPoint, *, nobs: int, lost: int) -> dict[str, float]:
    model_logl, saturated_logl, excess, base_excess, base_df = 0.0, 0.0, 0.0, 0.0, 0
    groups = []
    df = -layout.npar
    first = sample.missing in UNRESTRICTED_FIRST  # whose weight is that of the unrestricted moments
    for g, (block, group) in enumerate(zip(layout.blocks, sample.groups, strict=True)):
        p, x = len(block.observed), len(block.exogenous)
        held = x * (x + 1) // 2 + (x if layout.means else 0)
        df += p * (p + 1) // 2 + (p if layout.means else 0) - held
        own = loglik(group.patterns, point.evaluations[g].value)
        scale = (group.nobs - lost) / group.nobs
        excess += 2 * (group.saturated.loglik - own) * scale
        conditional = _exogenous_loglik(group, block.exogenous)
        model_logl += own - conditional
        saturated_logl += group.saturated.loglik - conditional
        exogenous = [block.observed.index(name) for name in layout.roles[g].exogenous]
        base, count = (_conditional_baseline if layout.conditional else _baseline)(group, exogenous)
        base_excess += 2 * (group.saturated.loglik - base) * scale
        base_df += count
        moments = point.blocks[g]
        groups.append(
            GroupMoments(
                sample_cov=group.saturated.cov, sample_mean=group.saturated.mean, cov=moments.cov,
                mean=moments.mean if layout.means else group.saturated.mean,
                weight=group.total / sum(each.total for each in sample.groups),
                P=np.linalg.inv(group.saturated.cov)[None] if first else point.evaluations[g].P,
                shares=point.evaluations[g].weights, exogenous=block.exogenous, **_available(group),
            )
        )  # fmt: skip
    return measures(
        test=Test(chisq=chisq_rounded(excess, nobs), df=df), baseline=Test(chisq=chisq_rounded(base_excess, nobs), df=base_df),
        loglik=model_logl, loglik_saturated=saturated_logl, npar=layout.npar, nobs=nobs, total=sample.nobs, groups=groups,
        means=layout.means,
    )  # fmt: skip


def _available(group: GroupSample) -> dict[str, Array]:
    """Moments of the available values: each covariance from the cases that have both, divisor n_ij - 1 times (n - 1) / n."""
    if group.values is None or group.patterns.complete:
        return {"available_cov": group.saturated.cov, "available_mean": group.saturated.mean}
    cov, mean = pairwise_moments(group.values, group.weights)
    return {"available_cov": np.where(np.isnan(cov), group.saturated.cov, cov), "available_mean": mean}


def _exogenous_loglik(group: GroupSample, exogenous: Array) -> float:
    """Log-likelihood of the exogenous variables, which fixed_x conditions on."""
    if not len(exogenous):
        return 0.0
    cov, mean = group.saturated.cov[np.ix_(exogenous, exogenous)], group.saturated.mean[exogenous]
    found = saturated(complete_pattern(cov, mean, group.total))
    return found.loglik if found is not None else float("nan")


def _baseline(group: GroupSample, exogenous: Sequence[int]) -> tuple[float, int]:
    """Log-likelihood and degrees of freedom of the independence model; exogenous variables may covary.

    Its maximum is closed form: each variable by itself, the exogenous ones together.
    """
    others = [i for i in range(len(group.variables)) if i not in exogenous]
    _, variances = available_moments(group.patterns)
    counts = group.patterns.counts @ group.patterns.observed
    alone = float((counts[others] * (np.log(2 * np.pi * variances[others]) + 1)).sum()) / -2
    together = saturated_alone(group, exogenous).loglik if exogenous else 0.0
    return alone + together, len(others) * (len(others) - 1) // 2 + len(others) * len(exogenous)


def _conditional_baseline(group: GroupSample, exogenous: Sequence[int]) -> tuple[float, int]:
    """The same given the exogenous variables: what they do not explain does not covary."""
    cov, mean = conditional_moments(group, exogenous)
    found, size = evaluate(group.patterns, cov, mean), len(group.variables) - len(exogenous)
    return (float("nan") if found is None else loglik(group.patterns, found.value)), size * (size - 1) // 2
