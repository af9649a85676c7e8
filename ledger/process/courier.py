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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Final, NamedTuple, Protocol, TypeVar
from uuid import UUID

from domain.books import InTransit
from domain.command import Command
from domain.crossing import TransferReceived, TransferRejected, TransferSent, receive_request, settle_request
from domain.event import Event
from domain.ids import account_partition
from domain.ports import Row
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
"""After how long whatever nobody has answered is begun again."""

SPARSE: Final = 20
"""Rows between two that are wanted are read along with them, up to so many for each."""

T = TypeVar("T")


class Home(Protocol):
    """What is asked of an engine of this process."""

    @property
    def partition(self) -> int: ...
    @property
    def serving(self) -> bool: ...
    @property
    def durable(self) -> int: ...
    def in_transit(self) -> dict[bytes, InTransit]: ...
    def submit(self, ticket: Ticket) -> None: ...


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

    def __init__(self, home: Home, log: Log, here: Mapping[int, Home], *, in_hand: int = IN_HAND) -> None:
        """Take the engine whose transfers are carried, any log of the ledger, and this process's engines."""
        super().__init__(f"esep-courier-{home.partition}", home.partition)
        self._home = home
        self._log = log
        self._here = here
        self._most = in_hand
        self._hand: dict[bytes, float] = {}
        """What is being carried, and when to begin again with it, should nothing be heard of it by then."""
        self._mailed: dict[bytes, tuple[Carried, float]] = {}
        """What another process has been told of, and when it is to be told again."""
        self._asking: dict[int, list[tuple[Carried, CommandTicket]]] = {}
        """What is to be asked at the end of the round, by partition."""

    def step(self) -> None:
        """Go one round: hear what became of what is under way, and set out with what is new."""
        self.hear(MAIL_SECONDS if self._mailed else LOOK_SECONDS)
        if self._home.serving:
            self._pick_up()
            self._look_after_mail()
            self._ask_all()
        else:  # Whoever owns it now has a courier of their own.
            self._hand.clear()
            self._mailed.clear()
            self._asking.clear()

    def _pick_up(self) -> None:
        """Set out with what was sent, is durable and is not in hand."""
        durable, now = self._home.durable, time.monotonic()
        in_transit = self._home.in_transit()
        for transfer in [each for each, until in self._hand.items() if until <= now and each not in in_transit]:
            del self._hand[transfer]  # It was ended by another courier.
        new: dict[int, bytes] = {}
        for transfer, sent in in_transit.items():
            if len(self._hand) + len(new) >= self._most:
                break
            if sent.position <= durable and self._hand.get(transfer, now) <= now:
                new[sent.position] = transfer
        mail: dict[int, list[Carried]] = {}
        for carried in self._read(new):
            if carried.there in self._here:
                self._set_out(carried)
            else:
                mail.setdefault(carried.there, []).append(carried)
        for there, letters in mail.items():
            self._mail(there, letters, now)

    def _read(self, wanted: Mapping[int, bytes]) -> Iterator[Carried]:
        """Yield what was sent at these positions; where something else stands, what was decided has been undone."""
        for row in rows_at(self._log, self._home.partition, sorted(wanted)):
            event = decode(row.topic, row.state) if row.originator_id == wanted[row.position] else None
            if isinstance(event, TransferSent):
                yield Carried(row.originator_id, row.position, event, row.recorded_at)

    def _set_out(self, carried: Carried) -> None:
        home = self._home.partition
        receive = ReceiveTransfer.of(carried.transfer, home, carried.sent, carried.sent_at)
        self._ask(carried, carried.there, receive, receive_request(carried.transfer, home), self._received)

    # By mail.

    def _mail(self, there: int, letters: Iterable[Carried], now: float) -> None:
        told = list(letters)
        self._log.send_mail(there, [Mail(self._home.partition, each.position) for each in told])
        for each in told:
            self._hand[each.transfer] = inf  # It is looked after as mail.
            self._mailed[each.transfer] = (each, now + AGAIN_SECONDS)

    def _look_after_mail(self) -> None:
        """Bring home what other processes have recorded, and tell them again what they may have missed."""
        home, now = self._home.partition, time.monotonic()
        waiting: dict[int, dict[bytes, Carried]] = {}
        for carried, _ in self._mailed.values():
            waiting.setdefault(carried.there, {})[receive_request(carried.transfer, home)] = carried
        for there, requests in waiting.items():
            found = {position: request for request, position in self._log.find(there, list(requests)).items()}
            for row in rows_at(self._log, there, sorted(found)):
                carried = requests[found[row.position]]
                del self._mailed[carried.transfer]
                self._hand[carried.transfer] = now + AGAIN_SECONDS
                self._received(carried, row.position, decode(row.topic, row.state))
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
        self._hand[carried.transfer] = time.monotonic() + AGAIN_SECONDS

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
        self._asking.setdefault(partition, []).append((carried, ticket))

    def _ask_all(self) -> None:
        """Hand the round's tickets to their engines, all of one partition looked up in its log at once."""
        asking, self._asking = self._asking, {}
        for partition, asked in asking.items():
            for carried, refused in submit_all(self._log, self._here[partition], asked):
                if refused:
                    self._later(carried)

    def _later(self, carried: Carried) -> None:
        self._hand[carried.transfer] = time.monotonic() + LATER_SECONDS


def submit_all(log: Log, engine: Home, asked: Sequence[tuple[T, CommandTicket]]) -> Iterator[tuple[T, bool]]:
    """Hand tickets to an engine, looked up in its log by one question; yield whether each was refused for now."""
    as_of = engine.durable
    found = log.find(engine.partition, [ticket.request_id for _, ticket in asked])
    for what, ticket in asked:
        ticket.found, ticket.looked_up = found, as_of
        try:
            engine.submit(ticket)
        except Refused:
            yield what, True
        else:
            yield what, False


def rows_at(log: Log, partition: int, positions: Sequence[int]) -> Iterator[Row]:
    """Yield the rows at these positions, in order; rows that stand close together are read at once.

    Large ones between them make a read shorter than was asked: it goes on behind what it brought.
    """
    start = 0
    for end in range(1, len(positions) + 1):
        if end < len(positions) and positions[end] - positions[start] <= SPARSE * (end + 1 - start):
            continue
        after, last = positions[start] - 1, positions[end - 1]
        wanted = set(positions[start:end])
        while after < last and (rows := log.read(partition, after, last - after)):
            yield from (row for row in rows if row.position in wanted)
            after = rows[-1].position
        start = end
