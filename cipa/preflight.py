"""What a run would stumble over, found before anything is fitted: columns, words, keys, engines.

Each fault is found as the fit would find it, by the same functions and in the same words, with the place in the study file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from cipa.data.checks import refuse_constant, refuse_empty, require
from cipa.data.dataset import Dataset
from cipa.errors import CipaError
from cipa.models.kinds import require_engine
from cipa.study.study import Study
from cipa.study.syntax import Syntax

_COLUMNS = ("group", "cluster", "sampling_weight", "weights", "entity", "time")
"""Options that name a column, in any family."""


def refuse_unfit(study: Study, datasets: Mapping[str, Dataset], models: Mapping[str, Any], engines: Mapping[str, str]) -> None:
    """Refuse what no fit of the declared models to these data could be.

    Raises
    ------
    SpecificationError
        An unknown engine; a variable of model syntax that is no column, with its place.
    DataError
        A column that is not there, is empty, constant, or holds words where a model needs numbers; panel keys that are missing.
    """
    for name, spec in study.models.items():
        where = study.where("models", name)
        require_engine(spec.kind, engines[name], where=where)
        try:
            _refuse_data(models[name], datasets[spec.source])
        except CipaError as problem:
            raise type(problem)(f"{where}: {problem}") from problem


def _refuse_data(model: Any, data: Dataset) -> None:
    syntax = getattr(model, "parsed", None)
    names = [name for name in getattr(model, "variables", ()) if ":" not in name]
    if isinstance(syntax, Syntax):
        syntax.refuse_unknown(names, data.columns, source=data.name)
    require(list(dict.fromkeys([*names, *_named(model)])), present=data.columns, name=data.name)
    if isinstance(syntax, Syntax):
        values = data.numeric(names, ordered=model.ordered_names)
        refuse_empty(np.isnan(values), names, place="")
        refuse_constant(values, np.nanmean(values, axis=0), np.nanvar(values, axis=0), names, place="")
    elif hasattr(model, "design"):
        model.design(data)  # the estimation sample, as the fit draws it


def _named(model: Any) -> Iterator[str]:
    """The columns that options of the model name: groups, clusters, weights, keys, absorbed effects."""
    for option in _COLUMNS:
        column = getattr(model, option, None)
        if isinstance(column, str) and column:
            yield column
    for effect in getattr(model, "absorb", ()):
        yield from (part.split("[")[0] for part in effect.split("^"))
    yield from getattr(getattr(model, "vcov", None), "clusters", ())
