"""Fitting by weighted least squares: targets from the data, the search, errors, tests and fit measures.

Ordered variables (delta parameterization): thresholds and polychoric correlations are the moments; every response variable
has variance 1, so its residual variance follows from the rest. Robust fit measures of ordered variables follow Savalei
(2021): the likelihood chi-square of the polychoric matrix at the estimates, corrected for its expectation.

Sources: Muthén (1984); Muthén, du Toit & Spisic (1997); Asparouhov & Muthén (2010); Savalei, V. (2021). Improving fit
indices in structural equation modeling with categorical data. Multivariate Behavioral Research, 56, 390-407.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import chdtri

from cipa.data.dataset import Dataset, as_dataset
from cipa.errors import DataError, IdentificationError
from cipa.models.sem.fit import SEMFit, solved
from cipa.models.sem.indices import GroupMoments, Test, incremental, residual_measures, rmsea
from cipa.models.sem.information import Recipe, scaled_inverse
from cipa.models.sem.layout import Layout
from cipa.models.sem.moments import GroupSample, Sample
from cipa.models.sem.parameters import Parameter
from cipa.models.sem.search import search
from cipa.models.sem.starts import starting_values
from cipa.models.sem.testing import second_moments
from cipa.models.sem.weighted.objective import (
    Target,
    WeightedSquares,
    baseline,
    continuous_target,
    ordinal_target,
    traces,
    with_unit_variances,
)
from cipa.numerics import ram
from cipa.numerics.linalg import Array, IntArray, inverse_and_logdet
from cipa.numerics.normal import Saturated, complete_pattern, evaluate, loglik, saturated_information
from cipa.numerics.polychoric import ordinal_moments
from cipa.results.fit import Notice
from cipa.results.vcov import VCov

if TYPE_CHECKING:
    from cipa.models.sem.discrepancy import LikelihoodPoint
    from cipa.models.sem.model import SEM

WEIGHTS = {
    "gls": "gls",
    "uls": "uls",
    "ulsm": "uls",
    "ulsmv": "uls",
    "wls": "wls",
    "dwls": "dwls",
    "wlsm": "dwls",
    "wlsmv": "dwls",
}
"""Estimator -> kind of weight matrix."""

SIZES = ("rmsea", "rmsea.ci.lower", "rmsea.ci.upper", "rmsea.pvalue", "rmsea.notclose.pvalue")

_RANK = 1e-7
_CATEGORIES = 30


def codes_of(data: Any, ordered: Sequence[str]) -> tuple[Dataset, IntArray, list[list[float]]]:
    """Complete cases of ordered variables: codes (n, p) 0..K-1, and each variable's categories."""
    dataset = as_dataset(data, columns=list(ordered))
    values = dataset.numeric(ordered)
    kept = values[~np.isnan(values).any(axis=1)]
    if len(kept) < 3:
        raise DataError(f"{dataset.name}: {len(kept)} cases answered all of the ordered variables. Thresholds need many more.")
    categories = []
    for name, column in zip(ordered, kept.T, strict=True):
        found = np.unique(column)
        if not 2 <= len(found) <= _CATEGORIES:
            raise DataError(
                f"{dataset.name}: the ordered variable '{name}' has {len(found)} categories. A threshold model needs 2 to {_CATEGORIES}: a"
                " variable with one value says nothing, and one with many is better treated as continuous (take it out of ordered=)."
            )
        categories.append(found.tolist())
    codes = np.column_stack([np.searchsorted(found, column) for found, column in zip(categories, kept.T, strict=True)])
    return dataset, codes.astype(np.intp), categories


def ordered_rows(rows: Sequence[Parameter], categories: Mapping[str, int]) -> tuple[Parameter, ...]:
    """The table of a threshold model: residual variances follow from the rest, means are 0, thresholds are added."""
    found = []
    for row in rows:
        if row.op == "~1" or (row.op == "~~" and row.lhs == row.rhs and row.lhs in categories):
            row = replace(row, free=False, value=0.0 if row.op == "~1" else 1.0)
        found.append(row)
    for name, count in categories.items():
        found += [Parameter(lhs=name, op="|", rhs=f"t{k + 1}") for k in range(count - 1)]
        found.append(Parameter(lhs=name, op="~*~", rhs=name, free=False, value=1.0))
    return tuple(found)


def ordinal_sample(
    data: Dataset, codes: IntArray, categories: Sequence[Sequence[float]], names: Sequence[str], kind: str
) -> tuple[Sample, Target]:
    """Moments of ordered variables as a sample."""
    moments = ordinal_moments(codes, [len(one) for one in categories])
    notices = []
    if data.nobs > len(codes):
        text = f"{data.nobs - len(codes)} of {data.nobs} cases were dropped: an ordered variable is missing."
        notices.append(Notice(code="rows_dropped", text=text))
    if not moments.converged or np.linalg.eigvalsh(moments.correlations)[0] <= 0:
        text = (
            "The matrix of polychoric correlations is not positive definite, or a correlation is at its bound: some table of two"
            " items is nearly empty. Estimates and fit measures are uncertain: merge rare categories, or use more cases."
        )
        notices.append(Notice(code="polychoric", text=text, severity="warning"))
    return _sample(data, moments.correlations, np.zeros(len(names)), len(codes), names, notices), ordinal_target(
        kind, moments, len(codes)
    )


def _sample(data: Dataset, cov: Array, mean: Array, nobs: int, names: Sequence[str], notices: Sequence[Notice]) -> Sample:
    patterns = complete_pattern(cov, mean, nobs)
    found = evaluate(patterns, cov, mean)
    value = loglik(patterns, found.value) if found is not None else math.nan
    group = GroupSample(
        label="", variables=tuple(names), patterns=patterns, values=None, rows=np.empty(0, dtype=np.intp),
        saturated=Saturated(cov=cov, mean=mean, loglik=value, iterations=0, converged=True),
    )  # fmt: skip
    return Sample(groups=(group,), data=data, notices=tuple(notices), missing="listwise")


def continuous_targets(kind: str, sample: Sample, *, means: bool) -> tuple[Target, ...]:
    """Moments of continuous variables, covariances with divisor n - 1."""
    found = []
    for group in sample.groups:
        n = group.nobs
        cov = group.saturated.cov * n / (n - 1)
        if group.values is not None:
            gamma = second_moments(group)
        else:
            normal = evaluate(group.patterns, group.saturated.cov, group.saturated.mean)
            assert normal is not None
            gamma = np.linalg.inv(saturated_information(normal))
        found.append(continuous_target(kind, cov, group.saturated.mean, gamma, means=means, nobs=n))
    return tuple(found)


def fit_weighted(
    model: SEM,
    layout: Layout,
    sample: Sample,
    targets: tuple[Target, ...],
    bases: tuple[ram.Matrices, ...],
    recipe: Recipe,
    labels: Sequence[str],
) -> SEMFit:
    """Search, check and assemble."""
    total = sum(target.nobs for target in targets)
    shares = np.array([target.nobs / total for target in targets])
    objective = WeightedSquares(layout=layout, bases=bases, targets=targets, weights=shares)
    theta = starting_values(layout, [(group.saturated.cov, group.saturated.mean) for group in sample.groups])
    for block, target in zip(layout.blocks, targets, strict=True):
        theta[block.thresholds] = target.s[: target.thresholds]
    _refuse_unidentified(objective, theta, [str(layout.rows[position].term(labels)) for position in layout.theta])
    objective, point, solution = search(objective, theta)
    layout = objective.layout
    vcov, inverse = _covariances(recipe, objective, point)
    measures = _measures(recipe, objective, point, sample, total)
    if targets[0].thresholds:
        layout, bases = with_unit_variances(layout, bases, point.theta)
        objective = replace(objective, layout=layout, bases=bases)
        point = objective.evaluate(layout.to_eta(point.theta)) or point
    described = VCov(
        kind=recipe.se.replace("_", " "), convention="none",
        note="sandwich of the weight matrix and the covariance of the moments" if recipe.se == "robust_sem" else "inverse of D'WD",
    )  # fmt: skip
    return solved(
        model,
        layout,
        sample,
        objective,
        point,
        solution,
        labels=labels,
        vcov=vcov,
        inverse=inverse,
        measures=measures,
        described=described,
    )


def _refuse_unidentified(objective: WeightedSquares, theta: Array, names: Sequence[str]) -> None:
    rng = np.random.default_rng(20190707)
    K = objective.layout.K
    null = np.empty((0, 0))
    for _ in range(2):
        trial = theta + 0.1 * np.maximum(np.abs(theta), 0.3) * rng.uniform(-1, 1, len(theta))
        point = objective.evaluate(objective.layout.to_eta(trial))
        if point is None:
            continue
        D = np.vstack(objective.jacobians(point)) @ K
        D = D / np.maximum(np.linalg.norm(D, axis=0), 1e-12)
        _, values, right = np.linalg.svd(D)
        rank = int((values > _RANK * values[0]).sum())
        if rank == D.shape[1]:
            return
        null = right[rank:].T
    involved = [names[int(k)] for k in np.flatnonzero(np.abs(K @ null).max(axis=1, initial=0.0) > 0.1)] if null.size else []
    raise IdentificationError(
        f"The model is not identified: the moments cannot tell these parameters apart: {', '.join(involved[:8])}. Give each construct a"
        " scale and at least two indicators together with a relation to something else (three when it stands alone)."
    )


def _covariances(recipe: Recipe, objective: WeightedSquares, point: LikelihoodPoint) -> tuple[Array, Array]:
    """Covariance of the estimates and (D'WD)^-1 / (n - 1), both (k, k)."""
    K = objective.layout.K
    total = sum(target.nobs for target in objective.targets)
    inverse = K @ scaled_inverse(K.T @ objective.information(point, observed=False) @ K) @ K.T / (total - 1)
    if recipe.se == "standard":
        return inverse, inverse
    meat = np.zeros_like(inverse)
    for target, share, D in zip(objective.targets, objective.weights, objective.jacobians(point), strict=True):
        WD = target.weight @ D
        meat += share * WD.T @ target.gamma @ WD
    return np.asarray(inverse @ meat @ inverse * (total - 1)), inverse


def _measures(recipe: Recipe, objective: WeightedSquares, point: LikelihoodPoint, sample: Sample, nobs: int) -> dict[str, float]:
    layout = objective.layout
    moments = sum(len(target.s) for target in objective.targets)
    df = float(moments - layout.npar)
    base_value, base_jacobians = baseline(objective)
    base_df = float(moments - sum(D.shape[1] for D in base_jacobians))
    n = nobs - 1
    test, base = Test(chisq=2 * n * point.value, df=df), Test(chisq=n * base_value, df=base_df)
    naive = recipe.test == "standard" and recipe.se == "standard" and WEIGHTS[recipe.estimator] == "uls"
    ordinal = bool(objective.targets[0].thresholds)
    found = {
        "npar": float(layout.npar), "fmin": test.chisq / nobs / 2, "chisq": test.chisq, "df": df,
        "pvalue": math.nan if naive else test.p_value, "ntotal": float(nobs),
    }  # fmt: skip
    found |= incremental(test, base) | rmsea(test, nobs=n, ngroups=len(sample.groups))
    if recipe.test != "standard" and df > 0:
        found |= _scaled(recipe.test, objective, point, test, base, base_jacobians, n)
        if ordinal:
            found |= _categorical(objective, point, test.df, base_df, nobs)
    found |= _ordinal_residuals(objective, point) if ordinal else _continuous_residuals(objective, point, sample)
    weighted = sum(share * float(t.s @ t.weight @ t.s) for t, share in zip(objective.targets, objective.weights, strict=True))
    gfi = 1 - 2 * point.value / weighted
    found |= {"gfi": gfi, "agfi": 1 - moments / df * (1 - gfi) if df else 1.0, "pgfi": df / moments * gfi}
    found["mfi"] = math.exp(-(test.chisq - df) / (2 * n))
    for name, alpha in (("cn_05", 0.05), ("cn_01", 0.01)):
        found[name] = float(chdtri(df, alpha)) / (test.chisq / n) + 1 if df and test.chisq > 0 else math.nan
    found |= {"wrmr": math.sqrt(test.chisq / moments)} if ordinal else {"ecvi": (test.chisq + 2 * layout.npar) / n}
    return found


def _scaled(
    kind: str, objective: WeightedSquares, point: LikelihoodPoint, test: Test, base: Test, base_jacobians: Sequence[Array], n: int
) -> dict[str, float]:
    """Scaled tests of the model and the baseline, and the indices that follow."""
    K = objective.layout.K
    found: dict[str, float] = {}
    scaled = []
    for stem, one, jacobians in (("", test, [D @ K for D in objective.jacobians(point)]), ("baseline.", base, base_jacobians)):
        ug, ug2 = traces(objective, list(jacobians))
        plain = ug / one.df
        factor = plain if kind == "satorra_bentler" else math.sqrt(ug2 / one.df)
        shift = 0.0 if kind == "satorra_bentler" else one.df - ug / factor
        corrected = Test(chisq=one.chisq / factor + shift, df=one.df)
        scaled.append((corrected, plain, factor))
        found |= {
            f"{stem}chisq.scaled": corrected.chisq, f"{stem}df.scaled": corrected.df, f"{stem}pvalue.scaled": corrected.p_value,
            f"{stem}chisq.scaling.factor": factor,
        }  # fmt: skip
    (model, plain, factor), (independent, base_plain, _) = scaled
    indices = incremental(model, independent)
    found |= {f"{name}.scaled": indices[name] for name in ("cfi", "tli", "nnfi", "rfi", "nfi", "pnfi", "ifi", "rni")}
    shifted = kind == "scaled_shifted"
    sizes = rmsea(model if shifted else Test(chisq=test.chisq, df=plain * test.df), nobs=n, ngroups=len(objective.targets))
    found |= {f"{name}.scaled": sizes[name] for name in SIZES}
    inner = model if shifted else Test(chisq=test.chisq / plain, df=test.df)
    return found | _robust(test, plain, base, base_plain, n, inner, factor if shifted else plain)


def _robust(test: Test, c: float, base: Test, cb: float, n: int, inner: Test, scale: float) -> dict[str, float]:
    """CFI, TLI and RMSEA of a chi-square whose expectation is c df; the interval from `inner`, times `scale`."""
    gap, worst = test.chisq - c * test.df, base.chisq - cb * base.df
    largest = max(gap, worst, 0.0)
    tli = 1 - gap * base.df / (worst * test.df)
    sizes = rmsea(inner, nobs=n, scale=scale)
    sizes["rmsea"] = math.sqrt(max(gap, 0.0) / (test.df * n))
    return {
        "cfi.robust": 1 - max(gap, 0.0) / largest if largest else 1.0, "tli.robust": tli, "nnfi.robust": tli, "rni.robust": 1 - gap / worst,
        **{f"{name}.robust": sizes[name] for name in SIZES},
    }  # fmt: skip


def _categorical(objective: WeightedSquares, point: LikelihoodPoint, df: float, base_df: float, nobs: int) -> dict[str, float]:
    """Savalei's (2021) robust measures: the likelihood chi-square of the polychoric matrix at the estimates."""
    target, share = objective.targets[0], objective.weights[0]
    assert share == 1
    t = target.thresholds
    p = int(target.rows.max()) + 1
    R = np.eye(p)
    R[target.rows, target.cols] = R[target.cols, target.rows] = target.s[t:]
    Sigma = point.groups[0].moments.cov.copy()
    np.fill_diagonal(Sigma, 1.0)
    observed, implied = inverse_and_logdet(R), inverse_and_logdet(Sigma)
    if observed is None or implied is None:
        return {f"{name}.robust": math.nan for name in ("cfi", "tli", "nnfi", "rni", *SIZES)}
    x = nobs * (implied[1] - observed[1] + float(np.sum(R * implied[0])) - p)
    b = nobs * -observed[1]
    found = evaluate(complete_pattern(Sigma, np.zeros(p), nobs), Sigma, np.zeros(p))
    assert found is not None
    rows, cols = np.tril_indices(p)
    below = np.flatnonzero(rows != cols)
    V = saturated_information(found)[np.ix_(below, below)]
    W, G = target.weight[t:, t:], target.gamma[t:, t:]
    K = objective.layout.K
    D = (objective.jacobians(point)[0] @ K)[t:]
    inverse = scaled_inverse(K.T @ objective.information(point, observed=False) @ K)
    Q = np.eye(len(D)) - D @ inverse @ D.T @ W
    c = float(np.trace(Q.T @ V @ Q @ G)) / df
    test, base = Test(chisq=x, df=df), Test(chisq=b, df=base_df)
    return _robust(test, c, base, float(np.trace(G)) / base_df, nobs - 1, Test(chisq=x / c, df=df), c)


def _ordinal_residuals(objective: WeightedSquares, point: LikelihoodPoint) -> dict[str, float]:
    """Root mean squares of the residuals of correlations, with and without thresholds, over p(p+1)/2 or p(p-1)/2 moments."""
    target, here = objective.targets[0], point.groups[0].moments
    residual = target.s - target.implied(point.theta[objective.layout.blocks[0].thresholds], here.cov, here.mean)
    t, p = target.thresholds, len(here.cov)
    square, outside = float(residual[t:] @ residual[t:]), float(residual[:t] @ residual[:t])
    every, below = p * (p + 1) / 2, p * (p - 1) / 2
    srmr, with_thresholds = math.sqrt(square / every), math.sqrt((square + outside) / (every + t))
    return {
        "rmr": with_thresholds, "rmr_nomean": srmr, "srmr": srmr, "srmr_bentler": with_thresholds, "srmr_bentler_nomean": srmr,
        "crmr": math.sqrt((square + outside) / (below + t)), "crmr_nomean": math.sqrt(square / below),
    }  # fmt: skip


def _continuous_residuals(objective: WeightedSquares, point: LikelihoodPoint, sample: Sample) -> dict[str, float]:
    """Residual measures of covariances with divisor n - 1."""
    groups = []
    for group, here, share in zip(sample.groups, point.groups, objective.weights, strict=True):
        cov, p = group.saturated.cov * group.nobs / (group.nobs - 1), len(group.variables)
        mean = here.moments.mean if objective.layout.means else group.saturated.mean
        moments = GroupMoments(
            sample_cov=cov, sample_mean=group.saturated.mean, cov=here.moments.cov, mean=mean, weight=float(share), P=np.zeros((1, p, p)),
            shares=np.ones(1), available_cov=cov, available_mean=group.saturated.mean, exogenous=np.empty(0, dtype=np.intp),
        )  # fmt: skip
        groups.append(moments)
    return residual_measures(groups, means=objective.layout.means)
