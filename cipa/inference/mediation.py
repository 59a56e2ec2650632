"""Indirect effects along paths: products of coefficients, by the delta method or by Monte Carlo.

    theta = b_1 b_2 ... b_r,     se(theta)^2 = g' V g,     g_k = theta / b_k (product of the others)

The Monte Carlo interval draws the coefficients from N(b, V) and takes percentiles of the products; it is asymmetric,
as products are, and agrees closely with the bootstrap (Preacher & Selig 2012). A product of coefficients is an indirect
effect under the model; it is causal only under assumptions that no data set can show.

Sources: Sobel, M. E. (1982). Sociological Methodology, 13, 290-312 (delta method); MacKinnon, D. P., Lockwood, C. M. &
Williams, J. (2004). Multivariate Behavioral Research, 39, 99-128; Preacher, K. J. & Selig, J. P. (2012).
Communication Methods and Measures, 6, 77-98.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cipa.errors import InferenceError, SpecificationError, public, whole_seed
from cipa.inference.bootstrap import Bootstrapped, intervals
from cipa.inference.effects import Coefficients, coefficients, groups_of
from cipa.numerics.algebra.linalg import Array, unit_diagonal
from cipa.results.estimates import Estimate, Estimates, tabulate
from cipa.results.fit import Fit
from cipa.terms import Path, Term


@public
def indirect(
    fit: Fit | Bootstrapped, path: str | Path, *, draws: int = 0, seed: int | None = None, conf_level: float | None = None
) -> Estimates:
    r"""The effect along a path, one row for each group.

    Parameters
    ----------
    fit : Fit, or Bootstrapped
        Of any family that holds every step of the path; with the draws of `ci.bootstrap`, their products make the interval.
    path : str
        "x -> m -> y", with any number of mediators.
    draws : int
        0: delta method. Otherwise the number of Monte Carlo draws for interval and p-value (at least 1,000).
    seed : int, optional
        Of the draws; needed with them.
    conf_level : float, optional
        Default: the fit's.

    Returns
    -------
    Estimates
        `std_error` is the delta method's, or the standard deviation of the draws.

    Raises
    ------
    InferenceError
        When the fit lacks a step of the path.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.SEM("x4 ~ x1 + x2\nx7 ~ x4 + x1").fit(ci.datasets.load("holzinger1939"))
    >>> round(ci.indirect(fit, "x1 -> x4 -> x7")[0].estimate, 4)
    0.0579
    """
    chain = Path.parse(path) if isinstance(path, str) else path
    if isinstance(fit, Bootstrapped):
        return _bootstrapped(fit, chain, level=fit.fit.conf_level if conf_level is None else conf_level)
    if draws and draws < 1000:
        raise SpecificationError(
            f"ci.indirect: draws={draws} leaves the tails of the interval to chance. Use 0, or 1,000 and more."
        )
    if draws:
        seed = whole_seed(seed, where="ci.indirect")
    level = fit.conf_level if conf_level is None else conf_level
    rows: list[Estimate] = []
    for group in groups_of(fit, chain.steps[0]):
        steps = coefficients(fit, [replace(step, group=group) for step in chain.steps])
        rows += _effect(chain, steps, group, level)
        if draws:
            rows[-1] = _monte_carlo(rows[-1], steps, draws, seed=seed, level=level)
    return Estimates(tuple(rows))


def _bootstrapped(found: Bootstrapped, chain: Path, *, level: float) -> Estimates:
    """Products of the draws along the path, with the interval type of the bootstrap; for bca of the jackknife's estimates too."""
    rows = []
    where = {row.term: k for k, row in enumerate(found.estimates)}
    for group in groups_of(found.fit, chain.steps[0]):
        steps = coefficients(found.fit, [replace(step, group=group) for step in chain.steps])
        base = _effect(chain, steps, group, level)[0]
        columns = [where[row.term] for row in steps.rows]
        products = found.draws[:, columns].prod(axis=1, keepdims=True)
        left_out = None if found.jackknife is None else found.jackknife[:, columns].prod(axis=1, keepdims=True)
        low, high = intervals(np.array([base.estimate]), products, level=level, conf_type=found.conf_type, jackknife=left_out)
        error = float(products.std(ddof=1))
        rows.append(
            replace(base, std_error=error, statistic=np.nan, p_value=np.nan, conf_low=float(low[0]), conf_high=float(high[0]))
        )
    return Estimates(tuple(rows))


def _effect(chain: Path, steps: Coefficients, group: str | None, level: float) -> Estimates:
    b = steps.values
    gradient = np.array([np.prod(np.delete(b, k)) for k in range(len(b))])
    error = float(np.sqrt(max(gradient @ steps.cov @ gradient, 0.0)))
    formula = "*".join(f"({step})" for step in chain.steps)
    beta = float(np.prod([row.standardized for row in steps.rows]))
    return tabulate(
        [Term(lhs=str(chain), op=":=", rhs=formula, group=group)], np.array([np.prod(b)]), np.array([error]),
        labels=[str(chain)], statuses=["defined"], standardized=np.array([beta]), conf_level=level,
    )  # fmt: skip


def _monte_carlo(row: Estimate, steps: Coefficients, draws: int, *, seed: int | None, level: float) -> Estimate:
    products = _draws(steps, draws, seed=seed).prod(axis=1)
    low, high = np.quantile(products, [(1 - level) / 2, (1 + level) / 2])
    below = float((products < 0).mean())
    return replace(
        row, std_error=float(products.std(ddof=1)), statistic=np.nan, p_value=min(1.0, 2 * max(min(below, 1 - below), 1 / draws)),
        conf_low=float(low), conf_high=float(high),
    )  # fmt: skip


def _draws(steps: Coefficients, draws: int, *, seed: int | None) -> Array:
    """Draws (draws, r) from N(b, V), made in units in which every variance is 1."""
    unit, scale = unit_diagonal(steps.cov)
    values, vectors = np.linalg.eigh(unit)
    if values.min(initial=0.0) < -1e-8 * max(float(values.max(initial=0.0)), 1e-300):
        raise InferenceError(
            "ci.indirect: the covariance of the coefficients is not positive semidefinite, so that nothing can be drawn from it. "
            "Use draws=0, the interval by the delta method."
        )
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    normal = np.random.default_rng(seed).normal(size=(draws, len(values)))
    return np.asarray(steps.values + normal @ root.T * scale)
