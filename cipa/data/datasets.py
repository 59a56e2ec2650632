"""ci.datasets: the data sets that come with the package, and the simulator that made the invented ones."""

from __future__ import annotations

from pathlib import Path

from cipa.data.dataset import Dataset
from cipa.data.read import read
from cipa.data.simulation.simulate import Simulated as Simulated
from cipa.data.simulation.simulate import simulate as _simulate
from cipa.errors import DataError, did_you_mean, public

simulate = public(_simulate)


def folder() -> Path:
    """Where the data sets lie: inside an installed package, or beside it in a source tree."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_datasets"
    return installed if installed.is_dir() else package.parent / "datasets"


def names() -> tuple[str, ...]:
    """Names of the data sets."""
    return tuple(sorted(one.name for one in folder().iterdir() if (one / "codebook.toml").is_file()))


@public
def load(name: str) -> Dataset:
    """Load a data set that comes with the package.

    Examples
    --------
    >>> load("grunfeld").nobs
    200
    """
    if name not in names():
        raise DataError(
            f"There is no data set '{name}'.{did_you_mean(name, names())} Nothing is loaded in its place: name one of "
            f"{', '.join(names())}, or read a file with ci.read(path)."
        )
    return read(folder() / name)
