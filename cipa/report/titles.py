"""How a reader sees the names of an analysis: labels of constructs and columns, titles of models."""

from __future__ import annotations

from cipa.evidence.findings import Analysis, Key
from cipa.evidence.sample import constructs_of, dataset_of
from cipa.language.speech import Language
from cipa.results.fit import Fit


def construct_titles(analysis: Analysis, model: str) -> dict[str, str]:
    """Labels of the constructs and columns that a model may name."""
    labels = {name: label for name, label in dataset_of(analysis, model).labels.items() if label}
    return {**labels, **{name: construct.title for name, construct in constructs_of(analysis, model).items()}}


def construct_head(say: Language, titles: dict[str, str], construct: str, group: str | None, level: str | None = None) -> str:
    """A construct at the head of its rows: label, name, and which group and level."""
    title = titles.get(construct, construct)
    name = title if title == construct else f"{title} ({construct})"
    return f"{name}{in_block(say, group, level)}"


def in_group(say: Language, group: str | None) -> str:
    """The end of a title that is about one group."""
    return "" if group is None else say("in_group", group=group)


def in_block(say: Language, group: str | None, level: str | None) -> str:
    """The end of a title that is about one level of one group."""
    return f"{in_group(say, group)}{'' if level is None else say('in_level', level=level)}"


def table_key(exhibit: str, key: Key) -> str:
    """The key of a table or figure, one for each key of the evidence."""
    parts = (exhibit, key.model, key.path, key.moderator, key.group or "")
    return "-".join(part.replace(" ~ ", "-") for part in parts if part)


def errors_note(say: Language, fit: Fit) -> str:
    """Which standard errors a table of one fit shows."""
    return say("errors", kind=fit.vcov_type.note or str(fit.vcov_type))


def model_title(analysis: Analysis, model: str) -> str:
    """The model's label in the study, or its name."""
    spec = analysis.study.models.get(model)
    return (spec.label if spec else "") or model


def hypotheses_by_term(analysis: Analysis, model: str) -> dict[object, str]:
    """Names of the hypotheses that are about a term of a model."""
    named: dict[object, list[str]] = {}
    for verdict in analysis.verdicts:
        if verdict.model == model and verdict.estimate is not None:
            named.setdefault(verdict.estimate.term, []).append(verdict.hypothesis.name)
    return {term: ", ".join(dict.fromkeys(names)) for term, names in named.items()}
