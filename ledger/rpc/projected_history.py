"""What the projections say of a history as a whole: the hashes of its events, and what every account has."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from domain.nodes import HASH_BYTES
from ledger.audit.source import AccountFigures
from projections import answers
from projections.figures import figures_at
from projections.store import Session, Store
from projections.tiles import TILE_BITS, TILE_WIDTH

_TILES_AT_A_TIME: Final = 16
_ACCOUNTS_AT_A_TIME: Final = 5_000
_TILES: Final = (
    "SELECT tile, hashes FROM tiles WHERE partition = ? AND level = 0 AND tile >= ? AND tile < ? ORDER BY tile"
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
        tracked = session.one("SELECT position FROM tracking WHERE partition = ?", partition)
        position = tracked[0] if tracked else 0
        found: list[AccountFigures] = []
        while True:
            after = found[-1].account_id if found else 0
            page = figures_at(session, partition, position, tracked=position, after=after, limit=_ACCOUNTS_AT_A_TIME)
            found += [_told(each) for each in page]
            if len(page) < _ACCOUNTS_AT_A_TIME:
                return Figures(position, found)

    return store.snapshot(ask)


def _told(figures: answers.Figures) -> AccountFigures:
    return AccountFigures(
        figures.account_id,
        figures.participant,
        figures.kind.value,
        figures.currency,
        figures.posted,
        figures.held,
        figures.overdraft_limit,
        figures.minimum_balance,
    )
