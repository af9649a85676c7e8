"""Limits: what counts, for whom and until when, and that the figures are what a recount of the events comes to."""

from typing import Any

import pytest
from hypothesis import given as given_by
from hypothesis import settings

from domain.authorization import AuthorizationIncremented, AuthorizationPartlyReversed
from domain.books import Books
from domain.columns import undo
from domain.command import Command
from domain.customer import Tier
from domain.limits import Spending, Standing, give_back, standings
from domain.money import MAX_BALANCE
from domain.refusals import Reason, Refusal
from domain.resolve import Capture, Increment, Replace, Reverse, ReversePart
from domain.rules import Limit, Measure, Operation, Period, Subject
from ledger.engine import snapshot
from ledger.engine.requests import Ahead
from tests.domain.limit_world import (
    AIDA,
    CARD,
    HOUR,
    MIDNIGHT,
    STEPS,
    TOKEN,
    ZERE,
    Step,
    capture,
    limit,
    pay,
    period_of,
    play,
    recount,
    refund,
    spender,
    world,
)
from tests.domain.spec import ANA, DAY, Spec, uid


@pytest.mark.parametrize(
    ("one", "amounts", "exceeds"),
    [
        (limit("a", Period.OPERATION, Measure.AMOUNT, 100), (100, 100), 101),
        (limit("a", Period.DAY, Measure.SUM, 100), (60, 40), 1),
        (limit("a", Period.MONTH, Measure.SUM, 100), (60, 40), 1),
        (limit("a", Period.DAY, Measure.COUNT, 2), (60, 40), 1),
        (limit("a", Period.MONTH, Measure.COUNT, 2), (60, 40), 1),
    ],
)
def test_a_limit_is_reached_and_never_passed(one: Limit, amounts: tuple[int, ...], exceeds: int) -> None:
    """Up to the maximum, and with it, everything goes; one more does not, and the refusal says only which limit."""
    spec = world(one).given_done(*(pay(amount) for amount in amounts)).when(pay(exceeds))
    spec.then_refused(Reason.LIMIT_EXCEEDED)
    assert isinstance(spec.decided, Refusal)
    assert dict(spec.decided.metadata) == {"limit": "a", "period": one.period, "kind": one.measure}


def test_nobody_unidentified_spends_anything() -> None:
    """Whatever the rules say, the unidentified may spend nothing; nor may a customer who does not exist."""
    spec = world(tier=Tier.UNIDENTIFIED).when(pay(1)).then_refused(Reason.LIMIT_EXCEEDED, limit="unidentified")
    spec.when(pay(1, spender(customer=uid(99)))).then_refused(Reason.LIMIT_EXCEEDED, limit="unidentified")


def test_a_limit_counts_for_its_tier_only() -> None:
    """Who is identified in person is not held to the limits of the remotely identified."""
    remote = limit("r", Period.DAY, Measure.SUM, 10, tiers=(Tier.REMOTE,))
    world(remote).when(pay(11)).then_refused(Reason.LIMIT_EXCEEDED)
    world(remote, tier=Tier.IN_PERSON).given_done(pay(11))


def test_a_limit_counts_its_operations_only() -> None:
    """With operations named it sums these; without, all of them."""
    some = limit("some", Period.DAY, Measure.SUM, 100, operations=(Operation.TOP_UP, Operation.QR_PAYMENT))
    every = limit("every", Period.DAY, Measure.SUM, 1_000)
    spec = world(some, every).given_done(pay(60, spender(Operation.TOP_UP)), pay(500))
    spec.when(pay(41, spender(Operation.QR_PAYMENT))).then_refused(Reason.LIMIT_EXCEEDED, limit="some")
    spec.when(pay(441)).then_refused(Reason.LIMIT_EXCEEDED, limit="every")
    spec.given_done(pay(440))


def test_a_limit_counts_one_subject() -> None:
    """Two customers, two cards and two tokens have their own figures; what has no card meets no card's limit."""
    limits = [limit(subject, Period.DAY, Measure.SUM, 100, subject=subject) for subject in Subject]
    spec = world(*limits).given_done(pay(100, spender(card_id=CARD, token_id=TOKEN)))
    zere = spender(customer=ZERE)
    spec.when(pay(1)).then_refused(Reason.LIMIT_EXCEEDED, limit="customer")
    spec.when(pay(1, zere.model_copy(update={"card_id": CARD}))).then_refused(Reason.LIMIT_EXCEEDED, limit="card")
    spec.when(pay(1, zere.model_copy(update={"token_id": TOKEN}))).then_refused(Reason.LIMIT_EXCEEDED, limit="token")
    spec.given_done(pay(50, zere), pay(50, zere.model_copy(update={"card_id": uid(8), "token_id": uid(9)})))


def test_days_and_months_end_at_midnight_in_bishkek() -> None:
    """What was spent a moment before midnight is forgotten at midnight, six hours ahead of UTC."""
    limits = (limit("day", Period.DAY, Measure.SUM, 100), limit("month", Period.MONTH, Measure.SUM, 150))
    spec = world(*limits, now=MIDNIGHT - DAY - HOUR).given_done(pay(50)).after(DAY).given_done(pay(100))
    spec.when(pay(1)).then_refused(Reason.LIMIT_EXCEEDED, limit="day")
    spec.now = MIDNIGHT - 2
    spec.when(pay(1)).then_refused(Reason.LIMIT_EXCEEDED, limit="day")
    assert spec.now == MIDNIGHT - 1
    spec.given_done(pay(100))
    assert spec.now == MIDNIGHT
    spec.after(DAY).when(pay(51)).then_refused(Reason.LIMIT_EXCEEDED, limit="month")


def test_what_comes_to_nothing_is_given_back() -> None:
    """A payment that is reversed as a whole takes neither an amount nor an operation of the day."""
    limits = (limit("sum", Period.DAY, Measure.SUM, 100), limit("count", Period.DAY, Measure.COUNT, 1))
    spec = world(*limits).when(pay(100), uid(70))
    spec.when(Reverse(authorization_id=uid(70)))
    assert spec.event().spending_returned.count == 1
    spec.given_done(pay(100))


def test_a_part_that_is_released_is_given_back_as_an_amount() -> None:
    """A part's reversal, a lower total and what a final capture leaves go back; the operation counts all the same."""
    limits = (limit("sum", Period.DAY, Measure.SUM, 100), limit("count", Period.DAY, Measure.COUNT, 2))
    spec = world(*limits).when(pay(100), uid(70))
    spec.given_done(ReversePart(authorization_id=uid(70), amount_tyiyn=10))
    spec.given_done(Replace(authorization_id=uid(70), total_tyiyn=50))
    spec.given_done(Capture(authorization_id=uid(70), amount_tyiyn=20, final=True, clearing_reference="c"))
    assert [used(spec, period) for period in (Period.DAY, Period.MONTH)] == [(1, 20)] * 2
    spec.when(pay(81)).then_refused(Reason.LIMIT_EXCEEDED, limit="sum")
    spec.given_done(pay(80)).when(pay(1)).then_refused(Reason.LIMIT_EXCEEDED)


def test_a_hold_that_lapses_after_its_day_gives_back_to_its_month_only() -> None:
    """Yesterday's payment gives nothing back to today, and last month's nothing to anybody."""
    spec = world(now=MIDNIGHT - 3 * DAY).given_done(pay(100))
    spec.after(DAY).given_done(pay(7))
    spec.lapse()
    assert (used(spec, Period.DAY), used(spec, Period.MONTH)) == ((1, 7), (1, 7))
    spec.now = MIDNIGHT - 1
    spec.given_done(pay(5)).after(DAY).given_done(pay(3)).lapse()
    assert (used(spec, Period.DAY), used(spec, Period.MONTH)) == ((1, 3), (1, 3))


def test_what_an_authorisation_grows_by_counts_too() -> None:
    """An increment meets the limit of one operation with the whole amount, and is no operation of its own."""
    limits = (limit("one", Period.OPERATION, Measure.AMOUNT, 100), limit("count", Period.DAY, Measure.COUNT, 1))
    spec = world(*limits).when(pay(60), uid(70))
    spec.when(Increment(authorization_id=uid(70), amount_tyiyn=41)).then_refused(Reason.LIMIT_EXCEEDED, limit="one")
    spec.given_done(Increment(authorization_id=uid(70), amount_tyiyn=40))
    assert used(spec, Period.DAY) == (1, 100)
    spec.given_done(Reverse(authorization_id=uid(70)))
    assert used(spec, Period.DAY) == (0, 0)


@pytest.mark.parametrize(
    ("steps", "taken"),
    [
        ((Replace(authorization_id=uid(70), total_tyiyn=1), Replace(authorization_id=uid(70), total_tyiyn=90)), 90),
        ((Replace(authorization_id=uid(70), total_tyiyn=500),), 500),
        ((capture(100, final=True),), 100),
        ((capture(250, final=True),), 250),
        ((Reverse(authorization_id=uid(70)), capture(100)), 100),
        ((Reverse(authorization_id=uid(70)), capture(30), capture(40, "d")), 70),
        ((capture(60, final=True), capture(50, "d")), 110),
    ],
)
def test_what_is_held_or_posted_counts_however_it_came_about(steps: tuple[Command, ...], taken: int) -> None:
    """A total that grows again and a capture after the reversal take of limits, as one operation altogether."""
    spec = world(limit("sum", Period.DAY, Measure.SUM, 700)).when(pay(100), uid(70)).given_done(*steps)
    assert [used(spec, period) for period in (Period.DAY, Period.MONTH)] == [(1, taken)] * 2
    spec.when(pay(701 - taken)).then_refused(Reason.LIMIT_EXCEEDED, limit="sum")


def test_a_capture_after_the_expiry_counts() -> None:
    """What went back to limits when the hold lapsed is taken again, on the day of the capture."""
    spec = world(now=MIDNIGHT - 3 * DAY).when(pay(100), uid(70)).after(DAY).lapse()
    assert used(spec, Period.MONTH) == (0, 0)
    spec.given_done(capture(100))
    assert (used(spec, Period.DAY), used(spec, Period.MONTH)) == ((1, 100), (1, 100))


def grown_after_midnight() -> Spec:
    """Give 100 that were authorised on the last of October, at 23:00, and 50 more at 01:00 on the first of November."""
    spec = world(limit("day", Period.DAY, Measure.SUM, 200), now=MIDNIGHT - HOUR).when(pay(100), uid(70))
    return spec.after(2 * HOUR).given_done(Increment(authorization_id=uid(70), amount_tyiyn=50))


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        ((Reverse(authorization_id=uid(70)),), (0, 0)),
        ((ReversePart(authorization_id=uid(70), amount_tyiyn=30),), (0, 20)),
        ((ReversePart(authorization_id=uid(70), amount_tyiyn=50),), (0, 0)),
        ((ReversePart(authorization_id=uid(70), amount_tyiyn=70),), (0, 0)),
        ((Replace(authorization_id=uid(70), total_tyiyn=110),), (0, 10)),
        ((capture(120, final=True),), (0, 20)),
        ((ReversePart(authorization_id=uid(70), amount_tyiyn=70), capture(100)), (0, 20)),
        ((Reverse(authorization_id=uid(70)), capture(90)), (1, 90)),
        ((capture(150, final=True), refund(60)), (0, 0)),
        ((capture(150, final=True), refund(150), refund(1)), (0, 0)),
    ],
)
def test_each_part_is_given_back_to_the_day_it_was_taken_from(
    steps: tuple[Command, ...], left: tuple[int, int]
) -> None:
    """What was taken last goes back first: November has what is left of its own part, October the rest."""
    spec = grown_after_midnight()
    assert used(spec, Period.MONTH) == (0, 50)
    for step in steps:
        spec.when(step)
    assert (used(spec, Period.DAY), used(spec, Period.MONTH)) == (left, left)


def test_a_lapsed_hold_gives_each_part_back_to_its_day() -> None:
    """October's part goes back to October, so that November has room again for what it took itself."""
    spec = grown_after_midnight().after(23 * HOUR).lapse()
    assert (used(spec, Period.DAY), used(spec, Period.MONTH)) == ((0, 0), (0, 0))


def test_what_is_refunded_is_given_back() -> None:
    """A part goes back as an amount, the rest as an operation too, and a capture later takes its own amount alone."""
    spec = world().when(pay(100), uid(70)).given_done(capture(100, final=True), refund(30))
    assert used(spec, Period.DAY) == (1, 70)
    spec.given_done(capture(20, "d"))
    assert used(spec, Period.DAY) == (1, 90)
    spec.given_done(refund(90, "s"))
    assert used(spec, Period.DAY) == (0, 0)
    assert used(spec.given_done(capture(5, "e")), Period.DAY) == (1, 5)


def test_an_increment_after_all_was_released_is_an_operation_anew() -> None:
    """The operation went back with the last of its amount; more of it counts as one again."""
    spec = world(limit("count", Period.DAY, Measure.COUNT, 1)).when(pay(100), uid(70))
    spec.given_done(ReversePart(authorization_id=uid(70), amount_tyiyn=100))
    assert used(spec, Period.DAY) == (0, 0)
    assert used(spec.given_done(Increment(authorization_id=uid(70), amount_tyiyn=3)), Period.DAY) == (1, 3)


def test_events_of_old_fold_as_they_did() -> None:
    """They give all back to the first day; what is left then goes back from the newest part."""
    spec = grown_after_midnight()
    made = spec.life(uid(70))
    old = AuthorizationPartlyReversed(
        account=ANA, amount=120, spending_returned=give_back(made.spending, made.created_at, 120, whole=False)
    )
    spec.given((uid(70), old))
    assert (spec.life(uid(70)).spent, used(spec, Period.MONTH)) == (30, (0, 50))
    spec.given_done(Reverse(authorization_id=uid(70)))
    assert (spec.life(uid(70)).spent, used(spec, Period.MONTH)) == (0, (0, 20))


def test_a_partial_approval_takes_what_it_approved() -> None:
    """The limit is asked for the whole amount, and takes the amount that is held."""
    spec = world(limit("day", Period.DAY, Measure.SUM, 10**12))
    spec.given_done(pay(10**9 + 5, accept_partial=True))
    assert used(spec, Period.DAY) == (1, 10**9)


def test_a_sum_never_passes_what_a_figure_can_hold() -> None:
    """Without any limit, the month's sum is bounded all the same."""
    spec = world().when(pay(5), uid(70))
    grown = AuthorizationIncremented(account=ANA, amount=1, spending=Spending(Operation.TOP_UP, MAX_BALANCE - 6, AIDA))
    spec.given((uid(70), grown)).given_done(pay(1))
    spec.when(pay(1)).then_refused(Reason.BALANCE_LIMIT)


def test_a_standing_says_what_is_left_and_until_when() -> None:
    """Used, left and the end of the period, in Bishkek; a single operation has no period."""
    limits = (
        limit("day", Period.DAY, Measure.SUM, 100),
        limit("month", Period.MONTH, Measure.COUNT, 5),
        limit("one", Period.OPERATION, Measure.AMOUNT, 50),
        limit("card", Period.DAY, Measure.SUM, 100, subject=Subject.CARD),
    )
    spec = world(*limits, now=MIDNIGHT - 2 * HOUR).given_done(pay(30))
    found = standings(spec.books.usage, limits, (Subject.CUSTOMER, AIDA.bytes), spec.now)
    assert found == [
        Standing(limits[0], 30, 70, MIDNIGHT),
        Standing(limits[1], 1, 4, MIDNIGHT),
        Standing(limits[2], 0, 50, None),
    ]
    after = standings(spec.books.usage, limits[:2], (Subject.CUSTOMER, AIDA.bytes), MIDNIGHT)
    assert [(one.used, one.resets_at) for one in after] == [(0, MIDNIGHT + DAY), (0, MIDNIGHT + 30 * DAY)]


def used(spec: Spec, period: Period) -> tuple[int, int]:
    """Return what Aida used today or this month."""
    return tuple(spec.books.usage.used(period, AIDA.bytes, Operation, spec.now))  # type: ignore[return-value]


# Against a recount.


def agree(spec: Spec, books: Books) -> None:
    for form, period in (("%Y-%m-%d", Period.DAY), ("%Y-%m", Period.MONTH)):
        counted, now = recount(spec, form), period_of(spec.now, form)
        for subject in (AIDA, ZERE, CARD, TOKEN):
            for operation in (Operation.POS_PAYMENT, Operation.TOP_UP):
                found = books.usage.used(period, subject.bytes, (operation,), spec.now)
                assert tuple(found) == counted.get((now, subject, operation), (0, 0))


def figures(books: Books) -> dict[str, Any]:
    return {**vars(books.usage), "days": dict(books.usage.days), "months": dict(books.usage.months)}


@given_by(STEPS, STEPS)
@settings(max_examples=120, deadline=None, print_blob=True)
def test_what_is_used_is_what_a_recount_of_all_events_comes_to(before: list[Step], after: list[Step]) -> None:
    """Over days and months, through returns, an undo and a snapshot, the figures are those of a plain recount."""
    spec = world(now=MIDNIGHT - 20 * HOUR)
    for step in before:
        play(spec, step)
        agree(spec, spec.books)
    mark, middle = len(spec.books.journal), figures(spec.books)
    kept = snapshot.dump(spec.books, len(spec.history), spec.now, Ahead())
    forgotten = len(spec.history)
    for step in after:
        play(spec, step)
        agree(spec, spec.books)
    restored = Books(0)
    snapshot.restore(kept, restored)
    for change, recorded_at in spec.history[forgotten:]:
        restored.evolve(change, recorded_at, 10**6)
    agree(spec, restored)
    assert figures(restored) == figures(spec.books)
    undo(spec.books.journal, mark)
    assert figures(spec.books) == middle
