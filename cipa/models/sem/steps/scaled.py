"""What follows from a scaling factor: scaled tests, and the indices made of them.

    scaled    the index of the scaled chi-squares
    robust    the index of a chi-square whose expectation is c df, in the population's units

Sources: Brosseau-Liard, P. E. & Savalei, V. (2014). Multivariate Behavioral Research, 49, 460-470; Brosseau-Liard, Savalei & Li
(2012). MBR, 47, 904-930; Yuan & Bentler (2000), eq. 20, as Asparouhov & Muthén (2005) compute it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from cipa.models.sem.steps.indices import Test, incremental, rmsea

_INCREMENTAL = ("cfi", "tli", "nnfi", "rfi", "nfi", "pnfi", "ifi", "rni")
_ROBUST = ("cfi", "tli", "nnfi", "rni")
_SIZES = ("rmsea", "rmsea.ci.lower", "rmsea.ci.upper", "rmsea.pvalue", "rmsea.notclose.pvalue")


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
    if not model.factor > 0:
        return _undefined(test, baseline, base)
    found = keys_of("", test, model)
    if baseline is not None and base is not None:
        found |= keys_of("baseline.", baseline, base)
        found |= _scaled_indices(test, model, baseline, base)
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
    found = {f"{name}.scaled": scaled[name] for name in _INCREMENTAL}
    x, b = test.chisq - model.plain * test.df, baseline.chisq - base.plain * baseline.df
    worst = max(x, b, 0.0)
    tli = 1 - x * baseline.df / (b * test.df) if b else math.nan
    return found | {
        "cfi.robust": 1 - max(x, 0.0) / worst if worst else 1.0, "tli.robust": tli, "nnfi.robust": tli,
        "rni.robust": 1 - x / b if b else math.nan,
    }  # fmt: skip


def of_saturated(baseline: Mapping[str, float]) -> dict[str, float]:
    """What stands for a saturated model's scaled test: chi-square 0 without a factor, and indices of a perfect fit.

    `baseline` holds the keys of the scaled baseline, which has a test; empty where that model is saturated too.
    """
    found = {"chisq.scaled": 0.0, "df.scaled": 0.0, "pvalue.scaled": math.nan, "chisq.scaling.factor": math.nan, **baseline}
    perfect = 1.0 if baseline else math.nan
    found |= {f"{name}.scaled": perfect for name in _INCREMENTAL} | {f"{name}.robust": perfect for name in _ROBUST}
    sizes = _sizes(rmsea(Test(chisq=0.0, df=0.0), nobs=1))
    found |= {f"{name}.{form}": value for form in ("scaled", "robust") for name, value in sizes.items()}
    return found | {"pnfi.scaled": 0.0 if baseline else math.nan}


def _undefined(test: Test, baseline: Test | None, base: Scaling | None) -> dict[str, float]:
    """Too few clusters: the estimated mean of the chi-square is negative, so that nothing can be divided by its factor."""
    found = {"chisq.scaled": math.nan, "df.scaled": float(test.df), "pvalue.scaled": math.nan, "chisq.scaling.factor": math.nan}
    if baseline is not None and base is not None and base.factor > 0:
        found |= keys_of("baseline.", baseline, base)
    names = [f"{name}.scaled" for name in (*_INCREMENTAL, *_SIZES)] + [f"{name}.robust" for name in (*_ROBUST, *_SIZES)]
    return found | dict.fromkeys(names, math.nan)


def keys_of(stem: str, test: Test, scaling: Scaling) -> dict[str, float]:
    """A scaled test by lavaan's names, that of the baseline with the stem "baseline."."""
    scaled = scaling.of(test)
    found = {
        f"{stem}chisq.scaled": scaled.chisq, f"{stem}df.scaled": scaled.df, f"{stem}pvalue.scaled": scaled.p_value,
        f"{stem}chisq.scaling.factor": scaling.factor,
    }  # fmt: skip
    if not stem and math.isfinite(scaling.h1):
        found |= {"scaling.factor.h1": scaling.h1, "scaling.factor.h0": scaling.h0}
    return found


def _sizes(found: Mapping[str, float]) -> dict[str, float]:
    return {name: found[name] for name in _SIZES}
