"""The cases and variables that evidence about a model is computed from: those that the model itself used, group by group."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cipa.data.dataset import Dataset
from cipa.data.score import composite
from cipa.evidence.findings import Analysis
from cipa.language.en import EN
from cipa.numerics.algebra.linalg import Array
from cipa.results.fit import Fit
from cipa.results.questions import cases
from cipa.study.constructs import Construct


def groups_of(fit: Fit) -> tuple[str | None, ...]:
    """The groups whose cases a fit used, or (None,); () where it does not say which cases those are."""
    used = cases(fit)
    return () if used is None else used.labels


def sample_of(analysis: Analysis, model: str, group: str | None) -> Dataset:
    """The rows of a source that a model used, of one group."""
    used, data = cases(analysis.fits[model]), dataset_of(analysis, model)
    assert used is not None
    rows = used.rows[used.labels.index(group)]
    return data if len(rows) == data.nobs else data.take(rows, action="used", reason=EN("log.used"))


def dataset_of(analysis: Analysis, model: str) -> Dataset:
    """The data that a model was fitted to."""
    return analysis.datasets[analysis.study.models[model].source]


def constructs_of(analysis: Analysis, model: str) -> dict[str, Construct]:
    """The study's constructs over the codebook's; one that the study names again is the study's."""
    return {each.name: each for each in (*dataset_of(analysis, model).constructs, *analysis.study.constructs)}


def described(analysis: Analysis, model: str, group: str | None) -> Dataset:
    """The variables that a reader expects in a table of descriptives: composites for constructs, numeric columns otherwise."""
    data, fit = sample_of(analysis, model, group), analysis.fits[model]
    measured = {name: items for name, items in measured_by(fit).items() if all(item in data.columns for item in items)}
    items = {row.term.rhs for row in fit.estimates if row.term.op == "=~"}
    used = cases(fit)
    assert used is not None
    columns: dict[str, Array] = {name: composite(data, indicators) for name, indicators in measured.items()}
    for name in used.columns:
        if name not in items and name not in columns and data[name].dtype == np.float64:
            columns[name] = data.numeric([name])[:, 0]
    titles = {name: construct.title for name, construct in constructs_of(analysis, model).items()}
    return replace(Dataset(columns=columns, name=data.name), labels={**data.labels, **titles})


def measured_by(fit: Fit) -> dict[str, list[str]]:
    """Items of each construct that is not itself a dimension of another."""
    below: dict[str, list[str]] = {}
    for row in fit.estimates:
        if row.term.op == "=~" and row.term.rhs not in below.setdefault(row.term.lhs, []):
            below[row.term.lhs].append(row.term.rhs)
    parts = {indicator for indicators in below.values() for indicator in indicators}

    def items(name: str) -> list[str]:
        return [item for indicator in below[name] for item in (items(indicator) if indicator in below else [indicator])]

    return {name: items(name) for name in below if name not in parts}
