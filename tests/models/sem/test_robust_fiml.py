"""CFI, TLI and RMSEA corrected for missing values, of models whose covariates are random."""

from __future__ import annotations

import numpy as np
import pytest
from oracle_files import case, sem_data

import cipa as ci
from cipa.models.sem.likelihood import robust_fiml

PATHS = "x5 ~ x1 + x4\nx6 ~ x5"
COVARIATES = ("x1", "x4")
WRITTEN = {"ml": 0.261673552490, "mlr": 0.259636522142}
"""rmsea.robust of lavaan 0.6-14, missing = "ml", fixed.x = FALSE, with the moments of the covariates written in the syntax."""
UNWRITTEN = {"ml": (0.260299811511, 0.917893091066), "mlr": (0.257926472715, 0.919161567293)}
"""The same model without writing them: rmsea.robust, cfi.robust."""
EXACT, BASELINE = 2e-6, 5e-5  # relative; lavaan's searches stop at 1e-6, that of its baseline earlier
pytestmark = pytest.mark.filterwarnings("ignore::cipa.errors.CipaWarning")


def corrected(estimator: str) -> dict[str, float]:
    fit = ci.SEM(PATHS, missing="fiml_x", estimator=estimator).fit(sem_data(case("sem", "hs_fiml")))
    return {name: value for name, value in ci.fit_measures(fit).items() if name.endswith(".robust")}


@pytest.mark.parametrize("estimator", list(WRITTEN))
def test_random_covariates_are_random_in_the_complete_data_too(estimator: str) -> None:
    assert corrected(estimator)["rmsea.robust"] == pytest.approx(WRITTEN[estimator], rel=EXACT)


@pytest.mark.parametrize("estimator", list(UNWRITTEN))
def test_the_reference_holds_them_in_the_complete_data_information(estimator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its complete-data model is fitted with the default fixed.x = TRUE: rows and columns of the covariates' moments are zero."""
    ours = robust_fiml._informations

    def held(group, *, robust):  # type: ignore[no-untyped-def]
        Wm, Wc, J = ours(group, robust=robust)
        given = np.isin(group.variables, COVARIATES)
        rows, cols = np.tril_indices(len(given))
        free = ~np.concatenate([given[rows] & given[cols], given])
        return Wm, Wc * np.outer(free, free), J

    monkeypatch.setattr(robust_fiml, "_informations", held)
    size, index = UNWRITTEN[estimator]
    found = corrected(estimator)
    assert found["rmsea.robust"] == pytest.approx(size, rel=EXACT)
    assert found["cfi.robust"] == pytest.approx(index, rel=BASELINE)
    assert size != pytest.approx(WRITTEN[estimator], rel=1e-3)


@pytest.mark.parametrize("group", [None, "school"])
def test_the_baseline_with_weights_and_covariates_is_that_of_weighted_moments(group: str | None) -> None:
    """By hand: each item by itself, the covariates (complete, held) as in the unrestricted model. 0.12 % off without weights."""
    data = sem_data(case("sem", "hs_fiml"))
    items, weights = ["x5", "x6", "x7"], np.random.default_rng(3).uniform(0.2, 4, len(data))
    data = data.assign(wt=weights)
    syntax = "f =~ x5 + x6 + x7\nf ~ sex + ageyr"
    fit = ci.SEM(syntax, missing="fiml", estimator="mlr", sampling_weight="wt", group=group).fit(data)
    used = data[~data[["sex", "ageyr"]].isna().any(axis=1)]
    scale = used["wt"].mean()
    by_hand = 0.0
    for _, part in used.groupby(group) if group else [("all", used)]:
        for name in items:
            seen = part[part[name].notna()]
            w = seen["wt"] / scale
            mean = np.average(seen[name], weights=w)
            variance = np.average((seen[name] - mean) ** 2, weights=w)
            by_hand += float(w.sum() * (np.log(2 * np.pi * variance) + 1)) / -2
    measures = ci.fit_measures(fit)
    assert measures["baseline.chisq"] == pytest.approx(2 * (measures["unrestricted.logl"] - by_hand), rel=1e-9)


def test_corrected_measures_do_not_depend_on_the_information_of_errors() -> None:
    """lavaan's move with it (tli.robust 1.0290, 1.0305, 1.0168 in one example): its residuals then are no residuals."""
    data = sem_data(case("sem", "hs_fiml"))
    syntax = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6"
    models = [ci.SEM(syntax, missing="fiml", information=word) for word in ("observed", "expected", "first_order")]
    sizes = [ci.fit_measures(model.fit(data))["rmsea.robust"] for model in models]
    assert sizes[0] > 0.01
    assert sizes == pytest.approx([sizes[0]] * 3, rel=1e-12)


def test_first_order_information_is_that_of_scores() -> None:
    data = sem_data(case("sem", "hs_fiml"))
    syntax = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6"
    errors = [
        ci.SEM(syntax, missing="fiml", **options).fit(data).estimates["visual =~ x2"].std_error
        for options in ({"information": "first_order"}, {"se": "first_order"}, {"estimator": "mlf"})
    ]
    assert errors[0] == errors[1] == errors[2]
    with pytest.raises(ci.SpecificationError, match='information="first_order" with estimator="mlr"'):
        ci.SEM(syntax, estimator="mlr", information="first_order")


def test_the_scaled_baseline_is_taken_where_the_baseline_is_largest() -> None:
    """Of covariates with holes: at their moments alone. At those beside the others the chi-square was 344.5071."""
    fit = ci.SEM(PATHS, missing="fiml_x", estimator="mlr").fit(sem_data(case("sem", "hs_fiml")))
    assert fit.measures["baseline.chisq.scaled"] == pytest.approx(344.680582939754, rel=1e-6)  # lavaan 0.6-14
    assert fit.measures["baseline.chisq.scaling.factor"] == pytest.approx(1.18068244930889, rel=1e-6)


def test_weights_of_one_change_no_measure() -> None:
    """In lavaan they change the GFI (.998 to .999 in one example), which then rests on the complete cases."""
    data = sem_data(case("sem", "hs_fiml")).assign(one=1.0)
    syntax = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6"
    plain, weighted = (
        ci.fit_measures(ci.SEM(syntax, missing="fiml", estimator="mlr", sampling_weight=column).fit(data))
        for column in (None, "one")
    )
    shared = [name for name in plain if np.isfinite(plain[name])]
    assert [weighted[name] for name in shared] == pytest.approx([plain[name] for name in shared], rel=1e-7, abs=1e-10)
