"""The Wishart likelihood with tests from casewise scores and with groups; scaled tests and the information of errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cipa as ci

TWO = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6"
ITEMS = [f"x{k}" for k in range(1, 7)]
REFERENCE = 63.400016688756
"""Chi-square of lavaan 0.6-14, group.equal = c("loadings", "intercepts"), from a gradient of 1e-13 of its objective."""


def data() -> pd.DataFrame:
    return ci.datasets.load("holzinger1939").to_frame()


@pytest.mark.parametrize("means", [False, True])
def test_the_unrestricted_scores_are_those_at_the_wishart_maximum(means: bool) -> None:
    """tr(A1^-1 B1) was taken from Mardia's kurtosis as if the divisor were n: 1.05156 for lavaan's 1.05405."""
    fit = ci.SEM(TWO, likelihood="wishart", test="yuan_bentler_mplus", meanstructure=means).fit(data())
    assert fit.measures["chisq.scaling.factor"] == pytest.approx(1.05404976, rel=1e-5)
    assert fit.measures["baseline.chisq.scaling.factor"] == pytest.approx(1.09619569, rel=1e-5)


def test_groups_count_as_the_chi_square_counts_them() -> None:
    """lavaan weighs the groups' discrepancies by n in the search and by n - 1 in the chi-square, which ours makes smaller."""
    fit = ci.SEM(TWO, likelihood="wishart", group="school", group_equal=("loadings", "intercepts")).fit(data())
    total = 0.0
    tables = [table for _, table in data().groupby("school", sort=False)]
    for moments, table in zip(fit.point.blocks, tables, strict=True):
        values = table[ITEMS].to_numpy()
        cov, gap, inverse = np.cov(values.T), values.mean(axis=0) - moments.mean, np.linalg.inv(moments.cov)
        logs = np.linalg.slogdet(moments.cov)[1] - np.linalg.slogdet(cov)[1]
        total += (len(values) - 1) * (logs + np.trace(cov @ inverse) - len(cov) + gap @ inverse @ gap)
    assert fit.statistics["chisq"].value == pytest.approx(total, rel=1e-10)
    assert total < REFERENCE - 1e-6


@pytest.mark.parametrize("test", ["satorra_bentler", "mean_var_adjusted", "scaled_shifted"])
def test_normal_theory_tests_do_not_depend_on_the_information_of_errors(test: str) -> None:
    """U = W - W D (D'W D)^-1 D'W is a projection for one inverse only; with that of observed information lavaan's is none.

    Its mean_var_adjusted baseline then has .884 degrees of freedom, and with expected information 5.097, as here with both.
    """
    fits = [ci.SEM(TWO, test=test, information=word).fit(data()).measures for word in ("expected", "observed")]
    for name in ("chisq.scaled", "df.scaled", "baseline.chisq.scaled", "baseline.df.scaled"):
        assert fits[0][name] == pytest.approx(fits[1][name], rel=1e-12)
    if test == "mean_var_adjusted":
        assert fits[0]["baseline.df.scaled"] == pytest.approx(5.09674075, rel=1e-6)
