"""The courier: carries what one partition sent to the others, and brings home what became of it.

It remembers nothing that matters. What is to be carried is what home's books say is in transit and home's log holds;
each step is a request under an id that follows from the transfer, so that a courier that died, or a second one, only
asks for what was done already and hears of it again. A step that cannot be taken now (a partition without an owner, a
full queue) is taken later. Nothing is carried before it is durable at home, and nothing ends at home before what it
ends by is durable at the destination: answers come when they are.
"""

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple, Protocol
from uuid import UUID

import structlog

from domain.books import InTransit
from domain.command import Command
from domain.crossing import TransferReceived, TransferRejected, TransferSent, receive_request, settle_request
from domain.event import Event
from domain.ids import account_partition
from domain.ports import LogReader
from domain.refusals import Refused
from domain.transit import CompleteTransfer, ReceiveTransfer, ReturnTransfer
from ledger.engine.decider import TIMER
from ledger.engine.tickets import Accepted, CommandTicket, Repeated, Ticket
from ledger.log.codec import decode
from ledger.log.errors import LogError

_log = structlog.get_logger("esep.courier")

IN_HAND: Final = 2_000
"""Transfers that are carried at once."""
LATER_SECONDS: Final = 0.5
"""After how long a step that could not be taken is tried again."""
LOOK_SECONDS: Final = 0.25
"""How often the books are looked at when nobody says that there is something new."""

Post = Callable[[int, CommandTicket], None]
"""Hands a ticket to the engine of a partition, wherever it is; raises Refused when it cannot be taken now."""


class Home(Protocol):
    """What is asked of the engine whose transfers are carried."""

    @property
    def partition(self) -> int: ...
    @property
    def serving(self) -> bool: ...
    @property
    def durable(self) -> int: ...
    def in_transit(self) -> dict[bytes, InTransit]: ...


class _Carried(NamedTuple):
    """A transfer on its way, and what it was sent as."""

    transfer: bytes
    sent: TransferSent

    @property
    def there(self) -> int:
        """The partition it goes to."""
        return account_partition(self.sent.credit_account)


class Courier:
    """Carries the transfers of one partition. ``start`` it when its engine has been, ``stop`` it before."""

    def __init__(self, home: Home, log: LogReader, post: Post, *, in_hand: int = IN_HAND) -> None:
        """Take the engine whose transfers are carried, any log of the ledger, and the way to every engine."""
        self._home = home
        self._log = log
        self._post = post
        self._most = in_hand
        self._hand: dict[bytes, float] = {}
        """What is being carried, 0 where an answer is waited for, else the time at which to begin again."""
        self._answers: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._told = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"esep-courier-{home.partition}", daemon=True)

    def start(self) -> None:
        """Begin to carry."""
        self._thread.start()

    def wake(self) -> None:
        """Say that something may have been sent. Never blocks."""
        if not self._told:
            self._told = True
            self._answers.put(None)

    def stop(self, grace: float = 10.0) -> None:
        """Carry nothing more; what is under way is taken up by the next courier."""
        self._stopping.set()
        self._answers.put(None)
        self._thread.join(grace)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._hear(LOOK_SECONDS)
                if self._home.serving:
                    self._pick_up()
                else:
                    self._hand.clear()  # Whoever owns it now has a courier of their own.
            except LogError as failure:
                _log.warning("courier.waits", partition=self._home.partition, error=str(failure))
                self._stopping.wait(LATER_SECONDS)
            except Exception:  # noqa: BLE001 - money must not stay on its way because of one defect
                _log.exception("courier.failed", partition=self._home.partition)
                self._stopping.wait(LATER_SECONDS)

    def _hear(self, patience: float) -> None:
        """Take in answers: wait for the first of them, then take what is there."""
        try:
            answer = self._answers.get(timeout=patience)
            while True:
                if answer is None:
                    self._told = False
                else:
                    answer()
                answer = self._answers.get_nowait()
        except Empty:
            return

    def _pick_up(self) -> None:
        """Set out with what was sent, is durable and is not in hand."""
        durable, now = self._home.durable, time.monotonic()
        in_transit = self._home.in_transit()
        for transfer in [each for each, until in self._hand.items() if until and each not in in_transit]:
            del self._hand[transfer]  # It was ended by another courier.
        for transfer, sent in in_transit.items():
            if len(self._hand) >= self._most:
                return
            until = self._hand.get(transfer)
            if sent.position <= durable and (until is None or 0 < until <= now):
                self._set_out(transfer, sent.position)

    def _set_out(self, transfer: bytes, position: int) -> None:
        rows = self._log.read(self._home.partition, position - 1, 1)
        event = decode(rows[0].topic, rows[0].state) if rows and rows[0].originator_id == transfer else None
        if not isinstance(event, TransferSent):
            return  # What was decided there has been undone since.
        carried = _Carried(transfer, event)
        receive = ReceiveTransfer.of(transfer, self._home.partition, event)
        self._ask(carried, carried.there, receive, receive_request(transfer, self._home.partition), self._received)

    def _received(self, carried: _Carried, position: int, event: Event | None) -> None:
        """Bring home what the destination recorded."""
        if event is None:
            row = self._log.read(carried.there, position - 1, 1)[0]
            event = decode(row.topic, row.state)
        transfer = UUID(bytes=carried.transfer)
        match event:
            case TransferReceived():
                end: Command = CompleteTransfer(transfer_id=transfer, position=position)
            case TransferRejected():
                end = ReturnTransfer(transfer_id=transfer, position=position, reason=event.reason, detail=event.detail)
            case _:
                raise TypeError(f"{event.TOPIC} stands where a transfer should have been received")
        self._ask(carried, self._home.partition, end, settle_request(carried.transfer), self._ended)

    def _ended(self, carried: _Carried, position: int, event: Event | None) -> None:  # noqa: ARG002 - as _received
        self._hand.pop(carried.transfer, None)

    def _ask(
        self,
        carried: _Carried,
        partition: int,
        command: Command,
        request_id: bytes,
        then: Callable[[_Carried, int, Event | None], None],
    ) -> None:
        """Ask an engine; ``then`` goes on with the position and, where it is new, the event that was recorded."""
        self._hand[carried.transfer] = 0.0

        def hear(ticket: Ticket) -> None:
            match ticket.outcome:
                case Accepted(position=position, change=change):
                    then(carried, position, change.event)
                case Repeated(position=position):
                    then(carried, position, None)
                case _:
                    self._later(carried)

        ticket = CommandTicket(command, request_id, TIMER)
        ticket.deliver = lambda answered: self._answers.put(lambda: hear(answered))
        try:
            self._post(partition, ticket)
        except Refused:
            self._later(carried)

    def _later(self, carried: _Carried) -> None:
        self._hand[carried.transfer] = time.monotonic() + LATER_SECONDS
