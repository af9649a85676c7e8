"""Payments and credit files in the outbox: one notice each, whatever they are made of."""

from typing import Any
from uuid import UUID

import pytest

from domain import card as cards
from domain import payment as pay
from domain.authorization import AuthorizationCaptured, AuthorizationExpired, AuthorizationReversed, RefundPosted
from domain.credit import Category, CreditFileOpened
from domain.event import Leg
from domain.payee import PayeeKind
from domain.rules import Operation
from domain.transfer import TransferPosted
from projections.answers import Channel, Cursor, Notice, NoticeKind, Wanted
from tests.projections.world import World

K = NoticeKind
AIGUL = UUID(int=1 << 90)


class Shop:
    """A customer with a bound card, a merchant, and a payment from one to the other."""

    def __init__(self, world: World, batch_size: int) -> None:
        self.world, self.batch_size = world, batch_size
        self.merchant, self.fees = world.open_account(kind="merchant"), world.open_account(kind="settlement")
        self.account = world.open_account()
        issued = cards.CardIssued(
            participant="bank-a", account=self.account, masked="941700******1234", expires=2030_12, par="A" * 29
        )
        self.card = world.append(issued, cards.CardBound(customer=AIGUL))
        self.told_before = 1

    def confirm(self) -> tuple[bytes, bytes]:
        """Prepare a payment of 100 with a fee of 3 and confirm it; return its id and that of its authorisation."""
        details = pay.Details(
            customer=AIGUL,
            card=UUID(bytes=self.card),
            account=self.account,
            participant="bank-a",
            operation=Operation.SERVICE_PAYMENT,
            payee=UUID(int=5),
            payee_kind=PayeeKind.PROVIDER,
            payee_name="Beeline",
            credit_account=self.merchant,
            amount=100,
            fee=3,
            currency="KGS",
        )
        made = self.world.append(pay.PaymentPrepared(details=details, rules="r", expires_at=self.world.now))
        held = UUID(bytes=pay.authorization_of(made))
        self.world.append(pay.PaymentConfirmed(authorization=held), originator=made)
        authorization = self.world.authorize(
            self.account,
            self.merchant,
            103,
            kind="service_payment",
            merchant_name="Beeline",
            card=UUID(bytes=self.card),
            payment=UUID(bytes=made),
        )
        return made, authorization

    def on(self, originator: bytes, event: Any) -> None:
        """Record what happens next to something."""
        self.world.append(event, originator=originator)

    def told(self) -> list[Notice]:
        """Return what is told from the payment on."""
        self.world.project(batch_size=self.batch_size)
        return list(self.world.reader.notices(0, Cursor(), Wanted(), limit=1_000).notices)[self.told_before :]

    def seen(self) -> list[tuple[NoticeKind, int, int]]:
        return [(each.kind, each.amount, each.fee) for each in self.told()]


@pytest.fixture(params=[1, 8192])
def shop(world: World, request: pytest.FixtureRequest) -> Shop:
    """Give a shop whose history is projected event by event, and at once."""
    return Shop(world, request.param)


def test_a_payment_is_told_once_with_its_fee(shop: Shop) -> None:
    """Neither its hold nor its capture makes a notice of its own; the payee and the card are named."""
    made, held = shop.confirm()
    legs = (Leg("service_payment", shop.account, shop.merchant, 100), Leg("fee", shop.account, shop.fees, 3))
    shop.on(made, pay.PaymentSucceeded(by=pay.Decider.PROVIDER))
    shop.on(
        held,
        AuthorizationCaptured(
            account=shop.account, amount=103, released=103, legs=legs, clearing_reference="", final=True
        ),
    )
    (told,) = shop.told()
    assert (told.kind, told.amount, told.fee, told.category) == (K.PAYMENT_MADE, 100, 3, "service_payment")
    assert (told.customer, told.channel, told.merchant, told.card) == (AIGUL.bytes, Channel.PUSH, "Beeline", shop.card)
    assert told.source_id == made


def test_a_payment_that_failed_is_told_once(shop: Shop) -> None:
    """What was held for it is let go without a notice of its own."""
    made, held = shop.confirm()
    shop.on(made, pay.PaymentFailed(by=pay.Decider.PROVIDER))
    shop.on(held, AuthorizationReversed(account=shop.account, released=103, by="provider"))
    assert shop.seen() == [(K.PAYMENT_FAILED, 100, 3)]


def test_a_payment_that_nobody_answers_for_is_told_at_each_turn(shop: Shop) -> None:
    """Unresolved, its hold run out, given up, and delivered after all."""
    made, held = shop.confirm()
    shop.on(made, pay.PaymentUnresolved())
    shop.on(held, AuthorizationExpired(account=shop.account, released=103, expires_at=shop.world.now))
    shop.on(made, pay.PaymentFailed(by=pay.Decider.OPERATOR))
    shop.on(made, pay.PaymentSucceeded(by=pay.Decider.PROVIDER, late=True))
    assert shop.seen() == [
        (K.PAYMENT_UNRESOLVED, 100, 3),
        (K.HOLD_RELEASED, 103, 0),
        (K.PAYMENT_FAILED, 100, 3),
        (K.PAYMENT_MADE, 100, 3),
    ]


def test_a_refund_of_a_payment_is_told_once(shop: Shop) -> None:
    """What comes back of the amount and of the fee is one sum."""
    made, held = shop.confirm()
    shop.on(made, pay.PaymentSucceeded(by=pay.Decider.PROVIDER))
    shop.on(made, pay.PaymentRefunded(amount=40, fee=1))
    legs = (Leg("refund", shop.merchant, shop.account, 40), Leg("fee_reversal", shop.fees, shop.account, 1))
    shop.on(held, RefundPosted(account=shop.account, amount=41, legs=legs, clearing_reference=""))
    assert shop.seen() == [(K.PAYMENT_MADE, 100, 3), (K.MONEY_IN, 41, 0)]


@pytest.mark.parametrize(
    ("category", "kind"), [(Category.SALARY, K.SALARY_CREDITED), (Category.PENSION, K.PENSION_CREDITED)]
)
def test_a_line_of_a_credit_file_names_who_pays(shop: Shop, category: Category, kind: NoticeKind) -> None:
    """Within a bank and between banks, who is paid sees the payer's name; who pays is not told line by line."""
    payer = shop.world.open_account()
    shop.world.append(
        cards.CardIssued(participant="bank-a", account=payer, masked="", expires=2030_12, par="B" * 29),
        cards.CardBound(customer=UUID(int=9)),
    )
    shop.told_before += 1
    opened = CreditFileOpened(
        category=category,
        participant="bank-a",
        account=payer,
        currency="KGS",
        lines=2,
        total=7,
        payer_name="Ала-Тоо Текстиль",
    )
    file = UUID(bytes=shop.world.append(opened))
    shop.world.transfer(payer, shop.account, 3, kind=category.value, credit_file=file, credit_line=1)
    legs = (Leg(category.value, shop.fees, shop.account, 4),)
    shop.world.append(
        TransferPosted(payer, shop.fees, 4, kind=category.value, legs=legs, credit_file=file, credit_line=2)
    )
    told = [(each.kind, each.account_id, each.amount, each.merchant) for each in shop.told()]
    assert told == [(kind, shop.account, amount, "Ала-Тоо Текстиль") for amount in (3, 4)]


def test_a_transfer_between_banks_is_told_to_both_sides_once(shop: Shop) -> None:
    """The way through the banks' accounts makes no notice, and the fee is told with what the payer is told."""
    other, theirs = shop.world.open_account(participant="bank-b"), shop.world.open_account(kind="settlement")
    shop.world.append(
        cards.CardIssued(participant="bank-b", account=other, masked="", expires=2030_12, par="C" * 29),
        cards.CardBound(customer=UUID(int=9)),
    )
    shop.told_before += 1
    legs = (
        Leg("interbank", shop.fees, theirs, 50),
        Leg("transfer_by_phone", theirs, other, 50),
        Leg("fee", shop.account, shop.fees, 2),
    )
    kind = "transfer_by_phone"
    shop.world.append(TransferPosted(shop.account, shop.fees, 50, kind=kind, legs=legs, quote=UUID(int=8)))
    assert [(each.kind, each.account_id, each.amount, each.fee, each.counterparty) for each in shop.told()] == [
        (K.TRANSFER_SENT, shop.account, 50, 2, other),
        (K.MONEY_IN, other, 50, 0, shop.account),
    ]
