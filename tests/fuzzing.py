"""What the fuzz tests share: a watchdog, and what a result must be to be believed."""

from __future__ import annotations

import faulthandler
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np

import cipa as ci
from cipa.numerics.algebra.derivatives import central_jacobian

LIMIT = 10  # seconds for one model


@contextmanager
def watchdog(seconds: int = LIMIT) -> Iterator[None]:
    """End what takes longer; a hang in compiled code at least prints where it hangs."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"took more than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    faulthandler.dump_traceback_later(3 * seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)


def outcome(model: Any, data: Any) -> Any:
    """The fit, or None where it was refused in cipa's own words; `model` is called without arguments."""
    with watchdog():
        try:
            fit = model().fit(data)
            str(fit)
        except ci.CipaError:
            return None
    sane(fit)
    return fit


def sane(fit: Any) -> None:
    """A reported result has finite estimates; what is not finite or not proper beside them has a notice."""
    assert fit.convergence.converged
    assert np.isfinite(fit.params).all(), "estimates that are not numbers, reported as converged"
    assert np.isfinite(fit.statistics["chisq"].value)
    assert fit.df_resid >= 0
    assert np.isfinite(fit.vcov).all() or fit.notices, "no standard errors and no notice"
    defined = [row for row in fit.estimates if row.status == "defined" and not np.isfinite(row.estimate)]
    assert not defined or fit.notices, f"an undefined effect and no notice: {defined[0].term}" if defined else ""


def slope_at_the_end(fit: Any) -> float:
    """The largest difference quotient of the objective at the estimates, in the units of its curvature."""
    objective, layout = fit.objective, fit.layout
    eta = layout.to_eta(fit.params)
    if not len(eta):
        return 0.0
    curvature = objective.curvature(objective.evaluate(eta), exact=True).diagonal()
    unit = 1 / np.sqrt(np.maximum(curvature, 1e-8))

    def value(at: np.ndarray) -> float:
        point = objective.evaluate(eta + shrink * unit * at)
        return float("nan") if point is None else float(point.value)

    found = np.full(len(eta), np.nan)
    for shrink in (1.0, 1e-2, 1e-4):  # where the edge of the domain is near a smaller step stays inside
        slope = np.abs(central_jacobian(value, np.zeros(len(eta)))).ravel() / shrink
        found = np.where(np.isnan(found), slope, found)
    assert np.isfinite(found).all()
    return float(found.max())
