"""Who is told of an account: the customers to whom its cards are bound, and by which channel.

Folded event by event along with the outbox, from the cards' own events: the outbox must know who had bound a card when
something happened, not who has by the end of a batch. What is remembered between batches is what the tables hold.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from domain.authorization import Details
from domain.binding import CardBindingMissed, CardBindingRequested
from domain.card import (
    CardBlocked,
    CardBound,
    CardClosed,
    CardIssued,
    CardNotificationsSet,
    CardReplaced,
    CardReportedLost,
    CardUnblocked,
    CardUnbound,
)
from domain.customer import CustomerErased
from domain.event import Event
from domain.ports import Row
from projections.answers import Channel
from projections.batch import Batch, Item
from projections.schema import binding_addresses, card_addresses
from projections.store import Session, Writer, select_many

NOBODY: Final = b""
"""Stands for the customer where no application is told: the notice is the bank's own business."""
_OF_CARDS: Final = (
    CardBlocked,
    CardUnblocked,
    CardReportedLost,
    CardBound,
    CardUnbound,
    CardReplaced,
    CardClosed,
    CardNotificationsSet,
)
_COLUMNS: Final = "card_id, participant, account_id, masked, customer, sms"

Recipient = tuple[bytes, Channel]
"""A customer, or NOBODY, and the way to tell them."""

_THE_BANK: Final[list[Recipient]] = [(NOBODY, Channel.PUSH)]


class CardAddress(NamedTuple):
    """What telling somebody about a card needs."""

    card_id: bytes
    participant: str
    account: int
    masked: str
    customer: bytes = NOBODY
    sms: bool = False

    def owner(self) -> tuple[Recipient, ...]:
        """Return whose card it is, by push and, if subscribed, by SMS."""
        return ((self.customer, Channel.PUSH), *(((self.customer, Channel.SMS),) if self.sms else ()))

    def bank(self) -> tuple[Recipient, ...]:
        """Return the bank if SMS are subscribed to: it sends to the number that it has, nobody else's."""
        return ((NOBODY, Channel.SMS),) if self.sms else ()


class BindingAddress(NamedTuple):
    """Which card somebody tries to bind."""

    card_id: bytes
    customer: bytes


class Addresses:
    """The cards of the accounts that a batch touches, as of the event that is looked at."""

    def __init__(self) -> None:
        self._accounts: dict[int, dict[bytes, CardAddress]] = {}
        self._cards: dict[bytes, CardAddress] = {}
        self._bindings: dict[bytes, BindingAddress] = {}
        self._changed: dict[bytes, CardAddress] = {}

    def begin(self, session: Session, batch: Batch, touched: Iterable[int]) -> set[int]:
        """Learn all that the batch may ask for; return the accounts that it is about."""
        self._changed, self._bindings = {}, {}
        self._learn_bindings(session, batch)
        named = {address.card_id for address in self._bindings.values()}
        accounts, erased = set(touched), set()
        for item in batch.rare:
            event = item.event
            if isinstance(event, CardIssued):
                accounts.add(event.account)
            elif isinstance(event, _OF_CARDS):
                named.add(item.row.originator_id)
            elif isinstance(event, Details) and event.card is not None:
                named.add(event.card.bytes)
            elif isinstance(event, CustomerErased):
                erased.add(item.row.originator_id)
        for column, keys in (("card_id", named - self._cards.keys()), ("customer", erased)):
            if keys:
                sql = f"SELECT account_id FROM card_addresses WHERE partition = ? AND {column} IN ({{keys}})"
                accounts.update(account for (account,) in select_many(session, sql, (batch.partition,), sorted(keys)))
        accounts.update(self._cards[card].account for card in named & self._cards.keys())
        self._learn_accounts(session, batch.partition, accounts)
        return accounts

    def _learn_bindings(self, session: Session, batch: Batch) -> None:
        wanted: set[bytes] = set()
        for item in batch.rare:
            if isinstance(item.event, CardBindingRequested):
                self._bindings[item.row.originator_id] = _binding(item)
            elif isinstance(item.event, CardBindingMissed):
                wanted.add(item.row.originator_id)
        missing = sorted(wanted - self._bindings.keys())
        if missing:
            sql = (
                "SELECT binding_id, card_id, customer FROM binding_addresses"
                " WHERE partition = ? AND binding_id IN ({keys})"
            )
            for binding, *address in select_many(session, sql, (batch.partition,), missing):
                self._bindings[binding] = BindingAddress(*address)

    def _learn_accounts(self, session: Session, partition: int, accounts: set[int]) -> None:
        missing = sorted(accounts - self._accounts.keys())
        for account in missing:
            self._accounts[account] = {}
        sql = f"SELECT {_COLUMNS} FROM card_addresses WHERE partition = ? AND account_id IN ({{keys}})"
        found = select_many(session, sql, (partition,), missing) if missing else []
        for card_id, participant, account, masked, customer, sms in found:
            self._keep(CardAddress(card_id, participant, account, masked, customer, bool(sms)))

    def _keep(self, card: CardAddress) -> None:
        self._accounts[card.account][card.card_id] = self._cards[card.card_id] = card

    def fold(self, row: Row, event: Event) -> None:
        """Take in one more event."""
        match event:
            case CardIssued():
                self._change(CardAddress(row.originator_id, event.participant, event.account, event.masked))
            case CardBound():
                self._change(self._cards[row.originator_id]._replace(customer=event.customer.bytes))
            case CardUnbound() | CardReplaced() | CardClosed():
                self._change(self._cards[row.originator_id]._replace(customer=NOBODY))
            case CardNotificationsSet():
                self._change(self._cards[row.originator_id]._replace(sms=event.sms))
            case CustomerErased():
                for card in [card for card in self._cards.values() if card.customer == row.originator_id]:
                    self._change(card._replace(customer=NOBODY))
            case _:
                pass

    def _change(self, card: CardAddress) -> None:
        self._keep(card)
        self._changed[card.card_id] = card

    def write(self, batch: Batch, writer: Writer) -> None:
        """Write what the batch has changed."""
        writer.upsert(
            card_addresses,
            [(batch.partition, *card[:-1], int(card.sms)) for _, card in sorted(self._changed.items())],
        )
        writer.insert(
            binding_addresses,
            [
                (batch.partition, item.row.originator_id, *_binding(item))
                for item in batch.rare
                if isinstance(item.event, CardBindingRequested)
            ],
        )

    def card(self, card_id: bytes) -> CardAddress:
        """Return a card; raises KeyError for one that the batch does not name."""
        return self._cards[card_id]

    def binding(self, binding_id: bytes) -> BindingAddress:
        """Return what a binding is about; raises KeyError for one that the batch does not name."""
        return self._bindings[binding_id]

    def recipients(self, account: int) -> list[Recipient]:
        """Return who is told of an account: each customer once a channel; the bank where no customer is."""
        cards = self._accounts[account]
        if not cards:
            return _THE_BANK
        customers = {card.customer for card in cards.values() if card.customer} or {NOBODY}
        by_sms = {card.customer for card in cards.values() if card.sms}
        return [
            *((customer, Channel.PUSH) for customer in sorted(customers)),
            *((customer, Channel.SMS) for customer in sorted(by_sms)),
        ]


def _binding(item: Item) -> BindingAddress:
    event = item.event
    if not isinstance(event, CardBindingRequested):
        raise TypeError(f"{event.TOPIC} begins no binding")
    return BindingAddress(event.card.bytes, event.customer.bytes)
