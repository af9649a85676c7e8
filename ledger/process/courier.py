"""The courier: carries what one partition sent to the others, and brings home what became of it.

It remembers nothing that matters. What is to be carried is what home's books say is in transit and home's log holds;
each step is a request under an id that follows from the transfer, so that a courier that died, or a second one, only
asks for what was done already and hears of it again. A step that cannot be taken now (a partition without an owner, a
full queue) is taken later. Nothing is carried before it is durable at home, and nothing ends at home before what it
ends by is durable at the destination: answers come when they are.

A partition of the same process is asked by itself. One of another process is told by mail, which its inbox takes in
(``ledger.process.inbox``); whether it has is read from its log, which every process can read.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from domain.books import InTransit
from domain.command import Command
from domain.crossing import TransferReceived, TransferRejected, TransferSent, receive_request, settle_request
from domain.event import Event
from domain.ids import account_partition
from domain.refusals import Refused
from domain.transit import CompleteTransfer, ReceiveTransfer, ReturnTransfer
from ledger.engine.decider import TIMER
from ledger.engine.tickets import Accepted, CommandTicket, Repeated, Ticket
from ledger.log.api import Log, Mail
from ledger.log.codec import decode
from ledger.process.errand import LATER_SECONDS, Errand

IN_HAND: Final = 2_000
"""Transfers that are carried at once."""
LOOK_SECONDS: Final = 0.25
"""How often the books are looked at when nobody says that there is something new."""
MAIL_SECONDS: Final = 0.05
"""How often the log of another process's partition is looked at while something has been mailed to it."""
AGAIN_SECONDS: Final = 10.0
"""After how long mail that nobody has taken in is sent again."""

Post = Callable[[int, CommandTicket], None]
"""Hands a ticket to the engine of a partition of this process; raises Refused when it cannot be taken now."""


class Home(Protocol):
    """What is asked of the engine whose transfers are carried."""

    @property
    def partition(self) -> int: ...
    @property
    def serving(self) -> bool: ...
    @property
    def durable(self) -> int: ...
    def in_transit(self) -> dict[bytes, InTransit]: ...


class Carried(NamedTuple):
    """A transfer on its way, where it was sent, and as what."""

    transfer: bytes
    position: int
    sent: TransferSent
    sent_at: int

    @property
    def there(self) -> int:
        """The partition it goes to."""
        return account_partition(self.sent.credit_account)


class Courier(Errand):
    """Carries the transfers of one partition. ``start`` it when its engine has been, ``stop`` it before."""

    def __init__(
        self, home: Home, log: Log, post: Post, owns: Callable[[int], bool], *, in_hand: int = IN_HAND
    ) -> None:
        """Take the engine whose transfers are carried, any log of the ledger, and the way to this process's engines."""
        super().__init__(f"esep-courier-{home.partition}", home.partition)
        self._home = home
        self._log = log
        self._post = post
        self._owns = owns
        self._most = in_hand
        self._hand: dict[bytes, float] = {}
        """What is being carried, 0 where an answer is waited for, else the time at which to begin again."""
        self._mailed: dict[bytes, tuple[Carried, float]] = {}
        """What another process has been told of, and when it is to be told again."""

    def step(self) -> None:
        """Go one round: hear what became of what is under way, and set out with what is new."""
        self.hear(MAIL_SECONDS if self._mailed else LOOK_SECONDS)
        if self._home.serving:
            self._pick_up()
            self._look_after_mail()
        else:  # Whoever owns it now has a courier of their own.
            self._hand.clear()
            self._mailed.clear()

    def _pick_up(self) -> None:
        """Set out with what was sent, is durable and is not in hand."""
        durable, now = self._home.durable, time.monotonic()
        in_transit = self._home.in_transit()
        for transfer in [each for each, until in self._hand.items() if until and each not in in_transit]:
            del self._hand[transfer]  # It was ended by another courier.
        mail: dict[int, list[Carried]] = {}
        for transfer, sent in in_transit.items():
            if len(self._hand) >= self._most:
                break
            until = self._hand.get(transfer)
            if sent.position > durable or not (until is None or 0 < until <= now):
                continue
            carried = self._read(transfer, sent.position)
            if carried is not None and self._owns(carried.there):
                self._set_out(carried)
            elif carried is not None:
                mail.setdefault(carried.there, []).append(carried)
        for there, letters in mail.items():
            self._mail(there, letters, now)

    def _read(self, transfer: bytes, position: int) -> Carried | None:
        rows = self._log.read(self._home.partition, position - 1, 1)
        event = decode(rows[0].topic, rows[0].state) if rows and rows[0].originator_id == transfer else None
        # Where something else stands, what was decided has been undone since.
        return Carried(transfer, position, event, rows[0].recorded_at) if isinstance(event, TransferSent) else None

    def _set_out(self, carried: Carried) -> None:
        home = self._home.partition
        receive = ReceiveTransfer.of(carried.transfer, home, carried.sent, carried.sent_at)
        self._ask(carried, carried.there, receive, receive_request(carried.transfer, home), self._received)

    # By mail.

    def _mail(self, there: int, letters: Iterable[Carried], now: float) -> None:
        told = list(letters)
        self._log.send_mail(there, [Mail(self._home.partition, each.position) for each in told])
        for each in told:
            self._hand[each.transfer] = 0.0
            self._mailed[each.transfer] = (each, now + AGAIN_SECONDS)

    def _look_after_mail(self) -> None:
        """Bring home what other processes have recorded, and tell them again what they may have missed."""
        home, now = self._home.partition, time.monotonic()
        waiting: dict[int, dict[bytes, Carried]] = {}
        for carried, _ in self._mailed.values():
            waiting.setdefault(carried.there, {})[receive_request(carried.transfer, home)] = carried
        for there, requests in waiting.items():
            for request, position in self._log.find(there, list(requests)).items():
                carried = requests[request]
                del self._mailed[carried.transfer]
                self._received(carried, position, None)
            late = [each for each in requests.values() if self._mailed.get(each.transfer, (each, now + 1))[1] <= now]
            if late:
                self._mail(there, late, now)

    # Home again.

    def _received(self, carried: Carried, position: int, event: Event | None) -> None:
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

    def _ended(self, carried: Carried, position: int, event: Event | None) -> None:
        self._hand.pop(carried.transfer, None)

    def _ask(
        self,
        carried: Carried,
        partition: int,
        command: Command,
        request_id: bytes,
        then: Callable[[Carried, int, Event | None], None],
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
        ticket.deliver = lambda answered: self.answer(lambda: hear(answered))
        try:
            self._post(partition, ticket)
        except Refused:
            self._later(carried)

    def _later(self, carried: Carried) -> None:
        self._hand[carried.transfer] = time.monotonic() + LATER_SECONDS
