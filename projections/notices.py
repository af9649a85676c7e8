"""What is told of each kind of event, and about whose account: one table, ``NOTICES``.

What is told follows from the event and from what the log said up to it, never from what came later in the same batch.
Who is told of an account stands in ``projections.addresses``; here only those events name them that are told to
somebody in particular.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

from domain.authorization import (
    AuthorizationAdvised,
    AuthorizationAmountReplaced,
    AuthorizationApproved,
    AuthorizationCaptured,
    AuthorizationDeclined,
    AuthorizationExpired,
    AuthorizationIncremented,
    AuthorizationPartlyReversed,
    AuthorizationReversed,
    Details,
    ForcePosted,
    RefundPosted,
)
from domain.binding import HOLD_KIND, CardBindingMissed
from domain.bulk import BulkLegReversed
from domain.card import CardBlocked, CardBound, CardClosed, CardReportedLost, CardUnblocked, CardUnbound
from domain.crossing import TransferReceived, TransferReturned, TransferSent
from domain.event import Event
from domain.payment import Details as PaymentDetails
from domain.payment import Payment, PaymentFailed, PaymentRefunded, PaymentSucceeded, PaymentUnresolved
from domain.ports import Row
from domain.token import (
    Actor,
    Cause,
    TokenActivated,
    TokenDeactivated,
    TokenRequested,
    TokenResumed,
    TokenSuspended,
)
from domain.transfer import TransferPosted, TransferReversed, fees, payee
from projections.addresses import Addresses, CardAddress, Recipient
from projections.answers import Channel, NoticeKind

VERIFICATIONS: Final = frozenset({HOLD_KIND, "account_verification"})
"""Kinds of holds whose amount is a secret: who can name it holds the card."""
PAYMENTS: Final = frozenset({"qr_payment", "service_payment", "top_up", "pos_payment"})
"""Kinds of transfers that pay somebody for something."""


class Draft(NamedTuple):
    """A notice before it is known who is told: those of the account, or those in ``to``."""

    kind: NoticeKind
    account: int
    amount: int = 0
    fee: int = 0
    counterparty: int = 0
    category: str = ""
    merchant: str = ""
    card: bytes = b""
    to: tuple[Recipient, ...] | None = None


class Told(NamedTuple):
    """An event as the table of notices sees it; ``details`` are those of the authorisation it belongs to."""

    row: Row
    event: Any
    details: Details | None
    addresses: Addresses
    payment: Payment | None = None
    """The payment whose event it is."""
    payer: str = ""
    """The name that the payer of its credit file is shown by."""


def _transfer(told: Told) -> Iterator[Draft]:
    event: TransferPosted = told.event
    to = payee(event)
    fee = sum(leg.amount for leg in fees(event))
    if event.credit_file is None:  # Who pays a file has its figures, and is not told of every line.
        yield Draft(sent(event.kind), event.debit_account, event.amount, fee, to, event.kind)
    yield Draft(received(event.kind), to, event.amount, 0, event.debit_account, event.kind, told.payer)


@lru_cache(1_000)
def sent(kind: str) -> NoticeKind:
    """Return what a transfer of this kind is to who pays."""
    if kind in PAYMENTS:
        return NoticeKind.PAYMENT_MADE
    return NoticeKind.TRANSFER_SENT if kind.startswith("transfer") else NoticeKind.MONEY_OUT


@lru_cache(1_000)
def received(kind: str) -> NoticeKind:
    """Return what a transfer of this kind is to who is paid."""
    match kind:
        case "salary":
            return NoticeKind.SALARY_CREDITED
        case "pension":
            return NoticeKind.PENSION_CREDITED
        case _:
            return NoticeKind.MONEY_IN


def _transfer_reversed(told: Told) -> Iterator[Draft]:
    for leg in told.event.legs:
        yield Draft(NoticeKind.MONEY_OUT, leg.debit_account, leg.amount, 0, leg.credit_account, leg.kind)
        yield Draft(NoticeKind.MONEY_IN, leg.credit_account, leg.amount, 0, leg.debit_account, leg.kind)


def _transfer_sent(told: Told) -> Iterator[Draft]:
    event: TransferSent = told.event
    yield Draft(sent(event.kind), event.debit_account, event.amount, 0, event.credit_account, event.kind)


def _transfer_received(told: Told) -> Iterator[Draft]:
    event: TransferReceived = told.event
    yield Draft(received(event.kind), event.credit_account, event.amount, 0, event.debit_account, event.kind)


def _transfer_returned(told: Told) -> Iterator[Draft]:
    for leg in told.event.legs:
        yield Draft(NoticeKind.MONEY_IN, leg.credit_account, leg.amount, 0, leg.debit_account, leg.kind)


def _of_payment(details: Details | None) -> bool:
    """Tell whether an authorisation holds the total of a payment, which is told by its own events (row S21)."""
    return isinstance(details, AuthorizationApproved) and details.payment is not None


def _approved(told: Told) -> Iterator[Draft]:
    details: Details = told.event
    if _of_payment(details):
        return
    if details.kind in VERIFICATIONS:
        yield from _verification(told, details)
    else:
        yield from _held(told)


def _verification(told: Told, details: Details) -> Iterator[Draft]:
    """Tell the amount to whoever has the telephone that the bank knows, and to no application (row S10)."""
    if details.card is not None:
        card = told.addresses.card(details.card.bytes)
        yield Draft(
            NoticeKind.VERIFICATION_HOLD,
            details.account,
            details.amount,
            category=details.kind,
            card=card.card_id,
            to=card.bank(),
        )


def _held(told: Told) -> Iterator[Draft]:
    yield from _of_hold(told, NoticeKind.HOLD_PLACED, told.event.amount)


def _partly_released(told: Told) -> Iterator[Draft]:
    yield from _of_hold(told, NoticeKind.HOLD_RELEASED, told.event.amount)


def _reversed(told: Told) -> Iterator[Draft]:
    if not _of_payment(told.details):
        yield from _expired(told)


def _expired(told: Told) -> Iterator[Draft]:
    yield from _of_hold(told, NoticeKind.HOLD_RELEASED, told.event.released)


def _of_hold(told: Told, kind: NoticeKind, amount: int) -> Iterator[Draft]:
    details = told.details
    if details is None:
        raise ValueError(f"the authorisation of {told.event.TOPIC} at position {told.row.position} is not known")
    if amount and details.kind not in VERIFICATIONS:
        yield Draft(
            kind,
            details.account,
            amount,
            counterparty=details.credit_account,
            category=details.kind,
            merchant=details.merchant_name,
            card=b"" if details.card is None else details.card.bytes,
        )


def _replaced(told: Told) -> Iterator[Draft]:
    yield from _of_hold(told, NoticeKind.HOLD_CHANGED, told.event.total)


def _declined(told: Told) -> Iterator[Draft]:
    """Tell a declined tap to whoever holds the phone; why it was declined is the terminal's to say."""
    event: AuthorizationDeclined = told.event
    if event.token is not None and event.card is not None:
        card = told.addresses.card(event.card.bytes)
        yield Draft(
            NoticeKind.PAYMENT_DECLINED,
            event.account,
            event.amount,
            counterparty=event.credit_account,
            category=event.kind,
            merchant=event.merchant_name,
            card=card.card_id,
            to=((card.customer, Channel.PUSH),),
        )


def _captured(told: Told) -> Iterator[Draft]:
    event: AuthorizationCaptured = told.event
    details = told.details
    if _of_payment(details):
        return
    kind, merchant = ("capture", "") if details is None else (details.kind, details.merchant_name)
    first = event.legs[0]
    yield Draft(NoticeKind.PAYMENT_MADE, event.account, event.amount, 0, first.credit_account, kind, merchant)


def _force_posted(told: Told) -> Iterator[Draft]:
    event: ForcePosted = told.event
    first = event.legs[0]
    yield Draft(
        NoticeKind.PAYMENT_MADE, event.account, event.amount, 0, first.credit_account, first.kind, event.merchant_name
    )


def _refunded(told: Told) -> Iterator[Draft]:
    event: RefundPosted = told.event
    if _of_payment(told.details):
        return
    merchant = event.merchant_name or (told.details.merchant_name if told.details else "")
    yield Draft(NoticeKind.MONEY_IN, event.account, event.amount, 0, event.legs[0].debit_account, "refund", merchant)


def _payment(kind: NoticeKind) -> Callable[[Told], Iterable[Draft]]:
    def make(told: Told) -> Iterator[Draft]:
        details = _paid(told).details
        yield _payment_draft(details, kind, details.amount, details.fee, details.operation.value)

    return make


def _payment_refunded(told: Told) -> Iterator[Draft]:
    event: PaymentRefunded = told.event
    yield _payment_draft(_paid(told).details, NoticeKind.MONEY_IN, event.amount + event.fee, 0, "refund")


def _paid(told: Told) -> Payment:
    if told.payment is None:
        raise ValueError(f"the payment of {told.event.TOPIC} at position {told.row.position} is not known")
    return told.payment


def _payment_draft(details: PaymentDetails, kind: NoticeKind, amount: int, fee: int, category: str) -> Draft:
    return Draft(
        kind,
        details.account,
        amount,
        fee,
        details.credit_account,
        category,
        details.payee_name,
        details.card.bytes,
    )


def _bound(told: Told) -> Iterator[Draft]:
    event: CardBound = told.event
    card = told.addresses.card(told.row.originator_id)
    # The application is told that it has a card; whoever has held the card all along hears of it from the bank.
    to = ((event.customer.bytes, Channel.PUSH), *card.bank())
    yield Draft(NoticeKind.CARD_BOUND, card.account, card=card.card_id, to=to)


def _unbound(told: Told) -> Iterator[Draft]:
    event: CardUnbound = told.event
    card = told.addresses.card(told.row.originator_id)
    yield Draft(NoticeKind.CARD_UNBOUND, card.account, card=card.card_id, to=((event.customer.bytes, Channel.PUSH),))


def _missed(told: Told) -> Iterator[Draft]:
    event: CardBindingMissed = told.event
    if event.tries_left == 0:
        binding = told.addresses.binding(told.row.originator_id)
        card = told.addresses.card(binding.card_id)
        to = ((binding.customer, Channel.PUSH), *card.bank())
        yield Draft(NoticeKind.CARD_BINDING_LOCKED, card.account, card=card.card_id, to=to)


def _card(kind: NoticeKind) -> Callable[[Told], Iterable[Draft]]:
    def make(told: Told) -> Iterator[Draft]:
        card = told.addresses.card(told.row.originator_id)
        yield Draft(kind, card.account, card=card.card_id, to=card.owner())

    return make


def _token(kind: NoticeKind) -> Callable[[Told], Iterable[Draft]]:
    def make(told: Told) -> Iterator[Draft]:
        card = _card_of_token(told)
        yield Draft(kind, card.account, card=card.card_id, to=card.owner())

    return make


def _card_of_token(told: Told) -> CardAddress:
    event = told.event
    named = event.card.bytes if isinstance(event, TokenRequested) else told.addresses.token(told.row.originator_id)
    return told.addresses.card(named)


_suspended, _resumed, _deactivated = (
    _token(kind) for kind in (NoticeKind.TOKEN_SUSPENDED, NoticeKind.TOKEN_RESUMED, NoticeKind.TOKEN_DEACTIVATED)
)


def _token_suspended(told: Told) -> Iterable[Draft]:
    return () if _with_its_card(told) else _suspended(told)


def _token_resumed(told: Told) -> Iterable[Draft]:
    return () if _with_its_card(told) else _resumed(told)


def _with_its_card(told: Told) -> bool:
    """Tell whether a token follows its card: nobody asked for that, and the card's own notice says it."""
    event: TokenSuspended | TokenResumed = told.event
    return event.by is Actor.ISSUER and not event.fingerprint


def _token_deactivated(told: Told) -> Iterable[Draft]:
    event: TokenDeactivated = told.event
    return () if event.cause in (Cause.CARD_CLOSED, Cause.CARD_UNBOUND) else _deactivated(told)


NOTICES: Final[dict[type[Event], Callable[[Told], Iterable[Draft]]]] = {
    TransferPosted: _transfer,
    BulkLegReversed: _transfer_reversed,
    TransferReversed: _transfer_reversed,
    TransferSent: _transfer_sent,
    TransferReceived: _transfer_received,
    TransferReturned: _transfer_returned,
    AuthorizationApproved: _approved,
    AuthorizationAdvised: _approved,
    AuthorizationIncremented: _held,
    AuthorizationPartlyReversed: _partly_released,
    AuthorizationAmountReplaced: _replaced,
    AuthorizationReversed: _reversed,
    AuthorizationExpired: _expired,
    AuthorizationCaptured: _captured,
    AuthorizationDeclined: _declined,
    ForcePosted: _force_posted,
    RefundPosted: _refunded,
    PaymentSucceeded: _payment(NoticeKind.PAYMENT_MADE),
    PaymentFailed: _payment(NoticeKind.PAYMENT_FAILED),
    PaymentUnresolved: _payment(NoticeKind.PAYMENT_UNRESOLVED),
    PaymentRefunded: _payment_refunded,
    CardBound: _bound,
    CardUnbound: _unbound,
    CardBindingMissed: _missed,
    CardBlocked: _card(NoticeKind.CARD_BLOCKED),
    CardUnblocked: _card(NoticeKind.CARD_UNBLOCKED),
    CardReportedLost: _card(NoticeKind.CARD_LOST),
    CardClosed: _card(NoticeKind.CARD_CLOSED),
    TokenRequested: _token(NoticeKind.TOKEN_REQUESTED),
    TokenActivated: _token(NoticeKind.TOKEN_ACTIVATED),
    TokenSuspended: _token_suspended,
    TokenResumed: _token_resumed,
    TokenDeactivated: _token_deactivated,
}
"""What is told of each kind of event. Of the others nothing is."""
