"""Groups of ordered and mixed indicators: what `group_equal` holds, and measures that do not depend on the parameterization.

Figures: lavaan 0.6-14 at its own optimum (its polychoric correlations stop at 1e-6), on Holzinger's data with x1, x2, x5 in three
classes (30 and 70 %).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import cipa as ci

MIXED = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6"
CLASSED = ("x1", "x2", "x5")

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


def classed(names: tuple[str, ...] = CLASSED) -> pd.DataFrame:
    data = ci.datasets.load("holzinger1939").to_frame()
    for name in names:
        data[name] = np.digitize(data[name], data[name].quantile([0.3, 0.7]))
    return data


def codes(fit: ci.Fit) -> list[str]:
    return [notice.code for notice in fit.notices]


@pytest.mark.parametrize("parameterization", ["delta", "theta"])
@pytest.mark.parametrize(
    ("equal", "npar", "chisq", "scaled"),
    [
        (("loadings", "thresholds"), 30, 33.8462847452585, 55.2775996),
        (("loadings", "thresholds", "intercepts"), 30, 33.8462847452585, 55.2775996),
        (("intercepts",), 34, 29.7091416692837, 58.0540194),
    ],
)
def test_thresholds_and_intercepts_are_held_together(
    parameterization: str, equal: tuple[str, ...], npar: int, chisq: float, scaled: float
) -> None:
    """As in lavaan: a latent mean that is free in the later group needs all places, of ordered and of continuous variables."""
    fit = ci.SEM(MIXED, ordered=CLASSED, group="school", parameterization=parameterization, group_equal=equal).fit(classed())
    measures = ci.fit_measures(fit)
    assert measures["npar"] == npar
    assert measures["chisq"] == pytest.approx(chisq, rel=1e-6)
    assert measures["chisq.scaled"] == pytest.approx(scaled, rel=1e-5)
    assert fit.estimates["x3 ~1 [Pasteur]"].estimate == pytest.approx(fit.estimates["x3 ~1 [Grant-White]"].estimate, rel=1e-10)


def test_equal_residual_variances_of_theta_are_the_first_groups() -> None:
    """They stayed free in the later groups: with three groups equal to each other, and not to the first group's 1."""
    model = ci.SEM(
        MIXED, ordered=CLASSED, group="school", parameterization="theta", group_equal=("loadings", "thresholds", "residuals")
    )
    fit = model.fit(classed())
    assert fit.npar == 24
    assert ci.fit_measures(fit)["chisq"] == pytest.approx(39.9078764884361, rel=1e-6)
    assert [fit.estimates[f"{name} ~~ {name} [Grant-White]"].estimate for name in CLASSED] == [1.0, 1.0, 1.0]
    spared = ci.SEM(
        MIXED, ordered=CLASSED, group="school", parameterization="theta",
        group_equal=("loadings", "thresholds", "residuals"), group_partial=("x2 ~~ x2",),
    ).fit(classed())  # fmt: skip
    assert spared.npar == 25
    assert spared.estimates["x2 ~~ x2 [Grant-White]"].estimate != 1.0


def test_equal_residual_variances_of_delta_hold_those_of_continuous_variables_and_say_so() -> None:
    model = ci.SEM(MIXED, ordered=CLASSED, group="school", group_equal=("loadings", "thresholds", "residuals"))
    fit = model.fit(classed())
    assert fit.npar == 27
    assert ci.fit_measures(fit)["chisq"] == pytest.approx(37.2842462055784, rel=1e-6)
    assert codes(fit) == ["residuals_of_delta"]
    halves = classed().assign(half=np.arange(301) % 3)
    three = ci.SEM(MIXED, ordered=CLASSED, group="half", group_equal=("loadings", "thresholds", "residuals")).fit(halves)
    assert three.estimates["x1 ~*~ x1 [1]"].estimate != pytest.approx(three.estimates["x1 ~*~ x1 [2]"].estimate, rel=1e-4)


@pytest.mark.parametrize("equal", [("thresholds",), ("loadings", "thresholds"), ()])
def test_robust_measures_do_not_depend_on_the_parameterization(equal: tuple[str, ...]) -> None:
    """Delta and theta are one model; with equal thresholds the robust CFI was .9943 in one and .9873 in the other."""
    items = ("x1", "x2", "x3", "x4")
    both = [
        ci.fit_measures(
            ci.SEM("f =~ x1 + x2 + x3 + x4", ordered=True, group="school", parameterization=word, group_equal=equal).fit(
                classed(items)
            )
        )
        for word in ("delta", "theta")
    ]
    for name in ("cfi.robust", "tli.robust", "rmsea.robust", "chisq.scaled"):
        assert both[0][name] == pytest.approx(both[1][name], rel=1e-6), name


def test_words_declared_ordered_are_asked_for_their_order() -> None:
    data = classed()
    words = data.assign(x1=data["x1"].map({0: "low", 1: "mid", 2: "high"}))
    with pytest.raises(ci.DataError, match=r"declared ordered, and words do not say .* pandas\.Categorical"):
        ci.SEM(MIXED, ordered=CLASSED).fit(words)
    ranked = words.assign(x1=pd.Categorical(words["x1"], categories=["never", "low", "mid", "high"], ordered=True))
    fits = [ci.SEM(MIXED, ordered=CLASSED).fit(table) for table in (data, ranked)]
    assert fits[1].statistics["chisq"].value == pytest.approx(fits[0].statistics["chisq"].value, rel=1e-12)


def test_normalized_residuals_of_a_group_are_those_of_the_group_alone() -> None:
    """lavaan divides by the cases of all groups: its z of Pasteur are 1.39 times those of the group alone."""
    items = ("x1", "x2", "x3", "x4")
    data = classed(items)
    model = ci.SEM("f =~ x1 + x2 + x3 + x4", ordered=True)
    both = ci.residuals(ci.SEM(model.syntax, ordered=True, group="school").fit(data), kind="normalized").to_frame()
    alone = ci.residuals(model.fit(data.query("school == 'Pasteur'").reset_index(drop=True)), kind="normalized").to_frame()
    found = both.query("group == 'Pasteur'")[both.columns[-1]].to_numpy()
    assert found == pytest.approx(alone[alone.columns[-1]].to_numpy(), rel=1e-5, abs=1e-8)
    assert np.abs(found).max() > 0.5


def test_scores_of_later_groups_with_equal_thresholds_are_modes() -> None:
    """lavaan's are off by up to .15 there: the derivative of the log posterior at ours is 0."""
    items = ("x1", "x2", "x3", "x4")
    data = classed(items)
    fit = ci.SEM("f =~ x1 + x2 + x3 + x4", ordered=True, group="school", group_equal=("loadings", "thresholds")).fit(data)
    scores = ci.factor_scores(fit).to_frame()["f"].to_numpy()
    place = "[Grant-White]"

    def value(term: str) -> float:
        return fit.estimates[f"{term} {place}"].estimate

    def log_posterior(f: float, row: int) -> float:
        total = float(-((f - value("f ~1")) ** 2) / value("f ~~ f") / 2)
        for item in items:
            cuts = [-np.inf, value(f"{item} | t1"), value(f"{item} | t2"), np.inf]
            centre, spread, answer = value(f"f =~ {item}") * f, np.sqrt(value(f"{item} ~~ {item}")), int(data[item].iloc[row])
            total += float(np.log(norm.cdf((cuts[answer + 1] - centre) / spread) - norm.cdf((cuts[answer] - centre) / spread)))
        return total

    for row in np.flatnonzero(data["school"] == "Grant-White")[:8]:
        slope = (log_posterior(scores[row] + 1e-5, row) - log_posterior(scores[row] - 1e-5, row)) / 2e-5
        assert slope == pytest.approx(0, abs=1e-7)


def test_robust_measures_beside_a_bound_that_binds_are_those_of_the_value_fixed_there() -> None:
    items = ("x1", "x2", "x3", "x4")
    bound, fixed = (
        ci.SEM(f"f =~ x1 + {line}", ordered=True).fit(classed(items)) for line in ("a*x2 + x3 + x4\na > 1.5", "1.5*x2 + x3 + x4")
    )
    assert codes(bound) == ["binding"]
    free, held = (fit.measures["rmsea.robust"] ** 2 * fit.df_resid for fit in (bound, fixed))
    assert free == pytest.approx(held, rel=1e-4)  # the chi-square less its expectation, which the same restrictions have
    assert held > 0.01


def test_theta_without_a_solution_points_to_delta_which_shows_the_negative_residual_variance() -> None:
    rng = np.random.default_rng(11)
    shape = np.array([[1.0, 0.8, 0.75, 0.5], [0.8, 1.0, 0.4, 0.3], [0.75, 0.4, 1.0, 0.3], [0.5, 0.3, 0.3, 1.0]])
    cuts = [-0.5, 0.5]
    data = pd.DataFrame(
        {f"u{k + 1}": np.digitize(column, cuts) for k, column in enumerate(rng.multivariate_normal(np.zeros(4), shape, 400).T)}
    )
    syntax = "f =~ u1 + u2 + u3 + u4"
    with pytest.raises(ci.ConvergenceError, match='parameterization="delta" shows which'):
        ci.SEM(syntax, ordered=True, parameterization="theta").fit(data)
    fit = ci.SEM(syntax, ordered=True).fit(data)
    assert "heywood" in codes(fit)
    assert fit.estimates["u1 ~~ u1"].estimate < 0


def test_a_correlation_at_its_bound_is_said_and_too_few_cases_are_refused() -> None:
    """Two items with the same answers have a polychoric correlation of 1, and passed without a word; so did three cases."""
    items = ("x1", "x2", "x3", "x4")
    data = classed(items).assign(x4=lambda table: table["x1"])
    assert "polychoric" in codes(ci.SEM("f =~ x1 + x2 + x3 + x4", ordered=True).fit(data))
    with pytest.raises(ci.DataError, match=r"4 cases for 4 observed variables .* Use many more cases"):
        ci.SEM("f =~ x1 + x2 + x3 + x4", ordered=True).fit(classed(items).iloc[[0, 40, 100, 200]])
