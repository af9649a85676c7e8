"""What a log says when its store fails, and how it goes on afterwards."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from ledger.log.errors import LogBroken, LogUnavailable, PositionTaken, RequestTaken, StorageFull
from ledger.log.postgres import PostgresLog
from ledger.log.sqlite import SQLiteLog
from tests.ledger.log.rows import row, rows

postgres = pytest.mark.postgres


@pytest.fixture
def log(postgres_url: str) -> Iterator[PostgresLog]:
    opened = PostgresLog(postgres_url)
    yield opened
    opened.close()


@pytest.fixture
def dba(postgres_url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


def end_sessions(dba: psycopg.Connection[tuple[object, ...]]) -> int:
    """End every session of the log, and return how many there were."""
    ended = dba.execute(
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
        " WHERE application_name = 'esep' AND datname = current_database()"
    ).fetchall()
    return len(ended)


def wait_until_blocked(dba: psycopg.Connection[tuple[object, ...]]) -> int:
    """Return the process id of the log's session that waits for another's lock, once there is one."""
    blocked = None
    while blocked is None:
        blocked = dba.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'esep' AND wait_event_type = 'Lock'"
            " AND datname = current_database()"
        ).fetchone()
    return int(str(blocked[0]))


def test_no_room_in_the_file(tmp_path: Path) -> None:
    """A full SQLite file refuses the whole batch, and takes it when there is room again."""
    path = tmp_path / "esep.db"
    with closing(SQLiteLog(path, most_pages=24)) as log:
        with pytest.raises(StorageFull):
            log.append(rows(1, 5000))
        assert log.head(0) == 0
        log.append(rows(1, 10))
    with closing(SQLiteLog(path)) as log:
        log.append(rows(11, 5000))
        assert log.head(0) == 5000


def test_another_process_holds_the_file(tmp_path: Path) -> None:
    """A SQLite file that another process writes to is unavailable, and is written to when it lets go."""
    path = tmp_path / "esep.db"
    with closing(SQLiteLog(path, busy_timeout_seconds=0.05)) as log, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        for batch in (rows(1, 1), rows(1, 3), rows(1, 3000)):
            with pytest.raises(LogUnavailable):
                log.append(batch)
            with pytest.raises(LogUnavailable):
                log.take_over(batch, tail=b"")
        with pytest.raises(LogUnavailable):
            log.beat(0, "owner")
        other.execute("ROLLBACK")
        log.append(rows(1, 3))
        assert log.head(0) == 3


def test_not_a_database(tmp_path: Path) -> None:
    """A file that is not a database is broken storage."""
    path = tmp_path / "esep.db"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(LogBroken):
        SQLiteLog(path)


def test_no_such_directory(tmp_path: Path) -> None:
    """A file that cannot be opened is named in the error."""
    with pytest.raises(LogBroken, match="missing"):
        SQLiteLog(tmp_path / "missing" / "esep.db")


def test_damaged_file(tmp_path: Path) -> None:
    """A file damaged while it is open is broken storage, for readers and the writer."""
    path = tmp_path / "esep.db"
    with closing(SQLiteLog(path)) as log:
        log.append(rows(1, 2000))
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(LogBroken), closing(SQLiteLog(path)) as log:
        log.read(0, 0, 2000)


@postgres
def test_no_room_on_the_server(log: PostgresLog, dba: psycopg.Connection[tuple[object, ...]]) -> None:
    """A server without room refuses the whole batch, and the log goes on when there is room again."""
    dba.execute(
        "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END$$"
    )
    dba.execute(
        "CREATE TRIGGER no_room BEFORE INSERT ON events FOR EACH ROW WHEN (NEW.position = 3) EXECUTE FUNCTION no_room()"
    )
    with pytest.raises(StorageFull):
        log.append(rows(1, 3))
    assert log.head(0) == 0
    dba.execute("DROP TRIGGER no_room ON events")
    log.append(rows(1, 3))


@postgres
@pytest.mark.parametrize("count", [1, 100])
def test_lost_sessions(log: PostgresLog, dba: psycopg.Connection[tuple[object, ...]], count: int) -> None:
    """An append over a lost connection is unknown, a read and a beat are done again, and the next append stands."""
    log.append(rows(1, 1))
    log.beat(0, "owner")
    assert log.head(0) == 1
    assert end_sessions(dba) >= 3
    with pytest.raises(LogUnavailable):
        log.append(rows(2, 1 + count))
    assert log.read(0, 0, 10) == rows(1, 1)
    log.append(rows(2, 1 + count))
    assert log.head(0) == 1 + count
    assert log.last_beat(0) is not None


@postgres
@pytest.mark.parametrize("count", [1, 100])
def test_lost_while_appending(
    log: PostgresLog, dba: psycopg.Connection[tuple[object, ...]], postgres_url: str, count: int
) -> None:
    """An append whose session ends while it waits is unknown, and can be made again."""
    outcome: list[Exception] = []

    def append() -> None:
        try:
            log.append(rows(1, count))
        except LogUnavailable as error:
            outcome.append(error)

    with psycopg.connect(postgres_url) as paused:
        paused.execute("INSERT INTO events VALUES (0, 1, gen_random_uuid(), 1, 't', '', 1, NULL, 'c')")
        appending = threading.Thread(target=append)
        appending.start()
        dba.execute("SELECT pg_terminate_backend(%s)", [wait_until_blocked(dba)])
        appending.join()
        paused.rollback()
    assert [type(error) for error in outcome] == [LogUnavailable]
    log.append(rows(1, count))
    assert log.head(0) == count


@postgres
def test_read_only_server(log: PostgresLog, dba: psycopg.Connection[tuple[object, ...]]) -> None:
    """A server that became a standby is unavailable to a writer, until it is one no more."""
    log.append(rows(1, 1))
    database = dba.info.dbname
    dba.execute(f'ALTER DATABASE "{database}" SET default_transaction_read_only = on')
    end_sessions(dba)
    for _ in range(2):
        with pytest.raises(LogUnavailable):
            log.append(rows(2, 2))
    dba.execute("SET default_transaction_read_only = off")
    dba.execute(f'ALTER DATABASE "{database}" RESET default_transaction_read_only')
    log.append(rows(2, 2))


@postgres
def test_no_server() -> None:
    """A server that is not there is unavailable at the start."""
    with pytest.raises(LogUnavailable):
        PostgresLog("postgresql://nobody@localhost:1/nothing?connect_timeout=1")


@postgres
def test_position_before_version(log: PostgresLog, dba: psycopg.Connection[tuple[object, ...]]) -> None:
    """A taken position is told first even where a restored database checks its other indexes before it."""
    dba.execute("ALTER TABLE events DROP CONSTRAINT events_by_position")
    dba.execute("ALTER TABLE events ADD CONSTRAINT events_by_position PRIMARY KEY (partition, position)")
    log.append([row(1, originator=5, request=6)])
    for batch in ([row(1, originator=5)], [row(1, request=6), row(2)]):
        with pytest.raises(PositionTaken):
            log.append(batch)


@postgres
def test_conflicts_keep_the_connection(log: PostgresLog, dba: psycopg.Connection[tuple[object, ...]]) -> None:
    """A conflict is an answer: the writer's session stays."""
    log.append([row(1, request=5)])
    before = session_ids(dba)
    with pytest.raises(RequestTaken):
        log.append([row(2, request=5)])
    with pytest.raises(RequestTaken):
        log.append([row(2), row(3, request=5)])
    assert before <= session_ids(dba)


def session_ids(dba: psycopg.Connection[tuple[object, ...]]) -> set[object]:
    found = dba.execute(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'esep' AND datname = current_database()"
    )
    return {pid for (pid,) in found}
