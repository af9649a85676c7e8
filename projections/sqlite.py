"""Projections in SQLite: each copy a file of its own beside the log's, so that the two never share a writer.

The pointer to the live copy is a small file; readers look at its inode and time before every question, which
takes a microsecond. Rows go in by statements of many rows, because the driver
lets other Python threads run at every step. Every thread that asks has a connection of its own.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache, lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Table, create_engine
from sqlalchemy.pool import NullPool

from projections.columns import Columns, length_of, listed
from projections.copy_files import CopyFiles
from projections.schema import metadata
from projections.store import (
    Copy,
    CopyRetiredError,
    Patience,
    ProjectionsNotReadyError,
    ProjectionsUnreachableError,
    QuestionOutOfTimeError,
    Session,
    Values,
)

_T = TypeVar("_T")

_BUSY_TIMEOUT_SECONDS = 30.0
_WRITER_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA wal_autocheckpoint = 8192",
    "PRAGMA cache_size = -65536",
)
_VALUES_A_STATEMENT = 16_384
_LARGEST_LITERAL = 255
_STEPS_BETWEEN_LOOKS = 20_000
"""Steps of SQLite's machine, some 50 ns each, after which it is asked whether anybody still waits."""


_BETWEEN_INTERRUPTS: Final = 0.02
"""Seconds between attempts to end what is asked over a connection that is to be closed."""


class SQLiteSession:
    """A connection and what is asked over it; also the writer of its transaction."""

    def __init__(self, connection: sqlite3.Connection, mark: tuple[int, int] = (0, 0)) -> None:
        self.connection = connection
        self.mark = mark
        self.in_use = threading.Lock()
        """Held while something is asked: a connection must not be closed under a thread that works with it."""

    def one(self, sql: str, *values: Any) -> Values | None:
        """Return the first row, None when there is none."""
        found: Values | None = self.connection.execute(sql, values).fetchone()
        return found

    def all(self, sql: str, *values: Any) -> list[Values]:
        """Return all rows."""
        return self.connection.execute(sql, values).fetchall()

    def packed(self, columns: str, binary: str, rows: str) -> str:
        """Return an expression for all rows of a statement, as arrays in JSON."""
        return _packed_sql(columns, binary, rows)

    def confirm(self) -> None:
        """Do nothing: readers look at the pointer before every question."""

    def insert(self, table: Table, rows: Sequence[Values]) -> None:
        """Add rows that are not there yet."""
        self._write("INSERT", table, rows)

    def insert_columns(self, table: Table, columns: Columns) -> None:
        """Add rows that are not there yet.

        A value that all share and that says little stands in the statement. Handed over once, by a numbered parameter,
        it would cost as much as the whole row: SQLite looks numbers up one by one.
        """
        count, literals = length_of(columns), tuple(map(_literal, columns))
        varying = [listed(column, count) for column, literal in zip(columns, literals, strict=True) if literal == "?"]
        width = len(varying)
        values = list(chain.from_iterable(zip(*varying, strict=True)))
        for start, size in _pieces(count, _VALUES_A_STATEMENT // width):
            sql = _insert_sql("INSERT", table.name, literals, size)
            self.connection.execute(sql, values[start * width : (start + size) * width])

    def upsert(self, table: Table, rows: Sequence[Values]) -> None:
        """Add rows, replacing those with the same key."""
        self._write("INSERT OR REPLACE", table, rows)

    def _write(self, verb: str, table: Table, rows: Sequence[Values]) -> None:
        marks = ("?",) * len(table.columns)
        for start, size in _pieces(len(rows), _VALUES_A_STATEMENT // len(marks)):
            values = list(chain.from_iterable(rows[start : start + size]))
            self.connection.execute(_insert_sql(verb, table.name, marks, size), values)


class SQLiteCopy:
    """One file of tables, open for writing."""

    def __init__(
        self, path: Path, number: int, *, live: Callable[[], int | None] | None, making: int | None = None
    ) -> None:
        """Open the file. ``live`` tells which copy is live; None for a copy that is not meant to be, yet.

        ``making`` is the open file by which such a copy is held as one that is being made.
        """
        self.path = path
        self.number = number
        self._live = live
        self._making = making
        self._session: SQLiteSession | None = SQLiteSession(_connect(path, pragmas=_WRITER_PRAGMAS))

    @contextmanager
    def write(self) -> Iterator[SQLiteSession]:
        """Begin a transaction, committed at the end of the block unless it raises."""
        session = self._opened()
        with self._unless_retired():
            session.connection.execute("BEGIN IMMEDIATE")
            try:
                self.confirm()
                yield session
                session.connection.execute("COMMIT")
            finally:
                if session.connection.in_transaction:
                    session.connection.execute("ROLLBACK")

    def confirm(self) -> None:
        """Raise CopyRetiredError when this was the live copy and is so no longer."""
        if self._live is not None and self._live() != self.number:
            raise CopyRetiredError(f"copy {self.number} of the projections is not the live one any more")

    @contextmanager
    def read(self) -> Iterator[SQLiteSession]:
        """Begin a transaction that sees one state throughout."""
        session = self._opened()
        with self._unless_retired():
            session.connection.execute("BEGIN")
            try:
                yield session
            finally:
                session.connection.execute("ROLLBACK")

    @contextmanager
    def _unless_retired(self) -> Iterator[None]:
        """Raise CopyRetiredError for what SQLite says of a file that whoever published another copy has deleted."""
        try:
            yield
        except sqlite3.Error:
            self.confirm()
            raise

    def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            self._session.connection.close()
            self._session = None
        self._let_go()

    def published(self, live: Callable[[], int | None]) -> None:
        """Be the live one from now on, for as long as ``live`` tells so."""
        self._live = live
        self._let_go()

    def _let_go(self) -> None:
        """Let go of the lock of those that are being made, as the end of the process would."""
        if self._making is not None:
            os.close(self._making)
            self._making = None

    def _opened(self) -> SQLiteSession:
        if self._session is None:
            raise CopyRetiredError(f"copy {self.number} of the projections was closed")
        return self._session


class SQLiteStore:
    """The copies of the projections of the log in the file at ``log_path``."""

    def __init__(self, log_path: Path, busy_seconds: float = _BUSY_TIMEOUT_SECONDS) -> None:
        """Take the log's file, and how long questions wait for a lock."""
        self._log_path = log_path
        self._files = CopyFiles(log_path)
        self._busy_seconds = busy_seconds
        self._prompt: SQLiteStore | None = None
        self._patience = Patience()
        self.within = self._patience.within
        self._local = threading.local()
        self._sessions: list[SQLiteSession] = []
        self._lock = threading.Lock()
        self._closed = False

    def live(self) -> SQLiteCopy | None:
        """Open the live copy for writing, None when there is none of today's schema."""
        while True:
            number = self._files.live()
            if number is None:
                return None
            path = self._files.path(number)
            try:
                if path.exists():
                    return SQLiteCopy(path, number, live=self._files.live)
            except sqlite3.OperationalError:
                if self._files.live() == number:
                    raise
            if self._files.live() == number:
                return None
            # Another copy was published, and this one deleted, since the pointer was read.

    def create(self) -> SQLiteCopy:
        """Make a new copy with empty tables, which nobody reads until it is published."""
        number, making = self._files.claim()
        path = self._files.path(number)
        try:
            copy = SQLiteCopy(path, number, live=None, making=making)
        except BaseException:
            os.close(making)
            raise
        engine = create_engine("sqlite://", poolclass=NullPool, creator=lambda: _connect(path))
        try:
            metadata.create_all(engine)
        except BaseException:
            copy.close()
            raise
        return copy

    def publish(self, copy: Copy, *, before: Callable[[], None] | None = None) -> None:
        """Make the copy the live one, and drop every other that was."""
        with self._files.publishing():
            old = self._publish(copy, before)
        if old is not None:
            self._files.retire(old)

    def replace(self, number: int | None, copy: Copy) -> bool:
        """Publish the copy where that of this number is live, for None where none is; tell whether it was."""
        with self._files.publishing():
            live = self._files.live()
            if number != (live if live is not None and self._files.path(live).exists() else None):
                return False
            old = self._publish(copy, None)
        if old is not None:
            self._files.retire(old)
        return True

    def _publish(self, copy: Copy, before: Callable[[], None] | None) -> int | None:
        """Move the pointer to a copy; return the number of the one that it left."""
        old = self._files.named()
        with self._held_back(old):
            if before is not None:
                before()
            self._files.point_at(copy.number)
        if isinstance(copy, SQLiteCopy):
            copy.published(self._files.live)
        return None if old == copy.number else old

    @contextmanager
    def _held_back(self, number: int | None) -> Iterator[None]:
        """Keep everybody from writing to a copy, where there is such one, for the length of the block."""
        if number is None or not self._files.path(number).exists():
            yield
            return
        with closing(_connect(self._files.path(number))) as blocker:
            blocker.execute("BEGIN IMMEDIATE")
            yield

    def drop(self, copy: Copy) -> None:
        """Close a copy, and delete its file unless it has been published."""
        copy.close()
        self._files.delete_abandoned(copy.number)

    def sweep(self) -> int:
        """Delete the files of copies that nobody will publish; return how many."""
        return self._files.sweep()

    def snapshot(self, work: Callable[[Session], _T]) -> _T:
        """Do ``work`` on the live copy, in one transaction that sees one state throughout."""
        with self._answering():
            session = self._reader()
            with session.in_use:
                session.connection.execute("BEGIN")
                try:
                    with self._bounded(session.connection):
                        return work(session)
                finally:
                    session.connection.execute("ROLLBACK")

    def question(self, work: Callable[[Session], _T]) -> _T:
        """Do ``work``, which asks a single statement, on the live copy."""
        with self._answering():
            session = self._reader()
            with session.in_use, self._bounded(session.connection):
                return work(session)

    def prompt(self) -> "SQLiteStore":
        """Return the same store for a thread that must not wait."""
        if self._prompt is None:
            self._prompt = SQLiteStore(self._log_path, busy_seconds=0.0)
        return self._prompt

    def close(self) -> None:
        """Close every connection of a reader; what is asked, now or later, ends with an error."""
        if self._prompt is not None:
            self._prompt.close()
        with self._lock:
            self._closed = True
            sessions, self._sessions = self._sessions, []
        for session in sessions:
            while not session.in_use.acquire(timeout=_BETWEEN_INTERRUPTS):
                session.connection.interrupt()
            session.connection.close()
            session.in_use.release()
        self._local = threading.local()

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Tell what keeps a file from being asked from what is wrong with the question, or with the file."""
        try:
            yield
        except (sqlite3.OperationalError, sqlite3.InterfaceError, OSError) as error:
            raise ProjectionsUnreachableError(f"the projections do not answer: {error}") from error
        except sqlite3.ProgrammingError as error:
            if not self._closed:
                raise
            raise ProjectionsUnreachableError(f"the projections were closed: {error}") from error

    @contextmanager
    def _bounded(self, connection: sqlite3.Connection) -> Iterator[None]:
        """End what is asked once this thread's patience has ended."""
        left = self._patience.left
        if self._patience.seconds() is None or left is None:
            yield
            return
        connection.set_progress_handler(lambda: left() <= 0, _STEPS_BETWEEN_LOOKS)
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            raise QuestionOutOfTimeError("a question that took too long was ended") from error
        finally:
            connection.set_progress_handler(None, 0)

    def _reader(self) -> SQLiteSession:
        session: SQLiteSession | None = getattr(self._local, "session", None)
        if session is None or session.mark != self._files.mark():
            session = self._open_reader(session)
        return session

    def _open_reader(self, stale: SQLiteSession | None) -> SQLiteSession:
        if stale is not None:
            self._local.session = None
            with self._lock:
                if stale in self._sessions:
                    self._sessions.remove(stale)
            stale.connection.close()
        while True:
            mark, number = self._files.mark(), self._files.live()
            if mark is None or number is None:
                raise ProjectionsNotReadyError("the projections have not been made yet, or by another version")
            try:
                connection = _connect(
                    self._files.path(number), pragmas=("PRAGMA query_only = ON",), busy_seconds=self._busy_seconds
                )
            except sqlite3.OperationalError:
                if self._files.mark() == mark:
                    raise
                continue  # another copy was published, and this one deleted, since the pointer was read
            session = SQLiteSession(connection, mark)
            with self._lock:
                if self._closed:
                    connection.close()
                    raise sqlite3.OperationalError("the projections were closed")
                self._sessions.append(session)
            self._local.session = session
            return session


def _connect(
    path: Path, *, pragmas: Sequence[str] = (), busy_seconds: float = _BUSY_TIMEOUT_SECONDS
) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=busy_seconds,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    try:
        for pragma in pragmas:
            connection.execute(pragma)
    except BaseException:
        connection.close()
        raise
    return connection


def _pieces(total: int, most: int) -> Iterator[tuple[int, int]]:
    """Yield where each piece of so many rows begins, and how large it is.

    Powers of two keep the number of statements to prepare small.
    """
    start, largest = 0, 1 << most.bit_length() - 1
    while start < total:
        size = min(1 << (total - start).bit_length() - 1, largest)
        yield start, size
        start += size


def _literal(column: Any) -> str:
    """Return how a column stands in a statement: a value that all rows share and few tables have many of, else "?"."""
    if column is None:
        return "NULL"
    if isinstance(column, int) and 0 <= column <= _LARGEST_LITERAL:
        return str(column)
    return "''" if isinstance(column, str) and not column else "?"


@lru_cache(maxsize=256)
def _insert_sql(verb: str, table: str, values: tuple[str, ...], rows: int) -> str:
    return f"{verb} INTO {table} VALUES {', '.join(['(' + ', '.join(values) + ')'] * rows)}"


@cache
def _packed_sql(columns: str, binary: str, rows: str) -> str:
    return f"(SELECT json_group_array(json_array({columns}, hex({binary}))) FROM ({rows}))"
