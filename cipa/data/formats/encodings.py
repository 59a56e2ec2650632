"""Bytes into text, never by a silent guess.

A byte order mark decides; then UTF-8, which other encodings hardly ever satisfy by chance. What is left is judged by which of
its characters are common. GB 18030 and Big5 keep their most frequent characters in a first block (GB 2312 level 1: lead bytes
B0 to D7; Big5 level 1: A4 to C6), and a text read by the wrong one of the two leaves that block. In a Western text single high
bytes stand among ASCII letters, and are accented letters. What nothing explains is refused.

Sources: GB 2312-80; Unicode Consortium, CP950 and CP1252 to Unicode tables (unicode.org/Public/MAPPINGS).
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from encodings.aliases import aliases

from cipa.errors import DataError, SpecificationError, did_you_mean
from cipa.language.en import EN

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_COMMON = 0.85  # least share of common characters; a text in the right encoding has .95 and more, in the wrong one about .4
_RARE = 0.5  # the same, where the text is not Big5 at all: rare or traditional characters in GB 18030
_MARGIN = 0.10
_KOREAN = 15  # so many different characters, all in the block of Hangul, are not Chinese: about .6 each by chance
_SAMPLE = 200_000  # bytes beyond the first doubtful one that are judged

_GB, _BIG5 = "gb18030", "cp950"
_REPLACED = "\ufffd"
_ADJACENT = re.compile(rb"[\x80-\xff]{2}")
_WESTERN = re.compile(r"[\u0000-\u007fÀ-ÖØ-öø-ÿŒœŠšŽžŸ§°±²³µ·«»–—‘’“”„…•€£©®™ªº¿¡\u00a0]*")
_WORD = re.compile(r"[^\W\d_]+")
_FOREIGN = re.compile(r"[²³ªºµ¿]")  # inside a word: another code page (Polish, Czech, ...)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A file's text, its encoding, and what a reader must know about the choice ("" when it is certain)."""

    text: str
    encoding: str
    doubt: str = ""


def decoded(content: bytes, *, name: str, encoding: str | None) -> Decoded:
    """The text of a file.

    Parameters
    ----------
    content : bytes
    name : str
        Of the file, for messages.
    encoding : str or None
        What the user says it is; None to find out.

    Raises
    ------
    DataError
        When no encoding explains the bytes, or the one named does not fit, with the line.
    SpecificationError
        When there is no encoding of that name.
    """
    if encoding is not None:
        return _as_named(content, known(encoding, where="ci.read"), name=name)
    for mark, marked in _MARKS:
        if content.startswith(mark):
            return _as_named(content, marked, name=name)
    try:
        return Decoded(text=content.decode("utf-8"), encoding="utf-8")
    except UnicodeDecodeError as problem:
        return _judged(content, problem.start, name=name)


def known(encoding: str, *, where: str) -> str:
    """The encoding, when Python has a text encoding of that name."""
    try:
        codecs.lookup(encoding)
        b"".decode(encoding)
    except (LookupError, TypeError, ValueError) as problem:
        names = sorted({*aliases.values(), *aliases})
        raise SpecificationError(
            f"{where}: encoding={encoding!r} is not known.{did_you_mean(str(encoding), names)} Read otherwise, letters would be "
            'wrong: choose among "utf-8", "gb18030", "big5", "cp1252" (Latin letters), "shift_jis", "euc-kr" and others, as the '
            "program that saved the file names it."
        ) from problem
    return encoding


def _as_named(content: bytes, encoding: str, *, name: str) -> Decoded:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as problem:
        odd = content[problem.start : problem.start + 4].hex(" ")
        raise DataError(
            f"'{name}', line {_line(content, problem.start)}: the bytes {odd} are not {encoding}. Read"
            " otherwise, names and words would be wrong. Name another encoding=, or leave it out to have it found."
        ) from problem
    return Decoded(text=text.removeprefix("\ufeff"), encoding=encoding)


def _judged(content: bytes, first: int, *, name: str) -> Decoded:
    broken = content.decode("utf-8", errors="replace")
    sound = sum(letter > "\x7f" for letter in broken) - broken.count(_REPLACED)
    if sound > 4 * broken.count(_REPLACED):
        raise DataError(
            f"'{name}', line {_line(content, first)}: the file is UTF-8 but for {broken.count(_REPLACED)} places, of which this "
            "is the first: it was cut or changed on its way. A repair by guess would change names: copy or export it again, or "
            "name its encoding=."
        )
    western = _is_western(content)
    if western and _ADJACENT.search(content) is None:
        return _chosen(content, first, "cp1252")
    shares = {encoding: _share(content, first, encoding) for encoding in (_GB, _BIG5)}
    best = max(shares, key=lambda encoding: shares[encoding])
    if shares[best] >= _COMMON:
        korean = _in_the_block_of_hangul(content, first)
        if korean >= _KOREAN:
            raise _refusal(content, first, name=name)
        if min(shares.values()) > shares[best] - _MARGIN:
            return _chosen(content, first, _GB, other=_BIG5)
        return _chosen(content, first, best, other="euc_kr" if korean else "")
    if western:
        return _chosen(content, first, "cp1252")
    if shares[_GB] >= _RARE and not shares[_BIG5]:
        return _chosen(content, first, _GB, sure=False)
    raise _refusal(content, first, name=name)


def _chosen(content: bytes, first: int, encoding: str, *, other: str = "", sure: bool = True) -> Decoded:
    """The text in an encoding, with what it shows at the first doubtful place; nothing is in doubt about clear GB 18030."""
    doubt: str = ""
    if encoding != _GB or other or not sure:
        doubt = EN(
            "file.encoding", encoding=encoding, line=_line(content, first), shown=_shown(content, first, encoding), other=other,
            otherwise=_shown(content, first, other) if other else "",
        )  # fmt: skip
    return Decoded(text=content.decode(encoding), encoding=encoding, doubt=doubt)


def _share(content: bytes, first: int, encoding: str) -> float:
    """Share of the doubtful characters that are common in an encoding of two bytes; 0 where the text is not in that encoding."""
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return 0.0
    return _common(content, first, encoding)


def _pairs(content: bytes, first: int, encoding: str) -> list[bytes]:
    """The characters of two bytes and more, as bytes, punctuation of full width left out."""
    text = content[first : first + _SAMPLE].decode(encoding, errors="ignore")
    pairs = [letter.encode(encoding, errors="ignore") for letter in text if letter > "\x7f"]
    return [pair for pair in pairs if pair[:1] not in (b"\xa1", b"\xa2", b"\xa3")]


def _common(content: bytes, first: int, encoding: str) -> float:
    pairs = _pairs(content, first, encoding)
    if not pairs:
        return 0.0
    if encoding == _GB:
        frequent = sum(len(pair) == 2 and 0xB0 <= pair[0] <= 0xD7 and pair[1] >= 0xA1 for pair in pairs)
    else:
        frequent = sum(len(pair) == 2 and 0xA4 <= pair[0] <= 0xC6 for pair in pairs)
    return frequent / len(pairs)


def _in_the_block_of_hangul(content: bytes, first: int) -> int:
    """How many different characters the text has, when all of them would be Hangul in EUC-KR; else 0."""
    pairs = set(_pairs(content, first, _GB))
    return len(pairs) if all(len(pair) == 2 and 0xB0 <= pair[0] <= 0xC8 for pair in pairs) else 0


def _is_western(content: bytes) -> bool:
    """Whether, as cp1252, every high character is a Western letter or sign, and stands in a word that has ASCII letters too."""
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        return False
    if _WESTERN.fullmatch(text) is None:
        return False
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    return all(_FOREIGN.search(word) is None and sum(letter.isascii() for letter in word) * 2 >= len(word) for word in words)


def _refusal(content: bytes, first: int, *, name: str) -> DataError:
    readings = []
    for encoding in ("cp1252", _GB, _BIG5, "shift_jis", "euc_kr", "cp1251", "cp1250"):
        shown = _shown(content, first, encoding)
        if shown:
            readings.append(f"    {encoding}: {shown}")
    listed = "\nThe same place in some encodings:\n" + "\n".join(readings) + "\n" if readings else " "
    return DataError(
        f"'{name}', line {_line(content, first)}: the text is neither UTF-8 nor GB 18030, nor clearly Big5 or Latin "
        f"letters.{listed}"
        'A wrong guess would turn names into others in silence: name the encoding, as in ci.read(path, encoding="big5"), or save'
        " the file as CSV UTF-8."
    )


def _shown(content: bytes, first: int, encoding: str) -> str:
    """The cell around a place, read in an encoding; "" where that fails."""
    start = max(content.rfind(mark, 0, first) for mark in (b",", b"\n", b"\r", b"\t", b";")) + 1
    end = min(
        place
        for mark in (b",", b"\n", b"\r", b"\t", b";", b"")
        if (place := content.find(mark, first) if mark else len(content)) >= 0
    )
    try:
        return repr(content[max(start, first - 40) : min(end, first + 40)].decode(encoding))
    except UnicodeDecodeError:
        return ""


def _line(content: bytes, place: int) -> int:
    return content.count(b"\n", 0, place) + 1
