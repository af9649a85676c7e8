"""Cards: issued by a bank, blocked, lost, replaced, renewed, closed, and bound to a customer.

A card's id is the request id of its issue. Its number stands in no event: the vault keeps it, and whoever asks for a
decision has looked there beforehand. An event holds the masked number and the payment account reference (PAR), which
is random and so tells nothing of the number. What a card refers to beside itself (the customer's set of bound cards,
its tokens) changes in the same append.

The commands stand in ``domain.card_commands``; binding a card to a customer in ``domain.binding``.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple
from uuid import UUID

import msgspec

from domain.customer import Customer, Tier
from domain.event import Change, Event
from domain.pan import expired
from domain.refusals import Reason, Refusal, refuse
from domain.times import DAY

if TYPE_CHECKING:
    from domain.books import Books

REMEMBERED_HOLDS: Final = 5
"""How many of a card's last verification holds are remembered, so that no amount comes again soon."""
SESSION_MEMORY: Final = 30 * DAY
"""For how many microseconds a card remembers when a binding was begun."""


class Status(StrEnum):
    """Whether a card can be used, or why not."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    LOST = "lost"
    STOLEN = "stolen"
    CLOSED = "closed"


class Loss(StrEnum):
    """How a card was lost."""

    LOST = "lost"
    STOLEN = "stolen"


class UnboundBy(StrEnum):
    """Who took a card from its customer."""

    CUSTOMER = "customer"
    BANK = "bank"


class CardIssued(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A bank made a card known. It is valid through the last day of ``expires`` (year * 100 + month)."""

    TOPIC: ClassVar[str] = "card.issued.v1"

    participant: str
    account: int
    masked: str
    expires: int
    par: str
    reference: str = ""
    fingerprint: str = ""


class CardBlocked(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A card was blocked until it is unblocked."""

    TOPIC: ClassVar[str] = "card.blocked.v1"

    explanation: str = ""
    fingerprint: str = ""


class CardUnblocked(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A block was lifted."""

    TOPIC: ClassVar[str] = "card.unblocked.v1"

    explanation: str = ""
    fingerprint: str = ""


class CardReportedLost(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A card was lost or stolen. It is never used again; another may take its place."""

    TOPIC: ClassVar[str] = "card.reported_lost.v1"

    how: Loss
    explanation: str = ""
    fingerprint: str = ""


class CardReplaced(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The card ``by`` took the place of a lost or stolen one, with its customer."""

    TOPIC: ClassVar[str] = "card.replaced.v1"

    by: UUID
    fingerprint: str = ""


class CardRenewed(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A card got a later expiry; its number stayed."""

    TOPIC: ClassVar[str] = "card.renewed.v1"

    expires: int
    fingerprint: str = ""


class CardClosed(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A card was closed for good."""

    TOPIC: ClassVar[str] = "card.closed.v1"

    explanation: str = ""
    fingerprint: str = ""


class CardNotificationsSet(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Messages about a card were subscribed to by SMS, or not any more."""

    TOPIC: ClassVar[str] = "card.notifications_set.v1"

    sms: bool
    fingerprint: str = ""


class CardBindingOpened(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A customer began to bind a card; ``hold`` is the authorisation that holds the amount to be named."""

    TOPIC: ClassVar[str] = "card.binding_opened.v1"

    binding: UUID
    customer: UUID
    hold: UUID


class CardBound(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A card became a customer's: by ``binding``, or as the replacement of the lost card ``replaces``."""

    TOPIC: ClassVar[str] = "card.bound.v1"

    customer: UUID
    binding: UUID | None = None
    replaces: UUID | None = None


class CardUnbound(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A card is no customer's any more."""

    TOPIC: ClassVar[str] = "card.unbound.v1"

    customer: UUID
    by: UnboundBy
    fingerprint: str = ""


class CardTokensLinked(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """These tokens stand for the card from now on."""

    TOPIC: ClassVar[str] = "card.tokens_linked.v1"

    tokens: tuple[UUID, ...]


class CardTokensUnlinked(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """These tokens stand for the card no more."""

    TOPIC: ClassVar[str] = "card.tokens_unlinked.v1"

    tokens: tuple[UUID, ...]


class Session(NamedTuple):
    """A binding that was begun, and when."""

    binding: bytes
    at: int


class Card(msgspec.Struct, frozen=True):
    """A card as its events tell it."""

    card_id: bytes
    participant: str
    account: int
    masked: str
    expires: int
    """Valid through the last day of this month, ``year * 100 + month``."""
    par: str
    reference: str
    created_at: int
    updated_at: int
    version: int = 1
    status: Status = Status.ACTIVE
    customer: bytes | None = None
    """Whose card it is in the application, once it is bound."""
    binding: bytes | None = None
    """The binding that made it the customer's; None where it took a lost card's place."""
    tokens: tuple[bytes, ...] = ()
    """The tokens that stand for it; they follow what happens to the card."""
    sms: bool = False
    replaced_by: bytes | None = None
    replaces: bytes | None = None
    sessions: tuple[Session, ...] = ()
    """Bindings begun in the last thirty days."""
    holds: tuple[bytes, ...] = ()
    """The last verification holds, newest last."""


def evolve(card: Card | None, change: Change, recorded_at: int) -> Card:
    """Return the card after one more of its events."""
    event = change.event
    if isinstance(event, CardIssued):
        return Card(
            card_id=change.originator_id,
            participant=event.participant,
            account=event.account,
            masked=event.masked,
            expires=event.expires,
            par=event.par,
            reference=event.reference,
            created_at=recorded_at,
            updated_at=recorded_at,
        )
    if card is None:
        raise ValueError(f"{event.TOPIC} before card.issued")
    changed = _changed(card, event, recorded_at)
    return msgspec.structs.replace(card, version=change.version, updated_at=recorded_at, **changed)


def _changed(card: Card, event: Event, recorded_at: int) -> dict[str, Any]:
    match event:
        case CardBlocked():
            return {"status": Status.BLOCKED}
        case CardUnblocked():
            return {"status": Status.ACTIVE}
        case CardReportedLost():
            return {"status": Status(event.how.value)}
        case CardReplaced():
            return {"replaced_by": event.by.bytes, "customer": None, "binding": None}
        case CardRenewed():
            return {"expires": event.expires}
        case CardClosed():
            return {"status": Status.CLOSED}
        case CardNotificationsSet():
            return {"sms": event.sms}
        case CardBindingOpened():
            recent = tuple(session for session in card.sessions if session.at > recorded_at - SESSION_MEMORY)
            return {
                "sessions": (*recent, Session(event.binding.bytes, recorded_at)),
                "holds": (*card.holds, event.hold.bytes)[-REMEMBERED_HOLDS:],
            }
        case CardBound():
            replaces = card.replaces if event.replaces is None else event.replaces.bytes
            binding = None if event.binding is None else event.binding.bytes
            return {"customer": event.customer.bytes, "binding": binding, "replaces": replaces}
        case CardUnbound():
            return {"customer": None, "binding": None}
        case CardTokensLinked():
            return {"tokens": (*card.tokens, *(token.bytes for token in event.tokens))}
        case CardTokensUnlinked():
            gone = {token.bytes for token in event.tokens}
            return {"tokens": tuple(token for token in card.tokens if token not in gone)}
        case _:
            raise ValueError(f"{event.TOPIC} is not an event of a card")


UNUSABLE: Final = {
    Status.BLOCKED: Reason.CARD_BLOCKED,
    Status.LOST: Reason.CARD_LOST,
    Status.STOLEN: Reason.CARD_LOST,
    Status.CLOSED: Reason.CARD_CLOSED,
}
"""Why a card of this status is not used. Lost and stolen look alike: whoever holds the card need not learn more."""


def find(books: "Books", card_id: bytes) -> Card | Refusal:
    """Return a card that exists."""
    card = books.aggregate(card_id)
    return card if isinstance(card, Card) else refuse(Reason.CARD_NOT_FOUND, card_id=UUID(bytes=card_id))


def status_refusal(books: "Books", card: Card, now: int) -> Refusal | None:
    """Return why a card cannot be used by anybody, None when it can. In order: status, expiry."""
    reason = UNUSABLE.get(card.status)
    if reason is None and expired(card.expires, now, books.usage.utc_offset_seconds):
        reason = Reason.CARD_EXPIRED
    return None if reason is None else refuse(reason, card_id=UUID(bytes=card.card_id))


def usable(books: "Books", card_id: bytes, customer_id: bytes, now: int) -> tuple[Card, Customer] | Refusal:
    """Return a card and the customer whose it is, or why that customer may not spend from it.

    Every command that moves money from a card for a customer begins with this (row S13). Guards in order: the card
    exists, is this customer's, is not blocked, lost or closed, has not expired; the customer is not erased and is
    identified.
    """
    card = find(books, card_id)
    if isinstance(card, Refusal):
        return card
    if card.customer != customer_id:
        return refuse(Reason.CARD_NOT_BOUND, card_id=UUID(bytes=card_id))
    refusal = status_refusal(books, card, now)
    if refusal is not None:
        return refusal
    customer = books.aggregate(customer_id)
    if not isinstance(customer, Customer) or customer.erased:
        return refuse(Reason.CUSTOMER_ERASED, customer_id=UUID(bytes=customer_id))
    if customer.tier is Tier.UNIDENTIFIED:
        return refuse(Reason.CUSTOMER_NOT_IDENTIFIED, customer_id=UUID(bytes=customer_id))
    return card, customer


def bound_to(books: "Books", card: Card) -> bytes | None:
    """Return the customer whose card this is; None when it is nobody's, or of somebody who was erased."""
    if card.customer is None:
        return None
    customer = books.aggregate(card.customer)
    return card.customer if isinstance(customer, Customer) and not customer.erased else None
