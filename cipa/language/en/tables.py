"""Titles and notes of tables: "table.name" is a title, "table.name.more" a note below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cipa.language.speech import Template

RESIDUALS = {
    "raw": "sample less implied moments",
    "cor_bentler": "sample less implied correlations, each over the sample's standard deviations (Bentler)",
    "cor": "sample correlations less implied correlations (Bollen)",
    "normalized": "raw residuals over the standard errors of the sample moments",
    "standardized": "raw residuals over their own standard errors",
}


def _residuals(*, kind: str) -> str:
    return f"Residuals: {RESIDUALS[kind]}"


def _fornell_larcker(*, group: str | None, nested: bool) -> str:
    named = "" if group is None else f" Group {group}."
    dimensions = " A construct and its own dimensions are not meant to be distinct." if nested else ""
    return f"Diagonal: square root of AVE; below: correlations of the constructs as implied by the model.{named}{dimensions}"


def _reference(*, first: str, others: Sequence[str]) -> str:
    references = "".join(f" The first level of {name} is the reference (0)." for name in others)
    return f"The effects of {first} hold the constant.{references}"


def _agree(*, compared: str, estimates: float, errors: float, statistics: Sequence[str], largest: float) -> str:
    also = f", and {', '.join(statistics)} by {_bound(largest)}" if statistics else ""
    return (
        f"{compared} agree: estimates differ by {_bound(estimates)} of their standard errors, standard errors by {_bound(errors)}"
        f" of themselves{also} at most. Nothing else was compared."
    )


def _disagree(*, compared: str, worst: str, estimates: float, errors: float, statistics: Sequence[str], largest: float) -> str:
    also = f", {', '.join(statistics)} by up to {largest:.1%}" if statistics else ""
    return (
        f"{compared} do not agree: the estimate of {worst} differs by {estimates:.1g} standard errors, standard errors by up to "
        f"{errors:.1%}{also}. Nothing else was compared."
    )


def _bound(value: float) -> str:
    """An upper bound as a power of ten: what lies below 1e-8 is rounding, and differs between machines."""
    for exponent in range(8, 0, -1):
        if value < 10.0**-exponent:
            return f"less than 1e-{exponent}"
    return f"{value:.2g}"


def _scaling(*, indices: str, scaled: bool, method: str) -> str:
    which = f"cfi and rmsea are {indices}" if indices else "cfi and rmsea are not corrected"
    if not scaled:
        return f"chisq and chisq_diff are not scaled, as this estimator's test is not; {which}."
    if method == "none":
        return f'chisq and chisq_diff are before scaling (method="none"); {which}.'
    return (
        f"chisq is before scaling, chisq_diff and p_diff are scaled (so chisq_diff is not the difference of two chisq); {which}."
    )


def _no_fit(*, level: str, problem: str, last: bool) -> str:
    return f"{level}: {problem}{' Later levels are not fitted.' if last else ''}"


EVIDENCE: Mapping[str, Template] = {
    "table.descriptives": "Descriptive statistics, {data}",
    "table.descriptives.moments": (
        "SD with divisor n - 1; skewness and excess kurtosis with divisor n (0 for a normal variable)."
    ),
    "table.correlations": "Correlations, {data}",
    "table.reliability": "Reliability and convergent validity",
    "table.reliability.continuous": (
        "alpha: Cronbach, from the sample covariances; omega: model-based, residual covariances counted (Raykov 2001); CR and "
        "AVE from standardized loadings (Fornell & Larcker 1981)."
    ),
    "table.reliability.ordered": (
        "Ordered items. alpha: Cronbach, of the answers as they are coded; omega: of the sum of ordered answers (Green & Yang"
        " 2009). alpha_ordinal and omega_ordinal: of the response variables behind the answers (polychoric correlations), which"
        " nobody observes; CR and AVE: of these too, from standardized loadings (Fornell & Larcker 1981)."
    ),
    "table.reliability.turned": "Turned round for this table (negative loading): {items:commas}.",
    "table.fornell_larcker": "Discriminant validity (Fornell & Larcker 1981)",
    "table.fornell_larcker.cells": _fornell_larcker,
    "table.htmt": "Heterotrait-monotrait ratio (Henseler, Ringle & Sarstedt 2015)",
    "table.htmt.cases": "Absolute correlations of the {cases} cases that answered every item.",
    "table.invariance": "Measurement invariance",
    "table.invariance.stands": (
        "stands: the difference test does not reject at {alpha:g} and CFI falls by no more than {fall}; in doubt: the two "
        "disagree."
    ),
    "table.invariance.not_judged": (
        "{level} does not stand. The levels after it hold what it holds, so they are shown and not judged."
    ),
    "table.invariance.ordered": (
        'Ordered indicators: parameterization "theta", identified by the first group (Wu & Estabrook 2016). The cut of CFI comes'
        " from continuous indicators, so give the difference test more weight."
    ),
    "table.invariance.scaling": _scaling,
    "table.invariance.same": "{level} adds no restriction to the level before it: the same model, which stands by definition.",
    "table.invariance.problem": _no_fit,
    "table.invariance.stopped": "the search stopped, because without {name} held there is no solution: {problem}",
    "table.invariance.steps": "What the search freed (exploratory)",
    "table.invariance.hints": "Largest score tests of levels that do not stand",
    "table.agreement": "Agreement of two programs: cipa and {program}",
    "table.agreement.compared": (
        "cipa and {program}, two independently written programs given the same {cases} cases and the same {parameters} free "
        "parameters,"
    ),
    "table.agreement.agree": _agree,
    "table.agreement.disagree": _disagree,
}
"""Evidence about models."""

INFERENCE: Mapping[str, Template] = {
    "table.slopes": "Effect of {path} at values of {moderator} (in standard deviations from its mean)",
    "table.slopes.held": "Held at the mean: {names:commas}.",
    "table.johnson_neyman": "Johnson-Neyman interval of {path} by {moderator}",
    "table.johnson_neyman.tests": (
        "Pointwise {level:.0%} tests: the region is where a single test at that value of {moderator} would be significant. The "
        "difference between a significant and a non-significant slope is not itself tested; the product term is that test."
    ),
    "table.compare": "Estimates side by side",
    "table.compare.fit": "{name}: {title}; standard errors: {errors}; N = {nobs}",
    "table.lr_test": "Difference tests of nested models",
    "table.lr_test.fit": "{number}: {title}",
    "table.lr_test.iid": (
        "The likelihood is that of independent errors with one variance, whatever the standard errors of the fits; ci.wald_test "
        "takes theirs."
    ),
    "table.score_test": "Score tests of equality constraints",
    "table.score_test.several": ("Each test frees one parameter; after looking at several, their p-values need correction."),
    "table.score_test.robust": (
        "chisq is that of normal data and independent cases; chisq_robust holds without, as the robust errors do."
    ),
    "table.power": "Power by noncentrality",
    "table.power.test": (
        "Likelihood-ratio test at alpha = {alpha:g}, two-sided, normal data (Satorra & Saris 1985); nobs_needed: cases for power "
        "{target:g}."
    ),
    "table.power.misfit": (
        "The model does not hold in the population (chi-square {chisq:.2f} at {cases} cases): the values are its best "
        "approximation."
    ),
    "table.power_rmsea": "Power of tests of fit",
    "table.power_rmsea.tests": (
        "alpha = {alpha:g}; nobs_needed: the least number of cases with power {target:g}. Noncentrality (n - 1) df RMSEA² "
        "(MacCallum, Browne & Sugawara 1996)."
    ),
    "table.monte_carlo": "Power by Monte Carlo",
    "table.monte_carlo.samples": (
        "{draws} samples of {cases} cases, seed {seed}: {solved} with a solution, {admissible} of them admissible. Averages are "
        "over all with a solution. Two-sided tests at alpha = {alpha:g}; intervals at {level:.0%}."
    ),
}
"""Effects and tests."""

MODELS: Mapping[str, Template] = {
    "table.residuals": _residuals,
    "table.r_squared": "Explained variance (R² = 1 - residual / implied total variance)",
    "table.icc": "Intraclass correlations (between / total variance, unrestricted model)",
    "table.modification": "Modification indices (expected information)",
    "table.scores": "Factor scores ({method})",
    "table.scores.mode": "Factor scores (posterior mode)",
    "table.scores.likelihood": "Factor scores (maximum likelihood)",
    "table.scores.levels": "Factor scores of two levels ({method})",
    "table.fitted": "Fitted values, {title}",
    "table.predictions": "Predictions, {title}",
    "table.predictions.regressor": (
        "{rows} rows have no fitted value: a regressor is missing or has a level that the estimation sample does not."
    ),
    "table.predictions.effect": "{rows} rows have no fitted value: an effect has a level that the estimation sample does not.",
    "table.effects": "Effects, {title}",
    "table.effects.not_apart": (
        "The effects of {names:commas} overlap: {free} more constants could be moved from one to another without changing a "
        "fitted value. Read their sum, not one by one."
    ),
    "table.effects.reference": _reference,
    "table.row_residuals": "Residuals: observed less fitted, {title}",
}
"""What a fit is asked for."""

TABLES: Mapping[str, Template] = {**EVIDENCE, **INFERENCE, **MODELS}
