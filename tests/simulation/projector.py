"""The projections' process: the product's runner and store, killed between and within transactions, and rebuilt."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ledger.log.codec import decode
from ledger.log.errors import LogError
from projections.check import check
from projections.rebuild import rebuild
from projections.runner import run
from projections.sqlite import SQLiteStore
from projections.store import CopyRetiredError
from tests.simulation.auditor import DIVERGED, Auditor, require
from tests.simulation.database import PARTITION, Connection, Database
from tests.simulation.scheduler import Process, Scheduler

_FIGURES = "SELECT account_id, posted, held FROM balances WHERE partition = ?"


class SteppedStore(SQLiteStore):
    """A store whose transactions can be interrupted at every table."""

    scheduler: Scheduler

    def live(self) -> Any:
        return stepped(super().live(), self.scheduler)

    def create(self) -> Any:
        return stepped(super().create(), self.scheduler)


def stepped(copy: Any, scheduler: Scheduler) -> Any:
    """Let others have their turn between two tables of a transaction."""
    if copy is None:
        return None
    write = copy.write

    @contextmanager
    def writing() -> Iterator[Any]:
        with write() as session:
            upsert = session.upsert

            def pausing(*arguments: Any) -> None:
                scheduler.yield_turn()
                upsert(*arguments)

            session.upsert = pausing
            try:
                yield session
            finally:
                del session.upsert

    copy.write = writing
    return copy


class Projections:
    """The process that keeps the tables, and what the tables say in the end."""

    def __init__(self, scheduler: Scheduler, database: Database, directory: Path) -> None:
        self._scheduler = scheduler
        self._database = database
        self._path = directory / "esep.db"
        self._process: Process | None = None
        self._batch = scheduler.random.choice((3, 50, 8192))
        self._calm = False

    def boot(self) -> None:
        process = self._process = self._scheduler.process("projections")
        self._scheduler.start(process, "runner", lambda: self._keep(process))

    def _keep(self, process: Process) -> None:
        """Run the runner, and again when the database did not answer, as the product's process does."""
        log = Connection(self._database, process)
        store = self._store()
        while True:
            with suppress(LogError):
                run(log, store, decode, lambda: False, self._wait, batch_size=self._batch)
            self._scheduler.sleep(0.5)

    def _wait(self, seconds: float) -> None:
        self._scheduler.sleep(seconds * 10)

    def _store(self) -> SteppedStore:
        store = SteppedStore(self._path)
        store.scheduler = self._scheduler
        return store

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
            with suppress(LogError, CopyRetiredError):
                rebuild(Connection(self._database, process), self._store(), decode, batch_size=self._batch)

        self._scheduler.start(process, "rebuild", work)
        return True

    def calm_down(self) -> None:
        self._back()

    @property
    def reached(self) -> int:
        return self._asked("SELECT position FROM tracking WHERE partition = ?", lambda rows: rows[0][0] if rows else 0)

    def _asked(self, sql: str, make: Any) -> Any:
        store = SQLiteStore(self._path)
        try:
            return make(store.question(lambda session: session.all(sql, PARTITION)))
        finally:
            store.close()

    def compare(self, auditor: Auditor) -> None:
        """Compare what the tables say with the auditor's figures, and with what the log makes of new ones."""
        found = self._asked(_FIGURES, lambda rows: {row[0]: (row[1], row[2]) for row in rows})
        auditor.compare("projections", found.get)

    def close(self) -> None:
        """Nothing is open: what was killed has closed what it had."""


_ = (sqlite3, check, DIVERGED, require)
