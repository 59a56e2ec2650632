"""Moments of a file that is too large for memory, in one pass over its blocks of rows.

    n = a + b,   d = mean_b - mean_a,   mean = mean_a + d b / n,   C = C_a + C_b + d d' a b / n

with C the centred sums of products. All values are counted from the first complete row, so that nothing is lost to large means.

Source: Chan, T. F., Golub, G. H. & LeVeque, R. J. (1983). Algorithms for computing the sample variance. The American
Statistician, 37, 242-247, eq. 2.1.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cipa.data.checks import require
from cipa.data.dataset import Dataset
from cipa.data.formats.kinds import damaged, refuse_absent, without_pyarrow, without_rows
from cipa.data.moments import SampleMoments
from cipa.errors import CipaError, DataError, SpecificationError, public
from cipa.numerics.algebra.linalg import Array

try:
    import pyarrow.parquet as parquet
    from pyarrow import ArrowException
except ImportError:  # an optional part; asking for it says so
    parquet, ArrowException = None, ValueError

_BLOCK = 65_536  # rows: 40 columns are 21 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Count, means (p,) and centred sums of products (p, p) of the rows so far, and how many incomplete rows were left out."""

    nobs: int
    mean: Array
    products: Array
    dropped: int = 0

    @classmethod
    def of(cls, values: Array) -> Running:
        """Of the complete rows of one block (n, p)."""
        complete = values[~np.isnan(values).any(axis=1)]
        mean = complete.mean(axis=0) if len(complete) else np.zeros(values.shape[1])
        centred = complete - mean
        return cls(nobs=len(complete), mean=mean, products=centred.T @ centred, dropped=len(values) - len(complete))

    def joined(self, other: Running) -> Running:
        """Of both together."""
        total = self.nobs + other.nobs
        gap = other.mean - self.mean
        share = other.nobs / total if total else 0.0
        products = self.products + other.products + np.multiply.outer(gap, gap) * self.nobs * share
        return Running(nobs=total, mean=self.mean + gap * share, products=products, dropped=self.dropped + other.dropped)


@public
def read_moments(path: str | Path, *, columns: Sequence[str], group: str | None = None) -> SampleMoments | list[SampleMoments]:
    """Covariance matrix and means of a file of any length, read a block of rows at a time.

    Parameters
    ----------
    path : str or Path
        A parquet, csv or tsv file (csv and tsv in UTF-8, possibly gzipped).
    columns : sequence of str
        The variables, in the order wanted.
    group : str, optional
        A column of groups.

    Returns
    -------
    SampleMoments, or a list of them
        Of the complete rows, divisor n - 1, with the number of incomplete rows in `dropped`; with `group` one for each group, in
        order of appearance. Memory does not grow with the file.

    Raises
    ------
    DataError
        A column that is not there or holds words or infinity; no complete row.

    Examples
    --------
    >>> import cipa as ci, tempfile, pathlib
    >>> place = pathlib.Path(tempfile.mkdtemp()) / "tests.csv"
    >>> ci.datasets.load("holzinger1939").to_frame().to_csv(place, index=False)
    >>> moments = ci.read_moments(place, columns=["x1", "x2", "x3"])
    >>> ci.SEM("visual =~ x1 + x2 + x3").fit(moments).nobs
    301
    """
    place, names = Path(path), list(columns)
    if not names or len(set(names)) < len(names) or group in names:
        raise SpecificationError(
            f"ci.read_moments: columns={names!r}. Without names, or with one that stands twice, the covariance matrix is none or "
            "singular: name each variable once, and the group column in group= only."
        )
    refuse_absent(place)
    found: dict[str, Running] = {}
    origin: Array | None = None
    for block in _sound_blocks(place, [*names, *([group] if group else [])]):
        if not len(block):
            continue
        data = Dataset.from_frame(block, name=place.name)
        values = data.numeric(names)
        if origin is None:
            complete = np.flatnonzero(~np.isnan(values).any(axis=1))
            origin = values[complete[0]].copy() if complete.size else None
        for label, rows in _groups(data, group):
            here = Running.of(values[rows] if origin is None else values[rows] - origin)
            found[label] = found[label].joined(here) if label in found else here
    start = np.zeros(len(names)) if origin is None else origin
    moments = [_moments(one, start, names, label or None, place) for label, one in found.items()]
    if not moments:
        raise without_rows(place)
    return moments if group else moments[0]


def _sound_blocks(place: Path, names: list[str]) -> Iterator[pd.DataFrame]:
    """The blocks; a file that its library cannot read is refused."""
    expected = "a Parquet file (.parquet)" if place.name.lower().endswith(".parquet") else "UTF-8 text of separated values"
    try:
        yield from _blocks(place, names)
    except CipaError:
        raise
    except (
        ArrowException,
        ValueError,
        OSError,
        EOFError,
        zlib.error,
        OverflowError,
    ) as problem:  # ParserError and ArrowInvalid among them
        raise damaged(place, expected=expected, problem=problem) from problem


def _blocks(place: Path, names: list[str]) -> Iterator[pd.DataFrame]:
    suffix = place.name.lower()
    if suffix.endswith(".parquet"):
        if parquet is None:
            raise without_pyarrow(place)
        file = parquet.ParquetFile(place, pre_buffer=False)  # otherwise the whole file is fetched ahead
        require(names, present=file.schema_arrow.names, name=place.name)
        for batch in file.iter_batches(batch_size=_BLOCK, columns=names):
            yield batch.to_pandas()
    elif suffix.removesuffix(".gz").endswith((".csv", ".tsv")):
        separator = "\t" if ".tsv" in suffix else ","
        require(names, present=list(pd.read_csv(place, sep=separator, nrows=0, encoding="utf-8-sig").columns), name=place.name)
        yield from pd.read_csv(place, sep=separator, usecols=names, chunksize=_BLOCK, encoding="utf-8-sig")
    else:
        raise DataError(
            f"'{place.name}': moments are read from .parquet, .csv and .tsv files, which can be taken block by block. Read other "
            "formats whole, with ci.read."
        )


def _groups(data: Dataset, group: str | None) -> list[tuple[str, Any]]:
    """(label, rows) of the groups in a block; rows without a group belong to none."""
    if group is None:
        return [("", slice(None))]
    column = pd.Series(data[group])
    labels = [str(int(v)) if isinstance(v, float) and v.is_integer() else str(v) for v in column.dropna().unique()]
    keys = list(column.dropna().unique())
    return [(label, np.flatnonzero((column == key).to_numpy())) for label, key in zip(labels, keys, strict=True)]


def _moments(found: Running, origin: Array, names: list[str], label: str | None, place: Path) -> SampleMoments:
    if found.nobs < 2:
        where = f" in group {label}" if label else ""
        raise DataError(
            f"'{place.name}' has {found.nobs} complete rows{where} ({found.dropped} have holes). A covariance matrix needs 2 at "
            "the least: leave out the emptiest column."
        )
    return SampleMoments(
        cov=found.products / (found.nobs - 1),
        mean=origin + found.mean,
        nobs=found.nobs,
        names=names,
        group=label,
        dropped=found.dropped,
    )
