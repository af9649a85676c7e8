"""How a payment ends: by the provider's answer, an operator's decision, or a refund later on."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from domain.authorization import Authorization, AuthorizationReversed, RefundPosted, State
from domain.command import Amount, Command, Explanation, Limit, Reference
from domain.event import Change, Context, Event, Leg
from domain.pay import captured, payment_legs
from domain.payment import (
    Decider,
    Payment,
    PaymentFailed,
    PaymentRefunded,
    PaymentState,
    PaymentSucceeded,
    PaymentUnresolved,
    ProviderAsked,
)
from domain.refusals import Reason, Refusal, refuse
from domain.routing import banks_of, bounds_refusal, receiving_refusal, way

if TYPE_CHECKING:
    from domain.books import Books

MAX_ATTEMPTS = 1_000


class Answer(StrEnum):
    """What is said of a payment."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """Nothing was said, or that it is not known yet."""


class _OnPayment(Command):
    """A command on one payment."""

    payment_id: UUID

    def target(self) -> UUID:
        """Return the payment's id."""
        return self.payment_id

    def needs(self) -> tuple[bytes, ...]:
        """Return the payment."""
        return (self.payment_id.bytes,)

    def _payment(self, books: "Books") -> Payment | Refusal:
        payment = books.aggregate(self.payment_id.bytes)
        if not isinstance(payment, Payment):
            return refuse(Reason.PAYMENT_NOT_FOUND, payment_id=self.payment_id)
        return payment


class AskProvider(_OnPayment):
    """Record that the provider is about to be asked again to deliver, because it has never heard of the payment."""

    NAME: ClassVar[str] = "ask_provider"

    attempt: Annotated[int, Field(ge=2, le=MAX_ATTEMPTS)]

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guard only that the payment waits for its provider."""
        payment = self._payment(books)
        if isinstance(payment, Refusal):
            return payment
        if payment.state not in (PaymentState.PROCESSING, PaymentState.UNRESOLVED):
            return refuse(Reason.PAYMENT_ALREADY_ANSWERED, state=payment.state.value)
        return [Change(payment.payment_id, payment.version + 1, ProviderAsked(attempt=self.attempt))]


class AnswerPayment(_OnPayment):
    """Take in what the provider says of a payment, or what an operator decides in its place.

    A provider's refusal is final, and so is its delivery. What an operator gave up the provider may still have
    delivered: then it is paid, late.
    """

    NAME: ClassVar[str] = "answer_payment"

    answer: Answer
    by: Decider = Decider.PROVIDER
    provider_reference: Reference = ""
    explanation: Explanation = ""

    def touched_accounts(self, books: "Books") -> tuple[int, ...]:
        """Return the payer's account: whether the hold has lapsed is told with the capture."""
        payment = books.aggregate(self.payment_id.bytes)
        return (payment.details.account,) if isinstance(payment, Payment) else ()

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: known, asked, not answered yet."""
        payment = self._payment(books)
        if isinstance(payment, Refusal):
            return payment
        if payment.state is PaymentState.PREPARED:
            return refuse(Reason.PAYMENT_NOT_ASKED)
        late = self._late(payment)
        if payment.state in (PaymentState.SUCCEEDED, PaymentState.FAILED) and not late:
            return refuse(Reason.PAYMENT_ALREADY_ANSWERED, state=payment.state.value)
        match self.answer:
            case Answer.DELIVERED:
                return self._succeed(books, payment, late=late)
            case Answer.REFUSED:
                return self._fail(books, payment)
            case Answer.UNKNOWN:
                if payment.state is PaymentState.UNRESOLVED:
                    return refuse(Reason.PAYMENT_ALREADY_ANSWERED, state=payment.state.value)
                unresolved = PaymentUnresolved(
                    fingerprint=self.fingerprint(),
                    by=self.by,
                    provider_reference=self.provider_reference,
                    explanation=self.explanation,
                )
                return [self._next(payment, unresolved)]

    def _late(self, payment: Payment) -> bool:
        """Tell whether the provider has delivered what an operator gave up."""
        given_up = payment.state is PaymentState.FAILED and payment.decided_by is Decider.OPERATOR
        return given_up and self.by is Decider.PROVIDER and self.answer is Answer.DELIVERED

    @staticmethod
    def _next(payment: Payment, event: Event) -> Change:
        return Change(payment.payment_id, payment.version + 1, event)

    def _succeed(self, books: "Books", payment: Payment, *, late: bool) -> list[Change] | Refusal:
        legs = payment_legs(books, payment.details)
        if isinstance(legs, Refusal):
            return legs
        refusal = bounds_refusal(books, legs)
        if refusal is not None:
            return refusal
        held = _authorization(books, payment)
        succeeded = PaymentSucceeded(
            by=self.by,
            provider_reference=self.provider_reference,
            explanation=self.explanation,
            late=late,
            fingerprint=self.fingerprint(),
        )
        capture = captured(
            payment,
            legs,
            released=held.remaining,
            over=held.captured + payment.total > held.approved,
            late=held.state is State.EXPIRED,
            after_close=held.state in (State.REVERSED, State.CAPTURED),
            spending=held.taken(released=held.remaining, captured=payment.total),
        )
        return [self._next(payment, succeeded), Change(held.authorization_id, held.version + 1, capture)]

    def _fail(self, books: "Books", payment: Payment) -> list[Change]:
        failed = PaymentFailed(
            by=self.by,
            provider_reference=self.provider_reference,
            explanation=self.explanation,
            fingerprint=self.fingerprint(),
        )
        changes = [self._next(payment, failed)]
        held = _authorization(books, payment)
        if held.open:
            released = AuthorizationReversed(
                account=held.account,
                released=held.remaining,
                by=self.by.value,
                spending_returned=held.returned(released=held.remaining),
            )
            changes.append(Change(held.authorization_id, held.version + 1, released))
        return changes


class RefundPayment(_OnPayment):
    """Give back a payment that succeeded, whole or in parts, and as much of the fee as is said."""

    NAME: ClassVar[str] = "refund_payment"

    amount_tyiyn: Amount
    fee_tyiyn: Limit = 0
    explanation: Explanation = ""

    def touched_accounts(self, books: "Books") -> tuple[int, ...]:
        """Return the payee's account, which must have the money."""
        payment = books.aggregate(self.payment_id.bytes)
        return (payment.details.credit_account,) if isinstance(payment, Payment) else ()

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: known, succeeded, what is left, the way back, the payee's funds."""
        payment = self._payment(books)
        if isinstance(payment, Refusal):
            return payment
        if payment.state is not PaymentState.SUCCEEDED:
            return refuse(Reason.PAYMENT_NOT_SUCCEEDED, state=payment.state.value)
        refundable, fee_left = payment.details.amount - payment.refunded, payment.details.fee - payment.fee_refunded
        if self.amount_tyiyn > refundable or self.fee_tyiyn > fee_left:
            return refuse(Reason.OVER_REFUND, refundable_tyiyn=refundable, refundable_fee_tyiyn=fee_left)
        legs = self._legs(books, payment)
        if isinstance(legs, Refusal):
            return legs
        index = books.accounts.find(payment.details.credit_account)
        refusal = receiving_refusal(books, legs) or books.accounts.debit_refusal(index)
        if refusal is not None:
            return refusal
        if self.amount_tyiyn > books.accounts.spendable(index):
            return refuse(Reason.INSUFFICIENT_FUNDS, account_id=payment.details.credit_account)
        held = _authorization(books, payment)
        refunded = PaymentRefunded(
            amount=self.amount_tyiyn,
            fee=self.fee_tyiyn,
            explanation=self.explanation,
            fingerprint=self.fingerprint(),
        )
        posted = RefundPosted(
            account=payment.details.account,
            amount=self.amount_tyiyn + self.fee_tyiyn,
            legs=legs,
            clearing_reference="",
            merchant_name=payment.details.payee_name,
            spending_returned=held.returned_by_refund(self.amount_tyiyn),
        )
        return [
            Change(payment.payment_id, payment.version + 1, refunded),
            Change(held.authorization_id, held.version + 1, posted),
        ]

    def _legs(self, books: "Books", payment: Payment) -> "tuple[Leg, ...] | Refusal":
        """Return the way back, the one that the money came; the fee comes from the payer's bank."""
        details = payment.details
        between = banks_of(books, details.credit_account, details.account)
        if isinstance(between, Refusal):
            return between
        legs = way(between, details.credit_account, details.account, self.amount_tyiyn, "refund")
        if self.fee_tyiyn:
            legs += (Leg("fee_reversal", between.payee.fee_account, details.account, self.fee_tyiyn),)
        return legs


def _authorization(books: "Books", payment: Payment) -> Authorization:
    found = books.aggregate(payment.authorization_id)
    if not isinstance(found, Authorization):
        raise TypeError("a payment that was confirmed has an authorisation")
    return found
