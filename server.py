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

    rpc = settings.rpc  # How callers are known and what is encrypted: before anything is made or opened.
    for setting, address in (("ESEP_LISTEN", settings.listen), ("ESEP_METRICS_LISTEN", settings.metrics_listen)):
        check_free(setting, address)
    catalogue = load_catalogue(settings.services_file)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    count = count_partitions(settings.log_url, settings.partition_count, over_citus=bool(settings.distribute))
    owned, policy = settings.owned(count), settings.policy_of(count)
    vault = open_vault(settings.vault_url, settings.keys_file, settings.codes_file, development=settings.development)
    signing = SigningKeys.load(settings.signing_keys_file, create=settings.development)
    clock = OffsetClock(settings.clock_offset_file) if settings.clock_offset_file else SystemClock()
    children = Children(settings.children._replace(partitions=tuple(owned)), REGISTRY)
    metrics = EngineMetrics(owned)
    partitions = Partitions.opened(
        settings.log_url,
        owned,
        clock,
        policy=policy,
        settings=settings.engine,
        on_fatal=give_up,
        on_durable=children.wake,
        observers=metrics.commits,
    )
    metrics.watch(partitions.engines, REGISTRY)
    (engine, *others), reader = partitions.all, Reader(settings.read_url)
    edge = build_server(
        engine,
        reader,
        vault,
        Checkpoints(
            engine.log,
            engine.partition,
            clock,
            ledger=settings.ledger_name,
            keys=signing,
            witnesses=settings.witness_keys,
            audited=children.audited,
        ),
        AccessLog(open_tables(settings.access_url)),
        rpc,
        policy=policy,
        others=others,
        clock=clock,
        catalogue=catalogue,
        page_key=settings.page_key,
    )
    port = edge.bind()  # Before the log is taken: a server that nobody can reach must not decide.
    serve_metrics(settings.metrics_listen)
    # A restored vault may know again whom the log says it has forgotten: before anybody asks, it does not.
    await asyncio.to_thread(catch_up, vault.vault, engine.log, engine.partition, clock.now())
    children.start()
    partitions.start()
    watching = [asyncio.create_task(watch_projections(partitions.each, reader))]
    await edge.start()
    gc.collect()
    gc.freeze()  # What is here now stays: the collector need not look at it again,
    gc.set_threshold(100_000, 50, 1_000)  # and a batch makes tens of thousands of objects without cycles.
    say(f"listening on {settings.listen.rpartition(':')[0]}:{port}")
    watching += [asyncio.create_task(announce(each, say, several=count > 1)) for each in partitions.each]

    await stop.wait()
    for each in watching:
        each.cancel()
    await edge.stop(settings.shutdown_grace_seconds)
    await asyncio.to_thread(partitions.stop, settings.shutdown_grace_seconds)
    children.stop()
    reader.close()
    vault.vault.close()
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
