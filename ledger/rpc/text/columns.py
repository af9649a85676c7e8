"""Forty columns: the width of an ATM's printer. Nothing that is put here comes out wider, however long it is.

A column is what a character takes on paper: none for a combining mark, two for a wide one, one for the others,
Cyrillic letters among them. Characters that control a printer are not printed: a merchant's name comes from outside.
"""

from collections.abc import Iterator
from typing import Final
from unicodedata import category, combining, east_asian_width, normalize

WIDTH: Final = 40
RULE: Final = "-" * WIDTH
_INDENT: Final = "  "


def width(text: str) -> int:
    """Return how many columns a printable text takes."""
    return sum(_columns(character) for character in text)


def printable(text: str) -> str:
    """Return a text in one line without what controls a printer or cannot be seen."""
    composed = normalize("NFC", " ".join(text.split()))
    return "".join("?" if category(character).startswith("C") else character for character in composed)


def wrapped(text: str, columns: int = WIDTH) -> list[str]:
    """Return a text in lines of so many columns at most, broken between words, and within one that is longer."""
    lines: list[str] = []
    line = ""
    for word in printable(text).split(" "):
        for part in _parts(word, columns):
            joined = f"{line} {part}" if line else part
            if width(joined) <= columns:
                line = joined
            else:
                lines.append(line)
                line = part
    return [*lines, line]


def centred(text: str) -> list[str]:
    """Return a text in the middle of its lines."""
    return [" " * ((WIDTH - width(line)) // 2) + line for line in wrapped(text)]


def pair(left: str, right: str) -> list[str]:
    """Return what stands at the left and at the right: in one line where there is room, else below each other."""
    left, right = printable(left), printable(right)
    gap = WIDTH - width(left) - width(right)
    if gap > 0:
        return [left + " " * gap + right]
    return [*wrapped(left), *(" " * (WIDTH - width(line)) + line for line in wrapped(right))]


def indented(text: str) -> list[str]:
    """Return a text that belongs to the line above."""
    return [_INDENT + line for line in wrapped(text, WIDTH - len(_INDENT))]


def _columns(character: str) -> int:
    if combining(character):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def _parts(word: str, columns: int) -> Iterator[str]:
    """Cut a word that is wider than a line."""
    part, taken = "", 0
    for character in word:
        if taken + _columns(character) > columns:
            yield part
            part, taken = "", 0
        part += character
        taken += _columns(character)
    yield part
