"""What CONTRIBUTING promises: a kind of covariance, a data format added as one row serve every family and every reader.

That a family of models and an exhibit do is tested in tests/report/test_exhibits.py.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cipa as ci
from cipa.data.formats.table import Read
from cipa.data.read import READERS, Wanted
from cipa.results.covariance import SCORE_KINDS, Covariance, Kind, Parts


def _doubled(vcov: ci.VCov, parts: Parts) -> Covariance:
    """A toy: twice the sandwich without clusters."""
    matrix = 2 * parts.bread @ parts.scores.T @ parts.scores @ parts.bread
    return Covariance(matrix=matrix, df=parts.df, vcov=replace(vcov, note="a toy"))


@pytest.fixture
def toy_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCORE_KINDS, "toy", Kind(name="toy", compute=_doubled))


@pytest.mark.usefixtures("toy_kind")
def test_a_row_adds_a_covariance_to_every_family(tmp_path: Path) -> None:
    grunfeld = ci.datasets.load("grunfeld")
    panel = ci.Panel("inv ~ value", vcov="toy").fit(grunfeld)
    assert np.allclose(panel.vcov, 2 * ci.Panel("inv ~ value", vcov="hc0").fit(grunfeld).vcov, rtol=1e-12)
    assert np.array_equal(ci.vcov(ci.Panel("inv ~ value").fit(grunfeld), "toy").vcov, panel.vcov)
    latent = ci.SEM("visual =~ x1 + x2 + x3\nx4 ~ visual", estimator="mlr").fit(ci.datasets.load("holzinger1939"))
    assert np.allclose(ci.vcov(latent, "toy").vcov, 2 * ci.vcov(latent, "hc0").vcov, rtol=1e-12)
    (tmp_path / "study.toml").write_text(
        """
[study]
title = "Toy"
[sources]
firms = "grunfeld"
[models.within]
kind = "panel"
formula = "inv ~ value"
vcov = "toy"
""",
        encoding="utf-8",
    )
    analysis = ci.run(tmp_path)
    assert np.array_equal(analysis.fits["within"].vcov, panel.vcov)
    ci.publish(analysis, tmp_path / "out", formats=("html",))
    assert "a toy" in (tmp_path / "out/report.html").read_text(encoding="utf-8")


def _blocks(path: Path, wanted: Wanted) -> Read:
    names, *rows = (line.split("|") for line in path.read_text(encoding=wanted.encoding or "utf-8").splitlines())
    return Read(table=pd.DataFrame([[float(cell) for cell in row] for row in rows], columns=names), labels={"a": "First"})


def test_a_row_adds_a_data_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(READERS, ".toy", _blocks)
    (tmp_path / "firms.toy").write_text("a|b\n1|2\n3|5\n", encoding="utf-8")
    data = ci.read(tmp_path / "firms.toy")
    assert data["b"].tolist() == [2.0, 5.0]
    assert data.labels["a"] == "First"
    (tmp_path / "firms.tox").write_text("a|b\n1|2\n", encoding="utf-8")
    with pytest.raises(ci.DataError, match=r"\.toy"):
        ci.read(tmp_path / "firms.tox")
