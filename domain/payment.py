"""Payments of a cardholder to a payee: prepared, confirmed, and carried to an end whatever the provider does.

A payment is prepared first, so that the payer sees whom, how much and for what fee; nothing is held yet. Confirmed,
its total is held on the card's account by an authorisation of its own. A merchant is paid at once. A provider is
asked, after the question is recorded; its answer captures or releases the hold. Silence is no answer: the payment is
unresolved, the hold stays, and the provider is asked how it stands until it says, or an operator decides. The hold ends
with the payment, whatever the rules of holds say, and by itself only after the longest time a setting gives it. A yes
that comes late posts all the same: who has delivered is paid.

The commands stand in ``domain.pay`` (until the answer) and ``domain.settle`` (the answer and what comes after).
"""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

import msgspec

from domain.event import Change, Event
from domain.ids import derived_id
from domain.payee import PayeeKind
from domain.rules import Operation


class PaymentState(StrEnum):
    """How a payment stands."""

    PREPARED = "prepared"
    """It waits for the payer; nothing is held."""
    PROCESSING = "processing"
    """The provider is being asked; the total is held."""
    UNRESOLVED = "unresolved"
    """The provider did not say; the total is held."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Decider(StrEnum):
    """Who said how a payment ended."""

    LEDGER = "ledger"
    """Nobody had to be asked."""
    PROVIDER = "provider"
    OPERATOR = "operator"


class Details(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What a payment is for. Amounts are in tyiyn.

    ``fields`` hold what the payer entered and what the provider told of the beneficiary, each encrypted under the
    payer's key. ``code_key`` names a dynamic QR code of the payee's, which is good for one payment.
    """

    customer: UUID
    card: UUID
    account: int
    participant: str
    operation: Operation
    payee: UUID
    payee_kind: PayeeKind
    payee_name: str
    credit_account: int
    amount: int
    fee: int = 0
    currency: str
    service: str = ""
    merchant_category_code: str = ""
    fields: dict[str, bytes] = {}
    code_key: str = ""


class PaymentPrepared(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A payment was shown to the payer, who may confirm it before ``expires_at``."""

    TOPIC: ClassVar[str] = "payment.prepared.v1"

    details: Details
    rules: str
    expires_at: int
    fingerprint: str = ""


class PaymentConfirmed(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The payer confirmed; the total is held by ``authorization``."""

    TOPIC: ClassVar[str] = "payment.confirmed.v1"

    authorization: UUID
    fingerprint: str = ""


class ProviderAsked(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The provider is about to be asked to deliver, for the ``attempt``-th time."""

    TOPIC: ClassVar[str] = "payment.provider_asked.v1"

    attempt: int = 1


class PaymentUnresolved(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The provider was asked and did not say. What is held stays held."""

    TOPIC: ClassVar[str] = "payment.unresolved.v1"

    fingerprint: str = ""
    by: Decider = Decider.PROVIDER
    provider_reference: str = ""
    explanation: str = ""


class PaymentSucceeded(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The payee has been paid. ``late``: after the payment had been given up."""

    TOPIC: ClassVar[str] = "payment.succeeded.v1"

    by: Decider
    provider_reference: str = ""
    explanation: str = ""
    late: bool = False
    fingerprint: str = ""


class PaymentFailed(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The payee did not deliver; what was held was let go."""

    TOPIC: ClassVar[str] = "payment.failed.v1"

    by: Decider
    provider_reference: str = ""
    explanation: str = ""
    fingerprint: str = ""


class PaymentRefunded(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The payee gave ``amount`` back, and its bank ``fee`` of the fee."""

    TOPIC: ClassVar[str] = "payment.refunded.v1"

    amount: int
    fee: int = 0
    explanation: str = ""
    fingerprint: str = ""


class Payment(msgspec.Struct, frozen=True):
    """A payment as the events tell it."""

    payment_id: bytes
    details: Details
    rules: str
    expires_at: int
    created_at: int
    updated_at: int
    version: int = 1
    state: PaymentState = PaymentState.PREPARED
    attempts: int = 0
    asked_at: int = 0
    decided_by: Decider | None = None
    provider_reference: str = ""
    explanation: str = ""
    refunded: int = 0
    fee_refunded: int = 0

    @property
    def authorization_id(self) -> bytes:
        """The id of the authorisation that holds the total."""
        return authorization_of(self.payment_id)

    @property
    def total(self) -> int:
        """What leaves the payer's account, in tyiyn."""
        return self.details.amount + self.details.fee

    def lapsed(self, now: int) -> bool:
        """Tell whether it was never confirmed and cannot be any more."""
        return self.state is PaymentState.PREPARED and now >= self.expires_at


def authorization_of(payment_id: bytes) -> bytes:
    """Return the id of the authorisation that holds a payment's total."""
    return derived_id(payment_id, "authorization")


def evolve(payment: Payment | None, change: Change, recorded_at: int) -> Payment:
    """Return the payment after one more of its events."""
    event = change.event
    if isinstance(event, PaymentPrepared):
        return Payment(
            payment_id=change.originator_id,
            details=event.details,
            rules=event.rules,
            expires_at=event.expires_at,
            created_at=recorded_at,
            updated_at=recorded_at,
        )
    if payment is None:
        raise ValueError(f"{event.TOPIC} is not the first event of a payment")
    changed: dict[str, object]
    match event:
        case PaymentConfirmed():
            changed = {"state": PaymentState.PROCESSING}
        case ProviderAsked():
            changed = {"attempts": event.attempt, "asked_at": recorded_at}
        case PaymentUnresolved():
            changed = {"state": PaymentState.UNRESOLVED}
        case PaymentSucceeded() | PaymentFailed():
            state = PaymentState.SUCCEEDED if isinstance(event, PaymentSucceeded) else PaymentState.FAILED
            changed = {
                "state": state,
                "decided_by": event.by,
                "provider_reference": event.provider_reference,
                "explanation": event.explanation,
            }
        case PaymentRefunded():
            changed = {"refunded": payment.refunded + event.amount, "fee_refunded": payment.fee_refunded + event.fee}
        case _:
            raise ValueError(f"{event.TOPIC} is not an event of a payment")
    return msgspec.structs.replace(payment, version=change.version, updated_at=recorded_at, **changed)
