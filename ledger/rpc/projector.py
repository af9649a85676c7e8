"""The process that keeps the projections, and the one that keeps it running.

Projecting takes as much of an interpreter as deciding does, so it has one of its own. A pipe tells it that there
is something new; when its other end is gone, so is the server, and the projector ends.
"""

import asyncio
import gc
import os
import select
import signal
import threading
import time
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

import structlog
from prometheus_client import Gauge

from domain.times import SECOND
from ledger.engine.engine import Engine
from ledger.log.codec import decode
from ledger.log.factory import open_log
from ledger.logging import configure_logging
from ledger.rpc.settings import ChildSettings
from projections.queries import Reader
from projections.runner import Lag, lag, run
from projections.store import ProjectionsNotReadyError, open_store

_log = structlog.get_logger("esep.projector")

_NICENESS = 15
"""Accepting comes before projecting where they share a processor."""
_RESTART_SECONDS = 1.0
_LEAST_SECONDS = 0.01
"""Between looks at the log while it grows, so that what comes one by one is taken in together."""
_PIPEFUL = 65_536
_WATCH_SECONDS = 0.25


class ProjectorProcess:
    """Runs the projections in a child process, and starts it again when it dies."""

    def __init__(self, told: ChildSettings) -> None:
        """Take what the child is told."""
        self._told = told
        self._context = get_context("spawn")
        self._stopping = threading.Event()
        self._wake: Connection | None = None
        self._process: SpawnProcess | None = None
        self._keeper = threading.Thread(target=self._keep, name="esep-projector", daemon=True)

    def start(self) -> None:
        """Start the child."""
        self._spawn()
        self._keeper.start()

    def wake(self) -> None:
        """Tell the child that there are new events. Never blocks: a full pipe has told it already."""
        wake = self._wake
        if wake is None:
            return
        try:
            os.write(wake.fileno(), b".")
        except (BlockingIOError, BrokenPipeError, OSError):
            return  # It is busy, or being started again: it looks for itself then.

    def stop(self, grace: float = 10.0) -> None:
        """End the child after the batch in hand."""
        self._stopping.set()
        if self._wake is not None:
            self._wake.close()
        if self._process is not None:
            self._process.join(grace)
            if self._process.is_alive():
                self._process.kill()

    def _spawn(self) -> None:
        woken, wake = self._context.Pipe(duplex=False)
        os.set_blocking(wake.fileno(), False)
        process = self._context.Process(target=project, args=(woken, self._told), name="esep-projector", daemon=True)
        process.start()
        woken.close()
        self._process, self._wake = process, wake

    def _keep(self) -> None:
        while self._process is not None:
            self._process.join()
            if self._stopping.wait(_RESTART_SECONDS):
                return
            _log.error("projector.died", exit_code=self._process.exitcode)
            self._spawn()


def project(woken: Connection, told: ChildSettings) -> None:
    """Keep the projections until the other end of the pipe is closed. Runs in the child."""
    configure_logging(told.log_format)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # The parent is asked to stop, and closes the pipe.
    os.nice(_NICENESS)
    gc.freeze()
    gc.set_threshold(100_000, 50, 1_000)
    stop = threading.Event()
    looked = 0.0

    def wait(seconds: float) -> None:
        nonlocal looked
        ready, _, _ = select.select([woken], [], [], seconds)
        if ready:
            time.sleep(max(0.0, looked + _LEAST_SECONDS - time.monotonic()))
            if not os.read(woken.fileno(), _PIPEFUL):
                stop.set()
        looked = time.monotonic()

    log, store = open_log(told.log_url, told.archive), open_store(told.store_url)
    run(log, store, decode, stop.is_set, wait, partitions=told.partitions, keep_notices=told.keep_notices)


async def watch_projections(engines: Sequence[Engine], reader: Reader) -> None:
    """Tell the engines and the metrics, for as long as this runs, how far behind the projections are."""
    events = Gauge("esep_projection_lag_events", "Events that the projections have not taken in yet")
    seconds = Gauge("esep_projection_lag_seconds", "Age of the oldest event that the projections have not taken in")
    while True:
        try:
            found = [await asyncio.to_thread(_behind, engine, reader) for engine in engines]
            for engine, behind in zip(engines, found, strict=True):
                engine.projections_behind = behind.age / SECOND
            events.set(sum(behind.events for behind in found))
            seconds.set(max(behind.age for behind in found) / SECOND)
        except Exception as failure:  # noqa: BLE001 - the database may be away; the next look tells
            _log.warning("projections.unknown", error=repr(failure))
        await asyncio.sleep(_WATCH_SECONDS)


def _behind(engine: Engine, reader: Reader) -> Lag:
    try:
        position = reader.position(engine.partition)
    except ProjectionsNotReadyError:
        position = 0
    return lag(engine.log, engine.partition, position, time.time_ns() // 1000)
