"""Tests of restrictions: likelihood ratio (plain and scaled), Wald, and score tests of equality constraints.

    likelihood ratio            a (X0 - X1) + b,  df0 - df1; a and b correct scaled tests (`models/sem/answers/difference.py`)
    Wald                        h' (J V J')^-1 h  for restrictions h(theta) = 0 with Jacobian J

Sources: Bentler, P. M. & Satorra, A. (2010). Psychological Methods, 15, 111-123 (nesting); Bollen (1989), ch. 7.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import chdtrc, fdtrc

from cipa.errors import InferenceError, SpecificationError, did_you_mean, one_of, public
from cipa.language.en import EN
from cipa.numerics.algebra.linalg import Array, unit_diagonal
from cipa.results.display import ResultTable
from cipa.results.fit import Fit
from cipa.results.questions import difference
from cipa.results.questions import release as release_tests
from cipa.results.statistics import Statistic
from cipa.study.expressions import Binary, Expression, Parser, gradient_of, names_in
from cipa.study.tokens import Token, tokenize

_QUOTED = re.compile(r"`([^`\n]+)`")

METHODS = ("default", "satorra_bentler_2001", "satorra_bentler_2010", "satorra_2000", "none")


@public
def lr_test(*fits: Fit, method: str | None = None) -> ResultTable:
    """Likelihood-ratio (chi-square difference) tests of nested models.

    Parameters
    ----------
    *fits : Fit
        Two or more, of nested models fitted to the same data; they are ordered by degrees of freedom.
    method : {"default", "satorra_bentler_2001", "satorra_bentler_2010", "satorra_2000", "none"}, optional
        Default: 2001 for fits with a Satorra-Bentler or Yuan-Bentler test; 2000 for tests adjusted in mean and variance (WLSMV,
        MLMV), whose chi-squares cannot be subtracted otherwise; the plain difference without a scaled test ("none" forces it).

    Returns
    -------
    ResultTable
        model (position among the arguments, 1 first), df, aic, bic, chisq, chisq_diff, df_diff, p_value; each row is compared
        with the one above it.

    Raises
    ------
    InferenceError
        When the models cannot be nested: other data, the same degrees of freedom, or a restricted model that fits better.

    Examples
    --------
    >>> import cipa as ci
    >>> fits = [ci.SEM(f"x4 ~ a*x1 + {b}*x2").fit(ci.datasets.load("holzinger1939")) for b in "ab"]
    >>> [round(ci.lr_test(*fits).columns[name][1], 3) for name in ("chisq_diff", "df_diff")]
    [11.935, 1.0]
    """
    chosen = one_of(method or "default", METHODS, what="method", where="ci.lr_test")
    if len(fits) < 2:
        raise SpecificationError(
            f"ci.lr_test got {len(fits)} fit{'s' * (not fits)}, and a difference takes two. Give the restricted and the general "
            "one: ci.lr_test(restricted, general)."
        )
    order = sorted(range(len(fits)), key=lambda k: (fits[k].df_resid, k))
    ordered = [fits[k] for k in order]
    rows: list[tuple[Any, ...]] = []
    for position, fit in enumerate(ordered):
        difference = (math.nan, math.nan, math.nan) if not position else _difference(fit, ordered[position - 1], chosen)
        rows.append((order[position] + 1, fit.df_resid, *_information(fit), _chisq(fit), *difference))
    heads = ("model", "df", "aic", "bic", "chisq", "chisq_diff", "df_diff", "p_value")
    notes = tuple(EN("table.lr_test.fit", number=k + 1, title=fit.title) for k, fit in enumerate(fits))
    if any(fit.kind == "panel" and fit.vcov_type.kind != "iid" for fit in fits):
        notes = (*notes, EN("table.lr_test.iid"))
    return ResultTable(
        title=EN("table.lr_test"),
        columns={h: tuple(r[k] for r in rows) for k, h in enumerate(heads)},
        notes=notes,
    )


def _chisq(fit: Fit) -> float:
    return fit.statistics["chisq"].value if "chisq" in fit.statistics else -2 * fit.loglik


def _distance(fit: Fit) -> float:
    """The chi-square; below 0 where a model on two levels is likelier than the unrestricted one.

    Covariances between clusters are those of some variables in the unrestricted model, and need not be in the model (a negative
    variance); the chi-square is then shown as 0, and a difference of two would be short of what the likelihoods differ by.
    """
    chisq = _chisq(fit)
    value = fit.statistics.values_by_name
    if chisq == 0.0 and "unrestricted.logl" in value:
        return min(0.0, 2 * (value["unrestricted.logl"] - fit.loglik))
    return chisq


def _information(fit: Fit) -> tuple[float, float]:
    """AIC and BIC; of a regression from its likelihood, all parameters counted but the variance, as fixest."""
    value = fit.statistics.values_by_name
    if "aic" in value:
        return value["aic"], value["bic"]
    counted = fit.nobs - fit.df_resid
    return -2 * fit.loglik + 2 * counted, -2 * fit.loglik + math.log(fit.nobs) * counted


def _difference(restricted: Fit, general: Fit, method: str) -> tuple[float, float, float]:
    """(difference, df, p) of two neighbours."""
    _refuse_unnested(restricted, general)
    df = restricted.df_resid - general.df_resid
    gap = _distance(restricted) - _distance(general)
    plain = method in ("none", "default") and general.answers.difference is None
    scale, shift = (1.0, 0.0) if plain else difference(restricted, general, df, method)
    gap = scale * gap + shift
    return gap, df, float(chdtrc(df, max(gap, 0.0)))


def _refuse_unnested(restricted: Fit, general: Fit) -> None:
    saturated = [fit.statistics.values_by_name.get("unrestricted.logl", 0.0) for fit in (restricted, general)]
    if restricted.nobs != general.nobs or not math.isclose(*saturated, rel_tol=1e-7, abs_tol=1e-7):
        raise InferenceError(
            f"ci.lr_test: the models were fitted to different data or variables ({restricted.nobs} and {general.nobs} cases). A "
            "difference test compares models of the same moments: fit both to the same data, and keep the same variables in both."
        )
    variables = [set(fit.answers.structure(fit).observed) if fit.answers.structure else set() for fit in (restricted, general)]
    if variables[0] != variables[1]:
        names = ", ".join(sorted(variables[0] ^ variables[1]))
        raise InferenceError(
            f"ci.lr_test: {names} stands in one model only. A difference test compares models of the same moments: keep the "
            "variables."
        )
    if restricted.df_resid <= general.df_resid:
        raise InferenceError(
            f"ci.lr_test: two models have {restricted.df_resid:g} degrees of freedom each, so neither is a restriction of the "
            "other. Compare them by AIC or BIC."
        )
    if _chisq(restricted) < _chisq(general) - 1e-6 * max(1.0, _chisq(general)):
        raise InferenceError(
            f"ci.lr_test: the model with more degrees of freedom fits better ({_chisq(restricted):.4g} against "
            f"{_chisq(general):.4g}), so it is not a restriction of the other. The models are not nested: compare them by AIC or "
            "BIC."
        )


@public
def wald_test(fit: Fit, restrictions: str | Sequence[str]) -> Statistic:
    """Wald test of restrictions on labelled parameters.

    Parameters
    ----------
    fit : Fit
    restrictions : str or sequence of str
        "a == b", "a*b == 0", one a line (or separated by ";"); names are labels of the fit, or of a regression with one outcome
        its regressors ("value == capital"; in backticks where they are not plain names: "`log(x)` == 0", "`x:z` == 0"), or
        terms in backticks as the estimates print them ("`y ~ x` == 0").

    Returns
    -------
    Statistic
        With df, the number q of independent restrictions, and its p-value: chi-square, or where the estimates have t tests F =
        chi-square / q with their degrees of freedom (the fewest, where each has its own). With the one restriction "x == 0" it is
        the t test of x.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.SEM("x4 ~ a*x1 + b*x2").fit(ci.datasets.load("holzinger1939"))
    >>> round(ci.wald_test(fit, "a == b").p_value, 4)
    0.0005
    """
    lines = [
        line
        for text in ([restrictions] if isinstance(restrictions, str) else restrictions)
        for line in text.replace(";", "\n").splitlines()
    ]
    labels = _names(fit)
    parsed = [_restriction(line, terms=labels) for line in lines if line.strip()]
    if not parsed:
        raise SpecificationError(
            "ci.wald_test: no restriction is given, so that there is nothing to test. Write 'a == b' or 'a*b == 0'."
        )
    for expression in parsed:
        for name in names_in(expression):
            if name not in labels:
                raise _unknown(name, labels)
    pairs = [gradient_of(expression, fit.params, labels) for expression in parsed]
    h, J = np.array([value for value, _ in pairs]), np.array([slope for _, slope in pairs])
    return _wald(fit, h, J)


def _wald(fit: Fit, h: Array, J: Array) -> Statistic:
    """Test q restrictions h (q,) with Jacobian J (q, k): h' (J V J')^-1 h, in units in which each has variance 1."""
    spread = J @ fit.vcov @ J.T
    unit, scale = unit_diagonal(spread)
    rank = int(np.linalg.matrix_rank(unit, hermitian=True))
    if rank < len(h):
        raise InferenceError(
            f"ci.wald_test: {len(h)} restrictions, of which {rank} are independent of each other. The rest says nothing "
            "new, and would count as degrees of freedom: drop it."
        )
    wald = float((h / scale) @ np.linalg.solve(unit, h / scale))
    df, q = _degrees(fit, J), float(rank)
    if math.isinf(df):
        return Statistic(name="wald", value=wald, df=q, p_value=float(chdtrc(q, wald)), reference="chi2", label=EN("label.wald"))
    return Statistic(
        name="wald", value=wald / q, df=q, df_denominator=df, p_value=float(fdtrc(q, df, wald / q)), reference="F",
        label=EN("label.wald"),
    )  # fmt: skip


def _degrees(fit: Fit, J: Array) -> float:
    """The fewest degrees of freedom of the estimates that the restrictions concern; infinity for the normal distribution."""
    concerned = np.flatnonzero((J != 0).any(axis=0))
    rows = _free_rows(fit)
    return min((float(rows[k].df) for k in concerned if not math.isnan(rows[k].df)), default=math.inf)


def _unknown(name: str, labels: Iterable[str]) -> InferenceError:
    return InferenceError(
        f"ci.wald_test: '{name}' is not the label of a free parameter, nor the term of one, so that it has no "
        f"estimate.{did_you_mean(name, labels)} Name a term as the estimates print it, or label it: {name}*x."
    )


def _names(fit: Fit) -> dict[str, int]:
    """Positions of the free parameters by label, by term, and of a regression with one outcome by the name of the regressor."""
    rows = _free_rows(fit)
    single = len({row.term.lhs for row in rows}) == 1
    names = {row.term.rhs: k for k, row in enumerate(rows) if single and row.term.op == "~"}
    names |= {str(row.term): k for k, row in enumerate(rows)}
    return names | {row.label: k for k, row in reversed(list(enumerate(rows))) if row.label}


def _free_rows(fit: Fit) -> list[Any]:
    where = {row.term: row for row in fit.estimates if row.status == "free"}
    return [where[term] for term in fit.terms]


def _restriction(line: str, *, terms: Iterable[str]) -> Expression:
    """Read "left == right" as left - right; `terms` are names of parameters, which may be terms ("y ~ x")."""
    known = {"".join(text.split()): text for text in terms}
    marks = {f"term_in_backticks_{k}": text for k, text in enumerate(known.values())}
    mark_of = {text: mark for mark, text in marks.items()}

    def marked(match: re.Match[str]) -> str:
        text = known.get("".join(match[1].split()))
        if text is None and re.search("[:~]", match[1]):
            raise _unknown(match[1], terms)
        return match[0] if text is None else mark_of[text]

    tokens = [
        replace(token, text=marks.get(token.text, token.text))
        for token in tokenize(_QUOTED.sub(marked, line))
        if token.kind != "newline"
    ]
    tokens = _joined(tokens, {text: words for text in known.values() if len(words := _words(text)) > 1})
    split = [k for k, token in enumerate(tokens) if token.text == "=="]
    if len(split) != 1:
        raise SpecificationError(
            f"ci.wald_test: '{line.strip()}' is not a restriction, which says that two things are equal. Write one '==', for "
            "example 'a == b'."
        )
    left, right = _side(tokens[: split[0]], line), _side(tokens[split[0] + 1 :], line)
    return Binary("-", left, right)


def _words(text: str) -> tuple[str, ...]:
    """The tokens that a term is made of; () for one that syntax cannot write."""
    try:
        return tuple(token.text for token in tokenize(text))
    except SpecificationError:
        return ()


def _joined(tokens: Sequence[Token], spelt: Mapping[str, tuple[str, ...]]) -> list[Token]:
    """Tokens in which those of a term are one name, the longest term first."""
    order = sorted(spelt, key=lambda text: -len(spelt[text]))
    joined, place = [], 0
    while place < len(tokens):
        rest = tuple(token.text for token in tokens[place:])
        text = next((text for text in order if rest[: len(spelt[text])] == spelt[text]), None)
        first = tokens[place]
        joined.append(first if text is None else Token("name", text, first.line, first.column))
        place += 1 if text is None else len(spelt[text])
    return joined


def _side(tokens: Sequence[Token], line: str) -> Expression:
    return Parser(tokens, source=line).parse()


@public
def score_test(fit: Fit, release: Sequence[str] | None = None) -> ResultTable:
    """Score (Lagrange multiplier) tests of equality constraints, parameter by parameter.

    By maximum likelihood, of one level or two, with expected information (as lavaan's lavTestScore), and beside robust errors
    (MLR, MLM, clusters, weights) the generalized score test of the same sandwich in columns of its own; by least squares the
    generalized score test, right for any weight matrix (lavaan prints n g^2 / V, which is chi-square for none but the optimal
    weight).

    Parameters
    ----------
    fit : Fit
        With parameters held by labels, `group_equal` or linear constraints (`a == b`, `a == 0`).
    release : sequence of str, optional
        Terms to free ("visual =~ x2 [Pasteur]"); default: every parameter that a constraint holds.

    Returns
    -------
    ResultTable
        lhs, op, rhs, group, level, chisq, df, p_value, with robust errors chisq_robust and p_value_robust, epc (expected
        distance, when it alone is freed, from those it was held equal to, or from the value it was held at), largest first.

    Raises
    ------
    InferenceError
        For a fit that is no structural equation model, or holds nothing; a term that is free already.

    References
    ----------
    Boos, D. D. (1992). The American Statistician, 46, 327-333; Satorra, A. (1989). Psychometrika, 54, 131-151.

    Examples
    --------
    >>> import cipa as ci
    >>> model = ci.SEM("visual =~ x1 + x2 + x3", group="school", group_equal=("loadings", "intercepts"))
    >>> found = ci.score_test(model.fit(ci.datasets.load("holzinger1939"))).columns
    >>> found["lhs"][0], found["op"][0], round(found["chisq"][0], 2)
    ('x3', '~1', 20.08)
    """
    found = release_tests(fit, "ci.score_test")
    if not found:
        raise InferenceError(
            "ci.score_test: this model holds no parameters equal, so there is no constraint to test. Give two parameters one "
            "label, or use group_equal=; ci.modification_indices tests what is fixed."
        )
    if release is not None:
        known = {str(row[0]): row for row in found}
        for name in release:
            if name not in known:
                raise InferenceError(
                    f"ci.score_test: '{name}' is not held equal to another parameter, so there is nothing to "
                    f"release.{did_you_mean(name, known)} Name one of {', '.join(list(known)[:12])}."
                )
        found = [known[name] for name in release]
    found = sorted(found, key=lambda row: -row[1])
    columns = {name: tuple(getattr(term, name) for term, *_ in found) for name in ("lhs", "op", "rhs", "group", "level")}
    chisq, general = (np.array([row[place] for row in found]) for place in (1, 3))
    columns |= {"chisq": tuple(chisq.tolist()), "df": (1,) * len(found), "p_value": tuple(chdtrc(1, chisq).tolist())}
    notes = [EN("table.score_test.several")]
    if np.isfinite(general).any():
        columns |= {"chisq_robust": tuple(general.tolist()), "p_value_robust": tuple(chdtrc(1, general).tolist())}
        notes.append(EN("table.score_test.robust"))
    return ResultTable(
        title=EN("table.score_test"),
        columns={**columns, "epc": tuple(row[2] for row in found)},
        notes=tuple(notes),
    )
