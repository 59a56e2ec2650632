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
