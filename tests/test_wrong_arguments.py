"""Every public name, called wrongly in every argument: an answer, or a refusal in cipa's own words, never a raw Python error."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cipa as ci
from cipa.errors import CipaError
from cipa.study.measurement import whole_model

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning", "ignore::RuntimeWarning")

SYNTAX = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\ntextual ~ visual"
STUDY = """
[study]
title = "Small"
[sources]
firms = "grunfeld"
[hypotheses]
H1 = "inv ~ value > 0"
[models.within]
kind = "panel"
formula = "inv ~ value + capital"
"""

MADE_BY_CIPA = {"Analysis", "Fit", "PanelFit", "SEMFit", "Verdict"}
"""Values that only the package makes; their fields are not arguments."""


@cache
def survey() -> ci.Dataset:
    return ci.datasets.load("holzinger1939")


@cache
def fit() -> Any:
    return ci.SEM(SYNTAX).fit(survey())


@cache
def panel() -> Any:
    return ci.Panel("inv ~ value*capital").fit(ci.datasets.load("grunfeld"))


@cache
def folder(place: Path) -> Path:
    (place / "study.toml").write_text(STUDY)
    survey().to_frame().to_csv(place / "tests.csv", index=False)
    return place


def calls(place: Path) -> dict[str, tuple[tuple[Any, ...], dict[str, Any]]]:
    """A small right call of each public name."""
    where = folder(place)
    model = ci.SEM(SYNTAX)
    groups = {"visual": ["x1", "x2", "x3"], "textual": ["x4", "x5", "x6"]}
    nested = ci.SEM("visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\ntextual ~ 0*visual").fit(survey())
    return {
        "Construct": ((), {"name": "a", "items": ("x1", "x2")}),
        "Dataset": ((), {"columns": {"x": np.arange(3.0)}}),
        "Hypothesis": ((), {"name": "H1", "claim": ci.Term(lhs="y", op="~", rhs="x"), "direction": ">"}),
        "Item": ((), {"name": "x1"}),
        "Key": (("htmt",), {"model": "survey"}),
        "OLS": (("x4 ~ x1",), {}),
        "Panel": (("inv ~ value",), {"entity": "firm"}),
        "Path": ((), {"nodes": ("a", "b", "c")}),
        "SEM": ((SYNTAX,), {}),
        "SampleMoments": ((), {"cov": [[1.0, 0.3], [0.3, 1.0]], "names": ["x", "y"], "nobs": 50}),
        "Study": ((), {"title": "t", "sources": {}, "models": {}}),
        "Term": ((), {"lhs": "y", "op": "~", "rhs": "x"}),
        "bootstrap": ((fit(),), {"draws": 5, "seed": 1}),
        "check": ((where,), {}),
        "clustered": (("firm",), {}),
        "cr2": (("firm",), {}),
        "crv3": (("firm",), {}),
        "compare": ((fit(), panel()), {"names": ["a", "b"]}),
        "cronbach_alpha": ((survey(), ["x1", "x2", "x3"]), {}),
        "cross_check": ((fit(),), {}),
        "derive": ((survey(), {"twice": "2 * x1"}), {}),
        "descriptives": ((survey(),), {"columns": ["x1", "x2"]}),
        "driscoll_kraay": ((2,), {}),
        "fixed_effects": ((panel(),), {}),
        "predict": ((panel(),), {}),
        "vcov": ((panel(), "hc1"), {}),
        "factor_scores": ((fit(),), {}),
        "fit_measures": ((fit(),), {}),
        "fornell_larcker": ((fit(),), {}),
        "htmt": ((survey(), groups), {}),
        "icc": ((fit(),), {}),
        "indirect": ((fit(), "visual -> textual -> x4"), {"draws": 10, "seed": 1}),
        "invariance": ((ci.SEM("visual =~ x1 + x2 + x3"), survey()), {"group": "school", "levels": ("configural", "metric")}),
        "johnson_neyman": ((panel(), "inv ~ value"), {"by": "capital"}),
        "lr_test": ((nested, fit()), {}),
        "modification_indices": ((fit(),), {}),
        "newey_west": ((2,), {}),
        "path_diagram": ((fit(),), {}),
        "power": ((ci.SEM("y ~ x"),), {"params": {"y ~ x": 0.3}, "nobs": 100}),
        "power_rmsea": ((), {"df": 20, "nobs": 200}),
        "publish": ((ci.run(where), where / "out"), {"formats": ("html",)}),
        "r_script": ((fit(),), {}),
        "r_squared": ((fit(),), {}),
        "read": ((where / "tests.csv",), {}),
        "read_moments": ((where / "tests.csv",), {"columns": ["x1", "x2"]}),
        "reliability": ((fit(),), {}),
        "residuals": ((fit(),), {}),
        "reverse": ((ci.datasets.load("cluster_survey"),), {"items": ["env5"]}),
        "run": ((where,), {}),
        "score_test": ((nested,), {"release": ["textual ~ visual"]}),
        "screen": ((survey(),), {"longstring": 3, "items": ["x1", "x2", "x3"]}),
        "simple_slopes": ((panel(), "inv ~ value"), {"by": "capital"}),
        "simulate": ((model,), {"params": {"textual ~ visual": 0.4}, "nobs": 20, "seed": 1}),
        "standardized": ((fit(),), {}),
        "to_lavaan": ((model,), {}),
        "wald_test": ((fit(), "textual ~ visual == 0"), {}),
    }


def wrong_values() -> dict[str, Any]:
    return {
        "None": None, "number": 3.5, "minus": -1, "words": "no such thing", "empty text": "", "list": ["no", "such"], "empty list": [],
        "numbers": [1, 2], "dict": {"no": "such"}, "object": object(), "class": ci.SEM, "model": ci.SEM(SYNTAX), "sem fit": fit(),
        "panel fit": panel(), "frame": pd.DataFrame({"q": [1.0, 2.0]}), "empty frame": pd.DataFrame(), "data": survey(), "path": Path("no/such"),
        "true": True, "bytes": b"x", "array": np.eye(2), "nan": float("nan"),
    }  # fmt: skip


SLOW = {"progress", "kind=publish"}
NAMES = sorted(
    name
    for name in ci.__all__
    if name not in MADE_BY_CIPA
    and callable(getattr(ci, name))
    and not (isinstance(getattr(ci, name), type) and issubclass(getattr(ci, name), (Exception,)))
)


def spoilt(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], key: str, value: Any
) -> Callable[[], Any]:
    """The call with one argument replaced."""
    names = [one for one in inspect.signature(function).parameters if one != "self"]
    parameter = inspect.signature(function).parameters[key]
    if parameter.kind is parameter.VAR_POSITIONAL:
        return lambda: function(value, *args[1:], **kwargs)
    if key in names[: len(args)]:
        place = names.index(key)
        return lambda: function(*args[:place], value, *args[place + 1 :], **kwargs)
    return lambda: function(*args, **{**kwargs, key: value})


def test_the_table_has_every_public_name(tmp_path: Path) -> None:
    assert set(NAMES) == set(calls(tmp_path))


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_argument_is_refused_in_our_words(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    args, kwargs = calls(tmp_path)[name]
    function = getattr(ci, name)
    raw = []
    for key in inspect.signature(function).parameters:
        for what, value in wrong_values().items():
            if key in SLOW:
                continue
            try:
                spoilt(function, args, kwargs, key, value)()
            except CipaError as problem:
                if len(str(problem)) < 30:
                    raw.append(f"{name}({key}={what}): too short: {problem}")
            except Exception as problem:  # whatever escapes is what this test looks for
                raw.append(f"{name}({key}={what}): {type(problem).__name__}: {str(problem)[:120]}")
    assert not raw, "\n".join(raw)


@pytest.mark.parametrize("name", NAMES)
def test_a_misspelt_missing_or_superfluous_argument_is_named(name: str, tmp_path: Path) -> None:
    args, kwargs = calls(tmp_path)[name]
    function = getattr(ci, name)
    parameters = {key: one for key, one in inspect.signature(function).parameters.items() if key != "self"}
    known = [key for key, one in parameters.items() if one.kind is not one.VAR_POSITIONAL]
    if known:
        misspelt = f"{known[-1]}x"
        with pytest.raises(CipaError, match=f"has no keyword '{misspelt}'.* Did you mean '"):
            function(*args, **kwargs, **{misspelt: 1})
    required = [key for key, one in parameters.items() if one.default is one.empty and one.kind is not one.VAR_POSITIONAL]
    if required:
        with pytest.raises(CipaError, match=f"was called without {required[0]}="):
            function()
    if not any(one.kind is one.VAR_POSITIONAL for one in parameters.values()):
        with pytest.raises(CipaError, match="arguments by position"), warnings.catch_warnings():
            function(*args, *range(40), **{key: value for key, value in kwargs.items() if key in required})


METHODS: dict[str, Callable[[Any], Any]] = {
    "Term.parse": ci.Term.parse, "Path.parse": ci.Path.parse, "Study.from_toml": ci.Study.from_toml,
    "Hypothesis.parse": lambda value: ci.Hypothesis.parse("H1", value), "datasets.load": ci.datasets.load,
    "Dataset.panel": lambda value: survey().panel(entity=value, time="grade"), "Dataset.rename": lambda value: survey().rename(value),
    "Dataset.numeric": lambda value: survey().numeric(value), "Dataset.with_columns": lambda value: survey().with_columns(value),
    "Dataset.from_frame": ci.Dataset.from_frame, "SEM.fit": ci.SEM(SYNTAX).fit, "Panel.fit": ci.Panel("inv ~ value").fit,
    "start": lambda value: ci.SEM(SYNTAX).fit(survey(), start=value),
    "estimates": lambda value: fit().estimates[value],
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_a_method_refuses_in_our_words(name: str) -> None:
    raw = []
    for what, value in wrong_values().items():
        try:
            METHODS[name](value)
        except CipaError as problem:
            assert len(str(problem)) > 25  # noqa: PT017
        except Exception as problem:  # whatever escapes is what this test looks for
            raw.append(f"{name}({what}): {type(problem).__name__}: {str(problem)[:120]}")
    assert not raw, "\n".join(raw)


def test_a_construct_that_contains_itself() -> None:
    circle = {"A": ci.Construct(name="A", dimensions=("B",)), "B": ci.Construct(name="B", dimensions=("A",))}
    with pytest.raises(
        ci.SpecificationError, match="The construct 'A' contains 'B' contains 'A': it would be measured by itself"
    ):
        whole_model(["A ~ x1"], circle)
    with pytest.raises(ci.SpecificationError, match="'f' stands on both sides"):
        ci.SEM("f =~ f + x1 + x2").fit(survey())


def test_the_commonest_mistakes_say_what_to_do() -> None:
    model = ci.SEM(SYNTAX)
    with pytest.raises(CipaError, match=r"fit= is a model \(SEM\) that is not fitted.*Fit it first: model\.fit\(data\)"):
        ci.standardized(model)
    with pytest.raises(ci.InferenceError, match=r"fit= is a fit of kind 'panel'\. Needed: a fit of ci\.SEM"):
        ci.fit_measures(panel())
    with pytest.raises(CipaError, match=r"data= is 'survey\.csv' \(str\)\. Needed: a Dataset \(ci\.read"):
        model.fit("survey.csv")
    with pytest.raises(CipaError, match=r"SEM\.fit was called without data="):
        model.fit()
    with pytest.raises(TypeError, match=r"draws= is 1000\.0"):
        ci.bootstrap(fit(), draws=1e3)
