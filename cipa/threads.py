"""One BLAS thread while a model is fitted.

The matrices of a fit are small, so that a second thread saves nothing; on a busy machine two threads that wait for each other
cost ten times more than one. It also makes results the same, to the last digit, for any number of cores.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@functools.cache
def _controller() -> ThreadpoolController:
    """The libraries that are loaded when the first fit begins."""
    return ThreadpoolController()


def one_thread(function: Decorated) -> Decorated:
    """Let a function compute on one BLAS thread; the number before is restored when it returns."""

    @functools.wraps(function)
    def limited(*args: Any, **kwargs: Any) -> Any:
        with _controller().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited  # type: ignore[return-value]
