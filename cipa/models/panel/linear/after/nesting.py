"""Whether one panel model is a restriction of another, by the columns that both are fitted to.

Least squares has a normal likelihood; a likelihood ratio compares two of them when the columns of the restricted model (its
regressors, constant and effects) lie in the span of those of the general one. That is verified row by row, whatever the names.
"""

from __future__ import annotations

import numpy as np

from cipa.errors import InferenceError
from cipa.models.panel.linear.fit import PanelFit
from cipa.numerics.algebra.linalg import Array
from cipa.numerics.panel.absorb import absorb
from cipa.numerics.panel.span import Effect, nested

INSIDE = 1e-6
"""Length of what the general model leaves of a column, relative to the column, that is rounding."""

WRITTEN_OUT = 500
"""Levels of a restricted model's effect up to which its dummies are written out, where no effect of the general one holds it."""


def plain_difference(restricted: PanelFit, general: PanelFit, df: float, method: str) -> tuple[float, float]:
    """(1, 0), as the difference of two likelihoods of least squares needs no scaling, where it is one of nested models.

    Raises
    ------
    InferenceError
        Where the likelihoods do not compare, and for a scaled test.
    """
    if method not in ("default", "none"):
        raise InferenceError(
            f'ci.lr_test(method="{method}") is a correction of tests of moments, which a regression does not have. Leave '
            "method= out, or use ci.wald_test, which takes robust errors."
        )
    _refuse_other_samples(restricted, general)
    outside = _outside(restricted, general)
    if outside:
        raise InferenceError(
            f"ci.lr_test: {outside} of the smaller model is not a combination of what the larger one holds, so it is no "
            "restriction of it. Add it to the larger model, or compare by AIC or BIC."
        )
    return 1.0, 0.0


def _refuse_other_samples(restricted: PanelFit, general: PanelFit) -> None:
    """Refuse fits without a likelihood, and likelihoods of different outcomes or of rows that are weighed differently."""
    for fit in (restricted, general):
        if not np.isfinite(fit.loglik):
            raise InferenceError(
                f"ci.lr_test: '{fit.title}' has no likelihood of its rows, as pooled and within models without instruments "
                "have. Use ci.wald_test of the coefficients that the smaller model leaves out."
            )
    first, second = restricted.design, general.design
    if first.response_name != second.response_name or not np.array_equal(first.response, second.response):
        raise InferenceError(
            f"ci.lr_test: the outcomes differ ({first.response_name} and {second.response_name}, or their rows), and "
            "likelihoods of different outcomes are in different units. Fit both models to the same outcome in the same rows."
        )
    one, other = (np.ones(fit.nobs) if fit.weights is None else fit.weights for fit in (first, second))
    if not np.array_equal(one, other):
        raise InferenceError(
            "ci.lr_test: the rows are weighed differently, so that the likelihoods are of different samples. Use the same "
            "weights= in both models."
        )


def _outside(restricted: PanelFit, general: PanelFit) -> str:
    """The name of a column or effect that the general model does not hold, "" where it holds all."""
    held = general.transformed.rows.effects
    loose = [effect for effect in restricted.transformed.rows.effects if not any(nested(other, effect.codes) for other in held)]
    if any(effect.levels > WRITTEN_OUT for effect in loose):
        return "an effect"
    columns = [restricted.design.regressors, *(_dummies(effect) for effect in loose)]
    names = [f"'{name}'" for name in restricted.design.names] + ["an effect"] * sum(effect.levels for effect in loose)
    if restricted.transformed.constant.any():
        columns, names = [np.ones((restricted.design.nobs, 1)), *columns], ["the constant", *names]
    before = np.hstack(columns)
    left = absorb(before, held, weights=general.design.weights, ranked=False).values
    root = 1.0 if general.transformed.root_weights is None else general.transformed.root_weights[:, None]
    X = general.solution.design
    left = left * root
    left = left - X @ (general.solution.bread @ (X.T @ left))
    gone = np.sqrt((left**2).sum(axis=0)) <= INSIDE * np.sqrt(((before * root) ** 2).sum(axis=0))
    return "" if gone.all() else names[int(np.flatnonzero(~gone)[0])]


def _dummies(effect: Effect) -> Array:
    found = np.zeros((len(effect.codes), effect.levels))
    found[np.arange(len(effect.codes)), effect.codes] = 1.0
    return found
