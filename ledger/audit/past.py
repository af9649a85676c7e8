"""The decision state as it was at any earlier position, made again from the log alone.

It is kept between questions and brought forward to the next one, so that whoever asks in the order of the log reads
each event once; a question about an earlier position begins anew.
"""

from collections.abc import Iterable
from typing import Final

from domain.aggregate import Aggregate, fold
from domain.books import Books
from domain.event import Change, Policy
from domain.ports import LogReader
from ledger.log.codec import decode

MOST_REPLAYED: Final = 1_000_000
"""Events that one question makes the state of."""
_AT_A_TIME: Final = 2_000
_REMEMBERED: Final = 10_000


class TooFarError(Exception):
    """More events would have to be replayed than one question may ask for."""

    def __init__(self, events: int) -> None:
        super().__init__(f"{events} events would have to be replayed")
        self.events = events


class Past:
    """One partition's books, wherever in its history they are asked for. For one thread at a time."""

    def __init__(self, log: LogReader, partition: int, policy: Policy) -> None:
        self._log = log
        self._partition = partition
        self._policy = policy
        self.position = 0
        self.books = self._empty()

    def go_to(self, position: int) -> None:
        """Make the books those right after a position; raises TooFarError."""
        start = self.position if position >= self.position else 0
        if position - start > MOST_REPLAYED:
            raise TooFarError(position - start)
        if start < self.position:
            self.forget()
        try:
            while self.position < position:
                self._forward(min(_AT_A_TIME, position - self.position))
        except BaseException:
            self.forget()
            raise

    def bring_to_hand(self, aggregate_ids: Iterable[bytes]) -> None:
        """Have aggregates at hand as they are at this position."""
        for aggregate_id in aggregate_ids:
            if not self.books.at_hand(aggregate_id):
                self.books.remember(aggregate_id, self.aggregate(aggregate_id))
        self.books.journal.clear()

    def aggregate(self, aggregate_id: bytes) -> Aggregate | None:
        """Return an aggregate as it is at this position, None when there is none."""
        rows = self._log.aggregate(self._partition, aggregate_id)
        history = (
            (Change(row.originator_id, row.originator_version, decode(row.topic, row.state)), row.recorded_at)
            for row in rows
            if row.position <= self.position
        )
        return fold(history)

    def forget(self) -> None:
        """Begin anew."""
        self.position, self.books = 0, self._empty()

    def _forward(self, limit: int) -> None:
        rows = self._log.read(self._partition, self.position, limit)
        if not rows:
            raise ValueError(f"the log of partition {self._partition} ends at position {self.position}")
        for row in rows:
            change = Change(row.originator_id, row.originator_version, decode(row.topic, row.state))
            self.books.evolve(change, row.recorded_at, row.position)
            self.position = row.position
        self.books.journal.clear()

    def _empty(self) -> Books:
        return Books(self._partition, cache_size=_REMEMBERED, utc_offset_seconds=self._policy.utc_offset_seconds)
