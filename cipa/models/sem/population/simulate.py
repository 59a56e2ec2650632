"""Draws from the law of a structural equation model.

Normal response variables with the implied moments; an ordered variable shows which thresholds its response exceeds, coded 1, 2, ….
With `skewness` or `kurtosis`, continuous variables have those margins by the method of Vale & Maurelli (1983).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cipa.data.dataset import Dataset, Roles, Step
from cipa.errors import InferenceError, SpecificationError, did_you_mean, public
from cipa.frozen import FrozenDict
from cipa.models.sem.population.law import GroupLaw, Population
from cipa.models.sem.population.nonnormal import draw_nonnormal
from cipa.numerics.linalg import Array, cholesky_or_none
from cipa.numerics.resample import generators

if TYPE_CHECKING:
    from cipa.models.sem.fit import SEMFit
    from cipa.models.sem.model import SEM


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
        (`start(0.8)*x2`), as in lavaan's simulateData. Without a value, automatic covariances, intercepts and means are 0, exogenous
        observed variables independent and standard, and (residual) variances such that each variable has variance 1; loadings, paths,
        thresholds and written covariances must have one.
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
    if not hasattr(model, "population"):
        raise InferenceError(
            f"ci.simulate: {type(model).__name__} has no law to draw from. Give a ci.SEM or its native fit; the panel data sets come from"
            " their own simulator."
        )
    if seed is None or isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise SpecificationError(
            f"ci.simulate: seed={seed!r}. A draw that cannot be repeated proves nothing: give a whole number, seed=1."
        )
    law = model.population(params=params, nobs=nobs)
    return draw(law, next(generators(int(seed), 1)), skewness=skewness, kurtosis=kurtosis)


def draw(
    law: Population, rng: np.random.Generator, *, skewness: float | Mapping[str, float] = 0.0, kurtosis: float | Mapping[str, float] = 0.0
) -> Dataset:  # fmt: skip
    """One sample of a population."""
    names = list(dict.fromkeys(name for group in law.groups for name in group.variables))
    values = []
    for group in law.groups:
        margins = [_margin(one, group, law, what) for one, what in ((skewness, "skewness"), (kurtosis, "kurtosis"))]
        found = _observed(group, _responses(rng, group, *margins))
        values.append(np.column_stack([found.get(name, np.full(group.nobs, np.nan)) for name in names]))
    columns: dict[str, Any] = dict(zip(names, np.asfortranarray(np.vstack(values)).T, strict=True))
    if law.column:
        labels = np.repeat(np.array(law.labels, dtype=object), [group.nobs for group in law.groups])
        columns[law.column] = labels
    for column in columns.values():
        column.setflags(write=False)
    total = sum(group.nobs for group in law.groups)
    step = Step(action="simulate", reason="drawn from the model's law", rows_before=total, rows_after=total)
    return Dataset(columns=FrozenDict(columns), name="simulated", roles=Roles(group=law.column), log=(step,))


def _margin(value: float | Mapping[str, float], group: GroupLaw, law: Population, what: str) -> Array:
    """Skewness or kurtosis of each observed variable."""
    if not isinstance(value, Mapping):
        return np.array([0.0 if name in law.ordered else float(value) for name in group.variables])
    known = [name for one in law.groups for name in one.variables if name not in law.ordered]
    for name in value:
        if name not in known:
            raise SpecificationError(
                f"ci.simulate: {what} names '{name}', which is not a continuous observed variable of the model.{did_you_mean(name, known)}"
            )
    return np.array([float(value.get(name, 0.0)) for name in group.variables])


def _responses(rng: np.random.Generator, group: GroupLaw, skewness: Array, kurtosis: Array) -> Array:
    """Response variables (n, p)."""
    if skewness.any() or kurtosis.any():
        return group.mean + draw_nonnormal(rng, group.nobs, group.cov, skewness, kurtosis)
    return np.asarray(group.mean + rng.normal(size=(group.nobs, len(group.cov))) @ _root(group.cov).T)


def _root(cov: Array) -> Array:
    """A matrix R with R R' = cov; of a singular one by its eigenvectors."""
    factor = cholesky_or_none(cov)
    if factor is not None:
        return factor
    values, vectors = np.linalg.eigh(cov)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _observed(group: GroupLaw, responses: Array) -> dict[str, Array]:
    """What is seen: the response, or the category it falls into."""
    found = {}
    for name, column in zip(group.variables, responses.T, strict=True):
        cut = group.thresholds.get(name)
        found[name] = column if cut is None else np.searchsorted(np.array(cut), column) + 1.0
    return found
