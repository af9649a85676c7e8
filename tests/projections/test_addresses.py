"""Who is told: customers who have bound a card of the account, at the very event; and who never is."""

from typing import Any
from uuid import UUID

import pytest

from domain import card as cards
from domain import token as tokens
from domain.authorization import (
    AuthorizationAmountReplaced,
    AuthorizationApproved,
    AuthorizationDeclined,
    AuthorizationReversed,
)
from domain.binding import HOLD_KIND, CardBindingMissed, CardBindingRequested
from domain.customer import CustomerErased
from projections.answers import Channel, Cursor, Notice, NoticeKind, Wanted
from tests.projections.world import World

K, PUSH, SMS = NoticeKind, Channel.PUSH, Channel.SMS
NOBODY = b""
AIGUL, BERMET = UUID(int=1 << 90), UUID(int=2 << 90)


class Bank:
    """A bank with a customer's account and its cards."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cash = world.open_account(kind="cash")
        self.account = world.open_account()

    def issue(self, *, sms: bool = False) -> bytes:
        """Issue a card; return its id."""
        issued = cards.CardIssued(
            participant="bank-a", account=self.account, masked="941700******1234", expires=2030_12, par="A" * 29
        )
        card = self.world.append(issued)
        if sms:
            self.on(card, cards.CardNotificationsSet(sms=True))
        return card

    def on(self, card: bytes, event: Any) -> None:
        """Record something about a card."""
        self.world.append(event, originator=card)

    def bind(self, card: bytes, customer: UUID = AIGUL) -> None:
        self.on(card, cards.CardBound(customer=customer))

    def pay_in(self, amount: int = 5) -> None:
        self.world.transfer(self.cash, self.account, amount)

    def hold(self, card: bytes, amount: int = 417, kind: str = HOLD_KIND) -> bytes:
        """Hold an amount through a card; return the authorisation's id."""
        return self.world.authorize(self.account, self.cash, amount, kind=kind, card=UUID(bytes=card))

    def request(self, card: bytes, customer: UUID = AIGUL) -> bytes:
        """Begin a binding; return its id."""
        return self.world.append(
            CardBindingRequested(
                customer=customer,
                card=UUID(bytes=card),
                participant="bank-a",
                masked="941700******1234",
                hold=UUID(int=3),
                expires_at=self.world.now,
                tries=3,
            )
        )

    def notices(self) -> list[Notice]:
        self.world.project(batch_size=self.batch_size)
        return list(self.world.reader.notices(0, Cursor(), Wanted(), limit=10_000).notices)

    batch_size = 8192

    def seen(self) -> list[tuple[NoticeKind, bytes, Channel]]:
        return [(each.kind, each.customer, each.channel) for each in self.notices()]


@pytest.fixture(params=[1, 8192])
def bank(world: World, request: pytest.FixtureRequest) -> Bank:
    """Give a bank whose history is projected event by event, and at once."""
    made = Bank(world)
    made.batch_size = request.param
    return made


def test_an_account_without_a_bound_card_is_its_banks_business(bank: Bank) -> None:
    """The bank is told, once; nobody's application is."""
    bank.issue()
    bank.pay_in()
    assert bank.seen() == [(K.MONEY_IN, NOBODY, PUSH)]


def test_nobody_is_told_of_an_account_that_never_had_a_card(bank: Bank) -> None:
    """From the first card on, and after the last was closed as well, but not before, whatever is projected together."""
    bank.pay_in(1)
    card = bank.issue()
    bank.pay_in(2)
    bank.on(card, cards.CardClosed())
    bank.pay_in(3)
    assert [(each.kind, each.amount) for each in bank.notices()] == [
        (K.MONEY_IN, 2),
        (K.CARD_CLOSED, 0),
        (K.MONEY_IN, 3),
    ]


def test_each_customer_is_told_once_however_many_cards_there_are(bank: Bank) -> None:
    """Two cards of one customer make one message; another customer's card makes another."""
    first, second, third = bank.issue(), bank.issue(), bank.issue()
    bank.bind(first)
    bank.bind(second)
    bank.bind(third, BERMET)
    bank.pay_in()
    assert bank.seen()[3:] == [(K.MONEY_IN, AIGUL.bytes, PUSH), (K.MONEY_IN, BERMET.bytes, PUSH)]


def test_who_is_told_follows_the_log_not_the_batch(bank: Bank) -> None:
    """Before the binding and after it ends the customer is not told, whatever is projected together."""
    card = bank.issue()
    for end in (
        cards.CardUnbound(customer=AIGUL, by=cards.UnboundBy.BANK),
        cards.CardClosed(),
        cards.CardReplaced(by=UUID(int=7)),
    ):
        bank.pay_in()
        bank.bind(card)
        bank.pay_in()
        bank.on(card, end)
    bank.pay_in()
    told = [(kind, customer) for kind, customer, _ in bank.seen() if kind is K.MONEY_IN]
    assert told == [(K.MONEY_IN, NOBODY), (K.MONEY_IN, AIGUL.bytes)] * 3 + [(K.MONEY_IN, NOBODY)]


def test_an_erased_customer_is_told_nothing_more(bank: Bank) -> None:
    """From the erasure on the account is the bank's business again."""
    bank.bind(bank.issue())
    bank.world.append(CustomerErased(), originator=AIGUL.bytes)
    bank.pay_in()
    assert bank.seen()[-1] == (K.MONEY_IN, NOBODY, PUSH)


def test_a_subscription_adds_text_messages(bank: Bank) -> None:
    """With the flag of a bound card the customer hears twice, by push and by SMS; without it once."""
    card = bank.issue(sms=True)
    bank.bind(card)
    bank.pay_in()
    bank.on(card, cards.CardNotificationsSet(sms=False))
    bank.pay_in()
    told = [each for each in bank.seen() if each[0] is K.MONEY_IN]
    assert told == [(K.MONEY_IN, AIGUL.bytes, PUSH), (K.MONEY_IN, AIGUL.bytes, SMS), (K.MONEY_IN, AIGUL.bytes, PUSH)]


def test_the_amount_to_be_named_goes_to_the_banks_number_only(bank: Bank) -> None:
    """By SMS, to no customer, if the card's flag is on: never by push, and never to whoever tries to bind."""
    card = bank.issue(sms=True)
    bank.request(card)
    made = bank.hold(card)
    bank.world.append(AuthorizationReversed(account=bank.account, released=417, by="issuer"), originator=made)
    (only,) = bank.notices()
    assert (only.kind, only.customer, only.channel, only.amount) == (K.VERIFICATION_HOLD, NOBODY, SMS, 417)
    assert (only.card, only.masked_card) == (card, "941700******1234")


def test_without_a_subscription_the_amount_is_told_to_nobody(bank: Bank) -> None:
    """Not by SMS, and not to the customers of the account's other cards."""
    bank.bind(bank.issue(sms=True), BERMET)
    bank.hold(bank.issue())
    assert [kind for kind, _, _ in bank.seen()] == [K.CARD_BOUND, K.CARD_BOUND]


def test_a_bound_card_is_told_to_the_application_and_to_the_card_holder(bank: Bank) -> None:
    """If a thief should have bound it, the number that the bank knows hears of it."""
    bank.bind(bank.issue(sms=True))
    bank.bind(bank.issue())
    assert bank.seen() == [
        (K.CARD_BOUND, AIGUL.bytes, PUSH),
        (K.CARD_BOUND, NOBODY, SMS),
        (K.CARD_BOUND, AIGUL.bytes, PUSH),
    ]


def test_a_binding_is_told_when_it_locks_and_not_before(bank: Bank) -> None:
    """A miss is between the application and its user; the last one is told to whoever tried and by SMS."""
    card = bank.issue(sms=True)
    binding = bank.request(card, BERMET)
    for left in (2, 1, 0):
        bank.world.append(CardBindingMissed(tries_left=left), originator=binding)
    assert bank.seen() == [(K.CARD_BINDING_LOCKED, BERMET.bytes, PUSH), (K.CARD_BINDING_LOCKED, NOBODY, SMS)]


def test_what_happens_to_a_card_is_told_to_whose_it_is(bank: Bank) -> None:
    """Blocked, unblocked, lost, closed, unbound: to its customer, before that to the bank."""
    card = bank.issue()
    bank.on(card, cards.CardBlocked())
    bank.bind(card)
    for event in (
        cards.CardUnblocked(),
        cards.CardReportedLost(how=cards.Loss.STOLEN),
        cards.CardUnbound(customer=AIGUL, by=cards.UnboundBy.CUSTOMER),
        cards.CardClosed(),
    ):
        bank.on(card, event)
    assert [(kind, customer) for kind, customer, _ in bank.seen()] == [
        (K.CARD_BLOCKED, NOBODY),
        (K.CARD_BOUND, AIGUL.bytes),
        (K.CARD_UNBLOCKED, AIGUL.bytes),
        (K.CARD_LOST, AIGUL.bytes),
        (K.CARD_UNBOUND, AIGUL.bytes),
        (K.CARD_CLOSED, NOBODY),
    ]


def test_a_purchase_with_a_card_names_it(bank: Bank) -> None:
    """An ordinary hold of a card is told with the masked card."""
    card = bank.issue()
    bank.bind(card)
    bank.hold(card, kind="purchase")
    last = bank.notices()[-1]
    assert (last.kind, last.customer, last.masked_card) == (K.HOLD_PLACED, AIGUL.bytes, "941700******1234")


# Tokens.


class Phone:
    """A token of a bound card in a phone."""

    def __init__(self, bank: Bank, card: bytes, customer: UUID = AIGUL) -> None:
        self.bank, self.card = bank, card
        requested = tokens.TokenRequested(
            participant="bank-a",
            card=UUID(bytes=card),
            customer=customer,
            device=UUID(int=3),
            device_id="d",
            masked="",
            par="A" * 29,
        )
        self.token = bank.world.append(requested)

    def on(self, *events: Any) -> None:
        """Record what happens to the token."""
        for event in events:
            self.bank.on(self.token, event)

    def tap(self, event: type[Any], amount: int, **fields: Any) -> None:
        """Record what became of a tap."""
        known = {"currency": "KGS", "kind": "purchase", "rule_version": "1", "merchant_name": "Dordoi"}
        made = event(
            account=self.bank.account,
            credit_account=self.bank.cash,
            amount=amount,
            card=UUID(bytes=self.card),
            token=UUID(bytes=self.token),
            **known,
            **fields,
        )
        self.bank.world.append(made)


def test_a_token_is_told_through_its_life(bank: Bank) -> None:
    """Asked for, switched on, suspended, resumed and ended: each goes to whose card it is, and names the card."""
    card = bank.issue()
    bank.bind(card)
    phone = Phone(bank, card)
    phone.on(
        tokens.TokenActivated(fingerprint="f"),
        tokens.TokenSuspended(by=tokens.Actor.DEVICE_LOCK, fingerprint="f"),
        tokens.TokenResumed(by=tokens.Actor.DEVICE_LOCK, fingerprint="f"),
        tokens.TokenSuspended(by=tokens.Actor.ISSUER, fingerprint="f"),
        tokens.TokenDeactivated(cause=tokens.Cause.WALLET, fingerprint="f"),
    )
    told = bank.notices()[1:]
    assert [each.kind for each in told] == [
        K.TOKEN_REQUESTED,
        K.TOKEN_ACTIVATED,
        K.TOKEN_SUSPENDED,
        K.TOKEN_RESUMED,
        K.TOKEN_SUSPENDED,
        K.TOKEN_DEACTIVATED,
    ]
    assert {(each.customer, each.card, each.source_id) for each in told} == {(AIGUL.bytes, card, phone.token)}


def test_what_a_token_does_with_its_card_is_told_with_the_card(bank: Bank) -> None:
    """A block, an unblock and a closure of the card make one notice each, however many tokens follow."""
    card = bank.issue()
    bank.bind(card)
    phones = [Phone(bank, card) for _ in range(3)]
    for of_card, of_token in (
        (cards.CardBlocked(), tokens.TokenSuspended(by=tokens.Actor.ISSUER)),
        (cards.CardUnblocked(), tokens.TokenResumed(by=tokens.Actor.ISSUER)),
        (cards.CardClosed(), tokens.TokenDeactivated(cause=tokens.Cause.CARD_CLOSED)),
    ):
        bank.on(card, of_card)
        for phone in phones:
            phone.on(of_token)
    assert [each.kind for each in bank.notices()[4:]] == [K.CARD_BLOCKED, K.CARD_UNBLOCKED, K.CARD_CLOSED]


def test_a_token_that_moved_is_told_as_the_new_cards(bank: Bank) -> None:
    """From the move on the replacement's holder is told, by the replacement's channels."""
    old, new = bank.issue(), bank.issue(sms=True)
    bank.bind(old)
    phone = Phone(bank, old)
    bank.bind(new, BERMET)
    phone.on(tokens.TokenRelinked(card=UUID(bytes=new), par="A" * 29), tokens.TokenActivated())
    assert [(each.kind, each.customer, each.card, each.channel) for each in bank.notices()[-2:]] == [
        (K.TOKEN_ACTIVATED, BERMET.bytes, new, PUSH),
        (K.TOKEN_ACTIVATED, BERMET.bytes, new, SMS),
    ]


def test_a_tap_is_told_with_the_merchant(bank: Bank) -> None:
    """Approved or declined, the holder of the phone hears of it; of a decline without a token, nobody."""
    card = bank.issue()
    bank.bind(card)
    phone = Phone(bank, card)
    phone.tap(AuthorizationApproved, 5, expires_at=bank.world.now)
    phone.tap(AuthorizationDeclined, 6, reason="TOKEN_SUSPENDED")
    bank.world.append(
        AuthorizationDeclined(
            account=bank.account,
            credit_account=bank.cash,
            amount=7,
            currency="KGS",
            kind="purchase",
            rule_version="1",
            reason="INSUFFICIENT_FUNDS",
            card=UUID(bytes=card),
        )
    )
    told = [(each.kind, each.amount, each.customer, each.merchant, each.card) for each in bank.notices()[2:]]
    assert told == [
        (K.HOLD_PLACED, 5, AIGUL.bytes, "Dordoi", card),
        (K.PAYMENT_DECLINED, 6, AIGUL.bytes, "Dordoi", card),
    ]


def test_a_replaced_amount_is_told_as_it_is_now(bank: Bank) -> None:
    """The notice says the new total of the hold; of one that verifies a cardholder it says nothing."""
    card = bank.issue()
    for kind in ("purchase", HOLD_KIND):
        held = bank.hold(card, 100, kind=kind)
        bank.world.append(AuthorizationAmountReplaced(account=bank.account, total=70), originator=held)
    assert [(each.kind, each.amount) for each in bank.notices()] == [(K.HOLD_PLACED, 100), (K.HOLD_CHANGED, 70)]
