"""Power of tests of parameters: exact in large samples by noncentrality, or by Monte Carlo.

Noncentrality (Satorra & Saris 1985): the model and the model with the restriction are fitted to the exact moments of the
population; n times the difference of their discrepancies is the noncentrality lambda of the likelihood-ratio test, and the power
is 1 - F(c; d, lambda) with c the critical value of chi-square with d degrees of freedom. lambda grows with n, which gives the n
needed.

Monte Carlo (Muthén & Muthén 2002): samples are drawn from the population, the model is fitted to each, and what a researcher
would see is counted: how often the test rejects, the average estimate, its bias, the bias of the standard errors, the coverage of
the intervals. Draw r depends on the seed and on r only.

Sources: Satorra, A. & Saris, W. E. (1985). Psychometrika, 50, 83-90; Muthén, L. K. & Muthén, B. O. (2002). Structural Equation
Modeling, 9, 599-620.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtri, chndtr, ndtri, stdtrit

from cipa.errors import (
    CipaWarning,
    ConvergenceError,
    DataError,
    IdentificationError,
    InferenceError,
    SpecificationError,
    did_you_mean,
    public,
    whole_seed,
)
from cipa.inference.power_rmsea import refuse_probabilities
from cipa.language.en import EN
from cipa.numerics.algebra.linalg import Array
from cipa.numerics.resample import generators
from cipa.progress import watched
from cipa.results import questions
from cipa.results.display import ResultTable, Tabular
from cipa.results.estimates import Estimates
from cipa.results.fit import Fit, Lawful
from cipa.study.hypotheses import Hypothesis
from cipa.terms import Path, Term

_INADMISSIBLE = ("heywood", "latent_cov")
_SHOWN = ("estimate", "std_error", "p_value", "df")
_NOTHING = 1e-9  # noncentrality per case below which the population meets the null hypothesis


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MonteCarloPower(Tabular):
    """What repeated samples of a population show.

    Parameters
    ----------
    table : ResultTable
        term, population, average, relative_bias, std_error_bias, coverage, power, and the Monte Carlo errors of the last five.
    draws, converged, admissible : int
        Samples drawn; those with a solution; those whose solution has no negative variance and no impossible correlation.
    nobs : int
        Cases of a sample.
    seed : int
    """

    table: ResultTable
    draws: int
    converged: int
    admissible: int
    nobs: int
    seed: int


@dataclass(frozen=True, slots=True)
class _Claim:
    """What is tested: a term, label or equation, and the side claimed ("" for both)."""

    name: str
    direction: str = ""


@public
def power(
    model: Any, *, params: Mapping[Any, float] | None = None, nobs: Any = None, terms: Sequence[Any] | None = None,
    hypotheses: Sequence[str | Hypothesis] | None = None, draws: int = 0, seed: int | None = None, alpha: float = 0.05,
    target: float = 0.80, population: Any = None,
) -> ResultTable | MonteCarloPower:  # fmt: skip
    """Power of tests of a model's parameters.

    Parameters
    ----------
    model : SEM, or Panel
        The model that will be fitted. A panel model needs draws and a fit as its population: regressors are held at that
        sample's.
    params : mapping of label or term to float
        Population values, as in `ci.simulate`.
    nobs : int, list or mapping of group label to int
        Cases; default 500 in each group.
    terms : sequence of str or Term, optional
        Parameters tested against 0, by term or label; without draws also equations of labels ("a == b"). Default: every free
        path.
    hypotheses : sequence of str or Hypothesis, optional
        Claims with a side, ``"performance ~ collaboration > 0"``: with draws, a rejection counts on the claimed side only.
    draws : int
        0: by noncentrality, no draws. Otherwise the number of samples.
    seed : int
        Needed with draws.
    alpha : float
        Level of the two-sided test.
    target : float
        Power that `nobs_needed` reaches (noncentrality).
    population : SEM or its fit, optional
        What is drawn from, when it is not `model` itself: a misspecified model, or one with other fixed values. Population values
        of `model` are then its estimates at the population's moments.

    Returns
    -------
    ResultTable
        Without draws: term, population, df, ncp, nobs, power, nobs_needed.
    MonteCarloPower
        With draws.

    Raises
    ------
    SpecificationError
        A parameter without a population value; a number outside its range.
    InferenceError
        A family without a law; a claim about what is not a free parameter.

    Examples
    --------
    >>> import cipa as ci
    >>> model = ci.SEM("f =~ x1 + x2 + x3; y ~ f", std_lv=True)
    >>> values = {"f =~ x1": 0.8, "f =~ x2": 0.7, "f =~ x3": 0.6, "y ~ f": 0.25}
    >>> ci.power(model, params=values, nobs=150, terms=["y ~ f"]).to_frame()["power"].round(2).tolist()
    [0.78]
    """
    if isinstance(model, Fit):
        raise InferenceError(
            "ci.power: this is a fit. Power is that of a model: give fit.model, and population=fit to draw from its estimates."
        )
    if not isinstance(model, Lawful) and not (draws and isinstance(population, Fit)):
        raise InferenceError(
            f"ci.power: {type(model).__name__} has no law of its own to draw from or to compute moments of. Give a ci.SEM, or "
            "draw from a fit: ci.power(fit.model, population=fit, draws=500, seed=1)."
        )
    _refuse_numbers(draws, seed, alpha, target)
    if isinstance(nobs, (list, tuple)) and not nobs:
        raise SpecificationError(
            "ci.power: nobs= is an empty list. Power depends on the number of cases: give one, or one for each group."
        )
    source = model if population is None else population
    law = (
        questions.law(source, params, nobs, "ci.power")
        if isinstance(source, Fit)
        else source.population(params=params, nobs=nobs)
    )
    claims = _claims(terms, hypotheses)
    if not draws:
        return _noncentral(model, law, claims, alpha=alpha, target=target)
    assert seed is not None
    own = population is None
    return _monte_carlo(model, law, claims, draws=draws, seed=seed, alpha=alpha, own=own)


def _refuse_numbers(draws: Any, seed: Any, alpha: float, target: float) -> None:
    refuse_probabilities("ci.power", alpha=alpha, target=target)
    if isinstance(draws, bool) or not isinstance(draws, (int, np.integer)) or draws < 0 or 0 < draws < 20:
        raise SpecificationError(
            f"ci.power: draws={draws!r} is no number of samples that shows how often a test rejects. Give 0 for the power by "
            "noncentrality, or 20 or more samples (500 give power to about .02)."
        )
    if draws:
        whole_seed(seed, where="ci.power")


def _claims(terms: Sequence[Any] | None, hypotheses: Sequence[str | Hypothesis] | None) -> list[_Claim]:
    if isinstance(terms, str) or isinstance(hypotheses, str):
        raise SpecificationError(
            f"ci.power: terms={terms!r}, hypotheses={hypotheses!r}. A text would be read letter by letter, where a list is "
            'needed. Write terms=["y ~ x"].'
        )
    found = [_Claim(str(one)) for one in terms or ()]
    for number, one in enumerate(hypotheses or (), 1):
        claim = one if isinstance(one, Hypothesis) else Hypothesis.parse(f"H{number}", one)
        if isinstance(claim.claim, Path):
            raise InferenceError(
                f"ci.power: '{claim}' is about an indirect effect, which is no parameter of the model. Define it in the model "
                "('ind := a*b') and give terms=[\"ind\"] with draws."
            )
        found.append(_Claim(str(claim.claim), "" if claim.direction == "!=" else claim.direction))
    return found


def _noncentral(model: Any, law: Any, claims: Sequence[_Claim], *, alpha: float, target: float) -> ResultTable:
    full = model.fit_population(law)
    rows = [_row(model, law, full, claim, alpha, target) for claim in claims or _paths(full)]
    heads = ("term", "population", "df", "ncp", "nobs", "power", "nobs_needed")
    notes = (EN("table.power.test", alpha=alpha, target=target), *_misfit(full))
    return ResultTable(title=EN("table.power"), columns=dict(zip(heads, zip(*rows, strict=True), strict=True)), notes=notes)


def _paths(fit: Fit) -> list[_Claim]:
    found = [_Claim(str(term)) for term in fit.terms if term.op == "~"]
    if not found:
        raise InferenceError(
            'ci.power: the model has no free path, so that it is open what is tested. Name a parameter: terms=["f =~ x1"].'
        )
    return found


def _misfit(fit: Fit) -> list[str]:
    chisq = fit.statistics["chisq"].value
    if chisq < 1e-6 * fit.nobs:
        return []
    return [EN("table.power.misfit", chisq=chisq, cases=fit.nobs)]


def _row(model: Any, law: Any, full: Fit, claim: _Claim, alpha: float, target: float) -> tuple[Any, ...]:
    null = _null(model, law, full, claim)
    ncp = max(null.statistics["chisq"].value - full.statistics["chisq"].value, 0.0)
    df = int(null.df_resid - full.df_resid)
    row = None if "==" in claim.name else full.estimates.find(claim.name)
    value = math.nan if row is None else row.estimate
    if ncp < _NOTHING * law.nobs:
        return claim.name, value, df, 0.0, law.nobs, alpha, None
    needed = math.ceil(_needed_ncp(df, alpha, target) / (ncp / law.nobs) - 1e-9)
    return claim.name, value, df, ncp, law.nobs, float(1 - chndtr(chdtri(df, alpha), df, ncp)), needed


def _null(model: Any, law: Any, full: Fit, claim: _Claim) -> Fit:
    try:
        fit: Fit = model.restricted(claim.name, full).fit_population(law)
    except IdentificationError as problem:
        raise InferenceError(
            f"ci.power: without '{claim.name}' the model is not identified, so there is no restricted model to compare with. Use "
            f"Monte Carlo: draws=1000, seed=1. ({problem})"
        ) from problem
    return fit


def _needed_ncp(df: int, alpha: float, target: float) -> float:
    """The noncentrality with which the test has the target power."""
    if target <= alpha:
        return 0.0
    critical = chdtri(df, alpha)
    return float(brentq(lambda ncp: 1 - chndtr(critical, df, ncp) - target, 1e-9, 1e4))


def _monte_carlo(
    model: Any, law: Any, claims: Sequence[_Claim], *, draws: int, seed: int, alpha: float, own: bool
) -> MonteCarloPower:
    found = (_try(model, law.draw(rng)) for rng in watched(generators(seed, draws), total=draws, what="ci.power"))
    solved = [one for one in found if one is not None]
    if len(solved) < 2:
        raise ConvergenceError(
            f"ci.power: {len(solved)} of {draws} samples of {law.nobs} cases have a solution, so there is nothing to average. "
            "Give more cases, or look at the identification of the model."
        )
    tables, proper = zip(*solved, strict=True)
    admissible, chosen = sum(proper), _chosen(tables[0], claims)
    exact = own or law.ordered or not isinstance(model, Lawful)
    truth = law.truth if exact else {row.term: row.estimate for row in model.fit_population(law).estimates}
    rows = [_summary(claim, tables, truth, alpha) for claim in chosen]
    heads = (
        *("term", "population", "average", "relative_bias", "std_error_bias", "coverage", "power"),
        *("average_mc_error", "relative_bias_mc_error", "std_error_bias_mc_error", "coverage_mc_error", "power_mc_error"),
    )
    note = EN(
        "table.monte_carlo.samples",
        draws=draws, cases=law.nobs, seed=seed, solved=len(solved), admissible=admissible, alpha=alpha, level=1 - alpha,
    )  # fmt: skip
    columns = dict(zip(heads, zip(*rows, strict=True), strict=True))
    table = ResultTable(title=EN("table.monte_carlo"), columns=columns, notes=(note,))
    return MonteCarloPower(table=table, draws=draws, converged=len(solved), admissible=admissible, nobs=law.nobs, seed=seed)


def _try(model: Any, data: Any) -> tuple[Estimates, bool] | None:
    """Estimates of one sample, and whether they are admissible; None where the search does not end, or a category is empty."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CipaWarning)
        try:
            fit: Fit = model.fit(data)
        except (ConvergenceError, IdentificationError, DataError):
            return None
    return fit.estimates, not any(notice.code in _INADMISSIBLE for notice in fit.notices)


def _chosen(estimates: Estimates, claims: Sequence[_Claim]) -> list[_Claim]:
    """The claims, or every free parameter and defined effect."""
    if not claims:
        return [_Claim(row.term.lhs if row.term.op == ":=" else str(row.term)) for row in estimates if row.status != "fixed"]
    names = [name for row in estimates if row.status != "fixed" for name in (str(row.term), row.label) if name]
    for claim in claims:
        row = None if "==" in claim.name else estimates.find(claim.name)
        if row is None or row.status == "fixed":
            raise InferenceError(
                f"ci.power: '{claim.name}' is not a free parameter or defined effect of the model, so no draw tests "
                f"it.{did_you_mean(claim.name, names)} Name one that is; an equation of labels is tested without draws."
            )
    return list(claims)


def _summary(claim: _Claim, tables: Sequence[Estimates], truth: Mapping[Term, float], alpha: float) -> tuple[Any, ...]:
    rows = [table[claim.name] for table in tables]
    values, errors, p, df = (np.array([getattr(row, name) for row in rows]) for name in _SHOWN)
    true = truth.get(rows[0].term, math.nan)
    count, average, sd = len(rows), float(values.mean()), float(values.std(ddof=1))
    normal = ~np.isfinite(df)
    critical = np.where(normal, ndtri(1 - alpha / 2), stdtrit(np.where(normal, 1.0, df), 1 - alpha / 2))
    half = critical * errors  # the interval of the fit: of t where it has t tests
    covered = float((np.abs(values - true) <= half).mean()) if math.isfinite(true) else math.nan
    rejected = float((_on_side(values, claim.direction) & (p < alpha)).mean())
    size = abs(true) if math.isfinite(true) and abs(true) > 1e-12 else math.nan
    ratio = float(np.nanmean(errors)) / sd if sd > 0 else math.nan
    return (
        claim.name, true, average, (average - true) / size, ratio - 1, covered, rejected, sd / math.sqrt(count),
        sd / math.sqrt(count) / size, ratio / math.sqrt(2 * (count - 1)), _share_error(covered, count),
        _share_error(rejected, count),
    )  # fmt: skip


def _on_side(values: Array, direction: str) -> Any:
    return values > 0 if direction == ">" else values < 0 if direction == "<" else np.ones(len(values), dtype=bool)


def _share_error(share: float, count: int) -> float:
    return math.sqrt(share * (1 - share) / count) if math.isfinite(share) else math.nan
