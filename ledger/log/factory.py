"""Opens the log that a database url names."""

from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ledger.log.api import Log
from ledger.log.postgres import PostgresLog
from ledger.log.sqlite import SQLiteLog


def open_log(database_url: str) -> Log:
    """Open ``sqlite:///path/to/file.db`` or ``postgresql://user@host/database``, bringing its schema up to date.

    Raises ValueError for any other url, SchemaTooNew, LogUnavailable or LogBroken.
    """
    scheme = database_url.partition(":")[0]
    match scheme:
        case "sqlite":
            return SQLiteLog(_sqlite_path(database_url))
        case "postgresql" | "postgres" | "postgresql+psycopg":
            return PostgresLog(database_url)
        case _:
            raise ValueError(f"a log is kept in sqlite:///… or postgresql://…, not in {scheme!r}")


def _sqlite_path(database_url: str) -> Path:
    try:
        path = make_url(database_url).database
    except ArgumentError as error:
        raise ValueError("a SQLite url is sqlite:///path/to/file.db") from error
    if not path or path == ":memory:":
        raise ValueError("a log needs a file (sqlite:///path/to/file.db): one in memory would not be durable")
    return Path(path)
