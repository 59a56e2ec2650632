"""ci.publish: an Analysis becomes files. Everything is written beside first, then moved, so no report is half-written."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from cipa.errors import SpecificationError, one_of, public
from cipa.evidence.findings import Analysis
from cipa.language import LANGUAGES
from cipa.report.document import Document, Figure
from cipa.report.outline import outline
from cipa.report.replication import results_json

FORMATS = {
    "html": ("cipa.report.writers.html", "write_html", ".html"),
    "pdf": ("cipa.report.writers.pdf", "write_pdf", ".pdf"),
}
"""Format -> module and name of its writer, and the extension of its files; a new one is a file in `writers/` and a row here."""


@public
def publish(
    analysis: Analysis, folder: str | Path, *, formats: Sequence[str] = ("html", "pdf"), language: str = "en"
) -> tuple[Path, ...]:
    r"""Write the report of an analysis.

    Parameters
    ----------
    analysis : Analysis
        From `ci.run`.
    folder : str or Path
        Receives report.html, report.pdf (as `formats` say), results.json and figures/*.svg. Other files in it stay.
    formats : sequence of {"html", "pdf"}
    language : {"en"}

    Returns
    -------
    tuple of Path
        The files, in the order written.

    Raises
    ------
    SpecificationError
        For a format that is not written here, or a folder that is a file.

    Examples
    --------
    >>> import cipa as ci, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> text = '[study]\ntitle = "Investment"\n[sources]\nfirms = "grunfeld"\n[hypotheses]\nH1 = "inv ~ value > 0"\n'
    >>> text += '[models.within]\nkind = "panel"\nformula = "inv ~ value + capital"\n'
    >>> _ = (folder / "study.toml").write_text(text)
    >>> files = ci.publish(ci.run(folder), folder / "report", formats=("html",))
    >>> files[0].name
    'report.html'
    """
    chosen = (formats,) if isinstance(formats, str) else tuple(formats)
    for name in chosen:
        one_of(name, FORMATS, what="formats", where="ci.publish")
    one_of(language, LANGUAGES, what="language", where="ci.publish")
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise SpecificationError(
            f"ci.publish: '{target.name}' is a file, and a report is a folder. Choose another name, or remove the file."
        )
    document = outline(analysis, LANGUAGES[language])
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        written = _write(analysis, document, beside, chosen)
        return tuple(_moved(beside, target, name) for name in written)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _write(analysis: Analysis, document: Document, folder: Path, formats: Sequence[str]) -> list[str]:
    written = []
    for name in formats:
        module, function, extension = FORMATS[name]
        getattr(import_module(module), function)(document, folder / f"report{extension}")
        written.append(f"report{extension}")
    (folder / "results.json").write_text(results_json(analysis), encoding="utf-8", newline="\n")
    written.append("results.json")
    (folder / "figures").mkdir()
    figures = [block for block in document.blocks if isinstance(block, Figure)]
    for number, figure in enumerate(figures, 1):
        file = f"figures/figure{number}-{_file_name(figure.key)}.svg"
        (folder / file).write_text(figure.svg, encoding="utf-8", newline="\n")
        written.append(file)
    return written


def _file_name(key: str) -> str:
    """A key as the name of a file on any system."""
    return re.sub(r"[^\w-]+", "-", key).strip("-")[:60] or "figure"


def _moved(beside: Path, target: Path, name: str) -> Path:
    place = target / name
    place.parent.mkdir(parents=True, exist_ok=True)
    os.replace(beside / name, place)
    return place
