"""Where a study's data lie: a data set that comes with the package, or a file inside the study's own folder.

A study file may come from a stranger, so it can name nothing outside its folder: no absolute path, no way up, no link
that leads out. The one exception changes nothing: a way up that ends in ``datasets/NAME`` names the shipped data set.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

from cipa.data import datasets
from cipa.data.dataset import Dataset
from cipa.data.read import read
from cipa.errors import DataError, SpecificationError, did_you_mean


def load_source(
    path: str, *, folder: Path | None, name: str, where: str, sheet: str | int | None = None, encoding: str | None = None
) -> Dataset:
    """The data that `path` names.

    Parameters
    ----------
    path : str
        Name of a shipped data set, or a path relative to the study's folder, with forward slashes.
    folder : Path or None
        The study's folder; None when the study was made in Python (then the working directory).
    name : str
        How messages and the report call the data.
    where : str
        The place in the study file, for messages.

    sheet, encoding : optional
        As in `ci.read`.

    Raises
    ------
    SpecificationError
        When the path leads out of the folder.
    DataError
        When there is nothing to read.
    """
    shipped = _shipped(path)
    if shipped:
        return datasets.load(shipped)
    base = (folder or Path.cwd()).resolve()
    target = _inside(path, base, where=where)
    if not target.exists():
        near = [one.name for one in base.iterdir()] if base.is_dir() else []
        raise DataError(
            f"{where}: there is no '{path}' in the study's folder, and no shipped data set of that name, so that there are no "
            f"data.{did_you_mean(path, [*datasets.names(), *near])} Put the file there, or name a shipped data set: "
            f"{', '.join(datasets.names())}."
        )
    return read(target, name=name, sheet=sheet, encoding=encoding)


def _shipped(path: str) -> str:
    """The shipped data set that a path names, or ""."""
    if path in datasets.names():
        return path
    parts = PurePosixPath(path).parts
    return (
        path.rsplit("/", 1)[-1]
        if len(parts) > 2 and parts[0] == ".." and parts[-2] == "datasets" and parts[-1] in datasets.names()
        else ""
    )


def _inside(path: str, base: Path, *, where: str) -> Path:
    absolute = (
        PurePosixPath(path).is_absolute()
        or PureWindowsPath(path).drive
        or PureWindowsPath(path).is_absolute()
        or path.startswith("~")
    )
    if not path or "\0" in path or absolute:
        raise _outside(path, where)
    target = (base / path).resolve()  # follows links, so a link out of the folder is seen
    if not target.is_relative_to(base):
        raise _outside(path, where)
    return target


def _outside(path: str, where: str) -> SpecificationError:
    return SpecificationError(
        f"{where}: '{path[:120]}' lies outside the study's folder. A study reads its own folder and the shipped data sets only, "
        "so that a study file from somebody else cannot read other files. Put the data beside study.toml and name them by a "
        "relative path."
    )
