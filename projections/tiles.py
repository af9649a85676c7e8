"""Tiles (C2SP tlog-tiles): the hashes of the partition's Merkle tree, 256 to a row, so that a proof reads a few rows.

Tile ``index`` of level 0 holds the leaf hashes of the events 256 × index + 1 and following; a hash on a higher level
is the root over a whole tile below it. The last tile of a level is partial, and the partial tile of any smaller tree
is the beginning of a row that stands here. The tree is made from the events anew, not from what the append stored:
the two must agree.
"""

from collections.abc import Sequence
from typing import Final

from domain.nodes import HASH_BYTES, parents
from projections.batch import Batch, Ledger
from projections.schema import tiles
from projections.store import Session, Writer

TILE_BITS: Final = 8
TILE_WIDTH: Final = 1 << TILE_BITS


class Tiles:
    """Keeps the tiles; the unfinished one of each level stays in memory."""

    def __init__(self) -> None:
        self._partial: dict[int, bytes] | None = None

    def apply(self, batch: Batch, writer: Writer, ledger: Ledger) -> None:
        """Add the batch's leaves, and whatever they complete above."""
        size = batch.first.position - 1
        if self._partial is None:
            self._partial = load_partial(writer, batch.partition, size)
        level, new = 0, batch.leaves
        changed = []
        while new:
            index, hashes = size >> TILE_BITS, self._partial.get(level, b"") + b"".join(new)
            whole = len(hashes) // (TILE_WIDTH * HASH_BYTES)
            cut = [hashes[each * TILE_WIDTH * HASH_BYTES :][: TILE_WIDTH * HASH_BYTES] for each in range(whole + 1)]
            changed += [(batch.partition, level, index + each, tile) for each, tile in enumerate(cut) if tile]
            self._partial[level] = cut[-1]
            new = _roots(cut[:-1])
            level, size = level + 1, index
        writer.upsert(tiles, changed)


def load_partial(session: Session, partition: int, size: int) -> dict[int, bytes]:
    """Return the unfinished tile of each level of a tree."""
    found: dict[int, bytes] = {}
    level = 0
    while size:
        index, width = divmod(size, TILE_WIDTH)
        found[level] = read_tile(session, partition, level, index)[: width * HASH_BYTES] if width else b""
        level, size = level + 1, index
    return found


def read_tile(session: Session, partition: int, level: int, index: int) -> bytes:
    """Return a tile's hashes as far as they are known, one after another."""
    sql = "SELECT hashes FROM tiles WHERE partition = ? AND level = ? AND tile = ?"
    found = session.one(sql, partition, level, index)
    return b"" if found is None else bytes(found[0])


def root_of(hashes: bytes) -> bytes:
    """Return the root over hashes that stand one after another, a power of two of them."""
    nodes = _hashes(hashes)
    while len(nodes) > 1:
        nodes = parents(nodes)
    return nodes[0]


def _roots(whole: Sequence[bytes]) -> list[bytes]:
    """Return the root over each of some whole tiles."""
    nodes = _hashes(b"".join(whole))
    while len(nodes) > len(whole):
        nodes = parents(nodes)
    return nodes


def _hashes(joined: bytes) -> list[bytes]:
    return [joined[start : start + HASH_BYTES] for start in range(0, len(joined), HASH_BYTES)]


class TileTree:
    """Answers for the perfect subtrees of a tree from its tiles, within one transaction."""

    def __init__(self, session: Session, partition: int) -> None:
        self._session = session
        self._partition = partition
        self._read: dict[tuple[int, int], bytes] = {}

    def perfect(self, level: int, index: int) -> bytes:
        """Return the root over the leaves ``index << level`` … ``(index + 1) << level`` exclusive.

        Raises KeyError when the tiles do not reach so far.
        """
        tile_level, above = divmod(level, TILE_BITS)
        first = index << above
        tile, offset = first >> TILE_BITS, first & (TILE_WIDTH - 1)
        hashes = self._tile(tile_level, tile)[offset * HASH_BYTES : (offset + (1 << above)) * HASH_BYTES]
        if len(hashes) != HASH_BYTES << above:
            raise KeyError(f"the tiles of partition {self._partition} do not hold node {index} of level {level}")
        return root_of(hashes)

    def tiles(self, size: int, level: int, first: int, count: int) -> list[bytes]:
        """Return up to ``count`` tiles of a level of the tree over the first ``size`` leaves, the last one partial.

        Raises KeyError when they do not reach so far.
        """
        hashes = size >> TILE_BITS * level
        found = []
        for index in range(first, min(first + count, -(-hashes // TILE_WIDTH))):
            wanted = min(TILE_WIDTH, hashes - index * TILE_WIDTH) * HASH_BYTES
            tile = read_tile(self._session, self._partition, level, index)[:wanted]
            if len(tile) != wanted:
                raise KeyError(f"the tiles of partition {self._partition} do not hold tile {index} of level {level}")
            found.append(tile)
        return found

    def _tile(self, level: int, index: int) -> bytes:
        key = level, index
        if key not in self._read:
            self._read[key] = read_tile(self._session, self._partition, level, index)
        return self._read[key]
