"""The families of models and the engines, by the words that a study uses: the one table a new one is added to.

A row says where the class of a family is, and how what a study declares becomes the text that the class reads. A room is opened
when it is first needed, so that a script with panel models never loads a structural equation engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from cipa.data.dataset import Dataset
from cipa.errors import SpecificationError, one_of
from cipa.results.fit import Fit
from cipa.study.constructs import Construct
from cipa.study.measurement import unknown_name, whole_model
from cipa.study.study import ModelSpec, Study
from cipa.study.syntax import neither


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaring:
    """A model of a study, with what its declaration may name."""

    study: Study
    name: str
    data: Dataset
    constructs: Mapping[str, Construct]

    @property
    def spec(self) -> ModelSpec:
        """What the study says of it."""
        return self.study.models[self.name]

    @property
    def where(self) -> str:
        """Its place in the study file."""
        return self.study.where("models", self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A family of models.

    Parameters
    ----------
    module, name : str
        Where its class is: `name(text, **options)` is a model with `fit(data)`, `variables` and `declared_terms`.
    text : Declaring -> str
        What the class reads, from the study's declaration. Raises SpecificationError where that is something else.
    """

    module: str
    name: str
    text: Callable[[Declaring], str]


def formula(declaring: Declaring) -> str:
    """A formula, as it is written."""
    spec = declaring.spec
    if not spec.formula or spec.structure or spec.syntax:
        raise SpecificationError(
            f'{declaring.where}: a {spec.kind} model needs formula = "y ~ x + z", and neither structure nor syntax, which are '
            "equations of constructs. Write formula alone."
        )
    return spec.formula


def structure_or_syntax(declaring: Declaring) -> str:
    """Syntax as it is written, or structural equations with the measurement equations of the constructs they name."""
    spec = declaring.spec
    if bool(spec.structure) == bool(spec.syntax) or spec.formula:
        raise SpecificationError(
            f"{declaring.where}: a structural equation model needs either structure = [...] or syntax = '''...''', or it is open "
            "what is fitted. Write one of them, and no formula."
        )
    return spec.syntax or _completed(declaring)


def _completed(declaring: Declaring) -> str:
    spec, study = declaring.spec, declaring.study
    try:
        unknown = unknown_name(spec.structure, declaring.constructs, declaring.data.columns)
        if unknown is None:
            return whole_model(spec.structure, declaring.constructs)
    except SpecificationError as problem:
        raise SpecificationError(f"{declaring.where}: {problem}") from problem
    text = spec.structure[unknown.line]
    line = study.place.containing(text, "models", declaring.name) if study.place else None
    place = f"{study.place.file}, [models.{declaring.name}], line {line}" if study.place and line else declaring.where
    reason = neither(unknown.name, source=declaring.data.name, near=unknown.suggestion)
    raise SpecificationError(f"{place}:\n    {text}\n    {' ' * (unknown.column - 1)}^\n{reason}")


KINDS: dict[str, Kind] = {
    "sem": Kind(module="cipa.models.sem.model", name="SEM", text=structure_or_syntax),
    "panel": Kind(module="cipa.models.panel.linear.model", name="Panel", text=formula),
}
"""Family -> its class, and how a study declares it."""

ENGINES = {
    ("sem", "semopy"): "cipa.models.engines.semopy",
    ("panel", "linearmodels"): "cipa.models.engines.linearmodels",
}
"""Family and engine -> module with `fit(model, data)`; the native engine is `model.fit`."""


def declared(declaring: Declaring) -> tuple[Any, str]:
    """The model that a study declares, and the engine that fits it."""
    spec, where = declaring.spec, declaring.where
    kind = KINDS[one_of(spec.kind, KINDS, what="kind", where=where)]
    options = dict(spec.options)
    engine = str(options.pop("engine", "native"))
    text = kind.text(declaring)
    try:
        return getattr(import_module(kind.module), kind.name)(text, **options), engine
    except SpecificationError as problem:
        raise SpecificationError(f"{where}: {problem}") from problem


def require_engine(kind: str, engine: str, *, where: str) -> str:
    """The engine, when the family has it."""
    return one_of(engine, ["native", *(name for family, name in ENGINES if family == kind)], what="engine", where=where)


def fit_with(model: Any, data: Any, *, kind: str, engine: str = "native", where: str) -> Fit:
    """Fit a model with the engine named."""
    if require_engine(kind, engine, where=where) == "native":
        return model.fit(data)  # type: ignore[no-any-return]
    return import_module(ENGINES[kind, engine]).fit(model, data)  # type: ignore[no-any-return]
