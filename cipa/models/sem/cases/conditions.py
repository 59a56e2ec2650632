"""Whether the data can carry a model: enough cases, variables that vary and differ, clusters enough, units alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cipa.data.checks import suspected_code
from cipa.data.dataset import Dataset
from cipa.errors import DataError
from cipa.numerics.algebra.linalg import Array, BoolArray, cholesky_or_none
from cipa.numerics.moments.normal import Saturated
from cipa.results.fit import Notice

_COLLINEAR = 1e-9  # smallest scaled Cholesky pivot; below it an item is a sum of the others up to rounding
_NEARLY = 0.99  # squared multiple correlation: a variance inflation factor of 100
_UNITS = 1e3  # largest over smallest variance (where lavaan warns)
_FEW_CLUSTERS = 30


def placed_rows(data: Dataset, roles: Mapping[str, str | None]) -> tuple[BoolArray, list[Notice]]:
    """Rows (n,) that have a value where the model names a group, cluster or weight, and a notice for each that some lack."""
    placed, notices = np.ones(data.nobs, dtype=bool), []
    for role, column in roles.items():
        lost = data.missing(column) if column else np.zeros(data.nobs, dtype=bool)
        if column and lost.all():
            raise DataError(
                f"{data.name}: the {role} column '{column}' has no value in any of the {data.nobs} rows, so no case has its "
                f"{role}. Choose another column, or leave the option out."
            )
        if lost.any():
            values = {
                "lost": int(lost.sum()), "total": data.nobs, "role": role, "column": column, "first": int(np.argmax(lost)) + 1,
            }  # fmt: skip
            notices.append(Notice(code="rows_dropped", variant="unplaced", values=values))
        placed &= ~lost
    return placed, notices


def code_notices(values: Array, variables: Sequence[str]) -> list[Notice]:
    """A warning on every variable that seems to hold a code for a missing answer."""
    codes = ((name, suspected_code(values[:, position])) for position, name in enumerate(variables))
    return [
        Notice(code="suspected_code", values={"name": name, "value": code[0], "rows": code[1]}, severity="warning")
        for name, code in codes
        if code
    ]


def refuse_few(values: Array, variables: Sequence[str], *, place: str) -> None:
    """Refuse no more cases than variables."""
    n, p = values.shape
    if n <= p:
        raise DataError(
            f"{n} case{'s' if n > 1 else ''}{place} for {p} observed variables: the sample covariance matrix is singular, and "
            f'maximum likelihood is not defined. More than {p} cases are needed; use fewer variables, or missing="fiml" if cases '
            "were lost to holes."
        )


def collinear(cov: Array) -> int | None:
    """Position of the first variable that the ones before it determine, or None."""
    scale = np.sqrt(cov.diagonal())
    correlation = cov / np.outer(scale, scale)
    factor = cholesky_or_none(correlation)
    if factor is not None and (factor.diagonal() ** 2 > _COLLINEAR).all():
        return None
    for size in range(2, len(cov)):
        factor = cholesky_or_none(correlation[:size, :size])
        if factor is None or factor[-1, -1] ** 2 <= _COLLINEAR:
            return size - 1
    return len(cov) - 1


def collinear_message(unrestricted: Saturated | None, values: Array, variables: Sequence[str], *, place: str) -> str:
    """Which variable is a combination of which; from the complete cases where the likelihood has no maximum."""
    complete = values[~np.isnan(values).any(axis=1)]
    cov = unrestricted.cov if unrestricted is not None else np.cov(complete.T) if len(complete) > len(variables) else None
    position = None if cov is None else collinear(cov)
    which = "Some variables are exact linear combinations of others (collinear)"
    if cov is not None and position is not None:
        scale = np.sqrt(cov.diagonal())
        correlation = cov / np.outer(scale, scale)
        weights = np.linalg.lstsq(correlation[:position, :position], correlation[:position, position], rcond=None)[0]
        partners = [variables[k] for k in range(position) if abs(weights[k]) > 1e-6]
        which = f"'{variables[position]}' is collinear: it is an exact linear combination of {', '.join(partners)}"
    products = [name for name in variables if ":" in name]
    cure = (
        f"Centre the variables of {products[0]}: where one lies far from 0, their product is the other one, but for rounding."
        if products
        else "Drop one of them, or a total that was computed from its parts."
    )
    return f"{which}{place}. Their covariance matrix is singular, so the likelihood has no maximum. {cure}"


def condition_notices(cov: Array, variables: Sequence[str], *, group: str | None) -> list[Notice]:
    """Units that differ by orders of magnitude, and variables that the others nearly determine."""
    variances = cov.diagonal()
    found = []
    small, large = int(variances.argmin()), int(variances.argmax())
    if variances[large] > _UNITS * variances[small]:
        values = {
            "large": variables[large], "largest": variances[large], "small": variables[small], "smallest": variances[small],
            "ratio": variances[large] / variances[small], "group": group,
        }  # fmt: skip
        found.append(Notice(code="units", values=values))
    scale = np.sqrt(variances)
    correlation = cov / np.outer(scale, scale)
    share = 1 - 1 / np.linalg.inv(correlation).diagonal()
    for j in map(int, np.flatnonzero(share > _NEARLY)):
        nearest = int(np.abs(correlation[j] - np.eye(len(cov))[j]).argmax())
        values = {
            "variable": variables[j], "share": share[j], "nearest": variables[nearest], "correlation": correlation[j, nearest],
            "group": group,
        }  # fmt: skip
        found.append(Notice(code="near_collinear", values=values))
    return found


def cluster_notices(clusters: int, npar: int) -> list[Notice]:
    """Too few clusters for errors that rest on them."""
    if clusters >= max(_FEW_CLUSTERS, npar + 1):
        return []
    severity = "warning" if clusters <= npar else "info"
    values = {"clusters": clusters, "parameters": npar}
    return [Notice(code="few_clusters", variant="errors", values=values, severity=severity)]
