"""Factor scores from ordered answers: the mode of the posterior, or of the likelihood, by Newton steps.

    log f(eta | y, x) = sum_j log P(y_j | eta, x) - (eta - a)' Phi^-1 (eta - a) / 2

Given the constructs the answers are independent: residuals must not covary. The function is concave, so its mode is unique;
the likelihood alone has none for a case that answered at the end of every item.

Source: Bartholomew, Knott & Moustaki (2011). Latent Variable Models and Factor Analysis, 3rd ed., ch. 2.15.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from cipa.errors import InferenceError
from cipa.language.en import EN
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.steps.table import matrices
from cipa.models.sem.weighted.objective import ends_of
from cipa.numerics.algebra.linalg import Array, BoolArray

_ITERATIONS = 100
_FLAT = 1e-6  # information over that of a standardized construct; below it the likelihood has no mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Cases as the measurement model sees them, (n, p) each.

    lower, upper: where an ordered response lies, less its intercept, over its residual standard deviation; for a continuous one
    both are the value. slopes (p, l): loadings over the residual standard deviations. seen (n, p); ordered (p,).
    """

    lower: Array
    upper: Array
    slopes: Array
    seen: BoolArray
    ordered: BoolArray


def of_ordered(fit: SEMFit, method: str) -> tuple[str, tuple[str, ...], Array]:
    """Title, constructs and scores (n, l) of the cases of the data; NaN for cases that were not used."""
    scores = np.full((fit.data.nobs, len(fit.latent)), np.nan)
    for g, group in enumerate(fit.sample.groups):
        scores[group.rows] = ordinal_scores(fit, g, prior=method == "regression")
    return EN("table.scores.mode" if method == "regression" else "table.scores.likelihood"), fit.latent, scores


def ordinal_scores(fit: SEMFit, g: int, *, prior: bool) -> Array:
    """Scores (n, l) of a group's cases; NaN where the likelihood has no mode (`prior` false)."""
    answers, centre, Phi = _measurement(fit, g)
    n, size = len(answers.lower), len(Phi)
    precision = np.linalg.pinv(Phi, hermitian=True) if prior else np.zeros_like(Phi)
    eta = centre.copy() if prior else np.zeros((n, size))
    spread = np.sqrt(np.maximum(Phi.diagonal(), 1e-12))
    modeless = np.zeros((n, size), dtype=np.bool_)
    active = np.arange(n)
    for _ in range(_ITERATIONS):
        here = eta[active]
        value, gradient, information = _evaluate(_rows(answers, active), here, centre[active], precision)
        flat = np.diagonal(information, axis1=1, axis2=2) * spread**2 < _FLAT
        information += 1e-10 * np.eye(size) * np.trace(information, axis1=1, axis2=2)[:, None, None]
        step = np.linalg.solve(information, gradient[:, :, None])[:, :, 0]
        step = np.clip(step, -2 * spread, 2 * spread)
        for _halving in range(30):
            worse = _evaluate(_rows(answers, active), here + step, centre[active], precision)[0] < value - 1e-10 * np.abs(value)
            if not worse.any():
                break
            step[worse] /= 2
        eta[active] = here + step
        modeless[active] = flat
        active = active[((np.abs(step / spread) > 1e-10) & ~flat).any(axis=1)]
        if not active.size:
            break
    eta[active] = np.nan
    return np.where(modeless, np.nan, eta)


def _rows(answers: Answers, rows: Array) -> Answers:
    return Answers(
        lower=answers.lower[rows], upper=answers.upper[rows], slopes=answers.slopes, seen=answers.seen[rows],
        ordered=answers.ordered
    )  # fmt: skip


def _measurement(fit: SEMFit, g: int) -> tuple[Answers, Array, Array]:
    """The answers, and mean (n, l) and covariance (l, l) of the constructs given the covariates."""
    objective, point = ends_of(fit)
    block, group, target, part = fit.layout.blocks[g], fit.sample.groups[g], objective.targets[g], point.parts[g]
    own = block.ordinal
    assert own is not None
    assert group.values is not None
    y, x = target.outcomes, target.covariates
    where = np.array([block.variables.index(name) for name in fit.latent], dtype=np.intp)
    placed = matrices(objective, point)[g]
    A, S, M = placed.A, placed.S, placed.M
    theta = S[np.ix_(y, y)]
    if (
        A[np.ix_(y, y)].any()
        or np.abs(theta - np.diag(theta.diagonal())).max(initial=0.0) > 0
        or not (theta.diagonal() > 0).all()
    ):
        raise InferenceError(
            "ci.factor_scores: with ordered variables, scores are derived for models in which observed variables do not predict "
            "each other, residuals do not covary and residual variances are positive. Otherwise the answers of a case are not "
            "independent given its constructs, and their probabilities no product: ask for the scores of a measurement model "
            "without these."
        )
    values, covariates = group.values[:, y], group.values[:, x]
    sd = np.sqrt(theta.diagonal())
    intercepts = M[y] + covariates @ A[np.ix_(y, x)].T
    lower, upper = values - intercepts, values - intercepts
    first = 0
    for k, j in enumerate(y):
        count = int((target.owner == j).sum())
        if count:
            edges = np.concatenate([[-np.inf], part.tau[first : first + count], [np.inf]])
            codes = np.nan_to_num(values[:, k]).astype(np.intp)
            lower[:, k], upper[:, k] = edges[codes] - intercepts[:, k], edges[codes + 1] - intercepts[:, k]
            first += count
    answers = Answers(
        lower=lower / sd, upper=upper / sd, slopes=A[np.ix_(y, where)] / sd[:, None], seen=~np.isnan(values),
        ordered=own.ordered[y]
    )  # fmt: skip
    given = part.given
    centre = given.tau[where] + covariates @ given.B[np.ix_(where, x)].T
    return answers, centre, given.T[np.ix_(where, where)]


def _evaluate(answers: Answers, eta: Array, centre: Array, precision: Array) -> tuple[Array, Array, Array]:
    """Log density (n,), its gradient (n, l) and minus its Hessian (n, l, l)."""
    lower, upper = answers.lower - eta @ answers.slopes.T, answers.upper - eta @ answers.slopes.T
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        probability, below, above = _interval(lower, upper)
        wave = np.where(answers.ordered, below - above, upper)
        edge = np.where(np.isfinite(lower), lower, 0.0) * below - np.where(np.isfinite(upper), upper, 0.0) * above
        bend = np.where(answers.ordered, wave**2 - edge, 1.0)
        value = np.where(answers.ordered, probability, -(upper**2) / 2)
    value, wave, bend = (np.where(answers.seen, one, 0.0) for one in (value, wave, bend))
    apart = eta - centre
    gradient = wave @ answers.slopes - apart @ precision
    information = np.einsum("np,pa,pb->nab", bend, answers.slopes, answers.slopes) + precision
    return value.sum(axis=1) - np.einsum("na,ab,nb->n", apart, precision, apart) / 2, gradient, information


def _interval(lower: Array, upper: Array) -> tuple[Array, Array, Array]:
    """Log probability of an interval of a standard normal variable, and the densities at its ends over the probability."""
    flip = lower > 0  # in the right tail the left one is exact
    a, b = np.where(flip, -upper, lower), np.where(flip, -lower, upper)
    log_b = log_ndtr(b)
    share = np.where(np.isfinite(a), np.exp(log_ndtr(a) - log_b), 0.0)
    log_p = log_b + np.log1p(-np.minimum(share, 1 - 1e-16))

    def ratio(edge: Array) -> Array:
        finite = np.where(np.isfinite(edge), edge, 0.0)
        return np.where(np.isfinite(edge), np.exp(-(finite**2) / 2 - math.log(2 * math.pi) / 2 - log_p), 0.0)

    return log_p, ratio(lower), ratio(upper)
