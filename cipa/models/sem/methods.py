"""The methods of estimation, and which of them fits a declaration: the first that serves it."""

from __future__ import annotations

from cipa.models.sem.declare.declaration import Declaration
from cipa.models.sem.likelihood.method import LIKELIHOOD
from cipa.models.sem.method import Method
from cipa.models.sem.twolevel.method import TWO_LEVEL
from cipa.models.sem.weighted.method import ORDERED, WEIGHTED

METHODS = (TWO_LEVEL, ORDERED, WEIGHTED, LIKELIHOOD)


def method_of(declaration: Declaration) -> Method:
    """The method that fits a declaration."""
    return next(method for method in METHODS if method.serves(declaration))
