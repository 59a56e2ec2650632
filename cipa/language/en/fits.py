"""What a fit says of itself: its title, which standard errors it has, its statistics and facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cipa.language.speech import Template

SQUARES = {"gls": "generalized", "uls": "unweighted", "wls": "weighted", "dwls": "diagonally weighted"}

CASES = {
    "listwise": "complete cases",
    "fiml": "full information (FIML)",
    "fiml_x": "full information (FIML), random x",
    "pairwise": "pairwise present cases",
    "two_stage": "two stages",
    "robust_two_stage": "two stages, robust",
}

METHODS = {
    "pooled": "pooled least squares",
    "within": "within (fixed effects)",
    "between": "between",
    "random": "random effects",
    "first_difference": "first difference",
    "mundlak": "correlated random effects (Mundlak)",
}

SANDWICHES = {
    "standard": "inverse {information} information",
    "first_order": "inverse mean outer product of casewise scores",
    "robust_sem": "sandwich of expected information and the sample's fourth moments (Satorra & Bentler 1994)",
    "robust_sem.first": (
        "sandwich of expected information and the covariance of the moments that came first (Savalei & Bentler 2009)"
    ),
    "robust_huber_white": "sandwich of {information} information and casewise scores (Huber, White)",
}


def _effects(*, names: Sequence[str]) -> str:
    return f"{' and '.join(names)} effects"


def _structural(*, weight: str | None, missing: str, groups: int, levels: bool, ordered: bool) -> str:
    estimator = f"{SQUARES[weight]} least squares" if weight else "maximum likelihood"
    parts = ["Structural equation model", estimator, CASES[missing]]
    parts += [*[f"{groups} groups"] * (groups > 1), *["two levels"] * levels]
    return ", ".join([*parts, *["ordered variables"] * ordered])


def _panel(*, method: str, effects: str | None, components: str | None, instruments: bool) -> str:
    how = "within" if method == "within" and effects else METHODS[method]
    parts = ["Panel model", how, effects, components, "two-stage least squares" if instruments else None]
    return ", ".join(part for part in parts if part)


def _regression(*, method: str, instruments: bool) -> str:
    return f"Regression, {METHODS[method]}{', two-stage least squares' if instruments else ''}"


def _by_linearmodels(*, method: str) -> str:
    return f"Panel model, {METHODS[method]}, engine linearmodels"


def _sandwich(*, kind: str, information: str, clusters: int | None, weights: bool) -> str:
    summed = "" if clusters is None else f", summed over {clusters} clusters, factor G/(G - 1)"
    return f"{SANDWICHES[kind].format(information=information)}{summed}{', sampling weights' if weights else ''}"


def _least_squares(*, robust: bool, clusters: int | None, weights: bool) -> str:
    note = "sandwich of the weight matrix and the covariance of the moments" if robust else "inverse of D'WD"
    summed = "" if clusters is None else f", of scores summed over {clusters} clusters, factor G/(G - 1)"
    return f"{note}{summed}{', sampling weights' if weights else ''}"


def _clustered(*, sizes: Sequence[tuple[int, str]], convention: str) -> str:
    return f"clusters: {', '.join(f'{size} by {name}' for size, name in sizes)}; {convention}"


def _convention(*, convention: str, counted: int, ways: int) -> str:
    if convention in ("plm", "none"):
        return f'convention "{convention}": no small-sample factor'
    each = "the smallest G for all parts" if convention == "fixest" else "each part with its own G"
    several = f", {each}" if ways > 1 else ""
    return f'convention "{convention}": G/(G-1) * (n-1)/(n-K) with K = {counted}, nested effects not counted{several}'


TITLES: Mapping[str, Template] = {
    "effects": _effects,
    "title.structural": _structural,
    "title.structural.semopy": "Structural equation model, maximum likelihood, complete cases, engine semopy",
    "title.panel": _panel,
    "title.panel.linearmodels": _by_linearmodels,
    "title.regression": _regression,
}
"""Which model, by which method."""

STANDARD_ERRORS: Mapping[str, Template] = {
    "errors.sandwich": _sandwich,
    "errors.least_squares": _least_squares,
    "errors.levels.standard": "inverse {information} information of the two-level likelihood",
    "errors.levels.robust": "sandwich of {information} information and the scores of {clusters} clusters, no factor",
    "errors.iid": "homoskedastic; residual variance with {df} degrees of freedom",
    "errors.hc": "heteroskedasticity-robust",
    "errors.hc1": "heteroskedasticity-robust; factor n/(n - K) = {factor:.6g}, all effects counted",
    "errors.leverage": "heteroskedasticity-robust; leverage of the design with all dummies",
    "errors.clustered": _clustered,
    "errors.kernel": "Bartlett weights, {lags} lags, {times} times; {convention}",
    "errors.convention": _convention,
    "errors.cr2": "CR2 (Bell & McCaffrey 2002), {clusters} clusters by {column}; t with Satterthwaite's degrees of freedom",
    "errors.crv3": "jackknife over {clusters} clusters by {column}, centred at the full estimate, factor (G-1)/G; t(G-1)",
    "errors.linearmodels": "as computed by linearmodels, without small-sample factor",
}
"""How the covariance of the estimates was made."""

LABELS: Mapping[str, Template] = {
    "label.chisq": "χ²",
    "label.chisq.scaling.factor": "Scaling factor",
    "label.baseline.chisq": "Baseline χ²",
    "label.cfi": "CFI",
    "label.tli": "TLI",
    "label.nfi": "NFI",
    "label.ifi": "IFI",
    "label.rmsea": "RMSEA",
    "label.srmr": "SRMR",
    "label.gfi": "GFI (lavaan 0.6)",
    "label.agfi": "AGFI (lavaan 0.6)",
    "label.logl": "Log-likelihood",
    "label.aic": "AIC",
    "label.bic": "BIC",
    "label.bic2": "Sample-size adjusted BIC",
    "label.scaled": "{label}, scaled",
    "label.robust": "{label}, robust",
    "label.baseline": "χ² of the baseline model",
    "label.wald": "Wald test",
    "label.nobs": "Observations",
    "label.entities": "Entities ({column})",
    "label.times": "Times ({column})",
    "label.r2": "R²",
    "label.r2_adj": "Adjusted R²",
    "label.r2.included": "R², {effects} included",
    "label.r2_adj.included": "Adjusted R², {effects} included",
    "label.r2.effects": "R², effects included",
    "label.r2_within": "Within R², net of {effects}",
    "label.r2_within_adj": "Adjusted within R², net of {effects}",
    "label.r2_within.effects": "Within R², net of the effects",
    "label.r2.quasi": "R² of the quasi-demeaned outcome",
    "label.r2_adj.quasi": "Adjusted R² of the quasi-demeaned outcome",
    "label.r2_within.correlation": "Within R², squared correlation within {column}",
    "label.r2_between": "Between R², squared correlation between {column}",
    "label.r2_overall": "Overall R², squared correlation",
    "label.sigma": "Residual standard deviation",
    "label.sigma_u": "Standard deviation of the effects",
    "label.sigma_e": "Standard deviation of the idiosyncratic error",
    "label.rho": "Share of variance due to the effects",
    "label.theta": "Median share of the mean taken off (theta)",
    "label.f_slopes": "F test of all slopes",
    "label.wald_slopes": "Wald test of all slopes",
}
"""Statistics."""

FACTS: Mapping[str, Template] = {
    "fact.method": "Method",
    "fact.entity": "Entity effects",
    "fact.time": "Time effects",
    "fact.absorbed": "Also swept out",
    "fact.weights": "Weights",
    "fact.random": "random",
    "method.pooled": "pooled",
    "method.within": "within",
    "method.between": "between",
    "method.random": "random",
    "method.first_difference": "first difference",
    "method.mundlak": "mundlak",
}
"""What a family says at the foot of a table of estimates; "yes" and "no" are words of many tables."""

FITS: Mapping[str, Template] = {**TITLES, **STANDARD_ERRORS, **LABELS, **FACTS}
