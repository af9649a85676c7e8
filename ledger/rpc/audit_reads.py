"""Reading the log for auditors: pages of it, and streams that follow it.

No stream has a thread or a connection of its own. While a page is sent the next two are read, and no more: a slow
reader holds three pages, and what it has not read yet stays in the log. What is sent has been acknowledged as durable,
so that no reader learns of an event that a failover could still take back.
"""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from ledger.audit.reading import Piece, TablePiece, TableReader
from ledger.audit.selection import Selection
from ledger.log.tables import Table
from ledger.rpc.gateway import Gateway
from ledger.rpc.positions import Positions
from ledger.rpc.reads import LogReads
from ledger.rpc.settings import MEBIBYTE, RpcSettings

AT_ONCE: Final = 4_000
"""Events that a stream reads at once."""
AHEAD: Final = 2
"""Pages that are read while one is sent: the database finds the second one while the first is taken apart."""
MOST: Final = 1_000
"""Events in one message, of a stream or as a page."""
MOST_BYTES: Final = MEBIBYTE
"""Bytes of state after which a message is full: well below what clients accept."""
CHECKPOINT_POSITIONS: Final = 20_000
"""Positions without anything wanted after which a stream says how far it is."""


class Followed(NamedTuple):
    """What a stream has next: wanted events, if there are any, and how far it has come."""

    events: Table
    reached: int
    caught_up: bool
    news: bool
    """False for a heartbeat."""


class Looked(NamedTuple):
    """The next piece, and whether there is nothing behind it for the moment."""

    piece: TablePiece
    last: bool


class AuditReads:
    """Reads one partition's log."""

    def __init__(self, gateway: Gateway, log_reads: LogReads, settings: RpcSettings) -> None:
        self._gateway = gateway
        self._log = log_reads
        self.reader = TableReader(gateway.engine.log, log_reads.partition)
        self._heartbeat_seconds = settings.heartbeat_seconds
        self._news = Positions(log_reads.head, settings.notification_poll_seconds)

    @property
    def partition(self) -> int:
        """The partition that is read."""
        return self.reader.partition

    async def head(self) -> int:
        """Return the last durable position."""
        return await self._log.head()

    async def piece(self, wanted: Selection, after: int, upto: int, limit: int) -> Piece:
        """Return the next wanted events; raises Refused."""
        return await self._gateway.question(self.reader.piece, wanted, after, upto, limit)

    async def page(self, wanted: Selection, after: int, upto: int, limit: int) -> Piece:
        """Return the next wanted events as far as they fit one message; raises Refused."""
        piece = await self.piece(wanted, after, upto, limit)
        rows = piece.rows[next(messages([row.state for row in piece.rows]), slice(0))]
        return piece if len(rows) == len(piece.rows) else Piece(rows, rows[-1].position)

    async def position_before(self, time: int) -> int:
        """Return the last position that was recorded before a time; raises Refused."""
        return await self._gateway.question(self.reader.position_before, time)

    async def follow(self, wanted: Selection, after: int) -> AsyncGenerator[Followed, None]:
        """Yield what is wanted behind a position, without end, each piece after its predecessor was taken."""
        clock = asyncio.get_running_loop().time
        told, told_at, caught_up = after, clock(), False
        pieces = Pieces(lambda start: self._look(wanted, start), after)
        try:
            while True:
                (events, after), last = await pieces.next()
                if events.positions or after - told >= CHECKPOINT_POSITIONS or (last and not caught_up):
                    yield Followed(events, after, last and not caught_up, news=True)
                    told, told_at, caught_up = after, clock(), caught_up or last
                if not last:
                    continue
                quiet = self._heartbeat_seconds - (clock() - told_at)
                if quiet <= 0 or not await self._news.news(after + 1, quiet):
                    yield Followed(Table.of(self.partition, []), after, caught_up=False, news=False)
                    told, told_at = after, clock()
        finally:
            await pieces.close()

    async def _look(self, wanted: Selection, after: int) -> Looked:
        """Return what is wanted of the next page, and whether it is the last one for the moment."""
        head = await self.head()
        if after >= head:
            return Looked(TablePiece(Table.of(self.partition, []), after), last=True)
        piece = await self._gateway.question(self.reader.table_piece, wanted, after, head, AT_ONCE)
        return Looked(piece, piece.reached >= head)

    async def close(self) -> None:
        """Wait for news no more."""
        await self._news.close()


class Pieces:
    """One piece after another, of which the next ones are read ahead where it is known where they begin."""

    def __init__(self, look: Callable[[int], Awaitable[Looked]], after: int) -> None:
        self._look = look
        self._after = after
        self._reading: deque[asyncio.Future[Looked]] = deque()

    async def next(self) -> Looked:
        """Return the next piece; begin with those behind it, unless it is the last one for the moment."""
        if not self._reading:
            self._begin()
        looked = await self._reading.popleft()
        whole = looked.piece.reached == self._after + AT_ONCE
        self._after = looked.piece.reached
        if not whole:
            await self.close()  # What is read ahead begins too late.
        if not looked.last:
            while len(self._reading) < (AHEAD if whole else 1):
                self._begin()
        return looked

    def _begin(self) -> None:
        after = self._after + AT_ONCE * len(self._reading)
        self._reading.append(asyncio.ensure_future(self._look(after)))

    async def close(self) -> None:
        """Read no more."""
        for reading in self._reading:
            reading.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)
        self._reading.clear()


def messages(states: Sequence[bytes]) -> Iterator[slice]:
    """Cut events with these states into what fits one message each."""
    ends = list(accumulate(map(len, states)))
    start = told = 0
    while start < len(states):
        fitting = bisect_right(ends, told + MOST_BYTES, start, min(start + MOST, len(states)))
        end = max(fitting, start + 1)  # One that is larger by itself goes alone.
        yield slice(start, end)
        start, told = end, ends[end - 1]
