"""Who is told of an account: the customers to whom its cards are bound, and by which channel.

Folded event by event along with the outbox, from the cards' own events: the outbox must know who had bound a card when
something happened, not who has by the end of a batch. What is remembered between batches is what the tables hold.

Only accounts for which a card was issued have addresses here: of the others nobody is told.
"""

from collections.abc import Collection
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
from domain.credit import CreditFileOpened
from domain.customer import CustomerErased, CustomerRegistered
from domain.event import Event
from domain.payment import PaymentFailed, PaymentRefunded, PaymentSucceeded, PaymentUnresolved
from domain.ports import Row
from domain.token import TokenActivated, TokenDeactivated, TokenRelinked, TokenRequested, TokenResumed, TokenSuspended
from projections.answers import Channel
from projections.batch import Batch, Item
from projections.schema import binding_addresses, card_addresses, payer_names, served_customers, token_addresses
from projections.store import Session, Values, Writer, select_many

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
_OF_PAYMENTS: Final = (PaymentSucceeded, PaymentFailed, PaymentUnresolved, PaymentRefunded)
_OF_TOKENS: Final = (TokenActivated, TokenSuspended, TokenResumed, TokenDeactivated)
_COLUMNS: Final = "card_id, participant, account_id, masked, customer, sms"

Recipient = tuple[bytes, Channel]
"""A customer, or NOBODY, and the way to tell them."""

MOST_ACCOUNTS: Final = 200_000
"""How many accounts are remembered before everything is forgotten, and read again when needed."""


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
        self.accounts: dict[int, dict[bytes, CardAddress]] = {}
        """The cards ever issued for an account, of all accounts in the batch that have one."""
        self._known: set[int] = set()
        self._tokens: dict[bytes, bytes] = {}
        self._changed_tokens: dict[bytes, bytes] = {}
        self._payers: dict[bytes, str] = {}
        self._new_payers: list[Values] = []
        self._cards: dict[bytes, CardAddress] = {}
        self._bindings: dict[bytes, BindingAddress] = {}
        self._changed: dict[bytes, CardAddress] = {}

    def begin(self, session: Session, batch: Batch, touched: Collection[int]) -> None:
        """Learn all that the batch may ask for."""
        if len(self._known) > MOST_ACCOUNTS:
            self.accounts, self._cards, self._known = {}, {}, set()
        self._changed, self._bindings, self._tokens, self._changed_tokens = {}, {}, {}, {}
        self._payers, self._new_payers = {}, []
        accounts = set(touched)
        if batch.rare:
            accounts |= self._named_accounts(session, batch)
        self._learn_accounts(session, batch.partition, accounts)

    def _named_accounts(self, session: Session, batch: Batch) -> set[int]:
        """Return the accounts whose cards the batch speaks of."""
        self._learn_bindings(session, batch)
        self._learn_tokens(session, batch)
        named = {address.card_id for address in self._bindings.values()} | set(self._tokens.values())
        accounts, erased = set(), set()
        for row, event in batch.rare:
            if isinstance(event, CardIssued):
                accounts.add(event.account)
            elif isinstance(event, _OF_PAYMENTS):
                accounts.add(batch.resources[row.originator_id].details.account)
            elif isinstance(event, _OF_CARDS):
                named.add(row.originator_id)
            elif isinstance(event, TokenRequested | TokenRelinked | Details):
                if event.card is not None:
                    named.add(event.card.bytes)
            elif isinstance(event, CustomerErased):
                erased.add(row.originator_id)
        for column, keys in (("card_id", named - self._cards.keys()), ("customer", erased)):
            if keys:
                sql = f"SELECT account_id FROM card_addresses WHERE partition = ? AND {column} IN ({{keys}})"
                accounts.update(account for (account,) in select_many(session, sql, (batch.partition,), sorted(keys)))
        accounts.update(self._cards[card].account for card in named & self._cards.keys())
        return accounts

    def _learn_tokens(self, session: Session, batch: Batch) -> None:
        wanted = {item.row.originator_id for item in batch.rare if isinstance(item.event, _OF_TOKENS)}
        if wanted:
            sql = "SELECT token_id, card_id FROM token_addresses WHERE partition = ? AND token_id IN ({keys})"
            self._tokens = dict(select_many(session, sql, (batch.partition,), sorted(wanted)))

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
        missing = sorted(accounts - self._known)
        if not missing:
            return
        self._known.update(missing)
        sql = f"SELECT {_COLUMNS} FROM card_addresses WHERE partition = ? AND account_id IN ({{keys}})"
        for card_id, participant, account, masked, customer, sms in select_many(session, sql, (partition,), missing):
            self._keep(CardAddress(card_id, participant, account, masked, customer, bool(sms)))

    def _keep(self, card: CardAddress) -> None:
        self.accounts.setdefault(card.account, {})[card.card_id] = self._cards[card.card_id] = card

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
            case CreditFileOpened():
                self._payers[row.originator_id] = event.payer_name
                self._new_payers.append((row.partition, row.originator_id, event.payer_name))
            case TokenRequested() | TokenRelinked():
                self._tokens[row.originator_id] = self._changed_tokens[row.originator_id] = event.card.bytes
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
        writer.upsert(
            token_addresses,
            [(batch.partition, token, card) for token, card in sorted(self._changed_tokens.items())],
        )
        writer.insert(payer_names, self._new_payers)
        writer.insert(
            binding_addresses,
            [
                (batch.partition, item.row.originator_id, *_binding(item))
                for item in batch.rare
                if isinstance(item.event, CardBindingRequested)
            ],
        )
        writer.insert(
            served_customers,
            [
                (batch.partition, item.row.originator_id, item.event.participant)
                for item in batch.rare
                if isinstance(item.event, CustomerRegistered)
            ],
        )

    def card(self, card_id: bytes) -> CardAddress:
        """Return a card; raises KeyError for one that the batch does not name."""
        return self._cards[card_id]

    def binding(self, binding_id: bytes) -> BindingAddress:
        """Return what a binding is about; raises KeyError for one that the batch does not name."""
        return self._bindings[binding_id]

    def payer(self, session: Session, partition: int, file_id: bytes) -> str:
        """Return the name that the payer of a credit file is shown by."""
        if file_id not in self._payers:
            sql = "SELECT name FROM payer_names WHERE partition = ? AND file_id = ?"
            ((self._payers[file_id],),) = session.all(sql, partition, file_id)
        return self._payers[file_id]

    def token(self, token_id: bytes) -> bytes:
        """Return the card of a token; raises KeyError for one that the batch does not name."""
        return self._tokens[token_id]

    def participant(self, account: int) -> str:
        """Return the bank of an account that has cards; a card is always its own bank's."""
        return next(iter(self.accounts[account].values())).participant

    def recipients(self, account: int) -> list[Recipient]:
        """Return who is told of an account: each customer once a channel; the bank where no customer is."""
        cards = self.accounts[account].values()
        customers = {card.customer for card in cards if card.customer} or {NOBODY}
        by_sms = {card.customer for card in cards if card.sms}
        return [
            *((customer, Channel.PUSH) for customer in sorted(customers)),
            *((customer, Channel.SMS) for customer in sorted(by_sms)),
        ]


def _binding(item: Item) -> BindingAddress:
    event = item.event
    if not isinstance(event, CardBindingRequested):
        raise TypeError(f"{event.TOPIC} begins no binding")
    return BindingAddress(event.card.bytes, event.customer.bytes)
