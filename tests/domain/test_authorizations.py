"""Making authorisations and changing them until they are resolved."""

from typing import Any

import pytest

from domain.account import AccountClosed, AccountFrozen, CloseAccount
from domain.authorization import (
    AuthorizationAdvised,
    AuthorizationAmountReplaced,
    AuthorizationApproved,
    AuthorizationDeclined,
    AuthorizationIncremented,
    AuthorizationPartlyReversed,
    AuthorizationReversed,
)
from domain.authorize import Advise, Authorize
from domain.claim import EarlyReversalRecorded
from domain.command import Command
from domain.event import Context, HoldRule, Policy
from domain.money import MAX_BALANCE
from domain.refusals import Reason, Refusal
from domain.resolve import Capture, Increment, Replace, Reverse, ReversePart, expire
from domain.transfer import CreateTransfer
from tests.domain.spec import ANA, BEK, CASH, DAY, DOLLARS, NOBODY, NOW, SECOND, SETTLEMENT, SHOP, Spec, uid

HELD = uid(1)
WEEK = 7 * DAY


def authorize(amount: int, account: int = ANA, credit: int = SHOP, **fields: Any) -> Authorize:
    return Authorize(account_id=account, credit_account_id=credit, amount_tyiyn=amount, **fields)


def advise(amount: int, account: int = ANA, credit: int = SHOP, **fields: Any) -> Advise:
    return Advise(account_id=account, credit_account_id=credit, amount_tyiyn=amount, **fields)


def held(amount: int = 60, funds: int = 100) -> Spec:
    """Return a world in which ``amount`` of Ana's money is held."""
    spec = Spec().funds(ANA, funds)
    return spec.when(authorize(amount, acquirer_id="q", acquirer_reference="r1"), HELD)


def test_an_authorisation_holds_its_amount() -> None:
    """What is held is no longer available, and stays posted, for seven days."""
    spec = held()
    approved = spec.event()
    assert isinstance(approved, AuthorizationApproved)
    assert (approved.amount, approved.currency, approved.asked) == (60, "KGS", None)
    assert approved.expires_at == spec.now + WEEK
    spec.then_claimed(("acquirer_reference", "q/r1")).then_figures(ANA, posted=100, held=60)
    assert spec.books.accounts.spendable(ANA) == 40


@pytest.mark.parametrize(
    ("amount", "partial", "holds"),
    [(40, False, 40), (41, False, None), (41, True, 40), (40, True, 40), (10**15, True, 40)],
)
def test_what_is_not_covered_is_declined_or_held_in_part(amount: int, partial: bool, holds: int | None) -> None:  # noqa: FBT001
    """Only a caller who says so gets part of the amount, and both amounts are recorded."""
    spec = held().when(authorize(amount, accept_partial=partial))
    if holds is None:
        spec.then_refused(Reason.INSUFFICIENT_FUNDS)
    else:
        assert (spec.event().amount, spec.event().asked) == (holds, amount if amount > holds else None)
    spec.then_figures(ANA, posted=100, held=60 + (holds or 0))


def test_nothing_is_not_a_part() -> None:
    """Where nothing at all is available, a partial approval is a decline."""
    Spec().when(authorize(1, accept_partial=True)).then_refused(Reason.INSUFFICIENT_FUNDS)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (authorize(1, NOBODY, DOLLARS), Reason.ACCOUNT_NOT_FOUND),
        (authorize(1, BEK, NOBODY), Reason.ACCOUNT_NOT_FOUND),
        (authorize(10**15, BEK, DOLLARS, acquirer_id="q", acquirer_reference="r1"), Reason.CURRENCY_MISMATCH),
        (
            authorize(10**15, BEK, currency_code="USD", acquirer_id="q", acquirer_reference="r1"),
            Reason.CURRENCY_MISMATCH,
        ),
        (authorize(10**15, BEK, acquirer_id="q", acquirer_reference="r1"), Reason.ACQUIRER_REFERENCE_SEEN),
        (authorize(10**15, BEK, acquirer_id="q", acquirer_reference="r2"), Reason.REVERSED_BEFORE),
        (authorize(10**15, BEK, acquirer_id="other", acquirer_reference="r1"), Reason.ACCOUNT_CLOSED),
        (authorize(10**15, SHOP, ANA), Reason.ACCOUNT_FROZEN),
        (authorize(41, ANA), Reason.INSUFFICIENT_FUNDS),
        (advise(1, BEK, DOLLARS, effective_time=1), Reason.CURRENCY_MISMATCH),
        (
            advise(1, BEK, effective_time=1, acquirer_id="q", acquirer_reference="r1"),
            Reason.EFFECTIVE_TIME_OUT_OF_BOUNDS,
        ),
        (advise(1, BEK, acquirer_id="q", acquirer_reference="r1"), Reason.ACQUIRER_REFERENCE_SEEN),
        (advise(1, BEK, acquirer_id="q", acquirer_reference="r2"), Reason.REVERSED_BEFORE),
    ],
)
def test_guards_stand_in_the_documented_order(command: Command, reason: Reason) -> None:
    """Accounts, currency, time, acquirer's reference, state, funds: the first fault is told."""
    spec = held().given((BEK, AccountClosed()), (SHOP, AccountFrozen(debits=True)))
    spec.given_done(Reverse(acquirer_id="q", acquirer_reference="r2"))
    spec.when(command).then_refused(reason)


def test_advice_ignores_balance_freeze_and_closure() -> None:
    """What was approved elsewhere is held whatever the balance, which may go negative."""
    spec = Spec().given((ANA, AccountFrozen(debits=True)), (BEK, AccountClosed()))
    for account in (ANA, BEK):
        spec.when(advise(70, account, effective_time=NOW - DAY))
        assert isinstance(spec.event(), AuthorizationAdvised)
        spec.then_figures(account, posted=0, held=70)
    assert spec.books.accounts.spendable(ANA) == -70


@pytest.mark.parametrize("command", [advise(6, SETTLEMENT), authorize(6, SETTLEMENT)])
def test_no_hold_passes_its_bounds(command: Command) -> None:
    """What is held of an account stays within 2^62."""
    spec = Spec()
    spec.books.accounts.held[SETTLEMENT] = MAX_BALANCE - 5
    spec.when(command).then_refused(Reason.BALANCE_LIMIT)
    spec.when(command.model_copy(update={"amount_tyiyn": 5})).then_figures(SETTLEMENT, posted=0, held=MAX_BALANCE)


def test_a_hold_lasts_as_long_as_the_first_rule_that_fits_says() -> None:
    """Rules go by kind, category and entry mode; where none fits, seven days."""
    rules = (
        HoldRule(60, kind="fuel", merchant_category_code="5541"),
        HoldRule(120, kind="fuel"),
        HoldRule(30, entry_mode="chip"),
    )
    spec = Spec(Policy(version="v9", hold_rules=rules)).funds(ANA, 100)
    table: list[tuple[dict[str, Any], int]] = [
        ({"kind": "fuel", "merchant_category_code": "5541"}, 60),
        ({"kind": "fuel", "merchant_category_code": "5542", "entry_mode": "chip"}, 120),
        ({"entry_mode": "chip"}, 30),
        ({}, 7 * 86_400),
    ]
    for fields, seconds in table:
        event = spec.when(authorize(1, **fields)).event()
        assert (event.expires_at - spec.now, event.rule_version) == (seconds * SECOND, "v9")


def test_the_record_of_a_decline_keeps_what_was_asked() -> None:
    """A declined authorisation says which, why and by which rules, and holds nothing."""
    spec = Spec().when(command := authorize(5, merchant_name="Дүкөн"))
    assert isinstance(spec.decided, Refusal)
    (change,) = command.declined(spec.books, spec.decided, Context(HELD.bytes, NOW, spec.policy))
    assert isinstance(change.event, AuthorizationDeclined)
    assert (change.event.reason, change.event.merchant_name) == ("INSUFFICIENT_FUNDS", "Дүкөн")
    spec.given((HELD, change.event)).then_figures(ANA, posted=0)
    for later in (
        Increment(authorization_id=HELD, amount_tyiyn=1),
        Capture(authorization_id=HELD, amount_tyiyn=1, clearing_reference="c"),
        Reverse(authorization_id=HELD),
    ):
        spec.when(later).then_refused(Reason.AUTHORIZATION_DECLINED)


@pytest.mark.parametrize(
    ("command", "event", "holds"),
    [
        (Increment(authorization_id=HELD, amount_tyiyn=40), AuthorizationIncremented(account=ANA, amount=40), 100),
        (Replace(authorization_id=HELD, total_tyiyn=5), AuthorizationAmountReplaced(account=ANA, total=5), 5),
        (Replace(authorization_id=HELD, total_tyiyn=900), AuthorizationAmountReplaced(account=ANA, total=900), 900),
        (ReversePart(authorization_id=HELD, amount_tyiyn=1), AuthorizationPartlyReversed(account=ANA, amount=1), 59),
        (ReversePart(authorization_id=HELD, amount_tyiyn=60), AuthorizationPartlyReversed(account=ANA, amount=60), 0),
        (
            Reverse(authorization_id=HELD, by="issuer", explanation="e"),
            AuthorizationReversed(account=ANA, released=60, by="issuer", explanation="e"),
            0,
        ),
        (
            Reverse(acquirer_id="q", acquirer_reference="r1"),
            AuthorizationReversed(account=ANA, released=60, by="acquirer"),
            0,
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Command) else "",
)
def test_an_open_hold_can_be_changed(command: Command, event: Any, holds: int) -> None:
    """More, another total, less, or nothing of it is held."""
    held().when(command).then(event).then_figures(ANA, posted=100, held=holds)


@pytest.mark.parametrize(
    ("command", "holds"),
    [
        (Increment(authorization_id=HELD, amount_tyiyn=7), 7),
        (Replace(authorization_id=HELD, total_tyiyn=8), 8),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Command) else "",
)
def test_a_hold_reversed_down_to_nothing_can_be_raised_again(command: Command, holds: int) -> None:
    """It holds nothing and is open: it can be anything but reversed in part, and its account is in use."""
    spec = held(60, 60)
    for amount in (25, 35):
        spec.given_done(ReversePart(authorization_id=HELD, amount_tyiyn=amount))
    spec.given_done(CreateTransfer(uid(90).bytes, ANA, CASH, 60)).then_figures(ANA, posted=0)
    over = ReversePart(authorization_id=HELD, amount_tyiyn=1)
    spec.when(over).then_refused(Reason.OVER_REVERSAL, remaining_tyiyn="0")
    close = CloseAccount(account_id=ANA)
    spec.when(close).then_refused(Reason.ACCOUNT_NOT_EMPTY, posted_tyiyn="0", held_tyiyn="0")
    spec.given_done(CreateTransfer(uid(91).bytes, CASH, ANA, 60))
    spec.when(command).then_figures(ANA, posted=60, held=holds)
    spec.given_done(Reverse(authorization_id=HELD)).then_figures(ANA, posted=60, held=0)
    spec.given_done(CreateTransfer(uid(92).bytes, ANA, CASH, 60), close)


@pytest.mark.parametrize(
    ("command", "reason", "figures"),
    [
        (Increment(authorization_id=HELD, amount_tyiyn=41), Reason.INSUFFICIENT_FUNDS, {}),
        (ReversePart(authorization_id=HELD, amount_tyiyn=61), Reason.OVER_REVERSAL, {"remaining_tyiyn": "60"}),
        (Increment(authorization_id=uid(2), amount_tyiyn=1), Reason.AUTHORIZATION_NOT_FOUND, {}),
        (Replace(authorization_id=uid(2), total_tyiyn=1), Reason.AUTHORIZATION_NOT_FOUND, {}),
        (ReversePart(authorization_id=uid(2), amount_tyiyn=1), Reason.AUTHORIZATION_NOT_FOUND, {}),
        (Reverse(authorization_id=uid(2)), Reason.AUTHORIZATION_NOT_FOUND, {}),
        (Reverse(), Reason.INVALID_ARGUMENT, {}),
        (
            Increment(authorization_id=HELD, amount_tyiyn=99, expected_version=2),
            Reason.EXPECTED_VERSION_MISMATCH,
            {"expected": "2", "actual": "1"},
        ),
    ],
)
def test_a_change_that_cannot_be_is_refused(command: Command, reason: Reason, figures: dict[str, str]) -> None:
    """The refusal says why, and nothing moves."""
    held().when(command).then_refused(reason, **figures).then_figures(ANA, posted=100, held=60)


def test_a_frozen_account_allows_no_more_but_less() -> None:
    """On a frozen account a hold cannot grow by increment, but it can be let go."""
    spec = held().given((ANA, AccountFrozen(debits=True)))
    spec.when(Increment(authorization_id=HELD, amount_tyiyn=1)).then_refused(Reason.ACCOUNT_FROZEN)
    spec.when(ReversePart(authorization_id=HELD, amount_tyiyn=1)).then_figures(ANA, posted=100, held=59)


@pytest.mark.parametrize("ended", ["reversed", "captured", "expired"])
@pytest.mark.parametrize(
    "command",
    [
        Increment(authorization_id=HELD, amount_tyiyn=999),
        Replace(authorization_id=HELD, total_tyiyn=1),
        ReversePart(authorization_id=HELD, amount_tyiyn=999),
        Reverse(authorization_id=HELD),
        Reverse(acquirer_id="q", acquirer_reference="r1"),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_resolved_hold_resolves_once(ended: str, command: Command) -> None:
    """A new request on a resolved hold is told how it ended."""
    spec = resolve(held(), ended)
    spec.when(command).then_refused(Reason.ALREADY_RESOLVED, ended=ended, version="2")
    assert spec.books.accounts.held[ANA] == 0


def resolve(spec: Spec, ended: str) -> Spec:
    """End the hold in one of the ways in which it can end."""
    match ended:
        case "reversed":
            return spec.given_done(Reverse(authorization_id=HELD))
        case "captured":
            return spec.given_done(Capture(authorization_id=HELD, amount_tyiyn=1, final=True, clearing_reference="end"))
        case _:
            spec.now = spec.life(HELD).expires_at
            return spec.given((HELD, expire(spec.life(HELD)).event))


def test_a_reversal_before_its_original_is_kept_for_seven_days() -> None:
    """The late original is declined until seven days have passed, and nothing is held meanwhile."""
    early = Reverse(acquirer_id="q", acquirer_reference="r", explanation="timeout")
    spec = Spec().funds(ANA, 100).when(early)
    kept = EarlyReversalRecorded(
        acquirer_id="q", acquirer_reference="r", expires_at=spec.now + WEEK, by="acquirer", explanation="timeout"
    )
    spec.then(kept)
    recorded, late = spec.now, authorize(1, acquirer_id="q", acquirer_reference="r")
    spec.when(late).then_refused(Reason.REVERSED_BEFORE)
    spec.now = recorded + WEEK - 2
    spec.when(late).then_refused(Reason.REVERSED_BEFORE).then_figures(ANA, posted=100)
    spec.when(late).then_claimed(("acquirer_reference", "q/r")).then_figures(ANA, posted=100, held=1)
    spec.when(late).then_refused(Reason.ACQUIRER_REFERENCE_SEEN)
    spec.when(early).then_figures(ANA, posted=100, held=0)


def test_an_early_reversal_that_comes_again_is_kept_again() -> None:
    """The seven days count from the last one."""
    early = Reverse(acquirer_id="q", acquirer_reference="r")
    spec = Spec().funds(ANA, 100).given_done(early).after(6 * DAY).given_done(early).after(6 * DAY)
    spec.when(authorize(1, acquirer_id="q", acquirer_reference="r")).then_refused(Reason.REVERSED_BEFORE)


def test_cash_is_not_bounded_by_its_balance() -> None:
    """An account that may be negative holds what it is asked to."""
    Spec().when(authorize(10**15, CASH, ANA, accept_partial=True)).then_figures(CASH, posted=0, held=10**15)
