"""What the projections say of a history as a whole: the hashes of its events, and what every account has."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from ledger.audit.source import AccountFigures
from projections.schema import CURRENT
from projections.store import Session, Store
from projections.tiles import HASH_BYTES, TILE_BITS, TILE_WIDTH

_TILES_AT_A_TIME: Final = 16
_ACCOUNTS_AT_A_TIME: Final = 5_000
_TILES: Final = (
    "SELECT tile, hashes FROM tiles WHERE partition = ? AND level = 0 AND tile >= ? AND tile < ? ORDER BY tile"
)
_FIGURES: Final = (
    "SELECT a.account_id, a.participant, a.kind, a.currency, coalesce(b.posted, 0),"
    " coalesce(b.held, 0) - coalesce((SELECT CAST(sum(h.remaining) AS bigint) FROM holds h WHERE h.partition ="
    " a.partition AND h.account_id = a.account_id AND h.until = ? AND h.expires_at <= ?), 0),"
    " a.overdraft_limit, a.minimum_balance FROM accounts a"
    " LEFT JOIN balances b ON b.partition = a.partition AND b.account_id = a.account_id"
    " WHERE a.partition = ? AND a.account_id > ? ORDER BY a.account_id LIMIT ?"
)


class Figures(NamedTuple):
    """What every account has right after a position, without the holds that had lapsed by its time."""

    position: int
    accounts: list[AccountFigures]


def tile_hashes(store: Store, partition: int, after: int, upto: int) -> Iterator[bytes]:
    """Yield the hashes of the events behind a position, as the tiles hold them, up to another one.

    Ends where a tile is missing or ends early: what comes then belongs to nobody.
    """
    while after < upto:
        first, skipped = divmod(after, TILE_WIDTH)
        last = min((upto - 1 >> TILE_BITS) + 1, first + _TILES_AT_A_TIME)

        def ask(session: Session, first: int = first, last: int = last) -> dict[int, bytes]:
            return {tile: bytes(hashes) for tile, hashes in session.all(_TILES, partition, first, last)}

        tiles = store.snapshot(ask)
        for index in range(first, last):
            hashes = tiles.get(index, b"")[skipped * HASH_BYTES : (upto - index * TILE_WIDTH) * HASH_BYTES]
            wanted = min(TILE_WIDTH, upto - index * TILE_WIDTH) - skipped
            yield hashes[: wanted * HASH_BYTES]
            if len(hashes) < wanted * HASH_BYTES:
                return
            skipped = 0
        after = last * TILE_WIDTH


def current_figures(store: Store, partition: int) -> Figures:
    """Return what the tables say that every account has, all of one state."""

    def ask(session: Session) -> Figures:
        tracked = session.one("SELECT position, recorded_at FROM tracking WHERE partition = ?", partition)
        position, recorded_at = tracked or (0, 0)
        found: list[AccountFigures] = []
        while True:
            after = found[-1].account_id if found else 0
            page = session.all(_FIGURES, CURRENT, recorded_at, partition, after, _ACCOUNTS_AT_A_TIME)
            found += [AccountFigures(*row) for row in page]
            if len(page) < _ACCOUNTS_AT_A_TIME:
                return Figures(position, found)

    return store.snapshot(ask)
