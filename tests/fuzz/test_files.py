"""Damaged files: 500 of them, each read or refused in cipa's own words, never by an error of a library."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest

import cipa as ci
from cipa.errors import CipaError

SUFFIXES = (".csv", ".tsv", ".xlsx", ".sav", ".dta", ".parquet")
EACH = 84  # 504 files


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bytes of one sound file of every format."""
    folder = tmp_path_factory.mktemp("sound")
    rng = np.random.default_rng(11)
    frame = pd.DataFrame(
        {"firm": [f"企业{k}" for k in range(60)], "x": rng.normal(size=60), "n": rng.integers(1, 8, size=60).astype(float)}
    )
    frame.loc[3, "x"] = np.nan
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_csv(folder / "t.tsv", index=False, sep="\t")
    frame.to_excel(folder / "t.xlsx", index=False)
    pyreadstat.write_sav(frame, str(folder / "t.sav"), variable_value_labels={"n": {1: "low", 7: "high"}})
    pyreadstat.write_dta(frame, str(folder / "t.dta"))
    frame.to_parquet(folder / "t.parquet")
    return {suffix: (folder / f"t{suffix}").read_bytes() for suffix in SUFFIXES}


def damaged(content: bytes, others: list[bytes], rng: np.random.Generator) -> bytes:
    """One kind of damage: cut, bytes changed, a hole, rubbish put in, the head lost, or the bytes of another format."""
    values = bytearray(content)
    kind = rng.integers(0, 7)
    place = int(rng.integers(0, len(values)))
    if kind == 0:
        return bytes(values[:place])
    if kind == 1:
        for position in rng.integers(0, len(values), size=int(rng.integers(1, 30))):
            values[position] = int(rng.integers(0, 256))
        return bytes(values)
    if kind == 2:
        return bytes(values[:place]) + bytes(int(rng.integers(1, 200))) + bytes(values[place:])
    if kind == 3:
        return bytes(values[:place]) + rng.bytes(int(rng.integers(1, 200))) + bytes(values[place:])
    if kind == 4:
        return bytes(values[int(rng.integers(1, 40)) :])
    if kind == 5:
        return others[int(rng.integers(0, len(others)))]
    end = min(len(values), place + int(rng.integers(1, 400)))
    return bytes(values[:place]) + bytes(values[end:])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_damaged_file_is_refused_in_our_words(suffix: str, whole: dict[str, bytes], tmp_path: Path) -> None:
    rng = np.random.default_rng([7, SUFFIXES.index(suffix)])
    others = [content for other, content in whole.items() if other != suffix]
    path = tmp_path / f"broken{suffix}"
    messages = []
    for _ in range(EACH):
        path.write_bytes(damaged(whole[suffix], others, rng))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ci.CipaWarning)
            try:
                assert ci.read(path).nobs >= 1
            except CipaError as problem:
                messages.append(str(problem))
    assert len(messages) > EACH // 3
    for message in messages:
        assert message.startswith(f"'{path.name}'"), message
        assert len(message) > 60, message  # what, where, why, what to do


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_moments_of_a_damaged_file_are_refused_in_our_words(suffix: str, whole: dict[str, bytes], tmp_path: Path) -> None:
    rng = np.random.default_rng([8, SUFFIXES.index(suffix)])
    path = tmp_path / f"broken{suffix}"
    messages = []
    for _ in range(30):
        path.write_bytes(damaged(whole[suffix], [whole[".sav"]], rng))
        try:
            ci.read_moments(path, columns=["x", "n"])
        except CipaError as problem:
            messages.append(str(problem))
    assert len(messages) > 5
    assert all(path.name in message for message in messages)


@pytest.mark.parametrize(
    ("suffix", "change", "said"),
    [
        (".sav", {247: 0x49}, "the count 1224736768, which should lie between -1 and 255"),  # crashed the library
        (".dta", {87: 0x49}, r"cases of \d+ bytes do not fill the section of data"),  # asked for more memory than there is
    ],
)
def test_counts_that_a_library_would_follow_are_refused(
    suffix: str, change: dict[int, int], said: str, whole: dict[str, bytes], tmp_path: Path
) -> None:
    content = bytearray(whole[suffix])
    for place, value in change.items():
        content[place] = value
    (tmp_path / f"t{suffix}").write_bytes(content)
    with pytest.raises(ci.DataError, match=said):
        ci.read(tmp_path / f"t{suffix}")
