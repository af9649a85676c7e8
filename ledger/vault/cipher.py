"""Encrypting one field of one event with a customer's data key: AES-256-GCM, bound to where it stands.

Layout: one byte of format, the 16 bytes of the data key's id, a random nonce of 12 bytes, ciphertext and tag. The
associated data is that header, the aggregate, the topic and the field: a ciphertext that is moved anywhere else, or
into another field of the same event, does not open. A key encrypts a handful of values, so random nonces are safe.
"""

from secrets import token_bytes
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.vault.errors import VaultBroken
from ledger.vault.keys import NONCE_BYTES

FORMAT: Final = b"\x01"
ID_BYTES: Final = 16
_HEADER_BYTES: Final = len(FORMAT) + ID_BYTES


class DataKey(NamedTuple):
    """A customer's own key."""

    key_id: bytes
    key: bytes


class Place(NamedTuple):
    """Where a value stands: the aggregate whose event it is, the event's topic, the field."""

    aggregate_id: bytes
    topic: str
    field: str


def seal(key: DataKey, place: Place, text: str) -> bytes:
    """Return the text encrypted for one place."""
    header = FORMAT + key.key_id
    nonce = token_bytes(NONCE_BYTES)
    return header + nonce + AESGCM(key.key).encrypt(nonce, text.encode(), _associated(header, place))


def unseal(key: DataKey, place: Place, sealed: bytes) -> str:
    """Return the text that was encrypted for this place; raises VaultBroken for anything else."""
    header, nonce = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES : _HEADER_BYTES + NONCE_BYTES]
    if header != FORMAT + key.key_id:
        raise VaultBroken(f"{place.field} of {place.aggregate_id.hex()} was encrypted with another key")
    try:
        clear = AESGCM(key.key).decrypt(nonce, sealed[_HEADER_BYTES + NONCE_BYTES :], _associated(header, place))
    except (InvalidTag, ValueError):
        raise VaultBroken(
            f"{place.field} of {place.aggregate_id.hex()} is damaged or stands where it does not belong"
        ) from None
    return clear.decode()


def _associated(header: bytes, place: Place) -> bytes:
    return b"\0".join((header + place.aggregate_id, place.topic.encode(), place.field.encode()))
