"""Lines of a credit file under failures: each is decided once, and the file's sums are those of its lines."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from domain.authorize import Advise
from domain.credit import Category, CloseCreditFile, CreditFile, CreditLine, CreditLineRefused, OpenCreditFile, line_id
from domain.refusals import Reason, Refused, refuse
from domain.transfer import TransferPosted
from ledger.engine.tickets import Accepted, BatchOutcome, CreditTicket, Declined
from ledger.log.codec import decode
from tests.ledger.engine.faults import Fault, FaultyLog
from tests.ledger.engine.world import SECOND, Desk, HandClock, columns
from tests.waiting import eventually

AMOUNT = 100


@pytest.fixture
def shaky(faulty: FaultyLog, clock: HandClock) -> Iterator[Desk]:
    desk = Desk(faulty.as_log(), clock).serving()
    yield desk
    faulty.faults.clear()
    faulty.let_go()
    desk.stop()


def opened(desk: Desk, account: int) -> bytes:
    """Open a file; return its id."""
    file_id = desk.ids.recent()
    command = OpenCreditFile(
        category=Category.SALARY,
        participant_id="bank-a",
        account_id=account,
        line_count=1_000,
        sum_tyiyn=0,
        payer_name="Ала-Тоо Текстиль",
    )
    assert isinstance(desk.insist(command, file_id), Accepted)
    return file_id


def line(file_id: bytes, number: int, account: int, amount: int = AMOUNT) -> CreditLine:
    unknown = None if account else refuse(Reason.ACCOUNT_NOT_FOUND, account_number="404")
    return CreditLine(line_id(file_id, number), number, f"account:{account}", account, amount, "", unknown)


def post(desk: Desk, file_id: bytes, lines: list[CreditLine]) -> BatchOutcome:
    """Send lines until the ledger knows their outcome, as a client should."""

    def tried() -> Any:
        try:
            outcome = desk.send(CreditTicket(file_id, lines, "bank-a"))()
        except Refused:
            return None
        return outcome if isinstance(outcome, BatchOutcome) else None

    outcome = eventually(tried)
    assert isinstance(outcome, BatchOutcome)
    return outcome


def recorded(desk: Desk, file_id: bytes) -> tuple[list[int], list[int]]:
    """Return the numbers of the lines that the log holds as paid, and of those it holds as refused."""
    events = [decode(row.topic, row.state) for row in desk.rows()]
    paid = [event.credit_line for event in events if isinstance(event, TransferPosted) and event.credit_file]
    refused = [event.line for event in events if isinstance(event, CreditLineRefused) and event.file.bytes == file_id]
    return paid, refused


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.ANSWER_LOST, Fault.FULL, Fault.CONFLICT])
@pytest.mark.parametrize("seed", range(3))
def test_lines_that_are_sent_again_and_again_are_decided_once(
    shaky: Desk, faulty: FaultyLog, fault: Fault, seed: int
) -> None:
    """Chunks overlap, appends fail, an engine starts anew: the log holds every line once, and the sums are exact."""
    payer, one = shaky.open("cash"), shaky.open()
    file_id = opened(shaky, payer)
    random = Random(seed)
    lines = [line(file_id, number, 0 if number % 10 == 0 else one, number) for number in range(1, 61)]
    sent: set[int] = set()
    while len(sent) < len(lines):
        shaky.clock.advance(1_000)
        if not faulty.faults:
            faulty.faults.extend(random.choice([[fault], [Fault.NONE, fault], [fault, fault]]))
        chunk = random.sample(lines, 25)
        outcome = post(shaky, file_id, chunk)
        assert all(outcome.positions)
        sent |= {each.number for each in chunk}
    paid, refused = recorded(shaky, file_id)
    assert sorted(paid) == [number for number in range(1, 61) if number % 10]
    assert sorted(refused) == [10, 20, 30, 40, 50, 60]
    file = shaky.aggregate(file_id)
    assert isinstance(file, CreditFile)
    assert (file.posted, file.posted_total) == (54, sum(paid))
    assert (file.refused, file.refused_total) == (6, sum(refused))
    assert shaky.posted(one) == -shaky.posted(payer) == sum(paid)
    faulty.faults.clear()
    before = columns(shaky)
    shaky.stop()
    again = Desk(faulty.as_log(), shaky.clock, seed=7).serving()
    assert columns(again) == before
    outcome = post(again, file_id, lines)
    assert len(outcome.repeated) == len(lines)
    closing = CloseCreditFile.model_validate({"file_id": file.uuid, "line_count": 60, "sum_tyiyn": 1})
    assert isinstance(again.ask(closing), Declined)
    again.stop()


def test_a_file_that_was_closed_meanwhile_takes_no_line(desk: Desk) -> None:
    """What the file is, is decided with its lines: a close in front of them is seen by all of them."""
    payer, one = desk.open("cash"), desk.open()
    file_id = opened(desk, payer)
    post(desk, file_id, [line(file_id, number, one, 0) for number in range(1, 1_001)])
    file = desk.aggregate(file_id)
    assert isinstance(file, CreditFile)
    closing = CloseCreditFile(file_id=file.uuid, line_count=1_000, sum_tyiyn=0)
    waits = [desk.start(closing), desk.send(CreditTicket(file_id, [line(file_id, 1_001, one)], "bank-a"))]
    closed, late = (wait() for wait in waits)
    assert isinstance(closed, Accepted)
    assert [(declined.refusal.reason, declined.position) for _, declined in late.declined] == [
        (Reason.CREDIT_FILE_CLOSED, 0)
    ]
    assert desk.posted(one) == 0


def test_a_hold_that_has_lapsed_does_not_keep_a_salary_back(desk: Desk) -> None:
    """What the paying account may spend is what it may spend now: holds that have ended are ended first."""
    cash, payer, one = desk.open("cash"), desk.open(), desk.open()
    desk.insist(desk.transfer(cash, payer, AMOUNT))
    hold = Advise(account_id=payer, credit_account_id=one, amount_tyiyn=AMOUNT)
    assert isinstance(desk.insist(hold), Accepted)
    file_id = opened(desk, payer)
    first = post(desk, file_id, [line(file_id, 1, one)])
    assert [declined.refusal.reason for _, declined in first.declined] == [Reason.INSUFFICIENT_FUNDS]
    desk.clock.advance(8 * 86_400 * SECOND)
    assert not post(desk, file_id, [line(file_id, 2, one)]).declined
    assert (desk.posted(one), desk.held(payer)) == (AMOUNT, 0)


def test_lines_of_no_file_are_not_decided(desk: Desk) -> None:
    """Without its file a line is nothing: no row is written."""
    one = desk.open()
    before = len(desk.rows())
    outcome = desk.send(CreditTicket(desk.ids.recent(), [line(desk.ids.recent(), 1, one)], "bank-a"))()
    assert isinstance(outcome, Declined)
    assert outcome.refusal.reason is Reason.CREDIT_FILE_NOT_FOUND
    assert len(desk.rows()) == before
