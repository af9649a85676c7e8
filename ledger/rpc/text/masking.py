"""What of a number or name another person may see."""

import re
from typing import Final

from stdnum import luhn

SHOWN: Final = 4
"""How many last characters of an account's number are shown to the other side."""
_FIRST: Final = 6
_CARD: Final = re.compile(r"(?<!\d)\d(?:[ -]?\d){11,18}(?!\d)", re.ASCII)
_STARS: Final = "******"


def masked_account(number: str, account_id: int) -> str:
    """Return the end of an account's number, of the ledger's own where the bank gave none."""
    return f"**** {(number if len(number) > SHOWN else str(account_id))[-SHOWN:]}"


def without_cards(text: str) -> str:
    """Return a text from outside with every card number in it masked: 12 to 19 digits whose check digit is right."""

    def mask(found: re.Match[str]) -> str:
        digits = re.sub(r"[ -]", "", found[0])
        return digits[:_FIRST] + _STARS + digits[-SHOWN:] if luhn.is_valid(digits) else found[0]

    return _CARD.sub(mask, text)
