"""QR codes by which customers are paid: issued by this ledger, for one of the customer's own cards.

The code holds an opaque id and no card number, phone number or account: who is paid stands in the log. Its hash shows
that it was not damaged, not who made it, and whoever edits a code can hash it again. So a code is only a question: what
it says is compared with what was issued, and a code that says anything else pays nobody.

A static code is good as often as people pay by it. A dynamic one is for one transfer: confirming the transfer claims
provider and transaction id. Paying a merchant by a dynamic code claims them together with the merchant, so that a code
which somebody made up uses up nobody else's.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Self
from uuid import UUID

import msgspec
from pydantic import BaseModel, ConfigDict, Field, model_validator

from domain.card import usable
from domain.claim import Claim
from domain.command import Amount, Command, Reference
from domain.event import Change, Context, Event
from domain.ids import claim_id, key_of
from domain.qr import QrCode, QrFormat
from domain.refusals import Reason, Refusal, invalid, refuse

if TYPE_CHECKING:
    from domain.books import Books

QR_CLAIM: Final = "qr_transaction"
"""The kind of claim that makes a dynamic code good for one payment or transfer."""
SERVICE_CODE: Final = "p2p"
"""What tag 32.01 of a code of this ledger says: that it asks for a transfer."""
ID_LENGTH: Final = 22
MAX_PROVIDER: Final = 24
"""Provider, recipient and transaction must fit into the 99 characters of tag 32."""

PROVIDER: Final = rf"^[A-Za-z0-9.-]{{1,{MAX_PROVIDER}}}$"
Provider = Annotated[str, Field(pattern=PROVIDER)]


class TransferQrIssued(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A customer was given a code that asks for a transfer to a card. An ``amount`` of 0 is left to the payer."""

    TOPIC: ClassVar[str] = "transfer_qr.issued.v1"

    customer: UUID
    card: UUID
    provider: str
    dynamic: bool = False
    amount: int = 0
    amount_editable: bool = False
    fingerprint: str = ""


class TransferQr(msgspec.Struct, frozen=True):
    """A code that was issued."""

    qr_id: bytes
    customer: bytes
    card: bytes
    provider: str
    dynamic: bool
    amount: int
    amount_editable: bool
    created_at: int

    @property
    def transaction(self) -> str:
        """What makes a dynamic code one of its kind; empty for a static one."""
        return key_of("transfer", self.provider, write_id(self.qr_id)) if self.dynamic else ""

    def code(self, name: str) -> QrCode:
        """Return what the code says, with the name that is shown to the payer."""
        return QrCode(
            format=QrFormat.ELQR,
            dynamic=self.dynamic,
            amount_tyiyn=self.amount,
            amount_editable=self.amount_editable or not self.amount,
            provider_id=self.provider,
            service_code=SERVICE_CODE,
            recipient_id=write_id(self.qr_id),
            transaction_id=write_id(self.qr_id) if self.dynamic else "",
            merchant_name=name,
        )


def evolve(state: TransferQr | None, change: Change, recorded_at: int) -> TransferQr:
    """Return the code that was issued."""
    event = change.event
    if state is not None or not isinstance(event, TransferQrIssued):
        raise ValueError(f"{event.TOPIC} is not the only event of a code")
    return TransferQr(
        qr_id=change.originator_id,
        customer=event.customer.bytes,
        card=event.card.bytes,
        provider=event.provider,
        dynamic=event.dynamic,
        amount=event.amount,
        amount_editable=event.amount_editable,
        created_at=recorded_at,
    )


def write_id(value: bytes) -> str:
    """Return an id in the 22 characters it has in a code."""
    return urlsafe_b64encode(value).decode().rstrip("=")


def read_id(text: str) -> bytes | None:
    """Return the id that a code holds, None for anything that ``write_id`` does not write."""
    if len(text) != ID_LENGTH or not text.isascii():
        return None
    try:
        value = urlsafe_b64decode(f"{text}==")
    except ValueError:
        return None
    return value if write_id(value) == text else None


def used(books: "Books", transaction: str) -> bool:
    """Tell whether a dynamic code was paid; a static one, without a key, never is."""
    return bool(transaction) and isinstance(books.aggregate(claim_id(QR_CLAIM, transaction)), Claim)


class ScannedQr(BaseModel):
    """What a scanned code says of a transfer: compared with what was issued. The rest of it only people read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Reference
    recipient: Reference
    transaction: Reference = ""
    dynamic: bool = False
    amount: int = 0
    amount_editable: bool = False
    recipient_editable: bool = False

    @classmethod
    def of(cls, code: QrCode) -> Self:
        """Return what matters of a code."""
        return cls(
            provider=code.provider_id,
            recipient=code.recipient_id,
            transaction=code.transaction_id,
            dynamic=code.dynamic,
            amount=code.amount_tyiyn,
            amount_editable=code.amount_editable,
            recipient_editable=code.recipient_editable,
        )

    def issued(self, books: "Books") -> TransferQr | Refusal:
        """Return the code as this ledger issued it. Guards in order: it was issued, it says what it said then."""
        qr_id = read_id(self.recipient)
        issued = None if qr_id is None else books.aggregate(qr_id)
        if not isinstance(issued, TransferQr) or issued.provider != self.provider:
            return refuse(Reason.TRANSFER_QR_NOT_FOUND)
        if self != ScannedQr.of(issued.code("")):
            return refuse(Reason.QR_ALTERED, transfer_qr_id=UUID(bytes=issued.qr_id))
        return issued


def payable(issued: TransferQr, amount: int | None) -> int | Refusal:
    """Return what is transferred by a code when the payer names an amount, or names none.

    Guards in order: a code without an amount leaves it to the payer; an amount that may not be edited is kept.
    """
    if not issued.amount:
        return amount or invalid("amount_tyiyn", "MISSING", "is required: the code leaves it to the payer")
    if amount in (None, issued.amount):
        return issued.amount
    if not issued.amount_editable:
        return refuse(
            Reason.QR_AMOUNT_NOT_EDITABLE, transfer_qr_id=UUID(bytes=issued.qr_id), amount_tyiyn=issued.amount
        )
    return amount or issued.amount


class IssueTransferQr(Command):
    """Give a customer a code that asks for a transfer to a card of theirs."""

    NAME: ClassVar[str] = "issue_transfer_qr"

    customer_id: UUID
    card_id: UUID
    provider: Provider
    dynamic: bool = False
    amount_tyiyn: Amount | None = None
    amount_editable: bool = False

    @model_validator(mode="after")
    def _amount(self) -> Self:
        if self.amount_tyiyn is None and self.dynamic:
            raise ValueError("a dynamic code asks for an amount")
        return self

    def needs(self) -> tuple[bytes, ...]:
        return (self.card_id.bytes, self.customer_id.bytes)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Issue the code under the request's own id, if the card is the customer's and usable."""
        recipient = usable(books, self.card_id.bytes, self.customer_id.bytes, context.now)
        if isinstance(recipient, Refusal):
            return recipient
        event = TransferQrIssued(
            customer=self.customer_id,
            card=self.card_id,
            provider=self.provider,
            dynamic=self.dynamic,
            amount=self.amount_tyiyn or 0,
            amount_editable=self.amount_editable and self.amount_tyiyn is not None,
            fingerprint=self.fingerprint(),
        )
        return [Change(context.request_id, 1, event)]
