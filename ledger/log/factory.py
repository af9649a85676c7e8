"""Opens what a database url names."""

import sqlite3
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ledger.log.api import ArchivingLog
from ledger.log.connecting import connect, connection_parameters
from ledger.log.pools import ClosingPool
from ledger.log.postgres import PostgresLog
from ledger.log.sqlite import SQLiteLog

_POSTGRESQL = frozenset({"postgresql", "postgres", "postgresql+psycopg"})


def open_log(database_url: str, archive: Path | None = None) -> ArchivingLog:
    """Open ``sqlite:///path/to/file.db`` or ``postgresql://user@host/database``, bringing its schema up to date.

    ``archive`` is the directory in which what is archived stands. Raises ValueError for any other url, SchemaTooNew,
    LogUnavailable or LogBroken.
    """
    if _is_sqlite(database_url):
        return SQLiteLog(_sqlite_path(database_url), archive=archive)
    return PostgresLog(database_url, archive=archive)


def open_tables(database_url: str) -> Engine:
    """Return a SQLAlchemy engine for other tables, in the same database as a log or in another.

    Each commit is durable. A transaction on SQLite begins as a reader's and becomes a writer's at its first
    write, which is refused if it has read what another has changed meanwhile: have one writer, or write first.
    Raises ValueError as ``open_log`` does.
    """
    if not _is_sqlite(database_url):
        # Not by SQLAlchemy's own reading of the url, which knows one host only.
        creator = partial(connect, connection_parameters(database_url))
        return create_engine("postgresql+psycopg://", poolclass=ClosingPool, creator=creator)
    url = f"sqlite:///{_sqlite_path(database_url)}"
    engine = create_engine(url, poolclass=ClosingPool, connect_args={"timeout": 5.0})

    @event.listens_for(engine, "connect")
    def _be_durable(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver's own transactions would leave changes of the schema out
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _is_sqlite(database_url: str) -> bool:
    scheme = database_url.partition(":")[0]
    if scheme != "sqlite" and scheme not in _POSTGRESQL:
        raise ValueError(f"a log is kept in sqlite:///… or postgresql://…, not in {scheme!r}")
    return scheme == "sqlite"


def _sqlite_path(database_url: str) -> Path:
    try:
        path = make_url(database_url).database
    except ArgumentError as error:
        raise ValueError("a SQLite url is sqlite:///path/to/file.db") from error
    if not path or path == ":memory:":
        raise ValueError("a log needs a file (sqlite:///path/to/file.db): one in memory would not be durable")
    return Path(path)
