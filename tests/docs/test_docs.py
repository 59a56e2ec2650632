"""The documentation is true: its code runs, its links lead somewhere, and every public name and every code of a message is on a page."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path

import pytest

import cipa as ci
from cipa.explain import EXPLANATIONS

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
METHODS = (
    *("sem", "missing", "robust", "ordinal", "groups", "constraints", "levels", "growth-and-composites", "after-the-fit"),
    *("large-data", "simulation", "panel", "inference", "evidence"),
)
"""Pages that explain a method: they end with how it compares and where it comes from."""

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def program(text: str) -> str:
    """The page's Python blocks, each on the lines where it stands, so that an error names the line of the page."""
    lines = [""] * (text.count("\n") + 1)
    for found in _BLOCK.finditer(text):
        first = text.count("\n", 0, found.start(1))
        for offset, line in enumerate(found[1].splitlines()):
            lines[first + offset] = line
    return "\n".join(lines)


def named(pages: list[Path]) -> list[object]:
    return [pytest.param(page, id=page.stem) for page in pages]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("page", named([page for page in PAGES if _BLOCK.search(text_of(page))]))
def test_code_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    script = tmp_path / f"{page.stem}.py"
    script.write_text(program(text_of(page)), encoding="utf-8")
    assert "ci" in runpy.run_path(str(script))


def test_a_block_that_fails_is_found(tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text(program("words\n\n```python\nx = 1\n```\n\n```python\nx / 0\n```\n"), encoding="utf-8")
    with pytest.raises(ZeroDivisionError) as found:
        runpy.run_path(str(script))
    assert found.traceback[-1].lineno == 7  # counted from 0: the eighth line of the page


@pytest.mark.parametrize("page", named(PAGES))
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(text_of(page)):
        place, _, heading = target.partition("#")
        if "://" in target:
            continue
        other = (page.parent / place).resolve() if place else page
        assert other.exists(), f"{page.name}: {target}"
        if heading:
            assert heading in anchors(text_of(other)), f"{page.name}: no heading for {target}"


def anchors(text: str) -> set[str]:
    """Names of the headings of a page, as GitHub writes them in links."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_page_is_in_the_index() -> None:
    linked = {target.partition("#")[0] for target in _LINK.findall(text_of(ROOT / "docs" / "README.md"))}
    assert {page.name for page in PAGES[1:]} - {"README.md"} <= linked


@pytest.mark.parametrize("name", METHODS)
def test_method_pages_name_their_sources_and_compare(name: str) -> None:
    heads = re.findall(r"^## (.+)$", text_of(ROOT / "docs" / f"{name}.md"), re.MULTILINE)
    assert heads[-1] == "Sources"
    assert any(head.startswith("How this compares") for head in heads)


@pytest.mark.parametrize("name", [name for name in ci.__all__ if callable(getattr(ci, name))])
def test_every_public_name_is_on_a_page(name: str) -> None:
    """Functions and classes; a name counts where it stands as code."""
    pattern = re.compile(rf"\bci\.{name}\b|`{name}`")
    assert any(pattern.search(text_of(page)) for page in PAGES), f"no page mentions ci.{name}"


def test_the_page_of_messages_is_that_of_the_program() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", text_of(ROOT / "docs" / "messages.md"), re.MULTILINE))
    for code, explanation in EXPLANATIONS.items():
        assert rows.get(code) == explanation, f"docs/messages.md lacks the row\n| `{code}` | {explanation} |"
    assert set(rows) == set(EXPLANATIONS)


def test_proofs_that_a_page_names_exist() -> None:
    """`docs/where-references-differ.md` names the test that proves each row."""
    page = text_of(ROOT / "docs" / "where-references-differ.md")
    claimed = set(re.findall(r"`(test_\w+)`", page))
    written = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    assert len(claimed) > 10
    assert claimed <= written
