"""English: templates in files by subject, joined here."""

from __future__ import annotations

from collections.abc import Mapping

from cipa.language.en.data import DATA
from cipa.language.en.fits import FITS
from cipa.language.en.grammar import WAYS
from cipa.language.en.notices import NOTICES
from cipa.language.en.report import REPORT
from cipa.language.en.tables import TABLES
from cipa.language.en.verdicts import VERDICTS
from cipa.language.speech import Language, Template

TEMPLATES: Mapping[str, Template] = {**REPORT, **NOTICES, **VERDICTS, **FITS, **TABLES, **DATA}

EN = Language(name="en", templates=TEMPLATES, ways=WAYS)
