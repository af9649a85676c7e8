"""Appending past a writer that hangs with its transaction open."""

import threading
from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import event

from domain.leaf import leaf_hash
from ledger.log import postgres
from ledger.log.api import Log
from ledger.log.errors import LogUnavailable, PositionTaken, TailChanged
from ledger.log.postgres import PostgresLog
from tests.ledger.log.rows import rows

PAUSED_ROW = "INSERT INTO events VALUES (0, 1, gen_random_uuid(), 1, 't', '', 1, NULL, 'c')"


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give whoever ends a blocker as long as a busy machine may need for that."""
    monkeypatch.setattr(postgres, "_TAKE_OVER_ATTEMPTS", 100)


@pytest.fixture
def successor(postgres_url: str) -> Iterator[PostgresLog]:
    opened = PostgresLog(postgres_url)
    yield opened
    opened.close()


@pytest.fixture
def paused(postgres_url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Give a session that has written position 1 and neither commits nor rolls back."""
    connection = psycopg.connect(postgres_url)
    connection.execute(PAUSED_ROW)
    yield connection
    connection.close()


def tail_before(position: int) -> bytes:
    """Return the leaf hash of the event before a position."""
    return leaf_hash(rows(position - 1, position - 1)[0])


@pytest.mark.parametrize(("first", "last"), [(3, 3), (3, 3_000), (5, 6), (1, 1)])
def test_another_tail(log: Log, first: int, last: int) -> None:
    """Nothing is appended after another event than was seen, nor after none, nor as the first of a log that was."""
    log.append(rows(1, 2))
    with pytest.raises(TailChanged):
        log.take_over(rows(first, last), tail=b"\x01" * 32)
    assert log.head(0) == 2
    log.take_over(rows(3, 3), tail=tail_before(3))
    assert log.head(0) == 3


def test_nothing_in_the_way(log: Log) -> None:
    """Without anything in its way, taking over is appending."""
    log.take_over(rows(1, 1), tail=b"")
    log.take_over(rows(2, 300), tail=tail_before(2))
    with pytest.raises(PositionTaken):
        log.take_over(rows(300, 301), tail=tail_before(300))
    assert log.head(0) == 300


@pytest.mark.postgres
@pytest.mark.parametrize("count", [1, 50])
def test_paused_writer(successor: PostgresLog, paused: psycopg.Connection[tuple[object, ...]], count: int) -> None:
    """A paused writer's session is ended, its row is gone, and the successor's rows stand."""
    successor.take_over(rows(1, count), tail=b"")
    assert successor.read(0, 0, 100) == rows(1, count)
    with pytest.raises(psycopg.OperationalError):
        paused.commit()
    assert successor.head(0) == count


@pytest.mark.postgres
def test_hung_copy(successor: PostgresLog, postgres_url: str) -> None:
    """A writer that hangs in the middle of its COPY is ended as well."""
    hung = psycopg.connect(postgres_url)
    hung.pgconn.exec_(b"COPY events FROM STDIN")
    for position, state in (1, ""), (2, "00" * 100_000):  # so much that the first row is surely inserted
        row = f"0\t{position}\t{UUID(int=position)}\t1\tt\t\\\\x{state}\t1\t\\N\tc\n"
        hung.pgconn.put_copy_data(row.encode())
    hung.pgconn.flush()
    successor.take_over(rows(1, 2), tail=b"")
    assert successor.read(0, 0, 100) == rows(1, 2)
    hung.close()


@pytest.mark.postgres
def test_writer_that_was_only_slow(
    successor: PostgresLog, paused: psycopg.Connection[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that commits before it is ended has won: its position is taken."""
    monkeypatch.setattr(postgres, "_UNBLOCK_AFTER_SECONDS", 60)
    outcome: list[Exception] = []

    def take_over() -> None:
        try:
            successor.take_over(rows(1, 1), tail=b"")
        except PositionTaken as error:
            outcome.append(error)

    taking_over = threading.Thread(target=take_over)
    taking_over.start()
    paused.commit()
    taking_over.join()
    assert [type(error) for error in outcome] == [PositionTaken]


@pytest.mark.postgres
@pytest.mark.usefixtures("paused")
def test_a_session_that_cannot_be_ended(successor: PostgresLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taking over gives up in bounded time when the blocker cannot be ended, and appends nothing."""
    monkeypatch.setattr(postgres, "_END_BLOCKERS", "SELECT %s::int")
    monkeypatch.setattr(postgres, "_TAKE_OVER_ATTEMPTS", 2)
    with pytest.raises(LogUnavailable, match="2 attempts"):
        successor.take_over(rows(1, 2), tail=b"")
    assert successor.head(0) == 0


def test_a_sign_of_life_keeps_no_lock(postgres_url: str) -> None:
    """An owner that is paused the moment its sign of life was sent does not hold up that of the next owner."""
    paused, following = PostgresLog(postgres_url), PostgresLog(postgres_url)
    came_through: list[bool] = []

    def while_paused(*_: object) -> None:
        beating = threading.Thread(target=following.beat, args=(0, "the next"), daemon=True)
        beating.start()
        beating.join(30.0)
        came_through.append(not beating.is_alive())

    event.listen(paused._engine, "after_cursor_execute", while_paused)
    paused.beat(0, "the paused")
    assert came_through == [True]
    paused.close()
    following.close()
