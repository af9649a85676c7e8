"""The log as the ``eventsourcing`` library sees it, so that any tool written for that library reads our history.

A recorder writes too, for a library ``Application`` that keeps its events here: it takes the position after the
head and tries again when another writer was first, so notification ids are positions and no reader can skip
one. It never writes to a partition that an engine owns, because the engine's memory would not know of it.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import UUID

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    DataError,
    IntegrityError,
    InternalError,
    Notification,
    OperationalError,
    StoredEvent,
    Subscription,
)

from domain.ports import Row
from ledger.log.api import Log
from ledger.log.errors import (
    AppendConflict,
    LogBroken,
    LogOwned,
    LogUnavailable,
    PositionTaken,
    StorageFull,
)

CALLER = "library"
ENGINE_TOPIC_PREFIX = "engine.started."

_PAGE = 1000
_MOST_ATTEMPTS = 1000
_SHORTEST_WAIT_SECONDS = 0.001
_LONGEST_WAIT_SECONDS = 0.1


class OwnedByEngine(LogOwned, OperationalError):
    """An engine owns this partition, so that nothing else may write to it."""


class EsepAggregateRecorder(AggregateRecorder):
    """Records events of aggregates in one partition of a log."""

    def __init__(self, log: Log, *, partition: int = 0) -> None:
        self._log = log
        self._partition = partition
        self._inserting = threading.Lock()
        self._tail = _Tail(0, 0)

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        self._insert(stored_events)
        return None

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        with _library_errors():
            rows = self._log.aggregate(self._partition, _bytes_of(originator_id), upto_version=lte)
        if gt is not None:
            rows = [row for row in rows if row.originator_version > gt]
        if desc:
            rows.reverse()
        return [_stored_event(row) for row in rows[:limit]]

    def _insert(self, stored_events: Sequence[StoredEvent]) -> list[int]:
        if not stored_events:
            return []
        with self._inserting, _library_errors():
            for _ in range(_MOST_ATTEMPTS):
                rows = self._rows(stored_events)
                try:
                    self._log.append(rows)
                except PositionTaken:
                    self._follow()
                    continue
                self._tail = _Tail(rows[-1].position, rows[-1].recorded_at)
                return [row.position for row in rows]
        raise OperationalError(f"other writers were first {_MOST_ATTEMPTS} times")

    def _rows(self, stored_events: Sequence[StoredEvent]) -> list[Row]:
        if not self._tail.position:
            self._follow()
        recorded_at = max(time.time_ns() // 1000, self._tail.recorded_at + 1)
        return [
            Row(
                partition=self._partition,
                position=self._tail.position + 1 + index,
                originator_id=_bytes_of(event.originator_id),
                originator_version=event.originator_version,
                topic=event.topic,
                state=event.state,
                recorded_at=recorded_at + index,
                request_id=None,
                caller=CALLER,
            )
            for index, event in enumerate(stored_events)
        ]

    def _follow(self) -> None:
        """Read what others appended since the last look: each row is looked at once, in search of an engine."""
        while rows := self._log.read(self._partition, self._tail.position, _PAGE):
            for row in rows:
                if row.topic.startswith(ENGINE_TOPIC_PREFIX):
                    raise OwnedByEngine(
                        f"an engine owns partition {self._partition} since position {row.position}: "
                        "send it commands, or keep the application's events in another log"
                    )
            self._tail = _Tail(rows[-1].position, rows[-1].recorded_at)


class EsepApplicationRecorder(EsepAggregateRecorder, ApplicationRecorder):
    """Records and reads the events of an application, numbered by their positions in a partition of a log."""

    def __init__(self, log: Log, *, partition: int = 0) -> None:
        super().__init__(log, partition=partition)
        self._inserted = threading.Condition()
        self._inserts = 0

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        positions = self._insert(stored_events)
        self.wake_subscriptions()
        return positions

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        after = 0 if start is None else max(0, start - inclusive_of_start)
        wanted = frozenset(topics)
        found: list[Notification] = []
        with _library_errors():
            while len(found) < limit:
                size = _PAGE if wanted else limit - len(found)
                size = size if stop is None else min(size, stop - after)
                rows = self._log.read(self._partition, after, size) if size > 0 else []
                found += [_notification(row) for row in rows if not wanted or row.topic in wanted]
                if not rows:
                    break
                after = rows[-1].position
        return found[:limit]

    def max_notification_id(self) -> int | None:
        with _library_errors():
            return self._log.head(self._partition) or None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        return EsepSubscription(self, gt=gt, topics=topics)

    @property
    def inserts(self) -> int:
        """How many times something was inserted, or a wait was ended, through this recorder."""
        return self._inserts

    def wake_subscriptions(self) -> None:
        """Let the subscriptions in this process look at once, rather than when their wait is over."""
        with self._inserted:
            self._inserts += 1
            self._inserted.notify_all()

    def wait_for_insert(self, seen: int, timeout_seconds: float) -> None:
        """Wait until ``inserts`` is no longer what was seen, or the timeout passes."""
        with self._inserted:
            self._inserted.wait_for(lambda: self._inserts != seen, timeout_seconds)


class EsepSubscription(Subscription[EsepApplicationRecorder]):
    """Yields notifications as they are recorded: at once when this recorder inserts them, else by looking often.

    It looks after a millisecond, then less and less often, down to ten times a second.
    """

    def __init__(self, recorder: EsepApplicationRecorder, gt: int | None = None, topics: Sequence[str] = ()) -> None:
        super().__init__(recorder, gt=gt, topics=topics)
        self._wanted = frozenset(topics)
        self._pending: deque[Notification] = deque()

    def stop(self) -> None:
        super().stop()
        self._recorder.wake_subscriptions()

    def __next__(self) -> Notification:
        wait = _SHORTEST_WAIT_SECONDS
        while not self._has_been_stopped:
            if self._pending:
                return self._pending.popleft()
            seen = self._recorder.inserts
            if not self._look():
                self._recorder.wait_for_insert(seen, wait)
                wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
        raise StopIteration

    def _look(self) -> bool:
        """Take what was recorded since the last look. Topics are chosen here, so that no row is looked at twice."""
        found = self._recorder.select_notifications(self._last_notification_id, _PAGE, inclusive_of_start=False)
        if not found:
            return False
        self._last_notification_id = found[-1].id
        self._pending.extend(n for n in found if not self._wanted or n.topic in self._wanted)
        return True


class _Tail(NamedTuple):
    """The last row that a recorder knows of."""

    position: int
    recorded_at: int


@contextmanager
def _library_errors() -> Iterator[None]:
    """Raise the log's errors as those that users of the library expect."""
    try:
        yield
    except LogOwned:
        raise
    except AppendConflict as error:
        raise IntegrityError(str(error)) from error
    except (LogUnavailable, StorageFull) as error:
        raise OperationalError(str(error)) from error
    except LogBroken as error:
        raise InternalError(str(error)) from error


def _bytes_of(originator_id: UUID | str) -> bytes:
    try:
        return (UUID(originator_id) if isinstance(originator_id, str) else originator_id).bytes
    except ValueError as error:
        raise DataError(f"an aggregate's id is a UUID here, not {originator_id!r}") from error


def _stored_event(row: Row) -> StoredEvent:
    return StoredEvent(UUID(bytes=row.originator_id), row.originator_version, row.topic, row.state)


def _notification(row: Row) -> Notification:
    return Notification(UUID(bytes=row.originator_id), row.originator_version, row.topic, row.state, row.position)
