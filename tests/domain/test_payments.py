"""Payments: prepared as shown, confirmed once, held while the provider is asked, and ended once whatever it says."""

from typing import Any
from uuid import UUID

import pytest

from domain.account import AccountClosed, AccountFrozen
from domain.authorization import (
    AuthorizationApproved,
    AuthorizationCaptured,
    AuthorizationReversed,
    State,
)
from domain.card import CardBlocked, CardBound, CardClosed, CardReportedLost, CardUnbound, Loss, UnboundBy
from domain.clearing import AuthorizeRefund, PostRefund
from domain.command import Command
from domain.customer import CustomerErased, CustomerRegistered
from domain.event import Event, Leg
from domain.limits import Spending, SpendingReturned
from domain.payee import PayeeKind, PayeeUpdated
from domain.payment import (
    Decider,
    Details,
    PaymentConfirmed,
    PaymentFailed,
    PaymentPrepared,
    PaymentState,
    PaymentSucceeded,
    PaymentUnresolved,
    ProviderAsked,
)
from domain.refusals import Reason
from domain.resolve import Capture, Increment, Replace, Reverse, ReversePart
from domain.rules import Operation, Period
from domain.settle import Answer, AskProvider
from domain.transfer_qr import QR_CLAIM
from tests.domain.payment_world import (
    CAFE,
    CAFES,
    FEES,
    FUNDS,
    HOLD,
    MARKET,
    OTHER_PAYMENT,
    PAYMENT,
    WATER,
    WATERS,
    PaymentSpec,
)
from tests.domain.spec import DAY, SECOND, uid
from tests.domain.transfer_world import ADIL, ADILS, ADILS_CARD, BAKYT, FEES_A, NOBODYS_CARD, SETTLE_A, SETTLE_B

DELIVERED, REFUSED, UNKNOWN = Answer.DELIVERED, Answer.REFUSED, Answer.UNKNOWN
PROVIDER, OPERATOR = Decider.PROVIDER, Decider.OPERATOR
QUOTE_TTL = 300 * SECOND
HOLD_TTL = 7 * DAY
PROVIDERS_HOLD_TTL = 400 * DAY
SPENT = Spending(Operation.QR_PAYMENT, 10_000, ADIL, ADILS_CARD, rules="rules-1")


# Preparing.


def test_a_payment_is_shown_before_anything_is_held() -> None:
    """It says payee, amount and fee under which rules, and until when it can be confirmed."""
    spec = PaymentSpec(fees=FEES)
    fields = {"account": b"sealed"}
    spec.when(spec.prepare("water", service_id="bishkek-water", merchant_category_code="4900", fields=fields), PAYMENT)
    details = Details(
        customer=ADIL,
        card=ADILS_CARD,
        account=ADILS,
        participant="bank-a",
        operation=Operation.SERVICE_PAYMENT,
        payee=WATERS,
        payee_kind=PayeeKind.PROVIDER,
        payee_name="water",
        credit_account=WATER,
        amount=10_000,
        fee=500,
        currency="KGS",
        service="bishkek-water",
        merchant_category_code="4900",
        fields=fields,
    )
    spec.then(PaymentPrepared(details=details, rules="rules-1", expires_at=spec.now + QUOTE_TTL))
    assert (spec.held(), spec.balances()) == (0, {ADILS: FUNDS})


@pytest.mark.parametrize(
    ("given", "fields", "reason"),
    [
        ([(ADILS_CARD, CardBlocked())], {"card_id": uid(99)}, Reason.CARD_NOT_FOUND),
        ([], {"card_id": NOBODYS_CARD, "payee_code": "none"}, Reason.CARD_NOT_BOUND),
        ([], {"customer_id": BAKYT, "payee_code": "none"}, Reason.CARD_NOT_BOUND),
        ([(ADILS_CARD, CardUnbound(customer=ADIL, by=UnboundBy.BANK))], {}, Reason.CARD_NOT_BOUND),
        ([(ADILS_CARD, CardBlocked()), (ADIL, CustomerErased())], {"payee_code": "none"}, Reason.CARD_BLOCKED),
        ([(ADILS_CARD, CardReportedLost(how=Loss.LOST))], {"payee_code": "none"}, Reason.CARD_LOST),
        ([(ADILS_CARD, CardClosed())], {"payee_code": "none"}, Reason.CARD_CLOSED),
        ([(ADIL, CustomerErased())], {"payee_code": "none"}, Reason.CUSTOMER_ERASED),
        ([(CAFES, PayeeUpdated(account=CAFE, name="", active=False))], {"payee_code": "none"}, Reason.PAYEE_NOT_FOUND),
        ([], {"payee_kind": PayeeKind.PROVIDER}, Reason.PAYEE_NOT_FOUND),
        (
            [(CAFES, PayeeUpdated(account=CAFE, name="", active=False))],
            {"currency_code": "USD"},
            Reason.PAYEE_NOT_ACTIVE,
        ),
        ([], {"currency_code": "USD", "payee_code": "outside"}, Reason.CURRENCY_MISMATCH),
        ([], {"payee_code": "outside"}, Reason.PARTICIPANT_NOT_FOUND),
        ([(CAFE, AccountFrozen(credits=True))], {}, Reason.PAYEE_NOT_ACTIVE),
        ([(CAFE, AccountClosed())], {}, Reason.PAYEE_NOT_ACTIVE),
        ([(SETTLE_B, AccountFrozen(credits=True))], {"payee_code": "market"}, Reason.PAYEE_NOT_ACTIVE),
    ],
)
def test_what_keeps_a_payment_from_being_prepared_is_named_in_order(
    given: list[tuple[UUID | int, Event]], fields: dict[str, Any], reason: Reason
) -> None:
    """Card and payer, payee, currency, both banks, and the accounts that the money would reach."""
    spec = PaymentSpec().given(*given)
    spec.when(spec.prepare(**fields)).then_refused(reason)


def test_only_the_identified_pay() -> None:
    """Row S31: a card alone is not enough."""
    spec = PaymentSpec().given((uid(80), CustomerRegistered(participant="bank-a", login=b"", phone=b"", confirm_by=0)))
    spec.given((NOBODYS_CARD, CardBound(customer=uid(80))))
    spec.when(spec.prepare(card_id=NOBODYS_CARD, customer_id=uid(80))).then_refused(Reason.CUSTOMER_NOT_IDENTIFIED)


def test_the_category_is_the_codes_or_else_the_payees() -> None:
    """It decides how long a hold lasts."""
    assert PaymentSpec().prepared(merchant_category_code="5812").event().details.merchant_category_code == "5812"
    assert PaymentSpec().prepared().event().details.merchant_category_code == ""


# Confirming.


def test_a_merchant_is_paid_at_once() -> None:
    """Confirmed, held, captured and succeeded in one append; the fee goes to the payer's bank."""
    spec = PaymentSpec(fees=FEES).prepared().confirm()
    legs = (Leg("qr_payment", ADILS, CAFE, 10_000), Leg("fee", ADILS, FEES_A, 500))
    spec.then(
        PaymentConfirmed(authorization=HOLD),
        AuthorizationApproved(
            account=ADILS,
            credit_account=CAFE,
            amount=10_500,
            currency="KGS",
            kind="qr_payment",
            merchant_name="cafe",
            card=ADILS_CARD,
            payment=PAYMENT,
            expires_at=spec.now + HOLD_TTL,
            rule_version="rules-1",
            spending=SPENT,
        ),
        AuthorizationCaptured(
            account=ADILS, amount=10_500, released=10_500, legs=legs, clearing_reference="", final=True
        ),
        PaymentSucceeded(by=Decider.LEDGER),
    )
    assert spec.balances() == {ADILS: FUNDS - 10_500, FEES_A: 500, CAFE: 10_000}
    assert (spec.held(), spec.state(), spec.life(HOLD).state) == (0, PaymentState.SUCCEEDED, State.CAPTURED)


def test_between_banks_the_money_passes_through_both_settlement_accounts() -> None:
    """What the accounts say of each other is the position between the banks."""
    spec = PaymentSpec(fees=FEES).begun("market")
    legs = spec.changes()[2].event.legs  # type: ignore[attr-defined]
    assert legs == (
        Leg("qr_payment", ADILS, SETTLE_A, 10_000),
        Leg("interbank", SETTLE_A, SETTLE_B, 10_000),
        Leg("delivery", SETTLE_B, MARKET, 10_000),
        Leg("fee", ADILS, FEES_A, 500),
    )
    assert spec.balances() == {ADILS: FUNDS - 10_500, FEES_A: 500, MARKET: 10_000}


def test_a_provider_is_asked_after_the_total_is_held() -> None:
    """The question is recorded in the append of the hold; nothing is posted yet."""
    spec = PaymentSpec(fees=FEES).prepared("water").confirm()
    assert spec.kinds() == ["payment.confirmed.v1", "authorization.approved.v1", "payment.provider_asked.v1"]
    assert spec.changes()[2].event == ProviderAsked()
    assert (spec.balances(), spec.held(), spec.state()) == ({ADILS: FUNDS}, 10_500, PaymentState.PROCESSING)


@pytest.mark.parametrize(
    ("given", "payment", "customer", "reason"),
    [
        ([], uid(99), ADIL, Reason.PAYMENT_NOT_FOUND),
        ([], HOLD, ADIL, Reason.PAYMENT_NOT_FOUND),
        ([], PAYMENT, BAKYT, Reason.PAYMENT_NOT_FOUND),
        ([(ADILS_CARD, CardBlocked()), (CAFES, PayeeUpdated(account=CAFE, name="", active=False))], PAYMENT, ADIL,
         Reason.CARD_BLOCKED),
        ([(CAFES, PayeeUpdated(account=CAFE, name="other", active=False))], PAYMENT, ADIL, Reason.PAYEE_NOT_ACTIVE),
        ([(CAFES, PayeeUpdated(account=CAFE, name="other", active=True)), (CAFE, AccountFrozen(credits=True))],
         PAYMENT, ADIL, Reason.PAYMENT_STALE),
        ([(CAFES, PayeeUpdated(account=1, name="cafe", active=True))], PAYMENT, ADIL, Reason.PAYMENT_STALE),
        ([(CAFE, AccountFrozen(credits=True)), (ADILS, AccountFrozen(debits=True))], PAYMENT, ADIL,
         Reason.PAYEE_NOT_ACTIVE),
        ([(ADILS, AccountFrozen(debits=True))], PAYMENT, ADIL, Reason.ACCOUNT_FROZEN),
    ],
)  # fmt: skip
def test_what_keeps_a_payment_from_being_confirmed_is_named_in_order(
    given: list[tuple[UUID | int, Event]], payment: UUID, customer: UUID, reason: Reason
) -> None:
    """The payer's own payment, the card, the payee as shown, then the payer's account; nothing is held."""
    spec = PaymentSpec().prepared().given(*given).confirm(payment, customer).then_refused(reason)
    assert (spec.held(), spec.balances()) == (0, {ADILS: FUNDS})


def test_limits_come_before_funds() -> None:
    """Whoever may not spend so much does not learn whether it is there; the fee must be there as well."""
    spec = PaymentSpec().prepared(amount=50_000_001).confirm()
    spec.then_refused(Reason.LIMIT_EXCEEDED, limit="in-person-amount")
    PaymentSpec().prepared(amount=FUNDS + 1).confirm().then_refused(Reason.INSUFFICIENT_FUNDS, account_id=ADILS)
    PaymentSpec(fees=FEES).prepared(amount=FUNDS - 499).confirm().then_refused(Reason.INSUFFICIENT_FUNDS)
    PaymentSpec(fees=FEES).prepared(amount=FUNDS - 500).confirm().then_figures(ADILS, posted=0)


def test_a_payment_is_confirmed_once_and_in_time() -> None:
    """The last moment is the one before it lapses."""
    spec = PaymentSpec().prepared()
    spec.after(QUOTE_TTL - 2).confirm()
    assert spec.state() is PaymentState.SUCCEEDED
    spec.confirm().then_refused(Reason.PAYMENT_ALREADY_CONFIRMED, state="succeeded")
    late = PaymentSpec().prepared().after(QUOTE_TTL - 1).confirm().then_refused(Reason.PAYMENT_LAPSED)
    assert late.state() is PaymentState.PREPARED


def test_a_dynamic_code_is_paid_once() -> None:
    """Two payers may look at it; the first who confirms has it, and nobody prepares it again."""
    code: dict[str, Any] = {"code_key": "qr.kg/0001"}
    spec = PaymentSpec().prepared(**code).prepared(payment=OTHER_PAYMENT, **code)
    spec.confirm().then_claimed((QR_CLAIM, "8:merchant4:cafe10:qr.kg/0001"))
    spec.confirm(OTHER_PAYMENT).then_refused(Reason.QR_USED)
    spec.when(spec.prepare(**code)).then_refused(Reason.QR_USED)
    assert spec.balances() == {ADILS: FUNDS - 10_000, CAFE: 10_000}


def test_a_code_uses_up_no_code_of_another_payee() -> None:
    """Whoever makes up a code with the number of one of the market's pays the café; the market's is good still."""
    code: dict[str, Any] = {"code_key": "qr.kg/0001"}
    spec = PaymentSpec().prepared("market", **code).begun("cafe", 1, OTHER_PAYMENT, **code)
    spec.confirm()
    assert spec.balances() == {ADILS: FUNDS - 10_001, CAFE: 1, MARKET: 10_000}


def test_a_code_that_was_paid_is_not_prepared_after_a_start_either() -> None:
    """Books that hold nothing of it yet look it up, before a payer is shown a payment that cannot be made."""
    code: dict[str, Any] = {"code_key": "qr.kg/0001"}
    spec = PaymentSpec().prepared(**code).confirm()
    spec.books._cache.clear()
    spec.when(spec.prepare(**code)).then_refused(Reason.QR_USED)


# Answers.


def test_a_yes_posts_what_was_held() -> None:
    """The provider's own number of it is kept."""
    spec = PaymentSpec().begun("water").answer(DELIVERED, provider_reference="p-7", explanation="ok")
    legs = (Leg("service_payment", ADILS, WATER, 10_000),)
    spec.then(
        PaymentSucceeded(by=PROVIDER, provider_reference="p-7", explanation="ok"),
        AuthorizationCaptured(
            account=ADILS, amount=10_000, released=10_000, legs=legs, clearing_reference="", final=True
        ),
    )
    assert (spec.balances(), spec.held()) == ({ADILS: FUNDS - 10_000, WATER: 10_000}, 0)


def test_a_no_lets_go_of_what_was_held_and_gives_the_limits_back() -> None:
    """As if nothing had been."""
    spec = PaymentSpec().begun("water")
    used = spec.books.usage.used(Period.DAY, ADIL.bytes, Operation, spec.now)
    assert (used.operations, used.amount) == (1, 10_000)
    taken_at = spec.now + 1  # Recorded just after the payment's own event.
    spec.answer(REFUSED, explanation="unknown account")
    spending = Spending(Operation.SERVICE_PAYMENT, 10_000, ADIL, ADILS_CARD, rules="default-1")
    held = spec.changes()[1].event
    assert isinstance(held, AuthorizationReversed)
    assert held.spending_returned is not None
    assert abs(held.spending_returned.taken_at - taken_at) <= 1
    spec.then(
        PaymentFailed(by=PROVIDER, explanation="unknown account"),
        AuthorizationReversed(
            account=ADILS,
            released=10_000,
            by="provider",
            spending_returned=SpendingReturned(spending, held.spending_returned.taken_at, 10_000, 1),
        ),
    )
    used = spec.books.usage.used(Period.DAY, ADIL.bytes, Operation, spec.now)
    assert (used.operations, used.amount, spec.held(), spec.balances()) == (0, 0, 0, {ADILS: FUNDS})


def test_silence_is_no_answer() -> None:
    """The hold stands; what is silent twice has nothing new to record."""
    spec = PaymentSpec().begun("water").answer(UNKNOWN).then(PaymentUnresolved())
    assert (spec.held(), spec.state()) == (10_000, PaymentState.UNRESOLVED)
    spec.answer(UNKNOWN).then_refused(Reason.PAYMENT_ALREADY_ANSWERED, state="unresolved")


LATE = {"late": True}
PAID = {ADILS: FUNDS - 10_000, WATER: 10_000}
UNPAID = {ADILS: FUNDS}


@pytest.mark.parametrize(
    ("answers", "last", "ended", "balances"),
    [
        ([(UNKNOWN, PROVIDER)], (DELIVERED, PROVIDER), PaymentState.SUCCEEDED, PAID),
        ([(UNKNOWN, PROVIDER)], (REFUSED, PROVIDER), PaymentState.FAILED, UNPAID),
        ([(UNKNOWN, PROVIDER)], (DELIVERED, OPERATOR), PaymentState.SUCCEEDED, PAID),
        ([(UNKNOWN, PROVIDER)], (REFUSED, OPERATOR), PaymentState.FAILED, UNPAID),
        ([], (REFUSED, OPERATOR), PaymentState.FAILED, UNPAID),
        ([(REFUSED, OPERATOR)], (DELIVERED, PROVIDER), PaymentState.SUCCEEDED, PAID),
        ([(UNKNOWN, PROVIDER), (REFUSED, OPERATOR)], (DELIVERED, PROVIDER), PaymentState.SUCCEEDED, PAID),
        ([(DELIVERED, PROVIDER)], (DELIVERED, PROVIDER), None, PAID),
        ([(DELIVERED, PROVIDER)], (REFUSED, PROVIDER), None, PAID),
        ([(DELIVERED, PROVIDER)], (REFUSED, OPERATOR), None, PAID),
        ([(DELIVERED, OPERATOR)], (REFUSED, PROVIDER), None, PAID),
        ([(DELIVERED, OPERATOR)], (DELIVERED, PROVIDER), None, PAID),
        ([(REFUSED, PROVIDER)], (REFUSED, PROVIDER), None, UNPAID),
        ([(REFUSED, PROVIDER)], (DELIVERED, PROVIDER), None, UNPAID),
        ([(REFUSED, PROVIDER)], (DELIVERED, OPERATOR), None, UNPAID),
        ([(REFUSED, OPERATOR)], (REFUSED, PROVIDER), None, UNPAID),
        ([(REFUSED, OPERATOR)], (DELIVERED, OPERATOR), None, UNPAID),
        ([(REFUSED, OPERATOR)], (UNKNOWN, PROVIDER), None, UNPAID),
        ([(REFUSED, OPERATOR), (DELIVERED, PROVIDER)], (DELIVERED, PROVIDER), None, PAID),
    ],
)
def test_the_first_answer_counts_and_a_delivery_is_never_lost(
    answers: list[tuple[Answer, Decider]],
    last: tuple[Answer, Decider],
    ended: PaymentState | None,
    balances: dict[int, int],
) -> None:
    """Twice, late or against itself: a provider's word is final, and overrules only that an operator gave up."""
    spec = PaymentSpec().begun("water")
    for answer, by in answers:
        spec.answer(answer, by)
        assert isinstance(spec.decided, list)
    spec.answer(*last)
    if ended is None:
        spec.then_refused(Reason.PAYMENT_ALREADY_ANSWERED)
    else:
        assert spec.state() is ended
    assert spec.balances() == balances


def test_a_yes_after_an_operator_gave_up_is_late_and_after_the_close() -> None:
    """What was let go of is posted all the same, even where it is not there any more."""
    spec = PaymentSpec().begun("water").answer(REFUSED, OPERATOR, explanation="lost").answer(DELIVERED)
    succeeded, posted = (change.event for change in spec.changes())
    assert succeeded == PaymentSucceeded(by=PROVIDER, late=True, fingerprint=succeeded.fingerprint)  # type: ignore[attr-defined]
    assert isinstance(posted, AuthorizationCaptured)
    assert (posted.released, posted.over, posted.late, posted.after_close) == (0, True, False, True)
    poor = PaymentSpec().begun("water", FUNDS).answer(REFUSED, OPERATOR)
    poor.given_done(poor.spend(ADILS, FUNDS)).answer(DELIVERED)
    assert poor.balances() == {ADILS: -FUNDS, WATER: FUNDS}


def test_what_is_held_for_a_provider_outlives_the_rules_of_holds() -> None:
    """Weeks of silence let go of nothing, and what was held posts once, as if it had been said at once."""
    spec = PaymentSpec(fees=FEES).begun("water").answer(UNKNOWN).after(50 * HOLD_TTL).lapse()
    assert (spec.held(), spec.state()) == (10_500, PaymentState.UNRESOLVED)
    spec.answer(DELIVERED)
    posted = spec.changes()[1].event
    assert isinstance(posted, AuthorizationCaptured)
    assert (posted.released, posted.late, posted.over) == (10_500, False, False)
    spec.answer(DELIVERED).then_refused(Reason.PAYMENT_ALREADY_ANSWERED)
    assert (spec.held(), spec.balances()) == (0, {ADILS: FUNDS - 10_500, FEES_A: 500, WATER: 10_000})


def test_even_that_hold_lapses_in_the_end() -> None:
    """The payment is unresolved still, and its late yes posts, flagged."""
    spec = PaymentSpec().begun("water").answer(UNKNOWN).after(PROVIDERS_HOLD_TTL).lapse()
    assert (spec.held(), spec.state()) == (0, PaymentState.UNRESOLVED)
    spec.answer(DELIVERED)
    posted = spec.changes()[1].event
    assert isinstance(posted, AuthorizationCaptured)
    assert (posted.released, posted.late, posted.over) == (0, True, False)
    assert spec.balances() == PAID


def test_a_no_after_the_hold_lapsed_lets_go_of_nothing_more() -> None:
    """There is nothing left to release."""
    spec = PaymentSpec().begun("water").after(PROVIDERS_HOLD_TTL).lapse().answer(REFUSED)
    assert spec.kinds() == ["payment.failed.v1"]
    assert (spec.held(), spec.balances()) == (0, UNPAID)


@pytest.mark.parametrize(
    "given",
    [
        (WATER, AccountFrozen(credits=True, debits=True)),
        (ADILS, AccountFrozen(credits=True, debits=True)),
        (ADILS_CARD, CardBlocked()),
        (ADIL, CustomerErased()),
        (WATERS, PayeeUpdated(account=WATER, name="other", active=False)),
    ],
)
def test_nothing_that_happens_meanwhile_keeps_a_delivery_from_being_paid(given: tuple[UUID | int, Event]) -> None:
    """Freezes, a blocked card, an erased payer, a payee switched off: what was confirmed is paid."""
    spec = PaymentSpec().begun("water").given(given).answer(DELIVERED)
    assert spec.balances() == PAID


def test_what_was_never_asked_has_no_answer() -> None:
    """Unknown payments, and those not confirmed; a merchant's has ended."""
    spec = PaymentSpec().prepared("water")
    spec.answer(DELIVERED, payment=uid(99)).then_refused(Reason.PAYMENT_NOT_FOUND)
    spec.answer(DELIVERED).then_refused(Reason.PAYMENT_NOT_ASKED)
    spec.begun(payment=OTHER_PAYMENT).answer(REFUSED, payment=OTHER_PAYMENT)
    spec.then_refused(Reason.PAYMENT_ALREADY_ANSWERED)


def test_a_provider_that_has_heard_nothing_is_asked_again() -> None:
    """Each question is recorded, while the payment waits and no longer."""
    ask = AskProvider(payment_id=PAYMENT, attempt=2)
    spec = PaymentSpec().when(ask).then_refused(Reason.PAYMENT_NOT_FOUND)
    spec.prepared("water").when(ask).then_refused(Reason.PAYMENT_ALREADY_ANSWERED)
    spec.confirm().when(ask).then(ProviderAsked(attempt=2))
    assert spec.life(PAYMENT).attempts == 2
    spec.answer(UNKNOWN).when(AskProvider(payment_id=PAYMENT, attempt=3)).then(ProviderAsked(attempt=3))
    spec.answer(DELIVERED).when(AskProvider(payment_id=PAYMENT, attempt=4))
    spec.then_refused(Reason.PAYMENT_ALREADY_ANSWERED)


# The hold is the payment's.


@pytest.mark.parametrize(
    "command",
    [
        Capture(authorization_id=HOLD, amount_tyiyn=1, clearing_reference="c"),
        Increment(authorization_id=HOLD, amount_tyiyn=1),
        Replace(authorization_id=HOLD, total_tyiyn=1),
        ReversePart(authorization_id=HOLD, amount_tyiyn=1),
        Reverse(authorization_id=HOLD),
        PostRefund(authorization_id=HOLD, amount_tyiyn=1, clearing_reference="c"),
        AuthorizeRefund(account_id=ADILS, authorization_id=HOLD, amount_tyiyn=1),
    ],
    ids=lambda command: command.NAME,
)
@pytest.mark.parametrize("code", ["water", "cafe"])
def test_nobody_else_touches_the_hold_of_a_payment(command: Command, code: str) -> None:
    """Open or captured, it is the payment's alone."""
    spec = PaymentSpec().begun(code).when(command)
    spec.then_refused(Reason.PAYMENT_HOLD, payment_id=PAYMENT, authorization_id=HOLD)
