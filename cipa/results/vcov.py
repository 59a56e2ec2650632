"""VCov: which covariance of the estimates a fit reports, and how it was made."""

from __future__ import annotations

from dataclasses import dataclass


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
