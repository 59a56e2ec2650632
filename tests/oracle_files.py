"""Reading the reference results of other programs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

import cipa as ci

HERE = Path(__file__).parent / "oracles"

_OPTIONS = {
    "std.lv": "std_lv",
    "fixed.x": "fixed_x",
    "group.equal": "group_equal",
    "group.partial": "group_partial",
    "effect.coding": "effect_coding",
    "sampling.weights": "sampling_weight",
}
_MISSING = {"ml": "fiml", "fiml": "fiml", "ml.x": "fiml_x", "two.stage": "two_stage", "robust.two.stage": "robust_two_stage"}


@cache
def case(family: str, name: str) -> dict[str, Any]:
    """A reference case."""
    return json.loads((HERE / family / f"{name}.json").read_text(encoding="utf-8"))


def per_free_parameter(key: str, value: float, fit: Any) -> float:
    """A reference measure, `scaling.factor.h0` per free parameter: lavaan divides by the parameters before equality constraints."""
    return value * fit.layout.nfree / fit.layout.npar if key == "scaling.factor.h0" else value


def sem_names() -> list[str]:
    """Names of the structural equation cases."""
    return sorted(path.stem for path in (HERE / "sem").glob("*.json"))


def sem_data(found: dict[str, Any]) -> Any:
    """The data of a case: a DataFrame, or moments."""
    if found["data"]:
        return pd.read_csv(HERE / "sem" / found["data"])
    cov = found["sample_cov"]
    mean = found.get("sample_mean")
    nobs = found["sample_nobs"]
    return ci.SampleMoments(
        cov=pd.DataFrame(cov["values"], columns=cov["cols"]),
        mean=None if not mean else dict(zip(cov["cols"], mean.values() if isinstance(mean, dict) else mean, strict=True)),
        nobs=nobs[0] if isinstance(nobs, list) else nobs,
    )


def lavaan_options(given: dict[str, Any]) -> dict[str, Any]:
    """Options of `ci.SEM` for lavaan's words."""
    options: dict[str, Any] = {}
    for key, value in given.items():
        name = _OPTIONS.get(key, key)
        if name == "group_equal":
            value = [word.replace(".", "_") for word in ([value] if isinstance(value, str) else value)]
        if name == "missing":
            value = _MISSING.get(value, value)
        options[name] = value.lower() if name == "estimator" else value
    return options


def sem_model(found: dict[str, Any]) -> ci.SEM:
    """The model of a case."""
    return ci.SEM(found["model"], defaults=found["fun"], **lavaan_options(found["options"]))


@cache
def sem_fit(name: str) -> Any:
    """The fit of a case."""
    found = case("sem", name)
    return sem_model(found).fit(sem_data(found))


def term_of(row: dict[str, Any], labels: list[str]) -> ci.Term:
    """The term of a reference row."""
    group = labels[(row.get("group") or 1) - 1] if len(labels) > 1 else None
    level = str(row["level"]) if row.get("level") else None
    return ci.Term(lhs=row["lhs"], op=row["op"], rhs=row["rhs"], group=group, level=level)


def standardized_rows(found: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Rows of a standardized solution; those of a two-level case take their level from the estimates, whose order they keep."""
    rows, estimates = found[key], found["estimates"]
    if "level" not in estimates[0]:
        return rows
    pairs = list(zip(rows, estimates, strict=True))
    assert all((one["lhs"], one["op"], one["rhs"]) == (two["lhs"], two["op"], two["rhs"]) for one, two in pairs)
    return [{**one, "level": two["level"]} for one, two in pairs]
