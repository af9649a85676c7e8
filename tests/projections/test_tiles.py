"""Tiles: the tree of the log, made again by the projections."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.leaf import leaf_hash
from domain.ports import Row
from ledger.audit.signing.proofs import prove_consistency, prove_inclusion, root_of
from ledger.log.codec import decode
from projections import schema, tiles
from projections.answers import PositionInFutureError
from projections.batch import Batch, Ledger
from projections.check import check
from projections.store import Values
from projections.tiles import Tiles, TileTree
from tests.ledger.log.trees import naive_consistency, naive_inclusion, naive_root
from tests.projections.test_runner import some_history
from tests.projections.world import World


class Table:
    """The table of tiles, in memory."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int, int], bytes] = {}

    def one(self, sql: str, *key: int) -> Values | None:
        found = self.rows.get(key)  # type: ignore[arg-type]
        return None if found is None else (found,)

    def upsert(self, table: object, rows: list[tuple[int, int, int, bytes]]) -> None:
        for *key, hashes in rows:
            self.rows[tuple(key)] = hashes  # type: ignore[index]


def row(position: int) -> Row:
    return Row(0, position, position.to_bytes(16, "big"), 1, "t", b"{}", position, None, "c")


def batch(first: int, last: int) -> Batch:
    return Batch([row(position) for position in range(first, last + 1)], lambda _topic, _state: None)  # type: ignore[arg-type, return-value]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=12))
def test_batches_and_restarts(pieces: list[tuple[int, bool]]) -> None:
    """However the events are cut into batches, and whenever the runner begins anew, the tiles are the tree's."""
    table, projection, size = Table(), Tiles(), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "TILE_BITS", 2)
        patch.setattr(tiles, "TILE_WIDTH", 4)
        for count, again in pieces:
            projection = Tiles() if again else projection
            projection.apply(batch(size + 1, size + count), table, Ledger(0))  # type: ignore[arg-type]
            size += count
        leaves = [leaf_hash(row(position)) for position in range(1, size + 1)]
        tree = TileTree(table, 0)  # type: ignore[arg-type]
        for each in range(1, size + 1, 5):
            assert root_of(tree, each) == naive_root(leaves[:each])
            assert prove_inclusion(tree, each - 1, size) == naive_inclusion(each - 1, leaves)
            assert prove_consistency(tree, each, size) == naive_consistency(each, leaves)
        with pytest.raises(KeyError, match="do not hold"):
            tree.perfect(0, size)


def test_the_tree_of_the_log(world: World) -> None:
    """The tiles lead to the root that the appends have stored."""
    some_history(world)
    world.project()
    tree = world.log.tree(0)
    assert tree.size == world.log.head(0)
    found = world.reader.over_tiles(0, tree.size, lambda tiles: root_of(tiles, tree.size))
    assert found.result == tree.root
    assert found.positions == {0: tree.size}
    with pytest.raises(PositionInFutureError):
        world.reader.over_tiles(0, tree.size + 1, lambda _: None)


def test_a_damaged_tile_is_found(world: World) -> None:
    """The check of the projections names a tile that is not what the log makes."""
    some_history(world)
    world.project()
    copy = world.store.live()
    assert copy is not None
    with copy.write() as writer:
        writer.upsert(schema.tiles, [(0, 0, 0, b"\0" * 32)])
    copy.close()
    assert [each.table for each in check(world.log, world.store, decode)] == ["tiles"]
