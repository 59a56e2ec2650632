"""The words on a terminal: cipa run, check, data, init, doctor, explain.

Progress goes to stderr, results to stdout and files. Exit codes: 0 done; 1 a model failed; 2 the declaration is wrong;
3 the data are wrong; 4 an optional part is missing; 130 interrupted. Heavy rooms open when a command needs them.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import click

import cipa as ci
from cipa import errors
from cipa.explain import EXPLANATIONS
from cipa.language.en import EN

EXIT_CODES: tuple[tuple[type[errors.CipaError], int], ...] = (
    (errors.MissingPartError, 4),
    (errors.DataError, 3),
    (errors.SpecificationError, 2),
    (errors.IdentificationError, 2),
    (errors.CipaError, 1),
)
"""Family of error -> exit code; the first that fits."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the entry point of `cipa` and `python -m cipa`."""
    try:
        ended = cli.main(args=None if arguments is None else list(arguments), prog_name="cipa", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("Interrupted: nothing was written to the report.", err=True)
        return 130
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    except errors.CipaError as problem:
        click.echo(f"{type(problem).__name__}: {problem}\n(cipa explain {problem.code})", err=True)
        return next(code for family, code in EXIT_CODES if isinstance(problem, family))
    except OSError as problem:
        click.echo(f"A file could not be read or written: {problem.strerror or problem} ({problem.filename or '?'}).", err=True)
        return 1
    return ended if isinstance(ended, int) else 0


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(ci.__version__, prog_name="cipa")
def cli() -> None:
    """Collaborative innovation performance analysis: from survey and firm-panel data to a paper's tables."""


@cli.command()
@click.argument("study", type=click.Path())
@click.option("--to", "formats", default="html,pdf", show_default=True, help="Formats of the report, separated by commas.")
@click.option("--out", type=click.Path(file_okay=False), help="Folder for the report [default: reports/NAME].")
@click.option("--seed", type=int, help="Seed instead of the study's own.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Models fitted at the same time.")
@click.option("--strict", is_flag=True, help="Exit with 1 when a solution is inadmissible.")
@click.option("--quiet", is_flag=True, help="No progress and no verdicts.")
@click.option("--json", "as_json", is_flag=True, help="Verdicts and files as JSON on stdout.")
def run(study: str, formats: str, out: str | None, seed: int | None, jobs: int, strict: bool, quiet: bool, as_json: bool) -> None:
    """Run STUDY (a study.toml or its folder) and write its report."""
    chosen = tuple(word.strip() for word in formats.split(",") if word.strip())
    _refuse_formats(chosen)
    declared = ci.Study.from_toml(study)
    target = Path(out) if out else Path("reports") / _study_name(study)
    if quiet:
        os.environ["CIPA_PROGRESS"] = "never"
    with _Bar(shown=not quiet) as bar:
        analysis = ci.run(declared, seed=seed, jobs=jobs, progress=bar)
        bar("report", 1, 1)
        files = ci.publish(analysis, target, formats=chosen)
    if as_json:
        click.echo(json.dumps(_summary(analysis, files), ensure_ascii=False, indent=1))
    elif not quiet:
        _say(analysis, files)
    for name, message in analysis.failures.items():
        click.echo(EN("failed", model=name, reason=message), err=True)
    if analysis.failures or (strict and _inadmissible(analysis)):
        raise click.exceptions.Exit(1)


@cli.command()
@click.argument("study", type=click.Path())
@click.option("--to", "formats", default="", help="Formats that a run is going to write, separated by commas.")
def check(study: str, formats: str) -> None:
    """Read STUDY and its data, declare its models and look up its columns and hypotheses, without fitting anything."""
    chosen = [word.strip() for word in formats.split(",") if word.strip()]
    _refuse_formats(chosen)
    found = ci.check(study)
    for name, data in found.datasets.items():
        click.echo(f"source {name}: {data.nobs} rows, {len(data.columns)} columns ({data.name})")
    for name, spec in found.study.models.items():
        click.echo(f"model {name}: {spec.kind} on {spec.source}, engine {found.engines[name]}")
    planned = sum(bool(hypothesis.planned) for hypothesis in found.study.hypotheses)
    click.echo(f"hypotheses: {len(found.study.hypotheses)}, of which {planned} not tested yet")


@cli.command()
@click.argument("name", required=False)
@click.option("--to", "target", type=click.Path(file_okay=False), help="Copy the data set into this folder.")
def data(name: str | None, target: str | None) -> None:
    """Describe the shipped data set NAME, or list all of them."""
    if name is None:
        for one in ci.datasets.names():
            click.echo(one)
        return
    found = ci.datasets.load(name)
    click.echo(f"{name}: {found.nobs} rows, {len(found.columns)} columns")
    for column in found.columns:
        item = found.items.get(column)
        text = found.labels.get(column, "")
        click.echo(f"  {column:<20} {text}{' (reversed)' if item and item.reversed else ''}")
    if target:
        _copy(ci.datasets.folder() / name, Path(target) / name)
        click.echo(f"Copied to {Path(target) / name}")


@cli.command()
@click.argument("folder", type=click.Path(file_okay=False))
@click.option("--template", default="start", show_default=True, help="Which shipped study to start from: start is a small one.")
def init(folder: str, template: str) -> None:
    """Start a study in FOLDER from a template."""
    templates = _templates()
    names = sorted(one.name for one in templates.iterdir() if (one / "study.toml").is_file())
    errors.one_of(template, names, what="--template", where="cipa init")
    _copy(templates / template, Path(folder))
    click.echo(f"Wrote {Path(folder) / 'study.toml'}. Next: cipa run {folder}")


@cli.command()
def doctor() -> None:
    """Say which version is installed of everything that cipa needs, and whether a PDF can be made."""
    click.echo(
        f"cipa {ci.__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} "
        "cores"
    )
    lacking = []
    for package in (
        "numpy",
        "scipy",
        "pandas",
        "statsmodels",
        "semopy",
        "linearmodels",
        "seaborn",
        "matplotlib",
        "jinja2",
        "typst",
        "pyreadstat",
        "python-calamine",
    ):
        try:
            click.echo(f"  {package:<16} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            lacking.append(package)
            click.echo(f"  {package:<16} missing: python -m pip install {package}")
    click.echo(f"data sets: {', '.join(ci.datasets.names())}")
    if lacking:
        raise errors.MissingPartError(
            f"Not installed: {', '.join(lacking)}. Without them cipa cannot do all that it offers: install them with python -m "
            f"pip install {' '.join(lacking)}."
        )


@cli.command()
@click.argument("code")
def explain(code: str) -> None:
    """Explain the CODE of an error or a notice."""
    chosen = {name.lower(): name for name in EXPLANATIONS}.get(code.lower(), code)
    click.echo(EXPLANATIONS[errors.one_of(chosen, EXPLANATIONS, what="CODE", where="cipa explain")])


class _Bar:
    """A progress bar on stderr; lines instead of a bar where stderr is not a terminal."""

    def __init__(self, *, shown: bool) -> None:
        self.shown, self.terminal, self.width = shown, sys.stderr.isatty(), 24

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self.shown and self.terminal:
            click.echo("\r" + " " * (self.width + 50) + "\r", nl=False, err=True)

    def __call__(self, what: str, done: int, total: int) -> None:
        if not self.shown:
            return
        if not self.terminal:
            click.echo(f"[{done}/{total}] {what}", err=True)
            return
        full = round(self.width * done / total)
        click.echo(f"\r[{'#' * full}{'.' * (self.width - full)}] {what:<40.40}", nl=False, err=True)


def _refuse_formats(formats: Sequence[str]) -> None:
    """Refuse a format of the report that no writer has, before anything is computed."""
    for name in formats:
        errors.one_of(name, import_module("cipa.report.publish").FORMATS, what="--to", where="cipa")


def _study_name(study: str) -> str:
    place = Path(study).resolve()
    return place.name if place.is_dir() else place.parent.name if place.name == "study.toml" else place.stem


def _summary(analysis: Any, files: Sequence[Path]) -> dict[str, Any]:
    return {
        "title": analysis.study.title,
        "seed": analysis.seed,
        "failures": dict(analysis.failures),
        "files": [file.as_posix() for file in files],
        "verdicts": [
            {
                "hypothesis": one.hypothesis.name, "claim": str(one.hypothesis), "model": one.model,
                "group": None if one.estimate is None else one.estimate.term.group,
                "level": None if one.estimate is None else one.estimate.term.level, "verdict": one.verdict,
            }
            for one in analysis.verdicts
        ],
    }  # fmt: skip


def _say(analysis: Any, files: Sequence[Path]) -> None:
    """One line for each verdict: of which model, of which group and level."""
    places = [f"{one.model} {one.estimate.term.place if one.estimate else ''}".rstrip() for one in analysis.verdicts]
    wide = max(map(len, places), default=0)
    for one, place in zip(analysis.verdicts, places, strict=True):
        row = one.estimate
        numbers = f"  b = {row.estimate:.3f} [{row.conf_low:.3f}, {row.conf_high:.3f}]" if row is not None else ""
        verdict = EN(f"verdict.{one.verdict}")
        click.echo(f"{one.hypothesis.name:<6} {verdict:<14} {place:<{wide}}  {one.hypothesis!s:<32}{numbers}".rstrip())
    for file in files:
        click.echo(file.as_posix())


def _inadmissible(analysis: Any) -> bool:
    return any(notice.code in ("heywood", "latent_cov") for fit in analysis.fits.values() for notice in fit.notices)


def _templates() -> Path:
    package = Path(__file__).resolve().parent
    installed = package / "_analyses"
    return installed if installed.is_dir() else package.parent / "analyses"


def _copy(source: Path, target: Path) -> None:
    """Copy a shipped folder; a folder that holds something is left alone."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise errors.SpecificationError(f"'{target}' exists and is not empty. Nothing is overwritten: choose another folder.")
    ignored: Callable[..., Any] = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=ignored)
