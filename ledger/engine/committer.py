"""Writing batches to the log, on a thread of its own, so that the next batch is decided meanwhile.

At most one batch is being written. A batch without events carries answers only; it is written by asking the
log for its head, because a stale owner must not answer from a stale state.
"""

from collections.abc import Callable
from time import perf_counter

from ledger.engine.batch import Batch
from ledger.engine.observer import Observer
from ledger.engine.threads import Threads
from ledger.log.api import Log
from ledger.log.errors import PositionTaken


class Committer:
    """Takes one batch at a time. ``on_done`` hears of its end, on the committer's thread."""

    def __init__(
        self,
        log: Log,
        partition: int,
        on_done: Callable[[Batch, BaseException | None], None],
        observer: Observer,
        threads: Threads,
    ) -> None:
        self._log = log
        self._observer = observer
        self._partition = partition
        self._on_done = on_done
        self._given = threads.condition()
        self._batch: Batch | None = None
        self._stopping = False
        self._thread = threads.thread(self._run, f"esep-commit-{partition}")

    def start(self) -> None:
        """Begin to take batches."""
        self._thread.start()

    def give(self, batch: Batch) -> None:
        """Hand over a batch; only when the one before is done."""
        with self._given:
            self._batch = batch
            self._given.notify()

    def stop(self, grace: float) -> None:
        """Finish the batch in hand, then end; a write that hangs for longer than ``grace`` seconds is left."""
        with self._given:
            self._stopping = True
            self._given.notify()
        self._thread.join(grace)

    def _run(self) -> None:
        while True:
            with self._given:
                self._given.wait_for(lambda: self._batch is not None or self._stopping)
                batch, self._batch = self._batch, None
            if batch is None:
                return
            error: BaseException | None = None
            try:
                self._write(batch)
            except BaseException as failure:  # noqa: BLE001 - whatever it is, the engine must hear of it
                error = failure
            self._on_done(batch, error)

    def _write(self, batch: Batch) -> None:
        if batch.rows:
            began = perf_counter()
            self._log.append(batch.rows)
            self._observer.committed(len(batch.rows), perf_counter() - began)
        elif self._log.head(self._partition) != batch.last:
            raise PositionTaken(f"partition {self._partition} has moved on from position {batch.last}")
