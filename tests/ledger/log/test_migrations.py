"""How a database comes to today's schema."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, Engine, inspect, text

from ledger.log.errors import SchemaTooNew
from ledger.log.factory import open_log, open_tables
from ledger.log.migrations import SCHEMA_VERSION, migrate
from ledger.log.schema import metadata
from tests.ledger.log.rows import row, rows

SERVERS = 6


@pytest.fixture(params=["sqlite", pytest.param("empty_postgres", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest) -> str:
    """Give the url of a database without tables, once for each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


def all_at_once(work: Callable[[], None]) -> list[BaseException]:
    """Do the work in several threads that start together; return what they raised."""
    start = threading.Barrier(SERVERS)
    raised: list[BaseException] = []

    def run() -> None:
        start.wait()
        try:
            work()
        except Exception as error:  # noqa: BLE001 - handed to the test
            raised.append(error)

    threads = [threading.Thread(target=run) for _ in range(SERVERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def add_note(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE engines ADD COLUMN note text"))


def columns(engine: Engine) -> set[str]:
    return {column["name"] for column in inspect(engine).get_columns("engines")}


def test_fresh(empty_url: str) -> None:
    """An empty database gets the tables that the schema declares, and a version."""
    open_log(empty_url).close()
    engine = open_tables(empty_url)
    found = inspect(engine)
    assert set(found.get_table_names()) == set(metadata.tables)
    for table in metadata.sorted_tables:
        assert [c["name"] for c in found.get_columns(table.name)] == [c.name for c in table.columns]
        assert {i["name"] for i in found.get_indexes(table.name)} == {i.name for i in table.indexes}
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT max(version) FROM schema_versions")) == SCHEMA_VERSION
    engine.dispose()


@pytest.mark.postgres
def test_large_values_are_not_compressed(postgres_url: str) -> None:
    """PostgreSQL keeps states and snapshots outside the row as they are."""
    engine = open_tables(postgres_url)
    query = "SELECT attstorage FROM pg_attribute WHERE attrelid = CAST(:table AS regclass) AND attname = :column"
    with engine.connect() as connection:
        for table, column in (("events", "state"), ("snapshots", "data")):
            assert connection.scalar(text(query), {"table": table, "column": column}) in ("e", b"e")
    engine.dispose()


def test_servers_starting_at_once(empty_url: str) -> None:
    """Servers that start together on an empty database all come up, and the schema is made once."""
    raised = all_at_once(lambda: open_log(empty_url).close())
    assert raised == []
    engine = open_tables(empty_url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM schema_versions")) == 1
    engine.dispose()


def test_upgrade(empty_url: str) -> None:
    """Servers of the next release that start together take each step once, and keep what was recorded."""
    log = open_log(empty_url)
    log.append(rows(1, 3))
    log.close()
    engine = open_tables(empty_url)
    following = SCHEMA_VERSION + 1
    raised = all_at_once(lambda: migrate(engine, steps={following: add_note}, target=following))
    assert raised == []
    assert "note" in columns(engine)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM events")) == 3
        assert connection.scalar(text("SELECT max(version) FROM schema_versions")) == following
    engine.dispose()


def test_failed_upgrade(empty_url: str) -> None:
    """A step that fails leaves nothing of itself nor of the steps before it."""
    open_log(empty_url).close()
    engine = open_tables(empty_url)

    def fail(connection: Connection) -> None:
        connection.execute(text("ALTER TABLE engines ADD COLUMN other text"))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        migrate(engine, steps={SCHEMA_VERSION + 1: add_note, SCHEMA_VERSION + 2: fail}, target=SCHEMA_VERSION + 2)
    assert not {"note", "other"} & columns(engine)
    engine.dispose()
    open_log(empty_url).close()


def test_too_new(empty_url: str) -> None:
    """A database of a newer release is refused in words that name both versions and what to do."""
    open_log(empty_url).close()
    engine = open_tables(empty_url)
    migrate(engine, steps={SCHEMA_VERSION + 1: add_note}, target=SCHEMA_VERSION + 1)
    engine.dispose()
    with pytest.raises(SchemaTooNew) as refused:
        open_log(empty_url)
    message = str(refused.value)
    assert f"version {SCHEMA_VERSION + 1}" in message
    assert f"up to {SCHEMA_VERSION}" in message
    assert "start a release" in message


@pytest.mark.parametrize("count", [0, 1, 20_000])
def test_the_tree_of_an_older_database(empty_url: str, count: int) -> None:
    """A database whose events have no tree gets it when it is opened, and goes on from there."""
    log = open_log(empty_url)
    if count:
        log.append(rows(1, count))
        log.append([row(1, partition=3, request=7)])
    expected = log.tree(0), log.tree(3)
    log.close()
    engine = open_tables(empty_url)
    with engine.begin() as connection:
        for table in ("trees", "checkpoints", "cosignatures", "layout", "mailbox", "segments"):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("ALTER TABLE engines DROP COLUMN address"))
        connection.execute(text("UPDATE schema_versions SET version = 1"))
    engine.dispose()
    raised = all_at_once(lambda: open_log(empty_url).close())
    assert raised == []
    log = open_log(empty_url)
    assert (log.tree(0), log.tree(3)) == expected
    assert log.partitions() == (4 if count else 1)
    log.append(rows(count + 1, count + 3))
    assert log.tree(0).size == count + 3
    log.close()


def test_the_owner_of_an_older_database_is_reached_nowhere(empty_url: str) -> None:
    """A sign of life from before owners said where they are reached stands, and the next one says where."""
    log = open_log(empty_url)
    log.beat(0, "first", "10.0.0.1:50051")
    log.close()
    engine = open_tables(empty_url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE segments"))
        connection.execute(text("ALTER TABLE engines DROP COLUMN address"))
        connection.execute(text("UPDATE schema_versions SET version = 3"))
    engine.dispose()
    raised = all_at_once(lambda: open_log(empty_url).close())
    assert raised == []
    log = open_log(empty_url)
    before = log.last_beat(0)
    log.beat(0, "second", "10.0.0.2:50051")
    after = log.last_beat(0)
    log.close()
    assert before is not None
    assert after is not None
    assert (before.owner, before.address) == ("first", "")
    assert (after.owner, after.address) == ("second", "10.0.0.2:50051")
