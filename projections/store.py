"""Where projections are kept: copies of the tables, one of them live.

A *copy* is a whole set of tables at some position: a file on SQLite, a schema on PostgreSQL. A pointer says
which copy is live. Rebuilding makes another copy beside the live one and moves the pointer at once; a reader
in the middle of a question finishes it on the copy it began with, and one that finds its copy retired asks
again. The copies hold nothing that the log does not, so they are written without waiting for the disk.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Table
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from domain.ports import Left
from projections.columns import Columns

T = TypeVar("T")

Values = tuple[Any, ...]

_MOST_KEYS = 512


class ProjectionsNotReadyError(Exception):
    """There are no tables of this schema yet: the runner has not made them."""


class CopyRetiredError(Exception):
    """Another copy is live now: what was being done on this one does not count."""


class ProjectionsUnreachableError(Exception):
    """The database of the tables does not answer, or has left a question without an answer."""


class QuestionOutOfTimeError(Exception):
    """A question took longer than whoever asked would wait, and was ended."""


class Patience(threading.local):
    """How long each thread's questions may take."""

    left: Left | None = None

    @contextmanager
    def within(self, left: Left) -> Iterator[None]:
        """Bound this thread's questions for the length of the block."""
        before, self.left = self.left, left
        try:
            yield
        finally:
            self.left = before

    def seconds(self) -> float | None:
        """Return what is left, None for as long as it takes; raises QuestionOutOfTimeError when nothing is."""
        if self.left is None:
            return None
        seconds = self.left()
        if seconds <= 0:
            raise QuestionOutOfTimeError("there was no time left to ask in")
        return seconds


class Session(Protocol):
    """One transaction on one copy. SQL is written with ``?`` and table names without a schema."""

    def one(self, sql: str, *values: Any) -> Values | None:
        """Return the first row, None when there is none."""
        ...

    def all(self, sql: str, *values: Any) -> list[Values]:
        """Return all rows."""
        ...

    def packed(self, columns: str, binary: str, rows: str) -> str:
        """Return an expression for all rows of a statement, as arrays in JSON.

        They hold columns that are numbers and texts, then one of bytes, in hexadecimal digits. One value takes one step
        of the driver, each of which hands the interpreter to other threads and takes it back.
        """
        ...

    def confirm(self) -> None:
        """Raise CopyRetiredError when this copy is retired; to be asked when its tracking is empty."""
        ...


class Writer(Session, Protocol):
    """A transaction that writes. Rows hold a value for each column of the table, in its order."""

    def insert(self, table: Table, rows: Sequence[Values]) -> None:
        """Add rows that are not there yet."""
        ...

    def insert_columns(self, table: Table, columns: Columns) -> None:
        """Add rows that are not there yet, told by columns."""
        ...

    def upsert(self, table: Table, rows: Sequence[Values]) -> None:
        """Add rows, replacing those with the same key. No key occurs twice in ``rows``."""
        ...


class Copy(Protocol):
    """One copy of the tables, open for writing by one thread."""

    number: int

    def write(self) -> AbstractContextManager[Writer]:
        """Begin a transaction, committed at the end of the block unless it raises.

        Raises what ``confirm`` does.
        """
        ...

    def confirm(self) -> None:
        """Raise CopyRetiredError when this was the live copy and is so no longer."""
        ...

    def read(self) -> AbstractContextManager[Session]:
        """Begin a transaction that sees one state throughout, however long it takes."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Store(Protocol):
    """All copies, and the pointer to the live one. Safe to use from several threads."""

    def live(self) -> Copy | None:
        """Open the live copy for writing, None when there is none of today's schema."""
        ...

    def create(self) -> Copy:
        """Make a new copy with empty tables, which nobody reads until it is published."""
        ...

    def publish(self, copy: Copy, *, before: Callable[[], None] | None = None) -> None:
        """Make the copy the live one, and drop every other that was.

        ``before`` runs while nobody can write to the copy that is live until now: a last chance to catch up. What
        cannot be dropped just then is left to a sweep.
        """
        ...

    def replace(self, number: int | None, copy: Copy) -> bool:
        """Publish the copy where that of this number is live, for None where none of today's schema is.

        Tell whether it was: several servers may find out at once that new tables are needed, and one copy is enough.
        """
        ...

    def drop(self, copy: Copy) -> None:
        """Close a copy that this store has made, and drop its tables unless they have been published."""
        ...

    def sweep(self) -> int:
        """Drop copies that nobody will publish, left by processes that died at it; return how many.

        A copy that is being made, by whichever process, is kept.
        """
        ...

    def snapshot(self, work: Callable[[Session], T]) -> T:
        """Do ``work`` on the live copy, in one transaction that sees one state throughout.

        ``work`` is done again from the start when its copy is retired meanwhile. Raises ProjectionsNotReadyError and
        ProjectionsUnreachableError.
        """
        ...

    def question(self, work: Callable[[Session], T]) -> T:
        """Do ``work``, which asks a single statement, on the live copy. Raises what ``snapshot`` does."""
        ...

    def within(self, left: Left) -> AbstractContextManager[None]:
        """Bound this thread's questions for the length of a block; ``left`` tells how many seconds are left.

        A question for which there is no time raises QuestionOutOfTimeError, and has ended in the database by then.
        """
        ...

    def prompt(self) -> "Store | None":
        """Return the same store for a thread that must not wait; None where every question waits for somebody else.

        Where it would have to wait for a lock it raises ProjectionsUnreachableError. It is closed with this one.
        """
        ...

    def close(self) -> None:
        """Close every connection. Closing twice is allowed."""
        ...


def open_store(database_url: str) -> Store:
    """Open the projections of the log that ``database_url`` names.

    They live beside it: for ``sqlite:///path/esep.db`` in files ``path/esep.projections.*``, on PostgreSQL in
    schemas ``projections*`` of the same database. Raises ValueError for any other url.
    """
    scheme = database_url.partition(":")[0]
    match scheme:
        case "sqlite":
            from projections.sqlite import SQLiteStore  # noqa: PLC0415 - a driver is imported when it is needed

            return SQLiteStore(_sqlite_path(database_url))
        case "postgresql" | "postgres" | "postgresql+psycopg":
            from projections.postgres import PostgresStore  # noqa: PLC0415 - a driver is imported when it is needed

            return PostgresStore(database_url.replace("postgresql+psycopg://", "postgresql://", 1))
        case _:
            raise ValueError(f"projections are kept in sqlite:///… or postgresql://…, not in {scheme!r}")


def select_many(session: Session, sql: str, before: Values, keys: Iterable[Any]) -> list[Values]:
    """Return the rows of a statement with ``IN ({keys})`` in it, asked for many keys at a time."""
    wanted = list(keys)
    found: list[Values] = []
    for start in range(0, len(wanted), _MOST_KEYS):
        part = wanted[start : start + _MOST_KEYS]
        # Repeating the last key up to a power of two keeps the number of different statements small.
        size = 1 << (len(part) - 1).bit_length()
        part += part[-1:] * (size - len(part))
        found += session.all(sql.format(keys=", ".join("?" * size)), *before, *part)
    return found


def _sqlite_path(database_url: str) -> Path:
    try:
        path = make_url(database_url).database
    except ArgumentError as error:
        raise ValueError("a SQLite url is sqlite:///path/to/file.db") from error
    if not path or path == ":memory:":
        raise ValueError("projections need a log in a file (sqlite:///path/to/file.db)")
    return Path(path)
