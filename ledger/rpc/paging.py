"""Page tokens: where the next page begins, bound to the question that it continues.

A token holds a cursor, and a keyed digest over it, the method and all arguments but page_size, page_token and
min_position. A damaged token and one of another question are refused alike. Tokens keep nothing secret: a cursor
holds what the caller was shown. A list whose pages must all reflect one position has it in its cursor.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from hashlib import blake2b
from hmac import compare_digest
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec
from google.protobuf.message import Message

from domain.refusals import Reason, Refused, invalid, refuse

DEFAULT_PAGE_SIZE: Final = 100
MAX_PAGE_SIZE: Final = 1_000
_DIGEST_BYTES: Final = 16
_NOT_BOUND: Final = ("page_size", "page_token", "min_position")

C = TypeVar("C")


class Page(NamedTuple, Generic[C]):
    """A page asked for; ``cursor`` is None on the first one."""

    size: int
    cursor: C | None


class Pager:
    """Makes and reads tokens. Servers of one ledger share the key, so that any of them continues a list."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def page(self, request: Any, kind: type[C]) -> Page[C]:
        """Return the page that a request asks for, whose cursors are of a kind; raises Refused."""
        size: int = request.page_size
        if size < 0:
            raise Refused(invalid("page_size", "NEGATIVE", "is negative"))
        return Page(min(size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE), self._cursor(request, kind))

    def token(self, request: Message, cursor: object) -> str:
        """Return the token of the page after ``cursor``; empty when there is none."""
        if cursor is None:
            return ""
        packed = msgspec.msgpack.encode(cursor)
        return urlsafe_b64encode(self._digest(request, packed) + packed).rstrip(b"=").decode()

    def _cursor(self, request: Any, kind: type[C]) -> C | None:
        text: str = request.page_token
        if not text:
            return None
        damaged = Refused(refuse(Reason.PAGE_TOKEN_INVALID))
        try:
            data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (NotBase64, ValueError):
            raise damaged from None
        digest, packed = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        if not compare_digest(digest, self._digest(request, packed)):
            raise damaged
        return msgspec.msgpack.decode(packed, type=kind)

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
