"""The words of a model's options, and what they come to: which information, standard errors and test a fit reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LAVAAN_WORDS: Mapping[str, Mapping[str, str]] = {
    "missing": {"ml": "fiml", "direct": "fiml", "ml.x": "fiml_x", "two.step": "two_stage", "twostage": "two_stage"},
    "test": {"sb": "satorra_bentler", "satterthwaite": "mean_var_adjusted"},
}
"""lavaan's words that are ours by another name; those that differ in dots and case only are understood everywhere."""

MISSING = ("listwise", "fiml", "fiml_x", "two_stage", "robust_two_stage", "pairwise")


UNRESTRICTED_FIRST = ("two_stage", "robust_two_stage")


TWO_STAGE = (*UNRESTRICTED_FIRST, "pairwise")
"""Ways of missing values in which moments come first, with a covariance of their own, and the model is fitted to them."""


SCALED_TESTS = ("satorra_bentler", "mean_var_adjusted", "scaled_shifted", "yuan_bentler", "yuan_bentler_mplus")


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


ESTIMATORS = {
    "ml": ("standard", "standard", ""),
    "mlm": ("robust_sem", "satorra_bentler", "expected"),
    "mlmv": ("robust_sem", "scaled_shifted", "expected"),
    "mlmvs": ("robust_sem", "mean_var_adjusted", "expected"),
    "mlr": ("robust_huber_white", "yuan_bentler_mplus", "observed"),
    "mlf": ("first_order", "standard", ""),
    "gls": ("standard", "standard", "expected"),
    "uls": ("standard", "standard", "expected"),
    "ulsm": ("robust_sem", "satorra_bentler", "expected"),
    "ulsmv": ("robust_sem", "scaled_shifted", "expected"),
    "wls": ("standard", "standard", "expected"),
    "dwls": ("standard", "standard", "expected"),
    "wlsm": ("robust_sem", "satorra_bentler", "expected"),
    "wlsmv": ("robust_sem", "scaled_shifted", "expected"),
}
"""Estimator -> standard errors, test, and information ("" is the default for the data)."""


ERRORS = ("standard", "first_order", "robust_sem", "robust_huber_white")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Which information, standard errors and test a fit reports."""

    information: str
    se: str
    test: str
    estimator: str = "ml"

    @property
    def linear(self) -> bool:
        """Whether A0 of the Yuan-Bentler test leaves out second derivatives of the moments: "ml" with clusters, as lavaan 0.6."""
        return self.estimator == "ml"


def recipe(estimator: str, *, se: str | None, test: str | None, information: str | None, complete: bool, design: bool) -> Recipe:
    """What an estimator means for these data.

    Parameters
    ----------
    design : bool
        Whether there are clusters or sampling weights, with which only the sandwich is right (ML becomes MLR, as in lavaan).
    """
    own_se, own_test, own_information = ESTIMATORS["mlr" if design and estimator == "ml" else estimator]
    se = {"robust": own_se if own_se.startswith("robust") else "robust_huber_white"}.get(se or "", se) or own_se
    observed = se == "robust_huber_white" or not complete
    chosen = information or own_information or ("observed" if observed else "expected")
    return Recipe(information=chosen, se=se, test=test or own_test, estimator=estimator)
