"""The projections' process: the product's runner and store, killed between and within transactions, and rebuilt."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

from domain.leaf import leaf_hash
from domain.ports import LogReader, Row
from ledger.log.codec import decode
from ledger.log.errors import LogError
from projections.check import check
from projections.rebuild import rebuild
from projections.runner import HistoryChangedError, run
from projections.sqlite import SQLiteStore
from projections.store import Copy, CopyRetiredError, Values
from tests.simulation.auditor import DIVERGED, Auditor, require
from tests.simulation.database import PARTITION, Connection, Database
from tests.simulation.faults import Fault, Faults
from tests.simulation.scheduler import Process, Scheduler

ONE_BY_ONE = 1 << 30
"""Transfers from which they are worked out over arrays, where none are to be."""
_FIGURES = "SELECT account_id, posted, held FROM balances WHERE partition = ?"
_MOVED = "SELECT debit_account, credit_account, amount FROM movements WHERE partition = ? ORDER BY position, leg"


class Dying(BaseException):
    """The process dies here."""


class Turn:
    """Who may write to the tables: where SQLite would have a process wait, the others go on here."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._taken = False

    @contextmanager
    def __call__(self) -> Iterator[None]:
        while self._taken:
            self._scheduler.sleep(0.01)
        self._taken = True
        try:
            yield
        finally:
            self._taken = False


class MortalStore(SQLiteStore):
    """The product's store, of a process that can die in the middle of a transaction."""

    def __init__(self, path: Path, faults: Faults, turn: Turn) -> None:
        super().__init__(path)
        self._faults = faults
        self._turn = turn

    def live(self) -> Any:
        return self._mortal(super().live(), alone=False)

    def create(self) -> Any:
        return self._mortal(super().create(), alone=True)

    def publish(self, copy: Copy, *, before: Callable[[], None] | None = None) -> None:
        with self._turn():
            super().publish(copy, before=before)

    def replace(self, number: int | None, copy: Copy) -> bool:
        with self._turn():
            return super().replace(number, copy)

    def _mortal(self, copy: Any, *, alone: bool) -> Any:
        if copy is None:
            return None
        write = copy.write

        @contextmanager
        def writing() -> Iterator[Any]:
            # A new copy is written by nobody else until it is published; its runner goes on with it then.
            own = nullcontext() if alone and copy._live is None else self._turn()
            with own, write() as session:
                upsert = session.upsert

                def dying(*arguments: Any) -> None:
                    if self._faults.strikes(Fault.CRASH_IN_PROJECTION):
                        raise Dying
                    upsert(*arguments)

                session.upsert = dying
                try:
                    yield session
                finally:
                    del session.upsert

        copy.write = writing
        return copy


class Calm:
    """Reads the log as it is, without a way to it."""

    def __init__(self, database: Database) -> None:
        self._rows = database.rows

    def head(self, partition: int) -> int:
        return len(self._rows)

    def read(self, partition: int, after: int, limit: int) -> list[Row]:
        return self._rows[after : after + limit]


class Projections:
    """The process that keeps the tables, and what the tables say in the end."""

    def __init__(self, scheduler: Scheduler, database: Database, directory: Path) -> None:
        self._scheduler = scheduler
        self._database = database
        self._path = directory / "esep.db"
        self._process: Process | None = None
        self._batch = scheduler.random.choice((1, 3, 50, 8192))
        self._turn = Turn(scheduler)

    def boot(self) -> None:
        process = self._process = self._scheduler.process("projections")
        self._scheduler.start(process, "runner", lambda: self._keep(process))

    def _keep(self, process: Process) -> None:
        """Run the runner, and again when the database did not answer, as the product's process does."""
        log = Connection(self._database, process)
        store = self._store()
        while True:
            try:
                run(log, store, decode, lambda: False, self._wait, batch_size=self._batch)
            except Dying:
                self._scheduler.after(0.0, self.crash, alone=True)
                self._scheduler.block()
            except LogError:
                self._scheduler.sleep(0.5)

    def _wait(self, seconds: float) -> None:
        self._scheduler.sleep(seconds * 10)

    def _store(self) -> MortalStore:
        return MortalStore(self._path, self._database.faults, self._turn)

    def crash(self) -> bool:
        if self._process is None or self._process.dead:
            return False
        self._scheduler.kill(self._process)
        self._scheduler.after(self._scheduler.random.choice((0.0, 1.0, 5.0)), self._back, alone=True)
        return True

    def _back(self) -> None:
        if self._process is None or self._process.dead:
            self.boot()

    def rebuild(self) -> bool:
        """Make the tables anew beside the live ones, in a process of its own."""
        process = self._scheduler.process("rebuild")

        def work() -> None:
            with suppress(LogError, CopyRetiredError, HistoryChangedError, Dying):
                rebuild(Connection(self._database, process), self._store(), decode, batch_size=self._batch)

        self._scheduler.start(process, "rebuild", work)
        return True

    def calm_down(self) -> None:
        self._back()

    @property
    def in_step(self) -> bool:
        """Whether the tables were made of what the log holds: after a failover a position may be another event."""
        rows = self._asked("SELECT position, leaf_hash FROM tracking WHERE partition = ?")
        last = self._database.rows[-1:]
        return [tuple(row) for row in rows] == [(row.position, leaf_hash(row)) for row in last]

    def _asked(self, sql: str) -> list[Values]:
        store = SQLiteStore(self._path)
        try:
            return store.question(lambda session: session.all(sql, PARTITION))
        finally:
            store.close()

    def compare(self, auditor: Auditor) -> None:
        """Compare what the tables say with the auditor's figures, and with what the log makes of new ones."""
        found = {account: (posted, held) for account, posted, held in self._asked(_FIGURES)}
        auditor.compare("projections", found.get)
        moved = [tuple(row) for row in self._asked(_MOVED)]
        require(moved == auditor.reference.movements, DIVERGED, "projections have other movements than there were")
        log = cast("LogReader", Calm(self._database))
        with patch("projections.statements._LEAST_TOGETHER", ONE_BY_ONE):
            differences = check(log, SQLiteStore(self._path), decode)
        require(not differences, DIVERGED, f"projections differ from what the log makes: {differences[:3]}")
