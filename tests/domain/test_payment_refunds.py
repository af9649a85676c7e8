"""Refunds of payments: whole or in parts, the way the money came, and given back to the payer's limits."""

import pytest

from domain.account import AccountClosed, AccountFrozen
from domain.authorization import RefundPosted
from domain.event import Event, Leg
from domain.limits import Spending, SpendingReturned
from domain.payment import PaymentRefunded, PaymentState
from domain.refusals import Reason
from domain.rules import Operation, Period
from domain.settle import Answer
from tests.domain.payment_world import CAFE, FEES, FUNDS, HOLD, MARKET, OTHER_PAYMENT, PAYMENT, PaymentSpec
from tests.domain.spec import DAY
from tests.domain.transfer_world import ADIL, ADILS, ADILS_CARD, FEES_A, SETTLE_A, SETTLE_B

SPENT = Spending(Operation.QR_PAYMENT, 10_000, ADIL, ADILS_CARD, rules="rules-1")


def test_a_refund_takes_the_way_back() -> None:
    """Through both banks, and the fee from the payer's own bank as far as is said."""
    spec = PaymentSpec(fees=FEES).begun("market").refund(4_000, 200)
    legs = (
        Leg("refund", MARKET, SETTLE_B, 4_000),
        Leg("interbank", SETTLE_B, SETTLE_A, 4_000),
        Leg("delivery", SETTLE_A, ADILS, 4_000),
        Leg("fee_reversal", FEES_A, ADILS, 200),
    )
    spec.then(
        PaymentRefunded(amount=4_000, fee=200),
        RefundPosted(
            account=ADILS,
            amount=4_200,
            legs=legs,
            clearing_reference="",
            merchant_name="market",
            spending_returned=SpendingReturned(SPENT, spec.life(HOLD).created_at, 4_000),
        ),
    )
    spec.refund(6_000, 300)
    assert spec.balances() == {ADILS: FUNDS}
    payment = spec.life(PAYMENT)
    assert (payment.refunded, payment.fee_refunded, payment.state) == (10_000, 500, PaymentState.SUCCEEDED)
    assert spec.life(HOLD).refunded == 10_500


def used(spec: PaymentSpec, period: Period = Period.DAY) -> tuple[int, int]:
    found = spec.books.usage.used(period, ADIL.bytes, Operation, spec.now)
    return found.operations, found.amount


def test_limits_count_the_amount_and_refunds_give_it_back() -> None:
    """Neither the fee that was paid nor the fee that is given back counts; with the last part goes the operation."""
    spec = PaymentSpec(fees=FEES).begun("market")
    assert used(spec) == (1, 10_000)
    assert used(spec.refund(4_000, 500)) == (1, 6_000)
    assert used(spec.refund(6_000)) == (0, 0)


def test_a_refund_of_another_day_leaves_today_alone() -> None:
    """The amount goes back to the day on which it was taken."""
    spec = PaymentSpec().begun("market").after(DAY).begun("cafe", 300, OTHER_PAYMENT).refund(10_000)
    assert (used(spec), used(spec, Period.MONTH)) == ((1, 300), (1, 300))


@pytest.mark.parametrize(("amount", "fee"), [(6_001, 0), (1, 301), (10_000, 500)])
def test_no_more_is_given_back_than_was_paid(amount: int, fee: int) -> None:
    """Neither of the amount nor of the fee, over all refunds."""
    spec = PaymentSpec(fees=FEES).begun().refund(4_000, 200).refund(amount, fee)
    spec.then_refused(Reason.OVER_REFUND, refundable_tyiyn=6_000, refundable_fee_tyiyn=300)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ((ADILS, AccountFrozen(credits=True)), Reason.ACCOUNT_FROZEN),
        ((ADILS, AccountClosed()), Reason.ACCOUNT_CLOSED),
        ((CAFE, AccountFrozen(debits=True)), Reason.ACCOUNT_FROZEN),
    ],
)
def test_a_refund_needs_both_accounts(given: tuple[int, Event], reason: Reason) -> None:
    """The payer's that takes it and the payee's that gives it."""
    PaymentSpec().begun().given(given).refund(1).then_refused(reason, account_id=given[0])


def test_a_payee_gives_back_only_what_it_has() -> None:
    """What was paid out meanwhile has to come back first."""
    spec = PaymentSpec().begun()
    spec.given_done(spec.spend(CAFE, 1)).refund(10_000).then_refused(Reason.INSUFFICIENT_FUNDS, account_id=CAFE)
    spec.refund(9_999)
    assert isinstance(spec.decided, list)


def test_only_what_succeeded_is_given_back() -> None:
    """Not what waits, and not what failed."""
    spec = PaymentSpec().refund(1).then_refused(Reason.PAYMENT_NOT_FOUND)
    spec.prepared("water").refund(1).then_refused(Reason.PAYMENT_NOT_SUCCEEDED, state="prepared")
    spec.confirm().refund(1).then_refused(Reason.PAYMENT_NOT_SUCCEEDED, state="processing")
    spec.answer(Answer.REFUSED).refund(1).then_refused(Reason.PAYMENT_NOT_SUCCEEDED, state="failed")
