"""The reticular action model: implied moments, gradient, expected information and exact Hessian, without a Jacobian.

    Sigma = G S G',  mu = G M,  G = F (I - A)^-1,  F selects the observed variables.

A free parameter stands at one position of A (directed effects), S (variances and covariances) or M (means), so each
derivative of Sigma is of rank two, dSigma = u v' + v u', and dmu = t u, with

    A[i, j]:  u = G e_i,  v = G S B' e_j,  t = (B M)_j        (B = (I - A)^-1)
    S[i, j]:  u = G e_i,  v = G e_j (half of it when i = j),  t = 0
    M[i]:     u = G e_i,  v = 0,                              t = 1

and every trace in the gradient, the information and the Hessian is a product of entries of small Gram matrices.
Nothing of size p(p+1)/2 is ever formed, and all data enter through W, w and the patterns' P (see `normal.py`).
Parameters (..., k) may carry leading axes (replicates); every array then carries them too.

Sources: McArdle, J. J. & McDonald, R. P. (1984). British Journal of Mathematical and Statistical Psychology, 37,
234-251; von Oertzen, T. & Brick, T. R. (2014). Efficient Hessian computation using sparse matrix derivatives in RAM
notation. Behavior Research Methods, 46, 385-395.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cipa.numerics.algebra.linalg import Array, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where k free parameters stand: `kind` (k,) is 0 for A, 1 for S, 2 for M; `row`, `col` (k,) the position.

    For S, `row >= col`; for M, `col` is 0. The first p of the m variables are the observed ones.
    """

    kind: IntArray
    row: IntArray
    col: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrices:
    """A (m, m), S (m, m) symmetric, M (m,), and p, the number of observed variables (they come first)."""

    A: Array
    S: Array
    M: Array
    observed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Implied:
    """What A, S and M imply.

    B = (I - A)^-1 (m, m); G its first p rows; T = B S B' (m, m), the covariance of all variables; C = T's first p
    rows; tau = B M (m,), the means of all variables; cov (p, p) and mean (p,), the observed ones'.
    """

    B: Array
    T: Array
    tau: Array
    observed: int

    @property
    def G(self) -> Array:
        """The observed variables' rows of B."""
        return self.B[..., : self.observed, :]

    @property
    def C(self) -> Array:
        """Covariance (p, m) of the observed with all variables."""
        return self.T[..., : self.observed, :]

    @property
    def cov(self) -> Array:
        """Implied covariance (p, p) of the observed variables."""
        return self.T[..., : self.observed, : self.observed]

    @property
    def mean(self) -> Array:
        """Implied mean (p,) of the observed variables."""
        return self.tau[..., : self.observed]


def place(places: Places, params: Array, base: Matrices) -> Matrices:
    """Put the parameters (..., k) at their places in copies of the base matrices."""
    A, S, M = _copies(base, params.shape[:-1])
    for kind, matrix in ((0, A), (1, S)):
        chosen = places.kind == kind
        matrix[..., places.row[chosen], places.col[chosen]] = params[..., chosen]
        if kind == 1:
            matrix[..., places.col[chosen], places.row[chosen]] = params[..., chosen]
    chosen = places.kind == 2
    M[..., places.row[chosen]] = params[..., chosen]
    return Matrices(A=A, S=S, M=M, observed=base.observed)


def _copies(base: Matrices, leading: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """Writable copies of the base matrices, one for each parameter vector."""
    if not leading:
        return base.A.copy(), base.S.copy(), base.M.copy()
    size = base.A.shape[-1]
    square = (*leading, size, size)
    return (
        np.broadcast_to(base.A, square).copy(),
        np.broadcast_to(base.S, square).copy(),
        np.broadcast_to(base.M, (*leading, size)).copy(),
    )


def implied(matrices: Matrices) -> Implied | None:
    """Moments implied by the matrices; None when I - A is singular (an explosive feedback loop)."""
    size = matrices.A.shape[-1]
    try:
        B = np.linalg.inv(np.eye(size) - matrices.A)
    except np.linalg.LinAlgError:
        return None
    T = B @ matrices.S @ _t(B)
    return Implied(B=B, T=T, tau=(B @ matrices.M[..., None])[..., 0], observed=matrices.observed)


def _t(matrix: Array) -> Array:
    return np.swapaxes(matrix, -1, -2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """The rank-two factors of every derivative: U, V (p, k) and t (k,)."""

    U: Array
    V: Array
    t: Array


def factors(moments: Implied, places: Places) -> Factors:
    """The factors of dSigma = u v' + v u' and dmu = t u for every parameter."""
    kind, row, col = places.kind, places.row, places.col
    U = moments.G[..., row]
    V = np.where(kind == 0, moments.C[..., col], moments.G[..., col])
    V = V * np.where(kind == 2, 0.0, np.where((kind == 1) & (row == col), 0.5, 1.0))
    t = np.where(kind == 0, moments.tau[..., col], np.where(kind == 2, 1.0, 0.0))
    return Factors(U=U, V=V, t=t)


def gradient(parts: Factors, W: Array, w: Array) -> Array:
    """Gradient (..., k) of a function whose differential is tr(W dSigma) / 2 - w' dmu."""
    return np.asarray((parts.U * (W @ parts.V)).sum(axis=-2) - parts.t * (w[..., None, :] @ parts.U)[..., 0, :])


def expected_information(parts: Factors, P: Array) -> Array:
    """Expected information (..., k, k) of one observation: tr(P dSigma_a P dSigma_b) / 2 + dmu_a' P dmu_b."""
    PU = P @ parts.U
    UU, UV, VV = _t(parts.U) @ PU, _t(PU) @ parts.V, _t(parts.V) @ (P @ parts.V)
    return np.asarray(UU * (VV + parts.t[..., :, None] * parts.t[..., None, :]) + UV * _t(UV))


def jacobian(parts: Factors, *, with_means: bool) -> Array:
    """Derivatives (p(p+1)/2 [+ p], k) of vech Sigma, row-wise lower triangle, and then of mu."""
    rows, cols = np.tril_indices(len(parts.U))
    cov = parts.U[rows] * parts.V[cols] + parts.V[rows] * parts.U[cols]
    return np.vstack([cov, parts.U * parts.t]) if with_means else cov


def curvature(parts: Factors, P: Array, Q: Array, Pd: Array, weights: Array, *, spread: Array | None = None) -> Array:
    """The part of the Hessian made of first derivatives, summed over R patterns.

    Parameters
    ----------
    parts : Factors of k parameters
    P : (..., R, p, p) array
        Inverse implied covariance of each pattern, zero where a variable is not observed.
    Q : (..., R, p, p) array
        P (S + d d') P, with S and d = mean - mu of the pattern's cases.
    Pd : (..., R, p) array
    weights : (R,) array
        Share of each pattern's cases.
    spread : (R, k) array, optional
        Factor of dSigma of each parameter in each pattern (1 by default): cluster means of n cases carry 1/n of Sigma_W.

    Returns
    -------
    (..., k, k) array
        Sum of w_r [tr(P dSigma_b (2Q - P) dSigma_a) / 2 + d'P dSigma_b P dmu_a + d'P dSigma_a P dmu_b + dmu_a'P dmu_b].
    """
    U, V, t = parts.U[..., None, :, :], parts.V[..., None, :, :], parts.t[..., None, :]
    size = U.shape[-1]
    total = np.zeros((*U.shape[:-3], size, size))
    chunk = max(1, 2**18 // max(1, size * size))
    for first in range(0, P.shape[-3], chunk):
        here = slice(first, first + chunk)
        Pr = P[..., here, :, :]
        Rr = 2 * Q[..., here, :, :] - Pr
        PU, RU = Pr @ U, Rr @ U
        PUU, PUV, PVV = _t(U) @ PU, _t(PU) @ V, _t(V) @ (Pr @ V)
        RUU, RUV, RVV = _t(U) @ RU, _t(RU) @ V, _t(V) @ (Rr @ V)
        d = Pd[..., here, None, :]
        du, dv = d @ U, d @ V
        if spread is not None:
            own = spread[here][:, None, :]
            both = _t(own) * own
            PUV, RUV, PVV, RVV, dv = PUV * own, RUV * own, PVV * both, RVV * both, dv * own
        half = RUV * _t(PUV)
        block = (RVV * PUU + RUU * PVV) / 2 + (half + _t(half)) / 2
        cross = t[..., :, None] * (du * PUV + dv * PUU)
        block += cross + _t(cross) + (t[..., :, None] * t[..., None, :]) * PUU
        total += (weights[here, None, None] * block).sum(-3)
    return total


def second_order(moments: Implied, places: Places, W: Array, w: Array) -> Array:
    """The part of the Hessian made of second derivatives: tr(W d2Sigma) / 2 - w' d2mu, (..., k, k)."""
    G, B, T, tau = moments.G, moments.B, moments.T, moments.tau
    GW = _t(G) @ W
    GWG, GWC, e = GW @ G, GW @ moments.C, (w[..., None, :] @ G)[..., 0, :]
    size = len(places.kind)
    total = np.zeros((*W.shape[:-2], size, size))
    a = np.flatnonzero(places.kind == 0)
    if not a.size:
        return total
    i, j = places.row[a][:, None], places.col[a][:, None]
    k, l = i.T, j.T  # noqa: E741  (the letters of the derivation)
    directed = B[..., l, i] * GWC[..., k, j] + T[..., l, j] * GWG[..., i, k] + B[..., j, k] * GWC[..., i, l]
    directed -= e[..., k] * B[..., l, i] * tau[..., j] + e[..., i] * B[..., j, k] * tau[..., l]
    total[..., a[:, None], a] = directed
    s = np.flatnonzero(places.kind == 1)
    k, l = places.row[s][None, :], places.col[s][None, :]  # noqa: E741
    mixed = (GWG[..., i, k] * B[..., j, l] + GWG[..., i, l] * B[..., j, k]) * np.where(k == l, 0.5, 1.0)
    total[..., a[:, None], s] = mixed
    total[..., s[:, None], a] = _t(mixed)
    m = np.flatnonzero(places.kind == 2)
    shifted = -e[..., i] * B[..., j, places.row[m][None, :]]
    total[..., a[:, None], m] = shifted
    total[..., m[:, None], a] = _t(shifted)
    return total
