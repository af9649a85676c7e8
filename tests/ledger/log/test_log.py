"""What a log promises, over each kind of store."""

import contextlib
import threading
import time

import pytest

from ledger.log.api import Log
from ledger.log.errors import (
    AppendConflict,
    LogBroken,
    LogUnavailable,
    PositionTaken,
    RequestTaken,
    TreeChanged,
    VersionTaken,
)
from ledger.log.factory import open_log, open_tables
from ledger.log.schema import events
from tests.connections import Connections, opened
from tests.ledger.log.rows import id_of, row, rows

__all__ = ["opened"]


def test_empty(log: Log) -> None:
    """A partition without events has its head at 0 and nothing to read."""
    assert (log.head(0), log.read(0, 0, 10), log.aggregate(0, id_of(1)), log.find(0, [id_of(1)])) == (0, [], [], {})


def test_round_trip(log: Log) -> None:
    """Rows come back exactly as they were appended, whatever bytes and characters they hold."""
    written = [
        row(1, state=bytes(range(256)), caller="Ысык-Көл, 🏔"),
        row(2, state=b"", caller="", request=7),
        row(3, state=b"\0,\n", topic="a.b.v1", caller="a,b\nc"),
        row(4, originator=9, version=2**31 - 1, request=8),
    ]
    log.append(written)
    assert log.read(0, 0, 10) == written
    assert log.aggregate(0, id_of(9)) == written[3:]


@pytest.mark.parametrize("caller", ["Ысык-Көл, 🏔", "till\n7"])
def test_rows_of_several_kinds(log: Log, caller: str) -> None:
    """Rows with a request id among those without, and of several topics and callers, keep what is their own."""
    written = [
        row(1, topic="transfer.posted.v1", caller=""),
        row(2, topic="account.opened.v1", caller=caller, request=9),
        row(3, topic="transfer.posted.v1", caller=caller),
        row(4, topic="a,b.v1", caller="", request=8),
    ]
    log.append(written)
    assert log.read(0, 0, 10) == written
    assert log.read(0, 2, 1) == written[2:3]


@pytest.mark.parametrize("state", [b"{}", b"\0" * 3_000_000])
def test_one_row(log: Log, state: bytes) -> None:
    """A single row, which has a way of its own into the store, comes back as it was."""
    written = [row(1, state=state, request=3)]
    log.append(written)
    assert log.read(0, 0, 1) == written


def test_no_rows(log: Log) -> None:
    """Appending nothing is allowed and changes nothing."""
    log.append([])
    log.take_over([], tail=b"")
    assert log.head(0) == 0


@pytest.mark.parametrize("count", [1, 2, 3, 2047, 2048, 2049, 4096, 4097, 9000])
def test_any_number_of_rows(log: Log, count: int) -> None:
    """Any number of rows goes in at once and comes back in order, across every page boundary."""
    log.append(rows(1, count))
    assert log.head(0) == count
    assert log.read(0, 0, count + 1) == rows(1, count)


def test_read_from_the_middle(log: Log) -> None:
    """A read begins after a position and ends at its limit."""
    log.append(rows(1, 5000))
    assert log.read(0, 4000, 3) == rows(4001, 4003)
    assert log.read(0, 1, 2500) == rows(2, 2501)
    assert log.read(0, 5000, 10) == []


def test_partitions(log: Log) -> None:
    """Partitions count, read and refuse apart from each other."""
    log.append([row(1, partition=1, originator=5, request=6)])
    log.append([row(1, partition=2, originator=5, request=6)])
    assert (log.head(1), log.head(2), log.head(3)) == (1, 1, 0)
    assert log.read(2, 0, 10) == log.aggregate(2, id_of(5)) == [row(1, partition=2, originator=5, request=6)]


def test_aggregate(log: Log) -> None:
    """An aggregate is read in the order of its versions, up to the one asked for."""
    log.append([row(1, originator=5), row(2, originator=6), row(3, originator=5, version=2)])
    log.append([row(4, originator=5, version=3)])
    assert [r.position for r in log.aggregate(0, id_of(5))] == [1, 3, 4]
    assert [r.position for r in log.aggregate(0, id_of(5), upto_version=2)] == [1, 3]
    assert log.aggregate(0, id_of(5), upto_version=0) == []


def test_long_aggregate(log: Log) -> None:
    """An aggregate of more events than a page holds is read whole."""
    log.append([row(position, originator=5, version=position) for position in range(1, 4200)])
    assert [r.originator_version for r in log.aggregate(0, id_of(5))] == list(range(1, 4200))


def test_find(log: Log) -> None:
    """An id is found as a request or as the first event of an aggregate, not as a later one."""
    log.append([row(1, originator=5), row(2, originator=5, version=2, request=7), row(3, originator=6, version=2)])
    assert log.find(0, [id_of(n) for n in (5, 6, 7, 8)]) == {id_of(5): 1, id_of(7): 2}
    assert log.find(1, [id_of(5)]) == {}
    assert log.find(0, []) == {}


def test_find_the_first(log: Log) -> None:
    """An id that stands in two places is found at the first."""
    log.append([row(1, request=5), row(2, originator=5), row(3, originator=6), row(4, request=6)])
    assert log.find(0, [id_of(5), id_of(6)]) == {id_of(5): 1, id_of(6): 3}


def test_find_a_whole_batch(log: Log) -> None:
    """As many ids as a batch may hold are found in one call."""
    log.append([row(position, originator=position, request=100_000 + position) for position in range(1, 8191)])
    assert log.find(0, [id_of(n) for n in range(1, 8191)]) == {id_of(n): n for n in range(1, 8191)}
    requests = [id_of(100_000 + n) for n in range(1, 16382)]
    assert log.find(0, requests) == {id_of(100_000 + n): n for n in range(1, 8191)}


@pytest.mark.parametrize(
    ("conflicting", "expected"),
    [
        (row(2, originator=50, request=60), PositionTaken),
        (row(3, originator=5), VersionTaken),
        (row(3, request=6), RequestTaken),
        (row(2, originator=5), PositionTaken),
        (row(2, request=6), PositionTaken),
        (row(1, originator=5, request=6), PositionTaken),
    ],
)
@pytest.mark.parametrize("batch", [False, True])
def test_conflicts(log: Log, conflicting: object, expected: type[AppendConflict], batch: bool) -> None:  # noqa: FBT001
    """Each conflict is told by its name; where several are true, the position's is."""
    log.append([row(1, originator=5, request=6), row(2)])
    last = conflicting if not batch else row(conflicting.position + 1)  # type: ignore[attr-defined]
    with pytest.raises(AppendConflict) as refused:
        log.append([conflicting] if not batch else [conflicting, last])  # type: ignore[list-item]
    assert type(refused.value) is expected
    assert log.head(0) == 2


def test_position_before_version(log: Log, rival: Log) -> None:
    """A batch whose later rows repeat a version is refused for the position another writer took meanwhile."""
    rival.append([row(1), row(2, originator=5)])
    with pytest.raises(PositionTaken):
        log.append([row(2, originator=5), row(3, originator=6)])


@pytest.mark.parametrize("count", [2, 3, 8000])
def test_all_or_none(log: Log, count: int) -> None:
    """A conflict in the last row of a batch leaves none of its rows, and the log goes on."""
    log.append([row(1, originator=5)])
    with pytest.raises(VersionTaken):
        log.append([*rows(2, count), row(count + 1, originator=5)])
    assert log.head(0) == 1
    log.append(rows(2, 3))
    assert log.head(0) == 3


@pytest.mark.parametrize("wrong", [[row(1), row(3)], [row(1), row(1)], [row(0)], [row(1), row(2, partition=1)]])
def test_rows_that_cannot_stand(log: Log, wrong: list) -> None:  # type: ignore[type-arg]
    """Rows that do not follow one another in one partition are refused before they reach the store."""
    with pytest.raises(ValueError, match=r"append is of one partition|cannot stand"):
        log.append(wrong)


@pytest.mark.parametrize("way", ["read", "table"])
@pytest.mark.parametrize(("missing", "after"), [((3, 3), 0), ((3, 30), 1), ((1, 30), 0)])
def test_gap(log: Log, store_url: str, missing: tuple[int, int], after: int, way: str) -> None:
    """A reader never passes over positions that are missing, nor takes many of them for the end."""

    def positions(first: int, limit: int) -> list[int]:
        found = log.table(0, first, limit).rows() if way == "table" else log.read(0, first, limit)
        return [row.position for row in found]

    log.append(rows(1, 40))
    engine = open_tables(store_url)
    with engine.begin() as connection:
        connection.execute(events.delete().where(events.c.position.between(*missing)))
    engine.dispose()
    for first in range(after, missing[0] - 1):
        assert positions(first, 1) == [first + 1]
    with pytest.raises(LogBroken, match=f"position {missing[0]}, "):
        positions(missing[0] - 1, 10)


def test_appending_after_a_gap(log: Log) -> None:
    """Rows that would leave positions missing are refused."""
    log.append(rows(1, 2))
    with pytest.raises(TreeChanged, match="2 leaves, not 3"):
        log.append(rows(4, 5))
    assert log.head(0) == 2
    log.append(rows(3, 3))


def test_racing_writers(log: Log, rival: Log) -> None:
    """Of two writers that append at the same positions again and again, exactly one wins each time."""
    won: list[int] = []

    def write(own: Log) -> None:
        for first in range(1, 201, 2):
            try:
                own.append(rows(first, first + 1))
            except PositionTaken:
                continue
            won.append(first)

    writers = [threading.Thread(target=write, args=(own,)) for own in (log, rival)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(won) == list(range(1, 201, 2))
    assert log.head(0) == 200
    assert len(log.read(0, 0, 1000)) == 200


def test_beside_a_busy_thread(log: Log) -> None:
    """A thread that computes without pause does not slow the log down a row at a time."""
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            sum(range(500))

    busy = threading.Thread(target=compute)
    busy.start()
    batch = rows(1, 4000)
    try:
        started = time.monotonic()
        log.append(batch)
        assert len(log.read(0, 0, 4000)) == 4000
        # Waiting 5 ms a row would take 40 s at least.
        assert time.monotonic() - started < 20
    finally:
        stop.set()
        busy.join()


def test_closed_while_it_is_read(opened: Connections, log: Log) -> None:
    """A log that is closed while it is read leaves no connection open behind."""
    log.append(rows(1, 2000))
    reading = threading.Barrier(5)

    def read_on() -> None:
        log.read(0, 0, 2000)
        reading.wait()
        with contextlib.suppress(LogUnavailable):
            while True:
                log.read(0, 0, 2000)

    readers = [threading.Thread(target=read_on) for _ in range(4)]
    for reader in readers:
        reader.start()
    reading.wait()
    log.close()
    for reader in readers:
        reader.join()
    assert opened.left() == 0


def test_readers_in_many_threads(log: Log) -> None:
    """Every method of a reader may be called from several threads at once."""
    log.append(rows(1, 500))
    seen: list[bool] = []

    def look() -> None:
        seen.extend(log.read(0, 100, 300) == rows(101, 400) and log.head(0) == 500 for _ in range(20))

    readers = [threading.Thread(target=look) for _ in range(12)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert seen == [True] * 240


def test_closed(log: Log) -> None:
    """A closed log answers nothing more, and closing it again is allowed."""
    log.append(rows(1, 2))
    log.close()
    log.close()
    for call in (lambda: log.append(rows(3, 3)), lambda: log.head(0), lambda: log.beat(0, "a")):
        with pytest.raises(LogUnavailable, match="closed"):
            call()


def test_durable(log: Log, store_url: str) -> None:
    """What was appended is there when the log is opened again."""
    log.append(rows(1, 3))
    log.close()
    reopened = open_log(store_url)
    try:
        assert reopened.read(0, 0, 10) == rows(1, 3)
    finally:
        reopened.close()


@pytest.mark.parametrize("url", ["mysql://host/db", "esep.db", "", "sqlite+aiosqlite:///a.db"])
def test_unknown_scheme(url: str) -> None:
    """A url of a store we do not know is refused by its scheme, without the rest, which may hold a password."""
    with pytest.raises(ValueError, match="a log is kept in sqlite:///… or postgresql://…") as refused:
        open_log(url)
    assert "host" not in str(refused.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_memory(url: str) -> None:
    """A log in memory is refused, because it would not be durable."""
    with pytest.raises(ValueError, match="needs a file"):
        open_log(url)


def test_whose_the_events_of_a_topic_are(log: Log) -> None:
    """In order, behind one position and up to another, of one partition and one topic alone."""
    topic = "customer.erased.v1"
    log.append([row(1, originator=5, topic=topic), row(2), row(3, originator=4, topic=topic), row(4, topic=topic)])
    log.append([row(1, originator=9, partition=1, topic=topic)])
    assert log.whose(0, topic, 0, 4) == [id_of(5), id_of(4), id_of(1_000_004)]
    assert log.whose(0, topic, 1, 3) == [id_of(4)]
    assert log.whose(0, "customer.erased", 0, 4) == []
    assert log.whose(1, topic, 0, 4) == [id_of(9)]
