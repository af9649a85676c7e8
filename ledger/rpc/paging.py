"""Page tokens: where the next page begins, bound to the question that it continues.

A token holds a cursor and the position that the first page reflected, and a keyed digest over both, the method
and all arguments but page_size, page_token and min_position. A damaged token and one of another question are
refused alike. Tokens keep nothing secret: a cursor holds what the caller was shown.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from hashlib import blake2b
from hmac import compare_digest
from typing import Any, Final, NamedTuple

import msgspec
from google.protobuf.message import Message

from domain.refusals import Reason, Refused, invalid, refuse

DEFAULT_PAGE_SIZE: Final = 100
MAX_PAGE_SIZE: Final = 1_000
_DIGEST_BYTES: Final = 16
_NOT_BOUND: Final = ("page_size", "page_token", "min_position")


class Page(NamedTuple):
    """A page asked for. ``cursor`` and ``position`` are None and 0 on the first one."""

    size: int
    cursor: Any
    position: int


class _Place(msgspec.Struct, array_like=True):
    cursor: Any
    position: int


class Pager:
    """Makes and reads tokens. Servers of one ledger share the key, so that any of them continues a list."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def page(self, request: Any) -> Page:
        """Return the page that a request asks for; raises Refused."""
        size: int = request.page_size
        if size < 0:
            raise Refused(invalid("page_size", "NEGATIVE", "is negative"))
        size = min(size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
        if not request.page_token:
            return Page(size, None, 0)
        place = self._read(request)
        return Page(size, place.cursor, place.position)

    def token(self, request: Message, cursor: Any, position: int) -> str:
        """Return the token of the page after ``cursor``; empty when there is none."""
        if cursor is None:
            return ""
        packed = msgspec.msgpack.encode(_Place(cursor, position))
        return urlsafe_b64encode(self._digest(request, packed) + packed).rstrip(b"=").decode()

    def _read(self, request: Any) -> _Place:
        damaged = Refused(refuse(Reason.PAGE_TOKEN_INVALID))
        text: str = request.page_token
        try:
            data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (NotBase64, ValueError):
            raise damaged from None
        digest, packed = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        if not compare_digest(digest, self._digest(request, packed)):
            raise damaged
        return msgspec.msgpack.decode(packed, type=_Place)

    def _digest(self, request: Message, packed: bytes) -> bytes:
        question = type(request)()
        question.CopyFrom(request)
        for name in _NOT_BOUND:
            if name in question.DESCRIPTOR.fields_by_name:
                question.ClearField(name)
        digest = blake2b(key=self._key, digest_size=_DIGEST_BYTES)
        for part in (question.DESCRIPTOR.full_name.encode(), question.SerializeToString(deterministic=True)):
            digest.update(len(part).to_bytes(4, "big") + part)
        digest.update(packed)
        return digest.digest()
