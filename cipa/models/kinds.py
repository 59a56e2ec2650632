"""The families of models and the engines, by the words that a study uses: the one table a new one is added to.

A room is opened when it is first needed, so that a script with panel models never loads a structural equation engine.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from cipa.errors import one_of
from cipa.results.fit import Fit

KINDS = {"sem": ("cipa.models.sem.model", "SEM"), "panel": ("cipa.models.panel.linear.model", "Panel")}
"""Family -> module and class."""

ENGINES = {
    ("sem", "semopy"): "cipa.models.engines.semopy",
    ("panel", "linearmodels"): "cipa.models.engines.linearmodels",
}
"""Family and engine -> module with `fit(model, data)`; the native engine is `model.fit`."""


def model_class(kind: str, *, where: str) -> Callable[..., Any]:
    """The class of a family ("sem", "panel")."""
    module, name = KINDS[one_of(kind, KINDS, what="kind", where=where)]
    return getattr(import_module(module), name)  # type: ignore[no-any-return]


def require_engine(kind: str, engine: str, *, where: str) -> str:
    """The engine, when the family has it."""
    return one_of(engine, ["native", *(name for family, name in ENGINES if family == kind)], what="engine", where=where)


def fit_with(model: Any, data: Any, *, kind: str, engine: str = "native", where: str) -> Fit:
    """Fit a model with the engine named."""
    if require_engine(kind, engine, where=where) == "native":
        return model.fit(data)  # type: ignore[no-any-return]
    return import_module(ENGINES[kind, engine]).fit(model, data)  # type: ignore[no-any-return]
