"""Words by code: one folder a language, its templates in files by subject."""

from __future__ import annotations

from cipa.language.en import EN

LANGUAGES = {"en": EN}
"""Language -> its words; a new one is a folder here and a row."""
