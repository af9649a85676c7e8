"""A request id stands for one request, whether it is in flight, recent, or long forgotten."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec
import pytest

from domain.account import OpenAccount
from domain.authorize import Authorize
from domain.clearing import ForcePost, PostRefund
from domain.engine import CommandDeclined
from domain.refusals import Reason, Refused
from domain.resolve import Capture, Reverse
from domain.transfer import CreateTransfer
from ledger.engine.tickets import Accepted, BatchTicket, CommandTicket, Declined, Repeated
from ledger.log.api import Log
from ledger.log.codec import decode
from tests.ledger.engine.faults import Fault, FaultyLog
from tests.ledger.engine.world import BRISK, DAY, SECOND, Desk, HandClock, columns, open_holds
from tests.waiting import eventually

FORGETFUL = msgspec.structs.replace(BRISK, recent_requests=4, cached_aggregates=2)


@pytest.fixture
def forgetful(log: Log, clock: HandClock) -> Iterator[Desk]:
    """Give an engine that remembers four requests and two aggregates."""
    desk = Desk(log, clock, settings=FORGETFUL).serving()
    yield desk
    desk.stop()


def hold(account: int, credit: int, amount: int = 100, **fields: Any) -> Authorize:
    return Authorize(account_id=account, credit_account_id=credit, amount_tyiyn=amount, **fields)


def force(account: int, credit: int, reference: str) -> ForcePost:
    return ForcePost(account_id=account, credit_account_id=credit, amount_tyiyn=5, clearing_reference=reference)


@pytest.mark.parametrize("unordered", [False, True])
def test_a_repeat_is_answered_with_its_first_outcome(desk: Desk, unordered: bool) -> None:  # noqa: FBT001 - a case
    """A request that comes again is not carried out again; it is told where its first outcome stands."""
    cash, one = desk.open("cash"), desk.open()
    request = desk.ids.unordered() if unordered else desk.ids.recent()
    transfer = CreateTransfer(request, cash, one, 10)
    first = desk.ask(transfer)
    assert desk.ask(transfer) == Repeated(first.position)
    assert desk.ask(transfer, caller="somebody else") == Repeated(first.position)
    assert desk.posted(one) == 10


def test_a_request_in_flight_is_recognised(faulty: FaultyLog, clock: HandClock) -> None:
    """Ten repeats sent before the first is durable are all told the same position."""
    desk = Desk(faulty.as_log(), clock).serving()
    cash, one = desk.open("cash"), desk.open()
    clock.advance(SECOND)
    faulty.faults.append(Fault.SLOW)
    transfer = desk.transfer(cash, one, 10)
    waiting = [desk.start(transfer) for _ in range(10)]
    assert faulty.hung.wait(20)
    faulty.let_go()
    first, *others = (wait() for wait in waiting)
    assert isinstance(first, Accepted)
    assert others == [Repeated(first.position)] * 9
    assert desk.posted(one) == 10
    desk.stop()


def test_a_forgotten_request_is_found_in_the_log(forgetful: Desk, clock: HandClock) -> None:
    """An id that fell out of the index of recent ones is found all the same, a decline too."""
    desk = forgetful
    cash, one = desk.open("cash"), desk.open()
    accepted, declined = desk.transfer(cash, one, 10), desk.transfer(one, cash, 10_000)
    first, refused = desk.ask(accepted), desk.ask(declined)
    assert refused.refusal.reason is Reason.INSUFFICIENT_FUNDS
    for _ in range(20):
        clock.advance(5 * SECOND)
        desk.ask(desk.transfer(cash, one, 1))
    assert desk.ask(accepted) == Repeated(first.position)
    assert desk.ask(declined) == Repeated(refused.position)
    each = desk.ask_many([accepted, declined, desk.transfer(cash, one, 1)])
    assert each.positions[:2] == [first.position, refused.position]
    assert desk.posted(one) == 31


def test_a_request_is_recognised_after_a_restart(log: Log, clock: HandClock) -> None:
    """Neither a snapshot nor a replay forgets a request id."""
    desk = Desk(log, clock).serving()
    cash, one = desk.open("cash"), desk.open()
    transfer = desk.transfer(cash, one, 10)
    first = desk.ask(transfer)
    desk.stop()
    again = Desk(log, clock, seed=1).serving()
    assert again.ask(transfer) == Repeated(first.position)
    again.stop()


def test_many_commands_through_a_tiny_memory_come_out_right(forgetful: Desk, clock: HandClock) -> None:
    """An engine that forgets almost everything at once answers as one that remembers it all."""
    desk = forgetful
    cash, one, shop = desk.open("cash"), desk.open(), desk.open("merchant")
    desk.ask(desk.transfer(cash, one, 10_000))
    holds = []
    for number in range(6):
        clock.advance(5 * SECOND)
        request = desk.ids.recent()
        desk.ask(hold(one, shop, acquirer_id="a", acquirer_reference=f"r{number}"), request)
        holds.append(UUID(bytes=request))
    for number, authorization in enumerate(holds):
        capture = Capture(authorization_id=authorization, amount_tyiyn=60, final=True, clearing_reference=f"c{number}")
        assert isinstance(desk.ask(capture), Accepted)
    for number, authorization in enumerate(holds):
        refund = PostRefund(authorization_id=authorization, amount_tyiyn=60, clearing_reference=f"d{number}")
        assert isinstance(desk.ask(refund), Accepted)
        again = Reverse(acquirer_id="a", acquirer_reference=f"r{number}")
        assert desk.ask(again).refusal.reason is Reason.ALREADY_RESOLVED
    assert (desk.posted(one), desk.posted(shop), desk.held(one)) == (10_000, 0, 0)


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (force(2, 1, "c"), force(2, 1, "c"), Reason.CLEARING_REFERENCE_SEEN),
        (
            hold(1, 2, acquirer_id="a", acquirer_reference="r"),
            hold(1, 2, acquirer_id="a", acquirer_reference="r"),
            Reason.ACQUIRER_REFERENCE_SEEN,
        ),
        (
            Reverse(acquirer_id="a", acquirer_reference="r"),
            hold(1, 2, acquirer_id="a", acquirer_reference="r"),
            Reason.REVERSED_BEFORE,
        ),
        (
            OpenAccount.model_validate({"participant_id": "b", "kind": "cash", "account_number": "7"}),
            OpenAccount.model_validate({"participant_id": "b", "kind": "customer", "account_number": "7"}),
            Reason.ACCOUNT_NUMBER_TAKEN,
        ),
    ],
    ids=["clearing", "acquirer", "early reversal", "number"],
)
def test_a_reference_taken_long_ago_is_a_recorded_refusal(
    log: Log, clock: HandClock, first: Any, second: Any, reason: Reason
) -> None:
    """What the engine has forgotten the log still knows: the conflict becomes the refusal, recorded and final."""
    desk = Desk(log, clock).serving()
    cash, one = desk.open("cash"), desk.open()
    desk.ask(desk.transfer(cash, one, 10_000))
    assert isinstance(desk.ask(first), Accepted)
    desk.stop()
    clock.advance(SECOND)
    desk = Desk(log, clock, seed=1).serving()
    before = columns(desk)
    request = desk.ids.recent()
    waiting = [desk.start(second, request), desk.start(desk.transfer(cash, one, 1))]
    refused, accepted = (wait() for wait in waiting)
    assert isinstance(accepted, Accepted)
    assert refused.refusal.reason is reason
    assert refused.position
    assert desk.ask(second, request) == Repeated(refused.position)
    row = desk.log.read(0, refused.position - 1, 1)[0]
    assert getattr(decode(row.topic, row.state), "reason", "") == reason.name
    assert row.originator_id == request
    before["posted"][1] -= 1
    before["posted"][2] += 1
    assert columns(desk) == before
    desk.stop()


def test_a_refusal_that_creates_nothing_stands_under_the_request(desk: Desk) -> None:
    """A declined command is recorded under its request id, with its name, reason and figures."""
    cash, one = desk.open("cash"), desk.open()
    request = desk.ids.recent()
    desk.ask(hold(cash, one), request)
    capture = Reverse(authorization_id=UUID(bytes=request))
    desk.ask(capture)
    refused = desk.ask(capture, second := desk.ids.recent())
    event = decode(*desk.log.aggregate(0, second)[0][4:6])
    assert isinstance(event, CommandDeclined)
    assert (event.command, event.reason) == ("reverse", "ALREADY_RESOLVED")
    assert event.detail == dict(refused.refusal.metadata) == {"ended": "reversed", "version": "2"}


def test_a_refusal_without_trace_may_be_tried_again_with_the_same_id(desk: Desk) -> None:
    """NOT_FOUND is not final: the same request succeeds once the account is there."""
    cash = desk.open("cash")
    transfer = desk.transfer(cash, cash + 1, 10)
    refused = desk.ask(transfer)
    assert (refused.refusal.reason, refused.position) == (Reason.ACCOUNT_NOT_FOUND, 0)
    desk.open()
    assert isinstance(desk.ask(transfer), Accepted)


def test_a_trial_run_leaves_no_trace(desk: Desk, clock: HandClock) -> None:
    """A request that is only validated gets the true answer, and changes nothing, not even what has lapsed."""
    cash, one, shop = desk.open("cash"), desk.open(), desk.open("merchant")
    desk.ask(desk.transfer(cash, one, 1_000))
    held = desk.ids.recent()
    desk.ask(hold(one, shop), held)
    clock.advance(SECOND)
    before, holds, head = columns(desk), open_holds(desk), desk.log.head(0)
    trials: list[Any] = [
        hold(one, shop, 400),
        Capture(authorization_id=UUID(bytes=held), amount_tyiyn=500, final=True, clearing_reference="c"),
        OpenAccount.model_validate({"participant_id": "b", "kind": "customer", "account_number": "7"}),
        desk.transfer(cash, one, 5),
    ]
    for trial in trials:
        outcome = desk.ask(trial, desk.ids.recent(), validate_only=True)
        assert isinstance(outcome, Accepted)
        assert outcome.position == 0
    refused = desk.ask(hold(one, shop, 901), validate_only=True)
    assert (refused.refusal.reason, refused.position) == (Reason.INSUFFICIENT_FUNDS, 0)
    batch = [desk.transfer(one, shop, 500), desk.transfer(one, shop, 500)]
    each = desk.ask_many(batch, validate_only=True)
    assert (each.positions, [index for index, _ in each.declined]) == ([0, 0], [1])
    whole = desk.ask_many(batch, validate_only=True, atomic=True, request_id=desk.ids.recent())
    assert whole.refusal.metadata["index"] == "1"
    assert (columns(desk), open_holds(desk), desk.log.head(0)) == (before, holds, head)
    assert isinstance(desk.ask(trials[3]), Accepted)


def test_a_full_queue_is_told(faulty: FaultyLog, clock: HandClock) -> None:
    """A request that finds the queue full is refused at once; one alone is always taken, whatever its size."""
    desk = Desk(faulty.as_log(), clock, settings=msgspec.structs.replace(BRISK, max_queued=3)).serving()
    cash, one = desk.open("cash"), desk.open()
    clock.advance(SECOND)
    eventually(lambda: desk.engine.queued == 0)  # What was answered is counted out a moment later.
    assert len(desk.ask_many([desk.transfer(cash, one, 1) for _ in range(10)]).positions) == 10
    eventually(lambda: desk.engine.queued == 0)
    faulty.faults.append(Fault.SLOW)
    waiting = [desk.start(desk.transfer(cash, one, 1)) for _ in range(3)]
    with pytest.raises(Refused) as refused:
        desk.start(desk.transfer(cash, one, 1))
    assert refused.value.refusal.reason is Reason.QUEUE_FULL
    faulty.let_go()
    assert all(isinstance(wait(), Accepted) for wait in waiting)
    assert desk.posted(one) == 13
    desk.stop()


def test_a_graceful_stop_answers_everyone(faulty: FaultyLog, clock: HandClock) -> None:
    """Requests that were taken before the stop are carried out; later ones are told that the server stops."""
    desk = Desk(faulty.as_log(), clock).serving()
    cash, one = desk.open("cash"), desk.open()
    clock.advance(SECOND)
    faulty.faults.append(Fault.SLOW)
    waiting = [desk.start(desk.transfer(cash, one, 1)) for _ in range(50)]
    waiting.append(desk.start(CreateTransfer(desk.ids.unordered(), cash, one, 1)))
    assert faulty.hung.wait(20)
    with desk.engine._changed:
        desk.engine._end_intake()
    with pytest.raises(Refused) as refused:
        desk.start(desk.transfer(cash, one, 1))
    assert refused.value.refusal.reason is Reason.SHUTTING_DOWN
    faulty.let_go()
    assert all(isinstance(wait(), Accepted) for wait in waiting)
    desk.stop()
    assert desk.posted(one) == 51


def test_a_batch_is_atomic_or_each_for_itself(desk: Desk) -> None:
    """An atomic batch moves all or nothing and says which transfer was refused; its refusal is final."""
    cash, one, two = desk.open("cash"), desk.open(), desk.open()
    batch = [desk.transfer(cash, one, 10), desk.transfer(one, two, 11), desk.transfer(cash, two, 1)]
    request = desk.ids.recent()
    refused = desk.ask_many(batch, atomic=True, request_id=request)
    assert isinstance(refused, Declined)
    assert (refused.refusal.reason, refused.refusal.metadata["index"]) == (Reason.INSUFFICIENT_FUNDS, "1")
    assert (desk.posted(one), desk.posted(two)) == (0, 0)
    assert desk.ask_many(batch, atomic=True, request_id=request) == Repeated(refused.position)
    each = desk.ask_many(batch)
    assert [index for index, _ in each.declined] == [1]
    assert (desk.posted(one), desk.posted(two)) == (10, 1)
    head = desk.ask_many([desk.transfer(cash, one, 1) for _ in range(3)], atomic=True, request_id=desk.ids.recent())
    topics = [row.topic for row in desk.log.read(0, head.position - 1, 4)]
    assert topics == ["transfer_batch.posted.v1"] + ["transfer.posted.v1"] * 3


def test_a_bad_command_stops_nobody(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect in one command is answered INTERNAL, and the next request is served."""
    cash, one = desk.open("cash"), desk.open()

    class Broken(Reverse):
        def decide(self, books: object, context: object) -> Any:
            raise ZeroDivisionError

    refused = desk.ask(Broken(authorization_id=UUID(int=5)))
    assert refused.refusal.reason is Reason.INTERNAL
    assert isinstance(desk.ask(desk.transfer(cash, one, 1)), Accepted)


def test_an_early_reversal_is_kept_for_seven_days(desk: Desk, clock: HandClock) -> None:
    """A late original is declined within seven days of its reversal, and held after them."""
    cash, one = desk.open("cash"), desk.open()
    desk.ask(desk.transfer(cash, one, 1_000))
    late = hold(one, cash, acquirer_id="a", acquirer_reference="r")
    kept = desk.ask(Reverse(acquirer_id="a", acquirer_reference="r"))
    clock.time = kept.recorded_at + 7 * DAY - 1
    assert desk.ask(late).refusal.reason is Reason.REVERSED_BEFORE
    clock.time = kept.recorded_at + 7 * DAY
    assert isinstance(desk.ask(late), Accepted)


def test_tickets_are_of_two_kinds(desk: Desk) -> None:
    """A batch weighs as many as it holds, a command one."""
    one = CommandTicket(desk.transfer(1, 2, 3), b"x" * 16, "a")
    many = BatchTicket([desk.transfer(1, 2, 3)] * 7, "a")
    assert (one.weight, many.weight) == (1, 7)


def test_what_must_be_looked_up_is_answered_after_an_undoing(faulty: FaultyLog, clock: HandClock) -> None:
    """A generation of recent ids that began in a batch that came to nothing does not stand in anybody's way."""
    desk = Desk(faulty.as_log(), clock, settings=msgspec.structs.replace(BRISK, recent_requests=2)).serving()
    cash, one = desk.open("cash"), desk.open()

    def transfers(count: int) -> list[CreateTransfer]:
        return [CreateTransfer(desk.ids.unordered(), cash, one, 1) for _ in range(count)]

    faulty.faults.append(Fault.FULL)
    assert desk.ask_many(transfers(9)).refusal.reason is Reason.STORAGE_FULL
    answers = [desk.ask(transfer) for transfer in transfers(3)]
    desk.stop()
    assert all(isinstance(answer, Accepted) for answer in answers)
    assert desk.posted(one) == 3
