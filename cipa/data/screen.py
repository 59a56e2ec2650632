"""Careless responding: attention checks, completion time, long strings. Every exclusion is a step in the log.

Sources: Meade, A. W. & Craig, S. B. (2012). Identifying careless responses in survey data. Psychological Methods,
17(3), 437-455; Curran, P. G. (2016). Journal of Experimental Social Psychology, 66, 4-19.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cipa.data.dataset import Dataset, as_dataset
from cipa.errors import DataError, SpecificationError, public
from cipa.language.en import EN
from cipa.numerics.algebra.linalg import Array, IntArray


@public
def screen(
    data: Any,
    *,
    attention: Mapping[str, float] | None = None,
    min_time: Mapping[str, float] | None = None,
    longstring: int | None = None,
    items: Sequence[str] | None = None,
) -> Dataset:
    """Exclude careless respondents, rule by rule.

    Parameters
    ----------
    data : Dataset or DataFrame
    attention : mapping of column to the answer asked for
        Rows with another answer are excluded; a missing answer is not held against anybody.
    min_time : mapping of column to the least time
        Rows below it are excluded.
    longstring : int
        Rows with a run of at least so many identical answers in a row are excluded.
    items : sequence of str
        The questions, in the order in which they were asked, for `longstring` (default: the codebook's items).

    Returns
    -------
    Dataset
        With one step in its log for each rule, also when the rule excluded nobody.

    Examples
    --------
    >>> import cipa as ci
    >>> survey = ci.datasets.load("cluster_survey")
    >>> kept = ci.screen(survey, attention={"attn": 5})
    >>> step = kept.log[-1]
    >>> step.reason, step.rows_before > step.rows_after
    ('failed the attention check attn = 5', True)
    """
    kept = data = as_dataset(data)
    for column, answer in (attention or {}).items():
        values = kept.numeric([column])[:, 0]
        failed = (values != answer) & ~np.isnan(values)
        kept = kept.keep(~failed, action="screen", reason=EN("log.attention", column=column, answer=answer))
    for column, least in (min_time or {}).items():
        values = kept.numeric([column])[:, 0]
        kept = kept.keep(~(values < least), action="screen", reason=EN("log.fast", column=column, least=least))
    if longstring is not None:
        questions = list(items or data.items)
        if longstring < 2 or not questions:
            raise SpecificationError(
                f"screen: longstring={longstring} with {len(questions)} items. A row of equal answers is a run of 2 or more of "
                "named items: give longstring= of at least 2, and items= or a codebook."
            )
        runs = longest_run(kept.numeric(questions))
        kept = kept.keep(runs < longstring, action="screen", reason=EN("log.longstring", length=longstring))
    if not kept.nobs:
        raise DataError(
            f"{data.name}: the screening rules exclude every row, so that nothing is left to fit. Check the attention answer and "
            "the thresholds."
        )
    return kept


def longest_run(values: Array) -> IntArray:
    """Longest run of identical answers in each row (n,) of (n, k) answers; a missing answer ends a run."""
    best = np.zeros(len(values), dtype=np.intp)
    current = np.zeros(len(values), dtype=np.intp)
    for j in range(values.shape[1]):
        same = values[:, j] == values[:, j - 1] if j else np.zeros(len(values), dtype=bool)
        current = np.where(np.isnan(values[:, j]), 0, np.where(same, current + 1, 1))
        best = np.maximum(best, current)
    return best
