"""Where lavaan 0.6-14 is wrong or means something else: its figures are written here, and why they cannot be right."""

from __future__ import annotations

import pandas as pd
import pytest
from oracle_files import HERE, case, sem_data

import cipa as ci

NINE = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
UNITS = {1e2: 85.453448653, 1e3: 918.851480, 1e4: 918.851588}
"""Chi-square of cfa(NINE) with all nine variables times the factor ("converged"); below 1, at .01 and less, its search fails."""
EXACT = 1e-8
pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


def holzinger() -> pd.DataFrame:
    return ci.datasets.load("holzinger1939").to_frame()


@pytest.mark.parametrize("factor", [1e-4, 1e-2, *UNITS])
@pytest.mark.parametrize("options", [{}, {"missing": "fiml"}, {"estimator": "mlr"}], ids=str)
def test_units_of_all_variables_change_no_fit(factor: float, options: dict[str, str]) -> None:
    data = holzinger()
    items = [f"x{k}" for k in range(1, 10)]
    first = ci.SEM(NINE, **options).fit(data).measures
    data[items] *= factor
    found = ci.SEM(NINE, **options).fit(data).measures
    assert found["chisq"] == pytest.approx(85.30552177, rel=EXACT)
    for name in ("chisq", "cfi", "rmsea", "srmr", "baseline.chisq", *(["chisq.scaled"] if "estimator" in options else [])):
        assert found[name] == pytest.approx(first[name], rel=EXACT), name
    assert factor not in UNITS or UNITS[factor] > found["chisq"] + 0.1


def test_the_baseline_does_not_depend_on_units() -> None:
    """lavaan: 385.954818038, and 2630.351619208 with x1 times 10,000, where CFI rises from .773 to .968."""
    data, syntax = holzinger(), "x4 ~ x1 + x2\nx5 ~ x4 + x7\nx9 ~ x5"
    first = ci.SEM(syntax).fit(data).measures
    data["x1"] *= 1e4
    found = ci.SEM(syntax).fit(data).measures
    assert first["baseline.chisq"] == pytest.approx(385.954818038, rel=1e-7)
    assert found["baseline.chisq"] == pytest.approx(first["baseline.chisq"], rel=EXACT)
    assert found["cfi"] == pytest.approx(0.773490828, abs=1e-6)


def test_errors_of_absolute_values() -> None:
    """lavaan: 0 for abs(c), .0456 for abs(c) + a, .00315 for a*abs(c); complex steps do not see the derivative of abs."""
    fit = ci.SEM("x9 ~ a*x4\nx1 ~ c*x7\ns := abs(c)\nt := abs(c) + a\nt2 := -c + a\nu := a*abs(c)\nu2 := -a*c").fit(holzinger())
    error = {row.term.lhs: row.std_error for row in fit.estimates if row.status == "defined"}
    assert fit.estimates["c"].estimate < 0
    assert error["s"] == pytest.approx(fit.estimates["c"].std_error, rel=1e-9)
    assert error["t"] == pytest.approx(error["t2"], rel=1e-9)
    assert error["u"] == pytest.approx(error["u2"], rel=1e-9)
    assert error["t"] == pytest.approx(0.0707961473774, rel=1e-6)


def test_modification_indices_after_two_stages() -> None:
    """Without holes two stages are maximum likelihood: 36.411 for visual =~ x9, where lavaan says 53.392; with holes 41.394 and 62.225."""

    def largest(missing: str, data: pd.DataFrame) -> float:
        table = ci.modification_indices(ci.SEM(NINE, missing=missing, meanstructure=True).fit(data))
        assert (table.columns["lhs"][0], table.columns["rhs"][0]) == ("visual", "x9")
        return float(table.columns["mi"][0])

    assert largest("two_stage", holzinger()) == pytest.approx(largest("listwise", holzinger()), rel=1e-6)
    holes = sem_data(case("sem", "hs_fiml"))
    fit, freed = (ci.SEM(text, missing="two_stage").fit(holes) for text in (NINE, f"{NINE}\nvisual =~ x9"))
    gain = fit.measures["chisq"] - freed.measures["chisq"]
    assert gain == pytest.approx(37.98, abs=0.01)  # as lavaan's
    assert abs(largest("two_stage", holes) - gain) < 4 < 62.225 - gain


def test_random_covariates_of_growth_have_means() -> None:
    """lavaan, growth(fixed.x = FALSE): their intercepts are held at 0, chi-square 24.076 with 11 df in place of 10.873 with 9."""
    data = pd.read_csv(HERE / "sem" / "data" / "demo_growth.csv")
    syntax = "i =~ 1*t1 + 1*t2 + 1*t3 + 1*t4\ns =~ 0*t1 + 1*t2 + 2*t3 + 3*t4\ni ~ x1 + x2\ns ~ x1 + x2"
    given, random = (ci.SEM(syntax, defaults="growth", fixed_x=fixed).fit(data) for fixed in (True, False))
    for name in ("chisq", "df", "cfi", "rmsea"):
        assert random.measures[name] == pytest.approx(given.measures[name], rel=EXACT)
    assert (random.npar, random.df_resid) == (18, 9)
    assert random.estimates["x1 ~ 1"].estimate == pytest.approx(data["x1"].mean(), rel=1e-9)


def test_a_yuan_bentler_test_is_that_of_mlr_with_observed_information() -> None:
    """lavaan, estimator "ML", test "yuan.bentler.mplus", information "observed": 81.956, between this and that of expected information."""
    data = holzinger()
    found = ci.SEM(NINE, test="yuan_bentler_mplus", information="observed").fit(data).measures
    robust = ci.SEM(NINE, estimator="mlr").fit(data).measures
    assert found["chisq.scaled"] == pytest.approx(robust["chisq.scaled"], rel=1e-10)
    expected = ci.SEM(NINE, test="yuan_bentler_mplus", information="expected").fit(data).measures
    assert expected["chisq.scaled"] == pytest.approx(81.92122205, rel=1e-6)  # as lavaan


def test_the_difference_test_of_satorra_2000_does_not_depend_on_the_errors() -> None:
    """Of Jacobians, weights and fourth moments, which MLM and MLR share: 7.726, as lavaan says of MLM; of MLR it says 6.451."""
    data = ci.datasets.load("holzinger1939")
    found = []
    for estimator in ("mlm", "mlr"):
        general = ci.SEM(NINE, estimator=estimator, group="school").fit(data)
        nested = ci.SEM(NINE, estimator=estimator, group="school", group_equal=["loadings"]).fit(data)
        found.append(ci.lr_test(nested, general, method="satorra_2000").columns["chisq_diff"][-1])
    assert found[0] == pytest.approx(7.72567281, rel=1e-5)
    assert found[1] == pytest.approx(found[0], rel=1e-9)
