"""Proofs of RFC 6962 (sections 2.1.1 and 2.1.2), made from subtree hashes, and verified.

A proof is a list of hashes. An *inclusion* proof leads from a leaf to a root: this event is in that tree. A
*consistency* proof leads from a root to a later one: that tree is this one with events added and nothing changed.
Making them needs the roots of subtrees that lie whole between powers of two; ``Subtrees`` tells them, and those at the
right edge of a tree are put together here.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from ledger.log.merkle import EMPTY_ROOT, node_hash


class ProofError(ValueError):
    """A proof that does not prove what it is offered for."""


class Subtrees(Protocol):
    """Tells hashes of perfect subtrees."""

    def perfect(self, level: int, index: int) -> bytes:
        """Return the root over the leaves ``index << level`` … ``(index + 1) << level`` exclusive."""
        ...


def root_of(tree: Subtrees, size: int) -> bytes:
    """Return the root of the first ``size`` leaves."""
    return _subtree(tree, 0, size) if size else EMPTY_ROOT


def prove_inclusion(tree: Subtrees, index: int, size: int) -> list[bytes]:
    """Return the proof that the leaf at ``index``, counted from 0, is in the tree of ``size`` leaves."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    return list(reversed([_subtree(tree, *sibling) for sibling in _siblings(index, 0, size)]))


def prove_consistency(tree: Subtrees, old: int, new: int) -> list[bytes]:
    """Return the proof that the tree of ``old`` leaves is the beginning of the tree of ``new`` leaves."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {old} leaves is not the beginning of one of {new}")
    if old in (0, new):
        return []
    proof: list[bytes] = []
    start, end, whole = 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(_subtree(tree, middle, end))
            end = middle
        else:
            proof.append(_subtree(tree, start, middle))
            start, whole = middle, False
    if not whole:
        proof.append(_subtree(tree, start, end))
    proof.reverse()
    return proof


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raise ProofError unless the proof leads from the leaf hash at ``index`` to the root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of {size}")
    node, at, last = leaf, index, size - 1
    for sibling in proof:
        if not last:
            raise ProofError("the proof is too long")
        if at & 1 or at == last:
            node = node_hash(sibling, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofError("the proof is too short")
    if node != root:
        raise ProofError("the proof does not lead to the root")


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Raise ProofError unless the proof leads from the old root to the new one (RFC 9162, 2.1.4.2)."""
    if not 0 <= old <= new:
        raise ProofError(f"a tree of {old} leaves is not the beginning of one of {new}")
    if old in (0, new):
        if proof or (old_root if old == new else EMPTY_ROOT) != (new_root if old == new else old_root):
            raise ProofError("equal trees have equal roots, the empty tree has its own, and neither needs a proof")
        return
    hashes = [old_root, *proof] if not old & (old - 1) else list(proof)
    if not hashes:
        raise ProofError("the proof is too short")
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if not last:
            raise ProofError("the proof is too long")
        if at & 1 or at == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofError("the proof is too short")
    if first != old_root or second != new_root:
        raise ProofError("the proof does not lead from one root to the other")


def _siblings(index: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the subtree beside each node on the way from the root down to a leaf."""
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            yield middle, end
            end = middle
        else:
            yield start, middle
            start = middle


def _subtree(tree: Subtrees, start: int, end: int) -> bytes:
    """Return the root over a range that begins where a subtree of its size may begin."""
    width = end - start
    if not width & (width - 1):
        level = width.bit_length() - 1
        return tree.perfect(level, start >> level)
    middle = start + _split(width)
    return node_hash(_subtree(tree, start, middle), _subtree(tree, middle, end))


def _split(width: int) -> int:
    """Return the largest power of two below a width of two or more."""
    return 1 << (width - 1).bit_length() - 1
