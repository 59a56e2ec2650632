"""What a reader must know: models that failed, evidence that could not be computed, notices of fits and of the study."""

from __future__ import annotations

from cipa.evidence.findings import Analysis
from cipa.language.speech import Language
from cipa.report.document import Block, Note
from cipa.report.titles import in_group
from cipa.report.view import View


def _blocks(analysis: Analysis, _: str, say: Language) -> list[Block]:
    failed = [
        Note(text=say("failed", model=name, reason=message), severity="warning") for name, message in analysis.failures.items()
    ]
    refused = [
        Note(
            text=say(
                "refused", model=key.model, group=in_group(say, key.group), exhibit=key.exhibit.replace("_", " "), reason=reason
            )
        )
        for key, reason in analysis.refusals.items()
        if key.exhibit != "cross_check"
    ]
    own = [Note(text=notice.words(say), severity=notice.severity) for notice in analysis.notices]
    return [*failed, *_of_fits(analysis, say), *own, *refused]


def _of_fits(analysis: Analysis, say: Language) -> list[Block]:
    """Each notice once, with the models that gave it."""
    givers: dict[tuple[str, str], list[str]] = {}
    for name, fit in analysis.fits.items():
        for notice in fit.notices:
            givers.setdefault((notice.words(say), notice.severity), []).append(name)
    return [
        Note(text=say("notice", models=list(dict.fromkeys(names)), text=text), severity=severity)
        for (text, severity), names in givers.items()
    ]


NOTICES = View(blocks=_blocks)
