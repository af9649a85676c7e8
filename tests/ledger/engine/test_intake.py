"""The queue before the decision thread: who waits, how much that is, and when somebody is woken for it."""

import threading

import pytest

from domain.refusals import Reason
from domain.transfer import CreateTransfer
from ledger.engine.intake import Intake
from ledger.engine.tickets import BatchTicket, Ticket


class Bell(threading.Condition):
    """Counts how often it was rung."""

    rung = 0

    def notify_all(self) -> None:
        self.rung += 1
        super().notify_all()


@pytest.fixture
def bell() -> Bell:
    """Give the engine's condition."""
    return Bell()


def of(weight: int) -> BatchTicket:
    """Return a ticket with so many transfers."""
    return BatchTicket([CreateTransfer(bytes(16), 1, 2, 1)] * weight, "dev")


def put(intake: Intake, bell: Bell, *tickets: Ticket, at_once: bool = False) -> None:
    """Let tickets wait."""
    with bell:
        for ticket in tickets:
            intake.put(ticket, at_once=at_once)


def test_what_is_to_be_decided_at_once_wakes(bell: Bell) -> None:
    """While nothing is being written, a single ticket has its turn."""
    put(Intake(1_000, bell), bell, of(1), at_once=True)
    assert bell.rung == 1


def test_few_wait_until_there_are_many(bell: Bell) -> None:
    """While a batch is being written nobody is woken for a few tickets, but for many, each transfer counted."""
    intake = Intake(1_000, bell)
    put(intake, bell, *[of(1)] * 63)
    assert (bell.rung, intake.many()) == (0, False)
    put(intake, bell, of(1))
    assert (bell.rung, intake.many()) == (1, True)
    put(Intake(1_000, bell), bell, of(64))
    assert bell.rung == 2


def test_many_are_those_that_still_wait(bell: Bell) -> None:
    """Tickets that were taken or refused wait no longer; those put back do."""
    intake = Intake(1_000, bell)
    put(intake, bell, of(40), of(40))
    with bell:
        taken = intake.take(1)
    assert not intake.many()
    intake.put_back(taken)
    assert intake.many()
    intake.refuse_all(Reason.SHUTTING_DOWN)
    assert not intake.many()
