"""Are the measures sound? Reliability, convergent and discriminant validity.

    alpha = k/(k - 1) (1 - sum_i s_ii / sum_ij s_ij)                                     Cronbach (1951), eq. 2
    omega = (sum l_i)^2 phi / ((sum l_i)^2 phi + sum_ij theta_ij)                         Raykov (2001); Bollen (1980)
    CR    = (sum l*_i)^2 / ((sum l*_i)^2 + sum_i (1 - l*_i^2)),  AVE = mean l*_i^2        Fornell & Larcker (1981)
    HTMT  = mean |r_ij| between / sqrt(mean |r| within A * mean |r| within B)             Henseler, Ringle & Sarstedt (2015)

with l loadings, phi the variance of the construct, theta residual variances and covariances, l* standardized loadings.
omega counts residual covariances, CR does not; the two agree without them.

Ordered items: alpha is that of the answers as they are coded, omega that of their sum (Green & Yang 2009, `categorical`), both
beside alpha and omega of the response variables behind the answers (polychoric correlations; Zumbo, Gadermann & Zeisser 2007),
which are reliabilities of no score that anybody has; CR and AVE are of the response variables.

An item worded against its construct is turned round first (its loading counts positive), as the codebook says or the
sign of its loading shows; the table says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cipa.data.dataset import Dataset, as_dataset
from cipa.data.score import reverse
from cipa.errors import DataError, InferenceError, SpecificationError, public
from cipa.evidence.categorical import sum_reliability
from cipa.language.en import EN
from cipa.numerics.algebra.linalg import Array
from cipa.results.answers import Structure
from cipa.results.display import ResultTable
from cipa.results.questions import cases, refuse_group, structure
from cipa.study.constructs import Construct


@public
def cronbach_alpha(data: Any, items: Sequence[str]) -> float:
    """Cronbach's alpha over the cases that answered every item.

    Parameters
    ----------
    data : Dataset or DataFrame
        Items that the Dataset's codebook marks as reversed are turned round first.
    items : sequence of str
        At least two.

    Returns
    -------
    float
        Raw (covariance) alpha; NaN when the items' sum has no variance.

    Examples
    --------
    >>> import cipa as ci
    >>> round(cronbach_alpha(ci.datasets.load("holzinger1939"), ["x1", "x2", "x3"]), 3)
    0.626
    """
    return _alpha(np.cov(_complete(data, items).T))


def _alpha(cov: Array) -> float:
    total = float(cov.sum())
    return float(len(cov) / (len(cov) - 1) * (1 - np.trace(cov) / total)) if total > 0 else float("nan")


def _complete(data: Any, items: Sequence[str]) -> Array:
    if len(items) < 2 or len(set(items)) < len(items):
        raise SpecificationError(
            f"Consistency needs at least two different items, and got {list(items)}. A single item has no alpha: name all items "
            "of the construct, each once."
        )
    dataset = _turned(as_dataset(data, columns=list(items)), items)
    values = dataset.numeric(items)
    complete = values[~np.isnan(values).any(axis=1)]
    _refuse_few(complete, items, name=dataset.name)
    return complete


def _turned(data: Dataset, items: Sequence[str]) -> Dataset:
    wrong = [item for item in items if item in data.items and data.items[item].reversed]
    return reverse(data, wrong) if wrong else data


@public
def reliability(fit: Any) -> ResultTable:
    r"""Reliability and convergent validity of each construct of a fitted measurement model.

    Parameters
    ----------
    fit : Fit of kind "sem"

    Returns
    -------
    ResultTable
        construct, group, items, alpha, omega, cr, ave; with ordered items alpha_ordinal and omega_ordinal besides. A construct
        measured by others (second order) is judged by its dimensions: omega and CR from their loadings; its alpha is that of all
        items below it. omega is not defined (NaN) for a construct with ordered and other items, nor for one of the second order
        above ordered items.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.SEM("visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6").fit(ci.datasets.load("holzinger1939"))
    >>> ci.reliability(fit).to_frame()[["construct", "alpha", "omega", "ave"]].round(3).values.tolist()
    [['visual', 0.626, 0.626, 0.371], ['textual', 0.883, 0.885, 0.72]]
    """
    drawn = _structure(fit, "ci.reliability")
    measures, ordered = _measures(fit), _thresholds(fit)
    rows = [_reliability_row(fit, drawn, construct, g, ordered) for g in range(len(drawn.groups)) for construct in measures]
    turned = sorted({item for row in rows for item in row["turned"]})
    notes = [EN("table.reliability.ordered" if ordered else "table.reliability.continuous")]
    if turned:
        notes.append(EN("table.reliability.turned", items=tuple(turned)))
    heads = (
        "construct",
        "group",
        "items",
        "alpha",
        "omega",
        "cr",
        "ave",
        *(("alpha_ordinal", "omega_ordinal") if ordered else ()),
    )
    columns = {head: tuple(row[head] for row in rows) for head in heads}
    return ResultTable(title=EN("table.reliability"), columns=columns, notes=tuple(notes))


def _structure(fit: Any, what: str) -> Structure:
    """Constructs and covariances of a fit of one level."""
    drawn = structure(fit, what)
    if drawn.levels:
        raise InferenceError(
            f"{what}: this fit has the levels {' and '.join(drawn.levels)}, and reliability differs between them "
            "(Geldhof, Preacher & Zyphur 2014), which is not derived in this version. Look at the loadings of each level "
            "(ci.standardized)."
        )
    return drawn


def _thresholds(fit: Any) -> dict[tuple[str, str | None], list[float]]:
    """Thresholds of each ordered item of each group, ascending; empty when all items are continuous."""
    found: dict[tuple[str, str | None], list[float]] = {}
    for row in fit.estimates:
        if row.term.op == "|":
            found.setdefault((row.term.lhs, row.term.group), []).append(row.estimate)
    return {key: sorted(values) for key, values in found.items()}


@public
def fornell_larcker(fit: Any, *, group: str | None = None) -> ResultTable:
    r"""Square roots of AVE on the diagonal, correlations of constructs below it.

    Parameters
    ----------
    fit : Fit of kind "sem"
    group : str, optional
        Which group; default the first.

    Returns
    -------
    ResultTable
        construct, then one column for each construct; the upper triangle is empty. Discriminant validity asks that each
        diagonal value exceeds the correlations in its row and column (Fornell & Larcker 1981).

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.SEM("visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6").fit(ci.datasets.load("holzinger1939"))
    >>> ci.fornell_larcker(fit).to_frame()["textual"].round(3).tolist()
    [nan, 0.848]
    """
    drawn = _structure(fit, "ci.fornell_larcker")
    names, g = list(_measures(fit)), _position(drawn, group)
    where = [drawn.latent.index(name) for name in names]
    cov = drawn.latent_covs[g][np.ix_(where, where)]
    sd = np.sqrt(cov.diagonal())
    r = cov / np.outer(sd, sd)
    ave = [float((_loadings(fit, name, drawn.groups[g])[1] ** 2).mean()) for name in names]
    columns: dict[str, tuple[Any, ...]] = {"construct": tuple(names)}
    for j, name in enumerate(names):
        columns[name] = tuple(None if i < j else float(np.sqrt(ave[j])) if i == j else float(r[i, j]) for i in range(len(names)))
    nested = any(item in names for items in _measures(fit).values() for item in items)
    note = EN("table.fornell_larcker.cells", group=drawn.groups[g], nested=nested)
    return ResultTable(title=EN("table.fornell_larcker"), columns=columns, notes=(note,))


def _position(drawn: Structure, group: str | None) -> int:
    """Which block of the fit a group is."""
    if group is None:
        return 0
    refuse_group(group, drawn.groups)
    return drawn.groups.index(group)


@public
def htmt(data: Any, constructs: Any) -> ResultTable:
    """Heterotrait-monotrait ratio of correlations for each pair of constructs.

    Parameters
    ----------
    data : Dataset or DataFrame
    constructs : mapping of name to items, or sequence of Construct
        Each with at least two items; a second-order construct stands for the items of its dimensions.

    Returns
    -------
    ResultTable
        first, second, htmt. Values above .85 (.90 for similar constructs) question discriminant validity.

    Examples
    --------
    >>> import cipa as ci
    >>> found = ci.htmt(ci.datasets.load("holzinger1939"), {"visual": ["x1", "x2", "x3"], "textual": ["x4", "x5", "x6"]})
    >>> round(found.columns["htmt"][0], 3)
    0.424
    """
    groups = _item_groups(constructs)
    every = list(dict.fromkeys(item for items in groups.values() for item in items))
    dataset = _turned(as_dataset(data, columns=every), every)
    values = dataset.numeric(every)
    complete = values[~np.isnan(values).any(axis=1)]
    _refuse_few(complete, every, name=dataset.name)
    r = np.abs(np.corrcoef(complete.T))
    where = {name: [every.index(item) for item in items] for name, items in groups.items()}
    within = {name: _mean_below(r[np.ix_(places, places)]) for name, places in where.items()}
    rows = []
    names = list(groups)
    for position, first in enumerate(names):
        for second in names[:position]:
            across = float(r[np.ix_(where[first], where[second])].mean())
            rows.append((first, second, across / float(np.sqrt(within[first] * within[second]))))
    columns = {head: tuple(row[k] for row in rows) for k, head in enumerate(("first", "second", "htmt"))}
    note = EN("table.htmt.cases", cases=len(complete))
    return ResultTable(title=EN("table.htmt"), columns=columns, notes=(note,))


def _refuse_few(complete: Array, items: Sequence[str], *, name: str) -> None:
    if len(complete) < 3:
        raise DataError(
            f"{name}: {len(complete)} cases answered all of {', '.join(items)}. Correlations of fewer than 3 cases are 1, -1 or"
            " none: leave out the items that few answered, or gather cases."
        )


def _mean_below(r: Array) -> float:
    return float(r[np.tril_indices(len(r), -1)].mean())


def _item_groups(constructs: Any) -> dict[str, list[str]]:
    if isinstance(constructs, Mapping):
        groups = {str(name): list(items) for name, items in constructs.items()}
    else:
        known: dict[str, Construct] = {one.name: one for one in constructs}
        parts = {dimension for one in known.values() for dimension in one.dimensions}
        groups = {
            name: list(one.items) or [item for dimension in one.dimensions for item in known[dimension].items]
            for name, one in known.items()
            if name not in parts and (one.items or one.dimensions)
        }
    every = [item for items in groups.values() for item in dict.fromkeys(items)]
    shared = sorted({item for item in every if every.count(item) > 1})
    if shared:
        raise SpecificationError(
            f"ci.htmt: {', '.join(shared)} measures two constructs, and its correlation with itself, 1, would enter the ratio as "
            "if it were one between them. HTMT is not defined for shared items: leave them out of one construct, or look at "
            "ci.fornell_larcker."
        )
    short = [name for name, items in groups.items() if len(items) < 2]
    if short or len(groups) < 2:
        named = f" Fewer than two items: {', '.join(short)}." if short else ""
        raise SpecificationError(
            "HTMT compares at least two constructs of at least two items each, because it divides by the correlations within a "
            f"construct.{named} Leave out what has one item, or add items."
        )
    return groups


def _measures(fit: Any) -> dict[str, list[str]]:
    """Indicators of each construct of a fit (of any group)."""
    found: dict[str, list[str]] = {}
    for row in fit.estimates:
        if row.term.op == "=~" and row.term.rhs not in found.setdefault(row.term.lhs, []):
            found[row.term.lhs].append(row.term.rhs)
    if not found:
        raise InferenceError(
            "This model measures no construct: it has no '=~'. Reliability is that of the items of a construct: ask it of a "
            "model with 'construct =~ items'."
        )
    return found


def _loadings(fit: Any, construct: str, group: str | None) -> tuple[Array, Array]:
    """Loadings (k,) of a construct's indicators in a group, unstandardized and standardized."""
    rows = {row.term.rhs: row for row in fit.estimates if (row.term.lhs, row.term.op, row.term.group) == (construct, "=~", group)}
    chosen = [rows[name] for name in _measures(fit)[construct]]
    return np.array([row.estimate for row in chosen]), np.array([row.standardized for row in chosen])


def _reliability_row(
    fit: Any, drawn: Structure, construct: str, g: int, ordered: Mapping[tuple[str, str | None], list[float]]
) -> dict[str, Any]:
    group, measures = drawn.groups[g], _measures(fit)
    indicators = measures[construct]
    loading, beta = _loadings(fit, construct, group)
    sign = np.sign(beta) * (1.0 if np.sign(beta).sum() >= 0 else -1.0)
    phi = float(drawn.latent_covs[g][drawn.latent.index(construct), drawn.latent.index(construct)])
    theta = _residuals(fit, indicators, group) * np.outer(sign, sign)
    omega = _share(float((loading * sign).sum() ** 2 * phi), float(theta.sum()))
    items = [item for name in indicators for item in measures.get(name, [name])]
    flip = np.concatenate(
        [np.full(len(measures.get(name, [name])), s) for name, s in zip(indicators, sign, strict=True)]
    )  # a dimension's items turn with it
    ordinary = len(items) > 1 and all(item in drawn.observed for item in items)
    alpha = _alpha_of(drawn, items, flip, g) if ordinary else float("nan")
    row = {
        "construct": construct, "group": group, "items": len(items),
        "turned": [n for n, s in zip(indicators, sign, strict=True) if s < 0],
        "alpha": alpha, "omega": omega, "cr": _share(float(np.abs(beta).sum() ** 2), float((1 - beta**2).sum())),
        "ave": float((beta**2).mean()), "alpha_ordinal": float("nan"), "omega_ordinal": float("nan"),
    }  # fmt: skip
    if any((item, group) in ordered for item in items):
        row |= {"alpha": _coded_alpha(fit, items, flip, g) if ordinary else float("nan"), "alpha_ordinal": alpha}
        row |= _of_ordered(drawn, indicators, beta * sign, sign, theta, g, ordered)
    return row


def _of_ordered(
    drawn: Structure, indicators: Sequence[str], beta: Array, sign: Array, theta: Array, g: int,
    ordered: Mapping[tuple[str, str | None], list[float]],
) -> dict[str, float]:  # fmt: skip
    """Omega of the sum of ordered items, and of their response variables, all turned one way."""
    keys = [(name, drawn.groups[g]) for name in indicators]
    if not all(key in ordered for key in keys):
        return {"omega": float("nan")}
    where = [drawn.observed.index(name) for name in indicators]
    cov, mean = drawn.implied_covs[g][np.ix_(where, where)], drawn.implied_means[g][where]
    sd = np.sqrt(cov.diagonal())
    thresholds = [np.sort(s * (np.array(ordered[key]) - m) / d) for key, s, m, d in zip(keys, sign, mean, sd, strict=True)]
    correlations = cov / np.outer(sd, sd) * np.outer(sign, sign)
    return {
        "omega": sum_reliability(beta, thresholds, correlations),
        "omega_ordinal": _share(float(beta.sum() ** 2), float((theta / np.outer(sd, sd)).sum())),
    }


def _coded_alpha(fit: Any, items: Sequence[str], flip: Array, g: int) -> float:
    """Alpha of the answers as they are coded, over the cases of a group that gave all of them."""
    used = cases(fit)
    if used is None:
        return float("nan")
    values = fit.data.numeric(items)[used.rows[g]]
    complete = values[~np.isnan(values).any(axis=1)]
    return _alpha(np.cov(complete.T) * np.outer(flip, flip)) if len(complete) > 2 else float("nan")


def _share(true: float, error: float) -> float:
    """True over total variance; NaN where there is none (a growth factor without variance)."""
    return true / (true + error) if true + error else float("nan")


def _alpha_of(drawn: Structure, items: Sequence[str], sign: Array, g: int) -> float:
    where = [drawn.observed.index(item) for item in items]
    return _alpha(drawn.sample_covs[g][np.ix_(where, where)] * np.outer(sign, sign))


def _residuals(fit: Any, indicators: Sequence[str], group: str | None) -> Array:
    """Residual variances and covariances (k, k) of the indicators."""
    where = {name: k for k, name in enumerate(indicators)}
    theta = np.zeros((len(where), len(where)))
    for row in fit.estimates:
        if row.term.op == "~~" and row.term.group == group and row.term.lhs in where and row.term.rhs in where:
            i, j = where[row.term.lhs], where[row.term.rhs]
            theta[i, j] = theta[j, i] = row.estimate
    return theta
