"""Projections in PostgreSQL: each copy a schema of its own, in the same database as the log.

``projections.live`` holds the pointer. The runner takes a share of its row in every transaction and
publishing takes all of it, so that nothing is written to a copy that is being retired; its tracking is
emptied in the same transaction, which tells readers to look at the pointer again. Rows go in by binary COPY.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cache
from itertools import chain
from typing import Any, TypeVar

import psycopg
from psycopg import errors, sql
from sqlalchemy import Table, create_engine
from sqlalchemy.dialects import postgresql
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateSchema, DropSchema

from projections.columns import Columns, packed_columns, rows_of
from projections.schema import SCHEMA_VERSION, metadata
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

_Connection = psycopg.Connection[Any]
_T = TypeVar("_T")

_HOME = "projections"
_FEW_ROWS = 32
_MAKING = 0x65736570
"""The first key of the advisory locks by which copies are held while they are made: "esep"."""
_PUBLISHING = 0
"""The second key of the one that whoever publishes holds; copies are numbered from 1 on."""
_FOUNDING = -1
"""The second key of the one under which the pointer's table is made: of two sessions at once one would fail."""
_READ_SETTINGS = ("SET enable_seqscan = off", "SET enable_bitmapscan = off", "SET plan_cache_mode = force_generic_plan")
_UNREACHABLE = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError, OSError)
"""What psycopg raises when the database does not answer or gives up; OSError where it cannot so much as wait."""
_POINTER = f"SELECT schema_version, number FROM {_HOME}.live"


class PostgresSession:
    """A connection and what is asked over it; also the writer of its transaction."""

    def __init__(self, connection: _Connection, number: int) -> None:
        self.connection = connection
        self.number = number
        self._cursor = connection.cursor(binary=True)
        self._made: set[str] = set()
        self._timeout_ms = 0
        self._patience: Patience | None = None

    def one(self, sql: str, *values: Any) -> Values | None:
        """Return the first row, None when there is none."""
        self._look_at_time()
        found: Values | None = self._cursor.execute(_translated(sql), values, prepare=True).fetchone()
        return found

    def all(self, sql: str, *values: Any) -> list[Values]:
        """Return all rows."""
        self._look_at_time()
        return self._cursor.execute(_translated(sql), values, prepare=True).fetchall()

    def packed(self, columns: str, binary: str, rows: str) -> str:
        """Return an expression for all rows of a statement, as arrays in JSON."""
        return _packed_sql(columns, binary, rows)

    def limit(self, patience: Patience) -> None:
        """Bound every statement until the next call by what this thread's patience is now."""
        seconds = patience.seconds()
        self._patience = None if seconds is None else patience
        milliseconds = 0 if seconds is None else _rounded_up(max(1, int(seconds * 1000)))
        if milliseconds != self._timeout_ms:
            self.connection.execute(f"SET statement_timeout = {milliseconds}")
            self._timeout_ms = milliseconds

    def _look_at_time(self) -> None:
        """Begin no statement for which there is no time: a question may ask many short ones."""
        if self._patience is not None:
            self._patience.seconds()

    def confirm(self) -> None:
        """Raise CopyRetiredError unless the pointer names this copy."""
        if self.one(_POINTER) != (SCHEMA_VERSION, self.number):
            raise CopyRetiredError(f"copy {self.number} of the projections is not the live one any more")

    def insert(self, table: Table, rows: Sequence[Values]) -> None:
        """Add rows that are not there yet."""
        if len(rows) > _FEW_ROWS:
            self._copy(table, table.name, rows)
        elif rows:
            self._cursor.execute(_insert_sql(table, len(rows)), list(chain.from_iterable(rows)))

    def insert_columns(self, table: Table, columns: Columns) -> None:
        """Add rows that are not there yet."""
        packed = packed_columns(_types(table), columns)
        if packed is None:
            self.insert(table, rows_of(columns))
            return
        with self._cursor.copy(f"COPY {table.name} FROM STDIN (FORMAT binary)") as copy:
            copy.write(packed)

    def upsert(self, table: Table, rows: Sequence[Values]) -> None:
        """Add rows, replacing those with the same key; at most once a table in a transaction."""
        if len(rows) > _FEW_ROWS:
            fresh = f"new_{table.name}"
            if fresh not in self._made:
                self._cursor.execute(f"CREATE TEMP TABLE {fresh} (LIKE {table.name}) ON COMMIT DELETE ROWS")
                self._made.add(fresh)
            self._copy(table, fresh, rows)
            self._cursor.execute(f"INSERT INTO {table.name} SELECT * FROM {fresh} {_on_conflict(table)}")
        elif rows:
            statement = f"{_insert_sql(table, len(rows))} {_on_conflict(table)}"
            self._cursor.execute(statement, list(chain.from_iterable(rows)))

    def _copy(self, table: Table, into: str, rows: Sequence[Values]) -> None:
        with self._cursor.copy(f"COPY {into} FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(_types(table))
            write = copy.write_row
            for row in rows:
                write(row)


class PostgresCopy:
    """One schema of tables, open for writing."""

    def __init__(self, connection: _Connection, number: int, *, live: bool) -> None:
        """Take the connection. A copy that is not ``live`` yet is written without looking at the pointer."""
        self.number = number
        self.is_live = live
        self._session = PostgresSession(connection, number)

    @contextmanager
    def write(self) -> Iterator[PostgresSession]:
        """Begin a transaction, committed at the end of the block unless it raises."""
        session = self._session
        try:
            with session.connection.transaction():
                if self.is_live:
                    # Holds back whoever wants to publish another copy, and other runners: each event counts once.
                    session.one(f"{_POINTER} FOR UPDATE")
                    session.confirm()
                yield session
        except errors.UndefinedTable as error:
            raise CopyRetiredError(f"copy {self.number} of the projections was dropped") from error

    def confirm(self) -> None:
        """Raise CopyRetiredError when this was the live copy and is so no longer."""
        if self.is_live:
            self._session.confirm()

    @contextmanager
    def read(self) -> Iterator[PostgresSession]:
        """Begin a transaction that sees one state throughout."""
        connection = self._session.connection
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield self._session
        except errors.UndefinedTable as error:
            raise CopyRetiredError(f"copy {self.number} of the projections was dropped") from error
        finally:
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close the connection."""
        self._session.connection.close()


class PostgresStore:
    """The copies of the projections in the database that ``url`` names, as libpq understands it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._patience = Patience()
        self.within = self._patience.within
        self._local = threading.local()
        self._sessions: list[PostgresSession] = []
        self._lock = threading.Lock()
        self._closed = False

    def live(self) -> PostgresCopy | None:
        """Open the live copy for writing, None when there is none of today's schema."""
        with _closed_on_failure(self._connect()) as connection:
            number = _live_number(connection)
            if number is None:
                connection.close()
                return None
            return self._open(connection, number, live=True)

    def create(self) -> PostgresCopy:
        """Make a new copy with empty tables, which nobody reads until it is published."""
        with _closed_on_failure(self._connect()) as connection:
            return self._create(connection)

    def _create(self, connection: _Connection) -> PostgresCopy:
        _make_home(connection)
        number = 1 + max(_numbers(connection), default=0)
        # Held for as long as this session lives, which is as long as the copy is written: whoever waited for it to make
        # a copy of its own would wait for ever. A schema that nobody holds and that is not live was abandoned.
        while not _hold(connection, number) or number in _numbers(connection):
            number += 1
        engine = create_engine(
            "postgresql+psycopg://",
            poolclass=NullPool,
            creator=lambda: self._connect(autocommit=False),
            execution_options={"schema_translate_map": {None: _schema(number)}},
        )
        with engine.begin() as made:
            made.execute(CreateSchema(_schema(number)))
            metadata.create_all(made)
        for table, column in (("recorded_times", "times"), ("tiles", "hashes"), ("authorizations", "details")):
            connection.execute(f"ALTER TABLE {_schema(number)}.{table} ALTER COLUMN {column} SET STORAGE EXTERNAL")
        return self._open(connection, number, live=False)

    def publish(self, copy: Copy, *, before: Callable[[], None] | None = None) -> None:
        """Make the copy the live one, and drop every other that was."""
        with self._publishing() as connection:
            old = self._publish(connection, copy, before)
        self._retire(old)

    def replace(self, number: int | None, copy: Copy) -> bool:
        """Publish the copy where that of this number is live, for None where none is; tell whether it was."""
        with self._publishing() as connection:
            if _live_number(connection) != number:
                return False
            old = self._publish(connection, copy, None)
        self._retire(old)
        return True

    @contextmanager
    def _publishing(self) -> Iterator[_Connection]:
        """Keep others from publishing for the length of the block."""
        with self._connect() as connection:
            connection.execute("SELECT pg_advisory_lock(%s, %s)", (_MAKING, _PUBLISHING))
            _make_home(connection)
            yield connection

    def _publish(self, connection: _Connection, copy: Copy, before: Callable[[], None] | None) -> int | None:
        """Move the pointer to a copy; return the number of the one that it left."""
        with connection.transaction():
            found = connection.execute(f"SELECT number FROM {_HOME}.live FOR UPDATE").fetchone()
            old: int | None = None if found is None else found[0]
            if before is not None:
                before()
            connection.execute(f"DELETE FROM {_HOME}.live")
            connection.execute(f"INSERT INTO {_HOME}.live VALUES (0, %s, %s)", (SCHEMA_VERSION, copy.number))
            if old is not None and old in _numbers(connection):
                connection.execute(sql.SQL("DELETE FROM {}.tracking").format(sql.Identifier(_schema(old))))
        if isinstance(copy, PostgresCopy):
            copy.is_live = True
        return None if old == copy.number else old

    def _retire(self, number: int | None) -> None:
        """Drop a copy that the pointer has just left, once its readers are done; where that fails a sweep does it."""
        if number is not None:
            with suppress(psycopg.Error, OSError), self._connect() as connection:
                _drop(connection, number)

    def drop(self, copy: Copy) -> None:
        """Close a copy, and drop its schema unless it has been published."""
        # In this order: its number is nobody else's while it is held, and a publication that failed has ended by then.
        with closing(copy), self._publishing() as connection:
            if _named(connection) != copy.number:
                _drop(connection, copy.number)

    def sweep(self) -> int:
        """Drop the schemas of copies that nobody will publish; return how many."""
        with self._connect() as connection:
            _make_home(connection)
            return sum([_drop_abandoned(connection, number) for number in _numbers(connection)])

    def snapshot(self, work: Callable[[Session], _T]) -> _T:
        """Do ``work`` on the live copy, in one transaction that sees one state throughout."""

        def in_transaction(session: Session) -> _T:
            connection = self._local.session.connection
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", prepare=True)
            try:
                return work(session)
            finally:
                if not connection.closed:
                    # Not ROLLBACK: the driver forgets its prepared statements at one.
                    connection.execute("COMMIT", prepare=True)

        return self.question(in_transaction)

    def question(self, work: Callable[[Session], _T]) -> _T:
        """Do ``work``, which asks a single statement, on the live copy."""
        try:
            return self._ask(work)
        except _UNREACHABLE as error:
            raise ProjectionsUnreachableError(f"the projections do not answer: {error}") from error

    def _ask(self, work: Callable[[Session], _T]) -> _T:
        while True:
            session = self._reader()
            try:
                session.limit(self._patience)
                return work(session)
            except errors.QueryCanceled as error:
                self._forget(session)
                raise QuestionOutOfTimeError("the database ended a question that took too long") from error
            except (errors.UndefinedTable, CopyRetiredError):
                self._forget(session)
                if self._live_or_raise() == session.number:
                    raise
            except (psycopg.Error, OSError):
                self._forget(session)
                raise

    def prompt(self) -> None:
        """Return None: another process answers."""

    def close(self) -> None:
        """Close every connection of a reader; none is opened from now on."""
        with self._lock:
            self._closed = True
            sessions, self._sessions = self._sessions, []
        for session in sessions:
            session.connection.close()
        self._local = threading.local()

    def _reader(self) -> PostgresSession:
        session: PostgresSession | None = getattr(self._local, "session", None)
        if session is not None and not session.connection.closed:
            return session
        if session is not None:
            self._forget(session)
        with _closed_on_failure(self._connect()) as connection:
            number = _live_number(connection)
            if number is None:
                raise ProjectionsNotReadyError("the projections have not been made yet, or by another version")
            for setting in (f"SET search_path = {_schema(number)}", *_READ_SETTINGS):
                connection.execute(setting)
            session = PostgresSession(connection, number)
            with self._lock:
                if self._closed:
                    raise psycopg.OperationalError("the projections were closed")
                self._sessions.append(session)
        self._local.session = session
        return session

    def _forget(self, session: PostgresSession) -> None:
        self._local.session = None
        with self._lock:
            if session in self._sessions:
                self._sessions.remove(session)
        session.connection.close()

    def _live_or_raise(self) -> int:
        with self._connect() as connection:
            number = _live_number(connection)
        if number is None:
            raise ProjectionsNotReadyError("the projections have not been made yet, or by another version")
        return number

    def _connect(self, *, autocommit: bool = True) -> _Connection:
        return psycopg.connect(self._url, autocommit=autocommit, application_name="esep projections")

    def _open(self, connection: _Connection, number: int, *, live: bool) -> PostgresCopy:
        connection.execute(f"SET search_path = {_schema(number)}")
        connection.execute("SET synchronous_commit = off")
        return PostgresCopy(connection, number, live=live)


@contextmanager
def _closed_on_failure(connection: _Connection) -> Iterator[_Connection]:
    """Close a connection that a failed block would leave open: what it locks would stay so."""
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def _rounded_up(milliseconds: int) -> int:
    """Return at least so many, an eighth more at most, so that few different timeouts have to be set."""
    step = max(1, (1 << milliseconds.bit_length() - 1) // 8)
    return -(-milliseconds // step) * step


def _schema(number: int) -> str:
    return f"{_HOME}_{number}"


def _make_home(connection: _Connection) -> None:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_MAKING, _FOUNDING))
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_HOME}")
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {_HOME}.live (id smallint PRIMARY KEY, schema_version int NOT NULL,"
            " number int NOT NULL)"
        )


def _named(connection: _Connection) -> int | None:
    """Return the number that the pointer names, of whatever schema."""
    found = connection.execute(f"SELECT number FROM {_HOME}.live").fetchone()
    return None if found is None else found[0]


def _live_number(connection: _Connection) -> int | None:
    try:
        found = connection.execute(_POINTER).fetchone()
    except errors.UndefinedTable:
        return None
    if found is None or found[0] != SCHEMA_VERSION or found[1] not in _numbers(connection):
        return None
    number: int = found[1]
    return number


def _numbers(connection: _Connection) -> list[int]:
    found = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname ~ '^projections_[0-9]+$'")
    return [int(name.rpartition("_")[2]) for (name,) in found]


def _hold(connection: _Connection, number: int) -> bool:
    """Tell whether nobody holds a copy as one that is being made; then this session does until it ends."""
    found = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (_MAKING, number)).fetchone()
    return found is not None and bool(found[0])


def _drop_abandoned(connection: _Connection, number: int) -> bool:
    """Drop a copy that nobody makes and that is not live; tell whether it was so."""
    # The pointer is looked at last: who made the copy may have published it, and let it go, just before.
    if not _hold(connection, number) or _named(connection) == number:
        return False
    _drop(connection, number)
    return True


def _drop(connection: _Connection, number: int) -> None:
    connection.execute(str(DropSchema(_schema(number), cascade=True, if_exists=True)))


@cache
def _translated(statement: str) -> str:
    return statement.replace("?", "%s")


@cache
def _types(table: Table) -> tuple[str, ...]:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return tuple(column.type.compile(dialect).split()[0].lower() for column in table.columns)


@cache
def _insert_sql(table: Table, rows: int) -> str:
    row = f"({', '.join(['%s'] * len(table.columns))})"
    return f"INSERT INTO {table.name} VALUES {', '.join([row] * rows)}"


@cache
def _on_conflict(table: Table) -> str:
    key = [column.name for column in table.primary_key.columns]
    taken = ", ".join(f"{column.name} = excluded.{column.name}" for column in table.columns if column.name not in key)
    return f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {taken}"


@cache
def _packed_sql(columns: str, binary: str, rows: str) -> str:
    arrays = f"json_build_array({columns}, encode({binary}, 'hex'))"
    return f"(SELECT coalesce(json_agg({arrays}), '[]')::text FROM ({rows}) AS packed)"
