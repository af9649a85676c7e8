"""Quotes: what a transfer will cost and whom it reaches, good for some minutes and for one transfer.

A transfer for a customer is made in two steps. The first finds the recipient and the fee, and keeps both here; the
second, with the quote's id alone, moves the money that was shown, or none. Everything that can change in between is
looked at again: who the phone number leads to, both cards, limits and funds. The fee cannot: it was promised.

The commands stand in ``domain.quoting``.
"""

from typing import Any, ClassVar
from uuid import UUID

import msgspec

from domain.event import Change, Event
from domain.limits import Spending
from domain.recipient import Recipient
from domain.rules import Operation


class QuoteCreated(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A customer was told what a transfer of ``amount`` costs: ``fee`` under the rules of version ``rules``.

    ``customer``, ``card``, ``account`` and ``participant`` are the payer's. Both participants are banks. ``inputs`` is
    how the recipient and the amount were named.
    """

    TOPIC: ClassVar[str] = "quote.created.v1"

    operation: Operation
    customer: UUID
    card: UUID
    account: int
    participant: str
    recipient: Recipient
    recipient_participant: str
    amount: int
    fee: int
    currency: str
    rules: str
    expires_at: int
    fingerprint: str = ""
    inputs: dict[str, Any] = {}


class QuoteConfirmed(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The transfer was made as quoted. It counts against the customer's limits as ``spending`` says."""

    TOPIC: ClassVar[str] = "quote.confirmed.v1"

    transfer: UUID
    spending: Spending


class Quote(msgspec.Struct, frozen=True):
    """A quote, and the transfer that used it up."""

    quote_id: bytes
    operation: Operation
    customer: bytes
    card: bytes
    account: int
    participant: str
    recipient: Recipient
    recipient_participant: str
    amount: int
    fee: int
    currency: str
    rules: str
    expires_at: int
    created_at: int
    updated_at: int
    version: int = 1
    transfer: bytes | None = None
    spending: Spending | None = None

    @property
    def interbank(self) -> bool:
        """Tell whether the money goes from one bank to another."""
        return self.participant != self.recipient_participant


def evolve(quote: Quote | None, change: Change, recorded_at: int) -> Quote:
    """Return the quote after one more of its events."""
    match change.event:
        case QuoteCreated() as event if quote is None:
            return Quote(
                quote_id=change.originator_id,
                operation=event.operation,
                customer=event.customer.bytes,
                card=event.card.bytes,
                account=event.account,
                participant=event.participant,
                recipient=event.recipient,
                recipient_participant=event.recipient_participant,
                amount=event.amount,
                fee=event.fee,
                currency=event.currency,
                rules=event.rules,
                expires_at=event.expires_at,
                created_at=recorded_at,
                updated_at=recorded_at,
            )
        case QuoteConfirmed() as event if quote is not None:
            return msgspec.structs.replace(
                quote,
                version=change.version,
                updated_at=recorded_at,
                transfer=event.transfer.bytes,
                spending=event.spending,
            )
        case event:
            raise ValueError(f"{event.TOPIC} is not the next event of a quote")
