"""The database in memory: the tables of a log with their constraints, and the connections of processes to it.

What the tables refuse is refused here in the same terms. ``settled`` is how far somebody was told that the events are
committed: what stands behind it may still be dropped by a failover, although readers have seen it. A connection
implements the engine's ``Log`` and grows the tree with the product's own code.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from random import Random
from typing import Final

from domain.leaf import leaf_hash
from domain.ports import Left, Row
from ledger.log.api import Beat, Kept, Mail
from ledger.log.checks import check_appended, check_tail
from ledger.log.errors import (
    AppendConflict,
    LogUnavailable,
    PositionTaken,
    RequestTaken,
    StorageFull,
    TailChanged,
    TreeChanged,
    VersionTaken,
)
from ledger.log.merkle import Frontier
from ledger.log.tables import Table
from ledger.log.trees import Trees
from tests.simulation.faults import Fault, Faults
from tests.simulation.scheduler import SECOND, Process, Scheduler

PARTITION: Final = 0
_ROUND_TRIP: Final = 0.002
_LEAST_READ: Final = 2
_KEPT_SNAPSHOTS: Final = 2
_SEEN: Final = 0.4
"""How likely readers see what an ailing database has not told anybody to be committed."""


class Database:
    """Everything that survives the processes."""

    def __init__(self, scheduler: Scheduler, faults: Faults) -> None:
        self.scheduler = scheduler
        self.faults = faults
        self.rows: list[Row] = []
        self.writers: list[str] = []
        """By whose connection each row came."""
        self.settled = 0
        self.tree = Frontier()
        self.beats: tuple[str, int] | None = None
        self.snapshots: dict[int, bytes] = {}
        self.full_until = 0
        self.ailing = False
        """Whether nobody hears of a commit any more, until another server has taken over."""
        self.watchers: list[Callable[[], None]] = []
        """Called whenever more is settled."""
        self._versions: dict[tuple[bytes, int], int] = {}
        self._requests: dict[bytes, int] = {}
        self._ends: list[int] = []
        """Where each transaction ends: what is dropped is dropped whole."""
        self._server = 0
        """Counts failovers: what is still under way on an earlier server comes to nothing."""

    @property
    def head(self) -> int:
        return len(self.rows)

    def apply(self, writer: str, rows: Sequence[Row], before: Frontier, after: Frontier, tail: bytes | None) -> None:
        """Append rows and grow the tree in one transaction, or raise what stands in the way."""
        first = rows[0].position
        if first <= self.head:
            raise PositionTaken(f"position {first} is taken")
        if tail is not None:
            check_tail(self.rows[first - 2] if 1 < first <= self.head + 1 else None, tail)
        versions = [(row.originator_id, row.originator_version) for row in rows]
        if len(set(versions)) < len(versions) or any(each in self._versions for each in versions):
            raise VersionTaken("an aggregate has an event of that version")
        requests = [row.request_id for row in rows if row.request_id is not None]
        if len(set(requests)) < len(requests) or any(each in self._requests for each in requests):
            raise RequestTaken("a request id is recorded")
        if (self.tree.size, self.tree.root) != (before.size, before.root):
            raise TreeChanged("the tree is not the one that these rows would grow")
        self.rows += rows
        self.writers += [writer] * len(rows)
        self._ends.append(self.head)
        for row in rows:
            self._versions[row.originator_id, row.originator_version] = row.position
            if row.request_id is not None:
                self._requests[row.request_id] = row.position
        self.tree = after
        self.scheduler.note("appended", writer, first, len(rows), after.root.hex())

    def settle(self, position: int) -> None:
        """Tell somebody that everything up to a position is committed."""
        if position > self.settled:
            self.settled = position
            try:
                for watcher in self.watchers:
                    watcher()
            except Exception as failure:  # noqa: BLE001 - not for the engine, which is on the stack, to catch
                self.scheduler.fail(failure)

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Have the server that is there now do something later, if it is still there then."""
        server = self._server

        def do() -> None:
            if server == self._server:
                work()

        self.scheduler.after(seconds, do)

    def fail_over(self) -> None:
        """Go on with what is settled, and perhaps with some of what is not."""
        self._server += 1
        self.ailing = False
        keep = self.scheduler.random.choice([self.settled, *(end for end in self._ends if end > self.settled)])
        self._ends = [end for end in self._ends if end <= keep]
        self.scheduler.note("failover", keep, self.head)
        for row in self.rows[keep:]:
            del self._versions[row.originator_id, row.originator_version]
            if row.request_id is not None:
                del self._requests[row.request_id]
        if keep < self.head:
            del self.rows[keep:], self.writers[keep:]
            self.tree = Frontier().grown([leaf_hash(row) for row in self.rows]) if self.rows else Frontier()

    def find(self, ids: Sequence[bytes]) -> dict[bytes, int]:
        found = {}
        for each in ids:
            positions = [self._requests.get(each, 0), self._versions.get((each, 1), 0)]
            if any(positions):
                found[each] = min(position for position in positions if position)
        return found


class Connection:
    """One process's way to the database: the engine's ``Log``, with what can happen to a connection."""

    def __init__(self, database: Database, process: Process, die: Callable[[], None] | None = None) -> None:
        """Connect a process; ``die`` kills it, soon."""
        self.cut_off = False
        self._database = database
        self._scheduler = database.scheduler
        self._faults = database.faults
        self._random: Random = database.scheduler.random
        self._process = process
        self._die = die
        self._trees = Trees(self, self.tree)
        self.acknowledged = self._trees.acknowledged

    # Writing.

    def append(self, rows: Sequence[Row]) -> None:
        if rows:
            check_appended(rows)
            self._append(rows, None)

    def take_over(self, rows: Sequence[Row], *, tail: bytes) -> None:
        check_appended(rows)
        self._append(rows, tail)

    def _append(self, rows: Sequence[Row], tail: bytes | None) -> None:
        with self._trees.growing(rows, tail) as growth:
            before, after = growth.before, growth.after

            def apply() -> None:
                self._database.apply(self._process.name, rows, before, after, tail)

            self._commit(apply, rows[-1].position)

    def _commit(self, apply: Callable[[], None], last: int) -> None:
        database, strikes = self._database, self._faults.strikes
        self._travel()
        if strikes(Fault.FULL):
            database.full_until = self._scheduler.now + int(self._random.uniform(0.1, 3) * SECOND)
        if self._scheduler.now < database.full_until and not self._faults.calm:
            raise StorageFull("no room")
        if database.ailing:
            if self._random.random() < _SEEN:
                _try(apply)
            raise LogUnavailable("nothing is heard of the commit")
        if strikes(Fault.COMMIT_LOST):
            raise LogUnavailable("the connection broke before the commit")
        if strikes(Fault.LATE_COMMIT):
            database.later(self._random.choice((0.01, 0.3, 2.0, 8.0)), lambda: _try(apply))
            raise LogUnavailable("the connection broke, the commit goes on")
        if self._die is not None and strikes(Fault.CRASH_IN_COMMIT):
            self._die()
        apply()
        if strikes(Fault.ANSWER_LOST):
            self._travel()
            raise LogUnavailable("the answer was lost")
        database.settle(last)
        if strikes(Fault.SENT_TWICE):
            self._travel()
            apply()
        self._travel()

    def beat(self, partition: int, owner: str, address: str = "") -> None:
        self._travel()
        if self._faults.strikes(Fault.BEAT_LOST):
            raise LogUnavailable("the sign of life was lost")
        self._database.beats = owner, self._scheduler.now

    def release(self, partition: int, owner: str) -> None:
        self._travel()
        if self._database.beats is not None and self._database.beats[0] == owner:
            self._database.beats = None

    def save_snapshot(self, partition: int, position: int, data: bytes) -> None:
        self._travel()
        if self._faults.strikes(Fault.SNAPSHOT_DAMAGED):
            at = self._random.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        snapshots = self._database.snapshots
        snapshots[position] = data
        for old in sorted(snapshots)[:-_KEPT_SNAPSHOTS]:
            del snapshots[old]

    # Reading.

    def head(self, partition: int) -> int:
        self._travel(reading=True)
        return self._database.head

    def read(self, partition: int, after: int, limit: int) -> list[Row]:
        self._travel(reading=True)
        rows = self._database.rows[after : after + limit]
        if len(rows) > _LEAST_READ and self._faults.strikes(Fault.PARTIAL_READ):
            return rows[: self._random.randrange(_LEAST_READ, len(rows))]
        return rows

    def table(self, partition: int, after: int, limit: int) -> Table:
        return Table.of(partition, self.read(partition, after, limit))

    def aggregate(self, partition: int, originator_id: bytes, *, upto_version: int | None = None) -> list[Row]:
        self._travel(reading=True)
        rows = [row for row in self._database.rows if row.originator_id == originator_id]
        return sorted(
            (row for row in rows if upto_version is None or row.originator_version <= upto_version),
            key=lambda row: row.originator_version,
        )

    def find(self, partition: int, ids: Sequence[bytes]) -> dict[bytes, int]:
        self._travel(reading=True)
        return self._database.find(ids)

    def whose(self, partition: int, topic: str, after: int, upto: int) -> list[bytes]:
        self._travel(reading=True)
        return [row.originator_id for row in self._database.rows[after:upto] if row.topic == topic]

    def odd_value(self, partition: int, after: int, upto: int) -> None:
        self._travel(reading=True)

    def tree(self, partition: int) -> Frontier:
        self._travel(reading=True)
        return self._database.tree

    def last_beat(self, partition: int) -> Beat | None:
        self._travel(reading=True)
        beat = self._database.beats
        return None if beat is None else Beat(beat[0], (self._scheduler.now - beat[1]) / SECOND)

    def load_snapshot(self, partition: int, *, upto: int) -> tuple[int, bytes] | None:
        self._travel(reading=True)
        kept = [position for position in self._database.snapshots if position <= upto]
        return (max(kept), self._database.snapshots[max(kept)]) if kept else None

    # Of one partition: nobody has sent it anything.

    def partitions(self, wanted: int | None = None) -> int:
        if wanted not in (None, 1):
            raise ValueError(f"this ledger was made with 1 partition: it cannot have {wanted}")
        return 1

    def send_mail(self, partition: int, mail: Sequence[Mail]) -> None:
        raise TypeError("there is no other partition that could be written to")

    def read_mail(self, partition: int, limit: int) -> list[Mail]:
        return []

    def drop_mail(self, partition: int, mail: Sequence[Mail]) -> None:
        raise TypeError("there is no mail that could be dropped")

    def within(self, left: Left) -> AbstractContextManager[None]:
        return nullcontext()

    def close(self) -> None:
        self._trees.close()

    # Checkpoints: nobody signs here.

    def keep_checkpoint(self, partition: int, kept: Kept) -> None:
        raise NotImplementedError

    def find_checkpoint(self, partition: int, *, size: int | None = None, cosigned: bool = False) -> Kept | None:
        raise NotImplementedError

    def list_checkpoints(self, partition: int, *, below: int, cosigned: bool, limit: int) -> list[Kept]:
        raise NotImplementedError

    def add_cosignature(self, partition: int, size: int, witness: str, line: str) -> None:
        raise NotImplementedError

    # On the way.

    def _travel(self, *, reading: bool = False) -> None:
        """Spend the time that a message takes, and meet what it may meet."""
        seconds = _ROUND_TRIP * self._random.random()
        if self._faults.strikes(Fault.SLOW):
            seconds = self._random.choice((0.2, 1.0, 4.0))
        self._scheduler.sleep(seconds)
        if self.cut_off:
            self._scheduler.sleep(self._random.choice((0.01, 1.0)))
            raise LogUnavailable("the database cannot be reached")
        if reading and self._faults.strikes(Fault.READ_FAILED):
            raise LogUnavailable("the connection broke")


def _try(apply: Callable[[], None]) -> None:
    """Commit what nobody waits for any more."""
    with suppress(AppendConflict, TailChanged):
        apply()
