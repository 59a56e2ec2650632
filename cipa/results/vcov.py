"""VCov: which covariance of the estimates a fit reports, and how it was made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cipa.errors import SpecificationError, one_of, public


@dataclass(frozen=True, slots=True, kw_only=True)
class VCov:
    """The kind of covariance of the estimates.

    Parameters
    ----------
    kind : str
        "iid", "hc0".."hc3", "clustered", "driscoll_kraay", "newey_west", "crv3", "cr2"; for SEM the information used.
    clusters : tuple of str
        The columns that define clusters, for "clustered", "crv3" and "cr2".
    lags : int, optional
        Bandwidth of a kernel estimator.
    convention : {"fixest", "stata", "plm", "none"}
        The small-sample convention: which effects count as parameters and which factor multiplies the sandwich.
    note : str
        The convention in words, as the report prints it.
    """

    kind: str = "iid"
    clusters: tuple[str, ...] = ()
    lags: int | None = None
    convention: str = "fixest"
    note: str = ""

    def __str__(self) -> str:
        of = f"({', '.join(self.clusters)})" if self.clusters else f"(lags={self.lags})" if self.lags is not None else ""
        return f"{self.kind}{of}"


CONVENTIONS = ("fixest", "stata", "plm", "none")


@public
def clustered(*columns: str, convention: str = "fixest") -> VCov:
    """Errors clustered by one or several columns.

    Parameters
    ----------
    columns : str
        "firm", or "firm", "year" for two-way clustering (Cameron, Gelbach & Miller 2011).
    convention : {"fixest", "stata", "plm", "none"}
        The small-sample convention; see the module's documentation for each.

    Examples
    --------
    >>> print(clustered("firm", "year"))
    clustered(firm, year)
    """
    one_of(convention, CONVENTIONS, what="convention", where="ci.clustered")
    if not columns or not all(isinstance(column, str) for column in columns):
        raise SpecificationError(
            f"ci.clustered got {columns!r}, which names no column, and errors are clustered by one. Name it, for example "
            'ci.clustered("firm").'
        )
    if len(set(columns)) < len(columns):
        raise SpecificationError(
            f"ci.clustered: {', '.join(columns)} names a column twice, which adds nothing. Name each way once."
        )
    return VCov(kind="clustered", clusters=tuple(columns), convention=convention)


@public
def driscoll_kraay(lags: int, *, convention: str = "fixest") -> VCov:
    """Errors robust to cross-sectional dependence and to serial correlation up to `lags` periods (Bartlett weights).

    Parameters
    ----------
    lags : int
        Periods, 0 or more.
    convention : {"fixest", "stata", "plm", "none"}
        The small-sample convention.

    Examples
    --------
    >>> driscoll_kraay(2).lags
    2
    """
    return _kernel("driscoll_kraay", lags, convention)


@public
def newey_west(lags: int, *, convention: str = "fixest") -> VCov:
    """Errors robust to serial correlation up to `lags` periods within each entity (Bartlett weights).

    Parameters
    ----------
    lags : int
        Periods, 0 or more.
    convention : {"fixest", "stata", "plm", "none"}
        The small-sample convention.

    Examples
    --------
    >>> newey_west(1).kind
    'newey_west'
    """
    return _kernel("newey_west", lags, convention)


def _kernel(kind: str, lags: int, convention: str) -> VCov:
    one_of(convention, CONVENTIONS, what="convention", where=f"ci.{kind}")
    if isinstance(lags, bool) or not isinstance(lags, (int, np.integer)) or lags < 0:
        raise SpecificationError(
            f"ci.{kind}: lags={lags!r} is not a number of periods, over which errors go together. Give a whole number, 0 or more."
        )
    return VCov(kind=kind, lags=int(lags), convention=convention)
