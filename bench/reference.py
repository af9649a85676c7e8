"""The driver's fastest write: what a database and its Python driver can do at best, with nothing in between.

Rows of 150 bytes with the keys of the log's events (partition and position; partition, originator and its
version), with time-ordered ids, go into a table of their own in transactions of 8,000, each durable before the
next begins: on PostgreSQL by a binary COPY made ready beforehand, on SQLite (WAL, ``synchronous=FULL``) by
``executemany`` or multi-row INSERT, whichever a trial finds faster. The rows stand ready before the clock starts.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from struct import Struct
from time import perf_counter
from typing import Any, Protocol
from uuid import UUID

import psycopg
from sqlalchemy.engine import make_url

from bench.requests import Ids
from bench.windows import Window

NAME = "driver_reference"
_TRANSACTION = 8_000
_STATE = bytes(120)  # With the other columns' 2 + 8 + 16 + 4 bytes, a row of 150.
_INSERT = "INSERT INTO reference VALUES {}"
_COLUMNS = "partition, position, originator_id, originator_version, state"

_Row = tuple[int, int, bytes, int, bytes]


class Reference(Protocol):
    """A table to write into."""

    def write(self, rows: int) -> Window:
        """Write so many rows, a multiple of 8,000."""
        ...

    def commit(self) -> None:
        """Write a single row, durable when this returns."""
        ...


class _Rows:
    """Rows in order of position."""

    def __init__(self) -> None:
        self._ids = Ids()
        self._position = 0

    def transactions(self, rows: int) -> Iterator[list[_Row]]:
        if rows % _TRANSACTION:
            raise ValueError(f"{rows} rows are no whole number of transactions of {_TRANSACTION:,}")
        for _ in range(rows // _TRANSACTION):
            yield self.next(_TRANSACTION)

    def next(self, count: int) -> list[_Row]:
        first = self._position + 1
        self._position += count
        return [(0, first + i, made, 1, _STATE) for i, made in enumerate(self._ids.values(count))]


class PostgreSQLReference:
    """Binary COPY."""

    _HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
    _TRAILER = b"\xff\xff"
    _ROW = Struct(f">h ih iq i16s ii i{len(_STATE)}s")
    _COPY = f"COPY reference ({_COLUMNS}) FROM STDIN (FORMAT binary)"
    _ONE = _INSERT.format("(%s, %s, %s, %s, %s)")

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection
        self._rows = _Rows()
        connection.execute(
            "CREATE TABLE reference (partition smallint, position bigint, originator_id uuid, originator_version int,"
            " state bytea STORAGE EXTERNAL, PRIMARY KEY (partition, position),"
            " UNIQUE (partition, originator_id, originator_version))"
        )

    def write(self, rows: int) -> Window:
        """Write so many rows."""
        packed = [self._pack(transaction) for transaction in self._rows.transactions(rows)]
        started = perf_counter()
        for data in packed:
            with self._connection.cursor() as cursor, cursor.copy(self._COPY) as copy:
                copy.write(data)
        return Window(rows, perf_counter() - started)

    def commit(self) -> None:
        """Write a single row."""
        [(partition, position, originator, version, state)] = self._rows.next(1)
        values = (partition, position, UUID(bytes=originator), version, state)
        self._connection.execute(self._ONE, values, prepare=True)

    def _pack(self, transaction: Iterable[_Row]) -> bytes:
        pack = self._ROW.pack
        rows = [
            pack(5, 2, partition, 8, position, 16, originator, 4, version, len(state), state)
            for partition, position, originator, version, state in transaction
        ]
        return b"".join((self._HEADER, *rows, self._TRAILER))


class SQLiteReference:
    """executemany or multi-row INSERT, whichever is faster here."""

    _MOST_ROWS = 2_000
    _TRIALS = 3

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._rows = _Rows()
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 8192")
        connection.execute(
            "CREATE TABLE reference (partition INTEGER, position INTEGER, originator_id BLOB,"
            " originator_version INTEGER, state BLOB, PRIMARY KEY (partition, position),"
            " UNIQUE (partition, originator_id, originator_version))"
        )
        row = "(?, ?, ?, ?, ?)"
        most = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // len(_COLUMNS.split(", "))
        self._size = max(size for size in (100, 250, 500, 1_000, self._MOST_ROWS) if size <= most)
        self._one = _INSERT.format(row)
        self._many = _INSERT.format(", ".join([row] * self._size))
        self._multi_row = False
        self._multi_row = self._trial(multi_row=True) < self._trial(multi_row=False)

    def write(self, rows: int) -> Window:
        """Write so many rows."""
        ready: list[Sequence[Any]] = [self._ready(transaction) for transaction in self._rows.transactions(rows)]
        started = perf_counter()
        for transaction in ready:
            self._connection.execute("BEGIN IMMEDIATE")
            if self._multi_row:
                for values in transaction:
                    self._connection.execute(self._many, values)
            else:
                self._connection.executemany(self._one, transaction)
            self._connection.execute("COMMIT")
        return Window(rows, perf_counter() - started)

    def commit(self) -> None:
        """Write a single row."""
        self._connection.execute(self._one, self._rows.next(1)[0])

    def _trial(self, *, multi_row: bool) -> float:
        self._multi_row = multi_row
        return min(self.write(_TRANSACTION).seconds for _ in range(self._TRIALS))

    def _ready(self, transaction: list[_Row]) -> Sequence[Any]:
        if not self._multi_row:
            return transaction
        return [
            list(chain.from_iterable(transaction[start : start + self._size]))
            for start in range(0, len(transaction), self._size)
        ]


@contextmanager
def open_reference(url: str) -> Iterator[Reference]:
    """Give the reference in an empty database."""
    if url.startswith("sqlite:"):
        connection = sqlite3.connect(str(make_url(url).database), isolation_level=None)
        try:
            yield SQLiteReference(connection)
        finally:
            connection.close()
    else:
        with psycopg.connect(url, autocommit=True) as postgresql:
            yield PostgreSQLReference(postgresql)
