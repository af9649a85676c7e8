"""Proofs of inclusion and consistency."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.audit.signing.proofs import (
    ProofError,
    prove_consistency,
    prove_inclusion,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from tests.ledger.audit.checker import check_consistency, check_inclusion
from tests.ledger.log.trees import (
    EMPTY,
    VECTORS,
    hash_of,
    naive_consistency,
    naive_inclusion,
    naive_root,
    numbered,
)

SIZES = 200
LEAVES = numbered(SIZES)

A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
F = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
G = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
H = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
I = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"  # noqa: E741 - one letter a hash


class Leaves:
    """The subtrees of a list of leaf hashes."""

    def __init__(self, leaves: list[bytes]) -> None:
        self._leaves = leaves

    def perfect(self, level: int, index: int) -> bytes:
        found = self._leaves[index << level : (index + 1) << level]
        assert len(found) == 1 << level
        return naive_root(found)


PUBLISHED = Leaves([hash_of(entry) for entry, _ in VECTORS])
TREE = Leaves(LEAVES)


@pytest.mark.parametrize(
    ("index", "size", "expected"), [(0, 1, ()), (0, 8, (A, B, C)), (5, 8, (D, E, F)), (2, 3, (G,)), (1, 5, (H, B, D))]
)
def test_published_inclusion(index: int, size: int, expected: tuple[str, ...]) -> None:
    """Inclusion proofs are those that the Certificate Transparency project publishes."""
    assert [each.hex() for each in prove_inclusion(PUBLISHED, index, size)] == list(expected)


@pytest.mark.parametrize(("old", "new", "expected"), [(1, 1, ()), (1, 8, (A, B, C)), (6, 8, (I, E, F)), (2, 5, (B, D))])
def test_published_consistency(old: int, new: int, expected: tuple[str, ...]) -> None:
    """Consistency proofs are those that the Certificate Transparency project publishes."""
    assert [each.hex() for each in prove_consistency(PUBLISHED, old, new)] == list(expected)


@pytest.mark.parametrize("first", range(1, SIZES, 20))
def test_every_inclusion(first: int) -> None:
    """In every tree up to 200 leaves every leaf is proved as the definition says, and pymerkle agrees."""
    for size in range(first, first + 20):
        root = naive_root(LEAVES[:size])
        assert root_of(TREE, size) == root
        for index in range(0, size, 1 if size < 40 else 7):
            proof = prove_inclusion(TREE, index, size)
            assert proof == naive_inclusion(index, LEAVES[:size])
            verify_inclusion(LEAVES[index], index, size, proof, root)
            check_inclusion(LEAVES[index], index, size, proof, root)


@pytest.mark.parametrize("first", range(1, SIZES, 20))
def test_every_consistency(first: int) -> None:
    """Between all trees up to 200 leaves the proof is the definition's, and pymerkle finds both roots in it."""
    for new in range(first, first + 20):
        root = naive_root(LEAVES[:new])
        for old in range(1, new + 1, 1 if new < 40 else 7):
            proof = prove_consistency(TREE, old, new)
            old_root = naive_root(LEAVES[:old])
            assert proof == naive_consistency(old, LEAVES[:new])
            verify_consistency(old, old_root, new, root, proof)
            if old < new:
                check_consistency(old, old_root, new, root, proof)


def test_the_empty_tree() -> None:
    """The empty tree is the beginning of every tree, and has its own root."""
    assert root_of(TREE, 0).hex() == EMPTY
    verify_consistency(0, bytes.fromhex(EMPTY), 5, naive_root(LEAVES[:5]), prove_consistency(TREE, 0, 5))
    with pytest.raises(ProofError):
        verify_consistency(0, LEAVES[0], 5, naive_root(LEAVES[:5]), [])


@pytest.mark.parametrize("ask", [lambda: prove_inclusion(TREE, 3, 3), lambda: prove_inclusion(TREE, -1, 3)])
def test_no_such_leaf(ask: Callable[[], object]) -> None:
    """Nothing is proved of a leaf outside the tree."""
    with pytest.raises(ValueError, match="there is no leaf"):
        ask()


def test_no_such_beginning() -> None:
    """A larger tree is not the beginning of a smaller one."""
    with pytest.raises(ValueError, match="is not the beginning"):
        prove_consistency(TREE, 4, 3)


def damaged(proof: list[bytes], how: int, where: int) -> list[bytes]:
    """Return a proof with a bit turned, a hash taken away, or one added."""
    at = where % len(proof) if proof else 0
    match how % 3 if proof else 2:
        case 0:
            turned = bytes([proof[at][0] ^ 1]) + proof[at][1:]
            return [*proof[:at], turned, *proof[at + 1 :]]
        case 1:
            return [*proof[:at], *proof[at + 1 :]]
        case _:
            return [*proof[:at], LEAVES[where % SIZES], *proof[at:]]


@settings(deadline=None)
@given(st.integers(1, SIZES), st.data())
def test_a_damaged_inclusion_proves_nothing(size: int, data: st.DataObject) -> None:
    """A proof with anything changed is refused, and so is a whole one for another leaf, place or root."""
    index = data.draw(st.integers(0, size - 1))
    root = naive_root(LEAVES[:size])
    proof = prove_inclusion(TREE, index, size)
    verify_inclusion(LEAVES[index], index, size, proof, root)
    wrong = damaged(proof, data.draw(st.integers(0, 2)), data.draw(st.integers(0, 500)))
    for leaf, proved, target in (
        (LEAVES[index], wrong, root),
        (hash_of(b"another"), proof, root),
        (LEAVES[index], proof, hash_of(b"another")),
    ):
        with pytest.raises(ProofError):
            verify_inclusion(leaf, index, size, proved, target)
    if size > 1:
        with pytest.raises(ProofError):
            verify_inclusion(LEAVES[index], index ^ 1, size, proof, root)


@settings(deadline=None)
@given(st.integers(2, SIZES), st.data())
def test_a_damaged_consistency_proves_nothing(new: int, data: st.DataObject) -> None:
    """A proof with anything changed is refused, and so is a whole one between other roots."""
    old = data.draw(st.integers(1, new - 1))
    roots = naive_root(LEAVES[:old]), naive_root(LEAVES[:new])
    proof = prove_consistency(TREE, old, new)
    verify_consistency(old, roots[0], new, roots[1], proof)
    wrong = damaged(proof, data.draw(st.integers(0, 2)), data.draw(st.integers(0, 500)))
    other = hash_of(b"another")
    for (old_root, new_root), proved in ((roots, wrong), ((other, roots[1]), proof), ((roots[0], other), proof)):
        with pytest.raises(ProofError):
            verify_consistency(old, old_root, new, new_root, proved)


@pytest.mark.parametrize(("index", "size"), [(3, 3), (-1, 3), (0, 0)])
def test_a_proof_of_no_leaf_is_refused(index: int, size: int) -> None:
    """A proof of a leaf outside the tree proves nothing."""
    with pytest.raises(ProofError, match="there is no leaf"):
        verify_inclusion(LEAVES[0], index, size, [], LEAVES[0])


@pytest.mark.parametrize(("old", "new"), [(2, 1), (-1, 1)])
def test_a_proof_of_no_beginning_is_refused(old: int, new: int) -> None:
    """A proof from a larger tree to a smaller one proves nothing."""
    with pytest.raises(ProofError, match="is not the beginning"):
        verify_consistency(old, LEAVES[0], new, LEAVES[0], [])
