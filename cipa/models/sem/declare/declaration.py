"""A structural equation model as it was declared: the options of `ci.SEM`, and what they and the syntax say without data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache

from cipa.errors import SpecificationError, one_of
from cipa.models.sem.declare.options import (
    ERRORS,
    ESTIMATORS,
    LAVAAN_WORDS,
    MISSING,
    SCALED_TESTS,
    TWO_STAGE,
    WEIGHTS,
    Recipe,
    recipe,
)
from cipa.models.sem.declare.parameters import GROUP_EQUAL, roles_of
from cipa.study.syntax import Syntax, parse
from cipa.terms import Term

_parsed = lru_cache(maxsize=128)(parse)


@dataclass(frozen=True, slots=True)
class Declaration:
    """What `ci.SEM` was given, its words checked, and what follows from it without data."""

    syntax: str
    _: KW_ONLY
    estimator: str = "ml"
    missing: str = "listwise"
    se: str | None = None
    test: str | None = None
    information: str | None = None
    likelihood: str = "normal"
    group: str | None = None
    group_equal: Sequence[str] = ()
    group_partial: Sequence[str] = ()
    ordered: Sequence[str] | bool = ()
    parameterization: str = "delta"
    cluster: str | None = None
    sampling_weight: str | None = None
    meanstructure: bool | None = None
    std_lv: bool = False
    orthogonal: bool = False
    fixed_x: bool | None = None
    effect_coding: bool = False
    conditional_x: bool = False
    defaults: str = "sem"
    interaction: str | None = None
    nodes: int | None = None
    bounds: str | None = None

    def __post_init__(self) -> None:
        where = "ci.SEM"
        allowed = {
            "estimator": ESTIMATORS, "missing": MISSING, "parameterization": ("delta", "theta"),
            "likelihood": ("normal", "wishart"),
            "defaults": ("sem", "cfa", "growth", "lavaan"), "information": ("expected", "observed", "first_order"),
            "se": (*ERRORS, "robust"),
            "test": ("standard", *SCALED_TESTS), "bounds": ("pos_var", "pos_ov_var", "pos_lv_var"),
        }  # fmt: skip
        for name, words in allowed.items():
            given = getattr(self, name)
            if given is not None:
                word = LAVAAN_WORDS.get(name, {}).get(str(given).lower(), given)
                object.__setattr__(self, name, one_of(word, words, what=name, where=where, lavaan=True))
        if self.information == "first_order":
            _refuse_first_order(self)
            object.__setattr__(self, "se", "first_order")
            object.__setattr__(self, "information", None)
        equal = tuple(
            one_of(word, sorted(GROUP_EQUAL), what="group_equal", where=where, lavaan=True)
            for word in words_of(self, "group_equal")
        )
        object.__setattr__(self, "group_equal", equal)
        for word in words_of(self, "group_partial"):
            if not isinstance(word, str):
                raise SpecificationError(
                    f"{where}: group_partial holds {word!r}, which names no parameter that could be let free. Write terms such "
                    "as 'x3 ~1'."
                )

    @property
    def ordered_names(self) -> tuple[str, ...]:
        """Variables declared ordered, by name, by True (all that are not covariates), or by a threshold in the syntax."""
        with_thresholds = (row.lhs for row in self.parsed.formulas if row.op == "|")
        if self.ordered is True:
            roles = roles_of(self.parsed.formulas)
            return tuple(name for name in roles.observed if name not in roles.exogenous)
        return tuple(dict.fromkeys([*words_of(self, "ordered"), *with_thresholds]))

    @property
    def holds_exogenous(self) -> bool:
        """Whether the moments of exogenous variables are held at the sample's.

        By least squares of continuous variables they are not.
        """
        if self.missing == "fiml_x":
            return False
        random = self.estimator in WEIGHTS and not self.ordered_names
        return not random if self.fixed_x is None else self.fixed_x

    @property
    def estimator_used(self) -> str:
        """The estimator; with ordered variables ML means WLSMV, as in lavaan."""
        return "wlsmv" if self.ordered_names and self.estimator == "ml" else self.estimator

    @property
    def parsed(self) -> Syntax:
        """The statements of the syntax."""
        return _parsed(self.syntax)

    @property
    def variables(self) -> tuple[str, ...]:
        """The columns of the data that the syntax needs, in order of appearance; of a product of variables its factors."""
        latent = {row.lhs for row in self.parsed.formulas if row.op in ("=~", "<~")}
        names = (part for row in self.parsed.formulas for name in (row.lhs, row.rhs) if name for part in self.factors(name))
        return tuple(dict.fromkeys(name for name in names if name not in latent))

    @property
    def products(self) -> tuple[str, ...]:
        """Products of variables, `x:z`, in order of appearance."""
        return tuple(dict.fromkeys(row.rhs for row in self.parsed.formulas if len(self.factors(row.rhs)) > 1))

    @staticmethod
    def factors(name: str) -> tuple[str, ...]:
        """The variables of a product; a name alone is its own."""
        return tuple(name.split(":"))

    @property
    def declared_terms(self) -> tuple[Term, ...]:
        """The parameters and defined effects that the syntax writes."""
        formulas = (row for row in self.parsed.formulas if row.op != "=~" or row.rhs)  # a phantom (`f =~ 0`) has no loading
        written = [Term(lhs=row.lhs, op=row.op, rhs=row.rhs, level=row.level) for row in formulas]
        return (*written, *(Term(lhs=one.lhs, op=":=", rhs="") for one in self.parsed.constraints if one.op == ":="))


def _refuse_first_order(declaration: Declaration) -> None:
    """Refuse errors from the scores alone beside errors that take them between two pieces of bread."""
    if declaration.estimator not in ("ml", "mlf") or declaration.se not in (None, "standard", "first_order"):
        other = f'se="{declaration.se}"' if declaration.se else f'estimator="{declaration.estimator}"'
        raise SpecificationError(
            f'ci.SEM: information="first_order" with {other}. The outer product of scores is then one half of the formula '
            'already, so that as information it would cancel. Use "expected" or "observed", or estimator="mlf" for errors from '
            "the scores alone."
        )


def words_of(declaration: Declaration, name: str) -> tuple[str, ...]:
    """The words of an option that takes one or several."""
    value = getattr(declaration, name) or ()
    return (value,) if isinstance(value, str) else tuple(value)


def recipe_of(declaration: Declaration) -> Recipe:
    """Which information, standard errors and test the model reports."""
    if declaration.ordered_names:
        return recipe(
            declaration.estimator_used, se=declaration.se, test=declaration.test, information=None, complete=True, design=False
        )
    moments_first, one_level = declaration.missing in TWO_STAGE, not declaration.parsed.levels
    return recipe(
        "mlm" if moments_first else declaration.estimator, se=declaration.se, test=declaration.test,
        information=declaration.information,
        complete=(declaration.missing == "listwise" or moments_first) and one_level,
        design=bool(declaration.cluster or declaration.sampling_weight) and one_level,
    )  # fmt: skip
