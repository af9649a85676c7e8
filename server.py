"""The composition root: settings in, a serving ledger out.

This process decides, writes the log and answers calls; its children keep the projections and audit the history anew, so
that they do not share one interpreter. All end when this one ends, however it ends.
"""

import asyncio
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable

from prometheus_client import REGISTRY

from ledger.audit.access import AccessLog
from ledger.audit.signing.checkpoints import Checkpoints
from ledger.audit.signing.keys import SigningKeys
from ledger.engine.announcer import announce
from ledger.engine.clock import OffsetClock, SystemClock
from ledger.exits import BROKEN, CANNOT_START, cannot_start
from ledger.log.factory import open_tables
from ledger.logging import configure_logging
from ledger.process.partitions import Partitions, count_partitions
from ledger.rpc.addresses import check_free
from ledger.rpc.children import Children
from ledger.rpc.engine_metrics import EngineMetrics
from ledger.rpc.metrics import serve_metrics
from ledger.rpc.projector import watch_projections
from ledger.rpc.serve import build_server
from ledger.rpc.vault_port import open_vault
from ledger.services import load_catalogue
from ledger.settings import Settings
from ledger.vault.erasures import catch_up
from projections.queries import Reader


class Server:
    """A server's parts, put together. Made and used inside a running event loop."""

    def __init__(self, settings: Settings, give_up: Callable[[BaseException], None]) -> None:
        """Open what there is and start nothing; ``give_up`` hears, on any thread, that this cannot go on."""
        rpc = settings.rpc  # How callers are known and what is encrypted: before anything is made or opened.
        for setting, address in (("ESEP_LISTEN", settings.listen), ("ESEP_METRICS_LISTEN", settings.metrics_listen)):
            check_free(setting, address)
        catalogue = load_catalogue(settings.services_file)
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        count = count_partitions(settings.log_url, settings.partition_count, over_citus=bool(settings.distribute))
        owned, policy = settings.owned(count), settings.policy_of(count)
        self._settings, self._several, self._give_up = settings, count > 1, give_up
        self._vault = open_vault(
            settings.vault_url, settings.keys_file, settings.codes_file, development=settings.development
        )
        signing = SigningKeys.load(settings.signing_keys_file, create=settings.development)
        self._clock = OffsetClock(settings.clock_offset_file) if settings.clock_offset_file else SystemClock()
        self._children = Children(settings.children._replace(partitions=tuple(owned)), REGISTRY, several=self._several)
        metrics = EngineMetrics(owned, several=self._several)
        self._partitions = Partitions.opened(
            settings.log_url,
            owned,
            self._clock,
            archive=settings.archive_dir,
            policy=policy,
            settings=settings.engine,
            on_fatal=give_up,
            on_durable=self._children.wake,
            observers=metrics.commits,
        )
        metrics.watch(self._partitions.engines, REGISTRY)
        self._reader = Reader(settings.read_url)
        self._first, *others = self._partitions.all
        self._edge = build_server(
            self._first,
            self._reader,
            self._vault,
            self._checkpoints(count, signing),
            AccessLog(open_tables(settings.access_url)),
            rpc,
            policy=policy,
            others=others,
            clock=self._clock,
            catalogue=catalogue,
            page_key=settings.page_key,
        )
        self._watching: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Serve, and say where."""
        port = self._edge.bind()  # Before the log is taken: a server that nobody can reach must not decide.
        self._partitions.advertise(self._edge.address)
        serve_metrics(self._settings.metrics_listen)
        # A restored vault may know again whom the log says it has forgotten: before anybody asks, it does not.
        first = self._first
        await asyncio.to_thread(catch_up, self._vault.vault, first.log, first.partition, self._clock.now())
        self._children.start()
        self._partitions.start()
        engines = self._partitions.each
        self._watching.append(asyncio.create_task(watch_projections(engines, self._reader)))
        await self._edge.start()
        self._edge.watch(self._give_up)
        gc.collect()
        gc.freeze()  # What is here now stays: the collector need not look at it again,
        gc.set_threshold(100_000, 50, 1_000)  # and a batch makes tens of thousands of objects without cycles.
        say(f"listening on {self._settings.listen.rpartition(':')[0]}:{port}")
        self._watching += [asyncio.create_task(announce(each, say, several=self._several)) for each in engines]

    async def stop(self) -> None:
        """Answer what was asked, give up the partitions, and close everything."""
        grace = self._settings.shutdown_grace_seconds
        for each in self._watching:
            each.cancel()
        await self._edge.stop(grace)
        await asyncio.to_thread(self._partitions.stop, grace)
        self._children.stop()
        self._reader.close()
        self._vault.vault.close()

    def _checkpoints(self, count: int, keys: SigningKeys) -> dict[int, Checkpoints]:
        return Checkpoints.of_each(
            self._first.log,
            range(count),
            self._clock,
            ledger=self._settings.ledger_name,
            keys=keys,
            witnesses=self._settings.witness_keys,
            audited=self._children.audited,
        )


async def serve(settings: Settings) -> int:
    """Serve until a signal asks to stop, or something breaks; return the exit status."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    broken: list[BaseException] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def give_up(error: BaseException) -> None:
        broken.append(error)
        loop.call_soon_threadsafe(stop.set)

    server = Server(settings, give_up)
    await server.start()
    await stop.wait()
    await server.stop()
    return BROKEN if broken else 0


def say(text: str) -> None:
    """Say something to whoever started the server."""
    sys.stdout.write(f"esep: {text}\n")
    sys.stdout.flush()


def main() -> None:
    """Run a server with the settings of the environment."""
    status = BROKEN
    try:
        settings = Settings()
        configure_logging(settings.log_format)
        status = asyncio.run(serve(settings))
    except CANNOT_START as error:
        status = cannot_start(error)
    except BaseException:  # noqa: BLE001 - said, and then ended for certain
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # Daemon threads that hang in a dead database must not keep the process.


if __name__ == "__main__":
    main()
