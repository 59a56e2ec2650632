"""The evidence about the models of a study: one row for each exhibit, which says of what it is computed, and how.

An exhibit names its subjects by typed keys (model, group, moderated path), so that a name of the study is never taken apart
again. A new one is a row of `EXHIBITS`; the report shows it as a plain table until a view of its own is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from cipa.errors import CipaError
from cipa.evidence.descriptives import correlations, descriptives
from cipa.evidence.findings import Analysis, Key
from cipa.evidence.measurement import fornell_larcker, htmt, reliability
from cipa.evidence.sample import described, groups_of, measured_by, sample_of
from cipa.inference.moderation import johnson_neyman, simple_slopes
from cipa.language.en import EN
from cipa.results.display import ResultTable
from cipa.results.fit import Fit
from cipa.results.questions import spread
from cipa.terms import Term

SLOPE_POINTS = (-1.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """A piece of evidence.

    Parameters
    ----------
    name : str
        The first part of its keys.
    wanted : analysis -> keys of the subjects it is computed of
    compute : analysis, key -> ResultTable
        Raises a CipaError where it is not derived; the report then says why.
    """

    name: str
    wanted: Callable[[Analysis], Iterable[Key]]
    compute: Callable[[Analysis, Key], ResultTable]


def with_evidence(analysis: Analysis, exhibits: Mapping[str, Exhibit]) -> Analysis:
    """The analysis with every table that the exhibits want, and the reason for each that could not be computed."""
    tables, refusals = dict(analysis.tables), dict(analysis.refusals)
    for exhibit in exhibits.values():
        for key in exhibit.wanted(analysis):
            try:
                tables[key] = exhibit.compute(analysis, key)
            except CipaError as problem:
                refusals[key] = str(problem)
    return replace(analysis, tables=tables, refusals=refusals)


def _per_group(name: str) -> Callable[[Analysis], Iterator[Key]]:
    """A key for each group of each model that says which cases it used."""
    return lambda analysis: (Key(name, model, group=group) for model, fit in analysis.fits.items() for group in groups_of(fit))


def _measured(name: str) -> Callable[[Analysis], Iterator[Key]]:
    """A key for each model whose fit tells of constructs and their indicators."""
    return lambda analysis: (Key(name, model) for model, fit in analysis.fits.items() if _has_measures(fit))


def _has_measures(fit: Fit) -> bool:
    return fit.answers.structure is not None and any(row.term.op == "=~" for row in fit.estimates)


def _each_group_measured(name: str) -> Callable[[Analysis], Iterator[Key]]:
    return lambda analysis: (
        Key(name, model, group=group)
        for model, fit in analysis.fits.items()
        if _has_measures(fit) and len(_several(fit)) > 1
        for group in groups_of(fit) or (None,)
    )


def _several(fit: Fit) -> dict[str, list[str]]:
    """Constructs of at least two items."""
    return {name: items for name, items in measured_by(fit).items() if len(items) > 1}


def _each_group_apart(name: str) -> Callable[[Analysis], Iterator[Key]]:
    """A key for each group of each model with two constructs or more that share no item."""
    return lambda analysis: (
        key
        for key in _each_group_measured(name)(analysis)
        if len(_apart(analysis.fits[key.model])) > 1 and groups_of(analysis.fits[key.model])
    )


def _apart(fit: Fit) -> dict[str, list[str]]:
    """Constructs of at least two items that measure no other construct: those of growth factors and of levels do."""
    several = _several(fit)
    owners = Counter(item for items in several.values() for item in set(items))
    return {name: items for name, items in several.items() if all(owners[item] == 1 for item in items)}


def _moderations(name: str) -> Callable[[Analysis], Iterator[Key]]:
    """A key for each moderation that a hypothesis is about, in each model that holds it."""

    def keys(analysis: Analysis) -> Iterator[Key]:
        for model, fit in analysis.fits.items():
            for hypothesis in analysis.study.hypotheses:
                asked = not hypothesis.planned and (not hypothesis.models or model in hypothesis.models)
                if asked and isinstance(hypothesis.claim, Term) and fit.answers.spread is not None:
                    yield from _moderation(name, model, hypothesis.claim, fit)

    return keys


def _moderation(name: str, model: str, claim: Term, fit: Fit) -> Iterator[Key]:
    row = fit.estimates.find(claim) if claim.is_interaction else None
    if row is not None and row.term.rhs.count(":") == 1:
        x, z = _focal(row.term, fit)
        if x:
            yield Key(name, model, path=f"{row.term.lhs} ~ {x}", moderator=z)


def _focal(term: Term, fit: Fit) -> tuple[str, str]:
    """Which factor of a product is the effect (it has a main effect of its own), which the moderator (a 0/1 variable)."""
    first, second = term.rhs.split(":")
    mains = [(x, z) for x, z in ((first, second), (second, first)) if fit.estimates.find(replace(term, rhs=x)) is not None]
    return max(mains, key=lambda pair: not _binary(fit, pair[0]), default=("", ""))


def _binary(fit: Fit, name: str) -> bool:
    values = spread(fit, name).values
    return values is not None and set(np.unique(values)) == {0.0, 1.0}


def _descriptives(analysis: Analysis, key: Key) -> ResultTable:
    return descriptives(described(analysis, key.model, key.group))


def _correlations(analysis: Analysis, key: Key) -> ResultTable:
    data = described(analysis, key.model, key.group)
    return correlations(dict(data.columns), title=EN("table.correlations", data=data.name))


def _htmt(analysis: Analysis, key: Key) -> ResultTable:
    return htmt(sample_of(analysis, key.model, key.group), _apart(analysis.fits[key.model]))


def _simple_slopes(analysis: Analysis, key: Key) -> ResultTable:
    fit = analysis.fits[key.model]
    two = [0.0, 1.0] if _binary(fit, key.moderator) else None
    return simple_slopes(fit, key.path, by=key.moderator, at=SLOPE_POINTS, values=two)


EXHIBITS: dict[str, Exhibit] = {
    exhibit.name: exhibit
    for exhibit in (
        Exhibit(name="descriptives", wanted=_per_group("descriptives"), compute=_descriptives),
        Exhibit(name="correlations", wanted=_per_group("correlations"), compute=_correlations),
        Exhibit(
            name="reliability", wanted=_measured("reliability"), compute=lambda analysis,
            key: reliability(analysis.fits[key.model])
        ),
        Exhibit(
            name="fornell_larcker", wanted=_each_group_measured("fornell_larcker"),
            compute=lambda analysis, key: fornell_larcker(analysis.fits[key.model], group=key.group),
        ),
        Exhibit(name="htmt", wanted=_each_group_apart("htmt"), compute=_htmt),
        Exhibit(name="simple_slopes", wanted=_moderations("simple_slopes"), compute=_simple_slopes),
        Exhibit(
            name="johnson_neyman", wanted=_moderations("johnson_neyman"),
            compute=lambda analysis, key: johnson_neyman(analysis.fits[key.model], key.path, by=key.moderator),
        ),
    )
}  # fmt: skip
"""Name -> exhibit, in the order in which they are computed."""
