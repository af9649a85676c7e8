"""The inbox by itself: which letters it takes in, and when it drops them."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from domain.crossing import receive_request
from domain.event import Change
from domain.ports import Row
from domain.refusals import Reason, Refused, refuse
from domain.transit import ReceiveTransfer
from ledger.engine.tickets import Accepted, CommandTicket, Declined
from ledger.log.api import Log, Mail
from ledger.process.courier import Home
from ledger.process.inbox import Inbox
from tests.ledger.process.crossing import received, sent, sent_row, transfer_id

TRANSFER = transfer_id(1)
SENT, ELSEWHERE = sent(), sent(there=2)
TOLD, ANOTHERS, NOTHING = Mail(0, 1), Mail(0, 2), Mail(0, 3)


class Shore:
    """A partition with mail, home's log, and what the partition was asked."""

    def __init__(self, *mail: Mail) -> None:
        self.mail = list(mail)
        self.asked: list[CommandTicket] = []
        self.busy = False
        self.rows = [sent_row(position, TRANSFER, event) for position, event in enumerate((SENT, ELSEWHERE), 1)]
        here = SimpleNamespace(partition=1, serving=True, durable=0, submit=self.submit)
        self.inbox = Inbox(cast("Home", here), cast("Log", self))

    def submit(self, ticket: CommandTicket) -> None:
        if self.busy:
            raise Refused(refuse(Reason.QUEUE_FULL))
        self.asked.append(ticket)

    def answer(self, outcome: Accepted | Declined) -> None:
        ticket = self.asked[-1]
        ticket.outcome = outcome
        assert ticket.deliver is not None
        ticket.deliver(ticket)

    def read(self, _partition: int, after: int, limit: int) -> list[Row]:
        return self.rows[after : after + limit]

    def find(self, _partition: int, _ids: Sequence[bytes]) -> dict[bytes, int]:
        return {}

    def read_mail(self, _partition: int, limit: int) -> list[Mail]:
        return self.mail[:limit]

    def drop_mail(self, _partition: int, mail: Sequence[Mail]) -> None:
        self.mail = [each for each in self.mail if each not in mail]


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.process.inbox.MAIL_SECONDS", 0.001)


def test_a_letter_is_taken_in_once_and_dropped_when_that_is_durable() -> None:
    """What is asked follows from home's log, under the one id that receiving has."""
    shore = Shore(TOLD)
    shore.inbox.step()
    shore.inbox.step()
    (ticket,) = shore.asked
    assert ticket.command == ReceiveTransfer.of(TRANSFER.bytes, 0, SENT, 1)
    assert ticket.request_id == receive_request(TRANSFER.bytes, 0)
    assert shore.mail == [TOLD]
    shore.answer(Accepted(5, 1, Change(TRANSFER.bytes, 1, received(TRANSFER, SENT)), None))
    shore.inbox.step()
    assert (shore.mail, len(shore.asked)) == ([], 1)


def test_a_letter_that_could_not_be_taken_in_is_kept_and_tried_again() -> None:
    """Neither a refusal for now nor a full queue is an outcome."""
    shore = Shore(TOLD)
    shore.inbox.step()
    shore.answer(Declined(refuse(Reason.CLEARING_NOT_OPEN), 0))
    shore.busy = True
    shore.inbox.step()
    assert (shore.mail, len(shore.asked)) == ([TOLD], 1)
    shore.busy = False
    shore.inbox.step()
    assert (shore.mail, len(shore.asked)) == ([TOLD], 2)


@pytest.mark.parametrize("letter", [ANOTHERS, NOTHING])
def test_a_letter_that_tells_of_nothing_here_is_dropped(letter: Mail) -> None:
    """One of what went to another partition, or of a position where nothing stands, receives nothing."""
    shore = Shore(letter)
    shore.inbox.step()
    shore.inbox.step()
    assert (shore.mail, shore.asked) == ([], [])
