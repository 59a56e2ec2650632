"""What the steps of a fit hand to one another: a problem, its objective, a point of the search, an outcome. Types only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from cipa.models.sem.cases.sample import Sample
from cipa.models.sem.declare.declaration import Declaration
from cipa.models.sem.declare.layout import Layout
from cipa.models.sem.declare.options import Recipe
from cipa.numerics.algebra.linalg import Array, IntArray
from cipa.numerics.moments import ram
from cipa.results.fit import Notice
from cipa.results.vcov import VCov


class Point(Protocol):
    """An objective at one eta: theta (k,), value, gradient (q,), and what each group or level implies there."""

    @property
    def theta(self) -> Array:
        """Parameters (k,)."""
        ...

    @property
    def value(self) -> float:
        """The objective, per case."""
        ...

    @property
    def gradient(self) -> Array:
        """Its gradient (q,) in eta."""
        ...

    @property
    def blocks(self) -> tuple[ram.Implied, ...]:
        """Implied moments of each group or level."""
        ...


class Objective(Protocol):
    """What a method minimises, per case: theta = offset + K eta of its layout."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def layout(self) -> Layout:
        """Where each parameter stands."""
        ...

    @property
    def bases(self) -> tuple[ram.Matrices, ...]:
        """The fixed matrices of each group or level, moments of held exogenous variables in."""
        ...

    @property
    def switch(self) -> float:
        """Decrement at which the search turns to exact curvature."""
        ...

    @property
    def units(self) -> tuple[IntArray, IntArray] | None:
        """Clusters and groups (n,) of the rows of `scores`; None where each row is an independent unit."""
        ...

    def evaluate(self, eta: Array) -> Any:
        """The point at eta (q,); None where nothing is implied."""
        ...

    def curvature(self, point: Any, *, exact: bool) -> Array:
        """Hessian (q, q) of the value, exact or expected."""
        ...

    def information(self, point: Any, *, observed: bool) -> Array:
        """Observed or expected information (k, k) of an average case."""
        ...

    def derivatives(self, extended: Layout, point: Any, values: Array) -> tuple[Array, Array]:
        """Gradient (k,) and expected information (k, k) in the parameters of an extended layout, at the same moments."""
        ...

    def scores(self, point: Any) -> Array | None:
        """Gradient (u, k) of the log-likelihood by case or cluster, sampling weights in; None without a likelihood or cases."""
        ...

    def noise(self, point: Any) -> Array | None:
        """Covariance (k, k) of sqrt(n) times the gradient, where it is not the expected information; None where it is."""
        ...


def no_others(theta: Array) -> Iterable[Array]:
    """No other place to start from."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A declaration and its data, ready for the search.

    labels : of the groups. start : theta (k,). moments : number that the model explains. others : theta -> other thetas to start
    from.
    """

    declaration: Declaration
    recipe: Recipe
    labels: tuple[str, ...]
    sample: Sample
    objective: Any
    start: Array
    moments: int
    others: Callable[[Array], Iterable[Array]] = no_others

    @property
    def layout(self) -> Layout:
        """Where each parameter stands."""
        layout: Layout = self.objective.layout
        return layout

    @property
    def names(self) -> list[str]:
        """The free parameters (k,), as they are spelt in messages and in `start`."""
        return [str(self.layout.rows[position].term(self.labels)) for position in self.layout.theta]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a method makes of the end point: covariance (k, k) and bread (k, k) of the estimates, measures by lavaan's names.

    `objective` and `point` are those to be kept: a method may put in what follows from the estimates.
    """

    objective: Any
    point: Any
    vcov: Array
    bread: Array
    described: VCov
    measures: Mapping[str, float]
    notices: tuple[Notice, ...] = field(default=())
