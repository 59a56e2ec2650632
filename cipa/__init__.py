"""cipa: Collaborative Innovation Performance Analysis.

`import cipa as ci` costs a few milliseconds: a public name is loaded from its room when it is first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cipa.analysis import check as check
    from cipa.analysis import run as run
    from cipa.data import datasets as datasets
    from cipa.data.moments import SampleMoments as SampleMoments
    from cipa.data.read import read as read
    from cipa.data.stream import read_moments as read_moments
    from cipa.models.panel.linear.model import Panel as Panel
    from cipa.models.sem.model import SEM as SEM
    from cipa.report.publish import publish as publish
    from cipa.results.vcov import clustered as clustered
    from cipa.results.vcov import driscoll_kraay as driscoll_kraay
    from cipa.results.vcov import newey_west as newey_west
    from cipa.study.study import Study as Study

__version__ = "0.1.0"

_ROOMS = {
    "cipa.analysis": ("check", "run"),
    "cipa.data.dataset": ("Dataset",),
    "cipa.data.moments": ("SampleMoments",),
    "cipa.data.read": ("read",),
    "cipa.data.stream": ("read_moments",),
    "cipa.errors": (
        "CipaError",
        "CipaWarning",
        "DataError",
        "SpecificationError",
        "IdentificationError",
        "ConvergenceError",
        "InferenceError",
    ),
    "cipa.evidence.descriptives": ("descriptives",),
    "cipa.evidence.findings": ("Analysis", "Key", "Verdict"),
    "cipa.evidence.measurement": ("cronbach_alpha", "fornell_larcker", "htmt", "reliability"),
    "cipa.inference.bootstrap": ("bootstrap",),
    "cipa.inference.compare": ("compare",),
    "cipa.evidence.invariance": ("invariance",),
    "cipa.inference.mediation": ("indirect",),
    "cipa.inference.moderation": ("johnson_neyman", "simple_slopes"),
    "cipa.inference.power": ("power",),
    "cipa.inference.power_rmsea": ("power_rmsea",),
    "cipa.inference.restrictions": ("lr_test", "score_test", "wald_test"),
    "cipa.data.score": ("derive", "reverse"),
    "cipa.data.screen": ("screen",),
    "cipa.models.cross_check": ("cross_check",),
    "cipa.results.vcov": ("clustered", "driscoll_kraay", "newey_west"),
    "cipa.models.panel.linear.after.rows": ("fixed_effects",),
    "cipa.models.panel.linear.covariance": ("cr2", "crv3"),
    "cipa.models.panel.linear.fit": ("PanelFit",),
    "cipa.models.panel.linear.model": ("Panel",),
    "cipa.models.panel.linear.ols": ("OLS",),
    "cipa.inference.vcov": ("vcov",),
    "cipa.models.sem.after.export": ("to_lavaan",),
    "cipa.models.sem.after.r_script": ("r_script",),
    "cipa.models.sem.after.modification": ("modification_indices",),
    "cipa.inference.residuals": ("predict", "residuals"),
    "cipa.models.sem.after.scores": ("factor_scores",),
    "cipa.models.sem.after.measures": ("fit_measures",),
    "cipa.models.sem.model": ("SEM", "SEMFit"),
    "cipa.models.sem.after.simulate": ("simulate",),
    "cipa.models.sem.after.standardized": ("r_squared", "standardized"),
    "cipa.models.sem.after.icc": ("icc",),
    "cipa.report.figures.path_diagram": ("path_diagram",),
    "cipa.report.publish": ("publish",),
    "cipa.results.fit": ("Fit",),
    "cipa.study.constructs": ("Construct", "Item"),
    "cipa.study.hypotheses": ("Hypothesis",),
    "cipa.study.study": ("Study",),
    "cipa.terms": ("Path", "Term"),
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names}
_MODULES = {"datasets": "cipa.data.datasets"}

__all__ = ["__version__", *sorted([*_HOME, *_MODULES])]  # noqa: PLE0604, RUF100


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _HOME:
        raise AttributeError(f"module 'cipa' has no attribute '{name}'", name=name, obj=sys.modules[__name__])
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME, *_MODULES])
