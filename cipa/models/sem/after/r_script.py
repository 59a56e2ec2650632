"""A complete R script that reruns a fit with lavaan and compares the numbers: for a reviewer who does not have cipa.

The model is that of `ci.to_lavaan`; names that R reads in some locales only are replaced by plain ones, and columns are renamed
to match. The script stops with an error when an estimate is further from cipa's than the stated share of its standard error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import cipa
from cipa.data.moments import SampleMoments
from cipa.errors import SpecificationError, public
from cipa.models.sem.after.export import ExportedModel
from cipa.models.sem.fit import SEMFit
from cipa.numerics.algebra.linalg import Array

_MISSING = {
    "listwise": "listwise", "fiml": "ml", "fiml_x": "ml", "two_stage": "two.stage", "robust_two_stage": "robust.two.stage",
    "pairwise": "pairwise",
}  # fmt: skip


@public
def r_script(fit: SEMFit, *, data: str = "data.csv", tolerance: float | None = None) -> str:
    """Write an R script that fits the model with lavaan and compares.

    Parameters
    ----------
    fit : fit of a structural equation model
    data : str
        Name of the data file, as the script finds it: the columns that the model uses, with heads, missing values empty or NA
        (`fit.data.to_frame().to_csv("data.csv", index=False)` writes one). A fit to a covariance matrix has it in the script.
    tolerance : float, optional
        Largest difference of an estimate, in standard errors (or hundredths of the estimate, where that is more: a parameter at a
        bound has no standard error), and of chi-square. Default: 0.001, and 0.005 on two levels, where lavaan's own search stops
        earlier.

    Returns
    -------
    str
        For `Rscript`, with lavaan 0.6.

    Raises
    ------
    SpecificationError
        For a model that lavaan cannot fit.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.SEM("visual =~ x1 + x2 + x3").fit(ci.datasets.load("holzinger1939"))
    >>> script = ci.r_script(fit, data="holzinger1939.csv")
    >>> script.splitlines()[1]
    'library(lavaan)'
    """
    if not isinstance(fit, SEMFit):
        raise SpecificationError(
            f"ci.r_script: {type(fit).__name__} is not a native fit of a structural equation model, and lavaan fits nothing "
            "else. Give what ci.SEM(...).fit(data) returns."
        )
    _refuse_weighed_twice(fit)
    tolerance = (5e-3 if fit.levels else 1e-3) if tolerance is None else tolerance
    if not 0 < tolerance < 1:
        raise SpecificationError(
            f"ci.r_script: tolerance={tolerance!r}. What counts as agreement is a share of a standard error: give a number above "
            "0 and below 1."
        )
    text = ExportedModel.of(fit, ascii_only=True)
    moments = not hasattr(fit.data, "columns")
    return "\n".join(
        [
            f"# The structural equation model that cipa {cipa.__version__} fitted to {fit.nobs} cases, rerun with lavaan 0.6.",
            *(f"# {new} stands for {json.dumps(old)}" for old, new in text.alias.items() if new != old),
            "library(lavaan)",
            "",
            *(_moments(fit, text.alias) if moments else _read(fit, text.alias, data)),
            "",
            "model <- '",
            *text.lines(None),
            "'",
            "",
            _call(fit, text.alias, moments=moments),
            "summary(fit, fit.measures = TRUE, standardized = TRUE)",
            "",
            *_comparison(fit, text.alias, tolerance),
            "",
        ]
    )


def _refuse_weighed_twice(fit: SEMFit) -> None:
    """On two levels lavaan 0.6 weighs groups by their share of the cases twice: no maximum of the likelihood if they are tied."""
    sizes = {group.nobs for group in fit.sample.groups}
    if fit.levels and len(sizes) > 1 and fit.layout.tied:
        raise SpecificationError(
            f"ci.r_script: the groups have {' and '.join(map(str, sorted(sizes)))} cases and parameters in common, and on two "
            "levels lavaan 0.6 weighs the log-likelihood of a group by its share of the cases once too often: its estimates are "
            "not those of maximum likelihood, and the script would report a difference that is not ours. Take ci.to_lavaan(fit) "
            "to another program, or let the script rerun the fit without equal parameters."
        )


def _quoted(text: str) -> str:
    """An R string in ASCII."""
    inside = "".join(letter if letter.isascii() else f"\\U{ord(letter):08x}" for letter in text)
    return json.dumps(inside).replace("\\\\U", "\\U")


def _vector(values: Sequence[str]) -> str:
    return f"c({', '.join(values)})"


def _read(fit: SEMFit, alias: Mapping[str, str], data: str) -> Iterator[str]:
    """Read the columns used, under the names of the script."""
    model = fit.model
    used = list(dict.fromkeys(name for block in fit.layout.blocks for name in block.observed))
    design = [name for name in (model.group, model.cluster, model.sampling_weight) if name]
    yield f'data <- read.csv({_quoted(data)}, check.names = FALSE, encoding = "UTF-8")'
    yield f"data <- data[, {_vector([_quoted(name) for name in [*used, *design]])}]"
    names = [*(alias[name] for name in used), *_design(fit).values()]
    yield f"names(data) <- {_vector([_quoted(name) for name in names])}"


def _design(fit: SEMFit) -> dict[str, str]:
    """Options of lavaan for columns that are not variables of the model, with plain names."""
    model = fit.model
    found = {"group": model.group, "cluster": model.cluster, "sampling.weights": model.sampling_weight}
    return {option: f"cipa.{option}" for option, column in found.items() if column}


def _moments(fit: SEMFit, alias: Mapping[str, str]) -> Iterator[str]:
    """Covariance matrices (divisor n - 1), means and numbers of cases."""
    groups: Sequence[SampleMoments] = fit.data if isinstance(fit.data, tuple) else (fit.data,)
    for option, values in (
        ("cov", [_matrix(one, alias) for one in groups]),
        ("mean", [_numbers(one.mean) for one in groups if one.mean is not None and fit.layout.means]),
        ("nobs", [str(one.nobs) for one in groups]),
    ):
        several = f"list({', '.join(values)})" if values else "NULL"
        yield f"sample.{option} <- {values[0] if len(values) == 1 else several}"


def _numbers(values: Array) -> str:
    return _vector([repr(float(value)) for value in values])


def _matrix(one: SampleMoments, alias: Mapping[str, str]) -> str:
    names = _vector([_quoted(alias.get(name, name)) for name in one.names])
    return f"matrix({_numbers(one.cov.ravel())}, {len(one.names)}, dimnames = list({names}, {names}))"


def _call(fit: SEMFit, alias: Mapping[str, str], *, moments: bool) -> str:
    model = fit.model
    estimator = model.estimator_used if model.ordered_names else model.estimator
    options: dict[str, Any] = {
        "estimator": _quoted(estimator.upper()),
        "missing": None if moments else _quoted(_MISSING[model.missing]),
        **{
            name: _quoted(getattr(model, name).replace("_", "."))
            for name in ("se", "test", "information")
            if getattr(model, name)
        },
        "likelihood": _quoted(model.likelihood) if model.likelihood != "normal" else None,
        **{option: _quoted(name) for option, name in _design(fit).items()},
        "ordered": _vector([_quoted(alias[name]) for name in model.ordered_names]) if model.ordered_names else None,
        "parameterization": _quoted(model.parameterization) if model.ordered_names else None,
        "conditional.x": "TRUE" if model.conditional_x and not model.ordered_names else None,
        "meanstructure": "TRUE" if fit.layout.means else "FALSE",
        **_exogenous(fit),
    }
    source = "sample.cov = sample.cov, sample.mean = sample.mean, sample.nobs = sample.nobs" if moments else "data = data"
    words = [source, *(f"{name} = {value}" for name, value in options.items() if value is not None)]
    return "fit <- lavaan(model,\n  " + ",\n  ".join(words) + ")"


def _exogenous(fit: SEMFit) -> dict[str, str]:
    """Whether the moments of exogenous variables are held at the sample's; when they are not, `lavaan()` must free them."""
    held = fit.model.holds_exogenous
    if held or not any(roles.exogenous for roles in fit.layout.roles):
        return {"fixed.x": "TRUE" if held else "FALSE"}
    return {"fixed.x": "FALSE", "int.ov.free": "TRUE", "auto.var": "TRUE"}


def _comparison(fit: SEMFit, alias: Mapping[str, str], tolerance: float) -> Iterator[str]:
    """The free parameters, matched by name, and the differences."""
    rows = [(k, fit.layout.rows[position]) for k, position in enumerate(fit.layout.theta)]
    errors = np.sqrt(fit.vcov.diagonal())
    columns = {
        "lhs": [_quoted(alias[row.lhs]) for _, row in rows],
        "op": [_quoted(row.op) for _, row in rows],
        "rhs": [_quoted(alias.get(row.rhs, row.rhs)) for _, row in rows],
        "block": [str(row.block + 1) for _, row in rows],
        "est.cipa": [repr(float(fit.params[k])) for k, _ in rows],
        "se.cipa": [repr(float(errors[k])) for k, _ in rows],
    }
    yield "# cipa's numbers"
    yield "cipa <- data.frame("
    yield ",\n".join(f"  {name} = {_vector(values)}" for name, values in columns.items()) + ")"
    yield _COMPARE.format(chisq=repr(float(fit.measures["chisq"])), tolerance=repr(tolerance))


_COMPARE = """found <- parameterTable(fit)
found <- found[found$op != "==", c("lhs", "op", "rhs", "block", "est", "se")]
turned <- found[found$op == "~~" & found$lhs != found$rhs, ]
turned[, c("lhs", "rhs")] <- turned[, c("rhs", "lhs")]
both <- merge(cipa, rbind(found, turned), by = c("lhs", "op", "rhs", "block"))
stopifnot(nrow(both) == nrow(cipa))
chisq <- unname(fitMeasures(fit, "chisq"))
gap <- max(abs(both$est - both$est.cipa) / pmax(both$se.cipa, 0.01 * abs(both$est.cipa)))
cat(sprintf("chi-square: lavaan %.6f, cipa %.6f\\n", chisq, {chisq}))
cat(sprintf("largest difference of an estimate: %.2g standard errors\\n", gap))
errors <- abs(both$se / both$se.cipa - 1)[both$se.cipa > 1e-8]
cat(sprintf("largest relative difference of a standard error: %.2g\\n", max(errors)))
if (gap > {tolerance} || abs(chisq - {chisq}) > {tolerance}) stop("lavaan and cipa differ by more than {tolerance}")
cat("lavaan and cipa agree within {tolerance}\\n")"""
