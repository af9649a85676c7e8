"""The forms of codes: what they are made of, for requests, settings and files alike."""

import re
from typing import Final

PARTICIPANT: Final = re.compile(r"[a-z0-9-]{1,32}")
ACCOUNT_NUMBER: Final = re.compile(r"[A-Za-z0-9]{1,34}")
CURRENCY: Final = re.compile(r"[A-Z]{3}")
"""ISO 4217."""
MOVEMENT_KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
MERCHANT_CATEGORY: Final = re.compile(r"[0-9]{4}")
"""ISO 18245."""
ENTRY_MODE: Final = re.compile(r"[a-z_]{1,32}")
ACQUIRER: Final = re.compile(r"[A-Za-z0-9-]{1,32}")


def whole(form: re.Pattern[str]) -> str:
    """Return the pattern of a field that must be of a form."""
    return f"^{form.pattern}$"


def whole_or_empty(form: re.Pattern[str]) -> str:
    """Return the pattern of a field that may be left out."""
    return f"^({form.pattern})?$"
