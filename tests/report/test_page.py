"""The page: long labels wrap and print over nothing, in tables and in figures; wide tables are set smaller or in parts."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cipa as ci
from cipa.report.document import Document, Figure, Table, body, columns
from cipa.report.figures.axes import ticks
from cipa.report.letters import breakable, text_width
from cipa.report.outline import outline
from cipa.report.writers.columns import PAGE, SIZES, set_out
from cipa.report.writers.html import render_html
from cipa.report.writers.pdf import render_pdf

CHINESE = "协同创新绩效（新产品销售收入与专利产出的综合评价指标）"
ENGLISH = "Inter-organizational collaboration intensity across the innovation network of the cluster"
COLUMN = "ordinary_least_squares_without_any_fixed_effects_of_firms_or_years"

STUDY = f"""
[study]
title = "{CHINESE}: {ENGLISH}"
[sources.firms]
path = "panel.csv"
entity = "firm"
time = "year"
[sources.firms.labels]
sales = "{ENGLISH}"
rd = "{CHINESE}"
digital = "Digital infrastructure and Internet+ adoption index of the region"
[hypotheses]
H1 = {{ claim = "sales ~ rd:digital > 0", label = "{ENGLISH} {CHINESE} {ENGLISH}" }}
[models.{COLUMN}]
kind = "panel"
formula = "sales ~ rd*digital"
method = "pooled"
[models.within]
kind = "panel"
formula = "sales ~ rd*digital"
label = "{CHINESE}"
[models.random]
kind = "panel"
formula = "sales ~ rd*digital"
method = "random"
label = "{ENGLISH}"
"""


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    folder = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(3)
    firm, x, z = np.repeat(np.arange(40), 6), rng.normal(size=240), rng.normal(size=240)
    y = 0.3 * x + 0.25 * x * z + rng.normal(size=240)
    frame = pd.DataFrame({"firm": firm, "year": np.tile(np.arange(2010, 2016), 40), "sales": y, "rd": x, "digital": z})
    frame.to_csv(folder / "panel.csv", index=False)
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    return outline(ci.run(folder))


Word = tuple[float, float, float, float, str]


def words_of(pdf: bytes, folder: Path) -> list[list[Word]]:
    """The boxes of the words of each page, as printed."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    (folder / "r.pdf").write_bytes(pdf)
    text = subprocess.run(["pdftotext", "-bbox", str(folder / "r.pdf"), "-"], capture_output=True, check=True).stdout.decode()
    pages = []
    for page in text.split("<page ")[1:]:
        found = re.findall(r'<word xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="([\d.]+)">(.*?)</word>', page)
        pages.append([(float(a), float(b), float(c), float(d), word) for a, b, c, d, word in found])
    return pages


def overprinted(words: list[Word]) -> list[tuple[str, str]]:
    """Pairs of words of which one prints over the other."""
    pairs = []
    for k, (left, top, right, bottom, word) in enumerate(words):
        for a, b, c, d, other in words[k + 1 :]:
            across, down = min(right, c) - max(left, a), min(bottom, d) - max(top, b)
            if across > 1.0 and down > 0.6 * min(bottom - top, d - b):
                pairs.append((word, other))
    return pairs


def test_no_word_prints_over_another_and_none_leaves_the_page(document: Document, tmp_path: Path) -> None:
    pages = words_of(render_pdf(document), tmp_path)
    assert len(pages) > 3
    for words in pages:
        assert not overprinted(words)
        assert all(left >= 60 and right <= 596 - 60 for left, _, right, _, _ in words)


def wide_table(models: int) -> Table:
    rows = [body(f"{ENGLISH} {k}", *[1234.567 + k] * models) for k in range(6)]
    heads = columns(("", "text"), *[(f"({k}) {COLUMN if k % 2 else CHINESE}", "estimate") for k in range(models)])
    return Table(key="wide", title="Wide", columns=heads, rows=tuple(rows))


@pytest.mark.parametrize("models", [1, 4, 8, 14, 30])
def test_a_wide_table_is_set_smaller_or_in_parts(models: int, tmp_path: Path) -> None:
    table = wide_table(models)
    parts = set_out(table)
    assert sum(len(part["heads"]) - 1 for part in parts) == models
    assert all(sum(part["widths"]) <= PAGE + 0.01 for part in parts)
    assert all(part["size"] in SIZES for part in parts)
    assert (len(parts) > 1) == (models > 8)
    pages = words_of(render_pdf(Document(title="", author="", blocks=(table,))), tmp_path)
    assert not [pair for words in pages for pair in overprinted(words)]
    printed = "".join(word for words in pages for *_, word in words)
    assert printed.count("1234.567") == models


def test_long_words_are_broken_at_joints() -> None:
    text = breakable(f"{COLUMN} and short", 12.0)
    assert text.replace("\u200b", "") == f"{COLUMN} and short"
    assert all(text_width(piece, 1.0) <= 12.0 for piece in re.split("[\u200b ]", text))


def test_labels_of_figures_are_inside_the_picture(document: Document) -> None:
    figures = [block for block in document.blocks if isinstance(block, Figure)]
    assert len(figures) == 3
    for figure in figures:
        root = ET.fromstring(figure.svg)
        left, top, width, height = map(float, root.attrib["viewBox"].split())
        labels = defaultdict(list)
        for text in root.iter("{http://www.w3.org/2000/svg}text"):
            size = float(text.attrib["font-size"])
            for span in text:
                x, y, wide = float(span.attrib["x"]), float(span.attrib["y"]), text_width(span.text or "", size)
                start = x - wide * {"start": 0.0, "middle": 0.5, "end": 1.0}[text.attrib["text-anchor"]]
                assert left <= start, span.text
                assert start + wide <= left + width, span.text
                assert top <= y - size * 0.8, span.text
                assert y <= top + height, span.text
                labels[figure.key].append(span.text)
        whole = "".join(labels[figure.key])
        assert CHINESE in whole  # of the cause, which matplotlib's font had no letters for
        assert ENGLISH.replace(" ", "") in whole.replace(" ", "")


def test_html_tables_scroll_by_themselves_and_show_it(document: Document) -> None:
    text = render_html(document)
    assert text.count('<div class="scroll" role="region" tabindex="0" aria-label="Table ') == text.count("<table>") > 5
    assert re.search(r"\.scroll \{ overflow-x: auto; background: .*local", text)
    assert ".scroll::-webkit-scrollbar" in text


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-1.2, 1.6, [-1.0, 0.0, 1.0]),
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (3e-5, 9e-5, [4e-5, 6e-5, 8e-5]),
        (12.0, 987.0, [200.0, 400.0, 600.0, 800.0]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)
