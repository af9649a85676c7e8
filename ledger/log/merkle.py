"""The Merkle tree of RFC 6962 (section 2.1) as it grows: what an append needs to know of everything before it.

The *frontier* of a tree are the roots of the perfect subtrees that it consists of, from the largest to the smallest,
one for each bit that is set in its size: 20 hashes for a million leaves. They suffice to add leaves and to tell the
root, so that no old leaf is ever read again. What a leaf is stands in ``domain.leaf``, a node in ``domain.nodes``.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, NamedTuple, Self

from domain.nodes import HASH_BYTES, node_hash, parents

__all__ = ["EMPTY_ROOT", "HASH_BYTES", "Frontier", "heights", "node_hash", "subtrees"]

EMPTY_ROOT: Final = sha256().digest()


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
        if len(leaves) == 1:
            return self._with_one(leaves[0])
        return self.joined(len(leaves), subtrees(self.size, leaves))

    def joined(self, count: int, roots: Sequence[bytes]) -> "Frontier":
        """Return the tree with so many leaves after its own, given what ``subtrees`` makes of them."""
        edges, size = list(self.edges), self.size
        for height, node in zip(heights(self.size, count), roots, strict=True):
            above = size >> height
            while above & 1:
                node, above = node_hash(edges.pop(), node), above >> 1  # noqa: PLW2901
            edges.append(node)
            size += 1 << height
        return Frontier(size, tuple(edges), _root(edges))

    def _with_one(self, node: bytes) -> "Frontier":
        kept, level = len(self.edges), self.size
        while level & 1:
            kept, level = kept - 1, level >> 1
            node = node_hash(self.edges[kept], node)
        edges = (*self.edges[:kept], node)
        return Frontier(self.size + 1, edges, _root(edges))


def subtrees(size: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return the roots of the largest perfect subtrees that leaves make up which follow ``size`` others, in order."""
    nodes, level = list(leaves), size
    left: list[bytes] = []
    right: list[bytes] = []
    while nodes:
        if level & 1:
            left.append(nodes.pop(0))
            level += 1
        if len(nodes) & 1:
            right.append(nodes.pop())
        nodes = parents(nodes)
        level >>= 1
    return left + right[::-1]


def heights(size: int, count: int) -> list[int]:
    """Return the heights of the subtrees that ``subtrees`` tells for so many leaves which follow ``size`` others."""
    found: list[int] = []
    end = size + count
    while size < end:
        largest = (end - size).bit_length() - 1
        height = min(largest, (size & -size).bit_length() - 1) if size else largest
        found.append(height)
        size += 1 << height
    return found


def _root(edges: Sequence[bytes]) -> bytes:
    if not edges:
        return EMPTY_ROOT
    *others, root = edges
    for edge in reversed(others):
        root = node_hash(edge, root)
    return root
