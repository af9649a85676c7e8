"""The faults, by name: each strikes, lasts as long as it lasts, and leaves everything able to go on.

What ended is started again afterwards, by ``World.keep``. All chance comes from the world's seed; what the machine
makes of it does not.
"""

import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

import psycopg

from domain.times import DAY_SECONDS
from tests.chaos.world import POSTGRESQL, SQLITE, World

_FAR_BACK: Final = 900
"""Seconds by which a clock jumps back so far that no engine may start to decide."""
_NEARBY: Final = 30
"""Seconds by which it may."""


class Fault(NamedTuple):
    """A kind of fault, and how often it is chosen beside the others."""

    strike: Callable[[World], None]
    weight: int = 2
    stores: frozenset[str] = frozenset((SQLITE, POSTGRESQL))


def _wait(world: World, least: float, most: float) -> None:
    time.sleep(world.chance.uniform(least, most))


# The server.


def server_killed(world: World) -> None:
    """End the server with SIGKILL."""
    world.active.kill()


def server_stopped(world: World) -> None:
    """Stop the server with SIGTERM, under load."""
    status = world.active.stop()
    if status:
        world.oddities.append(f"a server that was asked to stop ended with {status}: {world.active.said}")


def server_paused(world: World) -> None:
    """Stop the whole server where it stands for a while, the processes beside it left running."""
    world.active.pause()
    _wait(world, 0.1, 2.0)
    world.active.resume()


def child_killed(world: World) -> None:
    """End one of the processes beside the one that decides."""
    children = _children(world.active.pid)
    if children:
        with suppress(ProcessLookupError):
            os.kill(world.chance.choice(children), signal.SIGKILL)
    _wait(world, 0.0, 0.5)


def two_started(world: World) -> None:
    """Kill the server, and start two at once; one of them dies later."""
    world.active.kill()
    starting = [threading.Thread(target=world.start, args=(server,)) for server in world.servers]
    for each in starting:
        each.start()
    for each in starting:
        each.join()
    _wait(world, 0.0, 2.0)
    world.end(world.chance.choice([server for server in world.servers if server.wanted]))


def owner_lost(world: World) -> None:
    """Start a second server beside the first, then lose the first: killed, or paused until the second is the owner."""
    first, second = world.active, world.idle
    world.start(second)
    _wait(world, 0.0, 1.5)
    if world.store == POSTGRESQL and world.chance.random() < 0.5:
        # On SQLite a writer that is paused in a transaction keeps everybody out: nobody can end it but its machine.
        first.pause()
        world.until(lambda: second.runs and second.health() == "SERVING", "the second server does not take over")
        first.resume()
        _wait(world, 0.0, 1.0)
    world.end(first)


# Limits of the machine.


def disk_full(world: World) -> None:
    """Leave no room where the data stands."""
    world.disk.fill()
    _wait(world, 0.3, 2.0)
    world.disk.free()


def files_exhausted(world: World) -> None:
    """Let the server open no more files, while clients and its database make it want to."""
    pid = world.active.pid
    few = len(os.listdir(f"/proc/{pid}/fd")) + world.chance.randint(0, 4)  # noqa: PTH208 - only how many
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (few, hard))
    try:
        if world.store == POSTGRESQL and world.chance.random() < 0.7:
            world.network.reset()
        with _knocking(world.active.address, 20):
            _wait(world, 0.3, 1.5)
    finally:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def clock_forward(world: World) -> None:
    """Let hours or days pass at once."""
    world.active.clock.advance(world.chance.randint(60, 3 * DAY_SECONDS))


def clock_back(world: World) -> None:
    """Turn the clock back by seconds, and sometimes kill the server with it."""
    world.active.clock.advance(-world.chance.randint(1, _NEARBY))
    if world.chance.random() < 0.5:
        world.active.kill()


def clock_far_back(world: World) -> None:
    """Turn the clock back so far that a server that starts may not decide, and later forward again."""
    clock = world.active.clock
    clock.advance(-_FAR_BACK)
    try:
        if world.chance.random() < 0.5:
            world.active.kill()
            world.start(world.active)
        _wait(world, 0.5, 1.5)
    finally:
        clock.advance(_FAR_BACK)


# The database.


def database_killed(world: World) -> None:
    """End PostgreSQL with SIGKILL, at times together with the server."""
    world.database.kill()
    if world.chance.random() < 0.3:
        world.active.kill()
        world.start(world.active)  # Before its database is there.
    _wait(world, 0.0, 1.0)


def backend_killed(world: World) -> None:
    """End one process of PostgreSQL with SIGKILL: it ends all the others and recovers by itself."""
    _signal_backend(world, signal.SIGKILL)


def backend_terminated(world: World) -> None:
    """End one connection or all of them, as an administrator does."""
    with suppress(psycopg.OperationalError), world.database.connect() as connection:
        pids = world.database.backends()
        for pid in pids if world.chance.random() < 0.5 else world.chance.sample(pids, min(1, len(pids))):
            connection.execute("SELECT pg_terminate_backend(%s)", [pid])


def backend_paused(world: World) -> None:
    """Stop one process of PostgreSQL for a while, in the middle of whatever it does."""
    pid = _signal_backend(world, signal.SIGSTOP)
    try:
        _wait(world, 0.3, 3.0)
    finally:
        with suppress(ProcessLookupError):
            if pid:
                os.kill(pid, signal.SIGCONT)


def connections_exhausted(world: World) -> None:
    """Take every connection that PostgreSQL admits, after breaking the server's."""
    with ExitStack() as taken:
        world.network.reset()
        with suppress(psycopg.OperationalError):
            while True:
                taken.callback(world.database.connect().close)
        _wait(world, 0.3, 3.0)


def network_cut(world: World) -> None:
    """Break every connection to the database and refuse new ones for a while."""
    world.network.cut()
    _wait(world, 0.0, 4.0)
    world.network.restore()


def network_silent(world: World) -> None:
    """Let nothing pass for a while; then everything arrives, or the connections break."""
    world.network.silence()
    _wait(world, 0.3, 4.0)
    if world.chance.random() < 0.5:
        world.network.cut()
    world.network.restore()


def network_slow(world: World) -> None:
    """Let everything take longer."""
    world.network.delay_seconds = world.chance.uniform(0.02, 0.2)
    _wait(world, 0.5, 2.0)
    world.network.restore()


def answers_lost(world: World) -> None:
    """Let the database hear everything, and nobody hear the database: whatever commits then, nobody knows of."""
    world.network.answers_lost = True
    _wait(world, 0.05, 1.0)
    world.network.cut()
    world.network.restore()


_ON_POSTGRESQL: Final = frozenset((POSTGRESQL,))

FAULTS: Final[Mapping[str, Fault]] = {
    "server_killed": Fault(server_killed, 6),
    "server_stopped": Fault(server_stopped, 1),
    "server_paused": Fault(server_paused),
    "child_killed": Fault(child_killed, 1),
    "two_started": Fault(two_started),
    "owner_lost": Fault(owner_lost),
    "disk_full": Fault(disk_full),
    "files_exhausted": Fault(files_exhausted),
    "clock_forward": Fault(clock_forward, 1),
    "clock_back": Fault(clock_back),
    "clock_far_back": Fault(clock_far_back, 1),
    "database_killed": Fault(database_killed, 4, _ON_POSTGRESQL),
    "backend_killed": Fault(backend_killed, 4, _ON_POSTGRESQL),
    "backend_terminated": Fault(backend_terminated, 2, _ON_POSTGRESQL),
    "backend_paused": Fault(backend_paused, 2, _ON_POSTGRESQL),
    "connections_exhausted": Fault(connections_exhausted, 2, _ON_POSTGRESQL),
    "network_cut": Fault(network_cut, 3, _ON_POSTGRESQL),
    "network_silent": Fault(network_silent, 3, _ON_POSTGRESQL),
    "network_slow": Fault(network_slow, 2, _ON_POSTGRESQL),
    "answers_lost": Fault(answers_lost, 4, _ON_POSTGRESQL),
}


def kinds_for(store: str) -> list[str]:
    """Return the kinds of faults that a store can meet."""
    return [name for name, fault in FAULTS.items() if store in fault.stores]


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (thread / "children").read_text().split())
    return found


@contextmanager
def _knocking(address: str, count: int) -> Iterator[None]:
    """Keep so many connections to a server open, as far as it takes them."""
    host, _, port = address.rpartition(":")
    with ExitStack() as stack:
        for _ in range(count):
            with suppress(OSError):
                stack.enter_context(socket.create_connection((host, int(port)), timeout=1.0))
        yield


def _signal_backend(world: World, number: int) -> int:
    """Send a signal to one process that serves a connection, if there is one; return it, or 0."""
    with suppress(psycopg.OperationalError, ProcessLookupError, IndexError):
        pid = world.chance.choice(world.database.backends())
        os.kill(pid, number)
        return pid
    return 0
