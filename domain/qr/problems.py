"""Why a text is not a QR code that can be paid: every reason, once, with what follows from it.

A reason's name is stable and goes to callers; its row says what is wrong and what to do. A problem adds the
place: the path of the tag (``32.10`` is tag 10 inside tag 32) and how many characters stand before it. A problem
never repeats what it found there: the text may hold a card number or a name.
"""

from enum import Enum
from typing import NamedTuple

import msgspec


class Row(NamedTuple):
    """What follows from a reason."""

    meaning: str
    advice: str


_ASK_ISSUER = "Ask whoever showed the code for a new one."
_SCAN_AGAIN = "Scan the code again; if it is read the same way, ask whoever showed it for a new one."


class QrReason(Enum):
    """Every reason why a text is refused; the value is the row of the table."""

    # The text as a whole.
    QR_NOT_A_CODE = Row(
        "The text is neither a link of the national code nor a merchant-presented EMV payload.",
        "Scan a payment code.",
    )
    QR_TOO_LONG = Row("The text is longer than any payment code.", "Scan a payment code.")
    QR_CHARACTERS = Row(
        "The text holds a control character, a line break, a mark that reorders text, or half of a character.",
        _ASK_ISSUER,
    )

    # Its division into tags.
    QR_TAG = Row("A tag's id is not two ASCII digits.", _SCAN_AGAIN)
    QR_LENGTH = Row(
        "A tag's length is not two ASCII digits from 01 to 99 (the national code also allows 00).", _SCAN_AGAIN
    )
    QR_TRUNCATED = Row("The text ends inside a tag.", _SCAN_AGAIN)
    QR_TAG_REPEATED = Row("A tag stands twice.", _ASK_ISSUER)
    QR_TAG_MISSING = Row("A mandatory tag is absent.", _ASK_ISSUER)
    QR_TAG_ORDER = Row("Tag 00 of an EMV code is not the first, or tag 63 of any code not the last.", _ASK_ISSUER)
    QR_TAG_FORBIDDEN = Row("A tag stands where its format has none.", _ASK_ISSUER)

    # Its integrity.
    QR_HASH_MISSING = Row("Tag 63, the hash or CRC of the text, is absent.", _SCAN_AGAIN)
    QR_HASH_MISMATCH = Row("The hash or CRC in tag 63 is not that of the text.", _SCAN_AGAIN)

    # What the tags say.
    QR_VERSION = Row("The version in tag 00 is not 01.", "Update the application, or ask for another code.")
    QR_KIND = Row("Tag 01 is neither 11, static, nor 12, dynamic.", _ASK_ISSUER)
    QR_CURRENCY = Row("The currency in tag 53 is not 417, the som.", "Pay with an application for that currency.")
    QR_AMOUNT = Row("The amount in tag 54 is malformed, too large, or 0 where it must not be.", _ASK_ISSUER)
    QR_FLAG = Row("A flag is neither 11, yes, nor 12, no.", _ASK_ISSUER)
    QR_RECIPIENT = Row("The code does not say who is paid.", _ASK_ISSUER)
    QR_EXTRA_FIELD = Row("An extra field is not key:label:value:title:11|12.", _ASK_ISSUER)
    QR_TIP = Row("The tip or convenience fee in tags 55 to 57 is malformed or contradicts itself.", _ASK_ISSUER)
    QR_VALUE = Row("A tag's value does not have the form or size its format asks for.", _ASK_ISSUER)

    def __repr__(self) -> str:
        return f"QrReason.{self.name}"


class QrProblem(msgspec.Struct, frozen=True):
    """A text was refused: why, at which tag (empty: the text as a whole), after how many characters.

    In a link the characters are those of the decoded payload after ``#``.
    """

    reason: QrReason
    path: str = ""
    offset: int = 0

    @property
    def message(self) -> str:
        """One sentence for a person, with the place."""
        tag = f"tag {self.path}, " if self.path else ""
        return f"{self.reason.value.meaning.removesuffix('.')} ({tag}after {self.offset} characters)."


class QrRefused(Exception):
    """Carries a problem through code that returns something else; no reader lets it out."""

    def __init__(self, problem: QrProblem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class QrError(ValueError):
    """A code cannot be written: the field that stands in the way, and why."""

    def __init__(self, field: str, description: str) -> None:
        super().__init__(f"{field}: {description}")
        self.field = field
        self.description = description


def refusal(reason: QrReason, path: str = "", offset: int = 0) -> QrRefused:
    """Return what is raised where a text stops being a code."""
    return QrRefused(QrProblem(reason, path, offset))
