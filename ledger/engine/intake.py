"""The way in and out: tickets wait here for their turn, and are delivered once they have an outcome."""

import threading
from collections import deque
from collections.abc import Iterable

import structlog

from domain.refusals import Reason, Refused, refuse
from ledger.engine.tickets import Declined, Ticket

_log = structlog.get_logger("esep.engine")

_MANY = 64


class Intake:
    """A bounded queue. Methods that say so are called with ``changed`` held, the engine's own condition."""

    def __init__(self, max_queued: int, changed: threading.Condition) -> None:
        self.queued = 0
        """Requests that were admitted and not delivered yet, each transfer of a batch counted."""
        self._max_queued = max_queued
        self._changed = changed
        self._waiting: deque[Ticket] = deque()
        self._weight = 0
        """Of those that wait, each transfer of a batch counted."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def admit(self, ticket: Ticket) -> None:
        """Count a ticket in; raises Refused when too much is waiting. With ``changed`` held."""
        if self.queued and self.queued + ticket.weight > self._max_queued:
            raise Refused(refuse(Reason.QUEUE_FULL))
        self.queued += ticket.weight

    def many(self) -> bool:
        """Tell whether so much waits that it is decided even while a batch is being written."""
        return self._weight >= _MANY

    def put(self, ticket: Ticket, *, at_once: bool) -> None:
        """Let an admitted ticket wait for its decision. With ``changed`` held.

        Unless it is to be decided ``at_once``, nobody is woken before there are many: that costs more than a decision.
        """
        self._waiting.append(ticket)
        self._weight += ticket.weight
        if at_once or self.many():
            self._changed.notify_all()

    def put_back(self, tickets: list[Ticket]) -> None:
        """Let tickets whose decision was undone wait again, before all others."""
        with self._changed:
            self._waiting.extendleft(reversed(tickets))
            self._weight += sum(ticket.weight for ticket in tickets)

    def take(self, room: int) -> list[Ticket]:
        """Return the next tickets, until ``room`` events are taken up. With ``changed`` held."""
        taken: list[Ticket] = []
        while self._waiting and room > 0:
            ticket = self._waiting.popleft()
            room -= ticket.weight
            self._weight -= ticket.weight
            taken.append(ticket)
        return taken

    def deliver(self, tickets: Iterable[Ticket]) -> None:
        """Hand tickets with an outcome back to those who sent them."""
        weight = 0
        for ticket in tickets:
            weight += ticket.weight
            try:
                if ticket.deliver is not None:
                    ticket.deliver(ticket)
            except Exception:  # noqa: BLE001 - who cannot take an answer must not keep others from theirs
                _log.exception("delivery.failed")
        with self._changed:
            self.queued -= weight

    def refuse(self, tickets: list[Ticket], reason: Reason) -> None:
        """Answer tickets with an unrecorded refusal."""
        for ticket in tickets:
            ticket.outcome = Declined(refuse(reason))
        self.deliver(tickets)

    def refuse_all(self, reason: Reason) -> None:
        """Answer everything that waits with an unrecorded refusal."""
        with self._changed:
            tickets = list(self._waiting)
            self._waiting.clear()
            self._weight = 0
        self.refuse(tickets, reason)
