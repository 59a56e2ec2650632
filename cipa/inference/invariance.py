"""Measurement invariance: the ladder of equality across groups, and a guarded search for what is not equal.

Each level holds equal what the one before it does and more: configural nothing, metric loadings, scalar intercepts, strict
residual variances, means latent means. A level stands when its difference test (scaled for robust estimators) does not
reject and CFI falls by no more than .01 (Cheung & Rensvold 2002; Chen 2007). Comparing paths between groups needs metric,
comparing latent means needs scalar invariance.

The search frees, at a level that is rejected, the parameter with the largest score test, as long as that test is
significant after Bonferroni's correction for all parameters of the level and every construct keeps two indicators that
are equal; every step is reported. What it finds is exploratory.

Sources: Meredith, W. (1993). Psychometrika, 58, 525-543; Cheung, G. & Rensvold, R. (2002). SEM, 9, 233-255; Chen, F. F.
(2007). SEM, 14, 464-504; Byrne, B., Shavelson, R. & Muthén, B. (1989). Psychological Bulletin, 105, 456-466; Yoon, M. &
Millsap, R. (2007). SEM, 14, 435-463.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cipa.errors import SpecificationError, one_of, public
from cipa.inference.restrictions import lr_test, score_test
from cipa.results.display import ResultTable
from cipa.results.fit import Fit
from cipa.terms import Term

LEVELS = {
    "configural": (),
    "metric": ("loadings",),
    "scalar": ("loadings", "intercepts"),
    "strict": ("loadings", "intercepts", "residuals"),
    "means": ("loadings", "intercepts", "residuals", "means"),
}
"""Level -> classes of parameters held equal."""

FALL = 0.01
"""Fall of CFI that speaks against a level (Cheung & Rensvold 2002)."""

_OPERATOR = {"metric": "=~", "scalar": "~1", "strict": "~~"}
_ANCHORS = 2  # equal indicators that a construct needs, so that its scale is common to the groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariance:
    """The ladder.

    Parameters
    ----------
    fits : tuple of Fit
        One for each level, with what the search freed.
    table : ResultTable
        level, df, chisq, cfi, rmsea, srmr, chisq_diff, df_diff, p_diff, cfi_diff, rmsea_diff, stands.
    steps : ResultTable
        What the search freed: level, step, parameter, chisq (score test), p_value (corrected), p_diff after freeing it.
    suggestions : ResultTable
        At each level that does not stand, the three largest score tests.
    """

    fits: tuple[Fit, ...]
    table: ResultTable
    steps: ResultTable
    suggestions: ResultTable

    def to_frame(self) -> Any:
        """A fresh DataFrame of the ladder."""
        return self.table.to_frame()

    def __str__(self) -> str:
        parts = [str(self.table), *(str(one) for one in (self.suggestions, self.steps) if len(one))]
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        return "".join(one._repr_html_() for one in (self.table, self.suggestions, self.steps) if len(one))


@public
def invariance(
    model: Any, data: Any, *, group: str, levels: Sequence[str] = ("configural", "metric", "scalar", "strict"), search: bool = False,
    alpha: float = 0.05,
) -> Invariance:  # fmt: skip
    r"""Test measurement invariance across groups.

    Parameters
    ----------
    model : SEM
        A measurement model; its own `group_partial` stays free at every level.
    data : Dataset or DataFrame
    group : str
        The column of the groups.
    levels : sequence of {"configural", "metric", "scalar", "strict", "means"}
        In this order, beginning anywhere.
    search : bool
        Look for parameters to free at a level that is rejected.
    alpha : float
        Level of the difference tests and of the corrected score tests.

    Returns
    -------
    Invariance

    Examples
    --------
    >>> import cipa as ci
    >>> model = ci.SEM("textual =~ x4 + x5 + x6\nvisual =~ x1 + x2 + x3")
    >>> found = ci.invariance(model, ci.datasets.load("holzinger1939"), group="school", levels=("configural", "metric"))
    >>> found.table.columns["df"]
    (16.0, 20.0)
    """
    names = list(levels)
    for name in names:
        one_of(name, LEVELS, what="levels", where="ci.invariance")
    if names != sorted(set(names), key=list(LEVELS).index) or not names:
        raise SpecificationError(
            f"ci.invariance: levels={names} are not in their order. Write them as {', '.join(LEVELS)}, each once."
        )
    fits: list[Fit] = []
    steps: list[tuple[Any, ...]] = []
    hints: list[tuple[Any, ...]] = []
    free: tuple[str, ...] = tuple([model.group_partial] if isinstance(model.group_partial, str) else model.group_partial)
    for name in names:
        fit = replace(model, group=group, group_equal=LEVELS[name], group_partial=free).fit(data)
        if fits and not _stands(fit, fits[-1], alpha):
            hints += [(name, *row) for row in _largest(fit, name, 3)]
            if search and name in _OPERATOR:
                fit, free, found = _freed(model, data, group, name, fit, fits[-1], free, alpha)
                steps += found
        fits.append(fit)
        data = fit.data  # the columns, copied once
    return Invariance(
        fits=tuple(fits), table=_table(names, fits, alpha),
        steps=_rows("What the search freed (exploratory)", ("level", "step", "parameter", "chisq", "p_value", "p_diff"), steps),
        suggestions=_rows("Largest score tests of levels that do not stand", ("level", "parameter", "chisq", "p_value", "epc"), hints),
    )  # fmt: skip


def _difference(fit: Fit, before: Fit) -> tuple[float, float, float]:
    table = lr_test(before, fit)
    return table.columns["chisq_diff"][1], table.columns["df_diff"][1], table.columns["p_value"][1]


def _stands(fit: Fit, before: Fit, alpha: float) -> bool:
    return _difference(fit, before)[2] >= alpha


def _value(fit: Fit, name: str) -> float:
    found = fit.statistics.values_by_name
    return found.get(f"{name}.robust", found.get(name, math.nan))


def _table(names: Sequence[str], fits: Sequence[Fit], alpha: float) -> ResultTable:
    rows: list[tuple[Any, ...]] = []
    for position, (name, fit) in enumerate(zip(names, fits, strict=True)):
        cfi, rmsea = _value(fit, "cfi"), _value(fit, "rmsea")
        change: tuple[Any, ...] = (math.nan, math.nan, math.nan, math.nan, math.nan, None)
        if position:
            before = fits[position - 1]
            gap, df, p = _difference(fit, before)
            fall, rise = cfi - _value(before, "cfi"), rmsea - _value(before, "rmsea")
            change = (
                gap,
                df,
                p,
                fall,
                rise,
                "yes" if p >= alpha and fall >= -FALL else "no" if p < alpha and fall < -FALL else "in doubt",
            )
        rows.append((name, fit.df_resid, fit.statistics["chisq"].value, cfi, rmsea, _value(fit, "srmr"), *change))
    heads = (
        "level",
        "df",
        "chisq",
        "cfi",
        "rmsea",
        "srmr",
        "chisq_diff",
        "df_diff",
        "p_diff",
        "cfi_diff",
        "rmsea_diff",
        "stands",
    )
    note = f"stands: the difference test does not reject at {alpha:g} and CFI falls by no more than {FALL}; in doubt: the two disagree."
    return _rows("Measurement invariance", heads, rows, note)


def _rows(title: str, heads: Sequence[str], rows: Sequence[tuple[Any, ...]], *notes: str) -> ResultTable:
    return ResultTable(title=title, columns={head: tuple(row[k] for row in rows) for k, head in enumerate(heads)}, notes=notes)


def _largest(fit: Fit, level: str, count: int) -> list[tuple[str, float, float, float]]:
    """The largest score tests of what the level added, one for each parameter (not for each group)."""
    table = score_test(fit)
    found: dict[Term, tuple[str, float, float, float]] = {}
    for lhs, op, rhs, chisq, p, epc in zip(
        *(table.columns[name] for name in ("lhs", "op", "rhs", "chisq", "p_value", "epc")), strict=True
    ):
        term = Term(lhs=lhs, op=op, rhs=rhs)
        added = op == _OPERATOR.get(level, op) and (level != "strict" or lhs == rhs)
        if added and term not in found:
            found[term] = (str(term), chisq, p, epc)
    return list(found.values())[:count]


def _freed(
    model: Any, data: Any, group: str, level: str, fit: Fit, before: Fit, free: tuple[str, ...], alpha: float
) -> tuple[Fit, tuple[str, ...], list[tuple[Any, ...]]]:  # fmt: skip
    """Free parameters one by one until the level stands, or nothing significant may be freed."""
    steps: list[tuple[Any, ...]] = []
    while not _stands(fit, before, alpha):
        tests = _largest(fit, level, 10_000)
        allowed = [one for one in tests if one[2] * len(tests) < alpha and _keeps_anchors(fit, level, (*free, one[0]))]
        if not allowed:
            break
        name, chisq, p, _ = allowed[0]
        free = (*free, name)
        fit = replace(model, group=group, group_equal=LEVELS[level], group_partial=free).fit(data)
        steps.append((level, len(steps) + 1, name, chisq, min(1.0, p * len(tests)), _difference(fit, before)[2]))
    return fit, free, steps


def _keeps_anchors(fit: Fit, level: str, free: Sequence[str]) -> bool:
    """Whether every construct keeps two indicators with equal loadings (and intercepts, from scalar on)."""
    terms = {Term.parse(name) for name in free}
    indicators: dict[str, set[str]] = {}
    for row in fit.estimates:
        if row.term.op == "=~":
            indicators.setdefault(row.term.lhs, set()).add(row.term.rhs)
    for construct, items in indicators.items():
        loose = {item for item in items if Term(lhs=construct, op="=~", rhs=item) in terms}
        if level != "metric":
            loose |= {item for item in items if Term(lhs=item, op="~1", rhs="") in terms}
        if len(items - loose) < min(_ANCHORS, len(items)):
            return False
    return True
