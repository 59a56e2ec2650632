"""Residual moments: where the model and the sample part, raw, as correlations, and over their standard errors.

    standardized   r / se,  cov(r) = Q G Q' / n,  Q = I - D (D'W D)^-1 D'W
    normalized     r / se of the sample moment alone (conservative)

G is the covariance of the sample moments, estimated by the inverse information of the unrestricted model or, for robust
errors, by its sandwich (for first-order errors, by the inverse outer product of its scores); W the information of the
moments at the fitted ones, of the kind that the standard errors use.

Sources: Bentler, P. M. (1995). EQS Structural Equations Program Manual; Ogasawara, H. (2001). Behaviormetrika, 28, 1-20;
Maydeu-Olivares, A. (2017). Structural Equation Modeling, 24, 383-394.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cipa.errors import one_of
from cipa.language.en import EN
from cipa.models.sem.fit import SEMFit
from cipa.results.display import ResultTable

KINDS = ("raw", "cor_bentler", "cor", "normalized", "standardized")


def residual_table(
    fit: SEMFit, kind: str | None, rows_of: Callable[[SEMFit, int, str], Iterable[tuple[str, str, str, float]]]
) -> ResultTable:  # fmt: skip
    """One table of all blocks; `rows_of` gives (lhs, op, rhs, residual) of a block."""
    kind = one_of("cor_bentler" if kind is None else kind, KINDS, what="kind", where="ci.residuals")
    rows: list[tuple[Any, ...]] = []
    for g in range(len(fit.layout.blocks)):
        rows += [(*fit.block_labels[g], *row) for row in rows_of(fit, g, kind)]
    columns = {head: tuple(row[k] for row in rows) for k, head in enumerate(("group", "level", "lhs", "op", "rhs", "residual"))}
    return ResultTable(title=EN("table.residuals", kind=kind), columns=columns)
