"""How much room text takes, and where it may be broken: for figures and tables, which set type without asking a font."""

from __future__ import annotations

_STOPS = " ,.;:!?)]\u3001\u3002\uff0c\uff1b\uff1a\uff01\uff1f\uff09\u300d\u300b"
"""What never begins a line."""

_NARROW = {
    letter: width
    for letters, width in (("iljI|!.,:;'\u2019", 0.3), ("tfr()[]- ", 0.36), ("mwMW%@\u2014", 0.88))
    for letter in letters
}

_SOFT = "\u200b"
"""A space without width: a line may end there."""


def text_width(text: str, size: float) -> float:
    """Room that a line of text needs; characters of East Asian scripts are as wide as they are high."""
    return size * sum(_wide(character) for character in text)


def _wide(character: str) -> float:
    """Width of a character in font sizes, rather too much than too little."""
    if _is_east_asian(character):
        return 1.0
    return _NARROW.get(character, 0.72 if character.isupper() else 0.53)


def _is_east_asian(character: str) -> bool:
    return ord(character) > 0x2E80


def broken(text: str, width: float, size: float) -> list[str]:
    """Text in lines no wider than `width`: at spaces and after hyphens, between East Asian characters, else within a word."""
    lines, line = [], ""
    for piece in _pieces(text):
        if line and text_width(line + piece.rstrip(), size) > width:
            lines.append(line.rstrip())
            line = ""
        while text_width(piece.rstrip(), size) > width and len(piece) > 1:
            fits = max(k for k in range(1, len(piece) + 1) if k == 1 or text_width(piece[:k], size) <= width)
            lines.append(piece[:fits])
            piece = piece[fits:]
        line += piece
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def _pieces(text: str) -> list[str]:
    """What is not parted: words with the space behind them, single East Asian characters with the stop that follows."""
    pieces: list[str] = []
    before = " "
    for character in " ".join(text.split()):
        apart = _is_east_asian(character) or _is_east_asian(before) or before in " -/_"
        if (apart and character not in _STOPS) or not pieces:
            pieces.append(character)
        else:
            pieces[-1] += character
        before = character
    return pieces


def breakable(text: str, width: float) -> str:
    """Text whose words wider than `width` font sizes may be broken, at joints first, so that none prints over its neighbour."""
    return " ".join(word if text_width(word, 1.0) <= width else _SOFT.join(broken(word, width, 1.0)) for word in text.split(" "))


def longest_piece(text: str) -> float:
    """Width, in font sizes, of the widest part of a text that is not broken of itself."""
    return max((text_width(piece.rstrip(), 1.0) for piece in _pieces(text)), default=0.0)
