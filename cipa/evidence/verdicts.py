"""Which hypotheses hold: the join of a hypothesis and an estimate.

The interval decides, and the smallest effect of interest (in standard deviations) tells absence of evidence from
evidence of absence:

- supported: the interval excludes 0 on the side claimed;
- contrary: it excludes 0 on the other side;
- not supported: it covers 0 and excludes an effect as large as the smallest of interest;
- inconclusive: it covers 0 and such an effect; the power against it is given;
- not tested: no model of the study holds the effect yet.

Sources: Lakens, D. (2017). Social Psychological and Personality Science, 8, 355-362 (equivalence); Hoenig, J. M. &
Heisey, D. M. (2001). The American Statistician, 55, 19-24 (why power is not computed from the observed effect).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import ndtr, ndtri

from cipa.errors import InferenceError
from cipa.evidence.findings import Verdict, VerdictWord
from cipa.inference.mediation import indirect
from cipa.language.en import EN
from cipa.results.estimates import Estimate
from cipa.results.fit import Fit
from cipa.study.hypotheses import Hypothesis
from cipa.terms import Path

DRAWS = 20_000
"""Monte Carlo draws of an indirect effect's interval: its ends are then good to about 1 % of the standard error."""


def judge(
    hypotheses: tuple[Hypothesis, ...], fits: Mapping[str, Fit], *, smallest_effect: float, seed: int, failures: Mapping[str, str]
) -> tuple[Verdict, ...]:
    """Verdicts in the order of the hypotheses, then of the models.

    Parameters
    ----------
    hypotheses : tuple of Hypothesis
    fits : mapping of model name to Fit
    smallest_effect : float
        Smallest standardized effect of interest.
    seed : int
        For the Monte Carlo intervals of indirect effects.
    failures : mapping of model name to message
        Models that could not be fitted.
    """
    return tuple(
        verdict
        for hypothesis in hypotheses
        for verdict in _verdicts(hypothesis, fits, smallest_effect=smallest_effect, seed=seed, failures=failures)
    )


def _verdicts(
    hypothesis: Hypothesis, fits: Mapping[str, Fit], *, smallest_effect: float, seed: int, failures: Mapping[str, str]
) -> list[Verdict]:
    if hypothesis.planned:
        return [Verdict(hypothesis=hypothesis, model="", estimate=None, verdict="not tested", reason=hypothesis.planned)]
    found = []
    for name, fit in fits.items():
        if hypothesis.models and name not in hypothesis.models:
            continue
        try:
            rows = estimates_of(hypothesis, fit, seed=seed)
        except InferenceError as problem:
            found.append(Verdict(hypothesis=hypothesis, model=name, estimate=None, verdict="not tested", reason=str(problem)))
            continue
        for row in rows:
            word, reason, power = _judge(hypothesis, row, fit, smallest_effect)
            found.append(Verdict(hypothesis=hypothesis, model=name, estimate=row, verdict=word, reason=reason, power=power))
    if found:
        return found
    failed = [name for name in failures if not hypothesis.models or name in hypothesis.models]
    reason = EN("reason.failed", models=tuple(failed)) if failed else EN("reason.no_model")
    return [Verdict(hypothesis=hypothesis, model="", estimate=None, verdict="not tested", reason=reason)]


def estimates_of(hypothesis: Hypothesis, fit: Fit, *, seed: int) -> list[Estimate]:
    """The estimates of a hypothesis in a fit, one for each group and level; none when the fit does not hold the effect.

    Raises
    ------
    InferenceError
        Where the fit holds every step of a path, and its product is not defined.
    """
    claim = hypothesis.claim
    if isinstance(claim, Path):
        held = {row.term.key[:3] for row in fit.estimates}
        return list(indirect(fit, claim, draws=DRAWS, seed=seed)) if all(step.key[:3] in held for step in claim.steps) else []
    named = claim.group is not None
    return [row for row in fit.estimates if claim.covers(row.term) and (named or row.status != "fixed")]


def _judge(hypothesis: Hypothesis, row: Estimate, fit: Fit, smallest: float) -> tuple[VerdictWord, str, float]:
    low, high = row.conf_low, row.conf_high
    if not (np.isfinite(low) and np.isfinite(high)):
        return "not tested", EN("reason.no_interval"), float("nan")
    scale = abs(row.standardized / row.estimate) if row.estimate else float("nan")
    power = _power(smallest, row.std_error * scale, fit.conf_level)
    level = fit.conf_level
    if low > 0 or high < 0:
        positive = low > 0
        as_claimed = hypothesis.direction == "!=" or positive == (hypothesis.direction == ">")
        reason = EN("reason.above" if positive else "reason.below", level=level)
        return ("supported" if as_claimed else "contrary"), reason, power
    if not np.isfinite(scale):
        return "inconclusive", EN("reason.not_standardized", level=level, smallest=smallest), power
    if _excludes(hypothesis, low * scale, high * scale, smallest):
        return "not supported", EN("reason.excludes", level=level, smallest=smallest), power
    reached = power if np.isfinite(power) else None
    return "inconclusive", EN("reason.covers", level=level, smallest=smallest, power=reached), power


def _excludes(hypothesis: Hypothesis, low: float, high: float, smallest: float) -> bool:
    if hypothesis.direction == ">":
        return high < smallest
    if hypothesis.direction == "<":
        return low > -smallest
    return -smallest < low and high < smallest


def _power(effect: float, error: float, conf_level: float) -> float:
    """Power of the two-sided test against a standardized effect, with its standard error."""
    if not (np.isfinite(error) and error > 0):
        return float("nan")
    critical = float(ndtri((1 + conf_level) / 2))
    return float(ndtr(effect / error - critical) + ndtr(-effect / error - critical))
