"""A customer's wallet: which cards are bound, and which cards the customer lately tried to bind.

It begins with the first try, under an id that follows from the customer's, and changes only together with the card or
the binding that it speaks of. It is what bounds how many cards one customer tries and holds.
"""

from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple
from uuid import UUID

import msgspec

from domain.event import Change, Event
from domain.ids import derived_id
from domain.times import DAY

if TYPE_CHECKING:
    from domain.books import Books

TRY_MEMORY: Final = DAY
"""For how many microseconds a wallet remembers which cards were tried."""


class WalletCardTried(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The customer began to bind a card."""

    TOPIC: ClassVar[str] = "wallet.card_tried.v1"

    customer: UUID
    card: UUID


class WalletCardAdded(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A card was bound to the customer."""

    TOPIC: ClassVar[str] = "wallet.card_added.v1"

    customer: UUID
    card: UUID


class WalletCardRemoved(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A card of the customer was unbound, closed or replaced."""

    TOPIC: ClassVar[str] = "wallet.card_removed.v1"

    customer: UUID
    card: UUID


class Tried(NamedTuple):
    """A card, and when the customer last began to bind it."""

    card: bytes
    at: int


class Wallet(msgspec.Struct, frozen=True):
    """A wallet as its events tell it."""

    customer_id: bytes
    version: int = 0
    cards: tuple[bytes, ...] = ()
    tried: tuple[Tried, ...] = ()

    def tried_since(self, since: int) -> set[bytes]:
        """Return the cards tried after a moment."""
        return {each.card for each in self.tried if each.at > since}


def wallet_id(customer_id: bytes) -> bytes:
    """Return the id of a customer's wallet."""
    return derived_id(customer_id, "wallet")


def find(books: "Books", customer_id: bytes) -> Wallet:
    """Return a customer's wallet, empty where no card was ever tried."""
    found = books.aggregate(wallet_id(customer_id))
    return found if isinstance(found, Wallet) else Wallet(customer_id)


def following(wallet: Wallet, *events: Event) -> list[Change]:
    """Return the changes by which these events befall a wallet."""
    key = wallet_id(wallet.customer_id)
    return [Change(key, wallet.version + place, event) for place, event in enumerate(events, start=1)]


def removed(books: "Books", customer_id: bytes, card_id: bytes) -> list[Change]:
    """Return the change by which a card leaves a wallet, none when it is not in it."""
    wallet = find(books, customer_id)
    if card_id not in wallet.cards:
        return []
    return following(wallet, WalletCardRemoved(customer=UUID(bytes=customer_id), card=UUID(bytes=card_id)))


def evolve(wallet: Wallet | None, change: Change, recorded_at: int) -> Wallet:
    """Return the wallet after one more of its events."""
    event = change.event
    match event:
        case WalletCardTried():
            before = wallet or Wallet(event.customer.bytes)
            recent = tuple(
                each for each in before.tried if each.at > recorded_at - TRY_MEMORY and each.card != event.card.bytes
            )
            changed: dict[str, object] = {"tried": (*recent, Tried(event.card.bytes, recorded_at))}
        case WalletCardAdded():
            before = wallet or Wallet(event.customer.bytes)
            changed = {"cards": (*before.cards, event.card.bytes)}
        case WalletCardRemoved():
            before = wallet or Wallet(event.customer.bytes)
            changed = {"cards": tuple(card for card in before.cards if card != event.card.bytes)}
        case _:
            raise ValueError(f"{event.TOPIC} is not an event of a wallet")
    return msgspec.structs.replace(before, version=change.version, **changed)
