"""Who a transfer is for: a card, a phone number, a QR code or an account, and the account it comes down to.

A card number and a phone number are looked up in the vault beforehand; what reaches a decision are ids. Whoever pays
does not learn why somebody cannot be paid: blocked, lost and closed look the same from outside.
"""

from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from domain import forms
from domain.account import NUMBER_CLAIM
from domain.alias import find_alias
from domain.card import Card, bound_to, status_refusal
from domain.claim import Claim
from domain.command import ParticipantId
from domain.ids import claim_id
from domain.refusals import Reason, Refusal, refuse
from domain.rules import Operation
from domain.transfer_qr import ScannedQr, TransferQr

if TYPE_CHECKING:
    from domain.books import Books


class Recipient(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Who is paid, as ids only. ``customer`` is whose card it is, where it is somebody's.

    ``alias`` and ``qr`` say by what the card was found; ``transaction`` is the key that a dynamic code uses up.
    """

    account: int
    card: UUID | None = None
    customer: UUID | None = None
    alias: UUID | None = None
    qr: UUID | None = None
    transaction: str = ""


class _Way(BaseModel):
    """A way to name a recipient."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ToCard(_Way):
    """A card by its number, which the vault knows; None where it does not."""

    way: Literal["card"] = "card"
    card_id: UUID | None

    @property
    def operation(self) -> Operation:
        return Operation.TRANSFER_TO_CARD

    def find(self, books: "Books", now: int) -> Recipient | Refusal:
        """Return the recipient: any card that can be paid, whether it is bound or not."""
        card = None if self.card_id is None else books.aggregate(self.card_id.bytes)
        if not isinstance(card, Card):
            return refuse(Reason.RECIPIENT_NOT_FOUND)
        return _card(books, card, now)


class ToPhone(_Way):
    """A phone number, which the vault leads to an alias; None where it does not."""

    way: Literal["phone"] = "phone"
    alias_id: UUID | None

    @property
    def operation(self) -> Operation:
        return Operation.TRANSFER_BY_PHONE

    def find(self, books: "Books", now: int) -> Recipient | Refusal:
        """Return the recipient: the card to which the number leads now."""
        alias = None if self.alias_id is None else find_alias(books, self.alias_id.bytes)
        if alias is None:
            return refuse(Reason.ALIAS_NOT_FOUND)
        found = _own_card(books, alias.card, alias.customer, now)
        return found if isinstance(found, Refusal) else msgspec.structs.replace(found, alias=self.alias_id)


class ToQr(_Way):
    """A code that was scanned."""

    way: Literal["qr"] = "qr"
    code: ScannedQr

    @property
    def operation(self) -> Operation:
        return Operation.TRANSFER_BY_QR

    def find(self, books: "Books", now: int) -> Recipient | Refusal:
        """Return the recipient: the card for which the code was issued."""
        issued = self.code.issued(books)
        return issued if isinstance(issued, Refusal) else by_qr(books, issued, now)


class ToAccount(_Way):
    """An account, by its bank's own number."""

    way: Literal["account"] = "account"
    participant_id: ParticipantId
    account_number: Annotated[str, Field(pattern=forms.whole(forms.ACCOUNT_NUMBER))]

    @property
    def operation(self) -> Operation:
        return Operation.TRANSFER_TO_ACCOUNT

    def find(self, books: "Books", now: int) -> Recipient | Refusal:
        """Return the recipient: a customer's account."""
        found = books.aggregate(claim_id(NUMBER_CLAIM, f"{self.participant_id}/{self.account_number}"))
        if not isinstance(found, Claim) or found.holder is None:
            return refuse(Reason.RECIPIENT_NOT_FOUND)
        account = int.from_bytes(found.holder, "big")
        index = books.accounts.find(account)
        if index < 0 or not books.accounts.is_customer(index):
            return refuse(Reason.RECIPIENT_NOT_FOUND)
        return open_for_credits(books, Recipient(account))


Way = Annotated[ToCard | ToPhone | ToQr | ToAccount, Field(discriminator="way")]


def by_qr(books: "Books", issued: TransferQr, now: int) -> Recipient | Refusal:
    """Return the recipient of a code that was issued."""
    found = _own_card(books, issued.card, issued.customer, now)
    if isinstance(found, Refusal):
        return found
    return msgspec.structs.replace(found, qr=UUID(bytes=issued.qr_id), transaction=issued.transaction)


def _own_card(books: "Books", card_id: bytes, customer: bytes, now: int) -> Recipient | Refusal:
    """Return a card as recipient, if it still is the customer's who is to be paid."""
    card = books.aggregate(card_id)
    if not isinstance(card, Card) or bound_to(books, card) != customer:
        return refuse(Reason.RECIPIENT_UNAVAILABLE)
    return _card(books, card, now)


def _card(books: "Books", card: Card, now: int) -> Recipient | Refusal:
    if status_refusal(books, card, now) is not None:
        return refuse(Reason.RECIPIENT_UNAVAILABLE)
    customer = bound_to(books, card)
    whose = None if customer is None else UUID(bytes=customer)
    return open_for_credits(books, Recipient(card.account, card=UUID(bytes=card.card_id), customer=whose))


def open_for_credits(books: "Books", recipient: Recipient) -> Recipient | Refusal:
    """Return a recipient whose account takes money."""
    index = books.accounts.find(recipient.account)
    if index < 0 or books.accounts.credit_refusal(index) is not None:
        return refuse(Reason.RECIPIENT_UNAVAILABLE)
    return recipient
