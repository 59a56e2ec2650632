"""What follows from a scaling factor: scaled tests, and the indices made of them.

    scaled    the index of the scaled chi-squares
    robust    the index of a chi-square whose expectation is c df, in the population's units

Sources: Brosseau-Liard, P. E. & Savalei, V. (2014). Multivariate Behavioral Research, 49, 460-470; Brosseau-Liard, Savalei & Li (2012).
MBR, 47, 904-930; Yuan & Bentler (2000), eq. 20, as Asparouhov & Muthén (2005) compute it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from cipa.models.sem.steps.indices import Test, incremental, rmsea


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """How a chi-square is corrected: factor c, shift, df of reference; `plain` is tr(U G) / df, for robust indices.

    h1, h0: mean scaling factors of the unrestricted and the fitted model (yuan_bentler_mplus only).
    """

    factor: float
    shift: float
    df: float
    plain: float
    h1: float = math.nan
    h0: float = math.nan

    def of(self, test: Test) -> Test:
        """The corrected test."""
        return Test(chisq=test.chisq / self.factor + self.shift, df=self.df)


def difference_scaling(h1: float, h0: float, df: float, moments: int, npar: int) -> Scaling:
    """The factor c = (tr(A1^-1 B1) - tr(A0^-1 B0)) / df, from the two traces."""
    factor = (h1 - h0) / df
    return Scaling(factor=factor, shift=0.0, df=df, plain=factor, h1=h1 / moments, h0=h0 / max(npar, 1))


def indices_of_scaled(
    test: Test, model: Scaling, baseline: Test | None, base: Scaling | None, *, nobs: int, ngroups: int
) -> dict[str, float]:
    """Scaled chi-squares of the model and its baseline, and the indices that follow."""
    found = _keys("", test, model)
    if baseline is not None and base is not None:
        found |= _keys("baseline.", baseline, base)
        found |= _scaled_indices(test, model, baseline, base)
    if not model.factor > 0:
        return nothing_to_test(baseline)  # too few clusters: the estimated mean of the chi-square is negative
    # a factor moves the mean of the chi-square: its noncentrality is that of a variable with c df degrees of freedom
    shifted = model.of(test) if model.shift else Test(chisq=test.chisq, df=model.plain * test.df)
    found |= {f"{key}.scaled": value for key, value in _sizes(rmsea(shifted, nobs=nobs, ngroups=ngroups)).items()}
    robust = rmsea(
        model.of(test) if model.shift else Test(chisq=test.chisq / model.plain, df=test.df),
        nobs=nobs,
        ngroups=ngroups,
        scale=model.factor if model.shift else model.plain,
    )
    excess = (test.chisq - model.plain * test.df) / (test.df * nobs)
    robust["rmsea"] = math.sqrt(max(excess, 0.0) * ngroups)
    return found | {f"{key}.robust": value for key, value in _sizes(robust).items()}


def _scaled_indices(test: Test, model: Scaling, baseline: Test, base: Scaling) -> dict[str, float]:
    """Indices of the scaled tests (".scaled"), and those that estimate the population's (".robust")."""
    scaled = incremental(model.of(test), base.of(baseline))
    names = ("cfi", "tli", "nnfi", "rfi", "nfi", "pnfi", "ifi", "rni")
    found = {f"{name}.scaled": scaled[name] for name in names}
    x, b = test.chisq - model.plain * test.df, baseline.chisq - base.plain * baseline.df
    worst = max(x, b, 0.0)
    tli = 1 - x * baseline.df / (b * test.df) if b else math.nan
    return found | {
        "cfi.robust": 1 - max(x, 0.0) / worst if worst else 1.0, "tli.robust": tli, "nnfi.robust": tli,
        "rni.robust": 1 - x / b if b else math.nan,
    }  # fmt: skip


def nothing_to_test(baseline: Test | None) -> dict[str, float]:
    """What stands in the place of a scaled test that is not defined: NaN, and an RMSEA of 0 for a saturated model."""
    names = (
        "cfi",
        "tli",
        "nnfi",
        "rfi",
        "nfi",
        "pnfi",
        "ifi",
        "rni",
        "rmsea",
        "rmsea.ci.lower",
        "rmsea.ci.upper",
        "rmsea.pvalue",
        "rmsea.notclose.pvalue",
    )
    found = {"chisq.scaled": 0.0, "df.scaled": 0.0, "pvalue.scaled": math.nan, "chisq.scaling.factor": math.nan}
    if baseline is not None:
        found |= {f"baseline.{name}": math.nan for name in ("chisq.scaled", "pvalue.scaled", "chisq.scaling.factor")}
        found["baseline.df.scaled"] = baseline.df
    found |= {f"{name}.scaled": math.nan for name in names} | {
        f"{name}.robust": math.nan for name in names if name not in ("rfi", "nfi", "pnfi", "ifi")
    }
    return found | {f"rmsea{part}.robust": 0.0 for part in ("", ".ci.lower", ".ci.upper")}


def _keys(stem: str, test: Test, scaling: Scaling) -> dict[str, float]:
    scaled = scaling.of(test)
    found = {
        f"{stem}chisq.scaled": scaled.chisq, f"{stem}df.scaled": scaled.df, f"{stem}pvalue.scaled": scaled.p_value,
        f"{stem}chisq.scaling.factor": scaling.factor,
    }  # fmt: skip
    if not stem and math.isfinite(scaling.h1):
        found |= {"scaling.factor.h1": scaling.h1, "scaling.factor.h0": scaling.h0}
    return found


def _sizes(found: Mapping[str, float]) -> dict[str, float]:
    names = ("rmsea", "rmsea.ci.lower", "rmsea.ci.upper", "rmsea.pvalue", "rmsea.notclose.pvalue")
    return {name: found[name] for name in names}
