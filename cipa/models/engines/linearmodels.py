"""The same panel model, fitted by linearmodels: a second engine for cross-checks.

What linearmodels cannot do, or does by another convention that it cannot be asked to leave, is refused by name. Its
clustered errors count absorbed effects in another way as soon as time effects are present (bashtage/linearmodels#432),
so they are computed without any small-sample factor: conventions "none" and "plm".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from linearmodels.panel import BetweenOLS, FirstDifferenceOLS, PanelOLS, PooledOLS, RandomEffects

from cipa.errors import SpecificationError
from cipa.language.en import EN
from cipa.models.panel.common.design import Design
from cipa.models.panel.linear.answers import facts
from cipa.models.panel.linear.model import Panel
from cipa.numerics.algebra.linalg import frozen
from cipa.results.answers import Answers, Cases
from cipa.results.estimates import tabulate
from cipa.results.fit import Fit
from cipa.results.statistics import Statistic, Statistics
from cipa.results.vcov import VCov

CONSTANT = "the constant"


def fit(model: Panel, data: Any) -> Fit:
    """Fit a panel model with linearmodels.

    Parameters
    ----------
    model : Panel
        Without instruments, weights, `absorb` and Mundlak's means.
    data : Dataset or DataFrame

    Returns
    -------
    Fit
        With engine "linearmodels" and the terms of the native fit.

    Raises
    ------
    SpecificationError
        For what linearmodels does not do, or does by another convention.
    """
    design = model.design(data)
    _refuse(model, design)
    index = pd.MultiIndex.from_arrays([design.keys.entities, design.keys.periods])
    outcome = pd.Series(design.response, index=index, name="outcome")
    regressors = pd.DataFrame(design.regressors, index=index, columns=list(design.names))
    if _constant(model, design):
        regressors.insert(0, CONSTANT, 1.0)
    found = _estimator(model, outcome, regressors).fit(**_covariance(model, design, index))
    terms = tuple(design.intercept_term if name == CONSTANT else design.term(name) for name in regressors.columns)
    params = found.params.to_numpy(dtype=np.float64)
    vcov = found.cov.to_numpy(dtype=np.float64)
    assert isinstance(model.vcov, VCov)
    return Fit(
        model=model, data=design.data, kind="panel", terms=terms, params=frozen(params), vcov=frozen(vcov), nobs=int(found.nobs),
        df_resid=float(found.df_resid), npar=len(params),
        estimates=tabulate(terms, params, np.sqrt(vcov.diagonal()), df=_degrees(model, design, found)),
        statistics=Statistics(_shares(model, found)),
        vcov_type=replace(model.vcov, note=EN("errors.linearmodels")), notices=design.notices,
        title=EN("title.panel.linearmodels", method=model.method), engine="linearmodels",
        engine_packages=("linearmodels",),
        answers=Answers(facts=facts, cases=lambda _: Cases(columns=model.variables, labels=(None,), rows=(design.rows,))),
    )  # fmt: skip


def _shares(model: Panel, found: Any) -> tuple[Statistic, ...]:
    """R² under the names of the native engine: with the effects, and net of them."""
    if model.method != "within":
        return (Statistic(name="r2", value=float(found.rsquared), label=EN("label.r2")),)
    return (
        Statistic(name="r2", value=float(found.rsquared_inclusive), label=EN("label.r2.effects")),
        Statistic(name="r2_within", value=float(found.rsquared), label=EN("label.r2_within.effects")),
    )


def _refuse(model: Panel, design: Design) -> None:
    where = "engine linearmodels"
    lacking = {
        "instruments": bool(design.endogenous), "absorb=": bool(model.absorb), "weights=": bool(model.weights),
        'method="mundlak"': model.method == "mundlak",
        "between or random time effects": model.method in ("between", "random") and tuple(model.effects) != ("entity",),
        "an intercept in first differences (write '- 1')": model.method == "first_difference" and design.formula.intercept,
        "first differences of a panel with gaps (it subtracts the row above)": model.method == "first_difference"
        and bool(design.keys.gaps),
    }  # fmt: skip
    for what, wanted in lacking.items():
        if wanted:
            raise SpecificationError(
                f"{where}: {what} is not available there, and without it this would be another model. Use the native engine, "
                "which does it."
            )
    assert isinstance(model.vcov, VCov)
    if model.vcov.kind not in ("iid", "hc0", "clustered"):
        raise SpecificationError(
            f'{where}: vcov="{model.vcov}" is not available there, and other errors would not check it. Choose "iid", "hc0" or '
            "ci.clustered(...)."
        )
    if model.vcov.kind == "clustered" and (model.vcov.convention not in ("none", "plm") or len(model.vcov.clusters) > 2):
        raise SpecificationError(
            f'{where}: its small-sample factor for clustered errors is not that of convention "{model.vcov.convention}", and it '
            'takes at most two ways. Write ci.clustered("firm", convention="none"), or use the native engine.'
        )


def _constant(model: Panel, design: Design) -> bool:
    return design.formula.intercept and model.method not in ("within", "first_difference")


def _estimator(model: Panel, outcome: Any, regressors: Any) -> Any:
    if model.method == "within":
        effects = {"entity_effects": "entity" in model.effects, "time_effects": "time" in model.effects}
        return PanelOLS(outcome, regressors, drop_absorbed=False, **effects)
    if model.method == "random":
        return RandomEffects(outcome, regressors)
    return {"pooled": PooledOLS, "between": BetweenOLS, "first_difference": FirstDifferenceOLS}[model.method](outcome, regressors)


def _covariance(model: Panel, design: Design, index: pd.MultiIndex) -> dict[str, Any]:
    vcov = model.vcov
    assert isinstance(vcov, VCov)
    own = {"small_sample": model.random_method == "swar"} if model.method == "random" else {}
    if vcov.kind == "iid":
        return {"cov_type": "unadjusted", "debiased": True, **own}
    uncounted = {"auto_df": False, "count_effects": False} if model.method == "within" else {}
    if vcov.kind == "hc0":
        return {"cov_type": "robust", "debiased": False, **uncounted, **own}
    clusters = pd.DataFrame(dict(design.clusters), index=index)
    options = {"cov_type": "clustered", "clusters": clusters, "debiased": False, "group_debias": False}
    return {**options, **uncounted, **own}


def _degrees(model: Panel, design: Design, found: Any) -> float:
    """Degrees of freedom of t by the same rule as the native engine's."""
    assert isinstance(model.vcov, VCov)
    if model.vcov.kind == "clustered" and model.vcov.convention == "none":
        return float(min(int(codes.max()) + 1 for codes in design.clusters.values()) - 1)
    return np.inf if model.method == "random" else float(found.df_resid)
