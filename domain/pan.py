"""Card numbers and expiry dates, as they are typed: what is wrong with one, and what of it may be shown.

A number is 16 ASCII digits with a check digit by Luhn (ISO/IEC 7812-1); which first digits the scheme uses is a
setting, so the decision looks at them. A card is valid through the last day of its month, in the scheme's time. Nothing
here keeps a number: what leaves is its masked form, the first six digits and the last four (PCI DSS 3.4.1).
"""

import re
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Final, NamedTuple

from pydantic import Field
from stdnum import luhn

from domain.refusals import Reason
from domain.times import MONTHS, beginning_of, first_day

DIGITS: Final = 16

Expiry = Annotated[int, Field(strict=True, ge=2000_01, le=2099_12)]
"""``year * 100 + month``."""
Masked = Annotated[str, Field(pattern=r"^([0-9]{6}\*{6}[0-9]{4})?$")]

_NUMBER: Final = re.compile(rf"[0-9]{{{DIGITS}}}")
_EXPIRY: Final = re.compile(r"(0[1-9]|1[0-2])/([0-9]{2})")
_CVV: Final = re.compile(r"[0-9]{3}")
_CENTURY: Final = 2000


class NumberFault(StrEnum):
    """What can be wrong with a number whatever the scheme's prefix."""

    MALFORMED = "malformed"
    CHECK_DIGIT = "check_digit"


NUMBER_FAULTS: Final = {
    NumberFault.MALFORMED: Reason.CARD_NUMBER_MALFORMED,
    NumberFault.CHECK_DIGIT: Reason.CARD_NUMBER_CHECK_DIGIT,
}


class Typed(NamedTuple):
    """A card number as it was typed: its masked form, empty where it is not 16 digits, and its first fault."""

    masked: str
    fault: NumberFault | None


def look_at(number: str) -> Typed:
    """Return what may be known of a number."""
    if _NUMBER.fullmatch(number) is None:
        return Typed("", NumberFault.MALFORMED)
    return Typed(masked(number), None if luhn.is_valid(number) else NumberFault.CHECK_DIGIT)


def masked(number: str) -> str:
    """Return a number as people may see it: ``941700******1234``."""
    return f"{number[:6]}******{number[-4:]}"


def number_refusal(masked_number: str, fault: NumberFault | None, prefix: str, token_prefix: str) -> Reason | None:
    """Return why a number cannot be one of the scheme's cards. In order: 16 digits, check digit, token, prefix."""
    if fault is not None:
        return NUMBER_FAULTS[fault]
    if masked_number.startswith(token_prefix):
        return Reason.CARD_NUMBER_OF_TOKEN
    return None if masked_number.startswith(prefix) else Reason.CARD_NUMBER_PREFIX


def read_expiry(text: str) -> int | None:
    """Return an expiry typed as ``MM/YY`` as ``year * 100 + month``; None for anything else."""
    found = _EXPIRY.fullmatch(text)
    return None if found is None else (_CENTURY + int(found[2])) * 100 + int(found[1])


def write_expiry(expires: int) -> str:
    """Return an expiry as it is typed, ``MM/YY``."""
    year, month = divmod(expires, 100)
    return f"{month:02}/{year % 100:02}"


def cvv_fits(cvv: str) -> bool:
    """Tell whether this is exactly three ASCII digits."""
    return _CVV.fullmatch(cvv) is not None


@lru_cache(maxsize=2_048)
def ends_at(expires: int, utc_offset_seconds: int) -> int:
    """Return the first instant at which a card is not valid any more, in microseconds since the Unix epoch.

    It is midnight after the month's last day, where clocks are ahead of UTC by so many seconds.
    """
    year, month = divmod(expires, 100)
    return beginning_of(first_day(year * MONTHS + month), utc_offset_seconds)


def expired(expires: int, now: int, utc_offset_seconds: int) -> bool:
    """Tell whether a card is not valid any more."""
    return now >= ends_at(expires, utc_offset_seconds)
