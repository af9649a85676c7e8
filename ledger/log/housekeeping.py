"""Signs of life, snapshots and checkpoints: what both stores keep beside the history, in the same words.

None of it is needed to be right, so it is written without waiting for the disk. A snapshot goes in as chunks,
each in a short transaction of its own, so that appends never wait for a large one; chunk 0 is written last,
and a snapshot without it does not exist.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import psycopg
from sqlalchemy import ColumnElement, Connection, Engine, Select, Table, delete, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from domain.times import DAY, SECOND
from ledger.log.api import Beat, Kept, Mail
from ledger.log.errors import LogUnavailable
from ledger.log.migrations import migrate
from ledger.log.schema import checkpoints, cosignatures, engines, layout, mailbox, snapshots

CHUNK_BYTES = 8 << 20

_KEPT_SNAPSHOTS = 2
_KEPT_CHECKPOINTS = DAY
"""How long, in microseconds, a checkpoint waits for a first witness before it is dropped."""

_INSERT: Mapping[str, Callable[[Table], sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}

_T = TypeVar("_T")


class Housekeeping:
    """Keeps beats and snapshots through a SQLAlchemy engine of its own."""

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Callable[[], ColumnElement[int]],
        failure: Callable[[BaseException], Exception],
    ) -> None:
        """Take the engine, the database's clock in microseconds, and what a driver's error means."""
        self._engine = engine
        # A sign of life commits in the statement's own round trip: an owner that is paused halfway through a
        # transaction would keep the row, and with it the next owner.
        self._at_once = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._clock = clock
        self._failure = failure

    def partitions(self, wanted: int | None = None) -> int:
        """Return how many partitions the ledger has; one without events yet is made with as many as are wanted.

        Raises ValueError when that is another number than it was made with: it is fixed for good.
        """
        made = _INSERT[self._engine.dialect.name](layout).values(partition=0, partitions=wanted or 1)
        self._run(lambda c: c.execute(made.on_conflict_do_nothing()))
        asked = select(layout.c.partitions).where(layout.c.partition == 0)
        found = self._run(lambda c: c.execute(asked).scalar_one())
        if wanted not in (None, found):
            raise ValueError(
                f"this ledger was made with {found} partitions, which is for good: it cannot have {wanted}"
            )
        return int(found)

    def send_mail(self, partition: int, mail: Sequence[Mail]) -> None:
        """Tell the owner of a partition what others have sent it, once however often it is told."""
        told = [{"partition": partition, "home": each.home, "position": each.position} for each in mail]
        new = _INSERT[self._engine.dialect.name](mailbox).values(told).on_conflict_do_nothing()
        self._run(lambda c: c.execute(new))

    def read_mail(self, partition: int, limit: int) -> list[Mail]:
        """Return what the owner of a partition has been told and has not taken in."""
        mine = select(mailbox.c.home, mailbox.c.position).where(mailbox.c.partition == partition).limit(limit)
        return [Mail(*row) for row in self._run(lambda c: c.execute(mine).all())]

    def drop_mail(self, partition: int, mail: Sequence[Mail]) -> None:
        """Forget what the owner of a partition has taken in."""
        taken = tuple_(mailbox.c.home, mailbox.c.position).in_([tuple(each) for each in mail])
        gone = delete(mailbox).where(mailbox.c.partition == partition, taken)
        self._run(lambda c: c.execute(gone))

    def beat(self, partition: int, owner: str, address: str = "") -> None:
        """Record a sign of life of the partition's owner, and where it is reached."""
        insert = _INSERT[self._engine.dialect.name](engines)
        new = insert.values(partition=partition, owner=owner, beat_at=self._clock(), address=address)
        taken = {name: new.excluded[name] for name in ("owner", "beat_at", "address")}
        sign = new.on_conflict_do_update(index_elements=["partition"], set_=taken)
        self._run(lambda c: c.execute(sign), self._at_once)

    def last_beat(self, partition: int) -> Beat | None:
        """Return the last sign of life, None when there was none or the owner said goodbye."""
        age = self._clock() - engines.c.beat_at
        last = select(engines.c.owner, age, engines.c.address).where(engines.c.partition == partition)
        found = self._run(lambda c: c.execute(last).first())
        return None if found is None else Beat(found[0], max(0.0, found[1] / SECOND), found[2])

    def release(self, partition: int, owner: str) -> None:
        """Forget the sign of life if it is this owner's."""
        own = delete(engines).where(engines.c.partition == partition, engines.c.owner == owner)
        self._run(lambda c: c.execute(own))

    def save_snapshot(self, partition: int, position: int, data: bytes) -> None:
        """Keep the decision state as at ``position``, and drop the older ones but one."""
        here = (snapshots.c.partition == partition, snapshots.c.position == position)
        self._run(lambda c: c.execute(delete(snapshots).where(*here)))
        view = memoryview(data)
        for chunk in reversed(_chunks(len(data))):
            piece = bytes(view[chunk * CHUNK_BYTES : (chunk + 1) * CHUNK_BYTES])
            new = snapshots.insert().values(partition=partition, position=position, chunk=chunk, data=piece)
            self._run(lambda c, new=new: c.execute(new))  # type: ignore[misc]
        self._drop_older(partition, position)

    def load_snapshot(self, partition: int, *, upto: int) -> tuple[int, bytes] | None:
        """Return the newest snapshot at or before position ``upto``, and its position."""
        newest = select(func.max(snapshots.c.position)).where(
            snapshots.c.partition == partition, snapshots.c.position <= upto, snapshots.c.chunk == 0
        )
        pieces = (
            select(snapshots.c.position, snapshots.c.data)
            .where(snapshots.c.partition == partition, snapshots.c.position == newest.scalar_subquery())
            .order_by(snapshots.c.chunk)
        )
        found = self._run(lambda c: c.execute(pieces).all())
        return (found[0][0], b"".join(piece for _, piece in found)) if found else None

    def keep_checkpoint(self, partition: int, kept: Kept) -> None:
        """Keep a signed checkpoint unless one of its size is kept, and drop old ones that nobody cosigned."""
        new = _INSERT[self._engine.dialect.name](checkpoints).values(
            partition=partition, size=kept.size, note=kept.note, signed_at=kept.signed_at
        )
        stale = delete(checkpoints).where(
            checkpoints.c.partition == partition,
            checkpoints.c.size < kept.size,
            checkpoints.c.signed_at < kept.signed_at - _KEPT_CHECKPOINTS,
            ~_cosigned(),
        )

        def keep(connection: Connection) -> None:
            connection.execute(new.on_conflict_do_nothing())
            connection.execute(stale)

        self._run(keep)

    def find_checkpoint(self, partition: int, *, size: int | None = None, cosigned: bool = False) -> Kept | None:
        """Return the checkpoint of this size, else the largest; only one that was cosigned, where that is asked."""
        wanted = _checkpoints(partition, cosigned=cosigned)
        if size is not None:
            wanted = wanted.where(checkpoints.c.size == size)
        found = self._kept(partition, wanted.limit(1))
        return found[0] if found else None

    def list_checkpoints(self, partition: int, *, below: int, cosigned: bool, limit: int) -> list[Kept]:
        """Return the checkpoints below a size, the largest first; only cosigned ones, where that is asked."""
        wanted = _checkpoints(partition, cosigned=cosigned).where(checkpoints.c.size < below)
        return self._kept(partition, wanted.limit(limit))

    def _kept(self, partition: int, wanted: Select[tuple[int, str, int]]) -> list[Kept]:
        def find(connection: Connection) -> list[Kept]:
            found = connection.execute(wanted).all()
            lines: dict[int, list[str]] = {row.size: [] for row in found}
            if found:
                between = cosignatures.c.size.between(found[-1].size, found[0].size)
                signed = select(cosignatures.c.size, cosignatures.c.line)
                signed = signed.where(cosignatures.c.partition == partition, between)
                for size, line in connection.execute(signed.order_by(cosignatures.c.witness)):
                    if size in lines:
                        lines[size].append(line)
            return [Kept(row.size, row.note, row.signed_at, tuple(lines[row.size])) for row in found]

        return self._run(find)

    def add_cosignature(self, partition: int, size: int, witness: str, line: str) -> None:
        """Keep a witness's line under a checkpoint in the place of its earlier one."""
        new = _INSERT[self._engine.dialect.name](cosignatures).values(
            partition=partition, size=size, witness=witness, line=line
        )
        later = new.on_conflict_do_update(
            index_elements=["partition", "size", "witness"], set_={"line": new.excluded.line}
        )
        self._run(lambda c: c.execute(later))

    def _drop_older(self, partition: int, position: int) -> None:
        whole = (
            select(snapshots.c.position)
            .where(snapshots.c.partition == partition, snapshots.c.chunk == 0, snapshots.c.position <= position)
            .order_by(snapshots.c.position.desc())
            .limit(_KEPT_SNAPSHOTS)
            .subquery()
        )
        oldest = select(func.min(whole.c.position)).scalar_subquery()
        stale = delete(snapshots).where(snapshots.c.partition == partition, snapshots.c.position < oldest)
        self._run(lambda c: c.execute(stale))

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _migrate(self) -> None:
        """Bring the schema up to date, and keep nothing open if that fails."""
        try:
            migrate(self._engine)
        except Exception as error:
            self.close()
            failure = self._failure((error.orig or error) if isinstance(error, DBAPIError) else error)
            if failure is error:
                raise
            raise failure from error

    def _run(self, work: Callable[[Connection], _T], engine: Engine | None = None) -> _T:
        try:
            with (engine or self._engine).begin() as connection:
                return work(connection)
        except DBAPIError as error:
            raise self._failure(error.orig or error) from error
        except (psycopg.Error, sqlite3.Error) as error:  # From what SQLAlchemy does without wrapping: see _at_once.
            raise self._failure(error) from error
        except PoolTimeout as error:
            raise LogUnavailable("every connection to the database is in use") from error


def _checkpoints(partition: int, *, cosigned: bool) -> Select[tuple[int, str, int]]:
    """Return the question for a partition's checkpoints, the largest first."""
    found = select(checkpoints.c.size, checkpoints.c.note, checkpoints.c.signed_at)
    found = found.where(checkpoints.c.partition == partition).order_by(checkpoints.c.size.desc())
    return found.where(_cosigned()) if cosigned else found


def _cosigned() -> ColumnElement[bool]:
    """Return the condition that a witness has cosigned a checkpoint."""
    here = (cosignatures.c.partition == checkpoints.c.partition, cosignatures.c.size == checkpoints.c.size)
    return select(cosignatures.c.witness).where(*here).exists()


def _chunks(size: int) -> range:
    """Return the numbers of the chunks that ``size`` bytes are cut into: at least one."""
    return range(max(1, -(-size // CHUNK_BYTES)))
