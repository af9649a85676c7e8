r"""The language in which a catalogue says what a field's value looks like: regular expressions without surprises.

A pattern is a row of characters, ``\d`` (an ASCII digit) and classes (``[A-Z0-9]``), each once, ``?``, ``{n}`` or
``{n,m}`` times. There are no groups, alternatives, ``*`` or ``+``. What may be repeated a varying number of times
shares no character with what may follow it: so there is one way only to read a value, and no value, however it is
made, takes a matcher long.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

MAX_PATTERN: Final = 128
MAX_VALUE: Final = 64
"""The longest value that any pattern may take, in characters."""

_DIGITS: Final = frozenset("0123456789")
_SPECIAL: Final = frozenset("\\[]{}()?*+|^$.")
_MAX_CLASS: Final = 512
_CLASS = re.compile(r"\[([^\[\]\\^]+)\]")
_TIMES = re.compile(r"\{([0-9]{1,2})(?:,([0-9]{1,2}))?\}")


class PatternError(ValueError):
    """A text that is no pattern, and why."""


class _Part(NamedTuple):
    characters: frozenset[str]
    least: int
    most: int


class Pattern(NamedTuple):
    """A pattern that was read: what it takes, and how many characters at least and at most."""

    matcher: re.Pattern[str]
    least: int
    most: int
    digits: bool
    """Whether it takes ASCII digits alone."""

    def takes(self, value: str) -> bool:
        """Tell whether the whole value is as the pattern says."""
        return self.matcher.fullmatch(value) is not None


@lru_cache(maxsize=4_096)
def read_pattern(text: str) -> Pattern:
    """Return the pattern that a text stands for; raises PatternError."""
    if not 0 < len(text) <= MAX_PATTERN:
        raise PatternError(f"has {len(text)} characters, not 1 to {MAX_PATTERN}")
    parts = _parts(text)
    _check_one_reading(parts)
    least, most = sum(part.least for part in parts), sum(part.most for part in parts)
    if most > MAX_VALUE:
        raise PatternError(f"takes up to {most} characters, more than {MAX_VALUE}")
    source = "".join(f"[{_escaped(part.characters)}]{{{part.least},{part.most}}}" for part in parts)
    digits = all(part.characters <= _DIGITS for part in parts)
    return Pattern(re.compile(source, re.ASCII), least, most, digits)


def _parts(text: str) -> list[_Part]:
    found, at = [], 0
    while at < len(text):
        characters, at = _characters(text, at)
        least, most, at = _times(text, at)
        found.append(_Part(characters, least, most))
    return found


def _characters(text: str, at: int) -> tuple[frozenset[str], int]:
    """Return the characters that a part takes, and where it ends."""
    if text.startswith("\\d", at):
        return _DIGITS, at + 2
    if text[at] == "\\":
        if text[at + 1 : at + 2] not in _SPECIAL:
            raise PatternError(f"has an unknown escape at character {at + 1}")
        return frozenset(text[at + 1]), at + 2
    if text[at] == "[":
        found = _CLASS.match(text, at)
        if found is None:
            raise PatternError(f"has a malformed class at character {at + 1}")
        return _class(found[1], at), found.end()
    if text[at] in _SPECIAL:
        raise PatternError(f"has {text[at]!r} at character {at + 1}, which the language does not know")
    return _plain(frozenset(text[at]), at), at + 1


def _class(inside: str, at: int) -> frozenset[str]:
    found: set[str] = set()
    index = 0
    while index < len(inside):
        first = last = inside[index]
        if inside[index + 1 : index + 2] == "-" and index + 2 < len(inside):
            last = inside[index + 2]
            index += 2
        if not first <= last or ord(last) - ord(first) > _MAX_CLASS:
            raise PatternError(f"has a range from {first!r} to {last!r} in the class at character {at + 1}")
        found.update(map(chr, range(ord(first), ord(last) + 1)))
        index += 1
    return _plain(frozenset(found), at)


def _plain(characters: frozenset[str], at: int) -> frozenset[str]:
    """Return characters that a person can write down, digits in ASCII only; raises PatternError."""
    for character in characters:
        if not character.isprintable() or (character.isnumeric() and not character.isascii()):
            raise PatternError(f"takes {character!r} at character {at + 1}: no printable character or ASCII digit")
    return characters


def _times(text: str, at: int) -> tuple[int, int, int]:
    """Return how often a part may stand, at least and at most, and where that is said to the end."""
    if text.startswith("?", at):
        return 0, 1, at + 1
    if not text.startswith("{", at):
        return 1, 1, at
    found = _TIMES.match(text, at)
    if found is None:
        raise PatternError(f"has a malformed repetition at character {at + 1}")
    least, most = int(found[1]), int(found[2] or found[1])
    if not 0 <= least <= most or most == 0:
        raise PatternError(f"repeats from {least} to {most} times at character {at + 1}")
    return least, most, found.end()


def _check_one_reading(parts: list[_Part]) -> None:
    """Raise PatternError where a part of varying length and what may follow it take the same character."""
    for index, part in enumerate(parts):
        if part.least == part.most:
            continue
        for following in parts[index + 1 :]:
            if part.characters & following.characters:
                raise PatternError(f"can be read in two ways: part {index + 1} and what follows it overlap")
            if following.least:
                break


def _escaped(characters: frozenset[str]) -> str:
    return "".join(map(re.escape, sorted(characters)))
