"""Whether the dictionary of an SPSS file holds together, checked before a library in C follows its counts.

A file is a header of 176 bytes and records, each with its own length: 2 a variable, 3 and 4 labels of values and their variables,
6 a document, 7 an extension, 999 the end. A damaged count can send a reader beyond the file, so every count is held against it.

Source: PSPP developers, System File Format (gnu.org/software/pspp/pspp-dev/html_node/System-File-Format.html).
"""

from __future__ import annotations

import struct

_HEADER = 176
_LONGEST = 255  # bytes of a string variable of one record
_LABEL = 65_535


class BrokenDictionaryError(ValueError):
    """A count or type that no sound file has."""


def check_dictionary(content: bytes) -> None:
    """Walk the records up to the data.

    Raises
    ------
    BrokenDictionaryError
        At the first record that does not fit the file, with its byte.
    """
    if len(content) < _HEADER + 8 or content[:4] not in (b"$FL2", b"$FL3"):
        raise BrokenDictionaryError("the header is not whole")
    order = next((mark for mark in "<>" if struct.unpack_from(f"{mark}i", content, 64)[0] in (2, 3)), "")
    if not order:
        raise BrokenDictionaryError("the header states no layout")
    _Walk(content, order).run()


class _Walk:
    """A position in the file, and the variables so far."""

    def __init__(self, content: bytes, order: str) -> None:
        self.content, self.order, self.place = content, order, _HEADER
        self.variables = self.continued = 0

    def run(self) -> None:
        steps = {2: self._variable, 3: self._labels, 6: self._document, 7: self._extension}
        while (kind := self._number()) != 999:
            if kind not in steps:
                self._broken(f"a record of the unknown kind {kind}")
            steps[kind]()
        if not self.variables or self.continued:
            self._broken("no whole variable")

    def _broken(self, problem: str) -> None:
        raise BrokenDictionaryError(f"{problem} before byte {self.place}")

    def _number(self, low: int = -(2**31), high: int = 2**31 - 1) -> int:
        if self.place + 4 > len(self.content):
            self._broken("the dictionary ends too early")
        (value,) = struct.unpack_from(f"{self.order}i", self.content, self.place)
        self.place += 4
        if not low <= value <= high:
            self._broken(f"the count {value}, which should lie between {low} and {high},")
        return int(value)

    def _skip(self, size: int) -> None:
        if self.place + size > len(self.content):
            self._broken(f"{size} bytes announced and not there")
        self.place += size

    def _variable(self) -> None:
        width, labelled, missing = self._number(-1, _LONGEST), self._number(0, 1), self._number(-3, 3)
        self._skip(16)
        if labelled:
            self._skip(-(-self._number(0, _LABEL) // 4) * 4)
        self._skip(8 * abs(missing))
        if (width == -1) != (self.continued > 0):
            self._broken("a variable in the place of another's continuation")
        self.continued = self.continued - 1 if width == -1 else max(0, -(-width // 8) - 1)
        self.variables += 1

    def _labels(self) -> None:
        for _ in range(self._number(0, len(self.content) // 16)):
            self._skip(8)
            self._skip(1)
            self._skip((self.content[self.place - 1] + 8) // 8 * 8 - 1)
        if self._number() != 4:
            self._broken("labels of no variable")
        for _ in range(self._number(1, self.variables)):
            self._number(1, self.variables)

    def _document(self) -> None:
        self._skip(80 * self._number(0, len(self.content) // 80))

    def _extension(self) -> None:
        self._number(0, 255)
        self._skip(self._number(0, len(self.content)) * self._number(0, len(self.content)))
