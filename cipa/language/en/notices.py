"""What notices say. The key of a notice is "notice.code", or "notice.code.variant" where one code has several sentences.

A text says what is so, where, why it matters and what to do; `cipa/explain.py` has the general meaning of each code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cipa.language.en.grammar import at_level, counted, in_group
from cipa.language.speech import Template


def _suspected_code(*, name: str, value: float, rows: int) -> str:
    return (
        f"'{name}' is {value:g} in {counted(rows, 'row')}, far from all its other values: a code for a missing answer? As a "
        "number it decides every mean and correlation. Mark these cells as missing, or name the scale in a codebook."
    )


def _rows_of_a_panel(*, lost: int, total: int, data: str, holes: Sequence[tuple[str, int]]) -> str:
    counts = ", ".join(f"{name or 'the outcome'} {count}" for name, count in holes)
    return (
        f"{lost} of {total} rows of {data} are not used, because a variable is missing"
        f"{f' (missing values: {counts})' if counts else ''}. The estimates describe the {total - lost} rows that remain."
    )


def _read_as_numbers(*, data: str, columns: Sequence[tuple[str, str]]) -> str:
    names = ", ".join(f"'{name}' ({example}, …)" for name, example in columns)
    return f"{data}: {names} holds numbers that are written as text, and only numbers; it is read as numbers."


def _label_is_column(*, names: Sequence[str]) -> str:
    first = names[0]
    which = f"{', '.join(names)} {'are' if len(names) > 1 else 'is'}"
    return (
        f"{which} written before a star, and so the label of a coefficient, which nothing else uses, although the data have such "
        f"a column: '{first}*x' is x alone. For the product of two variables write '{first}:x', with both of them beside it."
    )


def _product_column(*, names: Sequence[str]) -> str:
    products, were = ("The product", "was") if len(names) == 1 else (f"{len(names)} products", "were")
    return (
        f"{products} {', '.join(names)} of observed variables {were} computed case by case, not centred: the effect of each "
        "factor alone is that where the other is 0. Centre the variables first, or read ci.simple_slopes."
    )


def _rare_categories(*, rare: int, categories: int, name: str, few: int, group: str | None, others: int) -> str:
    more = f", and {others} more variables have such categories" if others else ""
    return (
        f"{rare} of the {categories} categories of '{name}' were chosen by fewer than {few} cases each{in_group(group)}{more}."
        " Estimates bear it, but standard errors come out a tenth to a fifth too small and tests reject too often. Merge"
        " neighbouring categories, or take variables of many categories as continuous."
    )


def _residuals_of_delta(*, names: Sequence[str]) -> str:
    return (
        f"The residual variances of the ordered variables {', '.join(names)} are not equal across the groups, although "
        'group_equal names them: with parameterization="delta" they follow from scales and loadings, so that nothing was held '
        'of them, and the model tests less than it says. Use parameterization="theta", which holds them at 1 in every group.'
    )


def _empty_cell(*, tables: int) -> str:
    return (
        f"{counted(tables, 'fourfold table')} of two items had an empty cell, which got half a case with the margins kept: those "
        "tetrachoric correlations are rough. Merge or leave out items that nobody combines."
    )


def _heywood(*, variable: str, residual: bool, group: str | None, level: str | None, estimate: float, error: float | None) -> str:
    source = ", from its loadings" if error is None else f" (SE {error:.2g})"
    return (
        f"The {'residual variance' if residual else 'variance'} of {variable}{in_group(group)}{at_level(level)} is estimated at "
        f"{estimate:.3g}{source}. Standard errors and fit indices of such a solution are not trustworthy. Look at its loading "
        "first; if its construct has two items only, fix the variance or add an item."
    )


def _undetermined(*, parameters: Sequence[str]) -> str:
    more = f" and {len(parameters) - 4} more" if len(parameters) > 4 else ""
    return (
        f"The information about {', '.join(parameters[:4])}{more} is zero at the estimates (for example of a path whose square "
        "alone counts, estimated at 0). Standard errors and z-tests of these do not exist, whatever the table prints. Fix them "
        "there and compare the fits (ci.lr_test), or write the model in what counts (the square, a variance)."
    )


def _binding(*, count: int, constraints: Sequence[str]) -> str:
    return (
        f"{count} inequality constraint{'s bind' if count > 1 else ' binds'} ({', '.join(constraints)}): the estimates stand on "
        "the bound. The p-value of the chi-square counts the bound as no constraint (as lavaan does), and is approximate; "
        "standard errors are those with the bound held as an equation."
    )


def _few_clusters(*, clusters: int, parameters: int) -> str:
    rank = (
        f" There are also {parameters} parameters, and a covariance matrix from {clusters} clusters has a rank below that: joint "
        "tests of many parameters, and the scaled chi-square, are not to be trusted."
    )
    return (
        f"The standard errors rest on {clusters} clusters. With few of them tests reject a true null too often (Cameron & Miller "
        f"2015).{rank if clusters <= parameters else ''} Read p-values near .05 with reserve, or model the clusters as groups."
    )


def _levels(*, clusters: int, group: str | None, mean: float, least: int, most: int, shares: Sequence[tuple[str, float]]) -> str:
    correlations = ", ".join(f"{name} {share:.2f}" for name, share in shares)
    sizes = f"{mean:.1f} cases each ({least} to {most})"
    return f"{clusters} clusters{in_group(group)} with {sizes}. Intraclass correlations: {correlations}."


DATA: Mapping[str, Template] = {
    "notice.rows_dropped.unplaced": (
        "{lost} of {total} cases were dropped: the {role} '{column}' is missing, first in row {first}. A case without its {role}"
        " has no place in the model: fill the column if it is known."
    ),
    "notice.rows_dropped.listwise": (
        '{lost} of {total} cases{group:in_group} were dropped: a missing value. missing="fiml" would use them.'
    ),
    "notice.rows_dropped.no_value": (
        "{lost} of {total} cases{group:in_group} were dropped: no value at all, or a missing exogenous variable."
    ),
    "notice.rows_dropped.no_value_within": (
        "{lost} of {total} cases{group:in_group} were dropped: no value within, or a missing exogenous variable."
    ),
    "notice.rows_dropped.moments": "{lost} of {total} cases{group:of_group} were dropped: a missing value.",
    "notice.rows_dropped.covariate": "{lost} of {total} cases were dropped: a covariate is missing.",
    "notice.rows_dropped.variable": "{lost} of {total} cases were dropped: a variable of the model is missing.",
    "notice.rows_dropped.panel": _rows_of_a_panel,
    "notice.missing_patterns": (
        "{share:.1%} of the cells{group:in_group} are missing, in {patterns} patterns; every pair of variables is observed "
        "together in at least {coverage:.0%} of the cases."
    ),
    "notice.missing_patterns.levels": "{share:.1%} of the cells{group:in_group} are missing, in {patterns} patterns.",
    "notice.em": (
        "The saturated moments did not converge in {steps} EM steps{group:in_group}: some pair of variables is hardly observed "
        "together."
    ),
    "notice.never_together": (
        "No two cases{group:in_group} have both {first} and {second}: their covariance rests on the model alone, and the fit "
        "measures count a moment that the data do not show."
    ),
    "notice.pairwise": (
        "{incomplete} of {total} cases are incomplete; each correlation rests on the cases that have both variables (at least"
        " {least:.0%} of all). This is unbiased when values are missing completely at random."
    ),
    "notice.rare_categories": _rare_categories,
    "notice.residuals_of_delta": _residuals_of_delta,
    "notice.empty_cell": _empty_cell,
    "notice.polychoric": (
        "The matrix of polychoric correlations{group:of_group} is not positive definite, or a correlation is at its bound: some "
        "table of two items is nearly empty. Estimates and fit measures are uncertain: merge rare categories, or use more cases."
    ),
    "notice.reversed_item": (
        "'{item}' loads on {construct} with another sign than most of its items, so it seems to be worded against them. The"
        " measurement model turns it by its loading, but it enters the mean of {construct}, and correlations of that mean, as it"
        ' stands. If it is worded negatively, declare reversed = ["{item}"] in [constructs.{construct}], or reversed = true in'
        " the codebook."
    ),
    "notice.suspected_code": _suspected_code,
    "notice.units": (
        "The variances of {large} ({largest:.3g}) and {small} ({smallest:.3g}) differ by a factor of "
        "{ratio:.0e}{group:in_group}. Estimates and standard errors are right in these units, but very large and very small "
        "numbers read badly: divide {large} by a power of ten."
    ),
    "notice.near_collinear": (
        "{variable} is nearly determined by the other variables{group:in_group} (R² = {share:.4f}; its correlation with "
        "{nearest} is {correlation:.3f}). Estimates that tell such variables apart are uncertain: look whether one was computed "
        "from the other, or leave one out."
    ),
    "notice.label_is_column": _label_is_column,
    "notice.product_column": _product_column,
    "notice.read_as_numbers": _read_as_numbers,
    "notice.singletons": (
        "{singletons} of {entities} entities have one row only. They stay in the sample (as plm and fixest do by default); entity"
        " effects fit them exactly, so they inform no slope there."
    ),
    "notice.gaps": (
        "In {places} places the next row of an entity is more than one period later. Lags and differences are taken by the"
        " calendar, so they are missing across such a gap."
    ),
    "notice.gaps_not_differenced": (
        "{rows} rows follow a gap in time and have no difference to the period before; they are not used. (plm would subtract the"
        " row above, whatever its year.)"
    ),
    "notice.levels": _levels,
    "notice.split_exogenous": (
        "An exogenous variable stands on both levels: its two parts are not observed, so all exogenous variables are random, and "
        "their moments are estimated and counted in npar and the log-likelihood."
    ),
}
"""What the numbers rest on."""

SOLUTIONS: Mapping[str, Template] = {
    "notice.heywood": _heywood,
    "notice.weak_marker": (
        "The marker of {construct}{group:in_group}{level:at_level}, {item}, hardly loads on it (standardized {loading:.2g}), and"
        " all of the construct's estimates are counted in its unit: the loading of {other} is {estimate:.3g} (SE {error:.2g}). "
        "Their errors and tests tell of {item}, not of them. Set the scale otherwise: {construct} =~ NA*{item} + 1*{other} + ...,"
        " or std_lv=True."
    ),
    "notice.undetermined": _undetermined,
    "notice.latent_cov": (
        "The covariance matrix of the latent variables is not positive definite{group:in_group}{level:at_level} (smallest "
        "eigenvalue {smallest:.2g}): some correlation among {variables:commas} exceeds what is possible. Constructs that are not "
        "distinct cannot be separated: merge them, or look at their cross-loadings."
    ),
    "notice.implied_cov": (
        "The implied covariance matrix of the observed variables is not positive definite{group:in_group}, although that of each "
        "pattern of missing values is: the model fits a relation that no complete case can have. Too few cases have the "
        "variables together: drop the emptiest, or simplify the model."
    ),
    "notice.between_cov.bound": (
        "The unrestricted covariance matrix between clusters{group:in_group} was held at the bound of what is possible: some "
        "variable hardly varies between clusters, or clusters are few. The chi-square compares with this matrix, and is "
        "approximate. Consider that variable at the within level only."
    ),
    "notice.between_cov.indefinite": (
        "The unrestricted covariance matrix between clusters{group:in_group} is not positive definite: some variable hardly "
        "varies between clusters, or clusters are few. The chi-square compares with this matrix, and is approximate. Consider "
        "that variable at the within level only."
    ),
    "notice.binding": _binding,
    "notice.undefined_effect": (
        "The defined effect {effect} := {formula} is {value} at the estimates: a logarithm or root of a negative number, or a "
        "division by zero. It is reported without a value: look at the labels it is made of."
    ),
    "notice.zero_variance_component": (
        "The variance of the random effects is estimated at {estimate:.4g} and set to 0: the estimates are those of pooled least"
        " squares. The effects may be absent, or the between regression fits better than the within regression."
    ),
}
"""Whether the estimates can be read as they are."""

ERRORS: Mapping[str, Template] = {
    "notice.few_clusters.errors": _few_clusters,
    "notice.few_clusters.clustered": (
        "There are only {clusters} clusters by {column}. With fewer than {enough}, tests with clustered errors reject a true "
        "null too often; read p-values near 0.05 with reserve and add a wild cluster bootstrap."
    ),
    "notice.few_clusters.between": (
        "{clusters} clusters{group:in_group} are few: standard errors of the between level tend to be too small, and tests "
        "reject too often, below about {enough}. Read p-values near .05 with reserve."
    ),
    "notice.few_clusters.parameters": (
        "{clusters} clusters{group:in_group} for {parameters} parameters of the between level: more parameters than independent "
        "units. Their standard errors and the tests are not trustworthy. Simplify the between level, or correct single-level "
        "errors by cluster= alone."
    ),
    "notice.scores_cancel": (
        'With vcov="{vcov}" the scores of each group add up to zero (dummies or effects fit the groups exactly, or two periods '
        "of a within model mirror each other), so the groups say nothing about the error of {gone} of {total} estimates; it is "
        "shown as missing. Cluster by another column for these."
    ),
    "notice.vcov": (
        "The covariance was exchanged after the fit (ci.vcov): the chi-square and the fit indices are those of the fit, not of "
        "these errors."
    ),
    "notice.vcov_mended": (
        "The covariance of the estimates was not positive semidefinite (it subtracts one matrix from others, with few groups); "
        "its negative eigenvalues were set to zero, as Cameron, Gelbach & Miller (2011) advise. Compare with one-way clustering "
        "by the column with the fewest groups."
    ),
    "notice.exact": (
        "The regressors give the outcome exactly: what is left over is rounding, and so are standard errors, tests and the "
        "log-likelihood. The outcome may be computed from a regressor, or be one under another name: leave that one out."
    ),
    "notice.effect_rank": (
        "The {sets} sets of effects have too many levels to count their parameters exactly. They are taken as {rank}, which is "
        "no less than their number, so that iid errors may be slightly too large."
    ),
}
"""What standard errors rest on."""

ENGINES: Mapping[str, Template] = {
    "notice.engine_left_out": (
        "engine semopy: left out, because it computes them by other definitions or wrongly: RMSEA, GFI, AGFI, AIC, BIC, the "
        "log-likelihood, standardized estimates and residuals, R². Use the native engine for them."
    ),
    "notice.engine_no_test": (
        "engine semopy: chi-square, its degrees of freedom, CFI, TLI and NFI are left out too: with observed exogenous variables "
        "({names:commas}) semopy counts their moments as explained. Estimates and standard errors are not touched by that."
    ),
    "notice.engine_no_scaling": "engine semopy: the scaled test is left out; chi-square is the uncorrected one.",
}
"""What a second engine does not give."""

NOTICES: Mapping[str, Template] = {**DATA, **SOLUTIONS, **ERRORS, **ENGINES}
