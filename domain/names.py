"""A person's name as a stranger may see it."""

import re
from typing import Final

LONGEST: Final = 25
"""Characters that a code has for a name."""

_WORD: Final[re.Pattern[str]] = re.compile(r"\w[\w'’-]*")


def masked_name(full_name: str) -> str:
    """Return the first word of a name and the first letter of the next: ``Айбек К.``; nothing for no name."""
    words: list[str] = _WORD.findall(full_name)
    if not words:
        return ""
    first, *others = words
    initial = f" {others[0][0].upper()}." if others else ""
    return first[: LONGEST - len(initial)] + initial
