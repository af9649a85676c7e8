"""Settings of tokens that decisions depend on; the events carry the outcome."""

import msgspec

from domain.times import DAY_SECONDS


class TokenPolicy(msgspec.Struct, frozen=True):
    """What a phone must be, how long a token lives, and what a limited-use key is good for."""

    bin: str = "941799"
    """The first six digits of every token number. No card number begins with them."""
    minimum_android: str = "6.0.1"
    inactive_seconds: int = 30 * DAY_SECONDS
    """A token on which contactless payment was not switched on for so long is deactivated."""
    months: int = 36
    """How long a token number is valid after it was provisioned."""
    key_uses: int = 50
    """Taps that one limited-use key is good for."""
    key_amount: int = 5_000_000
    """What may be paid with one limited-use key altogether, in tyiyn."""
    key_seconds: int = 14 * DAY_SECONDS
    """How long a limited-use key is good."""
    tap_days: int = 1
    """How many days a terminal's date may be before or after the ledger's, of the business time zone."""
    per_card: int = 100
    """Tokens that one card may have had in its life."""
