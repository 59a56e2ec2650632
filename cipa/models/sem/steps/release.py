"""Score tests of equality constraints: what one parameter would gain if it alone were let free.

With theta = offset + K eta, g (k,) the gradient of the discrepancy of an average case and E (k, k) its expected curvature,
freeing parameter k lets theta move along e_k besides the columns of K. What is new in that direction is

    c = e_k - K (K'EK)^-1 K'E e_k,    c'E c = E_kk - e_k'E K (K'EK)^-1 K'E e_k

(Neyman's orthogonal score: c'E K = 0, so that the estimation of eta does not matter to first order). Then

    likelihood       T = n (c'g)^2 / (c'E c)
    least squares    T = n (c'g)^2 / (c'M c),    M = sum of shares times D'W G W D
    both             EPC = -(c'g) / (c'E c)

with D, W, G the Jacobian, weight and n times the covariance of the moments. For F = (s - m)'W (s - m) / 2 the covariance of
sqrt(n) g is M; with W = G^-1 it is E, and the second formula is the first. T is chi-square with 1 df under the constraint. A
parameter that a linear constraint fixes (`a == 0`; its row of K is zero) is released like one that is tied to others. EPC is how
far theta_k is expected to part from those it was tied to, which move too, or from the value at which it was fixed.

Sources: Boos, D. D. (1992). The American Statistician, 46, 327-333 (generalized score tests); Satorra, A. (1989). Psychometrika,
54, 131-151; Sörbom, D. (1989). Psychometrika, 54, 371-384.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cipa.models.sem.problem import Objective, Point
from cipa.models.sem.steps.covariance import scaled_inverse
from cipa.numerics.algebra.linalg import Array
from cipa.numerics.sandwich import casewise_meat
from cipa.terms import Term

_FREE = 1e-8
"""Share of a parameter's own information below which nothing new is left: it is free already, or could not be freed alone."""


def release_tests(
    objective: Objective, point: Point, terms: Sequence[Term], *, nobs: int, robust: bool = False, observed: bool = False
) -> list[tuple[Term, float, float, float]]:
    """(term, chi-square, expected parting, robust chi-square) of freeing each parameter that a constraint holds.

    The last is NaN unless it is asked for: T = n (c'g)^2 / (c'B c), with c from the information that the robust errors use
    (`observed` or expected) and B the mean outer product of the scores, by cluster where there are clusters (Boos 1992, eq. 5).
    """
    layout = objective.layout
    K = layout.K
    if not layout.tied:
        return []
    gradient, E = objective.derivatives(layout, point, np.empty(0))
    M = objective.noise(point)
    C = _new_directions(K, E)
    left = _quadratic(E, C)
    spread = left if M is None else _quadratic(M, C)
    slope = C.T @ gradient
    general = np.full(len(E), np.nan)
    scores = objective.scores(point) if robust else None
    if scores is not None:
        B = casewise_meat(scores, *(objective.units or ())) / nobs
        directions = _new_directions(K, objective.information(point, observed=observed))
        with np.errstate(divide="ignore", invalid="ignore"):  # of parameters that are free already
            general = nobs * (directions.T @ gradient) ** 2 / _quadratic(B, directions)
    held = map(int, np.flatnonzero(left > _FREE * E.diagonal()))
    return [(terms[k], float(nobs * slope[k] ** 2 / spread[k]), float(-slope[k] / left[k]), float(general[k])) for k in held]


def _new_directions(K: Array, E: Array) -> Array:
    """The directions c (k, k), a column for each parameter, that E makes orthogonal to the columns of K."""
    return np.asarray(np.eye(len(E)) - K @ (scaled_inverse(K.T @ E @ K) @ K.T @ E))


def _quadratic(matrix: Array, C: Array) -> Array:
    """C'Mc (k,) of every column of C."""
    return np.asarray(((matrix @ C) * C).sum(axis=0))
