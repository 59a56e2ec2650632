"""Covariance input: when its means are used, and where a fit came from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cipa as ci

SIX = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6"


def items() -> pd.DataFrame:
    return ci.datasets.load("holzinger1939").to_frame()[[f"x{k}" for k in range(1, 10)]]


def test_means_that_are_given_are_used() -> None:
    """lavaan 0.6-14, cfa(SIX, sample.cov, sample.mean, sample.nobs = 301): 19 parameters, GFI .9980634, BIC 5148.9385366."""
    data = items()
    given = ci.SampleMoments(cov=data.cov(), mean=data.mean(), nobs=len(data))
    fit = ci.SEM(SIX).fit(given)
    found = [fit.measures[name] for name in ("chisq", "df", "npar", "gfi", "bic")]
    assert found == pytest.approx([24.3613038, 8, 19, 0.9980634, 5148.9385366], rel=1e-7)
    assert fit.params == pytest.approx(ci.SEM(SIX, meanstructure=True).fit(data).params, rel=1e-6)
    assert ci.SEM(SIX, meanstructure=False).fit(given).npar == 13
    assert ci.SEM(SIX).fit(ci.SampleMoments(cov=data.cov(), nobs=len(data))).npar == 13


def test_moments_of_several_groups_have_a_digest() -> None:
    data = items()
    groups = [ci.SampleMoments(cov=data.loc[half].cov(), mean=data.loc[half].mean(), nobs=150, group=name)
              for name, half in (("a", data.index < 150), ("b", data.index >= 151))]  # fmt: skip
    digest = ci.SEM(SIX).fit(groups).provenance.data_digest
    assert len(digest) == 64
    assert digest not in {one.digest for one in groups}
    assert digest != ci.SEM(SIX).fit(groups[::-1]).provenance.data_digest


def test_variables_that_do_not_correlate_have_a_baseline_that_fits() -> None:
    """The baseline model is then the saturated one; rounding left its chi-square at -1.8e-12, which has no p-value."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        names = [f"x{k}" for k in range(5)]
        moments = ci.SampleMoments(cov=np.diag(10 ** rng.uniform(-3, 3, 5)), names=names, nobs=int(rng.integers(50, 900)))
        measures = ci.SEM("\n".join(f"{name} ~~ {name}" for name in names)).fit(moments).measures
        assert (measures["baseline.chisq"], measures["baseline.pvalue"], measures["cfi"]) == (0.0, 1.0, 1.0)
