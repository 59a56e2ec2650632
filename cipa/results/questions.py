"""What any fit can be asked: one function a question, which refuses in the same words where the family has no answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from cipa.errors import InferenceError, did_you_mean
from cipa.results.answers import Cases, Refit, Spread, Structure
from cipa.results.estimates import Estimates
from cipa.results.fit import Fit
from cipa.terms import Term

T = TypeVar("T")


def asked(fit: Fit, answer: Callable[..., T] | None, what: str) -> Callable[..., T]:
    """The answer; refuses where there is none.

    Raises
    ------
    InferenceError
        Naming what was asked, the family, and what to do instead.
    """
    return refused(fit, what) if answer is None else answer


def refused(fit: Fit, what: str) -> NoReturn:
    """Refuse what was asked: naming it, the family, and what to do instead."""
    raise InferenceError(f"{what} is not derived for {fit.answers.family}: {fit.title or fit.kind}. {fit.answers.instead}")


def refuse_group(group: str, labels: Sequence[str | None]) -> None:
    """Refuse a group that a fit does not have."""
    known = [label for label in labels if label is not None]
    if group not in known:
        has = f"Name one of {', '.join(known)}" if known else "It has one sample: leave group= out"
        raise InferenceError(
            f"This fit has no group '{group}', and another one would answer another question.{did_you_mean(group, known)} {has}."
        )


def spread(fit: Fit, name: str, group: str | None = None) -> Spread:
    """How a variable of the model varies in the estimation sample, or in one of its groups (in the first without `group`)."""
    return asked(fit, fit.answers.spread, f"How '{name}' varies")(fit, name, group)


def refit(fit: Fit, kind: str | None, what: str) -> Refit:
    """The model on other cases, for the bootstrap of one kind."""
    return asked(fit, fit.answers.refit, what)(fit, kind)


def law(fit: Fit, params: Mapping[Any, float] | None, nobs: Any, what: str) -> Any:
    """The estimates as a population to draw from."""
    return asked(fit, fit.answers.law, what)(fit, params, nobs)


def release(fit: Fit, what: str) -> list[tuple[Term, float, float, float]]:
    """(term, chi-square, expected parting) of freeing each parameter that a constraint holds."""
    return asked(fit, fit.answers.release, what)(fit)


def difference(restricted: Fit, general: Fit, df: float, method: str) -> tuple[float, float]:
    """(scale, shift) that turn the difference of two chi-squares into a scaled difference test."""
    for fit in (restricted, general):
        asked(fit, fit.answers.difference, f'ci.lr_test(method="{method}")')
    return asked(general, general.answers.difference, "ci.lr_test")(restricted, general, df, method)


def structure(fit: Fit, what: str) -> Structure:
    """Constructs, observed variables and their covariances."""
    return asked(fit, fit.answers.structure, what)(fit)


def standardized(fit: Fit, what: str) -> Estimates:
    """The completely standardized solution, with standard errors of its own."""
    return asked(fit, fit.answers.standardized, what)(fit)


def cases(fit: Fit) -> Cases | None:
    """Which columns and rows of its data a fit used; None where a family does not say, or was given moments."""
    return None if fit.answers.cases is None else fit.answers.cases(fit)


def facts(fit: Fit) -> tuple[tuple[str, str], ...]:
    """Rows such as ("Firm effects", "yes") of a table of estimates; () where a family has none."""
    return () if fit.answers.facts is None else fit.answers.facts(fit)
