"""Keeping snapshots: the state is copied on the decision thread, and written once it is certainly history."""

import threading
from collections import deque
from typing import TYPE_CHECKING

import structlog

from domain.engine import SnapshotTaken
from ledger.engine import snapshot
from ledger.engine.batch import Batch
from ledger.engine.decider import Decider
from ledger.engine.threads import Threads
from ledger.log.errors import LogError

if TYPE_CHECKING:
    from ledger.engine.engine import Engine

_log = structlog.get_logger("esep.engine")


class SnapshotKeeper:
    """Copies, keeps and counts the snapshots of one partition. ``changed`` is the engine's own condition."""

    def __init__(self, engine: "Engine", changed: threading.Condition, threads: Threads) -> None:
        self.kept_at = 0
        """The position of the last state that was kept."""
        self.busy = False
        self.taken: deque[SnapshotTaken] = deque()
        """What is to be recorded of snapshots that were kept."""
        self._engine = engine
        self._changed = changed
        self._threads = threads
        self._copied_at = 0
        self._undoings = 0

    def start_from(self, position: int) -> None:
        """Count from the snapshot with which the engine started."""
        self._copied_at = self.kept_at = position

    def undone(self) -> None:
        """Hear that something was undone: a copy that was made before may hold what never became durable."""
        with self._changed:
            self._undoings += 1
            self._copied_at = self.kept_at
            self._changed.notify_all()

    def consider(self, decider: Decider) -> None:
        """Copy the state as decided if it is time to, and keep the copy once its position is durable."""
        position = decider.position
        if self.busy or position - self._copied_at < self._engine.settings.snapshot_every:
            return
        self.busy = True
        self._copied_at = position
        data = snapshot.dump(decider.books, position, decider.recorded_at, decider.recent.ahead(decider.recorded_at))
        self._threads.thread(self._keep, f"esep-snapshot-{position}", position, self._undoings, data).start()

    def record(self, decider: Decider, batch: Batch) -> None:
        """Record what was kept. Such a record counts towards no other: where every event does, none is the last."""
        while self.taken:
            decider.record_own(self.taken.popleft(), batch)
            self._copied_at += 1

    def keep_now(self, decider: Decider) -> SnapshotTaken | None:
        """Keep the state, which is durable; return what to record of it, None when it is known."""
        position = decider.position
        if position <= self.kept_at:
            return None
        data = snapshot.dump(decider.books, position, decider.recorded_at, decider.recent.ahead(decider.recorded_at))
        return self._save(position, data)

    def _keep(self, position: int, undoings: int, data: bytes) -> None:
        try:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._engine.durable >= position or self._undoings != undoings or not self._engine.serving
                )
                whole = self._engine.serving and self._undoings == undoings
            if whole:
                taken = self._save(position, data)
                with self._changed:
                    self.taken.append(taken)
                    self._changed.notify_all()
        except LogError as failure:
            _log.warning("snapshot.failed", partition=self._engine.partition, error=str(failure))
        finally:
            self.busy = False

    def _save(self, position: int, data: bytes) -> SnapshotTaken:
        self._engine.log.save_snapshot(self._engine.partition, position, data)
        self.kept_at = position
        return SnapshotTaken(at=position, digest=snapshot.digest(data), size_bytes=len(data))
