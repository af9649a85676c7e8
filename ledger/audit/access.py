"""The log of privileged reads: who looked at what, and when. Rows are added to it and never changed or taken out.

It stands beside the ledger's own log, because a read must not wait for the engine nor take a position among the
movements of money. Every row holds a digest over the one before it, so that a row that is changed, put in or taken out
later shows at every digest that somebody wrote down since.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from struct import Struct
from typing import Final

import msgspec
from sqlalchemy import BigInteger, Column, Engine, LargeBinary, MetaData, Table, Text, func, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ledger.locking import alone
from ledger.log.errors import LogUnavailable

metadata = MetaData()

accesses: Final = Table(
    "audit_accesses",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),  # microseconds since the Unix epoch
    Column("caller", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
)

BEFORE_THE_FIRST: Final = bytes(32)
_ADVISORY_LOCK: Final = 0x61636373  # "accs"
_TRIES: Final = 10
_NUMBERS = Struct(">QQ")
_LENGTH = Struct(">I")


class Note(msgspec.Struct, frozen=True):
    """Somebody is about to read something. ``request`` is what was asked, as JSON."""

    at: int
    caller: str
    role: str
    method: str
    request: str


class Access(msgspec.Struct, frozen=True):
    """A note, and its place in the log."""

    number: int
    note: Note
    digest: bytes


class AccessLogBrokenError(Exception):
    """A row of the log of reads is not what it was written as."""

    def __init__(self, number: int) -> None:
        super().__init__(f"access {number} is missing, or is not what was noted")
        self.number = number


def digest(before: bytes, number: int, note: Note) -> bytes:
    """Return the digest of a row: SHA-256 over the one before it and every field, texts after their lengths."""
    parts = [before, _NUMBERS.pack(number, note.at)]
    for text in (note.caller, note.role, note.method, note.request):
        encoded = text.encode()
        parts += (_LENGTH.pack(len(encoded)), encoded)
    return sha256(b"".join(parts)).digest()


class AccessLog:
    """Notes reads and lists them. Blocking; safe to use from several threads and by several servers of one ledger."""

    def __init__(self, engine: Engine) -> None:
        """Make the table where it is not there; raises LogUnavailable."""
        self._engine = engine
        self._noting = threading.Lock()
        with _answering(), engine.begin() as connection:
            alone(connection, _ADVISORY_LOCK)
            metadata.create_all(connection)

    def note(self, note: Note) -> Access:
        """Add a row, durably; raises LogUnavailable."""
        with self._noting:
            for _ in range(_TRIES):
                with _answering():
                    try:
                        return self._add(note)
                    except IntegrityError:
                        continue  # another server was faster
        raise LogUnavailable(f"other servers were faster {_TRIES} times")

    def _add(self, note: Note) -> Access:
        with self._engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                alone(connection, _ADVISORY_LOCK)
            last = connection.execute(
                select(accesses.c.number, accesses.c.digest).order_by(accesses.c.number.desc()).limit(1)
            ).first()
            number, before = (1, BEFORE_THE_FIRST) if last is None else (last.number + 1, bytes(last.digest))
            access = Access(number, note, digest(before, number, note))
            row = {"number": number, "digest": access.digest, **msgspec.structs.asdict(note)}
            connection.execute(insert(accesses).values(row))
        return access

    def read(
        self, *, after: int, upto: int, caller: str = "", start: int | None = None, end: int | None = None, limit: int
    ) -> list[Access]:
        """Return up to ``limit`` rows behind one number and not behind another; raises LogUnavailable."""
        query = select(accesses).where(accesses.c.number > after, accesses.c.number <= upto)
        if caller:
            query = query.where(accesses.c.caller == caller)
        if start is not None:
            query = query.where(accesses.c.at >= start)
        if end is not None:
            query = query.where(accesses.c.at < end)
        with _answering(), self._engine.begin() as connection:
            rows = connection.execute(query.order_by(accesses.c.number).limit(limit)).all()
        return [
            Access(row.number, Note(row.at, row.caller, row.role, row.method, row.request), bytes(row.digest))
            for row in rows
        ]

    def head(self) -> int:
        """Return the number of the newest row, 0 when there is none; raises LogUnavailable."""
        with _answering(), self._engine.begin() as connection:
            newest: int = connection.execute(select(func.coalesce(func.max(accesses.c.number), 0))).scalar_one()
        return newest

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def check(rows: Iterable[Access], *, before: bytes = BEFORE_THE_FIRST, number: int = 1) -> bytes:
    """Return the digest of the last row, given all from ``number`` on; raises AccessLogBrokenError at a wrong one."""
    for access in rows:
        before = digest(before, number, access.note)
        if access.number != number or access.digest != before:
            raise AccessLogBrokenError(number)
        number += 1
    return before


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        raise LogUnavailable(f"the log of reads does not answer: {type(error.orig).__name__}") from None
    except PoolTimeout:
        raise LogUnavailable("every connection to the log of reads is in use") from None
