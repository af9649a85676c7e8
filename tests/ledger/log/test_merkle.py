"""The tree as it grows."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.leaf import leaf_hash
from domain.leaves import leaf_hashes
from domain.ports import Row
from ledger.log.merkle import EMPTY_ROOT, Frontier
from tests.ledger.log.rows import row
from tests.ledger.log.trees import EMPTY, VECTORS, hash_of, naive_root, numbered

LEAF = "20a0563eb326a5498408d9233f1fd6c72ed6972ab22c6536975d0546602afd9a"
TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
ROWS = st.builds(
    Row,
    partition=st.integers(0, 2**15 - 1),
    position=st.integers(1, 2**63 - 1),
    originator_id=st.binary(min_size=16, max_size=16),
    originator_version=st.integers(0, 2**31 - 1),
    topic=TEXTS,
    state=st.binary(max_size=300),
    recorded_at=st.integers(0, 2**63 - 1),
    request_id=st.none() | st.binary(min_size=16, max_size=16),
    caller=TEXTS,
)


def test_published_roots() -> None:
    """The tree grows through the roots that the Certificate Transparency project publishes."""
    tree = Frontier()
    assert tree.root.hex() == EMPTY_ROOT.hex() == EMPTY
    for entry, root in VECTORS:
        tree = tree.grown([hash_of(entry)])
        assert tree.root.hex() == root


def test_every_size() -> None:
    """At every size from 0 to 200 the root is that of the definition, grown by one leaf or at once."""
    leaves = numbered(200)
    tree = Frontier()
    for size in range(201):
        expected = naive_root(leaves[:size])
        assert tree == Frontier().grown(leaves[:size])
        assert (tree.size, tree.root) == (size, expected)
        if size < 200:
            tree = tree.grown([leaves[size]])


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), max_size=12))
def test_grown_in_pieces(pieces: list[int]) -> None:
    """However the leaves arrive, the tree is the same."""
    leaves = numbered(sum(pieces))
    tree = Frontier()
    for piece in pieces:
        tree = tree.grown(leaves[tree.size : tree.size + piece])
    assert tree == Frontier().grown(leaves)
    assert tree.root == naive_root(leaves)
    assert Frontier.load(tree.size, tree.dump()) == tree


@pytest.mark.parametrize(("size", "stored"), [(-1, 32), (0, 32), (3, 32), (3, 63), (4, 64), (2**63, 31)])
def test_what_is_no_tree(size: int, stored: int) -> None:
    """What was stored is refused unless it has one hash for each bit of the size."""
    with pytest.raises(ValueError, match="leaves is not told by"):
        Frontier.load(size, bytes(stored))


@settings(deadline=None)
@given(st.lists(ROWS, max_size=40))
def test_leaves_together(rows: list[Row]) -> None:
    """Many rows hash to what each of them hashes to by itself."""
    assert leaf_hashes(rows) == [leaf_hash(each) for each in rows]


def test_a_leaf_is_written_down() -> None:
    """The layout of a leaf never changes: proofs hold such hashes for ever."""
    assert leaf_hashes([row(7, request=9)] * 20)[3].hex() == leaf_hash(row(7, request=9)).hex() == LEAF
