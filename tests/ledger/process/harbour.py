"""Two partitions of one ledger in this process, and what their logs say of them. As a program: one that dies.

``python -m tests.ledger.process.harbour URL OWNED STEP PAYEE`` owns some of the partitions (like ``0,1``), sends money
from partition 0 to an account of partition 1 if it owns the first, and kills itself at a step of the money's way,
without a word to anybody.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Self
from uuid import UUID

from domain.account import AccountKind, CloseAccount, OpenAccount
from domain.command import Command
from domain.crossing import TransferReceived, TransferSent
from domain.event import Policy
from domain.ids import account_id
from domain.movements import movements
from domain.refusals import Refused
from domain.transfer import CreateTransfer
from ledger.engine.clock import SystemClock
from ledger.engine.settings import EngineSettings
from ledger.engine.tickets import Accepted, BatchTicket, CommandTicket, Repeated, Ticket
from ledger.log.codec import decode
from ledger.log.factory import open_log
from ledger.process.partitions import Partitions
from tests.ledger.engine.world import PATIENCE, Ids
from tests.waiting import eventually

TWO = Policy(several=2)
BRISK = EngineSettings(
    beat_interval=0.02, standby_interval=0.01, retry_interval=0.005, patience=0.05, takeover_after=0.3
)
CLEARING, CASH, PAYER, PAYEE, CLOSED = 1, 2, 3, 3, 4
FUNDS, AMOUNT = 1_000, 300
ARRIVAL_SECONDS = 60.0
"""A courier that was not answered begins again after ten."""
CLEARED = 3
"""The position of a partition whose clearing account is open: an engine started, an account, its claim."""
PAYMENT = UUID("01a1b2c3-0000-7000-8000-000000000001")
STEPS = ("before receive_transfer", "after receive_transfer", "before settling", "after settling")
"""Of the way within one process."""
HOME_STEPS = ("before send_mail", "after send_mail", "before settling", "after settling")
DESTINATION_STEPS = ("before receive_transfer", "after receive_transfer", "before drop_mail", "after drop_mail")
"""Of the way between two processes, by the one that dies."""


class Harbour:
    """Both partitions, run by one process; a context manager."""

    def __init__(self, url: str, *, owned: tuple[int, ...] = (0, 1), step: str = "") -> None:
        self.clock = SystemClock()
        self.ids = Ids(self.clock, time.time_ns())
        self.fatal: list[BaseException] = []
        self.logs = {partition: open_log(url) for partition in owned}
        self.partitions = Partitions(self.logs, self.clock, policy=TWO, settings=BRISK, on_fatal=self.fatal.append)
        if step:
            self._die_at(step)

    def __enter__(self) -> Self:
        self.partitions.start()
        for engine in self.partitions.engines.values():
            assert engine.wait_until_serving(PATIENCE), engine.mode
        return self

    def __exit__(self, *_: object) -> None:
        self.partitions.stop()
        for log in self.logs.values():
            log.close()
        assert not self.fatal

    def ask(self, partition: int, command: Command | CreateTransfer, request: bytes | None = None) -> Any:
        """Return what became of a request, asked again until it is known."""
        request = request or (command.request_id if isinstance(command, CreateTransfer) else self.ids.recent())
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            done = threading.Event()
            ticket = CommandTicket(command, request, "bank-a", deliver=partial(_tell, done))
            try:
                self.partitions.engines[partition].submit(ticket)
            except Refused:
                time.sleep(0.005)
                continue
            assert done.wait(PATIENCE)
            if isinstance(ticket.outcome, Accepted | Repeated) or ticket.outcome.position:
                return ticket.outcome
            time.sleep(0.005)
        raise AssertionError("no outcome")

    def ask_atomic(self, partition: int, transfers: list[CreateTransfer]) -> Any:
        """Return what became of an atomic batch."""
        done = threading.Event()
        ticket = BatchTicket(
            transfers, "bank-a", atomic=True, request_id=self.ids.recent(), deliver=partial(_tell, done)
        )
        self.partitions.engines[partition].submit(ticket)
        assert done.wait(PATIENCE)
        return ticket.outcome

    def found(self) -> None:
        """Open a cash account and customers in both partitions, the last of them closed again, and put money in."""
        for partition in (0, 1):
            eventually(partial(self._cleared, partition))  # The clearing account comes first.
            for kind in (AccountKind.CASH, AccountKind.CUSTOMER, AccountKind.CUSTOMER):
                self.ask(partition, OpenAccount(participant_id="bank-a", kind=kind))
            self.ask(partition, CloseAccount(account_id=account_id(partition, CLOSED)))
            cash, customer = account_id(partition, CASH), account_id(partition, PAYER)
            self.ask(partition, CreateTransfer(self.ids.recent(), cash, customer, FUNDS))

    def _cleared(self, partition: int) -> bool:
        return self.logs[partition].head(partition) >= CLEARED

    def send(self, payee: int, request: bytes = PAYMENT.bytes) -> Any:
        """Send money from partition 0 to an account of partition 1."""
        return self.ask(0, CreateTransfer(request, account_id(0, PAYER), account_id(1, payee), AMOUNT))

    def arrived(self) -> None:
        """Wait until nothing is on its way."""
        eventually(lambda: not any(engine.in_transit() for engine in self.partitions.engines.values()), ARRIVAL_SECONDS)

    def _die_at(self, step: str) -> None:
        when, _, what = step.partition(" ")
        if what.endswith("mail"):
            for log in self.logs.values():
                setattr(log, what, _mortal(getattr(log, what), when))
            return
        dying = {"receive_transfer"} if what == "receive_transfer" else {"complete_transfer", "return_transfer"}

        def mortal(submit: Callable[[Any], None], ticket: Any) -> None:
            if getattr(getattr(ticket, "command", None), "NAME", "") in dying:
                if when == "before":
                    os.kill(os.getpid(), signal.SIGKILL)
                ticket.deliver = _die
            submit(ticket)

        for engine in self.partitions.engines.values():
            engine.submit = partial(mortal, engine.submit)  # type: ignore[method-assign]


def _mortal(method: Callable[..., Any], when: str) -> Callable[..., Any]:
    def die(*arguments: Any) -> None:
        if when == "after":
            method(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    return die


def _tell(done: threading.Event, _ticket: Ticket) -> None:
    done.set()


def _die(_ticket: Ticket) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Figures:
    """What the logs of a ledger say, whoever has written them."""

    def __init__(self, url: str, partitions: int = 2) -> None:
        log = open_log(url)
        try:
            self.rows = {partition: log.read(partition, 0, 1_000_000) for partition in range(partitions)}
        finally:
            log.close()
        self.events = {
            partition: [decode(row.topic, row.state) for row in rows] for partition, rows in self.rows.items()
        }
        self.posted: dict[int, int] = {}
        for partition, events in self.events.items():
            for leg in (leg for event in events for leg in movements(event)):
                self.posted[leg.debit_account] = self.posted.get(leg.debit_account, 0) - leg.amount
                self.posted[leg.credit_account] = self.posted.get(leg.credit_account, 0) + leg.amount
            own = [amount for account, amount in self.posted.items() if account >> 40 == partition]
            assert sum(own) == 0, f"partition {partition} does not sum to zero"

    @property
    def clearing(self) -> int:
        """What the clearing accounts of all partitions hold: the money in transit."""
        return sum(self.posted.get(account_id(partition, CLEARING), 0) for partition in self.rows)

    def count(self, kind: Callable[..., object]) -> int:
        """Return how many events of a kind there are."""
        return sum(isinstance(event, kind) for events in self.events.values() for event in events)  # type: ignore[arg-type]

    @property
    def under_way(self) -> int:
        """Return what was sent and not received, by the amounts in the events."""
        sent = sum(event.amount for event in self.events[0] if isinstance(event, TransferSent))
        return sent - sum(event.amount for event in self.events[1] if isinstance(event, TransferReceived))


def main(url: str, owned: str, step: str, payee: str) -> None:
    """Send money, and die on its way."""
    with Harbour(url, owned=tuple(map(int, owned.split(","))), step=step) as harbour:
        if 0 in harbour.logs:
            harbour.send(int(payee))
        time.sleep(10 * PATIENCE)


if __name__ == "__main__":
    main(*sys.argv[1:])
