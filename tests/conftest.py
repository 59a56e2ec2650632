"""Options of the suite."""

from __future__ import annotations

import oracle_report
import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--oracle-report", action="store_true", help="write how far each reference case is to tests/oracles/README.md"
    )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the table when every case was compared in this process."""
    if session.config.getoption("--oracle-report"):
        missing = set(oracle_report.programs()) - set(oracle_report.SCORES)
        if missing:
            raise pytest.UsageError(
                f"--oracle-report: not compared in this run: {sorted(missing)[:5]}. Run all of tests/models and tests/inference, without -n."
            )
        oracle_report.write()
