"""What a run of a study found: the values that the conductor fills and the report renders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal

from cipa.data.dataset import Dataset
from cipa.errors import public
from cipa.results.display import ResultTable
from cipa.results.estimates import Estimate
from cipa.results.fit import Fit, Notice
from cipa.study.hypotheses import Hypothesis
from cipa.study.study import Study

VerdictWord = Literal["supported", "not supported", "contrary", "inconclusive", "not tested"]


@public
@dataclass(frozen=True, slots=True)
class Key:
    """What a piece of evidence is about: the name under which an Analysis holds it.

    Parameters
    ----------
    exhibit : str
        What was computed: a name in `cipa.evidence.exhibits.EXHIBITS`.
    model : str
        Of which model of the study.
    path, moderator : str
        Of which moderated effect, and by what: "inv ~ value", "capital".
    group : str or None
        Of which group; None for all cases together.

    Examples
    --------
    >>> import cipa as ci
    >>> ci.Key("htmt", "survey") == ci.Key("htmt", model="survey", group=None)
    True
    """

    exhibit: str
    model: str = ""
    _: KW_ONLY
    path: str = ""
    moderator: str = ""
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    r"""The join of a hypothesis and an estimate.

    Parameters
    ----------
    hypothesis : Hypothesis
    model : str
        The model's name in the study; "" when no model holds the term.
    estimate : Estimate or None
    verdict : {"supported", "not supported", "contrary", "inconclusive", "not tested"}
        "contrary": the interval excludes 0 on the other side. "inconclusive": the interval covers both 0 and
        the smallest effect of interest; "not supported": it excludes that effect.
    reason : str
        A sentence computed from the estimate.
    power : float
        Power reached against the smallest effect of interest; NaN where it is not defined.

    Examples
    --------
    >>> import cipa as ci, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> text = '[study]\ntitle = "Investment"\n[sources]\nfirms = "grunfeld"\n[hypotheses]\nH1 = "inv ~ value > 0"\n'
    >>> text += '[models.within]\nkind = "panel"\nformula = "inv ~ value + capital"\n'
    >>> _ = (folder / "study.toml").write_text(text)
    >>> verdict = ci.run(folder).verdicts[0]
    >>> verdict.model, verdict.verdict
    ('within', 'supported')
    """

    hypothesis: Hypothesis
    model: str
    estimate: Estimate | None
    verdict: VerdictWord
    reason: str
    power: float = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    r"""A study that was run.

    Parameters
    ----------
    study : Study
    datasets : mapping of source name to Dataset
        As the models saw them: read, screened, scored; their logs count what was dropped.
    fits : mapping of model name to Fit
        In the order of the study.
    failures : mapping of model name to str
        The message of each model that could not be fitted.
    verdicts : tuple of Verdict
        In the order of the hypotheses, then of the models.
    tables : mapping of Key to ResultTable
        The evidence: `analysis.tables[ci.Key("reliability", "survey")]`. What there is stands in `cipa.evidence.exhibits`.
    refusals : mapping of Key to str
        Why a piece of evidence could not be computed.
    notices : tuple of Notice
        Of the study as a whole; each fit has its own.
    seed : int

    Examples
    --------
    >>> import cipa as ci, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> text = '[study]\ntitle = "Investment"\n[sources]\nfirms = "grunfeld"\n[hypotheses]\nH1 = "inv ~ value > 0"\n'
    >>> text += '[models.within]\nkind = "panel"\nformula = "inv ~ value + capital"\n'
    >>> _ = (folder / "study.toml").write_text(text)
    >>> analysis = ci.run(folder)
    >>> list(analysis.fits), analysis.seed
    (['within'], 1)
    >>> analysis.tables[ci.Key("descriptives", "within")].columns["variable"]
    ('inv', 'value', 'capital')
    """

    study: Study
    datasets: Mapping[str, Dataset]
    fits: Mapping[str, Fit]
    failures: Mapping[str, str] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    tables: Mapping[Key, ResultTable] = field(default_factory=dict)
    refusals: Mapping[Key, str] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    seed: int = 1
