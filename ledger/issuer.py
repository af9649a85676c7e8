"""The issuer that comes with Esep: it makes and checks cards' CVVs itself, with a key derived from the vault's.

The CVV on the back of a card is CVV2 as card issuers compute it everywhere: number, expiry (YYMM) and the service code
000, through DES and triple DES under a pair of keys, and the first three decimal digits of what comes out (IBM z/OS
ICSF, "Visa card verification value"). Nothing is kept: a CVV is computed when it is checked. A bank whose host checks
CVVs puts its own implementation of ``domain.ports.Issuer`` here, and no key enters this process.
"""

from hmac import compare_digest
from typing import Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import ECB

from domain.pan import write_expiry
from ledger.vault.keys import MasterKeys

CVV2_SERVICE_CODE: Final = "000"
CVV_DIGITS: Final = 3
_HALF: Final = 8
_BLOCK_DIGITS: Final = 32


class LocalIssuer:
    """Computes CVVs of every card with one pair of keys."""

    def __init__(self, keys: MasterKeys) -> None:
        self._pair = keys.hash("card verification keys", b"")[: 2 * _HALF]

    def matches(self, number: str, expires: int, cvv: str) -> bool:
        """Tell, in constant time, whether this is the CVV of the card with this number and expiry."""
        return compare_digest(self.cvv(number, expires).encode(), cvv.encode())

    def cvv(self, number: str, expires: int) -> str:
        """Return the CVV that belongs on the back of a card."""
        return card_verification_value(self._pair, number, expires, CVV2_SERVICE_CODE)


def card_verification_value(pair: bytes, number: str, expires: int, service_code: str) -> str:
    """Return the first three decimal digits of the encryption; where it has fewer, its letters count from A = 0."""
    month, year = write_expiry(expires).split("/")
    digits = f"{number}{year}{month}{service_code}".ljust(_BLOCK_DIGITS, "0")
    first, second = (bytes.fromhex(digits[at : at + 2 * _HALF]) for at in (0, 2 * _HALF))
    single = _encrypt(pair[:_HALF] * 3, first)  # Three equal keys make triple DES the single one.
    mixed = bytes(one ^ other for one, other in zip(single, second, strict=True))
    result = _encrypt(pair + pair[:_HALF], mixed).hex()
    decimals = [digit for digit in result if digit.isdecimal()]
    letters = [str(int(digit, 16) - 10) for digit in result if not digit.isdecimal()]
    return "".join(decimals + letters)[:CVV_DIGITS]


def _encrypt(key: bytes, block: bytes) -> bytes:
    encryptor = Cipher(TripleDES(key), ECB()).encryptor()  # noqa: S305 - the scheme's algorithm for 3 digits
    return encryptor.update(block) + encryptor.finalize()
