"""The rows of a ledger's log as the database's driver reads them: whole, in order, with nothing in between."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from time import perf_counter
from typing import Any, Protocol

import psycopg
from sqlalchemy.engine import make_url

from bench.windows import Window

NAME = "driver_read"
_AT_ONCE = 2_000
_EVENTS = (
    "SELECT position, originator_id, originator_version, topic, state, recorded_at, request_id, caller"
    " FROM events WHERE partition = 0 AND position <= {} ORDER BY position"
)


class Rows(Protocol):
    """A log to read."""

    def read(self, upto: int) -> Window:
        """Read every event up to a position, whole."""
        ...


class SQLiteRows:
    """One statement, fetched in pieces."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def read(self, upto: int) -> Window:
        """Read every event up to a position, whole."""
        started = perf_counter()
        with closing(self._connection.execute(_EVENTS.format("?"), (upto,))) as cursor:
            found = _count(cursor)
        return Window(found, perf_counter() - started)


class PostgreSQLRows:
    """A cursor on the server, so that no history stands in memory as a whole, with values in binary."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection

    def read(self, upto: int) -> Window:
        """Read every event up to a position, whole."""
        started = perf_counter()
        with self._connection.transaction(), self._connection.cursor("events", binary=True) as cursor:
            cursor.execute(_EVENTS.format("%s"), (upto,), binary=True)
            found = _count(cursor)
        return Window(found, perf_counter() - started)


def _count(cursor: Any) -> int:
    found = 0
    while rows := cursor.fetchmany(_AT_ONCE):
        found += len(rows)
    return found


@contextmanager
def open_rows(url: str) -> Iterator[Rows]:
    """Give the events of a log, read beside its server."""
    if url.startswith("sqlite:"):
        with closing(sqlite3.connect(f"file:{make_url(url).database}?mode=ro", uri=True)) as connection:
            yield SQLiteRows(connection)
    else:
        with psycopg.connect(url, autocommit=True) as postgresql:
            yield PostgreSQLRows(postgresql)
