"""Why a verdict is what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cipa.language.speech import Template


def _failed(*, models: Sequence[str]) -> str:
    return f"The model {' and '.join(models)} could not be fitted."


def _covers(*, level: float, smallest: float, power: float | None) -> str:
    reached = "" if power is None else f" (power {power:.2f} against it)"
    return f"The {level:.0%} interval covers 0 and a standardized effect of {smallest:g}{reached}."


VERDICTS: Mapping[str, Template] = {
    "reason.failed": _failed,
    "reason.no_model": "No fitted model holds this effect.",
    "reason.no_interval": "The estimate has no standard error, so no interval.",
    "reason.above": "The {level:.0%} interval lies above 0.",
    "reason.below": "The {level:.0%} interval lies below 0.",
    "reason.not_standardized": (
        "The {level:.0%} interval covers 0, and without a standardized value it is not held against {smallest:g}."
    ),
    "reason.excludes": "The {level:.0%} interval covers 0 and excludes a standardized effect of {smallest:g}.",
    "reason.covers": _covers,
}
