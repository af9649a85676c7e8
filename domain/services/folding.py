"""Folding: what a person typed and what a name says, brought to one form in which they can be compared.

Kyrgyz, Russian and Latin letters all become plain Latin ones: case goes, ё is е, ө is о, ү is у, ң is н, and the usual
ways of writing a Cyrillic letter in Latin meet in one (kh and h, zh, dzh and j). The result is for comparison only;
nobody is shown it, and it is no transliteration standard.
"""

import re
from typing import Final
from unicodedata import category, normalize

_LETTERS: Final = str.maketrans(
    {
        **dict(zip("абвгдежзийклмнопрстуфхыэ", "abvgdejziyklmnoprstufhye", strict=True)),
        "ё": "e",
        "ө": "o",
        "ү": "u",
        "ң": "n",
        "ц": "ts",
        "ч": "ch",
        "ш": "sh",
        "щ": "sh",
        "ю": "yu",
        "я": "ya",
        "ъ": "",
        "ь": "",
        "'": "",
        "’": "",
        "ʼ": "",
        "`": "",
    }
)
_SPELLINGS: Final = (
    ("shch", "sh"),
    ("sch", "sh"),
    ("kh", "h"),
    ("zh", "j"),
    ("dj", "j"),
    ("ck", "k"),
    ("ph", "f"),
    ("q", "k"),
    ("w", "v"),
    ("x", "ks"),
    ("yo", "e"),
    ("ye", "e"),
    ("iy", "y"),
)
"""Spellings of one sound, in the order in which they are replaced."""
_REPEATED = re.compile(r"([a-z])\1+")
_WORD = re.compile(r"[^\W_]+")


def fold(text: str) -> list[str]:
    """Return the folded words of a text."""
    # й is composed first, so that only marks on Latin letters are taken off.
    latin = normalize("NFKC", text.replace("№", " ")).casefold().translate(_LETTERS)
    plain = "".join(character for character in normalize("NFKD", latin) if category(character) != "Mn")
    for spelling, sound in _SPELLINGS:
        plain = plain.replace(spelling, sound)
    words: list[str] = _WORD.findall(_REPEATED.sub(r"\1", plain))
    return words
