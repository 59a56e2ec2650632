"""What the codes of errors and notices mean, for `cipa explain CODE`."""

from __future__ import annotations

EXPLANATIONS = {
    # errors
    "CIPA": "An error that cipa raises on purpose. Its message says what is wrong, where, why it matters and what to do.",
    "SPEC": (
        "The declaration is wrong: syntax, formula, study file or option. Mend the text at the line that the message names. Exit "
        "code 2."
    ),
    "KEYWORD": (
        "A function got a keyword that it does not have. The message names the nearest one that it understands. Exit code 2."
    ),
    "ARGUMENT": "A function got an argument of another kind than it asks for (text where a list is needed, a model where a fit "
    "is), or one too few or too many. Exit code 2.",
    "DATA": "The data are wrong, or lack what the model names. Mend the file, row or column that the message names. Exit code 3.",
    "IDENT": "The model has no unique solution: different values of its parameters fit equally well. Fix or drop parameters, or "
    "give a construct a scale and enough items. Exit code 2.",
    "CONV": "The search for the estimates did not end at a maximum, so no estimate is reported. Look for items that hardly "
    "correlate, variables on very different scales, or too few cases. Exit code 1.",
    "INFER": (
        "What was asked of a fit cannot be derived from it, for example the slope of a product that the model does not have. "
        "Exit code 1."
    ),
    "PART": "An optional part is not installed. The message names the command that installs it. Exit code 4.",
    # notices about data
    "rows_dropped": "Rows that lack a value which the model needs were not used. The estimates describe the rows that remain; "
    'with many rows lost, consider missing="fiml".',
    "missing_patterns": "The model was fitted to incomplete rows by full information maximum likelihood, which is unbiased when "
    "values are missing at random given the variables of the model.",
    "em": "The saturated moments did not converge: some pair of variables is hardly ever observed together, and fit measures that"
    " compare with them are uncertain.",
    "pairwise": "Correlations of ordered variables rest on the cases that have both variables. That is unbiased when values are "
    "missing completely at random.",
    "rare_categories": "An ordered variable has three or more categories that fewer than five cases chose each. Thresholds rest "
    "on them, and standard errors come out a tenth to a fifth too small. Merge neighbouring categories.",
    "empty_cell": "Two yes-or-no items were never answered in some combination. Half a case was put there, as their tetrachoric "
    "correlation would otherwise be 1 or -1 (Savalei 2011).",
    "residuals_of_delta": "Equal residual variances of ordered variables were asked for, and with the delta parameterization "
    'they are no parameters, so that nothing was held (lavaan says nothing). Use parameterization="theta".',
    "polychoric": "A matrix of polychoric correlations is not positive definite, or a correlation is at its bound: some table of "
    "two items is nearly empty. Merge rare categories, or use more cases.",
    "reversed_item": "An item loads on its construct with another sign than the other items. Means and correlations of the "
    "construct take"
    ' it as it stands. If it is worded negatively, declare it: reversed = ["item"] in the study\'s [constructs.X], or reversed = '
    "true in the codebook.",
    "suspected_code": "A variable holds 99, 999, -9 or the like, far from all its other values: perhaps a code for a missing "
    "answer. As a number it decides means and correlations. Mark the cells as missing.",
    "units": "Variances differ by orders of magnitude. The fit is computed so that this does not matter; the numbers read better "
    "in units that are alike.",
    "near_collinear": (
        "A variable is nearly a combination of others (R² above .99). What tells them apart is estimated with large errors."
    ),
    "gaps": "Some entities skip periods. Lags and differences go by the calendar, so they are missing across a gap.",
    "gaps_not_differenced": (
        "Rows after a gap have no difference to the period before and were not used (plm would subtract the row above)."
    ),
    "scores_cancel": "Some standard errors are missing: within each cluster (or period) the scores of these estimates add up to "
    "zero, so the clusters say nothing about their error. Cluster by another column.",
    "read_as_numbers": "A column of text holds numbers and nothing else, and is used as numbers. If they are codes, write "
    "i(column) for a dummy of each.",
    "singletons": "Entities with a single row stay in the sample; entity effects fit them exactly, so they inform no slope.",
    # notices about solutions
    "heywood": "A variance is estimated negative. Standard errors and fit measures of such a solution are not trustworthy. Look "
    "at the item's loading, and at constructs with two items.",
    "weak_marker": "A construct is counted in the unit of an item that hardly loads on it: its other loadings and variance are "
    "large and uncertain, whatever they are worth. Free that item (`NA*`) and fix a better one at 1, or use `std_lv=True`.",
    "undetermined": "A parameter has no information at the estimates, such as a path of which only the square counts, estimated "
    "at 0: it has no standard error. Fix it there and compare the fits by ci.lr_test.",
    "label_is_column": "A name before a star is the label of a coefficient (`y ~ a*x`). This one is also a column of the data "
    "and is used nowhere else: a product of two variables is written `x:z`.",
    "product_column": "A product of observed variables (`x:z`) was computed case by case, not centred, and used as a column.",
    "binding": "An inequality constraint holds as an equation at the estimates. The p-value of the chi-square is approximate, "
    "because its distribution is then a mixture (Shapiro 1985).",
    "never_together": "Two variables have no two cases in common. Their covariance rests on the model alone, and the chi-square "
    "counts a moment that the data do not show. Leave one of them out, or gather cases that have both.",
    "undefined_effect": "An effect defined by ':=' has no value at the estimates: a logarithm or root of a negative number, or a "
    "division by zero. Look at the labels it is made of.",
    "latent_cov": (
        "The covariance matrix of the constructs is not positive definite: two constructs may be one, or a variance is negative."
    ),
    "implied_cov": "The implied covariance matrix of all observed variables is not positive definite, although the parts that "
    "patterns of missing values show are. Robust indices are then not defined. Too few cases have the variables together.",
    "zero_variance_component": "The variance of the random effects is estimated at zero or below and set to zero: the estimates "
    "are those of pooled least squares.",
    # notices of a second engine
    "engine_left_out": "The program that fitted this model computes some measures by other definitions, or wrongly. They were "
    "left out; the native engine has them.",
    "engine_no_test": "With observed exogenous variables semopy counts their moments as explained, so its chi-square test and "
    "the indices from it were left out. Estimates and standard errors are not touched.",
    "engine_no_scaling": (
        "The scaled test of this estimator was left out, because semopy's is broken; the chi-square is the uncorrected one."
    ),
    # notices about standard errors
    "few_clusters": "With few clusters, tests with clustered errors reject a true null too often (Cameron & Miller 2015), and so "
    "do tests of the between level of a two-level model (McNeish & Stapleton 2016). Read p-values near .05 with reserve.",
    "levels": "How many clusters a two-level model rests on, how large they are, and which share of each variable's variance "
    "lies between them (intraclass correlation, ci.icc).",
    "split_exogenous": (
        "A covariate that stands on both levels is split into two unobserved parts, so exogenous variables are random."
    ),
    "between_cov": "Unrestricted variances and covariances between clusters are not those of any variables: some variable hardly "
    "varies between clusters. The chi-square of the two-level model compares with them as they are.",
    "vcov": (
        "The standard errors were exchanged after the fit (ci.vcov); the chi-square and the fit indices are still those of the "
        "fit."
    ),
    "vcov_mended": "The covariance of the estimates was not positive semidefinite; its negative eigenvalues were set to zero.",
    "exact": "The regressors give the outcome exactly, so that standard errors and tests are rounding. The outcome may be "
    "computed from one of them: leave that one out.",
    "effect_rank": (
        "Three or more sets of effects have too many levels to count their parameters exactly; they are bounded from above."
    ),
}
"""Code -> meaning and remedy."""
