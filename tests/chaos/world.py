"""Everything that a fault can strike: two servers over one store, its database, network and disk, and the clients.

The servers are kept as a supervisor would keep them: one that ends is started again, and with which status it ended is
noted. Only the statuses that the documentation tells to start again after are allowed.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Final, Self

from scripts.demo_client import connect_plainly
from scripts.demo_server import ServerError, ServerProcess
from tests.chaos.client import Told, run
from tests.chaos.disk import Disk, small_disk
from tests.chaos.journal import Journals
from tests.chaos.postgresql import USER, PostgreSQL, own
from tests.chaos.proxy import Proxy
from tests.serving import funded_accounts

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
ACCOUNTS: Final = 12
DEPOSIT: Final = 1_000_000
CONNECTIONS: Final = 80
"""How many the database admits."""
RESTARTED: Final = frozenset((0, 70, 75))
"""Exit statuses after which a supervisor starts a server again."""
PATIENCE: Final = 300.0
_POLL_SECONDS: Final = 0.02
_DATABASE: Final = "esep"
_DEFECTS: Final = ("uncaught", "defect", "decision.failed", "look_up.failed")
"""What a server logs that met a mistake of its own."""
_SETTINGS: Final = {
    "ESEP_LOG_FORMAT": "json",
    "ESEP_SNAPSHOT_EVERY": "2000",
    "ESEP_TAKEOVER_AFTER_SECONDS": "3",
}
_POSTGRESQL: Final = {
    "max_connections": str(CONNECTIONS),
    "max_wal_size": "32MB",
    "min_wal_size": "4MB",
    "shared_buffers": "32MB",
}


class Server(ServerProcess):
    """A server that is kept running while it is wanted."""

    def __init__(self, directory: Path, settings: Mapping[str, str]) -> None:
        super().__init__(directory, settings)
        self.reserve()  # Clients are told both addresses before the second server ever starts.
        self.wanted = False
        self.defects: list[str] = []

    def hear(self, line: str) -> None:
        """Take in a line of its log, and keep what it says of a defect."""
        super().hear(line)
        if any(f'"event": "{event}"' in line for event in _DEFECTS):
            self.defects.append(line)

    @property
    def runs(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def status(self) -> int | None:
        """How its process ended."""
        return None if self._process is None else self._process.poll()


class World:
    """What a run strikes and watches."""

    def __init__(self, store: str, directory: Path, disk: Disk, chance: Random) -> None:
        self.store = store
        self.chance = chance
        self.directory = directory
        self.disk = disk
        self.oddities: list[str] = []
        """What neither a server nor a client should have met."""
        self.journals = Journals(_made(directory / "journals"))
        self.opening: dict[int, int] = {}
        self.postgresql: PostgreSQL | None = None
        self.proxy: Proxy | None = None
        self.servers: list[Server] = []
        self._ending = ExitStack()
        self._clients: list[multiprocessing.process.BaseProcess] = []
        self._stop_file = directory / "stop"

    @property
    def active(self) -> Server:
        """The server that is wanted; of two, the one that was wanted first."""
        return next(server for server in self.servers if server.wanted)

    @property
    def idle(self) -> Server:
        """One that is not wanted."""
        return next(server for server in self.servers if not server.wanted)

    @property
    def database(self) -> PostgreSQL:
        """The PostgreSQL server."""
        if self.postgresql is None:
            raise LookupError("there is no PostgreSQL server")
        return self.postgresql

    @property
    def network(self) -> Proxy:
        """The way to the PostgreSQL server."""
        if self.proxy is None:
            raise LookupError("there is no network to a database")
        return self.proxy

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            data = _made((self.disk.directory if self.store == SQLITE else self.directory) / "data")
            url = f"sqlite:///{data / 'log.db'}" if self.store == SQLITE else self.start_database(stack)
            for _ in range(2):
                self.servers.append(stack.enter_context(Server(data, {"ESEP_DATABASE_URL": url, **_SETTINGS})))
                self.servers[-1].clock = self.servers[0].clock  # One machine has one clock.
            stack.callback(self._end_clients)
            stack.callback(self.journals.close)
            self.servers[0].wanted = True
            self.active.start()
            with connect_plainly(self.active.address) as ledger:
                self.opening = funded_accounts(ledger, ACCOUNTS, DEPOSIT)
            self._ending = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    # The load.

    def load(self, processes: int, tasks: int) -> None:
        """Let clients send from now on."""
        context = multiprocessing.get_context("spawn")
        customers = tuple(account for account, posted in self.opening.items() if posted > 0)
        for number in range(processes):
            told = Told(
                tuple(server.address for server in self.servers),
                customers,
                self.directory / "journals" / f"client-{number}.jsonl",
                self._stop_file,
                tasks,
                self.chance.randrange(1 << 32),
            )
            process = context.Process(target=run, args=(told,), daemon=True)
            process.start()
            self._clients.append(process)

    def settle(self) -> None:
        """Let the clients have an answer to everything that they sent, and end."""
        self._stop_file.touch()
        self.until(lambda: not any(client.is_alive() for client in self._clients), "clients wait for answers")
        self.journals.read()
        self.oddities += [f"a server logged {each}" for server in self.servers for each in server.defects]
        self.oddities += [f"a client ended with {each.exitcode}" for each in self._clients if each.exitcode]
        self.oddities += [f"{odd.id} was answered {odd.said}" for odd in self.journals.odd]

    def acknowledged_since(self, since: float) -> int:
        """Return how many acknowledgements came after an instant of the monotonic clock."""
        self.journals.read()
        count = 0
        for each in reversed(self.journals.acknowledged):
            if each.at <= since - 1.0:  # The journals are read one after another: nearly in order.
                break
            count += each.at > since
        return count

    # Keeping it going.

    def until(self, reached: Callable[[], bool], what: str) -> None:
        """Keep the servers and the database running until something is so. Raises TimeoutError."""
        deadline = time.monotonic() + PATIENCE
        while not reached():
            self.keep()
            if time.monotonic() > deadline:
                said = "\n".join(server.said for server in self.servers if server.wanted)
                raise TimeoutError(f"{what} after {PATIENCE:.0f} s\n{said}")
            time.sleep(_POLL_SECONDS)

    def keep(self) -> None:
        """Start again what has ended."""
        if self.postgresql is not None and not self.postgresql.alive:
            self.postgresql.start()
        for server in self.servers:
            if server.wanted and not server.runs:
                self.start(server)

    def start(self, server: Server) -> None:
        """Start a server as a supervisor does, who sees only how it ended the last time."""
        server.wanted = True
        with suppress(ServerError):
            server.start(serving=False)
            return
        if server.status not in RESTARTED:
            self.oddities.append(f"a server ended with status {server.status} when it was started: {server.said}")

    def end(self, server: Server) -> None:
        """Kill a server that is not wanted any more."""
        server.wanted = False
        server.kill()

    def _end_clients(self) -> None:
        for client in self._clients:
            if client.is_alive():
                client.kill()
            client.join()
            client.close()

    def start_database(self, stack: ExitStack) -> str:
        """Start the database that the servers share, ended with the stack, and return its url."""
        own(self.disk.directory)
        self.postgresql = database = PostgreSQL(self.disk.directory / "database", _POSTGRESQL)
        database.create()
        stack.callback(database.stop)
        database.start()
        with database.connect() as connection:
            connection.execute(f"CREATE DATABASE {_DATABASE}")
        self.proxy = stack.enter_context(Proxy(database.socket))
        return f"postgresql://{USER}@127.0.0.1:{self.proxy.port}/{_DATABASE}"


@contextmanager
def world(store: str, directory: Path, chance: Random, *, megabytes: int) -> Iterator[World]:
    """Give a world whose data stands on a disk of this size that can be filled, of none that can without a size."""
    with ExitStack() as stack:
        if megabytes:
            disk = stack.enter_context(small_disk(directory / "disk", megabytes))
        else:
            disk = Disk(_made(directory / "disk"))
        yield stack.enter_context(World(store, directory, disk, chance))


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory
