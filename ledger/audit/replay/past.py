"""The decision state as it was at any earlier position, made again from the log.

It is kept between questions and brought forward to the next one, so that whoever asks in the order of the log reads
each event once. A question about an earlier position begins anew: from a snapshot that the engine kept before that
position and for which the log vouches, where there is one, otherwise from the first event.
"""

from collections.abc import Iterable
from typing import Final, Protocol

from domain.aggregate import Aggregate, fold
from domain.books import Books
from domain.event import Change, Policy
from domain.ports import LogReader
from ledger.audit.replay.engines import Reigns
from ledger.log.codec import decode

MOST_REPLAYED: Final = 1_000_000
"""Events that one question makes the state of."""
WORTH_A_SNAPSHOT: Final = 20_000
"""Events that must be spared before what is at hand is given up for a snapshot."""
_AT_A_TIME: Final = 2_000
_REMEMBERED: Final = 10_000


class TooFarError(Exception):
    """More events would have to be replayed than one question may ask for."""

    def __init__(self, events: int) -> None:
        super().__init__(f"{events} events would have to be replayed")
        self.events = events


class Snapshots(Protocol):
    """States that were kept of earlier positions."""

    def find(self, after: int, upto: int) -> bytes | None:
        """Return the newest state of a position in between, the last included; None when there is none."""
        ...

    def restore(self, data: bytes, books: Books) -> int:
        """Put a state into empty books; return its position, 0 where the state is of no use to them."""
        ...


class NoSnapshots:
    """Nothing was kept: every state is made of all events before it."""

    def find(self, after: int, upto: int) -> bytes | None:
        return None

    def restore(self, data: bytes, books: Books) -> int:
        return 0


class Past:
    """One partition's books, wherever in its history they are asked for. For one thread at a time."""

    def __init__(self, log: LogReader, partition: int, policy: Policy, snapshots: Snapshots) -> None:
        """Take the policy that holds wherever the log does not say under which one was decided."""
        self._log = log
        self._partition = partition
        self._today = policy
        self._reigns = Reigns(log, partition)
        self._snapshots = snapshots
        self.position = 0
        self.books = self._empty(policy)

    def policy_of(self, position: int) -> tuple[Policy, bool]:
        """Return the policy under which a position was decided, and whether the log says so."""
        found = self._reigns.policy_at(position)
        return (self._today, False) if found is None else (found, True)

    def go_to(self, position: int) -> None:
        """Make the books those right after a position; raises TooFarError.

        Whoever ran out of time on the way finds the books where the next question goes on from.
        """
        policy, _ = self.policy_of(position + 1)
        self._start(position, policy)
        if position - self.position > MOST_REPLAYED:
            raise TooFarError(position - self.position)
        while self.position < position:
            self._forward(min(_AT_A_TIME, position - self.position))

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

    def forget(self, policy: Policy | None = None) -> None:
        """Begin anew. What was at hand is let go first, so that never two states are held."""
        self.position, self.books = 0, self._empty(policy or self._today)

    def _start(self, position: int, policy: Policy) -> None:
        """Begin where the fewest events are left to read: here, at a snapshot, or at the first event."""
        if position < self.position or self.books.usage.utc_offset_seconds != policy.utc_offset_seconds:
            self.forget(policy)
        spared = WORTH_A_SNAPSHOT if self.position else 0
        data = self._snapshots.find(self.position + spared, position)
        if data is not None:
            self.forget(policy)
            self.position = self._snapshots.restore(data, self.books)

    def _forward(self, limit: int) -> None:
        rows = self._log.read(self._partition, self.position, limit)
        if not rows:
            raise ValueError(f"the log of partition {self._partition} ends at position {self.position}")
        try:
            for row in rows:
                change = Change(row.originator_id, row.originator_version, decode(row.topic, row.state))
                self.books.evolve(change, row.recorded_at, row.position)
                self.position = row.position
            self.books.journal.clear()
        except BaseException:
            self.forget()
            raise

    def _empty(self, policy: Policy) -> Books:
        return Books(self._partition, cache_size=_REMEMBERED, utc_offset_seconds=policy.utc_offset_seconds)
