"""The outbox: what is told of each event, to whom, and that it is the same however it is made."""

from collections import Counter
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest

from domain import authorization as auth
from domain.account import AccountKind
from domain.card import CardIssued
from domain.event import Leg
from domain.transfer import TransferReversed
from projections.answers import Channel, Cursor, Notice, NoticeKind, Wanted
from projections.notices import NOTICES
from projections.outbox import LAST_ITEM, WINDOW
from projections.runner import Projector, live_copy
from tests.projections.test_runner import DyingCopy, Killed
from tests.projections.world import World

K = NoticeKind


class Told:
    """A world with a bank, a merchant and two customers, and what was told."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.bank = world.open_account(kind=AccountKind.SETTLEMENT)
        self.merchant = world.open_account(kind=AccountKind.MERCHANT)
        self.aigul, self.bermet = world.open_account(), world.open_account(participant="bank-b")
        self.issue(self.aigul)
        self.issue(self.bermet, participant="bank-b")
        self.before = world.head

    def issue(self, account: int, participant: str = "bank-a") -> bytes:
        """Issue a card, that nobody has bound."""
        card = CardIssued(
            participant=participant, account=account, masked="941700******1234", expires=2030_12, par="A" * 29
        )
        return self.world.append(card)

    def all(self, after: Cursor = Cursor(), limit: int = 10_000, **wanted: Any) -> list[Notice]:  # noqa: B008
        """Project, and read the outbox page by page."""
        self.world.project()
        found: list[Notice] = []
        while True:
            page = self.world.reader.notices(0, after, Wanted(**wanted), limit=limit)
            found += page.notices
            assert page.reached >= after
            after = page.reached
            if page.last:
                return found

    def seen(self) -> list[tuple[NoticeKind, int, int]]:
        return [(each.kind, each.account_id, each.amount) for each in self.all()]


@pytest.fixture
def told(world: World) -> Told:
    return Told(world)


@pytest.mark.parametrize(
    ("kind", "sent", "received"),
    [
        ("transfer", K.TRANSFER_SENT, K.MONEY_IN),
        ("transfer_by_phone", K.TRANSFER_SENT, K.MONEY_IN),
        ("qr_payment", K.PAYMENT_MADE, K.MONEY_IN),
        ("service_payment", K.PAYMENT_MADE, K.MONEY_IN),
        ("salary", K.MONEY_OUT, K.SALARY_CREDITED),
        ("pension", K.MONEY_OUT, K.PENSION_CREDITED),
        ("fee", K.MONEY_OUT, K.MONEY_IN),
    ],
)
def test_the_kind_of_a_transfer_says_what_is_told(told: Told, kind: str, sent: K, received: K) -> None:
    """Salary and pension are told as such; paying and transferring are told apart."""
    told.world.transfer(told.aigul, told.bermet, 5, kind=kind)
    assert told.seen() == [(sent, told.aigul, 5), (received, told.bermet, 5)]
    assert [each.participant for each in told.all()] == ["bank-a", "bank-b"]


def test_banks_and_merchants_have_statements_instead(told: Told) -> None:
    """Only customers' accounts are told of; a transfer that ends at one through the banks' own tells that one."""
    legs = (
        Leg("interbank", told.bank, told.merchant, 5),
        Leg("interbank", told.merchant, told.bermet, 5),
        Leg("fee", told.aigul, told.bank, 2),
    )
    told.world.transfer(told.aigul, told.bank, 5, legs=legs)
    told.world.transfer(told.bank, told.merchant, 9)
    sent, received = told.all()
    assert (sent.account_id, sent.amount, sent.fee, sent.counterparty) == (told.aigul, 5, 2, told.bermet)
    assert (received.account_id, received.amount, received.fee, received.counterparty) == (
        told.bermet,
        5,
        0,
        told.aigul,
    )


def test_a_reversal_is_told_to_both(told: Told) -> None:
    """Money that comes back is money in, and money out where it is taken."""
    moved = told.world.transfer(told.aigul, told.bermet, 5)
    told.world.append(
        TransferReversed(legs=(Leg("reversal", told.bermet, told.aigul, 5),), whole=True), originator=moved
    )
    assert told.seen()[2:] == [(K.MONEY_OUT, told.bermet, 5), (K.MONEY_IN, told.aigul, 5)]


def test_a_hold_is_told_through_its_life(told: Told) -> None:
    """Placed, raised, lowered, posted, refunded, and let go at the end."""
    world, account, merchant = told.world, told.aigul, told.merchant
    made = world.authorize(account, merchant, 100, merchant_name="Dordoi")
    world.append(auth.AuthorizationIncremented(account=account, amount=20), originator=made)
    world.append(auth.AuthorizationPartlyReversed(account=account, amount=30), originator=made)
    world.capture(made, account, merchant, 40)
    back = (Leg("refund", merchant, account, 15),)
    world.append(auth.RefundPosted(account=account, amount=15, legs=back, clearing_reference="r"), originator=made)
    world.append(auth.AuthorizationExpired(account=account, released=50, expires_at=world.now), originator=made)
    assert [(each.kind, each.amount) for each in told.all()] == [
        (K.HOLD_PLACED, 100),
        (K.HOLD_PLACED, 20),
        (K.HOLD_RELEASED, 30),
        (K.PAYMENT_MADE, 40),
        (K.MONEY_IN, 15),
        (K.HOLD_RELEASED, 50),
    ]
    assert {(each.account_id, each.merchant, each.source_id) for each in told.all()} == {(account, "Dordoi", made)}


def test_what_changes_nothing_is_not_told(told: Told) -> None:
    """A final capture that leaves nothing to release, a decline, an expiry of nothing: nobody hears of them."""
    world = told.world
    made = world.authorize(told.aigul, told.merchant, 100)
    world.append(
        auth.AuthorizationReversed(account=told.aigul, released=0, by="acquirer"),
        auth.AuthorizationExpired(account=told.aigul, released=0, expires_at=world.now),
        originator=made,
    )
    world.append(
        auth.AuthorizationDeclined(
            account=told.aigul,
            credit_account=told.merchant,
            amount=5,
            currency="KGS",
            kind="purchase",
            reason="INSUFFICIENT_FUNDS",
            rule_version="1",
        )
    )
    assert told.seen() == [(K.HOLD_PLACED, told.aigul, 100)]


def test_the_amount_that_verifies_a_cardholder_is_not_told(told: Told) -> None:
    """Neither placing nor releasing a verification hold reaches an application: the amount is the secret."""
    made = told.world.authorize(told.aigul, told.merchant, 417, kind="account_verification")
    event = auth.AuthorizationReversed(account=told.aigul, released=417, by="cardholder")
    told.world.append(event, originator=made)
    assert told.all() == []


def test_an_unlinked_refund_and_a_force_post_are_told(told: Told) -> None:
    """Clearing without an authorisation is told as well."""
    legs = (Leg("force_post", told.aigul, told.merchant, 7),)
    told.world.append(
        auth.ForcePosted(account=told.aigul, amount=7, legs=legs, clearing_reference="f", merchant_name="Fuel")
    )
    back = (Leg("refund", told.merchant, told.aigul, 3),)
    told.world.append(auth.RefundPosted(account=told.aigul, amount=3, legs=back, clearing_reference="g"))
    assert told.seen() == [(K.PAYMENT_MADE, told.aigul, 7), (K.MONEY_IN, told.aigul, 3)]


def busy(told: Told) -> None:
    """Record all sorts of things."""
    world = told.world
    for number in range(30):
        world.transfer(told.bank, told.aigul, 100, kind="salary")
        moved = world.transfer(told.aigul, told.bermet, 10)
        made = world.authorize(told.bermet, told.merchant, 5 + number)
        world.capture(made, told.bermet, told.merchant, 5)
        world.reverse_transfer(moved, told.bermet, told.aigul, 10)


@pytest.mark.parametrize("batch_size", [1, 7, 8192])
def test_the_outbox_is_the_same_however_it_is_made(told: Told, batch_size: int) -> None:
    """A notice follows from the log alone, not from where one batch ended and the next began."""
    busy(told)
    told.world.project(batch_size=batch_size)
    found = told.all()
    keys = [each.cursor for each in found]
    assert keys == sorted(keys)
    assert max(Counter(keys).values()) == 1
    seen = Counter((each.kind, each.account_id) for each in found)
    assert seen == {
        (K.SALARY_CREDITED, told.aigul): 30,
        (K.TRANSFER_SENT, told.aigul): 30,
        (K.MONEY_IN, told.aigul): 30,
        (K.MONEY_IN, told.bermet): 30,
        (K.HOLD_PLACED, told.bermet): 30,
        (K.PAYMENT_MADE, told.bermet): 30,
        (K.MONEY_OUT, told.bermet): 30,
    }


@pytest.mark.parametrize("limit", [1, 3, 10_000])
def test_pages_hold_each_notice_once(told: Told, limit: int) -> None:
    """Whatever the size of a page, from whatever cursor, filtered or not, the rest is read once."""
    busy(told)
    everything = told.all()
    assert told.all(limit=limit) == everything
    assert told.all(everything[17].cursor, limit=limit) == everything[18:]
    own = [each for each in everything if each.participant == "bank-b"]
    assert told.all(participant="bank-b", limit=limit) == own
    assert told.all(channel=Channel.SMS, limit=limit) == []
    assert told.all(customer=UUID(int=1).bytes, limit=limit) == []


def test_a_page_is_bounded_by_what_is_looked_through(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader who wants little is told how far was looked, and goes on from there."""
    monkeypatch.setattr("projections.outbox.WINDOW", 10)
    busy(told)
    told.world.project()
    page = told.world.reader.notices(0, Cursor(), Wanted(participant="bank-z"), limit=5)
    assert (page.notices, page.reached, page.last) == ((), Cursor(10, LAST_ITEM), False)
    assert len(told.all(participant="bank-b")) == 120
    assert WINDOW == 20_000


def test_a_reader_ahead_of_the_tables_waits(told: Told) -> None:
    """While tables are made again, an old cursor stays where it is and nothing comes twice."""
    busy(told)
    everything = told.all()
    ahead = Cursor(told.world.head + 5, LAST_ITEM)
    page = told.world.reader.notices(0, ahead, Wanted(), limit=5)
    assert (page.notices, page.reached, page.last) == ((), ahead, True)
    within = Cursor(told.world.head + 5, 0)
    assert told.world.reader.notices(0, within, Wanted(), limit=5).last
    assert len(everything) == 210


def test_events_that_tell_something_belong_to_the_log() -> None:
    """The table of notices names events that exist, each once."""
    from domain.topics import EVENTS  # noqa: PLC0415

    assert set(NOTICES) <= set(EVENTS)


def test_a_batch_that_fails_leaves_nothing(told: Told) -> None:
    """Notices are kept together with the position, or not at all."""
    from ledger.log.codec import decode  # noqa: PLC0415

    busy(told)
    copy = live_copy(told.world.store)
    with pytest.raises(Killed), closing(Projector(told.world.log, DyingCopy(copy, "tracking"), decode)) as projector:
        projector.step(0)
    copy.close()
    assert len(told.all()) == 210
