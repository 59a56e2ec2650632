"""The same structural equation model, fitted by semopy: a second engine for cross-checks.

cipa's completed parameter table, not the text that was typed, is written out in semopy's syntax with neutral names, one statement
a parameter, so that both programs fit the same model to the same cases. semopy (Meshcheryakov, Igolkina & Samsonova 2021) is
asked only for what it computes rightly: maximum likelihood estimates of complete data, their errors from expected or observed
information or from the sandwich of MLM, and, without observed exogenous variables, chi-square, CFI, TLI and NFI. Its search stops
at three or four digits; Fisher steps with its own gradient and information go on from there. All else is refused by name.

Source: Meshcheryakov, G., Igolkina, A. A. & Samsonova, M. G. (2021). semopy 2: A structural equation modeling package with random
effects in Python. arXiv 2106.01140.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd
import semopy
from scipy.stats import chi2

from cipa.errors import ConvergenceError, SpecificationError
from cipa.language.en import EN
from cipa.models.sem.cases.moments import refuse_without_cases
from cipa.models.sem.cases.read import layout_for, prepare
from cipa.models.sem.cases.sample import GroupSample, Sample
from cipa.models.sem.declare.declaration import recipe_of
from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.declare.options import Recipe
from cipa.models.sem.declare.parameters import Parameter
from cipa.models.sem.model import SEM
from cipa.models.sem.steps.covariance import described
from cipa.models.sem.steps.starts import starting_values
from cipa.numerics.algebra.derivatives import central_jacobian
from cipa.numerics.algebra.linalg import Array, frozen
from cipa.results.answers import Answers, Cases
from cipa.results.estimates import Status, tabulate
from cipa.results.fit import Convergence, Fit, Notice
from cipa.results.statistics import Statistic, Statistics
from cipa.terms import Term

_STEPS = 500
_STILL = 1e-9  # largest Fisher step, in standard errors, at which the search is over
_LOGGING = Lock()  # semopy warns through the root logger, which is one for all threads


def fit(model: SEM, data: Any) -> Fit:
    """Fit a structural equation model with semopy.

    Parameters
    ----------
    model : SEM
        One group, continuous variables, estimator "ml" or "mlm" on complete cases, no means; fixed values and shared labels.
    data : Dataset, DataFrame or SampleMoments

    Returns
    -------
    Fit
        With engine "semopy" and the terms of the native fit. Its notices say what was left out.

    Raises
    ------
    SpecificationError
        For what semopy does not do, or does wrongly.
    ConvergenceError
        When its gradient does not vanish.
    """
    _refuse_options(model)
    layout, labels = layout_for(model, data)
    _refuse_layout(layout)
    sample = prepare(
        data, model.parsed, observed=[block.observed for block in layout.blocks],
        exogenous=[roles.exogenous if model.fixed_x is not False else () for roles in layout.roles], labels=labels, group=None,
        missing="listwise", likelihood="normal",
    )  # fmt: skip
    recipe = _recipe(model, sample)
    script = _Script.of(layout)
    found, steps = _solved(script, script.text(), sample.groups[0])
    params, vcov = _estimates(found, script, recipe)
    exogenous = _observed_exogenous(layout)
    terms = tuple(layout.rows[position].term(labels) for position in layout.theta)
    return Fit(
        model=model, data=sample.data, kind="sem", terms=terms, params=frozen(params), vcov=frozen(vcov), nobs=sample.nobs,
        df_resid=float("nan") if exogenous else float(semopy.stats.calc_dof(found)), npar=len(found.param_vals),
        estimates=_table(layout, labels, params, vcov, sample.groups[0]), vcov_type=described(recipe, sample),
        statistics=Statistics(() if exogenous else _statistics(found, script, sample.groups[0])),
        convergence=Convergence(iterations=steps, criterion=_STILL,
        message="semopy's L-BFGS-B, then Fisher steps with its gradient"),
        notices=(*sample.notices, *_left_out(recipe, exogenous)), engine="semopy", engine_packages=("semopy",),
        title=EN("title.structural.semopy"),
        answers=Answers(cases=lambda _: _cases(model, sample.groups[0])),
    )  # fmt: skip


def _cases(model: SEM, group: GroupSample) -> Cases | None:
    """The complete cases; None for moments."""
    return None if group.values is None else Cases(columns=tuple(model.variables), labels=(None,), rows=(group.rows,))


def _refuse_options(model: SEM) -> None:
    constraints = {one.op for one in model.parsed.constraints}
    lacking = {
        f'missing="{model.missing}"': model.missing != "listwise",
        "groups": bool(model.group or model.parsed.groups),
        "ordered variables": bool(model.ordered_names),
        f'estimator="{model.estimator}"': model.estimator not in ("ml", "mlm"),
        'likelihood="wishart"': model.likelihood != "normal",
        "clusters": bool(model.cluster),
        "sampling weights": bool(model.sampling_weight),
        "effect coding (a linear constraint)": model.effect_coding,
        "effects defined by ':='": ":=" in constraints,
        "the constraint '==' (its errors ignore it)": "==" in constraints,
        "inequality constraints": bool(constraints & {"<", ">"}),
    }
    for what, wanted in lacking.items():
        if wanted:
            raise _refusal(what)


def _refusal(what: str) -> SpecificationError:
    return SpecificationError(
        f"engine semopy: {what}: not available there, or computed there in a way that is not right. A cross-check with a wrong "
        "number checks nothing. Use the native engine, which does it."
    )


def _refuse_layout(layout: Layout) -> None:
    if layout.means:
        raise _refusal("a mean structure")
    ties = bool(((layout.K == 0) | (layout.K == 1)).all() and (layout.K.sum(axis=1) == 1).all() and not layout.offset.any())
    if layout.curves or not ties:
        raise _refusal("a constraint that is more than a shared label")
    joined = {name for row in layout.rows if row.op in ("=~", "~") for name in (row.lhs, row.rhs)}
    alone = [name for name in layout.blocks[0].variables if name not in joined]
    if alone:
        raise _refusal(f"'{alone[0]}', which stands in covariances only")
    outer = _outer(layout.rows)
    for row in layout.rows:
        if row.op == "~~" and (row.lhs in outer) != (row.rhs in outer) and (row.free or row.value != 0):
            raise _refusal(f"'{row.lhs} ~~ {row.rhs}', a covariance of an item with a variable that is not only an item")


def _outer(rows: tuple[Parameter, ...]) -> set[str]:
    """Indicators that predict nothing: semopy keeps their residuals in a matrix of its own."""
    senders = {row.rhs for row in rows if row.op == "~"} | {row.lhs for row in rows if row.op == "=~"}
    return {row.rhs for row in rows if row.op == "=~"} - senders


def _observed_exogenous(layout: Layout) -> tuple[str, ...]:
    """Observed variables that only predict, whether their moments are held at the sample's or not."""
    explained = {row.rhs if row.op == "=~" else row.lhs for row in layout.rows if row.op in ("=~", "~")}
    return tuple(name for name in layout.blocks[0].observed if name not in explained)


def _recipe(model: SEM, sample: Sample) -> Recipe:
    recipe = recipe_of(model)
    refuse_without_cases(model, recipe, sample)
    if recipe.se not in ("standard", "robust_sem"):
        raise _refusal(f'se="{recipe.se}"')
    return recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class _Script:
    """A layout in semopy's words: `alias` of each variable, `param` (k,) the name of each free parameter."""

    layout: Layout
    alias: Mapping[str, str]
    param: tuple[str, ...]

    @classmethod
    def of(cls, layout: Layout) -> _Script:
        """Neutral names: semopy reads fewer names than cipa."""
        block = layout.blocks[0]
        p = len(block.observed)
        alias = {name: f"y{k + 1}" if k < p else f"eta{k - p + 1}" for k, name in enumerate(block.variables)}
        return cls(layout=layout, alias=alias, param=tuple(f"p{int(k)}" for k in layout.K.argmax(axis=1)))

    def text(self, *, baseline: bool = False) -> str:
        """One statement for each parameter; for the baseline the observed variances are free and untied."""
        index = {position: k for k, position in enumerate(self.layout.theta)}
        observed, lines = set(self.layout.blocks[0].observed), []
        for position, row in enumerate(self.layout.rows):
            if row.exogenous:
                continue  # semopy takes them from the sample too
            value = self.param[index[position]] if position in index else np.format_float_positional(row.value, trim="-")
            if baseline and row.op == "~~" and row.lhs == row.rhs and row.lhs in observed:
                value = f"v{position}"
            lines.append(f"{self.alias[row.lhs]} {row.op} {value}*{self.alias[row.rhs]}")
        return "\n".join([*lines, *self._zeros()])

    def _zeros(self) -> Iterator[str]:
        """Covariances of observed exogenous variables that are not in the table; semopy would take them from the sample."""
        written = {frozenset((row.lhs, row.rhs)) for row in self.layout.rows if row.op == "~~"}
        for one, two in combinations(_observed_exogenous(self.layout), 2):
            if frozenset((one, two)) not in written:
                yield f"{self.alias[one]} ~~ 0*{self.alias[two]}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep semopy from writing to the root logger."""
    with _LOGGING:
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)


def _solved(script: _Script, text: str, group: GroupSample, *, baseline: bool = False) -> tuple[Any, int]:
    """A semopy model at its solution, and the number of Fisher steps after its own search.

    The search begins where semopy begins; loadings of constructs without a marker, which it starts at 0 where its gradient is 0
    too, and, in a second attempt, all parameters begin at cipa's starting values (instrumental variables, not estimates of the
    model).
    """
    for everywhere in (False, True):
        with _quiet():
            found = semopy.Model(text, cov_diag=True, mimic_lavaan=True, baseline=baseline)
            for one in found.parameters.values():
                one.bound = (None, None)  # its variances would stop at 0, ours do not
            if not baseline:
                _start(found, script, group, everywhere=everywhere)
            steps = _searched(found, script, group)
        if steps is not None:
            found.last_result.fun = max(_value(found), 0.0)
            return found, steps
    raise ConvergenceError(
        f"engine semopy: its gradient does not vanish after {_STEPS} Fisher steps, so it has no solution to compare. Use the "
        "native engine."
    )


def _searched(found: Any, script: _Script, group: GroupSample) -> int | None:
    names = [script.alias[name] for name in group.variables]
    cov = pd.DataFrame(group.saturated.cov, index=names, columns=names)
    values = None if group.values is None else pd.DataFrame(group.values, columns=names)
    found.fit(data=values, cov=cov, n_samples=group.nobs, solver="L-BFGS-B")
    found.n_samples = group.nobs
    return _polish(found)


def _start(found: Any, script: _Script, group: GroupSample, *, everywhere: bool) -> None:
    layout = script.layout
    marked = {row.lhs for row in layout.rows if row.op == "=~" and not row.free and row.value != 0}
    starts = starting_values(layout, [(group.saturated.cov, group.saturated.mean)])
    for k, position in enumerate(layout.theta):
        row = layout.rows[position]
        if everywhere or (row.op == "=~" and row.lhs not in marked):
            found.parameters[script.param[k]].start = float(starts[k])


def _value(found: Any) -> float:
    """Jöreskog's discrepancy at semopy's matrices (its own objective turns a rounding below 0 into infinity)."""
    sigma, _ = found.calc_sigma()
    sign, logdet = np.linalg.slogdet(sigma)
    value = logdet - found.cov_logdet + float(np.trace(np.linalg.solve(sigma, found.mx_cov))) - len(sigma)
    return value if sign > 0 and np.isfinite(value) else np.inf


def _polish(found: Any) -> int | None:
    """Fisher steps with semopy's gradient g of F and its information I: x - (2 I / n)^-1 g; how many, None without an end."""
    x = np.array(found.param_vals, dtype=np.float64)
    if not len(x):
        return 0
    for count in range(_STEPS):
        found.update_matrices(x)
        value, gradient = _value(found), np.asarray(found.grad_mlw(x))
        try:
            inverse = np.linalg.inv(found.calc_fim())
        except np.linalg.LinAlgError:
            break
        step = -found.n_samples / 2 * inverse @ gradient
        errors = np.sqrt(np.abs(inverse.diagonal()))
        if np.isfinite(step).all() and (np.abs(step) <= _STILL * errors).all():
            found.param_vals = x + step
            found.update_matrices(found.param_vals)
            return count
        x = _shortened(found, x, step, value)
    return None


def _shortened(found: Any, x: Array, step: Array, value: float) -> Array:
    """Half the step until the discrepancy does not rise (beyond rounding)."""
    for halving in range(30):
        found.update_matrices(x + step / 2**halving)
        if _value(found) <= value + 1e-13 * max(1.0, abs(value)):
            break
    return np.asarray(x + step / 2**halving)


def _estimates(found: Any, script: _Script, recipe: Recipe) -> tuple[Array, Array]:
    """Parameters (k,) and covariance (k, k), in the order of the native fit."""
    active = [name for name, one in found.parameters.items() if one.active]
    pick = [active.index(name) for name in script.param]
    x = np.array(found.param_vals, dtype=np.float64)
    inverse = np.linalg.inv(found.calc_fim())
    if recipe.information == "observed":
        hessian = central_jacobian(lambda point: np.asarray(found.grad_mlw(point)), x) * found.n_samples / 2
        inverse = np.linalg.inv((hessian + hessian.T) / 2)
    if recipe.se == "robust_sem":
        scores = np.array(found.grad_se_g(x))
        inverse = inverse @ (scores.T @ scores) @ inverse
    found.update_matrices(x)
    return x[pick], inverse[np.ix_(pick, pick)]


def _table(layout: Layout, labels: tuple[str, ...], params: Array, vcov: Array, group: GroupSample) -> Any:
    """All rows, free and fixed; no standardized values."""
    values, errors = np.array([row.value for row in layout.rows]), np.full(len(layout.rows), np.nan)
    values[list(layout.theta)], errors[list(layout.theta)] = params, np.sqrt(vcov.diagonal())
    where = {name: k for k, name in enumerate(group.variables)}
    for position, row in enumerate(layout.rows):
        if row.exogenous:
            values[position] = group.saturated.cov[where[row.lhs], where[row.rhs]]
    terms: list[Term] = [row.term(labels) for row in layout.rows]
    statuses: list[Status] = ["free" if row.free else "fixed" for row in layout.rows]
    return tabulate(terms, values, errors, labels=[row.label for row in layout.rows], statuses=statuses)


def _statistics(found: Any, script: _Script, group: GroupSample) -> tuple[Statistic, ...]:
    base, _ = _solved(script, script.text(baseline=True), group, baseline=True)
    df, df_base = int(semopy.stats.calc_dof(found)), int(semopy.stats.calc_dof(base))
    value, value_base = (float(semopy.stats.calc_chi2(one, k)[0]) for one, k in ((found, df), (base, df_base)))
    tests = [
        Statistic(name=name, value=x, df=float(k), p_value=float(chi2.sf(x, k)) if k else None, reference="chi2", label=label)
        for name, x, k, label in (
            ("chisq", value, df, EN("label.chisq")),
            ("baseline.chisq", value_base, df_base, EN("label.baseline")),
        )
    ]
    if df == 0 or value_base <= df_base:
        return tuple(tests)
    cfi = min(float(semopy.stats.calc_cfi(found, df, value, df_base, value_base)), 1.0)  # semopy lets it exceed 1
    tli = float(semopy.stats.calc_tli(found, df, value, df_base, value_base))
    nfi = float(semopy.stats.calc_nfi(found, value, value_base))
    indices = (("cfi", cfi, EN("label.cfi")), ("tli", tli, EN("label.tli")), ("nfi", nfi, EN("label.nfi")))
    return (*tests, *(Statistic(name=name, value=x, label=label) for name, x, label in indices))


def _left_out(recipe: Recipe, exogenous: tuple[str, ...]) -> list[Notice]:
    found = [Notice(code="engine_left_out")]
    if exogenous:
        found.append(Notice(code="engine_no_test", values={"names": exogenous}))
    if recipe.test != "standard":
        found.append(Notice(code="engine_no_scaling"))
    return found
