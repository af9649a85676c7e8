"""The process in which the ledger audits itself, and the one that keeps it running and knows its result.

It is a child as the projector is (``ledger.rpc.projector``), of the lowest priority, and takes a bounded share of one
processor. Every partition that the server owns is audited in it, each on a thread and for an equal part of the share. A
pipe tells it when the server is gone; by another it tells what it finds. What was found last stands in a file for each
partition, so that neither a restart of the server nor one of the child forgets an alarm.
"""

import gc
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future
from concurrent.futures import wait as wait_for
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Gauge

from ledger.audit.self_audit import Audited, SelfAudit, load, save
from ledger.audit.source import AccountFigures
from ledger.log.factory import open_log
from ledger.logging import configure_logging
from ledger.rpc.projected_history import current_figures, tile_hashes
from ledger.rpc.settings import ChildSettings
from projections.store import Store, open_store

_log = structlog.get_logger("esep.self_audit")

_NICENESS = 19
_RESTART_SECONDS = 5.0
_SAVE_SECONDS = 5.0
_END_SECONDS = 2.0
"""For how long those that are still at work may keep what they have found, once it is time to stop."""
_decode = msgspec.json.Decoder(tuple[int, Audited]).decode


def file_of(file: Path, partition: int) -> Path:
    """Return where the result of a partition stands, that of partition 0 being the file itself."""
    return file.with_name(f"{file.stem}-{partition}{file.suffix}") if partition else file


class SelfAuditProcess:
    """Runs the self-audit of some partitions in a child process, and starts it again when it dies."""

    def __init__(self, told: ChildSettings) -> None:
        """Take what the child is told."""
        self._told = told
        self._context = get_context("spawn")
        self._stopping = threading.Event()
        self._alive: Connection | None = None
        self._process: SpawnProcess | None = None
        self._keeper = threading.Thread(target=self._keep, name="esep-self-audit", daemon=True)
        self._audited = {each: load(file_of(told.audit_file, each)) for each in told.partitions}

    def audited(self, partition: int) -> Audited:
        """Return what was found last in a partition: nothing, of one that another server owns."""
        return self._audited.get(partition, Audited())

    def start(self) -> None:
        """Start the child, unless no share of a processor is given to it."""
        if self._told.pace.share:
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

    def show(self, registry: CollectorRegistry, *, several: bool) -> None:
        """Show the results among the metrics, where the ledger has several partitions each with its own as a label."""
        labels = ("partition",) if several else ()
        position = Gauge(
            "esep_self_audit_position", "Up to where the history was derived anew.", labels, registry=registry
        )
        difference = Gauge(
            "esep_self_audit_difference", "1 where the history differs, else 0.", labels, registry=registry
        )
        for each in self._audited:
            of = (str(each),) if several else ()
            _child(position, of).set_function(partial(self._position, each))
            _child(difference, of).set_function(partial(self._difference, each))

    def _position(self, partition: int) -> float:
        return float(self._audited[partition].position)

    def _difference(self, partition: int) -> float:
        return float(self._audited[partition].finding is not None)

    def _keep(self) -> None:
        while not self._stopping.is_set():
            results = self._spawn()
            self._listen(results)
            if self._stopping.wait(_RESTART_SECONDS):
                return
            _log.error("self_audit.died", exit_code=None if self._process is None else self._process.exitcode)

    def _spawn(self) -> Connection:
        living, alive = self._context.Pipe(duplex=False)
        results, tell = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=audit, args=(living, tell, self._told), name="esep-self-audit", daemon=True
        )
        process.start()
        living.close()
        tell.close()
        self._process, self._alive = process, alive
        if self._stopping.is_set():
            alive.close()
        return results

    def _listen(self, results: Connection) -> None:
        with results:
            try:
                while True:
                    partition, audited = _decode(results.recv_bytes())
                    self._audited[partition] = audited
            except (EOFError, OSError):
                return  # It has ended, and is started again.


def _child(gauge: Gauge, labels: tuple[str, ...]) -> Gauge:
    return gauge.labels(*labels) if labels else gauge


def audit(living: Connection, tell: Connection, told: ChildSettings) -> None:
    """Audit until the other end of the pipe is closed. Runs in the child."""
    configure_logging(told.log_format)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # The parent is asked to stop, and closes the pipe.
    os.nice(_NICENESS)
    gc.freeze()
    log, store, telling = open_log(told.log_url, told.archive), open_store(told.store_url), threading.Lock()
    pace = told.pace._replace(share=told.pace.share / len(told.partitions))

    def tell_of(partition: int, audited: Audited) -> None:
        with telling:
            tell.send_bytes(msgspec.json.encode((partition, audited)))

    def wait(seconds: float) -> bool:
        ready, _, _ = select.select([living], [], [], seconds)
        return bool(ready)

    def run(partition: int) -> None:
        kept = _Kept(file_of(told.audit_file, partition), partial(tell_of, partition))
        tables = _ProjectedTables(store, partition)
        SelfAudit(log, partition, tables, pace, tell=kept.note, wait=wait).run(kept.known)
        kept.save()

    running = [_begun(run, each) for each in told.partitions]
    try:
        ended, others = wait_for(running, return_when=FIRST_COMPLETED)
        for each in ended:
            each.result()
        wait_for(others, timeout=_END_SECONDS)
    except (BrokenPipeError, ConnectionResetError):
        return  # The server is gone.
    finally:
        store.close()
        log.close()


def _begun(run: Callable[[int], None], partition: int) -> Future[None]:
    """Begin on a thread that does not outlive the process, which ends with the first of them."""
    done: Future[None] = Future()

    def work() -> None:
        try:
            run(partition)
            done.set_result(None)
        except BaseException as failure:  # noqa: BLE001 - raised where it is waited for
            done.set_exception(failure)

    threading.Thread(target=work, name=f"esep-self-audit-{partition}", daemon=True).start()
    return done


class _Kept:
    """What was found in a partition, told at once and kept in its file."""

    def __init__(self, file: Path, tell: Callable[[Audited], None]) -> None:
        self.known, self._saved = load(file), 0.0
        self._file = file
        self._tell = tell

    def note(self, audited: Audited) -> None:
        """Tell what was found; an alarm is kept at once, and other news now and then."""
        alarm = audited.finding != self.known.finding
        self.known = audited
        self._tell(audited)
        if alarm or time.monotonic() - self._saved > _SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        """Keep what was found last."""
        save(self._file, self.known)
        self._saved = time.monotonic()


class _ProjectedTables:
    """What the projections say, for the self-audit."""

    def __init__(self, store: Store, partition: int) -> None:
        self._store = store
        self._partition = partition

    def hashes(self, after: int, upto: int) -> bytes:
        return b"".join(tile_hashes(self._store, self._partition, after, upto))

    def figures(self) -> tuple[int, Iterable[AccountFigures]]:
        return current_figures(self._store, self._partition)
