"""Curved equalities and inequalities: what they must equal, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cipa as ci
from cipa.models.sem.weighted.objective import WeightedSquares

MODEL = "visual =~ x1 + a*x2 + b*x3\ntextual =~ x4 + c*x5 + d*x6\nspeed =~ x7 + e*x8 + f*x9\n"

pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


def fitted(extra: str = "", **options: object) -> ci.SEMFit:
    return ci.SEM(MODEL + extra, **options).fit(ci.datasets.load("holzinger1939"))


def values(fit: ci.SEMFit, labels: str) -> list[float]:
    return [fit.estimates[label].estimate for label in labels]


def test_a_binding_inequality_is_the_fixed_value() -> None:
    bound, fixed = fitted("a > 0.7"), ci.SEM(MODEL.replace("a*x2", "0.7*x2")).fit(ci.datasets.load("holzinger1939"))
    assert bound.statistics["chisq"].value == pytest.approx(fixed.statistics["chisq"].value, rel=1e-9)
    assert bound.estimates["a"].estimate == pytest.approx(0.7, abs=1e-12)
    assert bound.estimates["b"].std_error == pytest.approx(fixed.estimates["visual =~ x3"].std_error, rel=1e-7)
    assert (bound.npar, bound.df_resid) == (21, 24)  # as lavaan counts
    assert [notice.code for notice in bound.notices] == ["binding"]


def test_an_inequality_that_holds_by_itself_changes_nothing() -> None:
    free, bound = fitted(), fitted("a > 0.1\nb < 5\na + b > 0")
    np.testing.assert_allclose(bound.params, free.params, rtol=1e-9)
    np.testing.assert_allclose(bound.vcov, free.vcov, rtol=1e-7, atol=1e-12)
    assert not bound.notices


@pytest.mark.parametrize(
    ("curved", "straight"),
    [("a^2 == 1", "a == 1"), ("exp(a) == exp(b)", "a == b"), ("log(a) == log(2) + log(b)", "a == 2*b"), ("ab := a - b\nab == 0", "a == b")],
)  # fmt: skip
def test_a_curved_equality_with_a_straight_equal(curved: str, straight: str) -> None:
    one, two = fitted(curved), fitted(straight)
    assert one.statistics["chisq"].value == pytest.approx(two.statistics["chisq"].value, rel=1e-9)
    assert one.df_resid == two.df_resid == 25
    for term in two.terms:
        assert one.estimates[term].estimate == pytest.approx(two.estimates[term].estimate, rel=1e-6)
        assert one.estimates[term].std_error == pytest.approx(two.estimates[term].std_error, rel=1e-5, abs=1e-9, nan_ok=True)


def test_constraints_together() -> None:
    fit = fitted("a + b + c == 3\na*b == 0.5\nc > 1.2")
    a, b, c = values(fit, "abc")
    assert (a + b + c, a * b) == (pytest.approx(3, abs=1e-9), pytest.approx(0.5, abs=1e-9))
    assert c > 1.2
    assert fit.df_resid == 26


@pytest.mark.parametrize("estimator", ["mlr", "mlm", "gls", "wls", "dwls"])
def test_every_estimator_meets_them(estimator: str) -> None:
    a, b = values(fitted("a == b^2\nb > 1.1", estimator=estimator), "ab")
    assert (a, b) == (pytest.approx(1.21, abs=1e-9), pytest.approx(1.1, abs=1e-9))


def test_the_multiplier_has_the_right_sign() -> None:
    """At a bound the gradient points out of the allowed side: releasing the bound would go beyond it."""
    free = fitted()
    a = free.estimates["a"].estimate
    assert values(fitted(f"a < {a - 0.1}"), "a")[0] == pytest.approx(a - 0.1)
    assert values(fitted(f"a > {a - 0.1}"), "a")[0] == pytest.approx(a, rel=1e-7)


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("a > 0.9\na < 0.8", "No parameters were found that meet all"),
        ("a*a == -1", "No parameters were found that meet all"),
        ("a == g", "'g' is not a label of the model"),
        ("1 < 2", "no free parameter in it"),
    ],
)
def test_refused(extra: str, said: str) -> None:
    with pytest.raises(ci.SpecificationError, match=said):
        fitted(extra)


def test_bootstrap_is_refused() -> None:
    with pytest.raises(ci.InferenceError, match="draws under inequality"):
        ci.bootstrap(fitted("a > 0.7"), draws=100, seed=1)


PHANTOM = (
    "f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6\nf ~~ v*f\ng ~~ w*g\nf ~~ c*g\nfcorr =~ 0*x1\nfcorr ~~ corr*fcorr\nfcorr ~~ 0*f + 0*g"
)


@pytest.mark.parametrize(
    ("equation", "value"),
    [("c*corr == v", "v/c"), ("corr == c/sqrt(v*w)", "c/sqrt(v*w)"), ("corr^2*v*w == c^2", "c/sqrt(v*w)")],
)
def test_an_equation_may_be_singular_where_the_search_starts(equation: str, value: str) -> None:
    """The variance of a construct without items is what an equation says; `c` starts at 0, where c*corr == v says nothing of corr."""
    fit = ci.SEM(f"{PHANTOM}\n{equation}\nsame := {value}").fit(ci.datasets.load("holzinger1939"))
    free = ci.SEM("f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6").fit(ci.datasets.load("holzinger1939"))
    assert (fit.df_resid, fit.statistics["chisq"].value) == (
        free.df_resid,
        pytest.approx(free.statistics["chisq"].value, rel=1e-9),
    )
    told, defined = fit.estimates["fcorr ~~ fcorr"], fit.estimates["same"]
    assert (told.estimate, told.std_error) == pytest.approx((defined.estimate, defined.std_error), rel=1e-6)


def test_a_phantom_without_an_equation_is_still_refused() -> None:
    with pytest.raises(ci.IdentificationError, match="fcorr ~~ fcorr"):
        ci.SEM(f"{PHANTOM}\nv == w^2").fit(ci.datasets.load("holzinger1939"))


def test_an_equation_may_have_no_value_where_the_search_starts() -> None:
    """Effects start at 0, where 0.1 / b is none: a LinAlgError before. The same claim as a product."""
    data = ci.datasets.load("holzinger1939")
    paths = "x4 ~ a*x1\nx5 ~ b*x1\n"
    quotient, product = ci.SEM(paths + "a == 0.1 / b").fit(data), ci.SEM(paths + "a*b == 0.1").fit(data)
    assert quotient.statistics["chisq"].value == pytest.approx(product.statistics["chisq"].value, rel=1e-8)
    assert quotient.estimates["a"].std_error == pytest.approx(product.estimates["a"].std_error, rel=1e-6)


TWINS = "\n".join(
    [
        *(f"{kind}{k} =~ NA*p{k} + c({path}, {path})*p{k}\n{kind}{k} ~~ 1*{kind}{k}" for kind, path in (("A", "a"), ("C", "c")) for k in (1, 2)),
        "A1 ~~ c(1, .5)*A2\nC1 ~~ 1*C2\nA1 ~~ 0*C1 + 0*C2\nA2 ~~ 0*C1 + 0*C2",
        *(f"p{k} ~~ c(e, e)*p{k}\np{k} | c(t, t)*t1" for k in (1, 2)),
        "a^2 + c^2 + e == 1",
    ]
)  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_two_binary_items_in_two_groups_take_few_evaluations(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A twin model: the variances of a trait that is seen as yes or no add up to 1. In the last sample c is 0, where the expected curvature
    is singular: without the equation that search took 13,937 evaluations, and gave up."""
    rng = np.random.default_rng(seed)
    draws = np.vstack([rng.multivariate_normal([0, 0], [[1, r], [r, 1]], 400) for r in (0.75, 0.45)])
    data = pd.DataFrame(draws > 0.6, columns=["p1", "p2"]).astype(int).assign(zygosity=np.repeat(["mz", "dz"], 400))
    count, evaluate = [0], WeightedSquares.evaluate

    def counted(self: WeightedSquares, eta: np.ndarray) -> object:
        count[0] += 1
        return evaluate(self, eta)

    monkeypatch.setattr(WeightedSquares, "evaluate", counted)
    options = {"ordered": ["p1", "p2"], "group": "zygosity"}
    fit = ci.SEM(TWINS, parameterization="theta", **options).fit(data)
    assert count[0] < 100
    count[0] = 0
    free = "\n".join(line for line in TWINS.splitlines() if "(e, e)" not in line and "==" not in line)
    same = ci.SEM(free, **options).fit(data)  # with the delta parameterization the variances are 1 without saying so
    assert count[0] < 300
    assert fit.measures["chisq"] == pytest.approx(same.measures["chisq"], rel=1e-8)
    assert abs(fit.estimates["a"].estimate) == pytest.approx(abs(same.estimates["a"].estimate), rel=1e-6)


def test_a_parameter_without_information_is_named() -> None:
    """In the last of those samples the common environment has no share: c is 0, and the expected information about it too."""
    rng = np.random.default_rng(3)
    draws = np.vstack([rng.multivariate_normal([0, 0], [[1, r], [r, 1]], 400) for r in (0.75, 0.45)])
    data = pd.DataFrame(draws > 0.6, columns=["p1", "p2"]).astype(int).assign(zygosity=np.repeat(["mz", "dz"], 400))
    fit = ci.SEM(TWINS, ordered=["p1", "p2"], group="zygosity", parameterization="theta").fit(data)
    assert fit.estimates["c"].estimate == pytest.approx(0, abs=1e-6)
    (text,) = (notice.text for notice in fit.notices if notice.code == "undetermined")
    assert text.startswith("The information about C1 =~ p1 [mz], C2 =~ p2 [mz]")
    assert "A1" not in text
