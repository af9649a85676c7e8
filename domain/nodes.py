"""The nodes of a Merkle tree (RFC 6962, section 2.1) above its leaves: a hash over two hashes after the byte 1."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

HASH_BYTES: Final = 32
NODE_PREFIX: Final = b"\x01"


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node with these two children."""
    return sha256(NODE_PREFIX + left + right).digest()


def parents(nodes: Sequence[bytes]) -> list[bytes]:
    """Return the hashes of the nodes above an even number of nodes, two by two."""
    each = iter(nodes)
    return [sha256(NODE_PREFIX + left + right).digest() for left, right in zip(each, each, strict=True)]
