"""A log in one SQLite file: the default, for one machine.

One connection appends, with a full sync at each commit (WAL, ``synchronous=FULL``); readers have their own
and never wait for it. The driver lets other Python threads run at every row it steps over, so rows go in as
few multi-row statements, a run of transfers in one, and come back as one value a page (see ``packing``):
``executemany`` writes 100 rows a second beside a busy thread, this writes 100,000. A failed statement is always
rolled back before its error is raised. It does not serve several machines: a file on a network share has no
reliable locks.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Connection, Engine, create_engine, literal
from sqlalchemy.exc import TimeoutError as PoolTimeout

from domain.ports import Row
from ledger.log.api import OddValue
from ledger.log.archive import Archive
from ledger.log.checks import check_appended, check_positions, check_read, check_tail
from ledger.log.errors import (
    LogBroken,
    LogUnavailable,
    PositionTaken,
    ReadOutOfTime,
    RequestTaken,
    StorageFull,
    TreeChanged,
    VersionTaken,
)
from ledger.log.merkle import Frontier
from ledger.log.patience import Patience
from ledger.log.pools import ClosingPool
from ledger.log.runs import Batch, Run
from ledger.log.segments import Archiving
from ledger.log.sqlite_reading import find_ids, find_odd_value, read_aggregate, read_rows, read_table
from ledger.log.tables import Table
from ledger.log.trees import Growth, Trees, load_tree

_COLUMNS = len(Row._fields)
_ROWS_A_STATEMENT = 2048
_PAGE_BYTES = 16_384
_CHECKPOINT_PAGES = 2048
_READERS = 8
_WAL_RETRY_SECONDS = 0.01
_STEPS_BETWEEN_LOOKS = 20_000
"""Steps of SQLite's machine, some 50 ns each, after which it is asked whether anybody still waits."""

_HEAD = "SELECT max(position) FROM events WHERE partition = ?"
_ROW = "SELECT * FROM events WHERE partition = ? AND position = ?"
_WHOSE = (
    "SELECT originator_id FROM events"
    " WHERE partition = ? AND position > ? AND position <= ? AND topic = ? ORDER BY position"
)
_TREE = "SELECT size, edges, root FROM trees WHERE partition = ?"
_GROW = (
    "INSERT INTO trees (partition, size, edges, root) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (partition) DO UPDATE SET"
    " size = CASE WHEN size = ?5 AND root = ?6 THEN excluded.size END, edges = excluded.edges, root = excluded.root"
)
"""The size is not null, so that a tree which is not the one that grows fails the whole transaction."""
_APPENDS = (
    "CREATE TEMP VIEW appends AS SELECT events.*, size AS before_size, root AS before_root, size, edges, root"
    " FROM main.events JOIN main.trees"
)
_APPEND = (
    "CREATE TEMP TRIGGER append INSTEAD OF INSERT ON appends BEGIN"
    " INSERT INTO events VALUES (NEW.partition, NEW.position, NEW.originator_id, NEW.originator_version, NEW.topic,"
    " NEW.state, NEW.recorded_at, NEW.request_id, NEW.caller);"
    " INSERT INTO trees (partition, size, edges, root)"
    " SELECT NEW.partition, NEW.size, NEW.edges, NEW.root WHERE NEW.size IS NOT NULL"
    " ON CONFLICT (partition) DO UPDATE SET size = CASE WHEN size = NEW.before_size AND root = NEW.before_root"
    " THEN excluded.size END, edges = excluded.edges, root = excluded.root; END"
)
"""Few rows and the tree, which comes along with the last, are one statement so, which is its own transaction."""
_TREE_COLUMNS = 5
_FEW = 64
"""Rows from which it takes several statements: one for each number of fewer is prepared when it is first needed."""
_INSERT_RUN = (
    "INSERT INTO events SELECT ?1, ?2 + key, substr(?3, 1 + 16 * key, 16), 1, ?4,"
    " coalesce(substr(?5, value >> 32, value & 0xffffffff), x''), ?6 + key, NULL, ?7 FROM json_each(?8)"
)
"""A run of rows; of each, the last value holds where its state begins and, in the lower 32 bits, how long it is."""
_T = TypeVar("_T")


class SQLiteLog(Archiving):
    """The log in the file at ``path``, which is made when it does not exist."""

    def __init__(
        self,
        path: str | Path,
        *,
        busy_timeout_seconds: float = 5.0,
        most_pages: int | None = None,
        archive: Path | None = None,
    ) -> None:
        """Open the file and bring its schema up to date.

        ``most_pages`` bounds the size of the file, ``archive`` is the directory of what is archived.
        Raises SchemaTooNew, LogUnavailable (another process holds the file) or LogBroken (it cannot be opened, or is no
        database).
        """
        self._path = Path(path)
        self._archive = Archive(archive)
        self._busy_timeout_seconds = busy_timeout_seconds
        self._most_pages = most_pages
        self._closed = False
        self._appending = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._readers = _pool(partial(self._connect, reader=True))
        self._trees = Trees(self, self.tree)
        self.acknowledged = self._trees.acknowledged
        self._patience = Patience()
        self.within = self._patience.within
        engine = create_engine("sqlite://", poolclass=ClosingPool, creator=partial(self._connect, synchronous="NORMAL"))
        super().__init__(engine, clock=_now, failure=self._failure)
        self._migrate()

    def append(self, rows: Sequence[Row]) -> None:
        """Append rows of one partition, all or none; durable when it returns."""
        if not rows:
            return
        check_appended(rows)
        self._append(rows)

    def _append(self, rows: Sequence[Row], *, tail: bytes | None = None) -> None:
        with self._appending, self._trees.growing(rows, tail) as growth:
            try:
                self._insert(self._writing(), rows, growth, tail)
            except sqlite3.Error as error:
                self._roll_back()
                raise self._append_failure(rows, error) from error
            except BaseException:
                self._roll_back()
                raise

    def _insert(self, writer: sqlite3.Connection, rows: Sequence[Row], growth: Growth, tail: bytes | None) -> None:
        """Insert the rows and grow the tree in one transaction; with ``tail``, after the event with this leaf hash."""
        before = growth.before
        if tail is None and len(rows) < _FEW:
            after = growth.after
            tree = (before.size, before.root, after.size, after.dump(), after.root)
            writer.execute(_append_sql(len(rows)), [*chain.from_iterable(rows), *tree])
            return
        growth.hash_beside()
        statements = _statements(writer, growth.batch)
        writer.execute("BEGIN IMMEDIATE")
        if tail is not None:
            found = writer.execute(_ROW, (rows[0].partition, rows[0].position - 1)).fetchone()
            check_tail(None if found is None else Row._make(found), tail)
        for statement, values in statements:
            writer.execute(statement, values)
        after = growth.after
        writer.execute(_GROW, (growth.partition, after.size, after.dump(), after.root, before.size, before.root))
        writer.execute("COMMIT")

    def _run(self, work: Callable[[Connection], _T], engine: Engine | None = None) -> _T:
        """Do housekeeping between two appends: SQLite's own way of waiting may never find a gap under load."""
        with self._appending:
            return super()._run(work, engine)

    def take_over(self, rows: Sequence[Row], *, tail: bytes) -> None:
        """Append like ``append`` after the event with this leaf hash.

        No session can be ended from outside, its process must be.
        """
        if rows:
            check_appended(rows)
            self._append(rows, tail=tail)

    def head(self, partition: int) -> int:
        """Return the last position of the partition, 0 when it is empty."""
        return self._read(lambda reader: reader.execute(_HEAD, (partition,)).fetchone()[0] or 0)

    def read(self, partition: int, after: int, limit: int) -> list[Row]:
        """Return up to ``limit`` rows with a position greater than ``after``, in order; fewer when they are large."""
        rows = self._read(lambda reader: read_rows(reader, self._archive, partition, after, limit))
        check_read(rows, after)
        return rows

    def table(self, partition: int, after: int, limit: int) -> Table:
        """Return rows as ``read`` does, as a table of one page; of more where they had to be read as rows."""
        table = self._read(lambda reader: read_table(reader, self._archive, partition, after, limit))
        check_positions(partition, table.positions, after)
        return table

    def aggregate(self, partition: int, originator_id: bytes, *, upto_version: int | None = None) -> list[Row]:
        """Return the rows of one aggregate in version order, up to and including ``upto_version``."""
        return self._read(lambda reader: read_aggregate(reader, self._archive, partition, originator_id, upto_version))

    def find(self, partition: int, ids: Sequence[bytes]) -> dict[bytes, int]:
        """Return the position at which each id was first recorded, leaving out the unknown ones."""
        return self._read(lambda reader: find_ids(reader, partition, ids)) if ids else {}

    def whose(self, partition: int, topic: str, after: int, upto: int) -> list[bytes]:
        """Return whose the events of a topic are that stand behind ``after`` and up to ``upto``, in order."""
        asked = (partition, after, upto, topic)
        return self._read(lambda reader: [found for (found,) in reader.execute(_WHOSE, asked)])

    def odd_value(self, partition: int, after: int, upto: int) -> OddValue | None:
        """Return the first value behind ``after`` and up to ``upto`` of another kind or length, None for none."""
        return self._read(lambda reader: find_odd_value(reader, partition, after, upto))

    def tree(self, partition: int) -> Frontier:
        """Return the Merkle tree over the partition's events."""
        return load_tree(partition, self._read(lambda reader: reader.execute(_TREE, (partition,)).fetchone()))

    def close(self) -> None:
        """Close every connection. Closing twice is allowed."""
        self._closed = True
        super().close()
        self._readers.dispose()
        with self._appending:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            self._trees.close()

    def _connect(self, *, synchronous: str = "FULL", reader: bool = False) -> sqlite3.Connection:
        if self._closed:
            raise LogUnavailable(f"the log in {self._path} was closed")
        connection = sqlite3.connect(
            self._path, timeout=self._busy_timeout_seconds, isolation_level=None, check_same_thread=False
        )
        try:
            self._switch_to_wal(connection)
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            if self._most_pages is not None:
                connection.execute(f"PRAGMA max_page_count = {self._most_pages}")
            if reader:
                connection.execute("PRAGMA query_only = ON")
                connection.text_factory = bytes
        except BaseException:
            connection.close()
            raise
        return connection

    def _switch_to_wal(self, connection: sqlite3.Connection) -> None:
        """Switch the file to WAL, waiting here for another process at it: SQLite's own timeout does not."""
        deadline = time.monotonic() + self._busy_timeout_seconds
        while True:
            try:
                connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")  # Of a new file; an old one keeps its own.
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(_WAL_RETRY_SECONDS)
            else:
                return

    def _writing(self) -> sqlite3.Connection:
        if self._writer is None:
            writer = self._connect()
            writer.execute(_APPENDS)
            writer.execute(_APPEND)
            self._writer = writer
        return self._writer

    def _roll_back(self) -> None:
        writer = self._writer
        if writer is None or not writer.in_transaction:
            return
        try:
            writer.execute("ROLLBACK")
        except sqlite3.Error:
            # A connection that cannot roll back is not used again; closing it rolls back.
            self._writer = None
            with suppress(sqlite3.Error):
                writer.close()

    def _read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            pooled = self._readers.connect()
        except sqlite3.Error as error:
            raise self._failure(error) from error
        except PoolTimeout as error:
            raise LogUnavailable(f"all {2 * _READERS} readers of the log are in use") from error
        reader: sqlite3.Connection = pooled.driver_connection  # type: ignore[assignment]
        try:
            with self._bounded(reader):
                return work(reader)
        except sqlite3.Error as error:
            pooled.invalidate()
            raise self._failure(error) from error
        finally:
            pooled.close()

    @contextmanager
    def _bounded(self, reader: sqlite3.Connection) -> Iterator[None]:
        """End what the reader is asked once this thread's patience has ended."""
        left = self._patience.left
        if self._patience.seconds() is None or left is None:
            yield
            return
        reader.set_progress_handler(lambda: left() <= 0, _STEPS_BETWEEN_LOOKS)
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            raise ReadOutOfTime("a read that took too long was ended") from error
        finally:
            reader.set_progress_handler(None, 0)

    def _append_failure(self, rows: Sequence[Row], error: sqlite3.Error) -> Exception:
        failure = self._failure(error)
        if (
            isinstance(failure, VersionTaken | RequestTaken | TreeChanged)
            and self.head(rows[0].partition) >= rows[0].position
        ):
            return PositionTaken(f"position {rows[0].position} of partition {rows[0].partition} is taken")
        return failure

    def _failure(self, error: BaseException) -> Exception:
        """Return what a driver's error means; one that only a mistake in this code can cause is returned as it is."""
        if isinstance(error, sqlite3.ProgrammingError) and self._closed:
            return LogUnavailable(f"the log in {self._path} was closed")
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        match code:
            case sqlite3.SQLITE_CONSTRAINT if "UNIQUE" in str(error):
                return _conflict(str(error))
            case sqlite3.SQLITE_CONSTRAINT if "trees.size" in str(error):
                return TreeChanged("the tree is not the one that these rows would grow")
            case sqlite3.SQLITE_FULL:
                return StorageFull(f"there is no room left for the log in {self._path}")
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL | sqlite3.SQLITE_INTERRUPT:
                return LogUnavailable(f"another process holds the log in {self._path}: {error}")
            case (
                sqlite3.SQLITE_IOERR
                | sqlite3.SQLITE_CORRUPT
                | sqlite3.SQLITE_NOTADB
                | sqlite3.SQLITE_CANTOPEN
                | sqlite3.SQLITE_READONLY
                | sqlite3.SQLITE_PERM
                | sqlite3.SQLITE_NOMEM
            ):
                name = getattr(error, "sqlite_errorname", "")
                return LogBroken(f"the log in {self._path} failed: {error} ({name})")
            case _:
                return error if isinstance(error, Exception) else RuntimeError(str(error))


def _pool(connect: Callable[[], sqlite3.Connection]) -> ClosingPool:
    """Return a pool of readers; the last one returned is the first one taken, so that its statements stay prepared."""
    return ClosingPool(connect, pool_size=_READERS, max_overflow=_READERS, reset_on_return=None, use_lifo=True)  # type: ignore[arg-type]


def _now() -> ColumnElement[int]:
    return literal(time.time_ns() // 1000, BigInteger)


def _statements(writer: sqlite3.Connection, batch: Batch) -> list[tuple[str, Sequence[object]]]:
    """Return what inserts the rows: statements with their values."""
    most = min(_ROWS_A_STATEMENT, writer.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // _COLUMNS)
    statements: list[tuple[str, Sequence[object]]] = []
    for piece in batch.pieces():
        if isinstance(piece, Run):
            statements.append((_INSERT_RUN, _run_values(piece)))
        else:
            statements += (
                (_insert_sql(size), list(chain.from_iterable(piece[start : start + size])))
                for start, size in _slices(len(piece), most)
            )
    return statements


def _run_values(run: Run) -> tuple[object, ...]:
    """Return the values of _INSERT_RUN: the ids and states are joined, and cut apart again by SQLite."""
    first, lengths = run.first, run.lengths
    begins = lengths.cumsum() - lengths + 1
    return (
        first.partition,
        first.position,
        run.originator_ids,
        first.topic,
        run.joined_states,
        first.recorded_at,
        first.caller,
        msgspec.json.encode((begins << 32 | lengths).tolist()),
    )


def _slices(total: int, most: int) -> Iterator[tuple[int, int]]:
    """Cut into slices whose sizes are powers of two, so that few statements have to be prepared."""
    start = 0
    while start < total:
        size = 1 << (min(most, total - start).bit_length() - 1)
        yield start, size
        start += size


@cache
def _insert_sql(rows: int) -> str:
    row = f"({', '.join('?' * _COLUMNS)})"
    return f"INSERT INTO events VALUES {', '.join([row] * rows)}"


@cache
def _append_sql(rows: int) -> str:
    columns = ", ".join("?" * _COLUMNS)
    others = f"({columns}{', NULL' * _TREE_COLUMNS}), " * (rows - 1)
    return f"INSERT INTO appends VALUES {others}({columns}{', ?' * _TREE_COLUMNS})"


def _conflict(message: str) -> Exception:
    """Return the conflict that SQLite describes by its columns."""
    if "events.originator_version" in message:
        return VersionTaken("one of these aggregates already has an event of that version")
    if "events.request_id" in message:
        return RequestTaken("one of these request ids has already been recorded")
    return PositionTaken("one of these positions has already been recorded")
