"""Factor scores: where each case stands on the constructs (formulas: `answers/factor_scores.py`)."""

from __future__ import annotations

from cipa.errors import InferenceError, one_of, public
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.methods import method_of
from cipa.results.display import ResultTable
from cipa.results.questions import asked


@public
def factor_scores(fit: SEMFit, *, method: str = "regression") -> ResultTable:
    """Factor scores of every case of the data.

    Parameters
    ----------
    fit : SEMFit
    method : {"regression", "bartlett"}

    Returns
    -------
    ResultTable
        One column for each construct, one row for each case, in the order of the data; NaN for cases that were not used. With
        ordered variables "regression" is the mode of the construct given the answers, "bartlett" the value under which they are
        likeliest: NaN where there is none, because a case answered at the end of every item. Bartlett scores are NaN too for
        constructs that a case's values do not determine: without a value on any item, of second order, or one of more constructs
        than items (a random intercept beside states without error). On two levels, constructs between clusters follow those
        within, with one value for all cases of a cluster.

    Raises
    ------
    InferenceError
        For a fit to a covariance matrix, or a model without constructs.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.SEM("visual =~ x1 + x2 + x3").fit(ci.datasets.load("holzinger1939"))
    >>> ci.factor_scores(fit).to_frame()["visual"].head(3).round(3).tolist()
    [-0.71, -0.063, -0.319]
    """
    one_of(method, ("regression", "bartlett"), what="method", where="ci.factor_scores")
    if any(group.values is None for group in fit.sample.groups):
        raise InferenceError(
            "ci.factor_scores: the model was fitted to a covariance matrix, which has no cases to score. Fit it to the data."
        )
    if not any(roles.latent for roles in fit.layout.roles):
        raise InferenceError(
            "ci.factor_scores: the model measures no construct ('=~'), so there is nothing to score. Ask for the scores of a "
            "model with 'construct =~ items'."
        )
    title, names, values = asked(fit, method_of(fit.model).scores, "ci.factor_scores")(fit, method)
    return ResultTable(title=title, columns={name: tuple(values[:, k].tolist()) for k, name in enumerate(names)})
