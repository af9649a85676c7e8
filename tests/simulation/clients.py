"""Clients, and the way to the engines: messages that are lost, late or twice, and ids that are kept until answered."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

from domain.plain import PlainTransfers
from domain.refusals import Refused
from ledger.engine.tickets import BatchOutcome, BatchTicket, CommandTicket, Declined, Repeated, Ticket
from tests.faults.race import ELSEWHERE
from tests.faults.rival import Ask, Told, ticket_of
from tests.ledger.engine.translation import verdict
from tests.simulation import bulks, cards
from tests.simulation.auditor import Auditor
from tests.simulation.bulks import BulkTraffic
from tests.simulation.database import PARTITION
from tests.simulation.faults import Fault, Faults
from tests.simulation.scheduler import Scheduler

_COMMANDS: Final = cards.COMMANDS | bulks.COMMANDS
LATER = ELSEWHERE | {"STORAGE_FULL", "QUEUE_FULL"}
"""Answers after which the same request is asked again."""

Deliver = Callable[[list[Told]], None]
Send = Callable[[int, Ask, bool, Deliver], None]
"""Hands a request to an engine; what it says comes back later, or never."""


class Sent(NamedTuple):
    """A request under way, and what was so when it was asked first."""

    ask: Ask
    turn: int
    known: frozenset[bytes]
    missing: frozenset[str]


class Client:
    """Asks one thing at a time, and asks it until there is an outcome."""

    def __init__(self, clients: "Clients", number: int) -> None:
        self.number = number
        self.sent: Sent | None = None
        self._clients = clients
        self._engine = 0
        self._turn = 0
        self._missing: frozenset[str] = frozenset()

    def ask(self, ask: Ask) -> None:
        self._turn += 1
        self._clients.auditor.asked(ask)
        self._missing = self._clients.auditor.missing(ask)
        self._send(ask)

    def _send(self, ask: Ask) -> None:
        clients = self._clients
        self.sent = sent = Sent(ask, self._turn, clients.auditor.known(ask), self._missing)
        if clients.scheduler.random.random() < 0.15:
            self._engine = 1 - self._engine
        clients.send(self._engine, sent.ask, False, lambda told: self._hear(sent, told))
        wait = clients.scheduler.random.uniform(1.0, 6.0)
        clients.scheduler.after(wait, partial(self._lose_patience, self._turn))

    def _lose_patience(self, turn: int) -> None:
        if turn == self._turn and self.sent is not None:
            self._engine = 1 - self._engine
            self._turn += 1
            self._send(self.sent.ask)

    def _hear(self, sent: Sent, told: list[Told]) -> None:
        clients = self._clients
        clients.scheduler.note("answer", sent.ask.request, told)
        current = self.sent is not None and self.sent.turn == sent.turn
        if any(one.verdict in LATER for one in told):
            if current:
                self._engine = 1 - self._engine
                self._turn += 1
                pause = clients.scheduler.random.uniform(0.05, 0.5)
                clients.scheduler.after(pause, partial(self._again, self._turn))
            return
        clients.auditor.answered(sent.ask, told, known=sent.known, missing=sent.missing)
        if current:
            self.sent = None
            self._turn += 1
            clients.finished(sent.ask, told)
            clients.scheduler.after(clients.scheduler.random.expovariate(4.0), self._next)

    def _again(self, turn: int) -> None:
        if turn == self._turn and self.sent is not None:
            self._send(self.sent.ask)

    def _next(self) -> None:
        if self.sent is None and self._clients.open:
            self.ask(self._clients.next())


class Clients:
    """Everybody who asks: the founding of the accounts first, then as many requests as there are to be."""

    def __init__(
        self, scheduler: Scheduler, traffic: BulkTraffic, auditor: Auditor, send: Send, *, number: int, commands: int
    ) -> None:
        self.scheduler = scheduler
        self.auditor = auditor
        self.send = send
        self.left = commands
        self.commands = 0
        self._founders = 0
        self._traffic = traffic
        self._done: list[tuple[Ask, list[Told]]] = []
        self._founding: list[Ask] = []
        self._clients = [Client(self, index) for index in range(number)]

    @property
    def open(self) -> bool:
        return self.left > 0

    @property
    def settled(self) -> bool:
        """Whether every request has its outcome, and there will be no more."""
        return not self.open and all(client.sent is None for client in self._clients)

    @property
    def waiting(self) -> list[Ask]:
        return [client.sent.ask for client in self._clients if client.sent is not None]

    def begin(self) -> None:
        self._founding = self._traffic.founding(self._seconds())
        self._founders = self.commands = len(self._founding)
        self._clients[0].ask(self._founding.pop(0))

    def next(self) -> Ask:
        if self._founding:
            return self._founding.pop(0)
        self.commands += 1
        self.left -= 1
        if self.scheduler.random.random() < 0.12:
            self._ask_beside()
        return self._traffic.next(self._seconds())

    def finished(self, ask: Ask, told: list[Told]) -> None:
        if told[0].verdict.startswith("OK"):
            self._traffic.note(ask, told[0].verdict)
        self._done.append((ask, told))
        if len(self._done) == self._founders:
            for client in self._clients[1:]:
                self.scheduler.after(self.scheduler.random.random(), client._next)

    def _ask_beside(self) -> None:
        """Repeat something that has its outcome, ask for something else under its id, or try something."""
        random = self.scheduler.random
        engine = random.randrange(2)
        if random.random() < 0.4:
            ask = self._traffic.next(self._seconds())
            if ask.name not in ("each", "batch"):
                self.auditor.tried(ask.tag, ask)
                self.send(engine, ask, True, lambda told: self._hear_trial(ask, told))
            return
        ask, told = random.choice(self._done)
        recorded = all(one.position for one in told)
        other = recorded and ask.name not in ("batch", "each") and random.random() < 0.4
        again = self._traffic.again(ask, other_content=other)
        if other:
            self.send(engine, again, False, lambda told: self._hear_reused(again, told))
        elif recorded:
            known = self.auditor.known(ask)
            self.send(engine, again, False, lambda told: self._hear_again(again, told, known))

    def _hear_trial(self, ask: Ask, told: list[Told]) -> None:
        if told[0].verdict not in LATER:
            self.auditor.answered_trial(ask.tag, told[0])

    def _hear_reused(self, ask: Ask, told: list[Told]) -> None:
        if told[0].verdict not in LATER:
            self.auditor.answered_reused(ask, told[0])

    def _hear_again(self, ask: Ask, told: list[Told], known: frozenset[bytes]) -> None:
        if not any(one.verdict in LATER for one in told):
            self.auditor.answered(ask, told, known=known, missing=frozenset())

    def _seconds(self) -> float:
        return self.scheduler.now / 1e6


class Wire:
    """Carries requests to an engine's process and answers back."""

    def __init__(self, scheduler: Scheduler, faults: Faults) -> None:
        self._scheduler = scheduler
        self._faults = faults

    def carry(self, deliver: Callable[[], None], *, request: bool) -> None:
        """Carry one message, which may be lost, or late, or, where it is a request, arrive twice."""
        random = self._scheduler.random
        if self._faults.strikes(Fault.MESSAGE_LOST):
            return
        seconds = random.random() * 0.01
        if self._faults.strikes(Fault.MESSAGE_LATE):
            seconds = random.uniform(1.0, 15.0)
        self._scheduler.after(seconds, deliver)
        if request and self._faults.strikes(Fault.MESSAGE_TWICE):
            self._scheduler.after(random.choice((0.0, 0.05, 5.0)), deliver)


def make_ticket(ask: Ask, *, trial: bool) -> Ticket:
    """Return the engine's ticket for a request; of separate transfers every other one in columns, as the edge does."""
    make = _COMMANDS.get(ask.name)
    ticket = ticket_of(ask) if make is None else CommandTicket(make(ask.content), ask.request, ask.caller)
    if isinstance(ticket, BatchTicket) and not ticket.atomic and ask.tag % 2:
        ticket.transfers = PlainTransfers(
            [each.request_id for each in ticket.transfers], [each.posted() for each in ticket.transfers]
        )
    ticket.validate_only = trial
    return ticket


def submit(engine: Any, ticket: Ticket) -> None:
    """Submit a ticket as the edge does: what is not taken is answered at once."""
    try:
        engine.submit(ticket)
    except Refused as refused:
        ticket.outcome = Declined(refused.refusal)
        if ticket.deliver is not None:
            ticket.deliver(ticket)


def told_of(ticket: Any, ask: Ask, desk: Any) -> list[Told]:
    """Return an outcome in the reference ledger's terms, item by item."""
    outcome = ticket.outcome
    if isinstance(outcome, BatchOutcome):
        special = dict(outcome.declined) | dict(outcome.repeated)
        return [
            _one(special[index], ask, ticket.transfers[index], desk)
            if index in special
            else Told("OK", outcome.positions[index], replayed=False)
            for index in range(len(ticket.transfers))
        ]
    command = ticket.command if isinstance(ticket, CommandTicket) else ticket.fingerprint
    told = _one(outcome, ask, command, desk)
    return [told] * (len(ticket.transfers) if ask.name == "each" else 1)


def _one(outcome: Any, ask: Ask, command: Any, desk: Any) -> Told:
    said = verdict(desk, outcome, ask.caller, command)
    if said == "OK" and ask.name in bulks.COMMANDS:
        said = bulks.outcome_of(outcome, lambda position: desk.log.read(PARTITION, position - 1, 1)[0])
    repeated = isinstance(outcome, Repeated) and outcome.replayed
    return Told(said, 0 if said == "REQUEST_ID_REUSED" else outcome.position, replayed=repeated)
