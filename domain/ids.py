"""Ids: what they are made of and how they are written.

Ids are the 16 bytes of a UUID inside, its canonical text on the wire. A command that creates something gives
it the command's own request id. Accounts are the exception: an account's id is a whole number that holds its
partition and a dense index, so that its state lives in arrays.
"""

from typing import Final
from uuid import UUID, uuid5

INDEX_BITS: Final = 40
MAX_PARTITIONS: Final = 1 << 13
MAX_ACCOUNT: Final = 2**53 - 1
"""Partition and index together stay below 2^53, which every JSON reader keeps exactly."""

_UUID_DIGITS: Final = 32
TIME_ORDERED: Final = 7
"""The version of a UUID that begins with the milliseconds at which it was made (RFC 9562, 5.7)."""

_NAME_BASED: Final = 5
_RFC_VARIANT: Final = 2
_INDEX_MASK: Final = (1 << INDEX_BITS) - 1
_UUID_LENGTH: Final = 36
_CLAIMS: Final = UUID("5c1a7a8e-2f5e-5a55-9d0b-6f1f0f3e7f10")


def account_id(partition: int, index: int) -> int:
    """Return the id of the partition's account with this index (the first is 1)."""
    return partition << INDEX_BITS | index


def account_partition(account: int) -> int:
    """Return the partition an account id belongs to."""
    return account >> INDEX_BITS


def account_index(account: int) -> int:
    """Return an account id's index within its partition."""
    return account & _INDEX_MASK


def account_originator(account: int) -> bytes:
    """Return the id under which an account's events stand in the log."""
    return account.to_bytes(16, "big")


def parse_uuid(text: str) -> bytes:
    """Return the 16 bytes of a UUID in its canonical 36 characters; raise ValueError for anything else."""
    if len(text) != _UUID_LENGTH or not text[8] == text[13] == text[18] == text[23] == "-":
        raise ValueError("not a UUID in its canonical form of 36 characters")
    digits = text.replace("-", "")
    if len(digits) != _UUID_DIGITS or not digits.isalnum():
        raise ValueError("not a UUID in its canonical form of 36 characters")
    return bytes.fromhex(digits)


def format_uuid(value: bytes) -> str:
    """Return the canonical text of an id."""
    digits = value.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def is_reserved(value: bytes) -> bool:
    """Tell whether an id is of a kind the ledger makes itself, so that no caller may bring it.

    Accounts stand in the log under their number (the first half is zero), claims and expiries under ids of
    version 5 (RFC 9562).
    """
    return not any(value[:8]) or (value[6] >> 4 == _NAME_BASED and value[8] >> 6 == _RFC_VARIANT)


def uuid7_time(value: bytes) -> int | None:
    """Return when a UUIDv7 says it was made, in microseconds (RFC 9562, 5.7); None for any other UUID."""
    if value[6] >> 4 != TIME_ORDERED:
        return None
    return int.from_bytes(value[:6], "big") * 1000


def claim_id(kind: str, key: str) -> bytes:
    """Return the id of the aggregate that makes ``key`` unique among all of its kind.

    Never for personal data: whoever knows the key can compute the id.
    """
    return uuid5(_CLAIMS, f"{kind}:{key}").bytes


def key_of(*parts: str) -> str:
    """Return one key of several parts, each behind its length: no other parts give the same key."""
    return "".join(f"{len(part)}:{part}" for part in parts)


def parts_of(key: str) -> list[str]:
    """Return the parts of which ``key_of`` made a key."""
    parts = []
    while key:
        length, _, rest = key.partition(":")
        parts.append(rest[: int(length)])
        key = rest[int(length) :]
    return parts


def derived_id(parent: bytes, name: str) -> bytes:
    """Return an id that follows from another one, the same at every try (timers, sweeps)."""
    return uuid5(UUID(bytes=parent), name).bytes
