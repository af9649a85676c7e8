"""What a phone and a terminal said of a tap, as the record of its decision keeps it: never the cryptogram itself."""

from datetime import date

import msgspec

from domain.credentials import Verdict


class Tap(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """``over`` is what else the cryptogram is over; ``verdict`` is how the try of it ended."""

    expires: int
    counter: int
    key_sequence: int
    date: date
    over: str = ""
    cardholder_verified: bool = True
    verdict: Verdict = Verdict.RIGHT
