"""Whom a forwarded call is from: said by the server that the caller called, and sealed with a key that servers share.

The seal is an HMAC-SHA256 over the method, the request's digest and all that is said: who calls, in which role, for
which participant and customer, which server forwards it to which, and when. Without one of the keys nobody makes one;
one that was seen fits no other method, request or server, and is believed once. Whatever is wrong, the answer is
UNAUTHENTICATED; the log says what.

The keys stand in a file, one a line. The first one seals, all of them are believed: so they are exchanged while servers
run, a new one added below the others everywhere before it is moved to the top. In development, where whoever is on this
machine is believed anyway, a key that everybody knows does.
"""

import hmac
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes
from time import time
from typing import Final

import msgspec
import structlog

from domain.refusals import Reason, Refused, refuse
from ledger.key_files import OpenToOthersError, read_keys
from ledger.rpc.callers import Caller, Role
from ledger.rpc.watched import Watched

SEAL_KEY: Final = "esep-forwarded-bin"
"""The metadata in which a forwarded call says whom it is from."""
LEEWAY_SECONDS: Final = 30
"""For how long a seal counts, and how far the clocks of two servers may be apart."""
LEAST_KEY: Final = 32
"""Characters of a key."""
MAX_SEAL: Final = 1_024
_DEVELOPMENT: Final = (b"development",)
_CONTEXT: Final = b"esep forwarded call 1\0"
_MAC_BYTES: Final = 32
_NONCE_BYTES: Final = 16

log = structlog.get_logger("esep.rpc")


class Forwarded(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a server says of a call that it forwards."""

    caller: str
    role: Role
    participant: str
    customer: bytes | None
    sender: str
    """The address of the server that forwards."""
    receiver: str
    """The address of the server that it is forwarded to."""
    at: int
    """When, in seconds since the Unix epoch."""
    nonce: bytes
    """What no other seal has."""

    @property
    def who(self) -> Caller:
        """Who calls."""
        return Caller(self.caller, self.role, self.participant, self.customer)


_decode = msgspec.msgpack.Decoder(Forwarded).decode


class _Distrusted(Exception):
    """A seal is not believed; the text is for the log, and holds nothing of it."""


class Seals:
    """Seals and opens what servers say of the calls that they forward to each other. For one thread."""

    def __init__(
        self, keys: Callable[[], tuple[bytes, ...]], *, development: bool = False, clock: Callable[[], float] = time
    ) -> None:
        self._keys = keys
        self._development = development
        self._clock = clock
        self._seen: set[bytes] = set()
        self._seen_before: set[bytes] = set()
        self._turn_at = 0.0

    @classmethod
    def of(cls, keys_file: Path | None) -> "Seals":
        """Return those of a file of keys, or of development without one; raises OSError or ValueError."""
        if keys_file is None:
            return cls(lambda: _DEVELOPMENT, development=True)
        return cls(Watched((keys_file,), lambda: read_forwarding_keys(keys_file)).current)

    def seal(self, who: Caller, sender: str, receiver: str, method: str, request: bytes) -> bytes:
        """Return who makes a call, sealed, for the server that it is forwarded to."""
        at, nonce = int(self._clock()), token_bytes(_NONCE_BYTES)
        said = Forwarded(who.name, who.role, who.participant, who.customer, sender, receiver, at, nonce)
        payload = msgspec.msgpack.encode(said)
        return _mac(self._keys()[0], method, sha256(request).digest(), payload) + payload

    def open(self, sealed: object, method: str, digest: bytes, receiver: str) -> Forwarded:
        """Return what is said of a call to this server; raises Refused for what none of ours has said."""
        try:
            return self._opened(sealed, method, digest, receiver)
        except _Distrusted as distrusted:
            log.warning("forwarded.refused", method=method, problem=str(distrusted))
            raise Refused(refuse(Reason.UNAUTHENTICATED)) from None

    def _opened(self, sealed: object, method: str, digest: bytes, receiver: str) -> Forwarded:
        if not isinstance(sealed, bytes) or not _MAC_BYTES < len(sealed) <= MAX_SEAL:
            raise _Distrusted("not a seal")
        mac, payload = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(key, method, digest, payload)) for key in self._keys()):
            raise _Distrusted("sealed by none of our servers, or for another call")
        try:
            said = _decode(payload)
        except msgspec.MsgspecError:
            raise _Distrusted("says what is not understood") from None
        if said.receiver != receiver:
            raise _Distrusted("meant for another server")
        if abs(self._clock() - said.at) > LEEWAY_SECONDS:
            raise _Distrusted("too old, or from the future")
        if said.role is Role.DEVELOPER and not self._development:
            raise _Distrusted("a role of development")
        if not self._first_time(mac):
            raise _Distrusted("seen before")
        return said

    def _first_time(self, mac: bytes) -> bool:
        """Tell whether a seal was never seen; it is remembered for as long as it might be believed, or longer."""
        now = self._clock()
        if now >= self._turn_at:
            self._seen, self._seen_before, self._turn_at = set(), self._seen, now + 2 * LEEWAY_SECONDS
        if mac in self._seen or mac in self._seen_before:
            return False
        self._seen.add(mac)
        return True


def read_forwarding_keys(file: Path) -> tuple[bytes, ...]:
    """Read the keys; raises OSError, or ValueError saying what is wrong without a word of them."""
    try:
        keys = tuple(line.strip() for line in read_keys(file).splitlines() if line.strip())
    except OpenToOthersError as error:
        raise ValueError(str(error)) from None
    if not keys:
        raise ValueError(f"{file} holds no key")
    if any(len(key) < LEAST_KEY for key in keys):
        raise ValueError(f"{file} holds a key of fewer than {LEAST_KEY} characters")
    return keys


def _mac(key: bytes, method: str, digest: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, _CONTEXT + method.encode() + b"\0" + digest + payload, "sha256")
