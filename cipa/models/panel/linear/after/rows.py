"""What a linear panel fit says about rows: residuals, predictions, and the estimated effects of firms and years.

    outcome = X b + effects + residual,    fitted = X b + effects

Only a within model estimates effects; random effects are part of the residual, as in Stata's `predict, ue`. A between model has a
row for each entity, a first difference one for each change. Weights do not scale these residuals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cipa.data.checks import require
from cipa.data.dataset import Dataset, as_dataset
from cipa.data.panel import PanelKeys, category_codes
from cipa.data.values import level_names, plain_label, plain_labels
from cipa.errors import ConvergenceError, InferenceError, one_of, public
from cipa.language.en import EN
from cipa.models.panel.linear.fit import PanelFit
from cipa.models.panel.linear.statistics import linear_index, swept_levels
from cipa.models.panel.linear.transform import CONSTANT, with_entity_means
from cipa.numerics.algebra.linalg import Array, IntArray
from cipa.results.display import ResultTable


def predict(fit: PanelFit, data: Any = None) -> ResultTable:
    """Fitted values of the rows of the fit, or the outcome expected for others (see `ci.predict`)."""
    if data is None:
        table = residual_table(fit)
        columns = {name: values for name, values in table.columns.items() if name not in ("observed", "residual")}
        return ResultTable(title=EN("table.fitted", title=fit.title), columns=columns)
    if fit.model.method == "first_difference":
        raise InferenceError(
            'ci.predict: method="first_difference" estimates changes, and a change does not say from which level it starts. '
            'Predict the rows of the fit, ci.predict(fit), or use method="within".'
        )
    dataset = as_dataset(data, columns=_needed(fit))
    require(_needed(fit), present=dataset.columns, name=dataset.name)
    X, keys = fit.design.regressors_in(dataset)
    slopes = dict(zip(fit.transformed.names, fit.params, strict=True))
    index = X @ np.array([slopes[name] for name in fit.design.names]) + slopes.get(CONSTANT, 0.0)
    added = _added(fit, dataset)
    lost, unseen = int(np.isnan(index).sum()), int(np.isnan(added).sum())
    notes = (
        *((EN("table.predictions.regressor", rows=lost),) if lost else ()),
        *((EN("table.predictions.effect", rows=unseen),) if unseen else ()),
    )
    return ResultTable(
        title=EN("table.predictions", title=fit.title),
        columns={**_key_columns(keys, np.arange(dataset.nobs)), "fitted": tuple((index + added).tolist())},
        notes=notes,
    )


@public
def fixed_effects(fit: PanelFit) -> ResultTable:
    """The estimated effects of a within model, level by level.

    Parameters
    ----------
    fit : PanelFit
        Of method "within".

    Returns
    -------
    ResultTable
        effect, level, estimate, reference. The first effect holds the constant; of every further one the first level (of each
        connected part of the panel) is the reference, 0 by definition, as in fixest's `fixef`. Outcome = X b + the effects +
        residual, verified. Three sets of effects that overlap further (years beside regions by year) leave more constants open; a
        note counts them. An effect of a firm with T rows has the noise of a mean of T residuals: read them together, not one by
        one.

    Raises
    ------
    InferenceError
        When the fit has no such effects.
    ConvergenceError
        When the levels are connected too weakly for the effects to add up.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.Panel("inv ~ value + capital", effects=("entity", "time")).fit(ci.datasets.load("grunfeld"))
    >>> table = ci.fixed_effects(fit).to_frame()
    >>> table.groupby("effect", sort=False)["reference"].sum().to_dict()
    {'firm': 0, 'year': 1}
    """
    _refuse_others(fit, "ci.fixed_effects")
    if fit.model.method != "within":
        raise InferenceError(
            f'ci.fixed_effects: method="{fit.model.method}" estimates no effects of entities or times by level. Fit the model '
            'with method="within"; for the variance of random effects look at fit.statistics["sigma_u"].'
        )
    levels, names = _levels(fit), _effect_names(fit)
    rows: list[tuple[Any, ...]] = []
    for values, references, (name, labels) in zip(levels.values, levels.references, names.items(), strict=True):
        rows += zip([name] * len(values), labels, values.tolist(), references.tolist(), strict=True)
    columns = {head: tuple(row[k] for row in rows) for k, head in enumerate(("effect", "level", "estimate", "reference"))}
    first, *others = names
    notes = [EN("table.effects.reference", first=first, others=tuple(others))]
    free = len(rows) - sum(columns["reference"]) - fit.transformed.rows.effect_rank
    if free > 0:  # three sets and more, whose levels are unions of one another's or are not connected
        notes.append(EN("table.effects.not_apart", free=free, names=tuple(names)))
    return ResultTable(title=EN("table.effects", title=fit.title), columns=columns, notes=tuple(notes))


def residuals(fit: PanelFit, kind: str | None) -> ResultTable:
    """The table of `ci.residuals`."""
    one_of("raw" if kind is None else kind, ("raw",), what="kind", where="ci.residuals of a panel fit")
    return residual_table(fit)


def residual_table(fit: PanelFit) -> ResultTable:
    """Observed, fitted and residual of each row of the regression: entity, time (or row), observed, fitted, residual."""
    design, found, method = fit.design, fit.transformed, fit.model.method
    rows = design.rows if found.source is None else design.rows[found.source]
    if method in ("between", "first_difference"):
        observed, residual = found.y, fit.solution.residuals
    elif method in ("random", "mundlak"):
        observed = design.response
        residual = observed - linear_index(fit.model, design, found, fit.params)
    else:
        observed = design.response
        residual = fit.solution.residuals / (1.0 if found.root_weights is None else found.root_weights)
    keys = _key_columns(found.keys, rows)
    if found.averaged is not None:  # a mean over time has no time, and one over entities no entity
        keys["entity" if tuple(fit.model.effects) == ("time",) else "time"] = (None,) * len(observed)
    parts = {"observed": observed, "fitted": observed - residual, "residual": residual}
    columns = {**keys, **{name: tuple(values.tolist()) for name, values in parts.items()}}
    return ResultTable(title=EN("table.row_residuals", title=fit.title), columns=columns)


def _refuse_others(fit: Any, where: str) -> None:
    if not isinstance(fit, PanelFit):
        raise InferenceError(
            f"{where}: {type(fit).__name__} is no fit of a linear panel model by the native engine, and other fits keep nothing "
            "to answer from. Fit a ci.Panel or ci.OLS without another engine."
        )


def _key_columns(keys: PanelKeys, rows: IntArray) -> dict[str, tuple[Any, ...]]:
    """Entity and time of each row, or its number in the data (from 1) for a cross-section."""
    if not keys.named:
        return {"row": tuple((rows + 1).tolist())}
    entities, times = plain_labels(keys.entity_labels), plain_labels(keys.time_labels)
    return {"entity": tuple(entities[code] for code in keys.entities), "time": tuple(times[code] for code in keys.times)}


def _parts(fit: PanelFit) -> dict[str, tuple[str, ...]]:
    """The effects that were swept out and the columns that each is made of."""
    keys, effects = fit.design.keys, fit.model.effects
    named = {"entity": keys.entity, "time": keys.time}
    parts = {named[word]: (named[word],) for word in ("entity", "time") if word in effects}
    return parts | {name: tuple(name.split("^")) for name in fit.design.absorbed}


def _levels(fit: PanelFit) -> Any:
    levels = swept_levels(fit.model, fit.design, fit.transformed, fit.solution)
    if not levels.verified:
        raise ConvergenceError(
            f"The effects of {' and '.join(_parts(fit))} do not add up to what they explain together: the rows connect their "
            "levels too weakly to tell one effect from another. The slopes are not concerned. Use fewer effects, or drop levels "
            "of one row."
        )
    return levels


def _codes_of_effects(fit: PanelFit) -> list[IntArray]:
    keys = fit.design.keys
    named = {"entity": keys.entities, "time": keys.times}
    return [*(named[word] for word in ("entity", "time") if word in fit.model.effects), *fit.design.absorbed.values()]


def _effect_names(fit: PanelFit) -> dict[str, tuple[Any, ...]]:
    """The levels of each effect, by name, in the order of their codes; of "a^b" both, joined."""
    names = {}
    for (name, columns), codes in zip(_parts(fit).items(), _codes_of_effects(fit), strict=True):
        first = np.unique(codes, return_index=True)[1]
        rows = fit.design.rows[first]
        values = [[plain_label(value) for value in fit.design.data.columns[column][rows].tolist()] for column in columns]
        names[name] = (
            tuple(values[0]) if len(values) == 1 else tuple("^".join(map(str, pair)) for pair in zip(*values, strict=True))
        )
    return names


def _needed(fit: PanelFit) -> list[str]:
    """The columns that a prediction reads."""
    keys = fit.design.keys
    named = [keys.entity, keys.time] if keys.named else []
    swept = [column for columns in _parts(fit).values() for column in columns] if fit.model.method == "within" else []
    return list(dict.fromkeys([*fit.design.formula.regressor_columns, *named, *swept]))


def _added(fit: PanelFit, data: Dataset) -> Array:
    """What comes to X b in each row (n,) of other data: effects, or the means of a Mundlak model.

    NaN for a level that is not known.
    """
    total = np.zeros(data.nobs)
    if fit.model.method == "within":
        values = _levels(fit).values
        for value, (columns, labels) in zip(
            values, zip(_parts(fit).values(), _effect_names(fit).values(), strict=True), strict=True
        ):
            total = total + _looked_up(data, columns, dict(zip(map(str, labels), value.tolist(), strict=True)))
    if fit.model.method == "mundlak":
        keys = fit.design.keys
        means, labels = with_entity_means(fit.design)
        slopes = dict(zip(fit.transformed.names, fit.params, strict=True))
        part = means @ np.array([slopes[label] for label in labels])
        known = dict(zip(level_names(keys.entity_labels[keys.entities].tolist()), part.tolist(), strict=True))
        total = total + _looked_up(data, (keys.entity,), known)
    return total


def _looked_up(data: Dataset, columns: Sequence[str], known: Mapping[str, float]) -> Array:
    """The value (n,) of each row's level."""
    texts: list[npt.NDArray[Any]] = []
    for column in columns:
        codes, labels = category_codes(data, column)
        texts.append(np.array([*level_names(labels.tolist()), ""], dtype=object)[codes])  # -1, a missing value, is the last
    return np.array([known.get("^".join(parts), np.nan) for parts in zip(*texts, strict=True)], dtype=np.float64)
