"""Measurement invariance: the ladder of equality across groups, and a guarded search for what is not equal.

Each level holds equal what the one before it does and more: configural nothing, thresholds (ordered indicators only), metric
loadings, scalar intercepts, strict residual variances, means latent means; cipa.evidence.ladder writes the models. A level stands
when its difference test (scaled for robust estimators) does not reject and CFI falls by no more than .01 (Cheung & Rensvold 2002;
Chen 2007). A level that adds no degree of freedom restates the one before, and stands by definition. After a level that does not
stand ("no"), what holds more equal is fitted and shown and not judged: it holds what has just been rejected. Comparing paths
between groups needs metric, comparing latent means needs scalar invariance.

CFI and RMSEA are the robust ones, for ordered indicators the scaled ones: the robust CFI of polychoric correlations (Savalei
2021) does not look at thresholds and means.

The search frees, at a level that is rejected, the parameter with the largest score test, as long as that test is
significant after Bonferroni's correction for all parameters of the level and every construct keeps two indicators that
are equal; every step is reported. What it finds is exploratory.

Sources: Meredith, W. (1993). Psychometrika, 58, 525-543; Cheung, G. & Rensvold, R. (2002). SEM, 9, 233-255; Chen, F. F.
(2007). SEM, 14, 464-504; Byrne, B., Shavelson, R. & Muthén, B. (1989). Psychological Bulletin, 105, 456-466; Yoon, M. &
Millsap, R. (2007). SEM, 14, 435-463; Wu, H. & Estabrook, R. (2016). Psychometrika, 81, 1014-1045 (ordered indicators); Sass, D.,
Schmitt, T. & Marsh, H. (2014). SEM, 21, 167-180 (what the cut of CFI is worth for them).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from cipa.errors import ConvergenceError, IdentificationError, public
from cipa.evidence.ladder import LEVELS, Ladder
from cipa.inference.power_rmsea import refuse_probabilities
from cipa.inference.restrictions import lr_test, score_test
from cipa.language.en import EN
from cipa.results.display import ResultTable, Tabular
from cipa.results.fit import Fit
from cipa.terms import Term

FALL = 0.01
"""Fall of CFI that speaks against a level (Cheung & Rensvold 2002)."""

_NOT_JUDGED = "not judged"
_ANCHORS = 2  # equal indicators that a construct needs, so that its scale is common to the groups
_HEADS = ("level", "df", "chisq", "cfi", "rmsea", "srmr", "chisq_diff", "df_diff", "p_diff", "cfi_diff", "rmsea_diff", "stands")
_STEPS = ("level", "step", "parameter", "chisq", "p_value", "p_diff")
_HINTS = ("level", "parameter", "chisq", "p_value", "epc")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Invariance(Tabular):
    """The ladder.

    Parameters
    ----------
    fits : tuple of Fit
        One for each level that was reached, with what the search freed.
    table : ResultTable
        level, df, chisq, cfi, rmsea, srmr, chisq_diff, df_diff, p_diff, cfi_diff, rmsea_diff, stands ("yes", "no", "in doubt";
        "not judged" after a level that does not stand; "no fit" at a level without a solution, after which none is fitted; a note
        says why). A note says which of the columns are scaled.
    steps : ResultTable
        What the search freed: level, step, parameter, chisq (score test), p_value (corrected), p_diff after freeing it.
    suggestions : ResultTable
        At each level that does not stand, the three largest score tests.
    """

    fits: tuple[Fit, ...]
    table: ResultTable
    steps: ResultTable
    suggestions: ResultTable

    def __str__(self) -> str:
        parts = [str(self.table), *(str(one) for one in (self.suggestions, self.steps) if len(one))]
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        return "".join(one._repr_html_() for one in (self.table, self.suggestions, self.steps) if len(one))


@public
def invariance(
    model: Any, data: Any, *, group: str, levels: Sequence[str] | None = None, search: bool = False, alpha: float = 0.05,
    method: str | None = None,
) -> Invariance:  # fmt: skip
    r"""Test measurement invariance across groups.

    Parameters
    ----------
    model : SEM
        A measurement model; its own `group_partial` stays free at every level. Ordered indicators are fitted with
        parameterization="theta", whatever the model says.
    data : Dataset or DataFrame
    group : str
        The column of the groups.
    levels : sequence of {"configural", "thresholds", "metric", "scalar", "strict", "means"}, optional
        In this order, beginning anywhere. Default: the first five, without "thresholds" for continuous indicators, and without
        "thresholds" and "metric" where a construct has indicators of two categories only.
    search : bool
        Look for parameters to free at a level that is rejected.
    alpha : float
        Level of the difference tests and of the corrected score tests.
    method : str, optional
        The difference test, as in `ci.lr_test`; its default.

    Returns
    -------
    Invariance

    Raises
    ------
    SpecificationError
        Levels that are unknown, out of order, or not defined for these indicators; a model with ordered indicators that writes
        thresholds, intercepts, residual variances or latent means itself.
    IdentificationError
        The first level has no unique solution. A later level without one, or a search that does not converge, stands in the
        table.
    InferenceError
        A difference test that is not defined (see `ci.lr_test`).

    Examples
    --------
    Ordered indicators, answers merged into four categories:

    >>> import cipa as ci
    >>> data = ci.datasets.load("holzinger1939").to_frame()
    >>> for item in ("x1", "x2", "x3", "x4", "x5", "x6"):
    ...     data[item] = data[item].rank(pct=True).mul(3.999).astype(int)
    >>> model = ci.SEM("visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6", ordered=True)
    >>> found = ci.invariance(model, data, group="school")
    >>> found.table.columns["level"]
    ('configural', 'thresholds', 'metric', 'scalar', 'strict')
    >>> found.table.columns["df_diff"][1:]
    (6.0, 4.0, 4.0, 6.0)
    """
    refuse_probabilities("ci.invariance", alpha=alpha)
    ladder = Ladder.of(model, data, group=group)
    climb = _Climb(ladder=ladder, search=search, alpha=alpha, method=method)
    partial = (model.group_partial,) if isinstance(model.group_partial, str) else tuple(model.group_partial)
    rungs = _climbed(climb, data, ladder.checked(levels), partial)
    return Invariance(
        fits=tuple(rung.fit for rung in rungs if rung.fit is not None), table=_table(climb, rungs),
        steps=_rows(EN("table.invariance.steps"), _STEPS, [step for rung in rungs for step in rung.steps]),
        suggestions=_rows(EN("table.invariance.hints"), _HINTS,
        [hint for rung in rungs for hint in rung.hints]),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Climb:
    """What does not change from level to level."""

    ladder: Ladder
    search: bool
    alpha: float
    method: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rung:
    """A level: its fit or None, the one before, what is free, what was found, and whether all before it stand."""

    level: str
    fit: Fit | None
    before: Fit | None = None
    free: tuple[str, ...]
    hints: tuple[tuple[Any, ...], ...] = ()
    steps: tuple[tuple[Any, ...], ...] = ()
    problem: str = ""
    judged: bool = True


def _climbed(climb: _Climb, data: Any, names: Sequence[str], free: tuple[str, ...]) -> list[_Rung]:
    rungs: list[_Rung] = []
    for k, name in enumerate(names):
        before = rungs[-1].fit if rungs else None
        judged = not rungs or (rungs[-1].judged and _change(climb, rungs[-1])[-1] != "no")
        rung = _rung(climb, data, name, before, free, names[k - 1] if k else "", judged=judged)
        rungs.append(rung)
        if rung.fit is None:
            break
        data, free = rung.fit.data, rung.free  # the columns, copied once
    return rungs


def _rung(
    climb: _Climb, data: Any, level: str, before: Fit | None, free: tuple[str, ...], below: str, *, judged: bool
) -> _Rung:  # fmt: skip
    """Fit a level; where it is judged and does not stand, look at what it added."""
    fit, problem = _fitted(climb, data, level, free, first=before is None)
    if fit is None or before is None or not judged or _stands(climb, fit, before):
        return _Rung(level=level, fit=fit, before=before, free=free, problem=problem, judged=judged)
    tests, _ = _tests(climb, fit, level, below)
    rung = _Rung(level=level, fit=fit, before=before, free=free, hints=tuple((level, *one) for one in tests[:3]))
    return _freed(climb, data, rung, below) if climb.search and level not in ("configural", "means") else rung


def _fitted(climb: _Climb, data: Any, level: str, free: tuple[str, ...], *, first: bool) -> tuple[Fit | None, str]:
    """The fit of a level, or why there is none; a first level that is not identified is the model's fault, and is refused."""
    model = climb.ladder.at(level, free)
    try:
        return model.fit(data), ""
    except ConvergenceError as problem:
        return None, str(problem)
    except IdentificationError as problem:
        if first:
            raise
        return None, str(problem)


def _freed(climb: _Climb, data: Any, rung: _Rung, below: str) -> _Rung:
    """Free parameters one by one until the level stands, or nothing significant may be freed."""
    while rung.fit is not None and rung.before is not None and not _stands(climb, rung.fit, rung.before):
        tests, count = _tests(climb, rung.fit, rung.level, below)
        worst = [one for one in tests if one[2] * count < climb.alpha and _keeps_anchors(climb, rung.level, (*rung.free, one[0]))]
        if not worst:
            break
        name, chisq, p, _ = worst[0]
        fit, problem = _fitted(climb, data, rung.level, (*rung.free, name), first=False)
        if fit is None:
            return replace(rung, problem=EN("table.invariance.stopped", name=name, problem=problem))
        step = (rung.level, len(rung.steps) + 1, name, chisq, p * count, _difference(climb, fit, rung.before)[2])
        rung = replace(rung, fit=fit, free=(*rung.free, name), steps=(*rung.steps, step))
    return rung


def _difference(climb: _Climb, fit: Fit, before: Fit) -> tuple[float, float, float]:
    """(difference, df, p); p is not defined when the level restates the one before."""
    if fit.df_resid == before.df_resid:
        return 0.0, 0.0, math.nan
    table = lr_test(before, fit, method=climb.method)
    return table.columns["chisq_diff"][1], table.columns["df_diff"][1], table.columns["p_value"][1]


def _stands(climb: _Climb, fit: Fit, before: Fit) -> bool:
    return not _difference(climb, fit, before)[2] < climb.alpha


def _tests(climb: _Climb, fit: Fit, level: str, below: str) -> tuple[list[tuple[str, float, float, float]], int]:
    """Score tests of what the level added, the largest of each parameter, and how many tests they are.

    Two groups have one test between them; with more, each group's own is one.
    """
    table = score_test(fit)
    found: dict[Term, tuple[str, float, float, float]] = {}
    count = 0
    columns = (table.columns[name] for name in ("lhs", "op", "rhs", "chisq", "p_value", "epc"))
    for lhs, op, rhs, chisq, p, epc in zip(*columns, strict=True):
        term = Term(lhs=lhs, op=op, rhs=rhs)
        if _added(climb.ladder, term, level, below):
            count += term not in found or climb.ladder.ngroups > 2
            found.setdefault(term, (str(term), chisq, p, epc))
    return list(found.values()), count


def _added(ladder: Ladder, term: Term, level: str, below: str) -> bool:
    """Whether a level holds a parameter that the one below it does not."""
    if term.op == "|":
        kind, item = "thresholds", term.lhs
    elif term.op == "=~":
        kind, item = "loadings", term.rhs
    elif term.op == "~1":
        kind, item = "means" if term.lhs in ladder.indicators else "intercepts", term.lhs
    else:
        kind, item = "residuals" if term.lhs == term.rhs else "", term.lhs
    if kind in ("thresholds", "loadings") and ladder.categories.get(item) == 2:
        return False  # not to be told from its intercept
    return kind in LEVELS[level] and kind not in LEVELS[below]


def _keeps_anchors(climb: _Climb, level: str, free: Sequence[str]) -> bool:
    """Whether every construct keeps two indicators with equal thresholds and loadings (and intercepts, from scalar on)."""
    terms = {Term.parse(name) for name in free}
    thresholds = {term.lhs for term in terms if term.op == "|"}
    intercepts = {term.lhs for term in terms if term.op == "~1"} if "intercepts" in LEVELS[level] else set()
    for construct, items in climb.ladder.indicators.items():
        loadings = {item for item in items if Term(lhs=construct, op="=~", rhs=item) in terms}
        if len(set(items) - loadings - thresholds - intercepts) < min(_ANCHORS, len(items)):
            return False
    return True


def _table(climb: _Climb, rungs: Sequence[_Rung]) -> ResultTable:
    rows: list[tuple[Any, ...]] = []
    for rung in rungs:
        if rung.fit is None:
            rows.append((rung.level, *[math.nan] * (len(_HEADS) - 2), "no fit"))
        else:
            own = tuple(_measure(climb, rung.fit, name)[0] for name in ("cfi", "rmsea", "srmr"))
            rows.append((rung.level, rung.fit.df_resid, rung.fit.statistics["chisq"].value, *own, *_change(climb, rung)))
    return _rows(EN("table.invariance"), _HEADS, rows, *_notes(climb, rungs))


def _change(climb: _Climb, rung: _Rung) -> tuple[Any, ...]:
    """chisq_diff, df_diff, p_diff, cfi_diff, rmsea_diff, stands."""
    if rung.fit is None or rung.before is None:
        return (*[math.nan] * 5, None)
    gap, df, p = _difference(climb, rung.fit, rung.before)
    if not df:
        return gap, df, p, 0.0, 0.0, "yes" if rung.judged else _NOT_JUDGED
    fall, rise = (_measure(climb, rung.fit, name)[0] - _measure(climb, rung.before, name)[0] for name in ("cfi", "rmsea"))
    if not rung.judged:
        return gap, df, p, fall, rise, _NOT_JUDGED
    verdict = "yes" if p >= climb.alpha and fall >= -FALL else "no" if p < climb.alpha and fall < -FALL else "in doubt"
    return gap, df, p, fall, rise, verdict


def _measure(climb: _Climb, fit: Fit, name: str) -> tuple[float, str]:
    """A measure of fit, corrected as far as it is for these data, and how: "robust", "scaled" or ""."""
    found = fit.statistics.values_by_name
    plain = found.get(name, math.nan)
    if climb.ladder.categories:
        return (found[f"{name}.scaled"], "scaled") if f"{name}.scaled" in found else (plain, "")
    robust = {**found, **fit.late_statistics.values_by_name}.get(f"{name}.robust", math.nan)
    return (plain, "") if math.isnan(robust) else (robust, "robust")


def _scaling(climb: _Climb, fit: Fit) -> str:
    """Which columns are scaled."""
    scaled = math.isfinite(fit.statistics.values_by_name.get("chisq.scaled", math.nan))
    corrected = _measure(climb, fit, "cfi")[1]
    return EN("table.invariance.scaling", indices=corrected, scaled=scaled, method=climb.method)


def _notes(climb: _Climb, rungs: Sequence[_Rung]) -> list[str]:
    notes: list[str] = [EN("table.invariance.stands", alpha=climb.alpha, fall=FALL)]
    failed = next((rung.level for rung, after in pairwise(rungs) if not after.judged), "")
    if failed:
        notes.append(EN("table.invariance.not_judged", level=failed))
    same = [rung.level for rung in rungs if rung.fit and rung.before and rung.fit.df_resid == rung.before.df_resid]
    if climb.ladder.categories:
        notes.append(EN("table.invariance.ordered"))
    notes += [_scaling(climb, rung.fit) for rung in rungs[:1] if rung.fit is not None]
    notes += [EN("table.invariance.same", level=level) for level in same]
    for rung in rungs:
        if rung.problem:
            notes.append(EN("table.invariance.problem", level=rung.level, problem=rung.problem, last=rung.fit is None))
    return notes


def _rows(title: str, heads: Sequence[str], rows: Sequence[tuple[Any, ...]], *notes: str) -> ResultTable:
    return ResultTable(title=title, columns={head: tuple(row[k] for row in rows) for k, head in enumerate(heads)}, notes=notes)
