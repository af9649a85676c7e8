"""The keys by which the ledger signs checkpoints: several, each valid for a time, so that one can follow another.

They stand in a JSON file that nobody but its owner may read: ``{"keys": [{"private_key", "valid_from",
"valid_until"}]}``, the private key as the 32 bytes of Ed25519 in base64, the times in RFC 3339 and each optional.
Every key that is valid signs. So a key is exchanged without a gap: the new one is added with its beginning, the old
one gets its end some weeks later, and in between a checkpoint bears both signatures.
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from secrets import token_bytes
from typing import Annotated, Final, NamedTuple, Self

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.times import SECOND
from ledger.audit.signing.note import SIGNATURE, Note, Signature, VerifierKey
from ledger.key_files import OpenToOthersError, read_keys, write_keys

KEY_BYTES: Final = 32

Time = Annotated[datetime, msgspec.Meta(tz=True)]


class SigningKeysError(ValueError):
    """The file of signing keys cannot be used; the message says why, and never holds a key."""


class Validity(NamedTuple):
    """From when until before when a key is valid, in microseconds since the Unix epoch; None for without end."""

    begins: int | None = None
    ends: int | None = None

    def covers(self, now: int) -> bool:
        """Tell whether a key is valid at a time."""
        return (self.begins is None or self.begins <= now) and (self.ends is None or now < self.ends)


class SigningKey:
    """A private key and when it is valid. It is never told."""

    def __init__(self, private: bytes, validity: Validity) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(private)
        self.validity = validity

    @property
    def public(self) -> bytes:
        """The public key."""
        return self._private.public_key().public_bytes_raw()

    def verifier(self, name: str) -> VerifierKey:
        """Return what verifies signatures made under a name."""
        return VerifierKey(name, SIGNATURE, self.public)

    def sign(self, name: str, text: str) -> Signature:
        """Return the signature of a text under a name."""
        return Signature(name, self.verifier(name).key_id, self._private.sign(text.encode()))


class SigningKeys:
    """The ledger's keys, past and future ones included."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        if not keys:
            raise SigningKeysError("there is no signing key")
        self.keys = tuple(keys)

    @classmethod
    def load(cls, path: Path, *, create: bool) -> Self:
        """Read the file; with ``create`` make it first if it is not there. Raises SigningKeysError."""
        if create and not path.exists():
            write_keys(path, {"keys": [{"private_key": b64encode(token_bytes(KEY_BYTES)).decode()}]})
        return cls([_key(path, each) for each in _read(path).keys])

    def sign(self, name: str, text: str, now: int) -> Note:
        """Return a text under the signature of every key that is valid now; raises SigningKeysError when none is."""
        valid = [key for key in self.keys if key.validity.covers(now)]
        if not valid:
            raise SigningKeysError("no signing key is valid now")
        return Note(text, tuple(key.sign(name, text) for key in valid))


class _StoredKey(msgspec.Struct, forbid_unknown_fields=True):
    private_key: str
    valid_from: Time | None = None
    valid_until: Time | None = None


class _Stored(msgspec.Struct, forbid_unknown_fields=True):
    keys: list[_StoredKey]


_decode = msgspec.json.Decoder(_Stored).decode


def _key(path: Path, stored: _StoredKey) -> SigningKey:
    try:
        private = b64decode(stored.private_key, validate=True)
    except ValueError:
        private = b""
    if len(private) != KEY_BYTES:
        raise SigningKeysError(f"a private key in {path} is not {KEY_BYTES} bytes in base64")
    validity = Validity(_microseconds(stored.valid_from), _microseconds(stored.valid_until))
    if validity.begins is not None and validity.ends is not None and validity.ends <= validity.begins:
        raise SigningKeysError(f"a key in {path} ends before it begins")
    return SigningKey(private, validity)


def _microseconds(time: datetime | None) -> int | None:
    return None if time is None else int(time.timestamp()) * SECOND


def _read(path: Path) -> _Stored:
    try:
        return _decode(read_keys(path))
    except FileNotFoundError:
        raise SigningKeysError(f"there are no signing keys at {path}") from None
    except OpenToOthersError as error:
        raise SigningKeysError(f"{error}, and exchange its keys") from None
    except msgspec.DecodeError:
        raise SigningKeysError(f"{path} does not hold signing keys") from None
