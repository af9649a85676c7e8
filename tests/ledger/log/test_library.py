"""Recorders beyond the library's own cases: engines, other writers, and applications written for the library."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import (
    DataError,
    IntegrityError,
    NotSupportedError,
    OperationalError,
    StoredEvent,
    Tracking,
)
from sqlalchemy import Engine

from ledger.log.api import Log
from ledger.log.errors import LogOwned
from ledger.log.factory import open_tables
from ledger.log.recorders import EsepApplicationRecorder
from ledger.log.tracking import EsepTrackingRecorder, TrackedAlready, track, tracked
from tests.ledger.log.rows import row, rows


class Box(Aggregate):
    """A made-up aggregate of the library's own kind."""

    def __init__(self) -> None:
        self.things: list[str] = []

    @event("Filled")
    def fill(self, thing: str) -> None:
        self.things.append(thing)


@pytest.fixture
def tables(store_url: str, log: Log) -> Iterator[Engine]:
    engine = open_tables(store_url)
    yield engine
    engine.dispose()


def stored(version: int = 1, originator: UUID | None = None) -> StoredEvent:
    return StoredEvent(originator or uuid4(), version, "topic", b"state")


def test_application(store_url: str, log: Log) -> None:
    """An application written for the library keeps its aggregates in a log, by its environment alone."""
    environment = {"PERSISTENCE_MODULE": "ledger.log.library", "ESEP_DATABASE_URL": store_url}
    with Application[UUID](env=environment) as application:
        box = Box()
        box.fill("salt")
        application.save(box)
        box.fill("tea")
        application.save(box)
        found: Box = application.repository.get(box.id)
        earlier: Box = application.repository.get(box.id, version=2)
        assert (found.things, earlier.things) == (["salt", "tea"], ["salt"])
        with pytest.raises(NotSupportedError):
            application.factory.aggregate_recorder(purpose="snapshots")
        with pytest.raises(NotSupportedError):
            application.factory.process_recorder()
    assert [(r.position, r.caller) for r in log.read(0, 0, 10)] == [(1, "library"), (2, "library"), (3, "library")]


def test_recorded_time(log: Log) -> None:
    """Recorded time increases strictly, even past a row whose clock was ahead."""
    ahead = row(1)._replace(recorded_at=4_000_000_000_000_000)
    log.append([ahead])
    EsepApplicationRecorder(log).insert_events([stored(), stored()])
    assert [r.recorded_at - ahead.recorded_at for r in log.read(0, 0, 10)] == [0, 1, 2]


def test_other_writers(log: Log, rival: Log) -> None:
    """Two recorders that write in turns take the next position each time."""
    first, second = EsepApplicationRecorder(log), EsepApplicationRecorder(rival)
    ids = [list(recorder.insert_events([stored()]) or ()) for recorder in (first, second, first, first, second)]
    assert ids == [[1], [2], [3], [4], [5]]


def test_version_after_another_writer(log: Log, rival: Log) -> None:
    """A version that another writer has recorded meanwhile is refused as the library refuses it."""
    recorder, originator = EsepApplicationRecorder(log), uuid4()
    recorder.insert_events([stored()])
    EsepApplicationRecorder(rival).insert_events([stored(1, originator)])
    with pytest.raises(IntegrityError):
        recorder.insert_events([stored(1, originator)])


def test_engine_owns_the_log(log: Log) -> None:
    """Nothing is written to a partition in which an engine has started, before or after the recorder's first write."""
    recorder = EsepApplicationRecorder(log)
    recorder.insert_events([stored()])
    log.append([row(2, topic="engine.started.v1")])
    for refusing in (recorder, EsepApplicationRecorder(log)):
        for _ in range(2):
            with pytest.raises(LogOwned, match="since position 2"):
                refusing.insert_events([stored()])
            with pytest.raises(OperationalError):
                refusing.insert_events([stored()])
    assert log.head(0) == 2
    assert EsepApplicationRecorder(log, partition=1).insert_events([stored()]) == [1]


def test_unusable_id(log: Log) -> None:
    """An aggregate's id that is not a UUID is refused by name; one written as text is understood."""
    recorder, originator = EsepApplicationRecorder(log), uuid4()
    recorder.insert_events([stored(1, originator)])
    assert len(recorder.select_events(str(originator))) == 1
    with pytest.raises(DataError, match="box-1"):
        recorder.select_events("box-1")


def test_closed_log(log: Log) -> None:
    """A log that does not answer is an operational error to the library."""
    recorder = EsepApplicationRecorder(log)
    log.close()
    with pytest.raises(OperationalError):
        recorder.max_notification_id()


def test_topics(log: Log) -> None:
    """Notifications of a rare topic are found among thousands of others."""
    log.append([*rows(1, 2500), row(2501, topic="rare.v1"), *rows(2502, 2600)])
    recorder = EsepApplicationRecorder(log)
    assert [n.id for n in recorder.select_notifications(None, 10, topics=["rare.v1"])] == [2501]
    assert recorder.select_notifications(None, 10, stop=2500, topics=["rare.v1"]) == []
    assert [n.id for n in recorder.select_notifications(0, 2, stop=1)] == [1]


def test_subscription_sees_other_writers(log: Log, rival: Log) -> None:
    """A subscription yields what another server records."""
    with EsepApplicationRecorder(log).subscribe(gt=None) as subscription:
        rival.append(rows(1, 2))
        assert [next(subscription).id, next(subscription).id] == [1, 2]
        rival.append(rows(3, 3))
        assert next(subscription).id == 3


def test_tracking_with_results(tables: Engine) -> None:
    """A reader's position and its results stand or fall together."""
    EsepTrackingRecorder(tables).insert_tracking(Tracking("balances", 5))
    with tables.connect() as connection:
        track(connection, "balances", 6)
        connection.rollback()
    with tables.begin() as connection:
        assert tracked(connection, "balances") == 5


def test_tracking_goes_forward(tables: Engine) -> None:
    """A position is never repeated nor moved back."""
    recorder = EsepTrackingRecorder(tables)
    recorder.insert_tracking(Tracking("balances", 5))
    for position in (5, 4):
        with pytest.raises(TrackedAlready):
            recorder.insert_tracking(Tracking("balances", position))
    assert recorder.max_tracking_id("balances") == 5
