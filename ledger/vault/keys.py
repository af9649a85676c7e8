"""Master keys: what wraps data keys, what keyed hashes are made with, and from what the keys of tokens follow.

``MasterKeys`` is a port: a key management service or an HSM takes the place of the file, and then no master key
ever enters this process. A master key is never deleted while anything is wrapped by it; the key of the hashes
never changes, because an index made with another would find nothing.
"""

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path
from secrets import token_bytes
from typing import Any, Final, NamedTuple, Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pyemv.tools import adjust_key_parity

from ledger.key_files import OpenToOthersError, read_keys, write_keys
from ledger.vault import cryptogram
from ledger.vault.errors import KeysRefused, VaultBroken

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
_DES_BYTES: Final = 16


class Wrapped(NamedTuple):
    """A data key encrypted by a master key, and which one."""

    master_key_id: str
    data: bytes


class MasterKeys(Protocol):
    """Wraps and unwraps data keys, and makes keyed hashes."""

    @property
    def current(self) -> str:
        """The id of the key that wraps from now on."""
        ...

    def wrap(self, data_key: bytes, bound_to: bytes) -> Wrapped:
        """Encrypt a data key with the current master key, bound to whatever it belongs to."""
        ...

    def unwrap(self, wrapped: Wrapped, bound_to: bytes) -> bytes:
        """Return the data key; raises VaultBroken for anything else than what was wrapped."""
        ...

    def hash(self, purpose: str, value: bytes) -> bytes:
        """Return HMAC-SHA-256 of a value, different for every purpose."""
        ...

    def token_key(self, master_key_id: str, number: str) -> bytes:
        """Return the key of one token (EMV 4.3 Book 2, A1.4.1) under this master key; raises VaultBroken."""
        ...


class HeldKeys:
    """Master keys in memory."""

    def __init__(self, keys: Mapping[str, bytes], current: str, hash_key: bytes) -> None:
        if current not in keys or any(len(key) != KEY_BYTES for key in (*keys.values(), hash_key)):
            raise KeysRefused("master keys are 32 bytes each, and the current one is among them")
        self._keys = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._of_tokens = {key_id: _of_tokens(key) for key_id, key in keys.items()}
        self._current = current
        self._hash_key = hash_key

    @property
    def current(self) -> str:
        return self._current

    def knows(self, key_id: str) -> bool:
        """Tell whether there is such a master key."""
        return key_id in self._keys

    def wrap(self, data_key: bytes, bound_to: bytes) -> Wrapped:
        nonce = token_bytes(NONCE_BYTES)
        associated = _associated(self._current, bound_to)
        return Wrapped(self._current, nonce + self._keys[self._current].encrypt(nonce, data_key, associated))

    def unwrap(self, wrapped: Wrapped, bound_to: bytes) -> bytes:
        key = self._keys.get(wrapped.master_key_id)
        if key is None:
            raise VaultBroken(f"there is no master key {wrapped.master_key_id!r}")
        nonce, data = wrapped.data[:NONCE_BYTES], wrapped.data[NONCE_BYTES:]
        try:
            return key.decrypt(nonce, data, _associated(wrapped.master_key_id, bound_to))
        except (InvalidTag, ValueError):
            raise VaultBroken("a data key is damaged, or belongs to something else") from None

    def hash(self, purpose: str, value: bytes) -> bytes:
        return hmac.digest(self._hash_key, purpose.encode() + b"\0" + value, "sha256")

    def token_key(self, master_key_id: str, number: str) -> bytes:
        master_key = self._of_tokens.get(master_key_id)
        if master_key is None:
            raise VaultBroken(f"there is no master key {master_key_id!r}")
        return cryptogram.token_key(master_key, number)


class FileKeys:
    """Master keys in a JSON file that nobody but its owner may read; a key added meanwhile is read when it is met."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held = _load(path)

    @classmethod
    def load(cls, path: Path, *, create: bool) -> Self:
        """Read the file; with ``create`` make it first if it is not there. Raises KeysRefused."""
        if create and not path.exists():
            write_keys(path, {"current": "1", "keys": {"1": _fresh()}, "hash_key": _fresh()})
        return cls(path)

    @property
    def current(self) -> str:
        return self._held.current

    def wrap(self, data_key: bytes, bound_to: bytes) -> Wrapped:
        return self._held.wrap(data_key, bound_to)

    def unwrap(self, wrapped: Wrapped, bound_to: bytes) -> bytes:
        if not self._held.knows(wrapped.master_key_id):
            self._held = _load(self._path)
        return self._held.unwrap(wrapped, bound_to)

    def hash(self, purpose: str, value: bytes) -> bytes:
        return self._held.hash(purpose, value)

    def token_key(self, master_key_id: str, number: str) -> bytes:
        if not self._held.knows(master_key_id):
            self._held = _load(self._path)
        return self._held.token_key(master_key_id, number)


def add_key(path: Path) -> str:
    """Add a fresh master key to the file and make it the current one; return its id.

    A server that meets it in the vault reads it from the file.
    """
    content = _read(path)
    key_id = str(max(int(known) for known in content["keys"]) + 1)
    content["keys"][key_id] = _fresh()
    content["current"] = key_id
    new = path.with_name(f"{path.name}.new")
    write_keys(new, content)
    new.replace(path)
    return key_id


def _load(path: Path) -> HeldKeys:
    content = _read(path)
    try:
        keys = {key_id: b64decode(key, validate=True) for key_id, key in content["keys"].items()}
        return HeldKeys(keys, content["current"], b64decode(content["hash_key"], validate=True))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise KeysRefused(f"{path} does not hold master keys") from error


def _fresh() -> str:
    return b64encode(token_bytes(KEY_BYTES)).decode()


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_keys(path))
    except FileNotFoundError:
        raise KeysRefused(f"there are no master keys at {path}") from None
    except OpenToOthersError as error:
        raise KeysRefused(f"{error}, and consider its keys known") from None
    except ValueError as error:
        raise KeysRefused(f"{path} does not hold master keys") from error
    if not isinstance(content, dict):
        raise KeysRefused(f"{path} does not hold master keys")
    return content


def _of_tokens(master_key: bytes) -> bytes:
    """Return the double-length DES key, as EMV has it, under which keys of tokens follow from a master key."""
    return adjust_key_parity(hmac.digest(master_key, b"master key of tokens", "sha256")[:_DES_BYTES])


def _associated(key_id: str, bound_to: bytes) -> bytes:
    return key_id.encode() + b"\0" + bound_to
