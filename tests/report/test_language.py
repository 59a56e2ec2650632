"""Words by code: every code has a template and every template a use, and a report holds no word of its own beside them."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

import cipa as ci
from cipa.language import LANGUAGES
from cipa.language.en import EN, TEMPLATES
from cipa.language.speech import Language
from cipa.report.document import FRAME, Figure, Heading, Table
from cipa.report.outline import outline
from cipa.report.tables.regressions import STATISTICS
from cipa.report.tables.reliability import HEADS
from cipa.report.tables.sample import STEPS
from cipa.report.tables.verdicts import ORDER
from cipa.report.writers.html import render_html

REPORT = Path(ci.__file__).parent / "report"
ANALYSES = Path(__file__).parent.parent.parent / "analyses"


def codes_used() -> set[str]:
    """Codes in calls of `say`, in headings of sections, and those made of names that a table lists."""
    found = set(FRAME) | {f"reliability.{name}" for name in HEADS} | {f"verdict.{word}" for word in ORDER}
    found |= {f"statistic.{name}" for name, _ in STATISTICS} | {f"step.{name}" for name in STEPS}
    for path in [*REPORT.rglob("*.py"), REPORT.parent / "cli.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("say", "EN") and node.args:
                found |= chosen(node.args[0])
            if (
                isinstance(node, ast.keyword)
                and node.arg == "heading"
                and isinstance(node.value, ast.Constant)
                and node.value.value
            ):
                found.add(str(node.value.value))
    return found


def chosen(code: ast.expr) -> set[str]:
    """The codes that an argument may be: a constant, or one of two."""
    if isinstance(code, ast.IfExp):
        return chosen(code.body) | chosen(code.orelse)
    return {str(code.value)} if isinstance(code, ast.Constant) else set()


def test_every_code_has_words_and_all_words_are_used() -> None:
    used = codes_used()
    assert used - {*TEMPLATES} == set()
    assert {*TEMPLATES} - used == set()


def test_every_language_has_the_codes_and_places_of_english() -> None:
    for language in LANGUAGES.values():
        assert set(language.templates) == set(TEMPLATES)
        for code, template in language.templates.items():
            english = TEMPLATES[code]
            if isinstance(template, str) and isinstance(english, str):
                assert places(template) == places(english), code


def places(template: str) -> set[str]:
    return set(re.findall(r"{(\w+)", template))


class Marked(dict[str, Any]):
    """Every template in marks, so that words which did not come from it stand out."""

    def __missing__(self, code: str) -> Any:
        template = TEMPLATES[code]
        if isinstance(template, str):
            return f"⟦{template}⟧"
        return lambda **values: f"⟦{template(**values)}⟧"


@pytest.mark.parametrize("name", ["internet_plus", "grunfeld"])
def test_titles_heads_and_captions_come_from_the_language(name: str) -> None:
    marked = Language(name="xx", templates=Marked(), listed=EN.listed)
    analysis = ci.run(ANALYSES / name)
    document = outline(analysis, marked)
    labels = {spec.label or key for key, spec in analysis.study.models.items()}
    for block in document.blocks:
        if isinstance(block, Heading):
            assert "⟦" in block.text or block.text in labels, block.text
        if isinstance(block, Figure):
            assert all("⟦" in text for text in (block.title, block.alt, *block.notes))
        if isinstance(block, Table) and block.key.split("-")[0] not in ("htmt", "fornell"):  # titles of evidence, still English
            assert "⟦" in block.title
            for column in block.columns:
                own = not column.head or column.head.isdigit() or any(label in column.head for label in labels | {"Internet+"})
                assert own or "⟦" in column.head, column.head
    text = render_html(document)
    assert '<html lang="xx">' in text
    assert "<b>⟦Table⟧ 1</b>" in text


def test_values_are_never_read_as_templates() -> None:
    assert (
        EN("failed", model="{model} {0} {x.__class__}", reason="{}")
        == "The model {model} {0} {x.__class__} could not be fitted. {}"
    )
    assert EN("notice", models=["a", "b", "c"], text="t") == "a, b and c: t"
    assert EN("slopes.line", value=0.935, at=1.0) == "0.935 (+1 SD)"
    assert (
        EN("verdicts.sentence", hypotheses=1, several=False, counts=[("supported", 1)])
        == "The study declares 1 hypothesis: 1 is supported."
    )
