"""Products of observed variables: squares, groups, far origins, and what is asked of them after the fit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cipa as ci

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


def data() -> pd.DataFrame:
    rng = np.random.default_rng(303)
    n = 240
    group = np.repeat(["A", "B"], [100, 140])
    x = rng.normal(size=n) * 3 + 50
    z = rng.normal(size=n) * np.where(group == "A", 1.0, 2.0) + np.where(group == "A", 0.0, 5.0)
    y = 0.2 * x + z - 0.05 * x * z - 0.01 * x**2 + rng.normal(size=n)
    return pd.DataFrame({"x": x, "z": z, "y": y, "g": group})


def least_squares(*columns: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.linalg.lstsq(np.column_stack([np.ones(len(y)), *columns]), y, rcond=None)[0]


@pytest.mark.parametrize(
    ("syntax", "term"), [("y ~ x + x:x", "y ~ x:x"), ("y ~ x:x", "y ~ x:x"), ("y ~ x + z + x:x:z", "y ~ x:x:z")]
)
def test_a_square_is_a_square(syntax: str, term: str) -> None:
    """A variable that stands twice in a product counted once: y ~ x:x had the coefficient of y ~ x."""
    table = data()
    fit = ci.SEM(syntax).fit(table)
    x, z, y = (table[name].to_numpy() for name in "xzy")
    columns = {"y ~ x + x:x": (x, x * x), "y ~ x:x": (x * x,), "y ~ x + z + x:x:z": (x, z, x * x * z)}[syntax]
    assert fit.estimates[term].estimate == pytest.approx(least_squares(*columns, y=y)[-1], rel=1e-8)


def test_the_slope_of_a_square_changes_twice_as_fast_as_its_coefficient() -> None:
    table = data()
    fit = ci.SEM("y ~ x + x:x").fit(table)
    b = least_squares(table.x.to_numpy(), table.x.to_numpy() ** 2, y=table.y.to_numpy())
    slopes = ci.simple_slopes(fit, "y ~ x", by="x", values=[45.0, 55.0]).columns["estimate"]
    assert slopes == pytest.approx([b[1] + 2 * b[2] * 45, b[1] + 2 * b[2] * 55], rel=1e-6)


@pytest.mark.parametrize("group", ["A", "B"])
def test_slopes_of_a_group_are_at_the_moderators_mean_in_that_group(group: str) -> None:
    """Those of later groups were at the mean and standard deviation of the first."""
    table = data()
    fit = ci.SEM("y ~ x + z + x:z", group="g").fit(table)
    part = table[table.g == group]
    x, z = part.x.to_numpy(), part.z.to_numpy()
    b = least_squares(x, z, x * z, y=part.y.to_numpy())
    found = ci.simple_slopes(fit, f"y ~ x [{group}]", by="z", at=(-1, 0, 1)).columns
    values = [z.mean() + k * z.std() for k in (-1, 0, 1)]
    assert found["value"] == pytest.approx(values, rel=1e-8, abs=1e-8)
    assert found["estimate"] == pytest.approx([b[1] + b[3] * value for value in values], rel=1e-6)


def test_a_path_without_its_group_is_asked_for_it() -> None:
    fit = ci.SEM("y ~ x + z + x:z", group="g").fit(data())
    with pytest.raises(ci.InferenceError, match=r"path of each of the groups A, B, .*'y ~ x \[A\]'"):
        ci.simple_slopes(fit, "y ~ x", by="z")


@pytest.mark.parametrize("shift", [2015.0, 20_000.0])
def test_a_product_of_a_variable_far_from_zero_is_fitted(shift: float) -> None:
    """Such as year:z. It was refused as not identified, because a millionth tells the product from z; lavaan fits it too."""
    table = data().assign(x=lambda frame: frame.x + shift)
    x, z, y = table.x.to_numpy() - table.x.mean(), table.z.to_numpy(), table.y.to_numpy()
    b = least_squares(x, z, x * z, y=y)
    fit = ci.SEM("y ~ x + z + x:z").fit(table)
    assert fit.estimates["y ~ x:z"].estimate == pytest.approx(b[3], rel=1e-6)
    assert fit.estimates["y ~ z"].estimate == pytest.approx(b[2] - b[3] * table.x.mean(), rel=1e-6)
    near = ci.SEM("y ~ x + z + x:z").fit(table.assign(x=x))
    assert fit.estimates["y ~ x:z"].std_error == pytest.approx(near.estimates["y ~ x:z"].std_error, rel=1e-6)


def test_a_product_that_rounding_alone_tells_from_its_factor_is_refused_with_what_to_do() -> None:
    with pytest.raises(ci.DataError, match="Centre the variables of x:z: where one lies far from 0"):
        ci.SEM("y ~ x + z + x:z").fit(data().assign(x=lambda frame: frame.x + 1e7))
