"""Paying: preparing a payment, and confirming it.

Everything read outside the state (the QR code, the provider's word on the beneficiary, the catalogue) was read
before, by whoever asks for the decision.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from uuid import UUID

from pydantic import Field

from domain.authorization import AuthorizationApproved, AuthorizationCaptured
from domain.card import Card, usable
from domain.claim import claim
from domain.command import Amount, Command, CurrencyCode, MerchantCategoryCode, Reference
from domain.event import Change, Context
from domain.ids import claim_id, key_of
from domain.limits import Spending, limit_refusal
from domain.money import SOM
from domain.payee import Payee, PayeeCode, PayeeKind, payee_id
from domain.payment import (
    Decider,
    Details,
    Payment,
    PaymentConfirmed,
    PaymentPrepared,
    PaymentState,
    PaymentSucceeded,
    ProviderAsked,
    authorization_of,
)
from domain.published import hold_rule
from domain.refusals import Reason, Refusal, refuse
from domain.routing import banks_of, receiving_refusal, way
from domain.rules import Operation
from domain.times import SECOND
from domain.transfer_qr import QR_CLAIM, used

if TYPE_CHECKING:
    from domain.books import Books
    from domain.customer import Customer
    from domain.event import Leg


SealedFields = Annotated[dict[str, bytes], Field(max_length=16)]


class PreparePayment(Command):
    """Show a payment to the payer before anything is held."""

    NAME: ClassVar[str] = "prepare_payment"
    SECRETS: ClassVar[frozenset[str]] = frozenset({"fields"})
    UNKEPT: ClassVar[Mapping[str, Any]] = {"fields": {}}

    customer_id: UUID
    card_id: UUID
    operation: Operation
    payee_kind: PayeeKind
    payee_code: PayeeCode
    service_id: Reference = ""
    merchant_category_code: MerchantCategoryCode = ""
    amount_tyiyn: Amount
    currency_code: CurrencyCode = SOM
    fields: SealedFields = {}
    code_key: Annotated[str, Field(max_length=300)] = ""

    def needs(self) -> tuple[bytes, ...]:
        """Return the card, the payer, the payee, and the claim on a dynamic code."""
        code = (claim_id(QR_CLAIM, self._code_claim()),) if self.code_key else ()
        return (self.card_id.bytes, self.customer_id.bytes, payee_id(self.payee_kind, self.payee_code), *code)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: card and payer, payee, currency, code unused, both banks, the accounts money reaches."""
        found = usable(books, self.card_id.bytes, self.customer_id.bytes, context.now)
        if isinstance(found, Refusal):
            return found
        card, _ = found
        payee = payee_of(books, self.payee_kind, self.payee_code)
        if isinstance(payee, Refusal):
            return payee
        if not books.in_currency(card.account, self.currency_code):
            return refuse(Reason.CURRENCY_MISMATCH)
        if used(books, self._code_claim()):
            return refuse(Reason.QR_USED)
        between = banks_of(books, card.account, payee.account)
        if isinstance(between, Refusal):
            return between
        rules = books.rules.at(context.now)
        fee = rules.fee(self.operation, self.amount_tyiyn, interbank=between.interbank, participant=card.participant)
        legs = way(between, card.account, payee.account, self.amount_tyiyn, self.operation.value, fee)
        refusal = _payee_closed(books, legs)
        if refusal is not None:
            return refusal
        details = Details(
            customer=self.customer_id,
            card=self.card_id,
            account=card.account,
            participant=card.participant,
            operation=self.operation,
            payee=UUID(bytes=payee.payee_id),
            payee_kind=payee.kind,
            payee_name=payee.name,
            credit_account=payee.account,
            amount=self.amount_tyiyn,
            fee=fee,
            currency=self.currency_code,
            service=self.service_id,
            merchant_category_code=self.merchant_category_code or payee.merchant_category_code,
            fields=self.fields,
            code_key=self._code_claim(),
        )
        prepared = PaymentPrepared(
            details=details,
            rules=rules.version,
            expires_at=context.now + context.policy.quote_ttl_seconds * SECOND,
            fingerprint=self.fingerprint(),
        )
        return [Change(context.request_id, 1, prepared)]

    def _code_claim(self) -> str:
        """Return what paying by a dynamic code uses up: nothing of any other payee's."""
        return key_of(self.payee_kind.value, self.payee_code, self.code_key) if self.code_key else ""


class ConfirmPayment(Command):
    """Hold a prepared payment's total; pay a merchant at once."""

    NAME: ClassVar[str] = "confirm_payment"

    payment_id: UUID
    customer_id: UUID

    def target(self) -> UUID:
        """Return the payment's id."""
        return self.payment_id

    def needs(self) -> tuple[bytes, ...]:
        """Return the payment and the payer."""
        return (self.payment_id.bytes, self.customer_id.bytes)

    def claims(self) -> tuple[bytes, ...]:
        """Return nothing: which code is paid stands in the payment, and is looked at when it is at hand."""
        return ()

    def touched_accounts(self, books: "Books") -> tuple[int, ...]:
        """Return the payer's account."""
        payment = books.aggregate(self.payment_id.bytes)
        return (payment.details.account,) if isinstance(payment, Payment) else ()

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: known, prepared, in time, payer, payee as shown, code unused, limits, funds."""
        payment = books.aggregate(self.payment_id.bytes)
        if not isinstance(payment, Payment) or payment.details.customer != self.customer_id:
            return refuse(Reason.PAYMENT_NOT_FOUND, payment_id=self.payment_id)
        if payment.state is not PaymentState.PREPARED:
            return refuse(Reason.PAYMENT_ALREADY_CONFIRMED, state=payment.state.value)
        if payment.lapsed(context.now):
            return refuse(Reason.PAYMENT_LAPSED)
        details = payment.details
        found = usable(books, details.card.bytes, details.customer.bytes, context.now)
        if isinstance(found, Refusal):
            return found
        refusal = self._payee_refusal(books, details) or self._code_refusal(books, details)
        if refusal is not None:
            return refusal
        legs = payment_legs(books, details)
        if isinstance(legs, Refusal):
            return legs
        refusal = _payee_closed(books, legs)
        if refusal is not None:
            return refusal
        spending = _spending(payment)
        refusal = self._spending_refusal(books, found, payment, spending, context.now)
        if refusal is not None:
            return refusal
        return self._confirmed(books, payment, spending, legs, context)

    @staticmethod
    def _payee_refusal(books: "Books", details: Details) -> Refusal | None:
        payee = books.aggregate(details.payee.bytes)
        if not isinstance(payee, Payee) or not payee.active:
            return refuse(Reason.PAYEE_NOT_ACTIVE)
        if (payee.account, payee.name) != (details.credit_account, details.payee_name):
            return refuse(Reason.PAYMENT_STALE)
        return None

    @staticmethod
    def _code_refusal(books: "Books", details: Details) -> Refusal | None:
        return refuse(Reason.QR_USED) if used(books, details.code_key) else None

    @staticmethod
    def _spending_refusal(
        books: "Books", found: "tuple[Card, Customer]", payment: Payment, spending: Spending, now: int
    ) -> Refusal | None:
        card, customer = found
        refusal = limit_refusal(books, spending, customer.tier, now)
        if refusal is not None:
            return refusal
        accounts = books.accounts
        index = accounts.find(card.account)
        refusal = accounts.debit_refusal(index)
        if refusal is not None:
            return refusal
        if payment.total > accounts.spendable(index):
            return refuse(Reason.INSUFFICIENT_FUNDS, account_id=card.account)
        if accounts.hold_would_pass_limit(index, payment.total):
            return refuse(Reason.BALANCE_LIMIT)
        return None

    def _confirmed(
        self, books: "Books", payment: Payment, spending: Spending, legs: "tuple[Leg, ...]", context: Context
    ) -> list[Change]:
        details = payment.details
        held = authorization_of(payment.payment_id)
        confirmed = PaymentConfirmed(authorization=UUID(bytes=held), fingerprint=self.fingerprint())
        asked = details.payee_kind is PayeeKind.PROVIDER
        ttl, version = _hold(books, details, context)
        approved = AuthorizationApproved(
            account=details.account,
            credit_account=details.credit_account,
            amount=payment.total,
            currency=details.currency,
            kind=details.operation.value,
            merchant_category_code=details.merchant_category_code,
            merchant_name=details.payee_name,
            card=details.card,
            payment=UUID(bytes=payment.payment_id),
            expires_at=context.now + ttl * SECOND,
            rule_version=version,
            spending=spending,
        )
        changes = [Change(payment.payment_id, payment.version + 1, confirmed), Change(held, 1, approved)]
        if asked:
            changes.append(Change(payment.payment_id, payment.version + 2, ProviderAsked()))
        else:
            changes.append(Change(held, 2, captured(payment, legs, released=payment.total)))
            changes.append(Change(payment.payment_id, payment.version + 2, PaymentSucceeded(by=Decider.LEDGER)))
        if details.code_key:
            changes.append(claim(QR_CLAIM, details.code_key, holder=payment.payment_id, amount=details.amount))
        return changes


def payee_of(books: "Books", kind: PayeeKind, code: str) -> Payee | Refusal:
    """Return the payee with this code, if it can be paid."""
    payee = books.aggregate(payee_id(kind, code))
    if not isinstance(payee, Payee):
        return refuse(Reason.PAYEE_NOT_FOUND, kind=kind.value, code=code)
    if not payee.active:
        return refuse(Reason.PAYEE_NOT_ACTIVE)
    return payee


def payment_legs(books: "Books", details: Details) -> "tuple[Leg, ...] | Refusal":
    """Return the movements that pay the payee, and the payer's bank its fee."""
    between = banks_of(books, details.account, details.credit_account)
    if isinstance(between, Refusal):
        return between
    kind = details.operation.value
    return way(between, details.account, details.credit_account, details.amount, kind, details.fee)


def _payee_closed(books: "Books", legs: "tuple[Leg, ...]") -> Refusal | None:
    """Return the refusal of a payment whose money would not be taken; why is no payer's business."""
    refusal = receiving_refusal(books, legs)
    if refusal is None or refusal.reason is Reason.BALANCE_LIMIT:
        return refusal
    return refuse(Reason.PAYEE_NOT_ACTIVE)


def captured(payment: Payment, legs: "tuple[Leg, ...]", *, released: int, **flags: Any) -> AuthorizationCaptured:
    """Return the capture by which a payment's total is posted."""
    return AuthorizationCaptured(
        account=payment.details.account,
        amount=payment.total,
        released=released,
        legs=legs,
        clearing_reference="",
        final=True,
        **flags,
    )


def _hold(books: "Books", details: Details, context: Context) -> tuple[int, str]:
    """Return how many seconds the total is held, and which version says so.

    A provider may be silent for weeks: what is held for it ends with the payment, by no rule of holds.
    """
    if details.payee_kind is PayeeKind.PROVIDER:
        return context.policy.payment_hold_ttl_seconds, context.policy.version
    return hold_rule(books, context, details.operation.value, details.merchant_category_code, "")


def _spending(payment: Payment) -> Spending:
    """Return what a payment takes of the payer's limits: its amount, as for every operation; never the fee."""
    details = payment.details
    return Spending(details.operation, details.amount, details.customer, details.card, rules=payment.rules)
