"""What a report says around numbers: titles, heads, notes, sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cipa.language.en.grammar import counted, listed
from cipa.language.speech import Template
from cipa.language.words import per_cent, unit


def _verdicts(*, hypotheses: int, several: bool, counts: Sequence[tuple[str, int]]) -> str:
    parts = [f"{count} {'is' if count == 1 else 'are'} {word}" for word, count in counts]
    each = " (a hypothesis has a verdict in each model, group and level that holds it)" if several else ""
    return f"The study declares {counted(hypotheses, 'hypothesis')}{each}: {listed(parts)}."


def _rows_read(*, source: str, read: int, dropped: int) -> str:
    excluded = f"{dropped} of them ({per_cent(dropped / read)}) excluded by the screening rules" if dropped else "none excluded"
    return f"Source {source}: {read} rows read, {excluded}."


def _fit(*, test: str, indices: Sequence[tuple[str, str, float]], low: float | None, high: float | None, srmr: float) -> str:
    interval = "" if low is None or high is None else f" (90% interval {unit(low)} to {unit(high)})"
    sizes = ", ".join(f"{form} {label} = {unit(value)}".lstrip() for form, label, value in indices)
    return f"{test}; {sizes}{interval}, SRMR = {unit(srmr)}."


def _region(*, effect: str, moderator: str, word: str, low: str, high: str, share: float) -> str:
    if word in ("everywhere", "nowhere"):
        return (
            f"Johnson-Neyman: the effect {effect} differs from 0 at {'every value' if word == 'everywhere' else 'no value'} of "
            f"{moderator}."
        )
    return (
        f"Johnson-Neyman: the effect {effect} differs from 0 (pointwise 95% tests) where {moderator} lies {word} {low} to"
        f" {high}; {per_cent(share)} of the sample lie there."
    )


REPORT: Mapping[str, Template] = {
    # The frame
    "untitled": "Untitled study",
    "table": "Table",
    "figure": "Figure",
    "note": "Note.",
    "contents": "Contents",
    "summary": "Summary",
    "data": "Data",
    "regressions": "Regressions",
    "further": "Further evidence",
    "agreement": "Agreement of two programs",
    "notices": "Notices",
    "reproduce": "How to reproduce",
    # What stands in many tables
    "in_group": ", group {group}",
    "in_level": ", level {level}",
    "group": "Group {group}",
    "b": "b",
    "beta": "β",
    "se": "SE",
    "p": "p",
    "interval": "95% interval",
    "hypothesis": "Hypothesis",
    "construct": "Construct",
    "model": "Model",
    "parameter": "Parameter",
    "value": "Value",
    "df": "df",
    "yes": "yes",
    "no": "no",
    "errors": "Standard errors: {kind}. p-values are two-sided.",
    # Verdicts
    "verdicts": "Hypotheses and verdicts",
    "verdicts.sentence": _verdicts,
    "verdict": "Verdict",
    "verdict.supported": "supported",
    "verdict.contrary": "contrary",
    "verdict.not supported": "not supported",
    "verdict.inconclusive": "inconclusive",
    "verdict.not tested": "not tested",
    "verdicts.waiting": "Not tested",
    "verdicts.note": (
        "Supported: the interval excludes 0 on the side claimed; contrary: on the other side; not supported: it covers 0 and "
        "excludes a standardized effect of {smallest:g}; inconclusive: it covers both. p-values are two-sided."
    ),
    "verdicts.indirect": (
        "Indirect effects: Monte Carlo intervals ({draws:,} draws, seed {seed}). A product of coefficients is a causal effect"
        " only under assumptions that these data cannot show."
    ),
    # Data
    "sample": "The samples, and what was dropped",
    "sample.sentence": _rows_read,
    "sample.source": "Source {source}",
    "sample.source.named": "Source {source} ({data})",
    "sample.step": "Step",
    "sample.what": "What was done",
    "sample.dropped": "Dropped",
    "sample.left": "Rows left",
    "sample.used": "used by model {model}",
    "sample.note": (
        "Rows that a model does not use lack a value that it needs, or became differences or means; see the notices of the model."
    ),
    "step.read": "Rows read",
    "step.screen": "Screening",
    "step.reverse": "Recoding",
    "step.used": "Estimation sample",
    "descriptives": "Descriptive statistics and correlations, {data}{group}",
    "descriptives.variable": "Variable",
    "descriptives.n": "N",
    "descriptives.mean": "M",
    "descriptives.sd": "SD",
    "descriptives.of": "The cases that {model} used.",
    "descriptives.note": "Correlations over the cases that have both variables.",
    "descriptives.ave": (
        "Constructs: mean of the items that a case answered; diagonal: square root of the average variance extracted."
    ),
    # Structural equation models
    "introduction": "{title}. N = {nobs}, {npar} free parameters, {data}.",
    "fit.saturated": "The model is saturated: it reproduces the sample moments exactly, and its fit cannot be tested.",
    "fit.sentence": _fit,
    "fit.test": "{chisq}, {p:equals_p}",
    "fit.scaled": "Scaled {chisq}, {p:equals_p} (scaling factor {factor:unit}; unscaled {plain})",
    "loadings": "Measurement model: loadings",
    "loadings.item": "Construct and item",
    "loadings.wording": "Wording",
    "loadings.reversed": "{wording} (reversed)",
    "loadings.lambda": "λ",
    "loadings.interval": "95% interval of\N{NO-BREAK SPACE}λ",
    "loadings.note": (
        "b: loading in the units of the items, 1 where it sets the construct's scale; λ: completely standardized loading, with "
        "its own standard error (delta method)."
    ),
    "reliability": "Reliability and convergent validity",
    "reliability.items": "Items",
    "reliability.alpha": "α",
    "reliability.omega": "ω",
    "reliability.alpha_ordinal": "ordinal α",
    "reliability.omega_ordinal": "ordinal ω",
    "reliability.cr": "CR",
    "reliability.ave": "AVE",
    "htmt.note": "Values above .85 (.90 for neighbouring constructs) would question that two constructs are distinct.",
    "paths": "Structural model",
    "paths.path": "Path",
    "paths.defined": "Defined effects",
    "paths.note": "b: unstandardized; β: completely standardized. {errors}",
    "diagram": "Path diagram",
    "diagram.alt": "Path diagram. {panels}",
    "diagram.panel": "{paths}.",
    "diagram.panel.group": "Group {group}: {paths}.",
    "diagram.path": "{cause} to {outcome} {value:unit}",
    "diagram.note": (
        "Completely standardized estimates; dashed: p ≥ .05. Ellipses are constructs, boxes observed variables; R² stands in "
        "dependent ones. Not drawn: variances, covariances of exogenous variables, and of items' residuals."
    ),
    "diagram.note.measurement": (
        "Completely standardized estimates; dashed: p ≥ .05. Ellipses are constructs, boxes observed variables; R² stands in "
        "dependent ones. Not drawn: variances, covariances of items' residuals."
    ),
    "diagram.hidden": "The {count} items are in the table of loadings.",
    # Regressions
    "regressions.of": "Models of {outcome}",
    "regressions.note": "Standard errors in parentheses, exact two-sided p-values below them in brackets.",
    "regressions.errors": "Standard errors of {models:listed}: {kind}.",
    "regressions.intercept": "Intercept",
    "regressions.dummies": "Dummies of {column}",
    "statistic.nobs": "Observations",
    "statistic.entities": "Entities",
    "statistic.r2": "R²",
    "statistic.r2_within": "Within R²",
    # Moderation
    "slopes": "{effect} at values of {moderator}",
    "slopes.at": "SDs from mean",
    "slopes.effect": "Effect",
    "slopes.region": _region,
    "slopes.figure": "Effect of {cause} on {outcome} by {moderator}",
    "slopes.alt": "Lines with slopes {slopes} at {moderator} = {values}.",
    "slopes.change": "Change in {outcome}",
    "slopes.line": "{value:decimal} ({at:signed} SD)",
    "slopes.key": "{moderator}:",
    "slopes.note": (
        "Change from the outcome at the mean of the cause; bands: pointwise 95% intervals of the slope; range: 1st to 99th "
        "percentile."
    ),
    # Any fit
    "estimates": "Estimates",
    "estimates.engine": "Estimates by {engine}",
    "estimates.computed": "Computed by {engine}. {errors}",
    "about": "About the fit",
    # Agreement
    "agreement.parameters": "Parameters",
    "agreement.estimates": "Estimates, in SEs",
    "agreement.errors": "Standard errors, relative",
    "agreement.statistics": "Statistics",
    "agreement.relative": "Statistics, relative",
    "agreement.none": "none compared",
    "agreement.refused": "{model}: No cross-check was possible. {reason}",
    "agreement.scope": (
        "Largest differences. Both programs were given the data and the list of parameters that cipa read, so an error in "
        "reading or in completing the model would be common to both."
    ),
    # Notices
    "failed": "The model {model} could not be fitted. {reason}",
    "refused": "{model}{group}: there is no table of {exhibit}. {reason}",
    "notice": "{models:listed}: {text}",
    # Reproduction
    "versions": "Versions, seed and data",
    "versions.what": "What",
    "versions.of": "Version of {package}",
    "versions.seed": "Seed",
    "versions.data": "Data {source}: SHA-256",
    "versions.note": "The digest is of the data as the models saw them, first 32 characters; all of it is in results.json.",
    "reproduce.how": (
        "Save the study below as study.toml in a folder of its own and run “cipa run” on that folder. With the same versions,"
        " data and seed, every file of this report comes out byte for byte."
    ),
}
