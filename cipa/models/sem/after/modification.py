"""Modification indices: what the chi-square would lose, about, if one fixed parameter were free.

    MI = n g^2 / V,   EPC = -g / V,   V = I_22 - I_21 I_11^-1 I_12

with g the derivative of the discrepancy (per case) in the fixed parameter and I the expected information of the extended
model. A constraint of equality stays as it is.

Sources: Sörbom, D. (1989). Psychometrika, 54, 371-384; Saris, W., Satorra, A. & Sörbom, D. (1987). Sociological
Methodology, 17, 105-129; Chou, C.-P. & Bentler, P. (1990). MBR, 25, 115-136 (standardized EPC).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.linalg import block_diag
from scipy.special import chdtrc

from cipa.errors import public
from cipa.language.en import EN
from cipa.models.sem.declare.layout import Block, Layout, Ordinal, place_of
from cipa.models.sem.declare.parameters import Parameter
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.steps.standardize import scale_factors
from cipa.models.sem.steps.table import residual_matrices, row_values
from cipa.numerics.algebra.linalg import Array
from cipa.numerics.moments import ram
from cipa.results.display import ResultTable

_CONFOUNDED = 1e-8
"""Share of a parameter's own information below which nothing is left beside the others: it cannot be freed alone."""


@public
def modification_indices(fit: SEMFit, *, minimum: float = 0.0) -> ResultTable:
    r"""Modification indices of all parameters that the model leaves out or fixes, largest first.

    Parameters
    ----------
    fit : SEMFit
    minimum : float
        Leave out indices below it (3.84 is the 5 % point of a chi-square with 1 df).

    Returns
    -------
    ResultTable
        lhs, op, rhs, group, level, mi, p_value, epc, sepc_lv, sepc_all, sepc_nox. A parameter that could not be freed alone (a
        second marker loading) is not listed. After looking at many of them, p-values are not those of one test.

    Examples
    --------
    >>> import cipa as ci
    >>> model = ci.SEM("visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9")
    >>> table = ci.modification_indices(model.fit(ci.datasets.load("holzinger1939")))
    >>> [table.columns[name][0] for name in ("lhs", "op", "rhs")], round(table.columns["mi"][0], 3)
    (['visual', '=~', 'x9'], 36.411)
    """
    given, rows = _given(fit), candidates(fit)
    extended = _extended(fit.layout, [*given, *rows])
    gradient, information = fit.objective.derivatives(extended, fit.point, np.array([row.value for row in (*given, *rows)]))
    k = fit.layout.nfree + len(given)
    K = block_diag(fit.layout.K, np.eye(len(given)))
    inner = K.T @ information[:k, :k] @ K
    cross = K.T @ information[:k, k:]
    own = information[k:, k:].diagonal()
    left = own - np.einsum("ij,ij->j", cross, np.linalg.solve(inner, cross)) if len(inner) else own
    clear = left > _CONFOUNDED * np.maximum(own, 1e-300)
    with np.errstate(divide="ignore", invalid="ignore"):
        mi = np.where(clear, fit.nobs * gradient[k:] ** 2 / left, np.nan)
        epc = np.where(clear, -gradient[k:] / left, np.nan)
    scales = {kind: _scaled(fit, extended, kind)[-len(rows) :] for kind in ("std_lv", "std_all", "std_nox")} if rows else {}
    if rows:  # once it is explained, an exogenous variable is standardized like any outcome
        explained = [row.lhs in fit.layout.roles[row.block].exogenous for row in rows]
        scales["std_nox"] = np.where(explained, scales["std_all"], scales["std_nox"])
    order = [int(i) for i in np.argsort(-np.nan_to_num(mi, nan=-1.0), kind="stable") if clear[i] and mi[i] >= minimum]
    terms = [rows[i].term(fit.group_labels) for i in order]
    columns = {
        **{name: tuple(getattr(term, name) for term in terms) for name in ("lhs", "op", "rhs", "group", "level")},
        "mi": tuple(mi[order].tolist()), "p_value": tuple(chdtrc(1, mi[order]).tolist()), "epc": tuple(epc[order].tolist()),
        **{name: tuple((epc * scales[kind])[order].tolist()) if rows else () for name, kind in
           (("sepc_lv", "std_lv"), ("sepc_all", "std_all"), ("sepc_nox", "std_nox"))},
    }  # fmt: skip
    return ResultTable(title=EN("table.modification"), columns=columns)


def _given(fit: SEMFit) -> list[Parameter]:
    """Moments of exogenous variables held at the sample's: estimates of theirs too, once something explains them."""
    if any(block.ordinal is not None for block in fit.layout.blocks):
        return []
    values = row_values(fit.objective, fit.point)
    return [
        replace(row, free=True, value=float(value)) for row, value in zip(fit.layout.rows, values, strict=True) if row.exogenous
    ]


def candidates(fit: SEMFit) -> list[Parameter]:
    """Parameters that could be added or freed, group by group: loadings, (residual) covariances, paths, means."""
    free = {row.term(fit.group_labels) for row in fit.layout.rows if row.free or row.exogenous}
    values = {row.term(fit.group_labels): row.value for row in fit.layout.rows if not row.free}
    found: list[Parameter] = []
    for g, roles in enumerate(fit.layout.roles):
        own = [row for row in fit.layout.rows if row.block == g]
        outer = [name for name in roles.observed if name not in roles.exogenous]
        indicators = {row.rhs for row in own if row.op == "=~"}
        paths = [row for row in own if row.op == "~"]
        equations = list(dict.fromkeys([*(row.lhs for row in paths), *(row.rhs for row in paths)]))
        new = [("=~", f, y) for f in roles.latent for y in outer if y not in equations]
        measured = [y for y in outer if y in indicators]
        new += [("~~", a, b) for j, b in enumerate(measured) for a in measured[: j + 1]]
        new += [("~~", a, b) for j, b in enumerate(roles.latent) for a in roles.latent[: j + 1]]
        ordinal = fit.layout.blocks[g].ordinal
        given = set() if ordinal is None else set(roles.exogenous)  # conditioned on, so that nothing explains them
        new += [
            ("~", y, x)
            for y in equations
            for x in equations
            if x != y and y not in given and not {x, y} <= set(roles.exogenous) and not (y in indicators and x in roles.latent)
        ]
        if fit.layout.means:
            new += [("~1", name, "") for name in (*outer, *roles.latent)]
        new += [(row.op, row.lhs, row.rhs) for row in own if not row.free and not row.exogenous]
        if ordinal is not None:
            new = _of_ordered(new, fit.layout.blocks[g])
        for op, lhs, rhs in new:
            row = Parameter(lhs=lhs, op=op, rhs=rhs, block=g, level=fit.layout.place(g)[1])
            term = row.term(fit.group_labels)
            if term not in free:
                free.add(term)
                found.append(replace(row, value=values.get(term, 0.0)))
    return found


def _of_ordered(new: Sequence[tuple[str, str, str]], block: Block) -> list[tuple[str, str, str]]:
    """Without thresholds and what follows from the rest: residual variances of ordered variables (delta), scales (theta)."""
    assert block.ordinal is not None
    ordered = {name for name, is_ordered in zip(block.observed, block.ordinal.ordered, strict=True) if is_ordered}
    follows = "~*~" if block.ordinal.theta else "~~"
    return [(op, a, b) for op, a, b in new if op != "|" and not (a in ordered and a == b and op == follows)]


def _extended(layout: Layout, rows: Sequence[Parameter]) -> Layout:
    """The layout with the candidate rows as free parameters behind its own."""
    k = layout.nfree
    blocks = []
    for g, block in enumerate(layout.blocks):
        where = {name: position for position, name in enumerate(block.variables)}
        mine = [i for i, row in enumerate(rows) if row.block == g and row.op != "~*~"]
        scales = {where[row.lhs]: k + i for i, row in enumerate(rows) if row.block == g and row.op == "~*~"}
        places = [place_of(rows[i], where) for i in mine]
        blocks.append(
            replace(
                block,
                ordinal=_with_scales(block.ordinal, scales),
                places=ram.Places(
                    kind=np.concatenate([block.places.kind, np.array([one[0] for one in places], dtype=np.intp)]),
                    row=np.concatenate([block.places.row, np.array([one[1] for one in places], dtype=np.intp)]),
                    col=np.concatenate([block.places.col, np.array([one[2] for one in places], dtype=np.intp)]),
                ),
                free=np.concatenate([block.free, k + np.array(mine, dtype=np.intp)]),
            )
        )
    theta = (*layout.theta, *range(len(layout.rows), len(layout.rows) + len(rows)))
    size = k + len(rows)
    return replace(layout, rows=(*layout.rows, *rows), blocks=tuple(blocks), theta=theta, K=np.eye(size), offset=np.zeros(size))


def _with_scales(ordinal: Ordinal | None, scales: Mapping[int, int]) -> Ordinal | None:
    """Ordered variables whose scales, by position, are those positions in theta."""
    if ordinal is None or not scales:
        return ordinal
    free = ordinal.scale_free.copy()
    free[list(scales)] = list(scales.values())
    return replace(ordinal, scale_free=free)


def _scaled(fit: SEMFit, extended: Layout, kind: str) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return scale_factors(extended, fit.point.blocks, residual_matrices(fit.objective, fit.point), kind=kind, slopes=False)[0]
