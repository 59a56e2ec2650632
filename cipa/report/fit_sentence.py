"""The fit of a structural equation model in a sentence."""

from __future__ import annotations

import math

from cipa.language.speech import Language
from cipa.language.words import statistic
from cipa.results.statistics import Statistic, Statistics


def fit_sentence(found: Statistics, say: Language) -> str:
    """Chi-square, CFI, TLI and RMSEA in their corrected forms, and SRMR."""
    if found["chisq"].df == 0:
        return say("fit.saturated")
    sizes = [(found.corrected(name), label) for name, label in (("cfi", "CFI"), ("tli", "TLI"), ("rmsea", "RMSEA"))]
    indices = [(size.name.partition(".")[2], label, size.value) for size, label in sizes if math.isfinite(size.value)]
    low, high = (
        bound if bound is not None and math.isfinite(bound) else None for bound in (sizes[2][0].conf_low, sizes[2][0].conf_high)
    )
    return say("fit.sentence", test=_test(found, say), indices=indices, low=low, high=high, srmr=found["srmr"].value)


def _test(found: Statistics, say: Language) -> str:
    """The chi-square; a scaled one first, with what it was before."""
    plain, test = found["chisq"], found.corrected("chisq")
    p = test.p_value or 0.0
    if test is plain:
        return say("fit.test", chisq=_chisq(test), p=p)
    return say("fit.scaled", chisq=_chisq(test), p=p, factor=found["chisq.scaling.factor"].value, plain=_chisq(plain))


def _chisq(row: Statistic) -> str:
    df = row.df or 0.0
    return f"χ²({df:.{0 if df == int(df) else 2}f}) = {statistic(row.value)}"
