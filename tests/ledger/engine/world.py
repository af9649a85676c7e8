"""An engine on a real store with a clock set by hand, asked one thing at a time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from time import monotonic, sleep
from typing import Any

from domain.account import OpenAccount
from domain.aggregate import Aggregate, fold
from domain.command import Command
from domain.event import Policy
from domain.ids import account_id
from domain.ports import Clock, Row
from domain.refusals import Refused
from domain.transfer import CreateTransfer
from ledger.engine.engine import Engine
from ledger.engine.lookup import history
from ledger.engine.settings import EngineSettings
from ledger.engine.tickets import Accepted, BatchTicket, CommandTicket, Declined, Ticket
from ledger.log.api import Log
from ledger.log.factory import open_log

SECOND = 1_000_000
DAY = 86_400 * SECOND
START = 1_790_000_000 * SECOND
PATIENCE = 20.0
BRISK = EngineSettings(
    beat_interval=0.02, standby_interval=0.01, retry_interval=0.005, patience=0.05, takeover_after=0.3
)


class HandClock:
    """Stands still until it is moved."""

    def __init__(self, now: int = START) -> None:
        self.time = now

    def now(self) -> int:
        return self.time

    def advance(self, microseconds: int) -> None:
        self.time += microseconds


class Ids:
    """Ids as clients make them: mostly UUIDv7 by the ledger's clock, the same for the same seed."""

    def __init__(self, clock: Clock, seed: int = 0) -> None:
        self._clock = clock
        self._random = Random(seed)

    def recent(self, *, age: int = 0) -> bytes:
        """Return a UUIDv7 made ``age`` microseconds ago."""
        made = (self._clock.now() - age) // 1000
        return made.to_bytes(6, "big") + b"\x70" + self._some(1) + b"\x80" + self._some(7)

    def unordered(self) -> bytes:
        """Return a UUIDv4, which says nothing of when it was made."""
        return self._some(6) + b"\x40" + self._some(1) + b"\x80" + self._some(7)

    def _some(self, count: int) -> bytes:
        return self._random.randbytes(count)


class Desk:
    """One engine and those who ask it."""

    def __init__(
        self,
        log: Log,
        clock: HandClock,
        *,
        settings: EngineSettings = BRISK,
        policy: Policy | None = None,
        seed: int = 0,
    ) -> None:
        self.log = log
        self.clock = clock
        self.ids = Ids(clock, seed)
        self.fatal: list[BaseException] = []
        self.engine = Engine(log, clock, settings=settings, policy=policy, on_fatal=self.fatal.append)
        self.engine.start()

    def serving(self) -> "Desk":
        """Wait until the engine owns its partition."""
        assert self.engine.wait_until_serving(PATIENCE), self.engine.mode
        return self

    def send(self, ticket: Ticket) -> Callable[[], Any]:
        """Submit a ticket; return a function that waits for its outcome."""
        done = threading.Event()
        answers: list[Any] = []

        def deliver(answered: Ticket) -> None:
            answers.append(answered.outcome)
            done.set()

        ticket.deliver = deliver
        self.engine.submit(ticket)

        def wait() -> Any:
            assert done.wait(PATIENCE), f"no answer; the engine is {self.engine.mode}"
            assert len(answers) == 1
            return answers[0]

        return wait

    def start(
        self, command: Command | CreateTransfer, request: bytes | None = None, **options: Any
    ) -> Callable[[], Any]:
        """Submit a command without waiting for its outcome."""
        if request is None:
            request = command.request_id if isinstance(command, CreateTransfer) else self.ids.recent()
        caller = options.pop("caller", "bank-a")
        return self.send(CommandTicket(command, request, caller, **options))

    def ask(self, command: Command | CreateTransfer, request: bytes | None = None, **options: Any) -> Any:
        """Submit a command and return its outcome."""
        return self.start(command, request, **options)()

    def ask_many(self, transfers: list[CreateTransfer], **options: Any) -> Any:
        """Submit a batch and return its outcome."""
        return self.send(BatchTicket(transfers, options.pop("caller", "bank-a"), **options))()

    def insist(self, command: Command | CreateTransfer, request: bytes | None = None) -> Any:
        """Ask with the same request id until the ledger knows the outcome, as a client should."""
        if request is None:
            request = command.request_id if isinstance(command, CreateTransfer) else self.ids.recent()
        deadline = monotonic() + PATIENCE
        while monotonic() < deadline:
            try:
                outcome = self.ask(command, request)
            except Refused:
                sleep(0.005)
                continue
            if not isinstance(outcome, Declined) or outcome.position:
                return outcome
        raise AssertionError(f"no outcome; the engine is {self.engine.mode}")

    def open(self, kind: str = "customer", **fields: Any) -> int:
        """Open an account and return its id."""
        outcome = self.insist(OpenAccount.model_validate({"participant_id": "bank-a", "kind": kind, **fields}))
        assert isinstance(outcome, Accepted), outcome
        return int.from_bytes(outcome.change.originator_id, "big")

    def transfer(self, debit: int, credit: int, amount: int, **fields: Any) -> CreateTransfer:
        """Return the command for a new transfer."""
        return CreateTransfer(self.ids.recent(), debit, credit, amount, **fields)

    def stop(self) -> None:
        self.engine.stop(grace=PATIENCE)

    # What is there.

    @property
    def books(self) -> Any:
        return self.engine._decider.books

    def posted(self, account: int) -> int:
        return int(self.books.accounts.posted[self.books.accounts.find(account)])

    def held(self, account: int) -> int:
        return int(self.books.accounts.held[self.books.accounts.find(account)])

    def rows(self) -> list[Row]:
        return self.log.read(0, 0, 1_000_000)

    def aggregate(self, aggregate_id: bytes) -> Aggregate | None:
        return fold(history(self.log.aggregate(0, aggregate_id)))


def columns(desk: Desk) -> dict[str, list[int]]:
    """Return every figure of every account."""
    accounts = desk.books.accounts
    names = ("posted", "held", "overdraft_limit", "minimum_balance", "version", "currency", "kind", "restrictions")
    return {name: list(getattr(accounts, name)) for name in names}


def open_holds(desk: Desk) -> dict[bytes, Any]:
    """Return every open authorisation."""
    return dict(desk.books.open)


@contextmanager
def engine_at(url: str, clock: HandClock | None = None, **options: Any) -> Iterator[Desk]:
    """Run an engine on the store at ``url``, stop it gracefully, and close the log."""
    log = open_log(url)
    desk = Desk(log, clock or HandClock(), **options)
    try:
        yield desk.serving()
    finally:
        desk.stop()
        log.close()


def account(index: int) -> int:
    """Return the id of the account opened as number ``index``."""
    return account_id(0, index)
