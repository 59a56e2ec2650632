"""A report holds no word of its own beside those of its language (tests/language has the codes themselves)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import cipa as ci
from cipa.language.en import EN, TEMPLATES
from cipa.language.speech import Language
from cipa.report.document import Figure, Heading, Note, Paragraph, Table
from cipa.report.outline import outline
from cipa.report.writers.html import render_html

ANALYSES = Path(__file__).parent.parent.parent / "analyses"


class Marked(dict[str, Any]):
    """Every template in marks, so that words which did not come from it stand out."""

    def __missing__(self, code: str) -> Any:
        template = TEMPLATES[code]
        if isinstance(template, str):
            return f"⟦{template}⟧"
        return lambda **values: f"⟦{template(**values)}⟧"


@pytest.mark.parametrize("name", ["internet_plus", "grunfeld"])
def test_titles_heads_and_captions_come_from_the_language(name: str) -> None:
    marked = Language(name="xx", templates=Marked(), ways=EN.ways)
    analysis = ci.run(ANALYSES / name)
    document = outline(analysis, marked)
    labels = {spec.label or key for key, spec in analysis.study.models.items()}
    for block in document.blocks:
        if isinstance(block, Heading):
            assert "⟦" in block.text or block.text in labels, block.text
        if isinstance(block, Figure):
            assert all("⟦" in text for text in (block.title, block.alt, *block.notes))
        if isinstance(block, Paragraph):
            assert block.text.startswith("⟦")
        if isinstance(block, Table):
            assert "⟦" in block.title
            planned = {verdict.reason for verdict in analysis.verdicts if verdict.hypothesis.planned}
            assert all("⟦" in note or note.partition(": ")[2] in planned for note in block.notes), block.notes
            for column in block.columns:
                own = not column.head or column.head.isdigit() or any(label in column.head for label in labels | {"Internet+"})
                assert own or "⟦" in column.head, column.head
    notes = [block.text for block in document.blocks if isinstance(block, Note)]
    for notice in (notice for fit in analysis.fits.values() for notice in fit.notices):
        assert any(f"⟦{notice.text}⟧" in note for note in notes), notice
    under = " ".join(
        note for block in document.blocks if isinstance(block, Table) and block.key == "verdicts" for note in block.notes
    )
    for verdict in analysis.verdicts:
        if verdict.verdict == "inconclusive":
            assert f"⟦{verdict.reason}⟧" in under
    (sample,) = [block for block in document.blocks if isinstance(block, Table) and block.key == "sample"]
    assert all("⟦" in str(row.cells[1]) for row in sample.rows if row.kind == "body")
    feet = [row for block in document.blocks if isinstance(block, Table) and "regressions" in block.key for row in block.rows]
    assert {"⟦Method⟧", "⟦Entity effects⟧", "⟦Observations⟧"} <= {row.cells[0] for row in feet}
    assert not {"within", "yes", "no", "random"} & {cell for row in feet for cell in row.cells if isinstance(cell, str)}
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
