"""Power of tests of overall fit, and the sample they need, from RMSEA.

Under RMSEA e the chi-square of a model is noncentral with lambda = (n - 1) df e^2 (MacCallum, Browne & Sugawara 1996, eq. 8). A
test of close fit rejects "RMSEA <= e0" in the upper tail; a test of not-close fit rejects "RMSEA >= e0" in the lower tail; a test
of exact fit is that of close fit with e0 = 0.

Source: MacCallum, R. C., Browne, M. W. & Sugawara, H. M. (1996). Psychological Methods, 1, 130-149.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import chdtr, chdtri, chndtr, chndtrix

from cipa.errors import SpecificationError, one_of, public
from cipa.language.en import EN
from cipa.results.display import ResultTable

TESTS = {"close": (0.05, 0.08), "not_close": (0.05, 0.01), "exact": (0.0, 0.05)}
"""Test -> RMSEA under the null hypothesis and in the population, as in the paper's tables."""

_MOST = 10_000_000


@public
def power_rmsea(
    *, df: int, nobs: int | list[int] | tuple[int, ...] | None = None,
    test: str | Sequence[str] = ("close", "not_close", "exact"),
    rmsea_null: float | None = None, rmsea: float | None = None, alpha: float = 0.05, target: float = 0.80,
) -> ResultTable:  # fmt: skip
    """Power of the tests of close, not-close and exact fit, and the number of cases for a target.

    Parameters
    ----------
    df : int
        Degrees of freedom of the model.
    nobs : int or list of int, optional
        Cases; without it only the number needed is given.
    test : {"close", "not_close", "exact"} or several
    rmsea_null, rmsea : float, optional
        RMSEA under the null hypothesis and in the population. Default as in the paper: .05 and .08 (close), .05 and .01 (not
        close), 0 and .05 (exact).
    alpha : float
    target : float
        Power to be reached by `nobs_needed`.

    Returns
    -------
    ResultTable
        test, df, rmsea_null, rmsea, nobs, power, nobs_needed.

    Raises
    ------
    SpecificationError
        A number outside its range, or an RMSEA on the wrong side of the null hypothesis.

    Examples
    --------
    >>> import cipa as ci
    >>> ci.power_rmsea(df=50, nobs=200, test="close").to_frame()[["power", "nobs_needed"]].round(3).values.tolist()
    [[0.769, 214.0]]
    """
    tests = [test] if isinstance(test, str) else list(test)
    sizes = [None] if nobs is None else list(nobs) if isinstance(nobs, (list, tuple)) else [nobs]
    if not tests or not sizes:
        raise SpecificationError(
            f"ci.power_rmsea: {'test' if not tests else 'nobs'}= is an empty list, so nothing is asked. Name at least one, or "
            "leave it out."
        )
    for one in (df, *(size for size in sizes if size is not None)):
        _refuse_count(one)
    refuse_probabilities("ci.power_rmsea", alpha=alpha, target=target)
    rows = []
    for name in tests:
        null, true = _pair(one_of(name, TESTS, what="test", where="ci.power_rmsea"), rmsea_null, rmsea)
        needed = _needed(df, null, true, alpha, target)
        rows += [(name, df, null, true, n, None if n is None else _power(n, df, null, true, alpha), needed) for n in sizes]
    heads = ("test", "df", "rmsea_null", "rmsea", "nobs", "power", "nobs_needed")
    return ResultTable(
        title=EN("table.power_rmsea"),
        columns=dict(zip(heads, zip(*rows, strict=True), strict=True)),
        notes=(EN("table.power_rmsea.tests", alpha=alpha, target=target),),
    )


def refuse_probabilities(where: str, **values: float) -> None:
    """Refuse an error rate or a power that is none."""
    for name, value in values.items():
        if not 0 < value < 1:
            raise SpecificationError(
                f"{where}: {name}={value!r} is no probability that a test can have. Give a number above 0 and below 1."
            )


def _refuse_count(value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise SpecificationError(
            f"ci.power_rmsea: {value!r} is no number of degrees of freedom or of cases. Nothing is tested without them, and a "
            "saturated model (df = 0) has no test of fit: give whole numbers of 1 or more."
        )


def _pair(test: str, null: float | None, true: float | None) -> tuple[float, float]:
    first, second = TESTS[test]
    null, true = first if null is None else null, second if true is None else true
    if not (0 <= null < 1 and 0 <= true < 1) or (true >= null if test == "not_close" else true <= null):
        side = "below" if test == "not_close" else "above"
        raise SpecificationError(
            f'ci.power_rmsea: test="{test}" with rmsea_null={null:g} and rmsea={true:g}. The population\'s RMSEA lies {side} '
            "that of the null hypothesis, or there is nothing for the test to find. Give rmsea= and rmsea_null= in this order."
        )
    return null, true


def _power(nobs: int, df: int, null: float, true: float, alpha: float) -> float:
    """Probability of rejection; the lower tail when the population fits better than the null hypothesis."""
    noncentral = [(nobs - 1) * df * value**2 for value in (null, true)]
    upper = true > null
    at = 1 - alpha if upper else alpha
    critical = chdtri(df, 1 - at) if noncentral[0] == 0 else chndtrix(at, df, noncentral[0])
    below = chdtr(df, critical) if noncentral[1] == 0 else chndtr(critical, df, noncentral[1])
    return float(1 - below if upper else below)


def _needed(df: int, null: float, true: float, alpha: float, target: float) -> int | None:
    """The least number of cases with the target power, by bisection; None beyond ten million."""
    low, high = 2, 4
    while _power(high, df, null, true, alpha) < target:
        low, high = high, high * 2
        if high > _MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _power(middle, df, null, true, alpha) >= target else (middle, high)
    return high
