"""What passwords, PINs, codes, logins and phone numbers must look like, and how a try of a secret can end.

Secrets themselves never enter a command or an event: what reaches a decision is the verdict on a try.
"""

import re
from enum import StrEnum
from typing import Final

LEAFLET_2022: Final = "leaflet-2022"
PASSWORD_POLICIES: Final[dict[str, re.Pattern[str]]] = {
    LEAFLET_2022: re.compile(r"^(?=.*[A-Za-z])(?=.*\d)[A-Za-z\d]{8,}$", re.ASCII)
}
"""Password policies by name. The leaflet's prose asks for special symbols, its regex forbids them: the regex wins."""
MAX_PASSWORD: Final = 128
CODE_DIGITS: Final = 6

_PIN: Final = re.compile(r"[0-9]{4}")
_CODE: Final = re.compile(rf"[0-9]{{{CODE_DIGITS}}}")
_LOGIN: Final = re.compile(r"[a-z0-9._@+-]{3,64}")
_PHONE: Final = re.compile(r"\+[1-9][0-9]{7,14}")


class Verdict(StrEnum):
    """How a try of a secret ended."""

    RIGHT = "right"
    WRONG = "wrong"
    LOCKED = "locked"
    """It was not compared: there were too many misses."""
    LAPSED = "lapsed"
    """It was not compared: its time is over."""
    ABSENT = "absent"
    """There is nothing to compare with."""


def password_fits(password: str, policy: str) -> bool:
    """Tell whether a password follows a policy: all of it, so that no newline slips in behind ``$``."""
    return len(password) <= MAX_PASSWORD and PASSWORD_POLICIES[policy].fullmatch(password) is not None


def pin_fits(pin: str) -> bool:
    """Tell whether this is exactly four ASCII digits (leaflet row S04)."""
    return _PIN.fullmatch(pin) is not None


def code_fits(code: str) -> bool:
    """Tell whether this looks like a confirmation code."""
    return _CODE.fullmatch(code) is not None


def login_fits(login: str) -> bool:
    """Tell whether a login, in small letters, is well formed."""
    return _LOGIN.fullmatch(login) is not None


def phone_fits(number: str) -> bool:
    """Tell whether a number is written as E.164 has it: a plus sign and 8 to 15 digits, the first not 0."""
    return _PHONE.fullmatch(number) is not None
