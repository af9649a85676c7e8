"""Making a quote and confirming it: resolve, quote, confirm."""

from typing import TYPE_CHECKING, ClassVar, Final
from uuid import UUID

import msgspec

from domain.card import usable
from domain.claim import claim
from domain.command import Amount, Command
from domain.event import Change, Context
from domain.limits import Spending, limit_refusal
from domain.quote import Quote, QuoteConfirmed, QuoteCreated
from domain.recipient import Recipient, ToCard, ToPhone, ToQr, Way, by_qr, open_for_credits
from domain.refusals import Reason, Refusal, invalid, refuse
from domain.routing import Banks, banks, way
from domain.times import SECOND
from domain.transfer import CreateTransfer
from domain.transfer_qr import QR_CLAIM, TransferQr, payable, used

if TYPE_CHECKING:
    from domain.books import Books


class CreateQuote(Command):
    """Tell what a transfer from a customer's card costs. ``amount_tyiyn`` is None where a QR code says it."""

    NAME: ClassVar[str] = "create_quote"

    customer_id: UUID
    card_id: UUID
    recipient: Way
    amount_tyiyn: Amount | None = None

    def needs(self) -> tuple[bytes, ...]:
        return (self.card_id.bytes, self.customer_id.bytes)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: the payer's card, the recipient, the amount, not oneself, both banks, the currency."""
        payer = usable(books, self.card_id.bytes, self.customer_id.bytes, context.now)
        if isinstance(payer, Refusal):
            return payer
        card, _ = payer
        recipient = self.recipient.find(books, context.now)
        if isinstance(recipient, Refusal):
            return recipient
        if used(books, recipient.transaction):
            return refuse(Reason.QR_USED, transfer_qr_id=recipient.qr)
        amount = self._amount(books)
        if isinstance(amount, Refusal):
            return amount
        if recipient.card == self.card_id or recipient.account == card.account:
            return refuse(Reason.RECIPIENT_IS_PAYER, card_id=self.card_id)
        participant, currency = books.facts(card.account) or ("", "")
        recipient_participant, recipient_currency = books.facts(recipient.account) or ("", "")
        between = banks(books, participant, recipient_participant)
        if isinstance(between, Refusal):
            return between
        if currency != recipient_currency:
            return refuse(Reason.CURRENCY_MISMATCH)
        rules = books.rules.at(context.now)
        operation = self.recipient.operation
        event = QuoteCreated(
            operation=operation,
            customer=self.customer_id,
            card=self.card_id,
            account=card.account,
            participant=participant,
            recipient=recipient,
            recipient_participant=recipient_participant,
            amount=amount,
            fee=rules.fee(operation, amount, interbank=between.interbank, participant=participant),
            currency=currency,
            rules=rules.version,
            expires_at=context.now + context.policy.quote_ttl_seconds * SECOND,
            fingerprint=self.fingerprint(),
            inputs=self.inputs("recipient", "amount_tyiyn"),
        )
        return [Change(context.request_id, 1, event)]

    def _amount(self, books: "Books") -> int | Refusal:
        if isinstance(self.recipient, ToQr):
            issued = self.recipient.code.issued(books)
            return issued if isinstance(issued, Refusal) else payable(issued, self.amount_tyiyn)
        return self.amount_tyiyn or invalid("amount_tyiyn", "MISSING", "is required")


class ConfirmQuote(Command):
    """Make the transfer that was quoted. The request's id becomes the transfer's."""

    NAME: ClassVar[str] = "confirm_quote"

    quote_id: UUID
    customer_id: UUID

    def needs(self) -> tuple[bytes, ...]:
        return (self.quote_id.bytes, self.customer_id.bytes)

    def touched_accounts(self, books: "Books") -> tuple[int, ...]:
        """Return the account money would leave first. Settlement accounts have no bound to look at."""
        quote = books.aggregate(self.quote_id.bytes)
        return (quote.account,) if isinstance(quote, Quote) else ()

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: the quote is this customer's, unused, in time; payer; recipient; limits; banks; funds."""
        quote = books.aggregate(self.quote_id.bytes)
        if not isinstance(quote, Quote) or quote.customer != self.customer_id.bytes:
            return refuse(Reason.QUOTE_NOT_FOUND, quote_id=self.quote_id)
        if quote.transfer is not None:
            return refuse(Reason.QUOTE_USED, quote_id=self.quote_id, transfer_id=UUID(bytes=quote.transfer))
        if context.now >= quote.expires_at:
            return refuse(Reason.QUOTE_EXPIRED, quote_id=self.quote_id)
        payer = usable(books, quote.card, quote.customer, context.now)
        if isinstance(payer, Refusal):
            return payer
        refusal = self._changed(books, quote, context.now)
        if refusal is not None:
            return refusal
        _, customer = payer
        spending = Spending(
            operation=quote.operation,
            amount=quote.amount,
            customer=self.customer_id,
            card=UUID(bytes=quote.card),
            rules=books.rules.at(context.now).version,
        )
        refusal = limit_refusal(books, spending, customer.tier, context.now)
        if refusal is not None:
            return refusal
        between = banks(books, quote.participant, quote.recipient_participant)
        if isinstance(between, Refusal):
            return between
        transfer = _transfer(quote, between, context.request_id)
        refusal = transfer.guard(books, context)
        if refusal is not None:
            return refusal
        return self._changes(quote, transfer, spending)

    def _changed(self, books: "Books", quote: Quote, now: int) -> Refusal | None:
        """Return what has become of the recipient since the quote, None when nothing has."""
        recipient = quote.recipient
        found = _again(books, quote, now)
        if isinstance(found, Refusal):
            return refuse(Reason.QUOTE_STALE, quote_id=self.quote_id) if found.reason in _GONE else found
        if found != recipient:
            return refuse(Reason.QUOTE_STALE, quote_id=self.quote_id)
        if used(books, recipient.transaction):
            return refuse(Reason.QR_USED, transfer_qr_id=recipient.qr)
        return None

    def _changes(self, quote: Quote, transfer: CreateTransfer, spending: Spending) -> list[Change]:
        posted = msgspec.structs.replace(transfer.posted(), quote=self.quote_id, fingerprint=self.fingerprint())
        confirmed = QuoteConfirmed(transfer=UUID(bytes=transfer.request_id), spending=spending)
        changes = [
            Change(transfer.request_id, 1, posted),
            Change(quote.quote_id, quote.version + 1, confirmed),
        ]
        if quote.recipient.transaction:
            key = quote.recipient.transaction
            changes.append(claim(QR_CLAIM, key, holder=transfer.request_id, amount=quote.amount))
        return changes


_GONE: Final = (Reason.ALIAS_NOT_FOUND, Reason.RECIPIENT_NOT_FOUND, Reason.TRANSFER_QR_NOT_FOUND)


def _again(books: "Books", quote: Quote, now: int) -> Recipient | Refusal:
    """Find a quote's recipient once more, in the way in which it was found."""
    recipient = quote.recipient
    if recipient.alias is not None:
        return ToPhone(alias_id=recipient.alias).find(books, now)
    if recipient.qr is not None:
        issued = books.aggregate(recipient.qr.bytes)
        return by_qr(books, issued, now) if isinstance(issued, TransferQr) else refuse(Reason.TRANSFER_QR_NOT_FOUND)
    if recipient.card is not None:
        return ToCard(card_id=recipient.card).find(books, now)
    return open_for_credits(books, recipient)


def _transfer(quote: Quote, between: Banks, transfer_id: bytes) -> CreateTransfer:
    """Return the movement with all its legs."""
    to, kind = quote.recipient.account, quote.operation.value
    first, *others = way(between, quote.account, to, quote.amount, kind, quote.fee)
    return CreateTransfer(
        transfer_id, first.debit_account, first.credit_account, first.amount, quote.currency, kind, legs=tuple(others)
    )
