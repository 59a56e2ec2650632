"""What scaled difference tests need of a fit by maximum likelihood (formulas: `answers/difference.py`)."""

from __future__ import annotations

from cipa.errors import InferenceError
from cipa.models.sem.answers.difference import Parts, scaled_difference
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.likelihood.objective import ends_of
from cipa.models.sem.likelihood.scaled import moment_parts, scaled_measures
from cipa.models.sem.steps.indices import Test


def difference(restricted: SEMFit, general: SEMFit, df: float, method: str) -> tuple[float, float]:
    """(scale, shift) of the difference of two chi-squares."""
    return scaled_difference(restricted, general, df, method, parts_of=_parts, factor_at=_factor_at)


def _parts(fit: SEMFit) -> Parts:
    sample = fit.sample
    complete = all(group.values is not None and group.patterns.complete for group in sample.groups)
    if not complete or sample.clusters is not None or sample.weights is not None:
        raise InferenceError(
            'ci.lr_test: method="satorra_2000" is derived for complete, independent, unweighted cases, and these are not. Use '
            '"satorra_bentler_2001".'
        )
    return moment_parts(*ends_of(fit), sample)


def _factor_at(general: SEMFit, restricted: SEMFit) -> float:
    """The scaling factor of the general model's test at the estimates of the restricted one."""
    theta = general.params.copy()
    for k, term in enumerate(general.terms):
        row = restricted.estimates.find(term)
        theta[k] = theta[k] if row is None else row.estimate
    objective, _ = ends_of(general)
    point = objective.evaluate(general.layout.to_eta(theta))
    if point is None:
        raise InferenceError(
            "ci.lr_test: the estimates of the restricted model imply no covariance matrix in the general one, so the models are "
            "not nested. Compare them by AIC or BIC."
        )
    test = Test(chisq=general.measures["chisq"], df=general.df_resid)
    scaled = scaled_measures(general.recipe, objective, point, general.sample, test=test, baseline=None, nobs=general.nobs)
    return scaled["chisq.scaling.factor"]
