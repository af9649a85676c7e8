"""The runner: reads the log in order and keeps the tables in step with it.

Rows are committed together with the position and the leaf hash of the last event, so each event counts exactly
once, whatever dies when. Every batch begins by reading the event at the tracked position again: when it hashes
differently, or is gone, the log is not the one the tables were made from (a failover, a restored backup), and
they are made again from its beginning. An event that cannot be decoded stops the runner: it never skips.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Final, NamedTuple

import msgspec

from domain.bulk import BulkPosted, posted_legs
from domain.event import Event
from domain.leaf import leaf_hash
from domain.movements import movements
from domain.ports import LogReader, Row
from domain.transfer import TransferPosted
from projections import schema
from projections.accounts import ACCOUNT_EVENTS, Accounts
from projections.authorizations import Authorizations, is_authorization_event
from projections.balances import Balances
from projections.batch import Batch, Decode, Ledger, Projection
from projections.credits import CreditLines
from projections.outbox import Outbox
from projections.participants import Participants
from projections.proposals import Proposals
from projections.resources import Resources
from projections.retention import Retention
from projections.statements import Statements
from projections.store import Copy, CopyRetiredError, Session, Store
from projections.tiles import Tiles
from projections.times import RecordedTimes
from projections.transfers import Transfers
from projections.usage import Spendings

BATCH_SIZE: Final = 32_768
MOST_BYTES: Final = 2 << 20
"""Bytes of events in one batch, unless a single one has more: a bulk has thousands of rows in a single event."""
LEAST_AHEAD: Final = 4_096
"""Events in a batch for the next one to be read beside it: with fewer, a second thread costs more than it spares."""
SHORTEST_WAIT_SECONDS: Final = 0.02
LONGEST_WAIT_SECONDS: Final = 0.05

Stop = Callable[[], bool]
"""Tells whether the runner should return."""

Wake = Callable[[float], object]
"""Waits until there may be new events, but no longer than so many seconds."""


class HistoryChangedError(Exception):
    """The log does not hold the events that the tables were made from."""


class Tracked(NamedTuple):
    """How far the tables reflect a partition of the log."""

    position: int = 0
    leaf_hash: bytes = b""
    recorded_at: int = 0


class Lag(msgspec.Struct, frozen=True):
    """How far the tables are behind the log: in events, and the age of the oldest one in microseconds."""

    events: int
    age: int


def run(
    log: LogReader,
    store: Store,
    decode: Decode,
    stop: Stop,
    wake: Wake,
    *,
    partitions: Sequence[int] = (0,),
    batch_size: int = BATCH_SIZE,
    keep_notices: int = 0,
) -> None:
    """Keep the tables in step with the log until ``stop`` says so.

    ``wake`` is called when there is little or nothing to do: it may wait until more has come. Notices are dropped when
    they are ``keep_notices`` microseconds old, with 0 never. Raises what ``decode`` raises for an event it does not
    know, and what the drivers raise for a database that does not answer: start it again then.
    """
    store.sweep()
    copy: Copy | None = None
    try:
        while not stop():
            copy = copy or live_copy(store)
            try:
                retentions = {partition: Retention(copy, partition, keep_notices) for partition in partitions}
                with closing(Projector(log, copy, decode, batch_size=batch_size)) as projector:
                    _keep_in_step(projector, retentions, stop, wake)
            except CopyRetiredError:
                copy.close()
                copy = None
            except HistoryChangedError:
                copy.close()
                copy = _made_anew(store, copy.number)
    finally:
        if copy is not None:
            copy.close()


def live_copy(store: Store) -> Copy:
    """Return the live copy, made anew with empty tables when there is none of today's schema."""
    copy = None
    while copy is None:
        copy = store.live() or _made_anew(store, None)
    return copy


def _made_anew(store: Store, number: int | None) -> Copy | None:
    """Return empty tables, live in the place of those of this number; None where another server's are by now."""
    copy = store.create()
    try:
        if store.replace(number, copy):
            return copy
    except BaseException:
        copy.close()
        raise
    store.drop(copy)
    return None


def lag(log: LogReader, partition: int, position: int, now: int) -> Lag:
    """Return how far a position is behind the partition's head."""
    oldest = log.read(partition, position, 1)
    if not oldest:
        return Lag(0, 0)
    return Lag(log.head(partition) - position, max(0, now - oldest[0].recorded_at))


class Taken(NamedTuple):
    """What was read behind a position, made ready."""

    position: int
    upto: int | None
    tail: bytes
    """The leaf hash of the event at the position, empty where none stands there."""
    batch: Batch | None
    more: bool
    """Whether there were more events than were taken."""


class Projector:
    """Projects a log into one copy of the tables. While a batch is written, the next one is read and made ready."""

    def __init__(self, log: LogReader, copy: Copy, decode: Decode, *, batch_size: int = BATCH_SIZE) -> None:
        self._log = log
        self._copy = copy
        self._decode = decode
        self.batch_size = batch_size
        self.behind = False
        """Whether the last step left events behind it that were there already."""
        self._partitions: dict[int, _Partition] = {}
        self._reader = ThreadPoolExecutor(1, "esep-projections-reader")

    def close(self) -> None:
        """Wait for what is being read: from then on the log may be closed."""
        self._reader.shutdown(cancel_futures=True)

    def step(self, partition: int, *, upto: int | None = None) -> int:
        """Project one batch, no further than position ``upto``, and return how many events were in it.

        Raises HistoryChangedError or CopyRetiredError; the tables are then as before.
        """
        state = self._state(partition)
        taken = self._next(state, upto)
        if taken.tail != state.tracked.leaf_hash:
            place = state.tracked.position
            raise HistoryChangedError(f"the event at position {place} is not the one that was projected")
        self.behind = taken.more
        if taken.batch is None:
            return 0
        if taken.more and len(taken.batch.items) >= LEAST_AHEAD:
            last = taken.batch.last.position
            state.ahead = self._reader.submit(self._take, partition, last, upto)
        try:
            self._project(state, taken.batch)
        except BaseException:
            # What the projections remember may be ahead of the tables.
            del self._partitions[partition]
            raise
        return len(taken.batch.items)

    def confirm(self) -> None:
        """Raise CopyRetiredError where these are not the live tables any more.

        A step that has nothing to write does not find that out, and another server's new tables lack its partitions.
        """
        self._copy.confirm()

    def tracked(self, partition: int) -> Tracked:
        """Return how far the tables reflect the partition. Raises CopyRetiredError."""
        return self._state(partition).tracked

    def _state(self, partition: int) -> "_Partition":
        state = self._partitions.get(partition)
        if state is None:
            with self._copy.read() as session:
                state = self._partitions[partition] = _Partition(partition, tracked(session, partition))
        return state

    def _next(self, state: "_Partition", upto: int | None) -> Taken:
        """Return the next batch: the one that is being made ready, where it is the one that is asked for."""
        position, ahead = state.tracked.position, state.ahead
        state.ahead = None
        if ahead is not None:
            taken = ahead.result()
            if (taken.position, taken.upto) == (position, upto):
                return taken
        return self._take(state.partition, position, upto)

    def _take(self, partition: int, position: int, upto: int | None) -> Taken:
        """Read what follows a position, with the event that stands there, and make it ready. For any thread."""
        limit = self.batch_size if upto is None else min(self.batch_size, upto - position)
        tail = b""
        if position:
            found = self._log.read(partition, position - 1, limit + 1)
            if found and found[0].position == position:
                tail = leaf_hash(found.pop(0))
        else:
            found = self._log.read(partition, 0, limit)
        rows = _bounded(found)
        more = len(rows) < len(found) or len(rows) == self.batch_size
        return Taken(position, upto, tail, Batch(rows, self._decode) if rows else None, more)

    def _project(self, state: "_Partition", batch: Batch) -> None:
        reached = Tracked(batch.last.position, batch.leaves[-1], batch.last.recorded_at)
        with self._copy.write() as writer:
            if tracked(writer, batch.partition) != state.tracked:
                raise CopyRetiredError("another runner has projected these events")
            ledger = state.ledger
            ledger.begin(writer, touched_accounts(batch))
            for projection in state.projections:
                projection.apply(batch, writer, ledger)
            writer.upsert(schema.tracking, [(batch.partition, *reached)])
        state.tracked = reached


class _Partition:
    """What is remembered of a partition between batches."""

    def __init__(self, partition: int, reached: Tracked) -> None:
        self.partition = partition
        self.tracked = reached
        self.ahead: Future[Taken] | None = None
        """What follows the batch in hand, while it is made ready."""
        self.ledger = Ledger(partition)
        # In this order: later ones read what earlier ones made of the batch.
        self.projections: tuple[Projection, ...] = (
            RecordedTimes(),
            Tiles(),
            Accounts(),
            Authorizations(),
            Statements(),
            Transfers(),
            CreditLines(),
            Resources(),
            Participants(),
            Proposals(),
            Spendings(),
            Balances(),
            Outbox(),
        )


def tracked(session: Session, partition: int) -> Tracked:
    """Return how far a copy reflects a partition."""
    found = session.one("SELECT position, leaf_hash, recorded_at FROM tracking WHERE partition = ?", partition)
    return Tracked() if found is None else Tracked(*found)


def touched_accounts(batch: Batch) -> set[int]:
    """Return the accounts whose figures the batch changes or makes."""
    touched: set[int] = set()
    for row, event in batch.items:
        if type(event) is TransferPosted:
            touched.add(event.debit_account)
            touched.add(event.credit_account)
            if not event.legs:
                continue
        elif isinstance(event, BulkPosted):
            debits, credits_, _ = posted_legs(event)
            touched.update(debits.tolist())
            touched.update(credits_.tolist())
            continue
        _touch(touched, row, event)
    return touched


def _bounded(rows: list[Row]) -> list[Row]:
    """Return as many of the rows as are projected at once: one, or more that are not too large together."""
    room = MOST_BYTES
    for index, row in enumerate(rows):
        room -= len(row.state)
        if room < 0:
            return rows[: max(1, index)]
    return rows


def _touch(touched: set[int], row: Row, event: Event) -> None:
    for leg in movements(event):
        touched.add(leg.debit_account)
        touched.add(leg.credit_account)
    if isinstance(event, ACCOUNT_EVENTS):
        touched.add(int.from_bytes(row.originator_id, "big"))
    elif is_authorization_event(event, row.originator_version):
        touched.add(event.account)


def _keep_in_step(projector: Projector, retentions: Mapping[int, Retention], stop: Stop, wake: Wake) -> None:
    wait = SHORTEST_WAIT_SECONDS
    while not stop():
        taken, behind = 0, False
        for partition in retentions:
            taken += projector.step(partition)
            behind |= projector.behind
        if behind:
            continue
        if not _drop_some(projector, retentions):
            projector.confirm()
            wait = SHORTEST_WAIT_SECONDS if taken else min(wait * 1.5, LONGEST_WAIT_SECONDS)
            wake(wait)


def _drop_some(projector: Projector, retentions: Mapping[int, Retention]) -> bool:
    dropped = [each.drop_some(projector.tracked(partition).recorded_at) for partition, each in retentions.items()]
    return any(dropped)
