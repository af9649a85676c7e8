"""The Merkle tree of RFC 6962 (section 2.1) as it grows: what an append needs to know of everything before it.

The *frontier* of a tree are the roots of the perfect subtrees that it consists of, from the largest to the smallest,
one for each bit that is set in its size: 20 hashes for a million leaves. They suffice to add leaves and to tell the
root, so that no old leaf is ever read again. What a leaf is stands in ``domain.leaf``.
"""

from collections.abc import Sequence
from hashlib import sha256
from struct import Struct
from typing import Final, NamedTuple, Self

import numpy as np

from domain.leaf import LEAF_PREFIX, leaf_hash
from domain.ports import Row

HASH_BYTES: Final = 32
NODE_PREFIX: Final = b"\x01"
EMPTY_ROOT: Final = sha256().digest()

_LENGTH = Struct(">I")
_MANY = 16
"""Rows from which laying them out together costs less than one by one."""
# How ``domain.leaf`` lays the numbers of a row out, behind the prefix of a leaf.
_HEAD = np.dtype(
    [
        ("prefix", "u1"),
        ("partition_length", ">u4"),
        ("partition", ">u2"),
        ("position_length", ">u4"),
        ("position", ">u8"),
        ("originator_length", ">u4"),
        ("originator_id", "V16"),
        ("version_length", ">u4"),
        ("version", ">u4"),
        ("recorded_at_length", ">u4"),
        ("recorded_at", ">u8"),
    ]
)


class Frontier(NamedTuple):
    """A tree of ``size`` leaves, its edges and the root that they lead to."""

    size: int = 0
    edges: tuple[bytes, ...] = ()
    root: bytes = EMPTY_ROOT

    @classmethod
    def load(cls, size: int, edges: bytes) -> Self:
        """Return the tree that was stored as a size and its edges, one after another; raises ValueError."""
        if size < 0 or len(edges) != HASH_BYTES * size.bit_count():
            raise ValueError(f"a tree of {size} leaves is not told by {len(edges)} bytes")
        cut = tuple(edges[start : start + HASH_BYTES] for start in range(0, len(edges), HASH_BYTES))
        return cls(size, cut, _root(cut))

    def dump(self) -> bytes:
        """Return the edges, one after another."""
        return b"".join(self.edges)

    def grown(self, leaves: Sequence[bytes]) -> "Frontier":
        """Return the tree with these leaf hashes after its own."""
        old = list(self.edges)
        size, nodes = self.size, list(leaves)
        added: list[bytes] = []
        while nodes:
            if size & 1:
                nodes.insert(0, old.pop())
            if len(nodes) & 1:
                added.append(nodes.pop())
            nodes = parents(nodes)
            size >>= 1
        edges = (*old, *reversed(added))
        return Frontier(self.size + len(leaves), edges, _root(edges))


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node with these two children."""
    return sha256(NODE_PREFIX + left + right).digest()


def parents(nodes: Sequence[bytes]) -> list[bytes]:
    """Return the hashes of the nodes above an even number of nodes, two by two."""
    each = iter(nodes)
    return [sha256(NODE_PREFIX + left + right).digest() for left, right in zip(each, each, strict=True)]


def leaf_hashes(rows: Sequence[Row]) -> list[bytes]:
    """Return the leaf hash of each row: what ``domain.leaf.leaf_hash`` says of one, with less work for many."""
    if len(rows) < _MANY:
        return [leaf_hash(row) for row in rows]
    partitions, positions, originators, versions, topics, states, times, requests, callers = zip(*rows, strict=True)
    table = np.zeros(len(rows), _HEAD)
    table["prefix"] = LEAF_PREFIX[0]
    table["partition_length"], table["partition"] = 2, np.array(partitions)
    table["position_length"], table["position"] = 8, np.array(positions)
    table["originator_length"], table["originator_id"] = 16, np.frombuffer(b"".join(originators), "V16")
    table["version_length"], table["version"] = 4, np.array(versions)
    table["recorded_at_length"], table["recorded_at"] = 8, np.array(times)
    heads: list[bytes] = table.view(f"V{_HEAD.itemsize}").tolist()
    lengths: list[bytes] = np.fromiter(map(len, states), ">u4", len(rows)).view("V4").tolist()
    told = {text: _told(text.encode()) for text in {*topics, *callers}}
    nobody = _told(b"")
    joined = b"".join
    return [
        sha256(joined((head, told[topic], length, state, _told(request) if request else nobody, told[caller]))).digest()
        for head, topic, length, state, request, caller in zip(
            heads, topics, lengths, states, requests, callers, strict=True
        )
    ]


def _root(edges: Sequence[bytes]) -> bytes:
    if not edges:
        return EMPTY_ROOT
    *others, root = edges
    for edge in reversed(others):
        root = node_hash(edge, root)
    return root


def _told(value: bytes) -> bytes:
    return _LENGTH.pack(len(value)) + value
