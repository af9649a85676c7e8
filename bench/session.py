"""What the workloads of one store share: how much to do, a server, a reference, and their ends."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple, Self

from bench import report
from bench.ledger import Ledger
from bench.people import SETTINGS, People
from bench.reference import Reference, open_reference
from bench.report import Result
from bench.server import Server, serve
from bench.stores import STORES, Store

SEED = 20_26_11_21
BATCH = 8_000
CALLERS = 4


class Scale(NamedTuple):
    """How much a run does. A window of batches holds at most ``batches`` times 8,000 transfers."""

    rounds: int
    accounts: int
    batches: int
    calls: int


FULL = Scale(rounds=5, accounts=10_000, batches=24, calls=3_000)
QUICK = Scale(rounds=3, accounts=1_000, batches=6, calls=320)


class Session:
    """One store under measurement. What is started on demand ends with the session."""

    def __init__(self, store: Store, scale: Scale) -> None:
        self.store = store
        self.scale = scale
        self._ending = ExitStack()
        self._serving = ExitStack()
        self._server: Server | None = None
        self._directory = store.directory
        self._ledger: Ledger | None = None
        self._people: People | None = None
        self._reference: Reference | None = None
        self.log_url = ""
        """Where the ledger's log is; empty before there is a ledger."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._serving.close()
        finally:
            self._ending.close()

    @property
    def ledger(self) -> Ledger:
        """The ledger over a log of this store, empty at first; a new one when the server has ended."""
        if self._ledger is None or self._server is None or not self._server.running:
            self._end_server()
            self._directory = Path(mkdtemp(dir=self.store.directory))
            self.log_url = self.store.new("log")
            self._server = self._serving.enter_context(serve(self.log_url, self._directory, **SETTINGS))
            ledger = self._serving.enter_context(Ledger(self._server.address, SEED))
            ledger.prepare(self.scale.accounts)
            self._ledger = ledger
        return self._ledger

    @property
    def people(self) -> People:
        """The ledger's customers, who pay by card, phone and QR code."""
        ledger = self.ledger
        if self._people is None:
            people = People(ledger, self._directory / "confirmation-codes")
            try:
                people.join()
            except BaseException:
                self._end_server()  # Who joined already could not join again.
                raise
            self._people = people
        return self._people

    @property
    def reference(self) -> Reference:
        """The driver's fastest write into another database of this store."""
        if self._reference is None:
            self._reference = self._ending.enter_context(open_reference(self.store.new("reference")))
        return self._reference

    def check_server(self) -> None:
        """Say what the server said last, if it has ended by itself."""
        if self._server is not None and not self._server.running:
            report.note(f"the server has ended; its last words:\n{self._server.last_words()}")

    def _end_server(self) -> None:
        self._ledger = self._people = self._server = None
        self._serving.close()


class Workload(NamedTuple):
    """Something to measure. A file of ``bench.workloads`` holds one as ``WORKLOAD``."""

    names: tuple[str, ...]
    """The results it yields."""
    measure: Callable[[Session], Iterator[Result]]
    stores: tuple[str, ...] = STORES
    compares: bool = False
    """Whether it stands beside somebody else's software, which is measured only when asked for."""
