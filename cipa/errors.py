"""What can go wrong, by who can mend it.

One root for errors and one for warnings. A message has four parts: what is wrong, where (with the offending
value), why it matters, what to do. `did_you_mean` and `one_of` write the parts that every refusal shares, and
`public` makes a function or a class refuse an unknown keyword in the same words.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import os
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from typing import Any, TypeVar

from cipa.arguments import described, expected, fits, kinds_of, plain

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class CipaError(Exception):
    """Root of every error that cipa raises on purpose.

    `code` is a short stable identifier that `cipa explain CODE` knows.

    Examples
    --------
    >>> import cipa as ci
    >>> try:
    ...     ci.datasets.load("holzinger")
    ... except ci.CipaError as error:
    ...     print(error.code)
    DATA
    """

    code = "CIPA"


class SpecificationError(CipaError, ValueError):
    """The declaration (syntax, formula, study file, option) is wrong; the researcher mends the text.

    Examples
    --------
    >>> import cipa as ci
    >>> try:
    ...     ci.SEM("f =~ x1 + x2", estimator="mle")
    ... except ci.SpecificationError as error:
    ...     print(str(error)[-18:])
    Did you mean 'ml'?
    """

    code = "SPEC"


class UnknownKeywordError(SpecificationError, TypeError):
    """A keyword that the function does not have."""

    code = "KEYWORD"


class WrongArgumentError(SpecificationError, TypeError):
    """An argument of another kind than the function asks for, one too many, or one missing."""

    code = "ARGUMENT"


class DataError(CipaError, ValueError):
    """The data are wrong or do not hold what the model names; the researcher mends the data.

    Examples
    --------
    >>> import cipa as ci
    >>> try:
    ...     ci.SampleMoments(cov=[[1, 2], [2, 1]], names=["x", "y"], nobs=50)
    ... except ci.DataError as error:
    ...     print(error.code)
    DATA
    """

    code = "DATA"


class IdentificationError(CipaError, ValueError):
    """The model has no unique solution; the researcher changes the model.

    Examples
    --------
    >>> import cipa as ci
    >>> try:
    ...     ci.SEM("f =~ x1 + x2").fit(ci.datasets.load("holzinger1939"))
    ... except ci.IdentificationError as error:
    ...     print(str(error)[:57])
    The model has 4 free parameters for 3 sample moments (1 t
    """

    code = "IDENT"


class ConvergenceError(CipaError, RuntimeError):
    """The search for the estimates did not end at a stationary point.

    Examples
    --------
    >>> import cipa as ci
    >>> issubclass(ci.ConvergenceError, ci.CipaError), ci.ConvergenceError.code
    (True, 'CONV')
    """

    code = "CONV"


class InferenceError(CipaError, ValueError):
    """What was asked of a fit cannot be derived from it.

    Examples
    --------
    >>> import cipa as ci
    >>> fit = ci.SEM("x4 ~ x1").fit(ci.datasets.load("holzinger1939"))
    >>> try:
    ...     ci.simple_slopes(fit, "x4 ~ x1", by="x2")
    ... except ci.InferenceError as error:
    ...     print(error.code)
    INFER
    """

    code = "INFER"


class MissingPartError(CipaError, ImportError):
    """An optional part (an extra, a font, a program) is not installed."""

    code = "PART"


class CipaWarning(UserWarning):
    """Root of every warning that cipa gives; each is also a notice in the fit.

    Examples
    --------
    >>> import cipa as ci, warnings
    >>> moments = ci.SampleMoments(cov=[[1, 0.9, 0.8], [0.9, 1, 0.5], [0.8, 0.5, 1]], names=["x", "y", "z"], nobs=100)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     fit = ci.SEM("f =~ x + y + z").fit(moments)  # x has a negative residual variance
    >>> any(issubclass(one.category, ci.CipaWarning) for one in caught)
    True
    """


class DataWarning(CipaWarning):
    """Something about the data that changes what the estimates mean."""


class InadmissibleWarning(CipaWarning):
    """An estimate outside its parameter space: a negative variance, a correlation above one."""


class ConvergenceWarning(CipaWarning):
    """The solution is a stationary point only approximately."""


class SpecificationWarning(CipaWarning):
    """A declaration that is legal and probably not meant."""


_PACKAGE = os.path.join(os.path.dirname(__file__), "")


def warn(text: str, category: type[CipaWarning]) -> None:
    """Give a warning at the line outside this package that asked for what is warned about."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level + 1)


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Suggest the nearest of `choices`, as a sentence with a leading space, or "" when none is near."""
    names = [str(choice) for choice in choices]
    lowered = {name.lower(): name for name in reversed(names)}
    near = difflib.get_close_matches(str(word).lower(), list(lowered), n=1, cutoff=0.6)
    return f" Did you mean '{lowered[near[0]]}'?" if near else ""


def no_such(what: str, name: Any, known: Iterable[str], *, most: int = 12) -> str:
    """Why a fit is not asked for what it does not have ("measure", "coefficient"): the nearest, and up to `most` that it has."""
    names = [str(choice) for choice in known]
    listed = ", ".join(names[:most]) + (" and others" if len(names) > most else "")
    if not names:
        return f"This fit has no {what} '{name}', nor any other of its kind. Write it into the model and fit again."
    near = did_you_mean(str(name), names)
    return f"This fit has no {what} '{name}'.{near} Another one would answer another question: choose one of {listed}."


def one_of(value: Any, choices: Iterable[str], *, what: str, where: str = "", lavaan: bool = False) -> str:
    """Return the one of `choices` that `value` is, or spells as lavaan does ("MLR"); otherwise refuse it and list them.

    Parameters
    ----------
    value : str
        What the user wrote.
    choices : iterable of str
        What is understood.
    what : str
        The option's name, as the user wrote it.
    where : str
        The place, as a prefix of the message ("ci.SEM").
    lavaan : bool
        Whether lavaan's spelling is understood, with dots and capitals.

    Raises
    ------
    SpecificationError
        With the nearest choice.
    """
    names = list(choices)
    if isinstance(value, str):
        word = value if value in names or not lavaan else re.sub(r"[.\-\s]+", "_", value.strip().lower())
        if word in names:
            return word
    place = f"{where}: " if where else ""
    listed = ", ".join(f'"{name}"' for name in names)
    raise SpecificationError(
        f"{place}{what}={value!r} is not known, and none is taken in its place. Choose one of "
        f"{listed}.{did_you_mean(str(value), names)}"
    )


def whole_seed(seed: Any, *, where: str) -> int:
    """The seed of random draws, a whole number of 0 or more."""
    if isinstance(seed, bool) or not isinstance(seed, Integral) or int(seed) < 0:
        raise SpecificationError(
            f"{where}: seed={seed!r}. Draws that cannot be repeated prove nothing: give a whole number of 0 or more, seed=1."
        )
    return int(seed)


def public(target: Decorated) -> Decorated:
    """Make a public function or class refuse in cipa's words what Python would refuse in its own.

    An unknown keyword gets the nearest known one, a missing argument its name, and an argument of another kind than its
    annotation says what is needed: text where a list is, a model where a fit is.
    """
    return _decorated(target, kinds=True)


def public_value(target: Decorated) -> Decorated:
    """As `public`, for a class of which many values are made: keywords are looked at, kinds are not."""
    return _decorated(target, kinds=False)


def _decorated(target: Decorated, *, kinds: bool) -> Decorated:
    if inspect.isclass(target):
        initialise: Callable[..., None] = target.__init__
        target.__init__ = _checked(initialise, name=target.__name__, kinds=kinds)  # type: ignore[method-assign]
        return target
    place = "datasets." if target.__module__.endswith(".datasets") else ""
    return _checked(target, name=f"{place}{target.__qualname__}", kinds=kinds)


def _checked(function: Decorated, *, name: str, kinds: bool) -> Decorated:
    signature = inspect.signature(function)
    parameters = {key: one for key, one in signature.parameters.items() if key not in ("self", "cls")}
    judged = {key: kinds_of(one.annotation, name=key) for key, one in parameters.items()} if kinds else {}

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        try:
            bound = signature.bind(*args, **kwargs) if kinds else None
        except TypeError:
            raise _wrong_call(name, parameters, args, kwargs, method=len(parameters) < len(signature.parameters)) from None
        if bound is not None:
            for key, value in bound.arguments.items():
                if judged.get(key):
                    bound.arguments[key] = plain(value, judged[key])
                    _refuse_kind(bound.arguments[key], judged[key], parameter=parameters[key], name=name)
            args, kwargs = bound.args, bound.kwargs
        try:
            return function(*args, **kwargs)
        except TypeError as problem:
            if isinstance(problem, CipaError) or kinds:
                raise
            try:
                signature.bind(*args, **kwargs)
            except TypeError:
                raise _wrong_call(name, parameters, args, kwargs, method=len(parameters) < len(signature.parameters)) from None
            raise

    return checked  # type: ignore[return-value]


def _refuse_kind(value: Any, kinds: tuple[str, ...], *, parameter: inspect.Parameter, name: str) -> None:
    if parameter.kind is parameter.VAR_POSITIONAL:
        wrong = [one for one in value if not fits(one, kinds)]
        if wrong:
            _refuse_kind(wrong[0], kinds, parameter=parameter.replace(kind=parameter.POSITIONAL_ONLY), name=name)
        return
    if fits(value, kinds) or value is parameter.default:
        return
    family = InferenceError if kinds == ("SEMFit",) and fits(value, ("Fit",)) else WrongArgumentError
    unfitted = hasattr(value, "fit") and all(kind in ("Fit", "SEMFit", "Bootstrapped") for kind in kinds)
    remedy = " Fit it first: model.fit(data)." if unfitted else ""
    state = " that is not fitted" if unfitted else ""
    raise family(
        f"ci.{name}: {parameter.name}= is {described(value)}{state}. Needed: {expected(kinds)}. Nothing is computed from "
        f"anything else, as it would answer another question.{remedy} See help(ci.{name.split('.')[0]})."
    )


def _wrong_call(
    name: str, parameters: Mapping[str, inspect.Parameter], args: tuple[Any, ...], kwargs: Mapping[str, Any], *, method: bool
) -> CipaError:
    """What is wrong with a call that Python cannot bind: an unknown keyword, a missing argument, too many of them."""
    known = [key for key, one in parameters.items() if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    listed = ", ".join(sorted(known)) or "no keyword"
    unknown = next((key for key in kwargs if key not in known), "")
    if unknown:
        if unknown == "data" and "fit" not in name:
            return UnknownKeywordError(
                f"ci.{name} takes no data: a model is declared first, and can then be fitted to any data. Give them to its "
                f"fit, as in ci.{name}(...).fit(data)."
            )
        return UnknownKeywordError(
            f"ci.{name} has no keyword '{unknown}'.{did_you_mean(unknown, known)} It would change nothing: rename or drop "
            f"it. It understands: {listed}."
        )
    placed = [key for key, one in parameters.items() if one.kind is one.POSITIONAL_OR_KEYWORD]
    args = args[1:] if method else args
    given = {*kwargs, *placed[: len(args)]}
    missing = [key for key, one in parameters.items() if key in known and one.default is one.empty and key not in given]
    if missing:
        names = ", ".join(f"{key}=" for key in missing)
        return WrongArgumentError(
            f"ci.{name} was called without {names}. It cannot be guessed: give it. It understands: {listed}."
        )
    takes = f"{len(placed)} ({', '.join(placed)})" if placed else "none"
    return WrongArgumentError(
        f"ci.{name} was called with {len(args)} arguments by position, and takes {takes}. Which option a value belongs to is not "
        f"guessed: write the others by name. It understands: {listed}."
    )
