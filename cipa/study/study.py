"""Study: what the researcher declares before looking, as one value that refuses contradictions at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cipa.errors import SpecificationError, did_you_mean, public
from cipa.frozen import FrozenDict
from cipa.study import toml
from cipa.study.constructs import Construct
from cipa.study.hypotheses import Hypothesis


def _mapping(found: Mapping[str, Any]) -> Mapping[str, Any]:
    return FrozenDict(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where data come from.

    Parameters
    ----------
    path : str
        A shipped data set's name, or a path relative to the study's folder.
    entity, time, cluster : str, optional
        Panel keys and sampling clusters, where the codebook does not name them.
    sheet : str or int, optional
        Of a workbook, as in `ci.read`.
    encoding : str, optional
        Of a text file, as in `ci.read`.
    rename : mapping of str to str
        New names of columns: ``{"rd": "Q5.R&D (%)"}``, before anything else is done (the other way round is understood too).
    derive : mapping of str to str
        Columns to compute, in order: ``{"lnage": "age / 10"}``.
    labels : mapping of str to str
        How tables and figures call columns.
    """

    path: str
    entity: str | None = None
    time: str | None = None
    cluster: str | None = None
    sheet: str | int | None = None
    encoding: str | None = None
    rename: Mapping[str, str] = field(default_factory=lambda: _mapping({}))
    derive: Mapping[str, str] = field(default_factory=lambda: _mapping({}))
    labels: Mapping[str, str] = field(default_factory=lambda: _mapping({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """Rules by which respondents are excluded: see `ci.screen`."""

    attention: Mapping[str, float] = field(default_factory=lambda: _mapping({}))
    min_time: Mapping[str, float] = field(default_factory=lambda: _mapping({}))
    longstring: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One model of the study.

    Parameters
    ----------
    kind : str
        The family: "sem", "panel".
    source : str
        The data it is fitted to.
    structure : tuple of str
        Structural equations; measurement equations come from the constructs they name (SEM).
    syntax : str
        The whole model in lavaan syntax, instead of `structure` (SEM).
    formula : str
        For panel models.
    label : str
        A title for tables.
    options : mapping
        Keywords of the family's class (`estimator`, `missing`, `method`, `effects`, `vcov`, …).
    """

    kind: str
    source: str
    structure: tuple[str, ...] = ()
    syntax: str = ""
    formula: str = ""
    label: str = ""
    options: Mapping[str, Any] = field(default_factory=lambda: _mapping({}))


@public
@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    r"""A declared study.

    Parameters
    ----------
    title : str
    constructs : tuple of Construct
        Empty: those of the sources' codebooks.
    hypotheses : tuple of Hypothesis
    sources : mapping of name to Source
    models : mapping of name to ModelSpec
    screening : mapping of source name to Screening
    report : mapping
        Options of the report: "author", "note", "cross_check" (True, or names of models to fit again with another program).
    seed : int
    smallest_effect : float
        The smallest standardized effect of interest, against which "not supported" and "inconclusive" are told apart.
    folder : Path, optional
        Where the study file lies; paths are relative to it. Not part of equality.
    place : toml.Lines, optional
        Lines of the study file, for messages. Not part of equality.

    Examples
    --------
    >>> import cipa as ci, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> text = '[study]\ntitle = "Investment"\n[sources]\nfirms = "grunfeld"\n[hypotheses]\nH1 = "inv ~ value > 0"\n'
    >>> text += '[models.within]\nkind = "panel"\nformula = "inv ~ value + capital"\n'
    >>> _ = (folder / "study.toml").write_text(text)
    >>> study = ci.Study.from_toml(folder)
    >>> study.title, str(study.hypotheses[0].claim)
    ('Investment', 'inv ~ value')
    """

    title: str
    sources: Mapping[str, Source]
    models: Mapping[str, ModelSpec]
    constructs: tuple[Construct, ...] = ()
    hypotheses: tuple[Hypothesis, ...] = ()
    screening: Mapping[str, Screening] = field(default_factory=lambda: _mapping({}))
    report: Mapping[str, Any] = field(default_factory=lambda: _mapping({}))
    seed: int = 1
    smallest_effect: float = 0.10
    folder: Path | None = field(default=None, compare=False)
    place: toml.Lines | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.models:
            raise SpecificationError(
                'The study has no model, so nothing can be fitted. Add a table [models.NAME] with kind = "..." (docs/study.md).'
            )
        for name, model in self.models.items():
            if model.source not in self.sources:
                raise SpecificationError(
                    f'{self.where("models", name)}: source = "{model.source}" is not in '
                    f"[sources].{did_you_mean(model.source, self.sources)}"
                    " A model is fitted to one of the declared sources: mend the name, or declare it."
                )
        for name in self.screening:
            if name not in self.sources:
                raise SpecificationError(
                    f"{self.where('screening', name)}: there is no source '{name}'.{did_you_mean(name, self.sources)} Rules of"
                    " screening apply to a declared source: mend the name."
                )
        for hypothesis in self.hypotheses:
            for name in hypothesis.models:
                if name not in self.models:
                    raise SpecificationError(
                        f"{self.where('hypotheses', hypothesis.name)}: there is no model "
                        f"'{name}'.{did_you_mean(name, self.models)} The hypothesis would be tested nowhere: mend the name, or "
                        "drop models = [...] to look in all of them."
                    )

    def where(self, *keys: str) -> str:
        """The place of a key in the study file, for a message."""
        return self.place.where(*keys) if self.place else ".".join(keys)

    @classmethod
    @public
    def from_toml(cls, path: str | Path) -> Study:
        """Read a study file (or the folder that holds `study.toml`).

        Raises
        ------
        SpecificationError
            With file, table and line, for anything that is not understood.
        """
        file = Path(path)
        file = file / "study.toml" if file.is_dir() else file
        declared = toml.read(file)
        return cls(**_fields(declared), folder=file.resolve().parent, place=declared.lines)

    def to_toml(self) -> str:
        """The study as TOML that reads back as the same study."""
        return toml.write(_tables(self))


_STUDY = ("title", "seed", "smallest_effect")
_SECTIONS = ("study", "sources", "screening", "constructs", "hypotheses", "models", "report")
_SOURCE = ("path", "entity", "time", "cluster", "sheet", "encoding", "rename", "derive", "labels")
_SCREENING = ("attention", "min_time", "longstring")
_CONSTRUCT = ("label", "items", "dimensions", "column", "reversed", "scale")
_HYPOTHESIS = ("claim", "label", "models", "planned")
_REPORT = ("author", "note", "cross_check")


def _fields(declared: toml.Declared) -> dict[str, Any]:
    declared.only((), _SECTIONS)
    head = declared.table("study", known=_STUDY)
    sources = {name: _source(declared, name, value) for name, value in declared.table("sources").items()}
    if not sources:
        raise declared.refuse(
            ("sources",), 'the study names no data. Add a table [sources] with, for example, survey = "cluster_survey".'
        )
    only = next(iter(sources)) if len(sources) == 1 else ""
    return {
        "title": declared.of_type(("study", "title"), head.get("title", ""), str),
        "seed": declared.of_type(("study", "seed"), head.get("seed", 1), int),
        "smallest_effect": float(declared.of_type(("study", "smallest_effect"), head.get("smallest_effect", 0.10), (int, float))),
        "sources": _mapping(sources),
        "screening": _mapping({name: _screening(declared, name) for name in declared.table("screening")}),
        "constructs": tuple(_construct(declared, name) for name in declared.table("constructs")),
        "hypotheses": tuple(_hypothesis(declared, name, value) for name, value in declared.table("hypotheses").items()),
        "models": _mapping({name: _model(declared, name, only=only) for name in declared.table("models")}),
        "report": _mapping(_report(declared)),
    }


def _report(declared: toml.Declared) -> dict[str, Any]:
    line = declared.table("report", known=_REPORT)
    wanted = line.get("cross_check", False)
    if not isinstance(wanted, bool) and not (isinstance(wanted, list) and all(isinstance(one, str) for one in wanted)):
        raise declared.refuse(
            ("report", "cross_check"),
            f"expected true, false or a list of models, got {wanted!r}, so that it is open what is checked. Write "
            "cross_check = true, or the names in [ ].",
        )
    models = declared.table("models")
    for name in wanted if isinstance(wanted, list) else ():
        if name not in models:
            raise declared.refuse(
                ("report", "cross_check"),
                f"there is no model '{name}'.{did_you_mean(name, models)} Nothing would be checked: name declared models only.",
            )
    return {key: _frozen(value) for key, value in line.items()}


def _source(declared: toml.Declared, name: str, value: Any) -> Source:
    if isinstance(value, str):
        return Source(path=value)
    line = declared.table("sources", name, known=_SOURCE)
    if "path" not in line:
        raise declared.refuse(
            ("sources", name),
            'a source needs path = "...", or there are no data. Name a file beside study.toml, or a shipped data set.',
        )
    tables: Any = {
        part: _mapping(
            {
                key: declared.of_type(("sources", name, part, key), text, str)
                for key, text in declared.table("sources", name, part).items()
            }
        )
        for part in ("rename", "derive", "labels")
    }
    line = {key: value for key, value in line.items() if key not in tables}
    kinds = {"sheet": (str, int)}
    words = {key: declared.of_type(("sources", name, key), text, kinds.get(key, str)) for key, text in line.items()}
    return Source(**words, **tables)


def _screening(declared: toml.Declared, name: str) -> Screening:
    line = declared.table("screening", name, known=_SCREENING)
    number = (int, float)
    rules = {
        rule: _mapping(
            {
                column: float(declared.of_type(("screening", name, rule, column), value, number))
                for column, value in declared.table("screening", name, rule).items()
            }
        )
        for rule in ("attention", "min_time")
    }
    longstring = line.get("longstring")
    if longstring is not None:
        declared.of_type(("screening", name, "longstring"), longstring, int)
    return Screening(**rules, longstring=longstring)


def _construct(declared: toml.Declared, name: str) -> Construct:
    line = declared.table("constructs", name, known=_CONSTRUCT)
    lists = {
        key: tuple(declared.words(("constructs", name, key), line.get(key, []))) for key in ("items", "dimensions", "reversed")
    }
    scale = line.get("scale")
    if scale is not None:
        numbers = isinstance(scale, list) and len(scale) == 2 and all(type(end) in (int, float) for end in scale)
        if not numbers:
            raise declared.refuse(
                ("constructs", name, "scale"),
                f"expected the two ends of a scale such as [1, 7], got {scale!r}. Without them an item cannot be turned "
                "round: write both.",
            )
        scale = (float(scale[0]), float(scale[1]))
    try:
        return Construct(name=name, label=line.get("label", ""), column=line.get("column"), scale=scale, **lists)
    except SpecificationError as problem:
        raise declared.refuse(("constructs", name), str(problem)) from problem


def _hypothesis(declared: toml.Declared, name: str, value: Any) -> Hypothesis:
    line = {"claim": value} if isinstance(value, str) else declared.table("hypotheses", name, known=_HYPOTHESIS)
    claim = declared.of_type(("hypotheses", name, "claim"), line.get("claim", ""), str)
    models = tuple(declared.words(("hypotheses", name, "models"), line.get("models", [])))
    try:
        return Hypothesis.parse(name, claim, label=line.get("label", ""), models=models, planned=line.get("planned", ""))
    except SpecificationError as problem:
        raise declared.refuse(("hypotheses", name), str(problem)) from problem


def _model(declared: toml.Declared, name: str, *, only: str) -> ModelSpec:
    line = declared.table("models", name)
    if "kind" not in line:
        raise declared.refuse(
            ("models", name),
            'a model needs kind = "...", the family that it is of: it says how the rest is read. Choose one that '
            "docs/study.md lists.",
        )
    source = line.pop("source", only or (name if name in declared.table("sources") else ""))
    declared.of_type(("models", name, "source"), source, str)
    if not source:
        raise declared.refuse(
            ("models", name),
            'the study has several sources, so that it is open which one the model is fitted to. Name it with source = "...".',
        )
    structure = tuple(declared.words(("models", name, "structure"), line.pop("structure", [])))
    own = {key: declared.of_type(("models", name, key), line.pop(key, ""), str) for key in ("kind", "syntax", "formula", "label")}
    return ModelSpec(source=source, structure=structure, options=_mapping({k: _frozen(v) for k, v in line.items()}), **own)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(one) for one in value) if isinstance(value, list) else value


def _tables(study: Study) -> dict[str, Any]:
    """The study as nested tables, without what is at its default."""
    head = {"title": study.title, "seed": study.seed, "smallest_effect": study.smallest_effect}
    tables: dict[str, Any] = {"study": head, "sources": {name: _plain(one) for name, one in study.sources.items()}}
    tables["screening"] = {name: _plain(one) for name, one in study.screening.items()}
    tables["constructs"] = {one.name: {k: v for k, v in _plain(one).items() if k != "name"} for one in study.constructs}
    tables["hypotheses"] = {
        one.name: {"claim": str(one), **({"label": one.label} if one.label else {}),
        **({"models": list(one.models)} if one.models else {}),
                   **({"planned": one.planned} if one.planned else {})}
        for one in study.hypotheses
    }  # fmt: skip
    tables["models"] = {}
    for name, model in study.models.items():
        line = _plain(model)
        tables["models"][name] = {**{k: v for k, v in line.items() if k != "options"}, **line.get("options", {})}
    tables["report"] = dict(study.report)
    return {key: value for key, value in tables.items() if value}


def _plain(value: Any) -> dict[str, Any]:
    found = {}
    for name in value.__dataclass_fields__:
        entry = getattr(value, name)
        if entry not in (None, "", (), {}) and not (isinstance(entry, Mapping) and not entry):
            found[name] = dict(entry) if isinstance(entry, Mapping) else list(entry) if isinstance(entry, tuple) else entry
    return found
