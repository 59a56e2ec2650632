"""The conductor: a Study becomes an Analysis.

Sources are read, screened and scored; models are declared and every hypothesis is looked up in them before any number
is computed; then the models are fitted, the measures are judged, and hypotheses are joined to estimates.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from cipa.data.dataset import Dataset, Step
from cipa.data.score import composite, derive, marked_reversed, reverse
from cipa.data.screen import screen
from cipa.data.source import load_source
from cipa.errors import (
    CipaError,
    ConvergenceError,
    InferenceError,
    SpecificationError,
    did_you_mean,
    public,
)
from cipa.evidence.descriptives import correlations, descriptives
from cipa.evidence.findings import Analysis
from cipa.evidence.measurement import fornell_larcker, htmt, reliability
from cipa.evidence.verdicts import judge
from cipa.inference.moderation import johnson_neyman, simple_slopes
from cipa.models.cross_check import cross_check
from cipa.models.kinds import fit_with, model_class
from cipa.numerics.algebra.linalg import Array
from cipa.preflight import refuse_unfit
from cipa.results.display import ResultTable
from cipa.results.fit import Fit, Notice
from cipa.results.questions import spread
from cipa.study.constructs import Construct
from cipa.study.hypotheses import Hypothesis
from cipa.study.measurement import unknown_name, whole_model
from cipa.study.study import ModelSpec, Source, Study
from cipa.terms import Path, Term

Progress = Callable[[str, int, int], None]
"""Called with what is done next, how many steps are done, and how many there are."""

SLOPE_POINTS = (-1.0, 0.0, 1.0)


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
    SpecificationError, DataError
        The declaration or the data are wrong: nothing is computed (`ci.check` finds the same).
    CipaError
        No model has a fit; where one has, the others stand in `failures`.

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
        raise SpecificationError(f"ci.run: jobs={jobs!r} is not a number of workers. Give a whole number of 1 or more.")
    declared = check(study, progress=progress)
    if seed is not None:
        declared = replace(declared, study=replace(declared.study, seed=seed))
    fits, failures = _fit_all(declared, jobs=jobs, progress=progress)
    total = 2 * len(declared.models) + 2
    progress("tables", len(declared.models) + 1, total)
    tables, notices = _evidence(declared, fits)
    tables |= _cross_checks(declared, fits)
    progress("verdicts", total - 1, total)
    found = declared.study
    verdicts = judge(found.hypotheses, fits, smallest_effect=found.smallest_effect, seed=found.seed, failures=failures)
    progress("done", total, total)
    return Analysis(
        study=found, datasets=declared.datasets, fits=fits, failures=failures, verdicts=verdicts, tables=tables, seed=found.seed,
        notices=(*_against_the_others(fits), *notices),
    )  # fmt: skip


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
        models[name], engines[name] = _model(study, name, spec, datasets[spec.source], constructs[spec.source])
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
    turned = [f"{item.name} ({item.low:g} to {item.high:g})" if item.low is not None else item.name for item in wrong]
    data = reverse(data, [item.name for item in wrong])
    step = Step(
        action="reverse", reason=f"reversed items turned round: {', '.join(turned)}", rows_before=data.nobs, rows_after=data.nobs
    )
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


def _model(study: Study, name: str, spec: ModelSpec, data: Dataset, constructs: Mapping[str, Construct]) -> tuple[Any, str]:
    where = study.where("models", name)
    options = dict(spec.options)
    engine = options.pop("engine", "native")
    made = model_class(spec.kind, where=where)
    if spec.kind == "panel":
        if not spec.formula or spec.structure or spec.syntax:
            raise SpecificationError(f'{where}: a panel model needs formula = "y ~ x + z", and neither structure nor syntax.')
        text = spec.formula
    else:
        if bool(spec.structure) == bool(spec.syntax) or spec.formula:
            raise SpecificationError(
                f"{where}: a structural equation model needs either structure = [...] or syntax = '''...'''."
            )
        text = spec.syntax or _generated(study, name, spec, data, constructs)
    try:
        return made(text, **options), str(engine)
    except SpecificationError as problem:
        raise SpecificationError(f"{where}: {problem}") from problem


def _generated(study: Study, name: str, spec: ModelSpec, data: Dataset, constructs: Mapping[str, Construct]) -> str:
    try:
        unknown = unknown_name(spec.structure, constructs, data.columns)
        if unknown is None:
            return whole_model(spec.structure, constructs)
    except SpecificationError as problem:
        raise SpecificationError(f"{study.where('models', name)}: {problem}") from problem
    text = spec.structure[unknown.line]
    line = study.place.containing(text, "models", name) if study.place else None
    place = f"{study.place.file}, [models.{name}], line {line}" if study.place and line else study.where("models", name)
    raise SpecificationError(
        f"{place}:\n    {text}\n    {' ' * (unknown.column - 1)}^\n'{unknown.name}' is neither a construct nor a column of"
        f" '{data.name}'.{unknown.suggestion}"
    )


def _refuse_homeless(study: Study, hypothesis: Hypothesis, models: Mapping[str, Any]) -> None:
    """Refuse a hypothesis on an effect that no model holds, unless the study says why it is not tested yet."""
    if hypothesis.planned:
        return
    chosen = {name: model for name, model in models.items() if not hypothesis.models or name in hypothesis.models}
    steps = hypothesis.claim.steps if isinstance(hypothesis.claim, Path) else (hypothesis.claim,)
    held = {name: {_bare(term) for term in model.declared_terms} for name, model in chosen.items()}
    if any(all(_bare(step) in terms for step in steps) for terms in held.values()):
        return
    missing = next((step for step in steps if not any(_bare(step) in terms for terms in held.values())), steps[0])
    raise SpecificationError(
        f"{study.where('hypotheses', hypothesis.name)}: '{hypothesis}' is about '{missing}', which no model of the study holds"
        f"{' together with the rest of the path' if len(steps) > 1 else ''}.{_nearest(missing, held)}"
        ' Add the path to a model, or say why it is not tested yet with planned = "...".'
    )


def _nearest(missing: Term, held: Mapping[str, set[Term]]) -> str:
    """What the models hold instead: the same path the other way round, or the term with the nearest name."""
    every = {term for terms in held.values() for term in terms}
    turned = replace(missing, lhs=missing.rhs, rhs=missing.lhs)
    if turned in every:
        return f" A model holds '{turned}', the other way round."
    return did_you_mean(str(missing), sorted(str(term) for term in every if term.op == missing.op))


def _bare(term: Term) -> Term:
    """A term without group and level; a defined effect without its formula."""
    return replace(term, group=None, level=None, rhs="" if term.op == ":=" else term.rhs)


def _fit_all(declared: Declared, *, jobs: int, progress: Progress) -> tuple[dict[str, Fit], dict[str, str]]:
    """Every model's fit, or why it has none. One that fails leaves the others; where none has a fit, the first fault stops the run."""
    study, total = declared.study, 2 * len(declared.models) + 2
    done = [1]

    def one(name: str) -> Fit | CipaError:
        spec = study.models[name]
        where = study.where("models", name)
        outcome: Fit | CipaError
        try:
            outcome = fit_with(
                declared.models[name], declared.datasets[spec.source], kind=spec.kind, engine=declared.engines[name], where=where
            )
        except ConvergenceError as problem:
            outcome = problem
        except CipaError as problem:
            outcome = type(problem)(f"{where}: {problem}")
        progress(f"{'failed' if isinstance(outcome, CipaError) else 'fitted'} {name}", done[0], total)
        done[0] += 1
        return outcome

    with warnings.catch_warnings(), ThreadPoolExecutor(max_workers=jobs) as workers:
        warnings.simplefilter("ignore")  # every warning is a notice of its fit, and the report prints it
        found = dict(zip(declared.models, workers.map(one, declared.models), strict=True))
    fits = {name: fit for name, fit in found.items() if isinstance(fit, Fit)}
    faults = {name: problem for name, problem in found.items() if isinstance(problem, CipaError)}
    stopping = [problem for problem in faults.values() if not isinstance(problem, ConvergenceError)]
    if stopping and not fits:
        raise stopping[0]
    return fits, {name: str(problem) for name, problem in faults.items()}


def _evidence(declared: Declared, fits: Mapping[str, Fit]) -> tuple[dict[str, ResultTable], list[Notice]]:
    """The evidence about every fit; where it cannot be computed for one, a notice says why and the others keep theirs."""
    tables: dict[str, ResultTable] = {}
    notices = []
    for name, fit in fits.items():
        try:
            tables |= _tables(declared, name, fit)
        except CipaError as problem:
            text = f"Model {name}: its tables of descriptives, measures and slopes could not be made. {problem}"
            notices.append(Notice(code="no_evidence", text=text, severity="warning"))
    return tables, notices


def _tables(declared: Declared, name: str, fit: Fit) -> dict[str, ResultTable]:
    """The evidence about one fit."""
    source = declared.study.models[name].source
    data, constructs = declared.datasets[source], declared.constructs[source]
    columns = _analysed(declared.models[name], fit, data, constructs)
    described = Dataset(
        columns=columns, name=data.name, labels={**data.labels, **{one.name: one.title for one in constructs.values()}}
    )
    found = {
        f"descriptives:{name}": descriptives(described),
        f"correlations:{name}": correlations(columns, title=f"Correlations, {data.name}"),
    }
    if fit.kind == "sem" and fit.engine == "native" and any(row.term.op == "=~" for row in fit.estimates):
        found[f"reliability:{name}"] = reliability(fit)
        found[f"fornell_larcker:{name}"] = fornell_larcker(fit)
        measured = {name: items for name, items in _measured(fit).items() if len(items) > 1}
        if len(measured) > 1:
            found[f"htmt:{name}"] = htmt(data, measured)
    if fit.kind == "panel":
        found |= _slopes(declared.study, name, fit)
    return found


def _cross_checks(declared: Declared, fits: Mapping[str, Fit]) -> dict[str, ResultTable]:
    """The same models fitted by other programs, where the study asks for it; a refusal is a table that says why."""
    wanted = declared.study.report.get("cross_check", False)
    names = [
        name
        for name, fit in fits.items()
        if (wanted is True and fit.engine == "native") or (wanted not in (True, False) and name in wanted)
    ]
    return {f"cross_check:{name}": _cross_check(fits[name]) for name in names}


def _cross_check(fit: Fit) -> ResultTable:
    try:
        return cross_check(fit).table
    except (SpecificationError, ConvergenceError, InferenceError) as problem:
        return ResultTable(title="Agreement of two programs", columns={}, notes=(f"No cross-check was possible. {problem}",))


def _analysed(model: Any, fit: Fit, data: Dataset, constructs: Mapping[str, Construct]) -> dict[str, Array]:
    """The variables that a reader expects in the table of descriptives: composites for constructs, columns otherwise."""
    rows = getattr(fit, "design").rows if fit.kind == "panel" and fit.engine == "native" else np.arange(data.nobs)  # noqa: B009
    used = data if len(rows) == data.nobs else data.take(rows, action="used", reason="estimation sample")
    if fit.kind != "sem":
        return {column: used.numeric([column])[:, 0] for column in model.variables}
    measured = _measured(fit)
    items = {row.term.rhs for row in fit.estimates if row.term.op == "=~"}
    found = {name: composite(used, indicators) for name, indicators in measured.items()}
    return {**found, **{name: used.numeric([name])[:, 0] for name in model.variables if name not in items and name not in found}}


def _measured(fit: Fit) -> dict[str, list[str]]:
    """Items of each construct that is not itself a dimension of another."""
    below: dict[str, list[str]] = {}
    for row in fit.estimates:
        if row.term.op == "=~" and row.term.rhs not in below.setdefault(row.term.lhs, []):
            below[row.term.lhs].append(row.term.rhs)
    parts = {indicator for indicators in below.values() for indicator in indicators}

    def items(name: str) -> list[str]:
        return [item for indicator in below[name] for item in (items(indicator) if indicator in below else [indicator])]

    return {name: items(name) for name in below if name not in parts}


def _against_the_others(fits: Mapping[str, Fit]) -> tuple[Notice, ...]:
    """A notice for each item whose loading has another sign than most of its construct's: it enters means as it stands."""
    notices: dict[str, Notice] = {}
    for fit in fits.values():
        loadings: dict[str, dict[str, float]] = {}
        for row in fit.estimates:
            if row.term.op == "=~":
                items = loadings.setdefault(row.term.lhs, {})
                items[row.term.rhs] = items.get(row.term.rhs, 0.0) + row.standardized
        for construct, items in loadings.items():
            negative = [item for item, loading in items.items() if loading < 0]
            fewer = negative if 2 * len(negative) <= len(items) else [item for item in items if item not in negative]
            for item in (one for one in fewer if one not in loadings):
                notices.setdefault(f"{construct} {item}", _against(construct, item))
    return tuple(notices.values())


def _against(construct: str, item: str) -> Notice:
    text = (
        f"'{item}' loads on {construct} with another sign than most of its items, so it seems to be worded against them. The"
        f" measurement model turns it by its loading, but it enters the mean of {construct}, and correlations of that mean, as it stands."
        f' If it is worded negatively, declare reversed = ["{item}"] in [constructs.{construct}], or reversed = true in the codebook.'
    )
    return Notice(code="reversed_item", text=text, severity="warning")


def _slopes(study: Study, name: str, fit: Fit) -> dict[str, ResultTable]:
    """Simple slopes and Johnson-Neyman bounds of every moderation that a hypothesis is about."""
    found: dict[str, ResultTable] = {}
    for hypothesis in study.hypotheses:
        claim = hypothesis.claim
        tested = isinstance(claim, Term) and claim.is_interaction and not hypothesis.planned
        if not tested or (hypothesis.models and name not in hypothesis.models):
            continue
        row = fit.estimates.find(claim)  # type: ignore[arg-type]
        if row is None or row.term.rhs.count(":") != 1:
            continue
        x, z = _focal(row.term, fit)
        if x:
            path = f"{row.term.lhs} ~ {x}"
            two = [0.0, 1.0] if _binary(fit, z) else None
            found[f"simple_slopes:{name}:{path}:{z}"] = simple_slopes(fit, path, by=z, at=SLOPE_POINTS, values=two)
            found[f"johnson_neyman:{name}:{path}:{z}"] = johnson_neyman(fit, path, by=z)
    return found


def _focal(term: Term, fit: Fit) -> tuple[str, str]:
    """Which factor of a product is the effect, which the moderator: the effect has a main effect of its own; a 0/1 variable moderates."""
    first, second = term.rhs.split(":")
    mains: Sequence[tuple[str, str]] = [
        (x, z) for x, z in ((first, second), (second, first)) if fit.estimates.find(replace(term, rhs=x)) is not None
    ]
    if not mains:
        return "", ""
    return max(mains, key=lambda pair: not _binary(fit, pair[0]))


def _binary(fit: Fit, name: str) -> bool:
    values = spread(fit, name).values
    return values is not None and set(np.unique(values)) == {0.0, 1.0}
