"""Draws from the law of a structural equation model.

Normal response variables with the implied moments; an ordered variable shows which thresholds its response exceeds, coded 1, 2,
…. With `skewness` or `kurtosis`, continuous variables have those margins by the method of Vale & Maurelli (1983).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cipa.data.dataset import Dataset
from cipa.errors import InferenceError, public, whole_seed
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.model import SEM
from cipa.numerics.resample import generators
from cipa.results import questions
from cipa.results.fit import Fit


@public
def simulate(
    model: SEM | SEMFit, *, params: Mapping[Any, float] | None = None, nobs: Any = None, seed: int | None = None,
    skewness: float | Mapping[str, float] = 0.0, kurtosis: float | Mapping[str, float] = 0.0,
) -> Dataset:  # fmt: skip
    """Draw a sample from a structural equation model.

    Parameters
    ----------
    model : SEM or its fit
        Of a fit, the estimates are the population.
    params : mapping of label or term to float
        Population values: ``{"y ~ x": 0.3, "a": 0.5}``. Values in the syntax count too, fixed (`0.8*x2`) and starting
        (`start(0.8)*x2`), as in lavaan's simulateData. Without a value, automatic covariances, intercepts and means are 0,
        exogenous observed variables independent and standard, and (residual) variances such that each variable has variance 1;
        loadings, paths, thresholds and written covariances must have one.
    nobs : int, list or mapping of group label to int
        Cases, in each group; default 500, or as many as the fit had.
    seed : int
        Needed, so that the draw can be repeated.
    skewness, kurtosis : float or mapping of variable to float
        Of the observed continuous variables (excess kurtosis: 0 for the normal law), by Vale & Maurelli (1983).

    Returns
    -------
    Dataset
        Complete cases, group after group, the group's label in the column that `group=` names.

    Raises
    ------
    SpecificationError
        A parameter without a value, or values that no population has.
    InferenceError
        A model with clusters or sampling weights, for which a design would have to be invented.

    Examples
    --------
    >>> import cipa as ci
    >>> model = ci.SEM("f =~ start(0.8)*x1 + start(0.7)*x2 + start(0.6)*x3; y ~ f", std_lv=True)
    >>> data = ci.simulate(model, params={"y ~ f": 0.5}, nobs=200, seed=1)
    >>> data.nobs, list(data.columns)
    (200, ['x1', 'x2', 'x3', 'y'])
    """
    if not isinstance(model, (SEM, Fit)):
        raise InferenceError(
            f"ci.simulate: {type(model).__name__} has no law to draw from. Give a ci.SEM or its native fit; the panel data sets "
            "come from their own simulator."
        )
    seed = whole_seed(seed, where="ci.simulate")
    what = "ci.simulate"
    law = model.population(params=params, nobs=nobs) if isinstance(model, SEM) else questions.law(model, params, nobs, what)
    return law.draw(next(generators(seed, 1)), skewness=skewness, kurtosis=kurtosis)
