"""The same panel model on resampled rows, firms or clusters.

A firm that is drawn twice counts as two firms, so that its effects and its lags stay its own (the pairs-block bootstrap of
Cameron & Miller 2015, section VI): every copy gets a key of its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from cipa.data.dataset import Dataset
from cipa.data.panel import category_codes
from cipa.errors import CipaWarning, ConvergenceError, DataError, IdentificationError, InferenceError
from cipa.language.en import EN
from cipa.models.panel.common.atoms import looks_at_another_period
from cipa.models.panel.linear.fit import PanelFit
from cipa.numerics.algebra.linalg import IntArray
from cipa.results.answers import Draws, Refit
from cipa.results.estimates import Estimates


def refit(fit: PanelFit, kind: str | None) -> Refit:
    """The model on other rows: "entity" (whole firms) of panel data, "case" of a cross-section, "cluster" of either."""
    named = fit.design.keys.named
    kind = kind or ("entity" if named else "case")
    units = _units(fit, kind)
    return Refit(kind=kind, sizes=(fit.data.nobs,), clusters=units, run=partial(_run, fit))


def _units(fit: PanelFit, kind: str) -> IntArray | None:
    """Codes (n,) of what is drawn whole; None for single rows."""
    keys, clusters = fit.design.keys, fit.model.vcov.clusters
    if kind == "case" and not keys.named:
        return None
    if kind == "entity" and keys.named:
        return category_codes(fit.data, keys.entity)[0]
    if kind == "cluster" and clusters:
        codes, _ = category_codes(fit.data, clusters[0])
        _refuse_firms_cut_apart(fit, codes, clusters[0])
        return np.where(codes < 0, codes.max() + 1, codes)  # rows without a cluster were not used, and stay together
    advice = {
        "case": 'The rows of one firm go together, and drawing them one by one breaks its lags and effects: use kind="entity".',
        "entity": 'These rows have no firms: use kind="case".',
        "cluster": 'The fit names no cluster column: give the model vcov=ci.clustered("column"), or use kind="entity".',
    }
    raise InferenceError(
        f"ci.bootstrap: kind={kind!r} is not available for this fit ({fit.title}). "
        + advice.get(kind, 'A linear panel model draws whole firms: use kind="entity" (or "cluster", "case" without panel keys).')
    )


def _refuse_firms_cut_apart(fit: PanelFit, codes: IntArray, column: str) -> None:
    """Refuse clusters that hold some rows of a firm (years), where the method looks at the firm as a whole."""
    keys, model = fit.design.keys, fit.model
    if not keys.named or not _whole_firms(fit):
        return
    firms, _ = category_codes(fit.data, keys.entity)
    known = (codes >= 0) & (firms >= 0)
    first = np.full(int(firms.max()) + 1, -1, dtype=np.intp)
    first[firms[known]] = codes[known]
    if not np.array_equal(first[firms[known]], codes[known]):
        raise InferenceError(
            f"ci.bootstrap: kind=\"cluster\" draws whole clusters by '{column}', which cut the rows of one {keys.entity} apart, "
            "and "
            f'method="{model.method}" with its effects and lags needs them together: a row drawn twice would be a second '
            f'{keys.entity} with effects of its own. Use kind="entity", or clusters that hold whole entities.'
        )


def _whole_firms(fit: PanelFit) -> bool:
    """Whether the estimates depend on which rows belong to one firm."""
    model, keys = fit.model, fit.design.keys
    parts = [part for name in model.absorb for part in name.split("^")]
    swept = "entity" in model.effects or keys.entity in parts
    return (model.method != "pooled" and (model.method != "within" or swept)) or any(
        looks_at_another_period(atom) for product in fit.design.formula.products for atom in product
    )


def _run(fit: PanelFit, draws: Sequence[list[IntArray]]) -> Draws:
    model = replace(fit.model, vcov="iid")  # no draw needs errors of its own
    size = len(fit.estimates)
    values, converged = np.full((len(draws), size), np.nan), np.zeros(len(draws), dtype=np.bool_)
    for position, (rows,) in enumerate(draws):
        found = _estimates(model.fit, _taken(fit, rows))
        if found is not None and [row.term for row in found] == [row.term for row in fit.estimates]:
            values[position], converged[position] = [row.estimate for row in found], True
    return Draws(
        values=values, chisq=np.full(len(draws), np.nan), converged=converged, admissible=np.ones(len(draws), dtype=np.bool_)
    )


def _estimates(fit_to: Callable[[Dataset], PanelFit], data: Dataset) -> Estimates | None:
    """Estimates of one draw; None where it has none, because a level or a regressor does not vary in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CipaWarning)
        try:
            return fit_to(data).estimates
        except (ConvergenceError, IdentificationError, DataError):
            return None


def _taken(fit: PanelFit, rows: IntArray) -> Dataset:
    """The rows drawn, each copy of a firm under a key of its own."""
    data: Dataset = fit.data.take(rows, action="resample", reason=EN("log.bootstrap"))
    keys = fit.design.keys
    if not keys.named:
        return data
    codes, _ = category_codes(fit.data, keys.entity)
    copies = _copies(rows)
    relabelled = codes[rows] + copies * (int(codes.max()) + 1)
    return data.with_columns({keys.entity: relabelled}).panel(entity=keys.entity, time=keys.time)


def _copies(rows: IntArray) -> IntArray:
    """How often each row (n,) was drawn before."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    lengths = np.diff(np.concatenate([starts, [len(rows)]]))
    copies = np.empty(len(rows), dtype=np.intp)
    copies[order] = np.arange(len(rows)) - np.repeat(starts, lengths)
    return copies
