"""The cryptogram of a tap: an EMV ARQC, and the keys by which it is made and tried (EMV 4.3 Book 2, Annex A1).

Master key of tokens → key of one token (option A over its number) → limited-use key (common session key derivation
over the key's number) → key of one tap (the same over the counter) → ISO/IEC 9797-1 algorithm 3 over the tap's data.
A phone is given a limited-use key, never one from which another follows.

The data are those of Book 2, table 26, and then the issuer application data (tag 9F10): the number of the key, and a
byte whose highest bit says that the cardholder was verified on the phone. A terminal can change nothing of a tap.
"""

import hmac
import warnings
from typing import Final, NamedTuple

from cryptography.utils import CryptographyDeprecationWarning
from pyemv import ac, kd

# EMV demands this cipher, and the cryptography package means to give it up: pyemv will have to find it elsewhere.
warnings.filterwarnings("ignore", category=CryptographyDeprecationWarning, module="pyemv")

CRYPTOGRAM_BYTES: Final = 8
UNPREDICTABLE_BYTES: Final = 4
_VERIFIED: Final = 0x80
_NO_OTHER_AMOUNT: Final = bytes(6)
_NO_VERIFICATION_RESULTS: Final = bytes(5)
_PURCHASE: Final = b"\x00"
_NO_PROFILE: Final = bytes(2)
_SEQUENCE_NUMBER: Final = "00"


class Tap(NamedTuple):
    """What a phone and a terminal have agreed on; the cryptogram is over all of it. ``amount`` is in tyiyn."""

    amount: int
    country: int
    """ISO 3166-1 numeric."""
    currency: int
    """ISO 4217 numeric."""
    date: str
    """The terminal's date, six digits: ``YYMMDD``."""
    unpredictable_number: bytes
    counter: int
    key_sequence: int
    cardholder_verified: bool


def token_key(master_key: bytes, number: str) -> bytes:
    """Return the key of one token."""
    return kd.derive_icc_mk_a(master_key, number, _SEQUENCE_NUMBER)


def limited_use_key(key_of_token: bytes, sequence: int) -> bytes:
    """Return the key with this number, which goes into the phone."""
    return kd.derive_common_sk(key_of_token, sequence.to_bytes(2, "big") + bytes(6))


def cryptogram(key: bytes, tap: Tap) -> bytes:
    """Return the cryptogram of a tap under a limited-use key."""
    session_key = kd.derive_common_sk(key, tap.counter.to_bytes(2, "big") + bytes(6))
    return ac.generate_ac(session_key, _data(tap))


def fits(key: bytes, tap: Tap, shown: bytes) -> bool:
    """Tell whether a cryptogram is that of this tap; takes as long whatever is wrong with it."""
    return hmac.compare_digest(cryptogram(key, tap), shown)


def _data(tap: Tap) -> bytes:
    return b"".join(
        (
            bytes.fromhex(f"{tap.amount:012}"),
            _NO_OTHER_AMOUNT,
            bytes.fromhex(f"{tap.country:04}"),
            _NO_VERIFICATION_RESULTS,
            bytes.fromhex(f"{tap.currency:04}"),
            bytes.fromhex(tap.date),
            _PURCHASE,
            tap.unpredictable_number,
            _NO_PROFILE,
            tap.counter.to_bytes(2, "big"),
            tap.key_sequence.to_bytes(2, "big"),
            bytes([_VERIFIED if tap.cardholder_verified else 0]),
        )
    )
