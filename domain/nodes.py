"""The nodes of a Merkle tree (RFC 6962, section 2.1) above its leaves: a hash over two hashes after the byte 1."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import numpy as np

HASH_BYTES: Final = 32
NODE_PREFIX: Final = b"\x01"

_MANY: Final = 64
"""Nodes from which laying the pairs out together costs less than one by one."""


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node with these two children."""
    return sha256(NODE_PREFIX + left + right).digest()


def parents(nodes: Sequence[bytes]) -> list[bytes]:
    """Return the hashes of the nodes above an even number of nodes, two by two."""
    if len(nodes) < _MANY:
        each = iter(nodes)
        return [sha256(NODE_PREFIX + left + right).digest() for left, right in zip(each, each, strict=True)]
    pairs = np.empty((len(nodes) // 2, 1 + 2 * HASH_BYTES), np.uint8)
    pairs[:, 0] = NODE_PREFIX[0]
    pairs[:, 1:] = np.frombuffer(b"".join(nodes), np.uint8).reshape(-1, 2 * HASH_BYTES)
    return [sha256(pair).digest() for pair in pairs.view(f"V{pairs.shape[1]}").ravel().tolist()]
