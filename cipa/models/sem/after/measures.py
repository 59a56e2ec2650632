"""All fit measures of a fit, by lavaan's names (formulas: `steps/indices.py`)."""

from __future__ import annotations

from cipa.errors import public
from cipa.models.sem.fit import Measures, SEMFit


@public
def fit_measures(fit: SEMFit) -> Measures:
    """All fit measures of a structural equation model, keyed as lavaan's `fitMeasures`.

    Parameters
    ----------
    fit : SEMFit

    Examples
    --------
    >>> import cipa as ci
    >>> data = ci.datasets.load("holzinger1939")
    >>> fit = ci.SEM("visual =~ x1 + x2 + x3", std_lv=True).fit(data)
    >>> ci.fit_measures(fit)["df"]
    0.0
    """
    return Measures({**fit.measures, **fit.late_statistics.values_by_name})
