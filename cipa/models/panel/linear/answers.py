"""What can be asked of a linear panel fit beyond its estimates."""

from __future__ import annotations

from typing import Any

from cipa.language.en import EN
from cipa.models.panel.linear.after.law import law_of
from cipa.models.panel.linear.after.nesting import plain_difference
from cipa.models.panel.linear.after.refit import refit
from cipa.models.panel.linear.after.rows import predict, residuals
from cipa.models.panel.linear.after.vcov import with_vcov
from cipa.models.panel.linear.fit import PanelFit
from cipa.numerics.algebra.linalg import Array, frozen
from cipa.results.answers import Answers, Cases, Spread
from cipa.results.fit import Fit


def _spread(fit: PanelFit, name: str, group: str | None = None) -> Spread:
    """Mean and standard deviation of a variable over the estimation sample."""
    values = fit.design.column(name)
    return Spread(mean=float(values.mean()), sd=float(values.std(ddof=1)), values=frozen(values))


def _scores(fit: PanelFit) -> Array:
    """Scores (m, k): the (transformed) regressors times the residuals."""
    return fit.solution.design * fit.solution.residuals[:, None]


def _headline(fit: PanelFit) -> tuple[str, ...]:
    """The statistics that a summary shows first."""
    first = ("entities", "times", "r2", "r2_within", "r2_between", "r2_overall", "f", "wald")
    return tuple(name for name in first if name in fit.statistics)


def cases(fit: PanelFit) -> Cases:
    """The rows of the estimation sample, before they were differenced or averaged."""
    return Cases(columns=fit.model.variables, labels=(None,), rows=(fit.design.rows,))


def facts(fit: Fit) -> tuple[tuple[str, str], ...]:
    """How the columns were transformed, and which effects that takes out or draws."""
    model = fit.model
    told: list[tuple[str, str]] = [(EN("fact.method"), EN(f"method.{model.method}"))]
    told += [(EN("fact.entity"), _effect(model, "entity")), (EN("fact.time"), _effect(model, "time"))]
    if model.absorb:
        told.append((EN("fact.absorbed"), ", ".join(model.absorb)))
    if model.weights:
        told.append((EN("fact.weights"), model.weights))
    return tuple(told)


def _effect(model: Any, effect: str) -> str:
    """Whether the effects of entities or times are swept out, drawn, or left in the residual."""
    if model.method == "within":
        return EN("yes" if effect in model.effects else "no")
    return EN("fact.random" if model.method in ("random", "mundlak") and effect in model.effects else "no")


ANSWERS = Answers(
    family="panel fits", instead="See docs/panel.md for what can be asked of them.", spread=_spread, scores=_scores,
    headline=_headline,
    residuals=residuals, predict=predict, refit=refit, law=law_of, difference=plain_difference, vcov=with_vcov, cases=cases,
    facts=facts,
)  # fmt: skip
