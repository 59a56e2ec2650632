"""Moderation: simple slopes and the Johnson-Neyman interval, for any family of fits with a product term.

    slope(z) = b_x + b_xz z,     var = V_xx + 2 z V_xz + z^2 V_zz

With x:w and x:z:w in the model too, w is held at its mean: b_x + b_xw w + (b_xz + b_xzw w) z.

The slope is significant where |slope(z)| > t* se(z): between or outside the roots of a quadratic in z.

Sources: Aiken, L. S. & West, S. G. (1991). Multiple Regression: Testing and Interpreting Interactions, ch. 2; Johnson,
P. O. & Neyman, J. (1936). Statistical Research Memoirs, 1, 57-93; Bauer, D. J. & Curran, P. J. (2005). Multivariate
Behavioral Research, 40, 373-400, eqs. 8-11.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import stdtr, stdtrit

from cipa.errors import InferenceError, SpecificationError, did_you_mean, public
from cipa.inference.effects import coefficients
from cipa.language.en import EN
from cipa.numerics.algebra.linalg import Array
from cipa.results import questions
from cipa.results.answers import Spread
from cipa.results.display import ResultTable
from cipa.results.fit import Fit
from cipa.terms import Term

_SAME_ROW = re.compile(r"(?:log|log1p|exp|sqrt|abs|square|center|standardize)\((.+)\)")
_NORMAL = 1e300  # degrees of freedom at which t is the normal distribution in double precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """The slope of one variable as a line in its moderator.

    Parameters
    ----------
    level, change : float
        The slope where the moderator is 0, and its change per unit of the moderator.
    cov : (2, 2) array
    df : float
    moderator : Spread
    notes : tuple of str
    """

    level: float
    change: float
    cov: Array
    df: float
    moderator: Spread
    notes: tuple[str, ...]

    def at(self, values: Array) -> tuple[Array, Array]:
        """Slopes and standard errors at the moderator's values (m,)."""
        slopes = self.level + self.change * values
        variances = self.cov[0, 0] + 2 * values * self.cov[0, 1] + values**2 * self.cov[1, 1]
        return slopes, np.sqrt(np.maximum(variances, 0.0))

    def critical(self, conf_level: float) -> float:
        """Two-sided critical value of t."""
        return float(stdtrit(min(self.df, _NORMAL), (1 + conf_level) / 2))


@public
def simple_slopes(
    fit: Fit, path: str, *, by: str, at: Sequence[float] = (-1, 0, 1), values: Any = None, conf_level: float | None = None
) -> ResultTable:
    """The effect of x on y at some values of a moderator.

    Parameters
    ----------
    fit : Fit
        With the terms `y ~ x` and `y ~ x:z`.
    path : str
        "y ~ x", or "y ~ x [group]": with the mean and standard deviation of the moderator in that group.
    by : str
        The moderator z, as the model writes it.
    at : sequence of float
        Standard deviations from the moderator's mean in the estimation sample.
    values : sequence of float, or mapping of `by` to one, optional
        Values of the moderator instead.
    conf_level : float, optional

    Returns
    -------
    ResultTable
        at (standard deviations), value, estimate, std_error, statistic, df, p_value, conf_low, conf_high.

    Raises
    ------
    InferenceError
        When the fit has no such product term.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.Panel("inv ~ value*capital", effects=("entity",)).fit(ci.datasets.load("grunfeld"))
    >>> ci.simple_slopes(fit, "inv ~ value", by="capital").to_frame()[["at", "estimate"]].round(3).values.tolist()
    [[-1.0, 0.068], [0.0, 0.087], [1.0, 0.105]]
    """
    slope = slope_of(fit, path, by=by)
    if isinstance(values, Mapping) and by not in values:
        raise SpecificationError(
            f"ci.simple_slopes: values= has no entry for the moderator '{by}'.{did_you_mean(by, values)} At which"
            f" of its values the slope is wanted is not guessed: write values={{'{by}': [0, 1]}}, or at= in standard deviations."
        )
    chosen = values[by] if isinstance(values, Mapping) else values
    spread = slope.moderator
    points = np.asarray(
        spread.mean + spread.sd * np.asarray(at, dtype=np.float64) if chosen is None else chosen, dtype=np.float64
    )
    estimates, errors = slope.at(points)
    statistic = estimates / errors
    half = slope.critical(fit.conf_level if conf_level is None else conf_level) * errors
    columns = {
        "at": (points - spread.mean) / spread.sd,
        "value": points,
        "estimate": estimates,
        "std_error": errors,
        "statistic": statistic,
        "df": np.full(len(points), slope.df),
        "p_value": 2 * stdtr(min(slope.df, _NORMAL), -np.abs(statistic)),
        "conf_low": estimates - half,
        "conf_high": estimates + half,
    }
    title = EN("table.slopes", path=path, moderator=by)
    return ResultTable(title=title, columns={name: tuple(column.tolist()) for name, column in columns.items()}, notes=slope.notes)


@public
def johnson_neyman(fit: Fit, path: str, *, by: str, level: float = 0.95) -> ResultTable:
    """Values of the moderator between which the effect differs (or does not differ) from zero.

    Parameters
    ----------
    fit : Fit
    path, by : str
        As in `simple_slopes`.
    level : float
        Confidence level of each pointwise test.

    Returns
    -------
    ResultTable
        bound_low, bound_high (moderator's values; infinite where there is no bound), significant ("inside", "outside",
        "everywhere", "nowhere"), share (of the sample where the effect is significant), share_inside (of the sample
        between the bounds), level.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.Panel("inv ~ value*capital", effects=("entity",)).fit(ci.datasets.load("grunfeld"))
    >>> ci.johnson_neyman(fit, "inv ~ value", by="capital").columns["significant"]
    ('outside',)
    """
    if not 0 < level < 1:
        raise SpecificationError(
            f"ci.johnson_neyman: level={level} is not a confidence level, so that no interval belongs to it. Give a number "
            "between 0 and 1, such as 0.95."
        )
    slope = slope_of(fit, path, by=by)
    low, high, word = _region(slope, level)
    inside = slope.moderator.share(low, high)
    share = {"inside": inside, "outside": 1 - inside, "everywhere": 1.0, "nowhere": 0.0}[word]
    columns = {
        "bound_low": (low,), "bound_high": (high,), "significant": (word,), "share": (share,), "share_inside": (inside,),
        "level": (level,),
    }  # fmt: skip
    note = EN("table.johnson_neyman.tests", level=level, moderator=by)
    title = EN("table.johnson_neyman", path=path, moderator=by)
    return ResultTable(title=title, columns=columns, notes=(*slope.notes, note))


def slope_of(fit: Fit, path: str, *, by: str) -> Slope:
    """The slope of `path` ("y ~ x") as a line in `by`; other moderators of x are held at their means."""
    main = Term.parse(path)
    if main.op != "~" or ":" in main.rhs:
        raise InferenceError(
            f"'{path}' is not a slope, and a moderator changes slopes. Write 'y ~ x', and the moderator as by=\"z\"."
        )
    others = [row.term for row in fit.estimates if _moderates(row.term, main)]
    wanted = [term for term in others if _partners(term, main) == (by,)]
    _refuse_without_group(fit, main)
    if not wanted:
        known = [":".join(_partners(term, main)) for term in others]
        raise InferenceError(
            f"This fit has no product term '{main.lhs} ~ {main.rhs}:{by}', so {by} does not moderate the effect of {main.rhs} in "
            f"it.{did_you_mean(by, known)} Add the product to the model{f', or choose from {known}' if known else ''}."
        )
    return _line(fit, main, [wanted[0], *(term for term in others if term != wanted[0])], by=by)


def _refuse_without_group(fit: Fit, main: Term) -> None:
    """Refuse a path without a group where every group has one of its own."""
    groups = [row.term.group for row in fit.estimates if replace(row.term, group=None) == main and row.term.group is not None]
    if main.group is None and groups:
        raise InferenceError(
            f"'{main}' is a path of each of the groups {', '.join(groups)}, with a slope and a moderator's mean of its own. Say "
            f"of which: '{main} [{groups[0]}]'."
        )


def _line(fit: Fit, main: Term, products: Sequence[Term], *, by: str) -> Slope:
    """The slope as a line in `by`: a product adds its coefficient times its other factors, those besides `by` at their means.

    x:z:w adds b_xzw mean(w) to what the slope changes per unit of z. A product that holds x m times is m times as steep: that of
    x:x is 2 b x.
    """
    rest = {term: _partners(term, main) for term in products}
    held = tuple(dict.fromkeys(name for names in rest.values() for name in names if name != by))
    _refuse_other_forms(main, by, held, fit)
    _refuse_curves(main, by, rest)
    means = {name: questions.spread(fit, name, main.group).mean for name in held}
    weights = np.zeros((2, 1 + len(products)))
    weights[0, 0] = 1.0
    for position, term in enumerate(products, start=1):
        factors = [means[name] for name in rest[term] if name != by]
        weights[int(by in rest[term]), position] = (1 + rest[term].count(main.rhs)) * np.prod(factors)
    found = coefficients(fit, [main, *products])
    level, change = (weights @ found.values).tolist()
    notes = (EN("table.slopes.held", names=held),) if held else ()
    spread = questions.spread(fit, by, main.group)
    return Slope(level=level, change=change, cov=weights @ found.cov @ weights.T, df=found.df, moderator=spread, notes=notes)


def _moderates(term: Term, main: Term) -> bool:
    parts = term.rhs.split(":")
    return _of_equation(term, main) and len(parts) > 1 and main.rhs in parts


def _partners(term: Term, main: Term) -> tuple[str, ...]:
    """The other factors of a product with x."""
    parts = term.rhs.split(":")
    parts.remove(main.rhs)
    return tuple(parts)


def _refuse_other_forms(main: Term, by: str, held: Sequence[str], fit: Fit) -> None:
    """Refuse where x or the moderator stands in the equation in a second form, whose change the line would leave out."""
    alone = [row.term.rhs for row in fit.estimates if _of_equation(row.term, main) and ":" not in row.term.rhs]
    pairs = [(main.rhs, other) for other in (*alone, by, *held)] + [(by, other) for other in held]
    for name, other in pairs:
        if other != name and _variable(other) == _variable(name):
            raise InferenceError(
                f"'{name}' stands in the equation of {main.lhs} as '{other}' too, so the effect of {main.rhs} is no line in "
                f"{by}: a slope that moves the one and holds the other would be that of no case. Compare predictions "
                "(ci.predict), or leave one form out."
            )


def _refuse_curves(main: Term, by: str, rest: Mapping[Term, Sequence[str]]) -> None:
    """Refuse a moderator that a product holds twice besides x."""
    for term, partners in rest.items():
        if partners.count(by) > 1:
            raise InferenceError(
                f"'{term}' makes the effect of {main.rhs} a curve in {by}, and a simple slope is a line. Compare predictions "
                "(ci.predict), or leave that product out."
            )


def _of_equation(term: Term, main: Term) -> bool:
    return term.op == "~" and term.lhs == main.lhs and term.group == main.group


def _variable(name: str) -> str:
    """The column inside functions of it in the same row ("square(x)")."""
    inside = _SAME_ROW.fullmatch(name)
    return _variable(inside[1]) if inside else name


def _region(slope: Slope, level: float) -> tuple[float, float, str]:
    """Roots of (b_x + b_xz z)^2 = t^2 var(z), and where the effect is significant."""
    t2 = slope.critical(level) ** 2
    a = slope.change**2 - t2 * slope.cov[1, 1]
    b = slope.level * slope.change - t2 * slope.cov[0, 1]
    c = slope.level**2 - t2 * slope.cov[0, 0]
    root = b * b - a * c
    if root <= 0 or a == 0:
        return -np.inf, np.inf, "everywhere" if c > 0 else "nowhere"
    # the numerically stable pair of roots of a z^2 + 2 b z + c
    q = -(b + np.copysign(np.sqrt(root), b))
    low, high = sorted((float(q / a), float(c / q) if q else 0.0))
    return low, high, "outside" if a > 0 else "inside"
