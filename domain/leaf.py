"""The leaf hash: what one event is, in 32 bytes.

Every field is preceded by its length, so that no two different rows have the same layout, and the whole by a
zero byte, as RFC 6962 asks of leaves. The layout is frozen: proofs and projections hold such hashes for ever.
"""

from hashlib import sha256
from struct import Struct
from typing import Final

from domain.ports import Row

LEAF_PREFIX: Final = b"\x00"

_FIXED = Struct(">I H I Q I 16s I I I Q")
_LENGTH = Struct(">I")


def leaf_layout(row: Row) -> bytes:
    """Return the row as it is hashed.

    Big-endian, each value after its length in four bytes: partition (2), position (8), originator id (16),
    version (4), recorded time (8), then topic, state, request id (nothing when there is none) and caller.
    """
    partition, position, originator_id, version, topic, state, recorded_at, request_id, caller = row
    what, who, request, length = topic.encode(), caller.encode(), request_id or b"", _LENGTH.pack
    return b"".join(
        (
            _FIXED.pack(2, partition, 8, position, 16, originator_id, 4, version, 8, recorded_at),
            length(len(what)),
            what,
            length(len(state)),
            state,
            length(len(request)),
            request,
            length(len(who)),
            who,
        )
    )


def leaf_hash(row: Row) -> bytes:
    """Return the SHA-256 of the row's layout after a zero byte."""
    return sha256(LEAF_PREFIX + leaf_layout(row)).digest()
