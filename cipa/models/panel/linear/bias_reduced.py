"""ci.cr2: clustered errors that are unbiased when the errors are independent, with t by Satterthwaite's degrees of freedom.

    V = B [sum_g s_g s_g'] B,    s_g = X_g' A_g e_g,    A_g = (I - H_gg)^(-1/2)
    df_j = (tr P)^2 / tr(P P),   P_gh = u_g' (I - H)_gh u_h,    u_g = A_g X_g B e_j

H is the hat matrix of the design with all dummies, X the design after the effects are swept out; the working model of the errors
is independence with one variance. A_g is the symmetric root of the Moore-Penrose inverse.

Sources: Bell, R. & McCaffrey, D. (2002). Survey Methodology, 28, 169-181; Pustejovsky, J. & Tipton, E. (2018). Journal of
Business & Economic Statistics, 36, 672-683 (with effects; clubSandwich, type "CR2").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from cipa.numerics.algebra.linalg import Array, IntArray, symmetric
from cipa.numerics.panel.absorb import TwoEffects
from cipa.numerics.panel.span import Effect, group_sums

_EXPLAINED = 1e-12
"""Eigenvalues of I - H_gg below this are directions that the dummies fit exactly (clubSandwich's threshold)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hat:
    """The hat matrix of the design with its dummies, in factors: levels / mass + rows @ inner @ rows'.

    Parameters
    ----------
    codes : (n,) int array or None
        Levels of the largest effect.
    mass : (levels,) array
    rows : (n, q) array
        The dummies of the second effect after the first is swept out, and the regressors after both.
    inner : (q, q) array
    """

    codes: IntArray | None
    mass: Array
    rows: Array
    inner: Array

    @classmethod
    def of(cls, effects: Sequence[Effect], design: Array, bread: Array) -> Hat | None:
        """None where two effects are connected too weakly."""
        if not effects:
            return cls(codes=None, mass=np.empty(0), rows=design, inner=bread)
        large, *rest = sorted(effects, key=lambda effect: -effect.levels)
        mass = group_sums(np.ones(len(design)), large)
        if not rest:
            return cls(codes=large.codes, mass=mass, rows=design, inner=bread)
        direct = TwoEffects.of(large, rest[0], None)
        if direct is None:
            return None
        dummies = -direct.shares.toarray()[large.codes]
        dummies[np.arange(len(design)), rest[0].codes] += 1.0
        inner = np.zeros((dummies.shape[1] + design.shape[1],) * 2)
        inner[: dummies.shape[1], : dummies.shape[1]] = symmetric(direct.solved(np.eye(dummies.shape[1])))
        inner[dummies.shape[1] :, dummies.shape[1] :] = bread
        return cls(codes=large.codes, mass=mass, rows=np.hstack([dummies, design]), inner=inner)

    def block(self, members: IntArray) -> Array:
        """H_gg (m, m) of some rows."""
        rows = self.rows[members]
        block = symmetric(rows @ self.inner @ rows.T)
        if self.codes is not None:
            codes = self.codes[members]
            block = block + (codes[:, None] == codes[None, :]) / self.mass[codes][:, None]
        return block

    def products(self, u: Array, code: IntArray, groups: int) -> Array:
        """u_g' (I - H)_gh u_h (G, G) of an (n,) vector."""
        sums = np.column_stack([np.bincount(code, weights=u * column, minlength=groups) for column in self.rows.T])
        found = np.diag(np.bincount(code, weights=u**2, minlength=groups)) - sums @ self.inner @ sums.T
        if self.codes is not None:
            levels = csr_array((u, (code, self.codes)), shape=(groups, len(self.mass)))
            found = found - (levels.multiply(1 / self.mass[None, :]) @ levels.T).toarray()
        return symmetric(found)


def bias_reduced(hat: Hat, bread: Array, design: Array, residuals: Array, code: IntArray) -> tuple[Array, Array]:
    """The covariance (k, k) and the degrees of freedom (k,).

    Parameters
    ----------
    hat : Hat
    bread : (k, k) array
        From X'e to the estimates.
    design : (n, k) array
    residuals : (n,) array
    code : (n,) int array
        Clusters 0..G-1.
    """
    groups = int(code.max()) + 1
    order = np.argsort(code, kind="stable")
    adjusted = np.empty_like(design)
    for members in np.split(order, np.cumsum(np.bincount(code, minlength=groups))[:-1]):
        adjusted[members] = _root(hat.block(members)) @ design[members]
    scores = np.column_stack([np.bincount(code, weights=column * residuals, minlength=groups) for column in adjusted.T])
    matrix = symmetric(bread @ (scores.T @ scores) @ bread.T)
    degrees = np.empty(len(bread))
    for position, column in enumerate((adjusted @ bread.T).T):
        P = hat.products(column, code, groups)
        degrees[position] = np.trace(P) ** 2 / (P**2).sum()
    return matrix, degrees


def _root(block: Array) -> Array:
    """(I - H_gg)^(-1/2) (m, m), 0 in the directions that are fitted exactly."""
    values, vectors = np.linalg.eigh(np.eye(len(block)) - block)
    kept = values > _EXPLAINED
    return np.asarray((vectors[:, kept] / np.sqrt(values[kept])) @ vectors[:, kept].T)
