"""What is looked up outside of the engine's memory is always answered."""

from domain.refusals import Reason
from ledger.engine.lookup import LookUps
from ledger.engine.threads import SYSTEM_THREADS
from ledger.engine.tickets import CommandTicket, Declined, Ticket
from ledger.log.api import Log
from tests.ledger.engine.world import Desk


def test_a_ticket_taken_as_the_engine_stops_is_told_so(desk: Desk, log: Log) -> None:
    """Between taking a ticket and looking something up for it the engine may have ended: that is no defect."""
    look_ups = LookUps(log, 0, lambda: 0, SYSTEM_THREADS)
    look_ups.close()
    told: list[tuple[Ticket, Declined | None]] = []
    ticket = CommandTicket(desk.transfer(1, 2, 3), desk.ids.unordered(), "bank-a")
    look_ups.start(ticket, lambda *answer: told.append(answer))
    [(answered, declined)] = told
    assert answered is ticket
    assert declined is not None
    assert declined.refusal.reason is Reason.SHUTTING_DOWN
