"""Reading a log in order, whole or in part, in pieces that are bounded by what they look at.

A filter that keeps next to nothing must not make one question read a whole history: a piece ends after so many events
that were looked at, wanted or not, and says how far it came. Blocking: called in a thread.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from domain.ports import LogReader, Row
from ledger.audit.selection import Selection
from ledger.log.api import Log
from ledger.log.errors import LogBroken
from ledger.log.tables import Table

MOST_LOOKED_AT: Final = 20_000
"""Events that one piece looks at."""
MOST_BYTES: Final = 32 << 20
"""Bytes of wanted events after which a piece ends: each of them may be a bulk."""
_AT_A_TIME: Final = 2_000


class Piece(NamedTuple):
    """Wanted events, and the position up to which none was left out."""

    rows: list[Row]
    reached: int


class TablePiece(NamedTuple):
    """A piece whose events are a table."""

    events: Table
    reached: int


class EventReader:
    """Reads one partition of a log."""

    def __init__(self, log: LogReader, partition: int) -> None:
        self._log = log
        self.partition = partition

    def piece(self, wanted: Selection, after: int, upto: int, limit: int) -> Piece:
        """Return up to ``limit`` wanted events behind ``after`` and not behind ``upto``."""
        if wanted.aggregate is not None:
            return self._of_aggregate(wanted, wanted.aggregate, after, upto, limit)
        end = min(upto, after + MOST_LOOKED_AT)
        if wanted.everything:
            rows = self._log.read(self.partition, after, min(limit, max(end - after, 0)))
            return Piece(rows, rows[-1].position if rows else max(after, end))
        found: list[Row] = []
        room = MOST_BYTES
        for row in self._rows(after, end):
            if wanted.keeps(row):
                found.append(row)
                room -= len(row.state)
                if len(found) == limit or room <= 0:
                    return Piece(found, row.position)
        return Piece(found, max(after, end))

    def position_before(self, time: int) -> int:
        """Return the last position that was recorded before a time, 0 when there is none."""
        low, high = 0, self._log.head(self.partition)
        while low < high:
            middle = (low + high + 1) // 2
            (row,) = self._log.read(self.partition, middle - 1, 1)
            if row.recorded_at < time:
                low = middle
            else:
                high = middle - 1
        return low

    def _rows(self, after: int, upto: int) -> Iterator[Row]:
        while after < upto:
            rows = self._log.read(self.partition, after, min(_AT_A_TIME, upto - after))
            if not rows:
                return
            yield from rows
            after = rows[-1].position

    def _of_aggregate(self, wanted: Selection, aggregate: bytes, after: int, upto: int, limit: int) -> Piece:
        rows = self._log.aggregate(self.partition, aggregate)
        found = [row for row in rows if after < row.position <= upto and wanted.keeps(row)]
        if len(found) > limit:
            return Piece(found[:limit], found[limit - 1].position)
        return Piece(found, upto)


class TableReader(EventReader):
    """Reads one partition of a log that gives tables."""

    _log: Log

    def __init__(self, log: Log, partition: int) -> None:
        super().__init__(log, partition)

    def table_piece(self, wanted: Selection, after: int, upto: int, limit: int) -> TablePiece:
        """Return a piece as ``piece`` does, ``after`` before ``upto``; of fewer events where the log gives one page."""
        if not wanted.everything:
            piece = self.piece(wanted, after, upto, limit)
            return TablePiece(Table.of(self.partition, piece.rows), piece.reached)
        end = min(upto, after + MOST_LOOKED_AT)
        events = self._log.table(self.partition, after, min(limit, end - after))
        return TablePiece(events, events.positions[-1] if events.positions else end)


def read_on(log: LogReader, partition: int, after: int, upto: int) -> Iterator[Sequence[Row]]:
    """Yield the rows between two positions, leaving out what is not there."""
    size = _AT_A_TIME
    while after < upto:
        try:
            rows = log.read(partition, after, min(size, upto - after))
        except LogBroken:
            if size == 1:
                after += 1
            size = max(1, size // 2)
            continue
        if not rows:
            return
        yield rows
        after = rows[-1].position
        size = min(_AT_A_TIME, 2 * size)
