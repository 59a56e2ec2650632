"""A fit of any family: its estimates, what the family says of it, and its statistics."""

from __future__ import annotations

import math

from cipa.evidence.findings import Analysis
from cipa.language.speech import Language
from cipa.report.document import Block, Cell, Row, Table, body, columns
from cipa.report.titles import errors_note, hypotheses_by_term
from cipa.report.view import View
from cipa.results.fit import Fit
from cipa.results.questions import facts
from cipa.results.statistics import Statistic


def _estimates(analysis: Analysis, model: str, say: Language) -> list[Block]:
    """Every parameter that was estimated or defined, as the model names it."""
    fit, about = analysis.fits[model], hypotheses_by_term(analysis, model)
    shown = [row for row in fit.estimates if row.status != "fixed"]
    scaled = any(math.isfinite(row.standardized) for row in shown)
    heads = [
        (say("parameter"), "text"),
        (say("b"), "estimate"),
        (say("se"), "estimate"),
        (say("interval"), "interval"),
        (say("p"), "p"),
    ]
    heads += [(say("beta"), "unit")] * scaled + [(say("hypothesis"), "text")] * bool(about)
    rows = tuple(
        body(
            str(row.term), row.estimate, row.std_error, (row.conf_low, row.conf_high), row.p_value,
            *[row.standardized] * scaled, *[about.get(row.term, "")] * bool(about),
        )
        for row in shown
    )  # fmt: skip
    native, errors = fit.engine == "native", errors_note(say, fit)
    title = say("estimates") if native else say("estimates.engine", engine=fit.engine)
    return [
        Table(
            key=f"estimates-{model}", title=title, columns=columns(*heads), rows=rows,  # type: ignore[arg-type]
            notes=(errors if native else say("estimates.computed", engine=fit.engine, errors=errors),),
        )
    ]  # fmt: skip


def _about(analysis: Analysis, model: str, say: Language) -> list[Block]:
    """What the family says of the fit, and the statistics that its summary shows."""
    fit = analysis.fits[model]
    rows = [body(say.again(label), say.again(value), None, None) for label, value in facts(fit)]
    rows += [_statistic(say, fit.reported_statistics[name]) for name in fit.headline if name in fit.reported_statistics]
    heads = columns(("", "text"), (say("value"), "stat"), (say("df"), "stat"), (say("p"), "p"))
    return [Table(key=f"facts-{model}", title=say("about"), columns=heads, rows=tuple(rows))] if rows else []


def _statistic(say: Language, row: Statistic) -> Row:
    whole = float(row.value).is_integer() and abs(row.value) < 1e9
    degrees = None if row.df is None else Cell(row.df, "int" if float(row.df).is_integer() else "stat")
    return body(say.again(row.label) or row.name, Cell(row.value, "int" if whole else "estimate"), degrees, row.p_value)


def is_regression(fit: Fit) -> bool:
    """Whether a fit is of one outcome and regressors only, so that it can stand beside others of that outcome."""
    regressions = all(row.term.op in ("~", "~1") for row in fit.estimates)
    return fit.answers.structure is None and regressions and len({row.term.lhs for row in fit.estimates}) == 1


ESTIMATES = View(blocks=_estimates)
ABOUT = View(blocks=_about)
