"""Random models on data simulated from them: a stationary point or a plain error, never a number that is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fuzzing import sane, slope_at_the_end, watchdog
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import cipa as ci

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")

STATIONARY = 1e-5
"""Difference quotient of the objective per unit of its own curvature; rounding of the quotient is about 1e-9."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A model, its data and the options to fit it with."""

    syntax: str
    data: pd.DataFrame
    options: dict[str, Any]


@st.composite
def drawn(draw: st.DrawFn) -> Drawn:
    """One to three constructs of one to four items, paths among them and on covariates, groups, means, holes, ordered items."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    items = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    ngroups, covariates = draw(st.integers(1, 2)), draw(st.integers(0, 2))
    nobs = draw(st.sampled_from([25, 60, 150, 400]))
    lines, columns = [], {}
    x = rng.normal(size=(nobs, covariates))
    columns |= {f"x{k}": x[:, k] for k in range(covariates)}
    factors: list[np.ndarray] = []
    for f, count in enumerate(items):
        below = [g for g in range(f) if draw(st.booleans())]
        on = [k for k in range(covariates) if draw(st.booleans())]
        score = rng.normal(size=nobs) + sum((0.5 * factors[g] for g in below), np.zeros(nobs)) + 0.4 * x[:, on].sum(axis=1)
        factors.append(score)
        names = [f"y{f}{k}" for k in range(count)]
        for name in names:
            columns[name] = rng.choice([0.1, 0.6, 1.0, -0.8]) * score + rng.uniform(0.3, 1.2) * rng.normal(size=nobs)
        lines.append(f"f{f} =~ {' + '.join(names)}")
        right = [f"f{g}" for g in below] + [f"x{k}" for k in on]
        if right:
            lines.append(f"f{f} ~ {' + '.join(right)}")
        if count > 2 and draw(st.booleans()):
            lines.append(f"{names[0]} ~~ {names[1]}")
    data, options = pd.DataFrame(columns), {}
    if ngroups > 1:
        data["group"] = np.where(np.arange(nobs) % 2, "a", "b")
        options["group"] = "group"
        if draw(st.booleans()):
            options["group_equal"] = draw(st.sampled_from([["loadings"], ["loadings", "intercepts"], ["residuals"]]))
    ys = [name for name in columns if name.startswith("y")]
    how = draw(
        st.sampled_from(["ml", "ml", "means", "std_lv", "mlr", "fiml", "fiml", "gls", "ulsmv", "wlsmv", "bounds of a label"])
    )
    if how == "fiml":
        options |= {"missing": "fiml", "estimator": draw(st.sampled_from(["ml", "mlr"]))}
        data[ys] = data[ys].mask(rng.random((nobs, len(ys))) < draw(st.sampled_from([0.02, 0.15, 0.4])))
    elif how == "wlsmv":
        options |= {"ordered": True}
        data[ys] = data[ys].apply(lambda column: np.digitize(column, [-0.8, 0.3])).astype(float)
    elif how == "bounds of a label":
        lines.append(f"y00 ~~ v*y00\nv > {draw(st.sampled_from(['0', '0.5', '2']))}")
    else:
        options |= {"means": {"meanstructure": True}, "std_lv": {"std_lv": True}, "ml": {}}.get(how, {"estimator": how})
    return Drawn(syntax="\n".join(lines), data=data, options=options)


def check(one: Drawn) -> bool:
    """Fit; whether there was a result."""
    with watchdog(20):
        try:
            fit = ci.SEM(one.syntax, **one.options).fit(one.data)
        except ci.CipaError:
            return False
        sane(fit)
        ci.standardized(fit)
        ci.fit_measures(fit)
        if not fit.layout.binding and not any(notice.code == "binding" for notice in fit.notices):
            assert slope_at_the_end(fit) < STATIONARY
    return True


@settings(max_examples=60, deadline=None, derandomize=True, database=None, phases=(Phase.generate,))
@given(drawn())
def test_random_models_end_at_a_stationary_point_or_in_a_plain_error(one: Drawn) -> None:
    check(one)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None, derandomize=True, database=None, phases=(Phase.generate,))
@given(drawn())
def test_a_thousand_random_models(one: Drawn) -> None:
    check(one)


def test_the_check_itself_sees_a_point_that_is_not_stationary() -> None:
    fit = ci.SEM("f =~ x1 + x2 + x3 + x4").fit(ci.datasets.load("holzinger1939"))
    object.__setattr__(fit, "params", fit.params + 0.01)
    assert slope_at_the_end(fit) > 1e-3
