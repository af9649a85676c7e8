"""The issuer that comes with Esep: its CVVs are what every other issuer would compute with its keys."""

import warnings

import pytest
from cryptography.utils import CryptographyDeprecationWarning
from psec.cvv import generate_cvv

from ledger.issuer import CVV2_SERVICE_CODE, LocalIssuer, card_verification_value
from ledger.vault.keys import HeldKeys

PAIR = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
NUMBER = "9417001234567895"
EXPIRES = 2028_12


def issuer(hash_key: bytes = b"h" * 32) -> LocalIssuer:
    return LocalIssuer(HeldKeys({"1": b"k" * 32}, "1", hash_key))


def test_published_value() -> None:
    """The example of IBM's and other makers' manuals comes out."""
    assert card_verification_value(PAIR, "4123456789012345", 2087_01, "101") == "561"


@pytest.mark.parametrize("number", range(9_417_000_000_000_000, 9_417_000_000_000_100, 7))
def test_values_are_those_of_another_library(number: int) -> None:
    """Computed by a library that shares no code with ours, CVVs are the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        other = generate_cvv(PAIR, str(number), "2812", CVV2_SERVICE_CODE)
    assert card_verification_value(PAIR, str(number), EXPIRES, CVV2_SERVICE_CODE) == other


def test_every_value_has_three_digits() -> None:
    """This number encrypts to faffdfbb0ccbfad3, which has two decimal digits: the first letter, f, adds a 5."""
    assert card_verification_value(PAIR, "9417000000004522", EXPIRES, CVV2_SERVICE_CODE) == "035"


def test_only_the_cards_own_value_matches() -> None:
    """Another value, another expiry, another number and another issuer's key do not."""
    own = issuer()
    cvv = own.cvv(NUMBER, EXPIRES)
    assert own.matches(NUMBER, EXPIRES, cvv)
    assert not own.matches(NUMBER, EXPIRES, f"{(int(cvv) + 1) % 1000:03}")
    assert not own.matches(NUMBER, EXPIRES, "")
    others = [own.cvv(NUMBER, month) for month in range(2029_01, 2029_13)]
    others += [own.cvv(str(number), EXPIRES) for number in range(9_417_000_000_000_000, 9_417_000_000_000_009)]
    others += [issuer(bytes([number]) * 32).cvv(NUMBER, EXPIRES) for number in range(9)]
    assert len(set(others)) > 20  # Three digits meet by chance now and then.
    assert issuer().cvv(NUMBER, EXPIRES) == cvv
