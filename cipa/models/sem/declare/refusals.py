"""What a declaration cannot mean, or what is not derived for it: refused by name before any number is computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cipa.errors import IdentificationError, SpecificationError
from cipa.models.sem.cases.moments import TWO_STAGE, Sample
from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.steps.scaled import SCALED_TESTS
from cipa.models.sem.twolevel.declare import refuse_underived
from cipa.models.sem.weighted.fit import WEIGHTS
from cipa.study.syntax import Syntax

if TYPE_CHECKING:
    from cipa.models.sem.model import SEM


def check_declaration(model: SEM) -> None:
    """Refuse a model whose options or statements contradict each other, or ask for what is not derived.

    Raises
    ------
    SpecificationError
        Naming the option, or the statement with its line.
    """
    if model.parsed.levels:
        refuse_underived(model)
    _refuse_contradictions(model)
    _refuse_unavailable(model)
    _refuse_products(model.parsed)
    _refuse_misplaced(model.parsed, model.ordered_names)


def _refuse_contradictions(model: SEM) -> None:
    """Refuse errors and tests that are not derived for these data."""
    two_stage = model.missing in TWO_STAGE and not model.ordered_names
    if two_stage and (model.estimator != "ml" or model.cluster or model.sampling_weight or model.likelihood != "normal"):
        raise SpecificationError(
            f'ci.SEM: missing="{model.missing}" goes with estimator="ml" on independent, unweighted cases: its errors and its test are'
            ' corrected by themselves. Leave the other options, or use missing="fiml" with estimator="mlr".'
        )
    fourth = model.estimator in ("mlm", "mlmv", "mlmvs") or model.se == "robust_sem" or model.test in SCALED_TESTS[:3]
    if fourth and (model.missing not in ("listwise", *TWO_STAGE) or model.cluster or model.sampling_weight):
        what = f'estimator="{model.estimator}"' if model.estimator != "ml" else "robust_sem and its tests"
        raise SpecificationError(
            f'ci.SEM: {what} corrects by the fourth moments of complete, independent, unweighted cases. Use estimator="mlr", which is'
            " derived for missing values, clusters and weights."
        )
    if two_stage and (model.se in ("robust_huber_white", "first_order") or model.test == "yuan_bentler_mplus"):
        raise SpecificationError(
            f'ci.SEM: missing="{model.missing}" has no casewise scores, on which se="{model.se or model.estimator}" or that test would'
            " rest. Leave se= and test=: they are corrected for the first stage by themselves."
        )
    if (model.estimator == "mlf" or model.se == "first_order") and (model.cluster or model.sampling_weight):
        raise SpecificationError(
            'ci.SEM: first-order errors (estimator="mlf") are the inverse of what independent, unweighted cases vary by. Use'
            ' estimator="mlr", whose sandwich sums scores by cluster and takes weights.'
        )
    if model.likelihood == "wishart" and (model.estimator != "ml" or model.cluster or model.sampling_weight):
        raise SpecificationError('ci.SEM: likelihood="wishart" goes with estimator="ml". Leave likelihood="normal".')


def _refuse_unavailable(model: SEM) -> None:
    """Refuse, by name, an option that this version does not derive: better no number than a wrong one."""
    for name in ("conditional_x", "interaction", "nodes", "bounds"):
        if getattr(model, name) and not (name == "conditional_x" and model.ordered_names):
            raise SpecificationError(
                f"ci.SEM: {name}={getattr(model, name)!r} is not available in this version, and no other option stands in for it."
                " Leave it out, or fit this model with a program that has it."
            )
    allowed = ("listwise", "pairwise") if model.ordered_names else ("listwise",)
    if model.estimator_used in WEIGHTS and (model.cluster or model.sampling_weight or model.missing not in allowed):
        raise SpecificationError(
            f'ci.SEM: estimator="{model.estimator_used}" is derived here for complete, independent, unweighted cases. Use estimator="mlr" for'
            " missing values, clusters and weights."
        )
    if model.estimator_used in WEIGHTS:
        _refuse_for_least_squares(model)
    if model.ordered_names and model.estimator_used not in set(WEIGHTS) - {"gls"}:
        raise SpecificationError(
            f'ci.SEM: estimator="{model.estimator}" does not fit ordered variables. Use "wlsmv" (the default), "wlsm",'
            ' "ulsmv", "ulsm", "dwls", "uls" or "wls".'
        )


def _refuse_for_least_squares(model: SEM) -> None:
    """Least squares has no casewise likelihood: no Huber-White, first-order or observed errors, no Yuan-Bentler test."""
    wrong = {
        f'se="{model.se}"': model.se in ("robust_huber_white", "first_order"),
        'test="yuan_bentler_mplus"': model.test == "yuan_bentler_mplus",
        'information="observed"': model.information == "observed",
        "fixed_x=True": model.fixed_x is True and not model.ordered_names,
    }
    for option in (name for name, asked in wrong.items() if asked):
        raise SpecificationError(
            f'ci.SEM: {option} is not derived for least squares (estimator="{model.estimator_used}"). Robust errors are'
            ' se="robust_sem", robust tests "satorra_bentler", "mean_var_adjusted" and "scaled_shifted"; exogenous variables are random, as'
            " in lavaan."
        )


def _refuse_products(syntax: Syntax) -> None:
    """Refuse `x:z`."""
    for row in syntax.formulas:
        if ":" in row.lhs or ":" in row.rhs:
            raise syntax.refuse(
                row,
                f"The product '{row.rhs}' is not available in this version. For a product of observed variables, compute the column and name"
                " it.",
            )


def _refuse_misplaced(syntax: Syntax, ordered: Sequence[str]) -> None:
    """Refuse a variable that depends on itself, and thresholds and scales of what is not ordered."""
    latent = {row.lhs for row in syntax.formulas if row.op == "=~"}
    for row in syntax.formulas:
        if row.op in ("=~", "~") and row.lhs == row.rhs:
            raise syntax.refuse(
                row, f"'{row.lhs}' stands on both sides: no variable measures or explains itself. Remove it on one side."
            )
        if row.op == "|" and row.lhs in latent:
            raise syntax.refuse(row, f"'{row.lhs}' is a construct, which has no thresholds. Write them for its ordered items.")
        if row.op == "~*~" and (row.lhs not in ordered or row.rhs != row.lhs):
            raise syntax.refuse(
                row,
                f"'{row.lhs} ~*~ {row.rhs}' is no scale of an ordered variable. Write 'item ~*~ item', and name the item in ordered=.",
            )


def refuse_means_without_means(layout: Layout, sample: Sample) -> None:
    """Refuse a mean structure for moments that came without means."""
    if layout.means and any(
        getattr(one, "mean", 0) is None for one in (sample.data if isinstance(sample.data, tuple) else [sample.data])
    ):
        raise SpecificationError(
            "The model has means ('~1' or meanstructure=True), but SampleMoments came without mean=. Give the means, or drop them."
        )


def moment_count(layout: Layout) -> int:
    """Sample moments that the model explains: those of exogenous variables held at the sample's do not count."""
    total = 0
    for block in layout.blocks:
        p, x = len(block.observed), len(block.exogenous)
        total += p * (p + 1) // 2 - x * (x + 1) // 2 + ((p - x) if layout.means else 0)
    return total


def refuse_underidentified(npar: int, moments: int) -> None:
    """The counting rule: no more parameters than moments."""
    if npar > moments:
        raise IdentificationError(
            f"The model has {npar} free parameters for {moments} sample moments ({npar - moments} too many), so its estimates are not unique."
            " Fix or equate parameters, drop paths, or add indicators."
        )
