"""The library's ``Application.repository`` over history that was not written by the library."""

import json
from uuid import UUID

import pytest
from eventsourcing.application import AggregateNotFoundError
from eventsourcing.persistence import NotSupportedError

from ledger.log.api import Log
from ledger.log.history import Historic, History
from tests.ledger.log.rows import row


def decode(topic: str, state: bytes) -> tuple[str, int]:
    """Decode a made-up event."""
    return {"box.filled.v1": "add", "box.taken.v1": "take"}[topic], json.loads(state)["count"]


def fold(state: int | None, event: tuple[str, int]) -> int:
    """Bring a made-up box's content forward."""
    kind, count = event
    return (state or 0) + (count if kind == "add" else -count)


def test_versions(log: Log) -> None:
    """An aggregate is rebuilt as it is now, and as it was at any version."""
    log.append(
        [
            row(1, originator=5, topic="box.filled.v1", state=b'{"count":10}'),
            row(2, originator=6, topic="box.filled.v1", state=b'{"count":1}'),
            row(3, originator=5, version=2, topic="box.taken.v1", state=b'{"count":3}'),
        ]
    )
    history = History(log, decode=decode, fold=fold)
    box: Historic[int] = history.repository.get(UUID(int=5))
    assert box == Historic(UUID(int=5), 2, 7)
    assert history.repository.get(UUID(int=5), version=1) == Historic(UUID(int=5), 1, 10)
    assert [n.id for n in history.notification_log.select(start=1, limit=10)] == [1, 2, 3]


def test_partition(log: Log) -> None:
    """History is read from the partition that was asked for, and an unknown aggregate is not found."""
    log.append([row(1, partition=3, originator=5, topic="box.filled.v1", state=b'{"count":10}')])
    assert UUID(int=5) in History(log, decode=decode, fold=fold, partition=3).repository
    with pytest.raises(AggregateNotFoundError):
        History(log, decode=decode, fold=fold).repository.get(UUID(int=5))


def test_unknown_topic(log: Log) -> None:
    """An event that cannot be decoded is never passed over."""
    log.append([row(1, originator=5, topic="box.burnt.v1", state=b"{}")])
    with pytest.raises(KeyError):
        History(log, decode=decode, fold=fold).repository.get(UUID(int=5))


def test_read_only(log: Log) -> None:
    """History cannot be written through the library."""
    log.append([row(1, originator=5, topic="box.filled.v1", state=b'{"count":10}')])
    history = History(log, decode=decode, fold=fold)
    with pytest.raises(NotSupportedError):
        history.save(*history.events.get(UUID(int=5)))
    assert log.head(0) == 1
    history.close()
    assert log.head(0) == 1
