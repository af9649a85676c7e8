"""A log in PostgreSQL 15 or later.

One connection appends: several rows by a binary COPY that is its own transaction, a single row by a prepared
INSERT, which is a round trip shorter. Readers take connections from a pool and ask in prepared statements,
planned to follow an index whatever the statistics say. Both go through ``DirectConnection``. A lost connection
is replaced at the next call, and what it was doing stays unknown until the writer's next append succeeds. It
does not use a sequence, a table lock or LISTEN, and does not read on standbys, which may be behind.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.pq import Format
from sqlalchemy import BigInteger, ColumnElement, cast, create_engine, func
from sqlalchemy.exc import TimeoutError as PoolTimeout

from domain.ports import Row
from ledger.log.archive import Archive, Place
from ledger.log.checks import check_appended, check_read, check_tail
from ledger.log.connecting import connect, connection_parameters
from ledger.log.direct import DirectConnection
from ledger.log.errors import (
    LogBroken,
    LogUnavailable,
    PositionTaken,
    ReadOutOfTime,
    RequestTaken,
    StorageFull,
    TailChanged,
    TreeChanged,
    VersionTaken,
)
from ledger.log.merkle import Frontier
from ledger.log.packing import CopyPacker, binary_growth, binary_values
from ledger.log.pages import FEW_ROWS, FEWEST, read_pages
from ledger.log.patience import Patience, timeout_ms
from ledger.log.pools import ClosingPool
from ledger.log.schema import REQUEST_CONSTRAINT, VERSION_CONSTRAINT, trees
from ledger.log.segments import Archiving
from ledger.log.tables import Table, rows_of
from ledger.log.trees import Growth, Trees, load_tree

_READERS = 8
_LIMIT_WAITING = "SET LOCAL lock_timeout = '500ms'"
_TAKE_OVER_ATTEMPTS = 10
_UNBLOCK_AFTER_SECONDS = 0.3
_LAST_VERSION = 2**31 - 1
_HASHED_MEANWHILE = 48
"""Rows from which hashing takes longer than the round trip that lets the database take them in meanwhile."""

_Connection = psycopg.Connection[Any]
_T = TypeVar("_T")

# The order of values in a COPY and an INSERT is packing's, of columns in a SELECT that of Row.
_COPY = (
    "COPY events (partition, position, originator_id, originator_version, recorded_at, request_id, topic, caller,"
    " state) FROM STDIN (FORMAT binary)"
)
# The size is not null, so that a tree which is not the one that grows fails the whole transaction.
_GROW = (
    "INSERT INTO trees (partition, size, edges, root) VALUES ({}, {}, {}, {}) ON CONFLICT (partition) DO UPDATE SET"
    " size = CASE WHEN trees.size = {} AND trees.root = {} THEN excluded.size END, edges = excluded.edges,"
    " root = excluded.root"
)
_INSERT = (
    f"WITH grown AS ({_GROW.format('$10', '$11', '$12', '$13', '$14', '$15')})"
    " INSERT INTO events (partition, position, originator_id, originator_version, recorded_at, request_id, topic,"
    " caller, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
)
_TREE = "SELECT size, edges, root FROM trees WHERE partition = $1"
_ALL_BINARY = [Format.BINARY] * 15
_HEAD = "SELECT max(position) FROM events WHERE partition = $1"
_EVENTS = (
    "SELECT partition, position, originator_id, originator_version, topic, state, recorded_at, request_id, caller"
    " FROM events WHERE partition = $1 AND "
)
_WEIGHT = "(SELECT sum(octet_length(state)) FROM events WHERE partition = $1 AND position > $2 AND position <= $2 + {})"
_PAGE = (
    f"{_EVENTS}position > $2 ORDER BY position LIMIT CASE WHEN {_WEIGHT.format('$3::bigint')} > $4"
    f" THEN least($3, CASE WHEN {_WEIGHT.format(FEW_ROWS)} > $4 THEN {FEWEST} ELSE {FEW_ROWS} END) ELSE $3 END"
)
_NEXT = f"{_EVENTS}position > $2 ORDER BY position LIMIT 1"
_AGGREGATE = f"{_EVENTS}originator_id = $2 AND originator_version <= $3 ORDER BY originator_version"
_FIND = (
    "SELECT request_id, position FROM events WHERE partition = $1 AND request_id = ANY($2::uuid[])"
    " UNION ALL SELECT originator_id, position FROM events WHERE partition = $1"
    " AND originator_id = ANY($2::uuid[]) AND originator_version = 1"
)
_WHOSE = (
    "SELECT originator_id FROM events"
    " WHERE partition = $1 AND position > $2 AND position <= $3 AND topic = $4 ORDER BY position"
)
_PLACE = (
    "SELECT first, last, file, size, sha256 FROM segments"
    " WHERE partition = $1 AND first <= $2 ORDER BY first DESC LIMIT 1"
)
_END_BLOCKERS = "SELECT pg_terminate_backend(pid) FROM unnest(pg_blocking_pids(%s)) AS pid WHERE pid > 0"


class PostgresLog(Archiving):
    """The log in the database that ``url`` names, as libpq understands it."""

    def __init__(self, url: str, *, archive: Path | None = None) -> None:
        """Connect and bring the schema up to date; ``archive`` is the directory of what is archived.

        Raises SchemaTooNew or LogUnavailable.
        """
        self._parameters = connection_parameters(url)
        self._archive = Archive(archive)
        self._closed = False
        self._appending = threading.Lock()
        self._writer: DirectConnection | None = None
        self._packer = CopyPacker()
        self._readers = self._reader_pool()
        self._trees = Trees(self, self.tree)
        self.acknowledged = self._trees.acknowledged
        self._patience = Patience()
        self.within = self._patience.within
        engine = create_engine(
            "postgresql+psycopg://",
            poolclass=ClosingPool,
            creator=partial(self._connect, "SET synchronous_commit = off", autocommit=False),
            pool_pre_ping=True,
        )
        super().__init__(engine, clock=_now, failure=self._failure)
        self._migrate()

    def append(self, rows: Sequence[Row]) -> None:
        """Append rows of one partition, all or none; durable when it returns."""
        if not rows:
            return
        check_appended(rows)
        with self._appending, self._trees.growing(rows) as growth:
            try:
                self._insert(self._writing(), rows, growth)
            except psycopg.Error as error:
                raise self._append_failure(rows, error) from error
            except BaseException:
                self._drop_writer()  # interrupted at an unknown place
                raise

    def take_over(self, rows: Sequence[Row], *, tail: bytes) -> None:
        """Append like ``append`` after the event with this leaf hash, ending other sessions that block it."""
        if not rows:
            return
        check_appended(rows)
        with self._appending, self._trees.growing(rows, tail) as growth:
            try:
                self._insert_past_blockers(self._writing(), rows, growth, tail)
            except TailChanged:
                raise
            except psycopg.Error as error:
                raise self._append_failure(rows, error) from error
            except BaseException:
                self._drop_writer()  # interrupted at an unknown place
                raise

    def head(self, partition: int) -> int:
        """Return the last position of the partition, 0 when it is empty."""
        return self._read(lambda reader: _head(reader, partition))

    def read(self, partition: int, after: int, limit: int) -> list[Row]:
        """Return up to ``limit`` rows with a position greater than ``after``, in order; fewer when they are large."""

        def read(reader: DirectConnection) -> list[Row]:
            return read_pages(partial(page, reader), after, limit)

        def page(reader: DirectConnection, behind: int, size: int, most: int) -> list[Row]:
            rows = _rows(reader, _PAGE, partition, behind, size, most)
            return self._archive.whole(rows, partial(_place_of, reader, partition), most)

        rows = self._read(read)
        check_read(rows, after)
        return rows

    def table(self, partition: int, after: int, limit: int) -> Table:
        """Return rows as ``read`` does, as a table."""
        return Table.of(partition, self.read(partition, after, limit))

    def aggregate(self, partition: int, originator_id: bytes, *, upto_version: int | None = None) -> list[Row]:
        """Return the rows of one aggregate in version order, up to and including ``upto_version``."""
        upto = _LAST_VERSION if upto_version is None else upto_version

        def read(reader: DirectConnection) -> list[Row]:
            rows = _rows(reader, _AGGREGATE, partition, originator_id.hex(), upto)
            return self._archive.whole(rows, partial(_place_of, reader, partition))

        return self._read(read)

    def find(self, partition: int, ids: Sequence[bytes]) -> dict[bytes, int]:
        """Return the position at which each id was first recorded, leaving out the unknown ones."""
        return self._read(lambda reader: _find(reader, partition, ids)) if ids else {}

    def whose(self, partition: int, topic: str, after: int, upto: int) -> list[bytes]:
        """Return whose the events of a topic are that stand behind ``after`` and up to ``upto``, in order."""
        asked = [_text(value) for value in (partition, after, upto, topic)]
        return self._read(lambda reader: [found for (found,) in reader.fetch(_WHOSE, asked, tuple)])

    def odd_value(self, partition: int, after: int, upto: int) -> None:
        """Return None: the columns take no value of another kind."""

    def tree(self, partition: int) -> Frontier:
        """Return the Merkle tree over the partition's events."""
        found = self._read(lambda reader: reader.fetch(_TREE, [_text(partition)], tuple))
        return load_tree(partition, found[0] if found else None)

    def close(self) -> None:
        """Close every connection. Closing twice is allowed."""
        self._closed = True
        super().close()
        self._readers.dispose()
        with self._appending:
            self._drop_writer()
            self._trees.close()

    def _connect(self, *settings: str, autocommit: bool = True) -> _Connection:
        if self._closed:
            raise LogUnavailable("the log was closed")
        connection = connect(self._parameters, autocommit=True)
        try:
            for setting in settings:
                connection.execute(setting)
            connection.autocommit = autocommit
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect_reader(self) -> DirectConnection:
        """Connect for reading along indexes: a plan made while the table was empty would scan it for ever after."""
        reader = self._connect("SET enable_seqscan = off", "SET enable_bitmapscan = off", "SET enable_sort = off")
        return _direct(reader)

    def _reader_pool(self) -> ClosingPool:
        return ClosingPool(
            self._connect_reader,  # type: ignore[arg-type]
            pool_size=_READERS,
            max_overflow=_READERS,
            reset_on_return=None,
            use_lifo=True,
        )

    def _writing(self) -> DirectConnection:
        if self._writer is None or self._writer.lost:
            self._writer = _direct(self._connect())
        return self._writer

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _drop_all(self) -> None:
        """Leave every connection: what has become of one has of all, and each would wait by itself for a dead peer."""
        self._drop_writer()
        self._engine.dispose()
        self._renew_readers()

    def _renew_readers(self) -> None:
        stale, self._readers = self._readers, self._reader_pool()
        stale.dispose()

    def _insert(self, writer: DirectConnection, rows: Sequence[Row], growth: Growth) -> None:
        if len(rows) == 1:
            writer.execute(_INSERT, (*binary_values(rows[0]), *binary_growth(growth)), formats=_ALL_BINARY)
        elif len(rows) >= _HASHED_MEANWHILE:
            writer.copy_first(_COPY, self._packer.pack(growth.batch), then=partial(_grow_meanwhile, growth))
        else:
            writer.copy(_COPY, self._packer.pack(growth.batch), then=_grow(growth))

    def _insert_past_blockers(self, writer: DirectConnection, rows: Sequence[Row], growth: Growth, tail: bytes) -> None:
        with self._ending_blockers(writer.connection.info.backend_pid):
            for _ in range(_TAKE_OVER_ATTEMPTS):
                try:
                    with writer.connection.transaction():
                        writer.connection.execute(_LIMIT_WAITING)
                        check_tail(_before(writer, rows[0]), tail)
                        self._insert(writer, rows, growth)
                except errors.LockNotAvailable:
                    continue
                return
        raise LogUnavailable(f"another session still blocks the append after {_TAKE_OVER_ATTEMPTS} attempts to end it")

    @contextmanager
    def _ending_blockers(self, pid: int) -> Iterator[None]:
        """End, from a second connection, the sessions for which backend ``pid`` waits longer than it should."""
        done = threading.Event()
        watcher = threading.Thread(target=self._end_blockers, args=(pid, done), name="esep-take-over", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()

    def _end_blockers(self, pid: int, done: threading.Event) -> None:
        while not done.wait(_UNBLOCK_AFTER_SECONDS):
            try:
                with self._connect() as connection:
                    connection.execute(_END_BLOCKERS, [pid])
            except (psycopg.Error, LogUnavailable):
                continue  # the append itself reports that it is still blocked

    def _read(self, work: Callable[[DirectConnection], _T]) -> _T:
        """Do the work with a pooled connection, once more with a new one if that turns out to be lost."""
        try:
            return self._read_once(work)
        except LogUnavailable:
            if self._closed:
                raise
            self._renew_readers()
            return self._read_once(work)

    def _read_once(self, work: Callable[[DirectConnection], _T]) -> _T:
        try:
            pooled = self._readers.connect()
        except psycopg.Error as error:
            raise self._failure(error) from error
        except PoolTimeout as error:
            raise LogUnavailable(f"all {2 * _READERS} readers of the log are in use") from error
        reader: DirectConnection = pooled.driver_connection  # type: ignore[assignment]
        try:
            reader.limit(timeout_ms(self._patience.seconds()))
            return work(reader)
        except errors.QueryCanceled as error:
            raise ReadOutOfTime("the database ended a read that took too long") from error
        except psycopg.Error as error:
            pooled.invalidate()
            raise self._failure(error) from error
        finally:
            pooled.close()

    def _append_failure(self, rows: Sequence[Row], error: psycopg.Error) -> Exception:
        failure = self._failure(error)
        if isinstance(failure, LogUnavailable):
            self._drop_all()
        if (
            isinstance(failure, VersionTaken | RequestTaken | TreeChanged)
            and self.head(rows[0].partition) >= rows[0].position
        ):
            return PositionTaken(f"position {rows[0].position} of partition {rows[0].partition} is taken")
        return failure

    def _failure(self, error: BaseException) -> Exception:
        """Return what a driver's error means; one that only a mistake in this code can cause is returned as it is."""
        match error:
            case errors.UniqueViolation():
                return _conflict(error.diag.constraint_name or "")
            case errors.NotNullViolation() if (error.diag.table_name or "").startswith(trees.name):
                return TreeChanged("the tree is not the one that these rows would grow")
            case errors.DiskFull():
                return StorageFull("there is no room left on the database server")
            case errors.DataCorrupted() | errors.IndexCorrupted():
                return LogBroken(f"the database is damaged: {error}")
            case psycopg.OperationalError() | psycopg.InterfaceError() | psycopg.InternalError():
                return LogUnavailable(f"the database did not answer: {str(error).strip() or type(error).__name__}")
            case _:
                return error if isinstance(error, Exception) else RuntimeError(str(error))


def _direct(connection: _Connection) -> DirectConnection:
    bytes_loader = connection.adapters.get_loader(connection.adapters.types["bytea"].oid, Format.BINARY)
    if bytes_loader is None:
        raise RuntimeError("psycopg does not load binary values")
    connection.adapters.register_loader("uuid", bytes_loader)  # An id is its 16 bytes.
    return DirectConnection(connection)


def _now() -> ColumnElement[int]:
    return cast(func.extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)


def _head(reader: DirectConnection, partition: int) -> int:
    [(head,)] = reader.fetch(_HEAD, [_text(partition)], tuple)
    return head or 0


def _rows(reader: DirectConnection, query: str, *values: int | str) -> list[Row]:
    return rows_of(reader.fetch(query, [_text(value) for value in values], tuple))


def _place_of(reader: DirectConnection, partition: int, position: int) -> Place | None:
    found = reader.fetch(_PLACE, [_text(partition), _text(position)], tuple)
    return Place._make(found[0]) if found else None


def _before(connection: DirectConnection, row: Row) -> Row | None:
    """Return the event just before a row's position, None when there is none."""
    found = _rows(connection, _NEXT, row.partition, row.position - 2) if row.position > 1 else []
    return found[0] if found and found[0].position == row.position - 1 else None


def _find(reader: DirectConnection, partition: int, ids: Sequence[bytes]) -> dict[bytes, int]:
    positions: dict[bytes, int] = {}
    wanted = f"{{{','.join(map(bytes.hex, ids))}}}"
    for found, position in reader.fetch(_FIND, [_text(partition), _text(wanted)], tuple):
        positions[found] = min(position, positions.get(found, position))
    return positions


def _text(value: int | str) -> bytes:
    return str(value).encode()


def _grow_meanwhile(growth: Growth) -> str:
    """Return that statement while the database takes the rows in.

    Not earlier: the process that hashes would be in the way of the one that is to take them in.
    """
    growth.hash_beside()
    return _grow(growth)


def _grow(growth: Growth) -> str:
    """Return the statement that grows a tree, to run with a COPY, which takes no values."""
    before, after = growth.before, growth.after
    edges, root, grown_from = (f"'\\x{value.hex()}'" for value in (after.dump(), after.root, before.root))
    return _GROW.format(growth.partition, after.size, edges, root, before.size, grown_from)


def _conflict(constraint: str) -> Exception:
    """Return the conflict that a constraint's name tells."""
    if constraint.startswith(VERSION_CONSTRAINT):
        return VersionTaken("one of these aggregates already has an event of that version")
    if constraint.startswith(REQUEST_CONSTRAINT):
        return RequestTaken("one of these request ids has already been recorded")
    return PositionTaken("one of these positions has already been recorded")
