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
from cipa.terms import Term

_FREE = 1e-8
"""Share of a parameter's own information below which nothing new is left: it is free already, or could not be freed alone."""


def release_tests(
    objective: Objective, point: Point, terms: Sequence[Term], *, nobs: int
) -> list[tuple[Term, float, float]]:  # fmt: skip
    """(term, chi-square, expected parting) of freeing each parameter that a constraint holds."""
    layout = objective.layout
    K = layout.K
    if not layout.tied:
        return []
    gradient, E = objective.derivatives(layout, point, np.empty(0))
    M = objective.noise(point)
    across = scaled_inverse(K.T @ E @ K) @ K.T @ E
    C = np.eye(len(E)) - K @ across  # column k is c
    left = ((E @ C) * C).sum(axis=0)
    spread = left if M is None else ((M @ C) * C).sum(axis=0)
    slope = C.T @ gradient
    held = map(int, np.flatnonzero(left > _FREE * E.diagonal()))
    return [(terms[k], float(nobs * slope[k] ** 2 / spread[k]), float(-slope[k] / left[k])) for k in held]
