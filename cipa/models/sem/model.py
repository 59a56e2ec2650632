"""ci.SEM: a structural equation model as a value, and its fit (the sequence: `estimate.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cipa.errors import public
from cipa.models.sem.declare.compile import lay_out, wants_means
from cipa.models.sem.declare.declaration import Declaration
from cipa.models.sem.declare.refusals import refuse_impossible
from cipa.models.sem.estimate import estimate
from cipa.models.sem.fit import SEMFit
from cipa.models.sem.methods import method_of
from cipa.models.sem.population.law import Population, categories_of, checked, group_names, of_model, refuse_design
from cipa.models.sem.population.restrict import fitted_to, restricted
from cipa.threads import one_thread


@public
@dataclass(frozen=True, slots=True)
class SEM(Declaration):
    r"""A structural equation model.

    Parameters
    ----------
    syntax : str
        lavaan model syntax (`=~ ~ ~~ ~1 := ==`, modifiers, labels, `group:` blocks). Two `level:` blocks (within, between) with
        cluster= make a two-level model with random intercepts, and with group= one of each group of clusters.
    estimator : str
        Maximum likelihood: "ml"; with robust errors and a scaled test "mlm" (Satorra-Bentler), "mlmv" (scaled and shifted),
        "mlmvs" (mean and variance adjusted), "mlr" (Yuan-Bentler, also with missing values, clusters, weights); "mlf", with
        first-order errors. Least squares: "gls", "wls" (ADF), "dwls", "uls", and with robust errors "wlsm", "wlsmv", "ulsm",
        "ulsmv". With ordered variables "ml" stands for "wlsmv", as in lavaan.
    missing : {"listwise", "fiml", "fiml_x", "two_stage", "robust_two_stage", "pairwise"}
        Complete cases; full information maximum likelihood (cases with a missing exogenous variable are dropped, as
        lavaan does); the same with exogenous variables made random, so that no case is lost; unrestricted moments first, the
        model to them second, errors and test corrected for it (robust: also for non-normality); each pair's cases, errors and
        test corrected likewise (lavaan's own errors ignore the holes: se="standard", test="standard" gives them).
    se : {"standard", "robust", "robust_sem", "robust_huber_white", "first_order"}, optional
    test : {"standard", "satorra_bentler", "mean_var_adjusted", "scaled_shifted", "yuan_bentler", "yuan_bentler_mplus"}, optional
        Instead of the estimator's own.
    information : {"expected", "observed", "first_order"}, optional
        For standard errors. Default as lavaan: expected with complete data, observed with missing values. "first_order" is
        se="first_order".
    likelihood : {"normal", "wishart"}
        Divisor n and chi-square n F, or n - 1 and (n - 1) F (LISREL, EQS).
    group : str, optional
        Column of a multi-group model; groups are ordered by appearance in the data.
    group_equal, group_partial : sequence of str
        Classes of parameters held equal across groups ("loadings", "intercepts", …), and terms that stay free.
    ordered : sequence of str, or True
        Variables seen through thresholds (2 to 30 categories), beside continuous ones as you like; True: all but covariates.
        Exogenous variables are conditioned on (probit regressions) unless fixed_x=False.
    parameterization : {"delta", "theta"}
        Of ordered variables: the variance of the response variable is 1, or its residual variance is.
    cluster, sampling_weight : str, optional
        Columns of a survey's design: errors and tests are corrected for them (estimators "ml" and "mlr"). With `level:` blocks
        the clusters are the between level instead.
    meanstructure : bool, optional
        Estimate means. Default: when the syntax has `~1`, with missing values, groups, "growth", or `SampleMoments` with means.
    std_lv : bool
        Latent variances at 1 instead of first loadings at 1.
    orthogonal : bool
        Latent covariances at 0.
    fixed_x : bool, optional
        Hold the moments of exogenous observed variables at the sample's (default, as lavaan; not by least squares of continuous
        variables).
    effect_coding : bool
        Loadings of a construct average 1.
    conditional_x : bool
        Condition on exogenous variables. So it is with ordered variables always; by maximum likelihood of complete cases it
        changes no estimate, adds intercepts, and gives CFI and its kin a baseline that keeps what the exogenous variables
        explain.
    defaults : {"sem", "cfa", "growth", "lavaan"}
        Which parameters are added to those written ("lavaan": none).
    bounds : {"pos_var", "pos_ov_var", "pos_lv_var"}, optional
        Keep the variances of all, of observed or of latent variables at 0 or above; a bound that binds is said in a notice.
    interaction, nodes : optional
        Reserved for products of latent variables; not available in this version.

    Examples
    --------
    >>> import cipa as ci
    >>> model = ci.SEM("visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9")
    >>> fit = model.fit(ci.datasets.load("holzinger1939"))
    >>> round(fit.statistics["chisq"].value, 3)
    85.306
    """

    def __post_init__(self) -> None:
        Declaration.__post_init__(self)
        method_of(self).refuse(self)
        refuse_impossible(self)

    @public
    @one_thread
    def fit(self, data: Any, *, start: Mapping[str, float] | None = None) -> SEMFit:
        """Estimate the model.

        Parameters
        ----------
        data : Dataset, DataFrame, SampleMoments, or a list of SampleMoments (groups)
        start : mapping, optional
            Starting values by label or term ("y ~ x").

        Raises
        ------
        DataError
            Text, constant, collinear or missing columns; too few cases.
        IdentificationError
            The model has no unique solution.
        ConvergenceError
            The search did not end at a stationary point.
        """
        return estimate(self, data, start=start)

    def population(self, *, params: Mapping[Any, float] | None = None, nobs: Any = None) -> Population:
        """The model with a value for every parameter (see `ci.simulate`, which draws from it)."""
        refuse_design(self)
        labels, sizes = group_names(self, 500 if nobs is None else nobs)
        categories = categories_of(self, checked(params))
        means = bool(categories) or wants_means(self, ngroups=len(labels), data=None)
        layout = lay_out(self, labels, means=means, categories=categories)
        return of_model(self, layout, labels, sizes, checked(params))

    def fit_population(self, law: Population) -> SEMFit:
        """The model fitted by maximum likelihood to the exact moments of a population."""
        plain = fitted_to(self, law)
        return plain.fit(law.moments())

    def restricted(self, claim: str, fit: SEMFit) -> SEM:
        """The model with one claim more: a parameter of `fit` at 0, or an equation of labels."""
        return restricted(self, claim, fit)
