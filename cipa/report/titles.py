"""How a reader sees the names of an analysis: labels of constructs and columns, titles of models."""

from __future__ import annotations

from cipa.data.dataset import Dataset
from cipa.evidence.findings import Analysis
from cipa.results.fit import Fit


def construct_titles(analysis: Analysis, model: str) -> dict[str, str]:
    """Labels of the constructs and columns that a model may name."""
    data = dataset_of(analysis, model)
    labels = {name: label for name, label in data.labels.items() if label}
    constructs = {one.name: one.title for one in (*data.constructs, *analysis.study.constructs)}
    return {**labels, **constructs}


def dataset_of(analysis: Analysis, model: str) -> Dataset:
    """The data that a model was fitted to."""
    return analysis.datasets[analysis.study.models[model].source]


def model_title(analysis: Analysis, model: str) -> str:
    """The model's label in the study, or its name."""
    spec = analysis.study.models.get(model)
    return (spec.label if spec else "") or model


def fits_of(analysis: Analysis, kind: str) -> dict[str, Fit]:
    """The fits of one family, in the order of the study."""
    return {name: fit for name, fit in analysis.fits.items() if fit.kind == kind}


def hypotheses_by_term(analysis: Analysis, model: str) -> dict[object, str]:
    """Names of the hypotheses that are about a term of a model."""
    found: dict[object, list[str]] = {}
    for verdict in analysis.verdicts:
        if verdict.model == model and verdict.estimate is not None:
            found.setdefault(verdict.estimate.term, []).append(verdict.hypothesis.name)
    return {term: ", ".join(dict.fromkeys(names)) for term, names in found.items()}
