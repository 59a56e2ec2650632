"""What a reader must know: models that failed, evidence that could not be computed, notices of fits and of the study."""

from __future__ import annotations

from cipa.evidence.findings import Analysis
from cipa.report.document import Block, Note
from cipa.report.titles import in_group
from cipa.report.view import View
from cipa.report.words import listed


def _blocks(analysis: Analysis, _: str) -> list[Block]:
    failed = [
        Note(text=f"The model {name} could not be fitted. {message}", severity="warning")
        for name, message in analysis.failures.items()
    ]
    refused = [
        Note(text=f"{key.model}{in_group(key.group)}: there is no table of {key.exhibit.replace('_', ' ')}. {reason}")
        for key, reason in analysis.refusals.items()
        if key.exhibit != "cross_check"
    ]
    own = [Note(text=notice.text, severity=notice.severity) for notice in analysis.notices]
    return [*failed, *_of_fits(analysis), *own, *refused]


def _of_fits(analysis: Analysis) -> list[Block]:
    """Each notice once, with the models that gave it."""
    givers: dict[tuple[str, str], list[str]] = {}
    for name, fit in analysis.fits.items():
        for notice in fit.notices:
            givers.setdefault((notice.text, notice.severity), []).append(name)
    return [
        Note(text=f"{listed(list(dict.fromkeys(names)))}: {text}", severity=severity)
        for (text, severity), names in givers.items()
    ]


NOTICES = View(blocks=_blocks)
