"""A moderated effect: simple slopes, the figure of their lines, and where the effect differs from zero."""

from __future__ import annotations

from cipa.evidence.findings import Analysis, Key
from cipa.language.speech import Language
from cipa.language.words import decimal, level
from cipa.report.document import Block, Paragraph, Table, body, columns
from cipa.report.figures.simple_slopes import slopes_figure
from cipa.report.titles import construct_titles
from cipa.report.view import View, evidence_of
from cipa.results.display import ResultTable
from cipa.results.questions import spread


def of_model(analysis: Analysis, model: str, say: Language) -> list[Block]:
    """The moderations of one model."""
    return [
        block
        for key, table in evidence_of(analysis, "simple_slopes", model).items()
        for block in _moderation(analysis, key, table, say)
    ]


def _moderation(analysis: Analysis, key: Key, slopes: ResultTable, say: Language) -> list[Block]:
    outcome, cause = (part.strip() for part in key.path.split("~"))
    titles = construct_titles(analysis, key.model)
    shown = {word: titles.get(word, word) for word in (outcome, cause, key.moderator)}
    effect, moderator = f"{shown[cause]} → {shown[outcome]}", shown[key.moderator]
    name = f"slopes-{key.model}-{cause}-{key.moderator}"
    two_valued = len(slopes) == 2
    figure = slopes_figure(
        slopes, key=name, spread=spread(analysis.fits[key.model], cause), cause=shown[cause], outcome=shown[outcome],
        moderator=moderator, two_valued=two_valued, say=say,
    )  # fmt: skip
    region = analysis.tables.get(Key("johnson_neyman", key.model, path=key.path, moderator=key.moderator))
    where = [] if region is None or two_valued else [Paragraph(text=_region(say, region, effect, moderator))]
    return [_table(say, slopes, key=name, effect=effect, moderator=moderator), *where, figure]


def _table(say: Language, slopes: ResultTable, *, key: str, effect: str, moderator: str) -> Table:
    """The effect at values of the moderator."""
    heads = columns(
        (moderator, "text"), (say("slopes.at"), "stat"), (say("slopes.effect"), "estimate"), (say("se"), "estimate"),
        (say("interval"), "interval"), (say("p"), "p"),
    )  # fmt: skip
    cells = zip(
        *(slopes.columns[name] for name in ("value", "at", "estimate", "std_error", "conf_low", "conf_high", "p_value")),
        strict=True,
    )
    rows = tuple(body(level(value), at, b, se, (low, high), p) for value, at, b, se, low, high, p in cells)
    title, notes = say("slopes", effect=effect, moderator=moderator), tuple(map(say.again, slopes.notes))
    return Table(key=key, title=title, columns=heads, rows=rows, notes=notes)


def _region(say: Language, region: ResultTable, effect: str, moderator: str) -> str:
    """Where the effect differs from zero, in a sentence."""
    low, high, word, share = (region.columns[name][0] for name in ("bound_low", "bound_high", "significant", "share"))
    return say("slopes.region", effect=effect, moderator=moderator, word=word, low=decimal(low), high=decimal(high), share=share)


MODERATION = View(blocks=of_model, shows=("simple_slopes", "johnson_neyman"))
