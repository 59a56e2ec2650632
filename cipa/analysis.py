"""The conductor: a Study becomes an Analysis.

Sources are read, screened and scored; models are declared and every hypothesis is looked up in them before any number
is computed; then the models are fitted, the measures are judged, and hypotheses are joined to estimates.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any

from cipa.data.dataset import Dataset, Step
from cipa.data.score import derive, marked_reversed, reverse
from cipa.data.screen import screen
from cipa.data.source import load_source
from cipa.errors import CipaError, ConvergenceError, SpecificationError, did_you_mean, public
from cipa.evidence.exhibits import EXHIBITS, Exhibit, with_evidence
from cipa.evidence.findings import Analysis, Key
from cipa.evidence.verdicts import judge
from cipa.evidence.wording import against_the_others
from cipa.language.en import EN
from cipa.models.cross_check import cross_check
from cipa.models.kinds import Declaring, declared, fit_with
from cipa.preflight import refuse_unfit
from cipa.results.fit import Fit
from cipa.study.constructs import Construct
from cipa.study.hypotheses import Hypothesis
from cipa.study.study import Source, Study
from cipa.terms import Path, Term

Progress = Callable[[str, int, int], None]
"""Called with what is done next, how many steps are done, and how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A study whose sources are read and whose models are declared, not yet fitted."""

    study: Study
    datasets: Mapping[str, Dataset]
    constructs: Mapping[str, Mapping[str, Construct]]
    models: Mapping[str, Any]
    engines: Mapping[str, str]


def _silent(what: str, done: int, total: int) -> None:
    """Show no progress."""


@public
def run(study: Study | str | FilePath, *, seed: int | None = None, jobs: int = 1, progress: Progress = _silent) -> Analysis:
    r"""Run a study.

    Parameters
    ----------
    study : Study, or path of a study file or its folder
    seed : int, optional
        Instead of the study's own.
    jobs : int
        Models fitted at the same time; the result does not depend on it.
    progress : callable
        Told of each step.

    Returns
    -------
    Analysis

    Raises
    ------
    SpecificationError
        The declaration is wrong: nothing is computed.
    DataError
        A source cannot be read or screened.
    CipaError
        No model could be fitted. While one can, those that fail stand in `analysis.failures` and the rest goes on.

    Examples
    --------
    >>> import cipa as ci, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> text = '[study]\ntitle = "Investment"\n[sources]\nfirms = "grunfeld"\n[hypotheses]\nH1 = "inv ~ value > 0"\n'
    >>> text += '[models.within]\nkind = "panel"\nformula = "inv ~ value + capital"\n'
    >>> _ = (folder / "study.toml").write_text(text)
    >>> [verdict.verdict for verdict in ci.run(folder).verdicts]
    ['supported']
    """
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise SpecificationError(
            f"ci.run: jobs={jobs!r} is not a number of workers, so nothing would be computed. Give a whole number of 1 or more."
        )
    ready = check(study, progress=progress)
    if seed is not None:
        ready = replace(ready, study=replace(ready.study, seed=seed))
    fits, failures = _fit_all(ready, jobs=jobs, progress=progress)
    total = 2 * len(ready.models) + 2
    progress("tables", len(ready.models) + 1, total)
    analysis = Analysis(
        study=ready.study,
        datasets=ready.datasets,
        fits=fits,
        failures=failures,
        seed=ready.study.seed,
        notices=against_the_others(fits),
    )
    analysis = with_evidence(analysis, {**EXHIBITS, CROSS_CHECK.name: CROSS_CHECK})
    progress("verdicts", total - 1, total)
    verdicts = judge(
        ready.study.hypotheses, fits, smallest_effect=ready.study.smallest_effect, seed=ready.study.seed, failures=failures
    )
    progress("done", total, total)
    return replace(analysis, verdicts=verdicts)


@public
def check(study: Study | str | FilePath, *, progress: Progress = _silent) -> Declared:
    r"""Read the sources, declare the models, and look up every hypothesis; nothing is fitted.

    Parameters
    ----------
    study : Study, or path of a study file or its folder
    progress : callable

    Raises
    ------
    SpecificationError
        A misspelt name, an unknown option, a hypothesis on an effect that no model holds.
    DataError
        A file or column that is not there, a rule that leaves no row.

    Examples
    --------
    >>> import cipa as ci, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> text = '[study]\ntitle = "Investment"\n[sources]\nfirms = "grunfeld"\n[hypotheses]\nH1 = "inv ~ value > 0"\n'
    >>> text += '[models.within]\nkind = "panel"\nformula = "inv ~ value + capital"\n'
    >>> _ = (folder / "study.toml").write_text(text)
    >>> list(ci.check(folder).models)
    ['within']
    """
    study = study if isinstance(study, Study) else Study.from_toml(study)
    progress("data", 0, 2 * len(study.models) + 2)
    wanted = dict.fromkeys(spec.source for spec in study.models.values())
    datasets = {name: _prepared(study, name, study.sources[name]) for name in wanted}
    constructs = {name: _constructs(study, data) for name, data in datasets.items()}
    datasets = {name: _with_measures(data, constructs[name]) for name, data in datasets.items()}
    models, engines = {}, {}
    for name, spec in study.models.items():
        declaring = Declaring(study=study, name=name, data=datasets[spec.source], constructs=constructs[spec.source])
        models[name], engines[name] = declared(declaring)
    for hypothesis in study.hypotheses:
        _refuse_homeless(study, hypothesis, models)
    refuse_unfit(study, datasets, models, engines)
    return Declared(study=study, datasets=datasets, constructs=constructs, models=models, engines=engines)


def _prepared(study: Study, name: str, source: Source) -> Dataset:
    """A source as the models see it: read, screened, reversed items turned round, derived columns added, roles named."""
    where = study.where("sources", name)
    data = load_source(source.path, folder=study.folder, name=name, where=where, sheet=source.sheet, encoding=source.encoding)
    rules = study.screening.get(name)
    try:
        data = _renamed(data, source.rename)
        if rules is not None:
            data = screen(data, attention=rules.attention, min_time=rules.min_time, longstring=rules.longstring)
        data = _turned(marked_reversed(data, study.constructs))
        data = derive(data, source.derive)
        data = replace(data, labels={**data.labels, **source.labels})
        if source.entity or source.time:
            entity, time = source.entity or data.roles.entity, source.time or data.roles.time
            if not (entity and time):
                raise SpecificationError(
                    "a panel has two keys, and one is named. Rows of one firm are then not in order: name both entity and time."
                )
            data = data.panel(entity=entity, time=time)
        if source.cluster:
            data[source.cluster]
            data = replace(data, roles=replace(data.roles, cluster=source.cluster))
    except CipaError as problem:
        raise type(problem)(f"{study.where('sources', name)}: {problem}") from problem
    return data


def _renamed(data: Dataset, names: Mapping[str, str]) -> Dataset:
    """The data with the names that a source gives: new = "old", or the other way round where only that makes sense."""
    turned = {
        (new if new in data.columns and old not in data.columns else old): (
            old if new in data.columns and old not in data.columns else new
        )
        for new, old in names.items()
    }
    return data.rename(turned) if turned else data


def _turned(data: Dataset) -> Dataset:
    wrong = [item for item in data.items.values() if item.reversed and not item.turned]
    if not wrong:
        return data
    turned = tuple(
        EN("log.reversed.item", item=item.name, low=item.low, high=item.high) if item.low is not None else item.name
        for item in wrong
    )
    data = reverse(data, [item.name for item in wrong])
    reason = EN("log.reversed", items=turned)
    step = Step(action="reverse", reason=reason, rows_before=data.nobs, rows_after=data.nobs)
    return replace(data, log=(*data.log, step))


def _constructs(study: Study, data: Dataset) -> dict[str, Construct]:
    """The study's constructs over the codebook's; one that the study names again is the study's."""
    return {one.name: one for one in (*data.constructs, *study.constructs)}


def _with_measures(data: Dataset, constructs: Mapping[str, Construct]) -> Dataset:
    """Give a construct's measure in a panel the construct's name."""
    aliases = {
        one.name: data[one.column]
        for one in constructs.values()
        if one.column and one.column in data.columns and one.name not in data.columns
    }
    return data.with_columns(aliases) if aliases else data


def _refuse_homeless(study: Study, hypothesis: Hypothesis, models: Mapping[str, Any]) -> None:
    """Refuse a hypothesis on an effect that no model holds, unless the study says why it is not tested yet."""
    if hypothesis.planned:
        return
    chosen = {name: model for name, model in models.items() if not hypothesis.models or name in hypothesis.models}
    steps = hypothesis.claim.steps if isinstance(hypothesis.claim, Path) else (hypothesis.claim,)
    held = {name: {_bare(term) for term in model.declared_terms} for name, model in chosen.items()}
    if any(all(_held(step, terms) for step in steps) for terms in held.values()):
        return
    missing = next((step for step in steps if not any(_held(step, terms) for terms in held.values())), steps[0])
    raise SpecificationError(
        f"{study.where('hypotheses', hypothesis.name)}: '{hypothesis}' is about '{missing}', which no model of the study holds"
        f"{' together with the rest of the path' if len(steps) > 1 else ''}.{_nearest(missing, held)}"
        ' Add the path to a model, or say why it is not tested yet with planned = "...".'
    )


def _nearest(missing: Term, held: Mapping[str, set[Term]]) -> str:
    """What the models hold instead: the same path the other way round, or the term with the nearest name."""
    every = {term for terms in held.values() for term in terms}
    turned = replace(missing, lhs=missing.rhs, rhs=missing.lhs)
    if _held(turned, every):
        return f" A model holds '{turned}', the other way round."
    return did_you_mean(str(missing), sorted(str(term) for term in every if term.op == missing.op))


def _held(step: Term, terms: set[Term]) -> bool:
    """Whether an effect is among the terms of a model, at the level that it names, or at any."""
    return any(_bare(step).covers(term) for term in terms)


def _bare(term: Term) -> Term:
    """A term without group; a defined effect without its formula."""
    return replace(term, group=None, rhs="" if term.op == ":=" else term.rhs)


def _fit_all(ready: Declared, *, jobs: int, progress: Progress) -> tuple[dict[str, Fit], dict[str, str]]:
    """Every model's fit, or why it has none.

    One failure does not lose the others. Where no model can be fitted because a declaration or data are wrong, there is nothing
    to report, and the first such problem is raised.
    """
    total, done = 2 * len(ready.models) + 2, [1]

    def fitted(name: str) -> Fit | CipaError:
        ended = f"failed {name}"
        spec = ready.study.models[name]
        try:
            fit = fit_with(
                ready.models[name], ready.datasets[spec.source], kind=spec.kind, engine=ready.engines[name],
                where=ready.study.where("models", name),
            )  # fmt: skip
            ended = f"fitted {name}"
            return fit
        except CipaError as problem:
            return problem
        finally:
            progress(ended, done[0], total)
            done[0] += 1

    with warnings.catch_warnings(), ThreadPoolExecutor(max_workers=jobs) as workers:
        warnings.simplefilter("ignore")  # every warning is a notice of its fit, and the report prints it
        ends = dict(zip(ready.models, workers.map(fitted, ready.models), strict=True))
    fits = {name: end for name, end in ends.items() if isinstance(end, Fit)}
    problems = {name: end for name, end in ends.items() if isinstance(end, CipaError)}
    if not fits:
        for name, problem in problems.items():
            if not isinstance(problem, ConvergenceError):
                raise type(problem)(f"{ready.study.where('models', name)}: {problem}") from problem
    return fits, {name: str(problem) for name, problem in problems.items()}


def _to_cross_check(analysis: Analysis) -> list[Key]:
    """The models to be fitted by another program too, where the study asks for it."""
    wanted = analysis.study.report.get("cross_check", False)
    return [
        Key("cross_check", name)
        for name, fit in analysis.fits.items()
        if (wanted is True and fit.engine == "native") or (wanted not in (True, False) and name in wanted)
    ]


CROSS_CHECK = Exhibit(
    name="cross_check", wanted=_to_cross_check, compute=lambda analysis, key: cross_check(analysis.fits[key.model]).table
)
"""The one exhibit that needs the engines, which evidence does not see."""
