"""A fit computes on one BLAS thread and leaves the number as it was."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import cipa as ci
from cipa.threads import one_thread


def blas_threads() -> set[int]:
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_one_thread_inside_and_as_before_outside() -> None:
    @one_thread
    def look(*, fail: bool) -> set[int]:
        if fail:
            raise ValueError("inside")
        return blas_threads()

    with threadpool_limits(limits=2, user_api="blas"):
        assert look(fail=False) == {1}
        assert blas_threads() == {2}
        with pytest.raises(ValueError, match="inside"):
            look(fail=True)
        assert blas_threads() == {2}


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    model, data = ci.SEM("visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6"), ci.datasets.load("holzinger1939")
    fits = []
    for count in (1, 2):
        with threadpool_limits(limits=count, user_api="blas"):
            fits.append(model.fit(data))
    assert np.array_equal(fits[0].params, fits[1].params)
    assert np.array_equal(fits[0].vcov, fits[1].vcov)
