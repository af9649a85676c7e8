"""A hold ends at its instant: before the next decision that touches its account, or by the sweep."""

from uuid import UUID

from domain.authorization import Authorization, AuthorizationCaptured, AuthorizationExpired, State
from domain.authorize import Authorize
from domain.event import HoldRule, Policy
from domain.refusals import Reason
from domain.resolve import Capture, Increment
from domain.transfer_reversal import ReverseTransfer
from ledger.engine.tickets import Accepted
from ledger.log.api import Log
from ledger.log.codec import decode
from tests.ledger.engine.world import DAY, SECOND, Desk, HandClock
from tests.waiting import eventually


def held(desk: Desk, amount: int = 1_000) -> tuple[int, int, bytes, int]:
    """Hold all that an account has; return cash, the account, the authorisation and when it ends."""
    cash, one = desk.open("cash"), desk.open()
    desk.ask(desk.transfer(cash, one, amount))
    request = desk.ids.recent()
    outcome = desk.ask(Authorize(account_id=one, credit_account_id=cash, amount_tyiyn=amount), request)
    return cash, one, request, outcome.subject.expires_at


def test_one_microsecond_before_its_end_a_hold_still_holds(desk: Desk, clock: HandClock) -> None:
    """Until its instant a hold binds the money."""
    cash, one, _, ends = held(desk)
    clock.time = ends - 1
    assert desk.ask(desk.transfer(one, cash, 1)).refusal.reason is Reason.INSUFFICIENT_FUNDS


def test_at_its_instant_a_hold_has_ended(desk: Desk, clock: HandClock) -> None:
    """From its instant on the money is free, and the expiry stands before what spends it."""
    cash, one, request, ends = held(desk)
    clock.time = ends
    outcome = desk.ask(desk.transfer(one, cash, 1_000))
    assert isinstance(outcome, Accepted)
    rows = desk.log.aggregate(0, request)
    assert rows[-1].topic == AuthorizationExpired.TOPIC
    assert rows[-1].position < outcome.position
    assert rows[-1].caller == "esep"
    assert desk.held(one) == 0


def test_the_sweep_ends_a_hold_that_nobody_touches(desk: Desk, clock: HandClock) -> None:
    """Without any request the engine records the expiry by itself, once."""
    _, one, request, ends = held(desk)
    clock.time = ends
    eventually(lambda: desk.held(one) == 0)
    eventually(lambda: len(desk.log.aggregate(0, request)) == 2)
    clock.advance(DAY)
    desk.open()
    assert [row.topic for row in desk.log.aggregate(0, request)[1:]] == [AuthorizationExpired.TOPIC]


def test_a_capture_between_the_instant_and_the_sweep_is_late_and_posts(desk: Desk, clock: HandClock) -> None:
    """Such a capture posts, is flagged late, and is not counted twice."""
    cash, one, request, ends = held(desk)
    clock.time = ends
    outcome = desk.ask(Capture(authorization_id=UUID(bytes=request), amount_tyiyn=400, clearing_reference="c"))
    event = outcome.change.event
    assert isinstance(event, AuthorizationCaptured)
    assert (event.late, event.released) == (True, 0)
    assert (desk.posted(one), desk.held(one), desk.posted(cash)) == (600, 0, -600)
    found = desk.aggregate(request)
    assert isinstance(found, Authorization)
    assert (found.state, found.captured) == (State.EXPIRED, 400)


def test_an_increment_after_the_instant_is_refused(desk: Desk, clock: HandClock) -> None:
    """A lapsed hold is resolved, whether or not that is recorded yet."""
    _, _, request, ends = held(desk)
    clock.time = ends
    refused = desk.ask(Increment(authorization_id=UUID(bytes=request), amount_tyiyn=1)).refusal
    assert (refused.reason, refused.metadata["ended"]) == (Reason.ALREADY_RESOLVED, "expired")


def test_the_reversal_of_a_transfer_sees_lapsed_holds(desk: Desk, clock: HandClock) -> None:
    """Money that was held on the credited account can be given back from the hold's last instant on."""
    cash, one = desk.open("cash"), desk.open()
    transfer = desk.transfer(cash, one, 1_000)
    desk.ask(transfer)
    hold = desk.ask(Authorize(account_id=one, credit_account_id=cash, amount_tyiyn=900))
    reverse = ReverseTransfer(transfer_id=UUID(bytes=transfer.request_id))
    clock.time = hold.subject.expires_at - 1
    assert desk.ask(reverse).refusal.reason is Reason.INSUFFICIENT_FUNDS
    clock.time = hold.subject.expires_at
    assert isinstance(desk.ask(reverse), Accepted)


def test_batches_see_lapsed_holds(desk: Desk, clock: HandClock) -> None:
    """In a batch of either kind, holds that have ended no longer bind the money."""
    for atomic in (False, True):
        cash, one, _, ends = held(desk)
        clock.time = ends
        batch = [desk.transfer(one, cash, 500), desk.transfer(one, cash, 500)]
        desk.ask_many(batch, atomic=atomic, request_id=desk.ids.recent() if atomic else b"")
        assert (desk.posted(one), desk.held(one)) == (0, 0)


def test_expiry_ids_follow_from_the_hold(desk: Desk, clock: HandClock) -> None:
    """The record of an expiry carries an id that every engine would choose."""
    _, one, request, ends = held(desk)
    clock.time = ends
    eventually(lambda: desk.held(one) == 0 and len(desk.log.aggregate(0, request)) == 2)
    row = desk.log.aggregate(0, request)[1]
    event = decode(row.topic, row.state)
    assert isinstance(event, AuthorizationExpired)
    assert (event.expires_at, event.released) == (ends, 1_000)
    assert row.request_id is not None
    assert row.recorded_at >= ends


def test_many_holds_end_in_batches(log: Log, clock: HandClock) -> None:
    """More lapsed holds than one batch records all end, earliest first."""
    desk = Desk(log, clock, policy=Policy(hold_rules=(HoldRule(10, kind="fuel"),))).serving()
    cash, one = desk.open("cash"), desk.open()
    desk.ask(desk.transfer(cash, one, 10_000))
    for _ in range(30):
        clock.advance(1_000)
        desk.ask(Authorize(account_id=one, credit_account_id=cash, amount_tyiyn=1, kind="fuel"))
    clock.advance(60 * SECOND)
    eventually(lambda: desk.held(one) == 0)
    desk.stop()
    ends = [
        event.expires_at
        for row in desk.rows()
        if isinstance(event := decode(row.topic, row.state), AuthorizationExpired)
    ]
    assert len(ends) == 30
    assert ends == sorted(ends)
