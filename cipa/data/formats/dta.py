"""Whether the counts in a Stata file fit its size, checked before a library in C allocates memory by them.

Sources: Stata, help dta (formats 117 to 119: tags and a map of 14 offsets) and help dta_115 (formats 105 to 115: a header of 109
bytes from format 111 on, 60 and 93 before).
"""

from __future__ import annotations

import struct
from itertools import pairwise

_TAGS = (
    b"<stata_dta>", b"<map>", b"<variable_types>", b"<varnames>", b"<sortlist>", b"<formats>", b"<value_label_names>",
    b"<variable_labels>", b"<characteristics>", b"<data>", b"<strls>", b"<value_labels>", b"</stata_dta>",
)  # fmt: skip
_WIDTHS = {65526: 8, 65527: 4, 65528: 4, 65529: 2, 65530: 1, 32768: 8}
_OLD_WIDTHS = {251: 1, 252: 2, 253: 4, 254: 4, 255: 8}
_LONGEST = 2045


class BrokenCountsError(ValueError):
    """Counts that no sound file of this size has."""


def check_counts(content: bytes) -> None:
    """Hold the numbers of variables and cases against the length of the file.

    Raises
    ------
    BrokenCountsError
        When they do not fit.
    """
    try:
        if content.startswith(_TAGS[0]):
            _tagged(content)
        else:
            _plain(content)
    except (struct.error, IndexError) as problem:
        raise BrokenCountsError("the file ends within its header") from problem


def _tagged(content: bytes) -> None:
    release = content[28:31]
    if release not in (b"117", b"118", b"119") or content[52:55] not in (b"LSF", b"MSF"):
        raise BrokenCountsError("the header names no known release")
    order = "<" if content[52:55] == b"LSF" else ">"
    few = struct.unpack_from(f"{order}{'I' if release == b'119' else 'H'}", content, 70)[0]
    place = 70 + (4 if release == b"119" else 2) + len(b"</K><N>")
    cases = struct.unpack_from(f"{order}{'I' if release == b'117' else 'Q'}", content, place)[0]
    start = content.find(b"<map>") + 5
    offsets = struct.unpack_from(f"{order}14Q", content, start)
    for tag, offset in zip(_TAGS, offsets, strict=False):
        if content[offset : offset + len(tag)] != tag:
            raise BrokenCountsError(f"the section {tag.decode()} does not stand at byte {offset}, where the map has it")
    if offsets[13] != len(content) or any(first >= second for first, second in pairwise(offsets)):
        raise BrokenCountsError(f"the map ends at byte {offsets[13]} of {len(content)}")
    types = struct.unpack_from(f"{order}{few}H", content, offsets[2] + len(_TAGS[2]))
    width = sum(_width(kind) for kind in types)
    if offsets[10] - offsets[9] != cases * width + len(b"<data></data>"):
        raise BrokenCountsError(f"{cases} cases of {width} bytes do not fill the section of data")


def _width(kind: int) -> int:
    if kind in _WIDTHS:
        return _WIDTHS[kind]
    if 1 <= kind <= _LONGEST:
        return kind
    raise BrokenCountsError(f"a variable has the unknown type {kind}")


def _plain(content: bytes) -> None:
    release = content[0]
    if not 104 <= release <= 115 or content[1] not in (1, 2):
        raise BrokenCountsError("the header names no known release")
    order = "<" if content[1] == 2 else ">"
    few, cases = struct.unpack_from(f"{order}Hi", content, 4)
    header = 109 if release > 107 else 60
    if cases < 0 or few + few * cases + header > len(content):
        raise BrokenCountsError(f"{cases} cases of {few} variables do not fit into {len(content)} bytes")
    if release > 110:
        width = sum(_OLD_WIDTHS.get(kind, kind) for kind in content[header : header + few])
        if header + few + width * cases > len(content):
            raise BrokenCountsError(f"{cases} cases of {width} bytes do not fit into {len(content)} bytes")
