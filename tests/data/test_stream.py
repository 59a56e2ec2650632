"""Moments of files read in blocks: the same as those of the whole, in memory that does not grow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cipa as ci
from cipa.data import stream

NINE = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
ITEMS = [f"x{k}" for k in range(1, 10)]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_BLOCK", 37)


def written(folder: Path, suffix: str) -> Path:
    data = ci.datasets.load("holzinger1939").to_frame()
    place = folder / f"tests{suffix}"
    if suffix == ".parquet":
        data.to_parquet(place, row_group_size=50)
    else:
        data.to_csv(place, index=False, sep="\t" if ".tsv" in suffix else ",")
    return place


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".csv.gz", ".tsv"])
def test_a_fit_to_blocks_is_the_fit_to_the_whole(tmp_path: Path, suffix: str) -> None:
    whole = ci.SEM(NINE, meanstructure=True).fit(ci.datasets.load("holzinger1939"))
    blocks = ci.SEM(NINE, meanstructure=True).fit(ci.read_moments(written(tmp_path, suffix), columns=ITEMS))
    assert blocks.statistics["chisq"].value == pytest.approx(whole.statistics["chisq"].value, rel=1e-9)
    np.testing.assert_allclose(blocks.params, whole.params, rtol=1e-8)
    np.testing.assert_allclose(blocks.vcov, whole.vcov, rtol=1e-7, atol=1e-12)


def test_groups_come_in_order_of_appearance(tmp_path: Path) -> None:
    moments = ci.read_moments(written(tmp_path, ".parquet"), columns=ITEMS, group="school")
    assert [one.group for one in moments] == ["Pasteur", "Grant-White"]
    whole = ci.SEM(NINE, group="school", group_equal=["loadings"]).fit(ci.datasets.load("holzinger1939"))
    blocks = ci.SEM(NINE, group_equal=["loadings"], meanstructure=True).fit(moments)
    assert blocks.statistics["chisq"].value == pytest.approx(whole.statistics["chisq"].value, rel=1e-9)


def test_large_means_lose_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    data = pd.DataFrame(rng.normal(size=(500, 2)) + 1e9, columns=["a", "b"])
    data.to_parquet(tmp_path / "big.parquet")
    exact = (data - 1e9).cov().to_numpy()  # a mean of 1e9 is known to 1e-7, and its square is what counts
    assert ci.read_moments(tmp_path / "big.parquet", columns=["a", "b"]).cov == pytest.approx(exact, rel=1e-9)


def test_incomplete_rows_are_counted_and_said(tmp_path: Path) -> None:
    data = ci.datasets.load("holzinger1939").to_frame()
    data.loc[[3, 200], "x2"] = np.nan
    data.to_csv(tmp_path / "holes.csv", index=False)
    moments = ci.read_moments(tmp_path / "holes.csv", columns=ITEMS)
    assert (moments.nobs, moments.dropped) == (299, 2)
    fit = ci.SEM(NINE).fit(moments)
    assert "2 of 301 cases were dropped" in fit.notices[0].text


@pytest.mark.parametrize(
    ("columns", "said"),
    [(["x1", "X2"], r"'X2'\. Did you mean 'x2'"), (["x1", "school"], "holds words"), (["x1", "x1"], "each variable once")],
)
def test_refused(tmp_path: Path, columns: list[str], said: str) -> None:
    with pytest.raises(ci.CipaError, match=said):
        ci.read_moments(written(tmp_path, ".parquet"), columns=columns)


@pytest.mark.parametrize(("name", "text", "said"), [("gone.csv", None, "no file 'gone.csv'"), ("a.xlsx", "x", "are read from"),
                                                    ("a.csv", "x,y\n", "no row"), ("a.csv", "x,y\n1,\n2,\n", "0 complete rows"),
                                                    ("a.csv", "x,y\n1,inf\n2,1\n", "infinite")])  # fmt: skip
def test_files_are_refused(tmp_path: Path, name: str, text: Any, said: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ci.CipaError, match=said):
        ci.read_moments(tmp_path / name, columns=["x", "y"])
