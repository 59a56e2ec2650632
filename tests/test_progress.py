"""Progress: said after two seconds on a terminal or when asked, never otherwise; numbers do not depend on it."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

import cipa as ci
from cipa.progress import message, watched


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second passes each time the clock is read."""
    ticks = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: 0.5 * next(ticks))


def test_words() -> None:
    assert message("ci.bootstrap", 320, 5000, 8.0) == "ci.bootstrap: 320 of 5000, 40 a second, 1 min 57 s left"
    assert message("ci.power", 2, 10, 5.0) == "ci.power: 2 of 10, 2.5 s each, 20 s left"
    assert message("ci.power", 1, 10_001, 1.0).endswith("2 h 46 min left")


def test_nothing_is_said_where_nobody_reads(
    clock: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CIPA_PROGRESS", raising=False)
    assert list(watched(range(50), total=50, what="work")) == list(range(50))
    assert capsys.readouterr().err == ""


def test_it_is_said_when_asked_and_after_two_seconds(
    clock: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIPA_PROGRESS", "always")
    assert list(watched(range(50), total=50, what="work")) == list(range(50))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "work: 4 of 50, 1.9 a second, 24 s left" or lines[0].startswith("work: 4 of 50")
    assert len(lines) < 10
    list(watched(range(4), total=4, what="work"))
    assert capsys.readouterr().err == ""


def test_a_bootstrap_says_it_and_gives_the_same_numbers(
    clock: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = ci.SEM("x4 ~ x1 + x2").fit(ci.datasets.load("holzinger1939"))
    monkeypatch.setenv("CIPA_PROGRESS", "never")
    silent = ci.bootstrap(fit, draws=100, seed=1)
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("CIPA_PROGRESS", "always")
    said = ci.bootstrap(fit, draws=100, seed=1)
    assert "ci.bootstrap: " in capsys.readouterr().err
    np.testing.assert_array_equal(silent.draws, said.draws)
