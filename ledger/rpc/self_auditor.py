"""The process in which the ledger audits itself, and the one that keeps it running and knows its result.

It is a child as the projector is (``ledger.rpc.projector``), of the lowest priority, and takes a bounded share of one
processor. A pipe tells it when the server is gone; by another it tells what it finds. What it found last stands in a
file, so that neither a restart of the server nor one of the child forgets an alarm.
"""

import gc
import os
import select
import signal
import threading
import time
from collections.abc import Iterable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Gauge

from ledger.audit.self_audit import Audited, Pace, SelfAudit, load, save
from ledger.audit.source import AccountFigures
from ledger.log.factory import open_log
from ledger.logging import configure_logging
from ledger.rpc.projected_history import current_figures, tile_hashes
from projections.store import Store, open_store

_log = structlog.get_logger("esep.self_audit")

_NICENESS = 19
_RESTART_SECONDS = 5.0
_SAVE_SECONDS = 5.0
_decode = msgspec.json.Decoder(Audited).decode


class SelfAuditProcess:
    """Runs the self-audit of a partition in a child process, and starts it again when it dies."""

    def __init__(
        self, log_url: str, store_url: str, log_format: str, file: Path, pace: Pace, partition: int = 0
    ) -> None:
        self._arguments = (log_url, store_url, log_format, file, pace, partition)
        self._pace = pace
        self._context = get_context("spawn")
        self._stopping = threading.Event()
        self._alive: Connection | None = None
        self._process: SpawnProcess | None = None
        self._keeper = threading.Thread(target=self._keep, name="esep-self-audit", daemon=True)
        self._audited = load(file)

    def audited(self) -> Audited:
        """Return what was found last."""
        return self._audited

    def start(self) -> None:
        """Start the child, unless no share of a processor is given to it."""
        if self._pace.share:
            self._keeper.start()

    def stop(self, grace: float = 5.0) -> None:
        """End the child."""
        self._stopping.set()
        if self._alive is not None:
            self._alive.close()
        if self._process is not None:
            self._process.join(grace)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()

    def show(self, registry: CollectorRegistry) -> None:
        """Show the result among the metrics."""
        position = Gauge("esep_self_audit_position", "Up to where the history was derived anew.", registry=registry)
        position.set_function(lambda: self._audited.position)
        difference = Gauge("esep_self_audit_difference", "1 where the history differs, else 0.", registry=registry)
        difference.set_function(lambda: float(self._audited.finding is not None))

    def _keep(self) -> None:
        while not self._stopping.is_set():
            results = self._spawn()
            self._listen(results)
            if self._stopping.wait(_RESTART_SECONDS):
                return
            _log.error("self_audit.died", exit_code=None if self._process is None else self._process.exitcode)

    def _spawn(self) -> Connection:
        told, alive = self._context.Pipe(duplex=False)
        results, tell = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=audit, args=(told, tell, *self._arguments), name="esep-self-audit", daemon=True
        )
        process.start()
        told.close()
        tell.close()
        self._process, self._alive = process, alive
        if self._stopping.is_set():
            alive.close()
        return results

    def _listen(self, results: Connection) -> None:
        with results:
            try:
                while True:
                    self._audited = _decode(results.recv_bytes())
            except (EOFError, OSError):
                return  # It has ended, and is started again.


def audit(
    told: Connection,
    tell: Connection,
    log_url: str,
    store_url: str,
    log_format: str,
    file: Path,
    pace: Pace,
    partition: int,
) -> None:
    """Audit until the other end of the pipe is closed. Runs in the child."""
    configure_logging(log_format)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # The parent is asked to stop, and closes the pipe.
    os.nice(_NICENESS)
    gc.freeze()
    known, saved = load(file), 0.0

    def note(audited: Audited) -> None:
        nonlocal known, saved
        alarm = audited.finding != known.finding
        known = audited
        tell.send_bytes(msgspec.json.encode(audited))
        if alarm or time.monotonic() - saved > _SAVE_SECONDS:
            save(file, audited)
            saved = time.monotonic()

    def wait(seconds: float) -> bool:
        ready, _, _ = select.select([told], [], [], seconds)
        return bool(ready)

    log, store = open_log(log_url), open_store(store_url)
    try:
        SelfAudit(log, partition, _ProjectedTables(store, partition), pace, tell=note, wait=wait).run(known)
        save(file, known)
    except (BrokenPipeError, ConnectionResetError):
        return  # The server is gone.
    finally:
        store.close()
        log.close()


class _ProjectedTables:
    """What the projections say, for the self-audit."""

    def __init__(self, store: Store, partition: int) -> None:
        self._store = store
        self._partition = partition

    def hashes(self, after: int, upto: int) -> bytes:
        return b"".join(tile_hashes(self._store, self._partition, after, upto))

    def figures(self) -> tuple[int, Iterable[AccountFigures]]:
        return current_figures(self._store, self._partition)
