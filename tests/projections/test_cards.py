"""The register of cards, and authorisations by card."""

from uuid import UUID

import pytest

from domain.card import CardBlocked, CardBound, CardIssued, CardUnbound, Status, UnboundBy
from domain.event import Event
from projections.answers import CardRecord, RecordCursor
from tests.projections.world import World

CUSTOMER, OTHER = UUID(int=7 << 64), UUID(int=8 << 64)


def issue(world: World, account: int, *events: Event, participant: str = "bank-a") -> bytes:
    """Issue a card, and return its id."""
    issued = CardIssued(
        participant=participant, account=account, masked="941700******7895", expires=2028_12, par="A" * 29
    )
    return world.append(issued, *events)


def ids(records: list[CardRecord]) -> list[bytes]:
    return [record.card.card_id for record in records]


def test_cards_are_listed_newest_first_a_page_at_a_time(world: World) -> None:
    """By bank and by account; a page begins behind the last card of the one before."""
    account, other = world.open_account(), world.open_account()
    first, second, third = (issue(world, account) for _ in range(3))
    foreign = issue(world, other, participant="bank-b")
    world.project(batch_size=2)
    assert ids(world.reader.list_cards(participant="bank-a").result) == [third, second, first]
    assert ids(world.reader.list_cards(account_id=other).result) == [foreign]
    page = world.reader.list_cards(account_id=account, limit=2).result
    assert ids(page) == [third, second]
    after = RecordCursor(page[-1].card.created_at, page[-1].partition, page[-1].position)
    assert ids(world.reader.list_cards(account_id=account, after=after).result) == [first]
    assert page[-1].position == 4


@pytest.mark.parametrize("batch_size", [1, 100])
def test_a_card_is_listed_as_it_is_now(world: World, batch_size: int) -> None:
    """Its customer and its status follow its events, however they are batched."""
    account = world.open_account()
    bound = issue(world, account, CardBound(customer=CUSTOMER))
    blocked = issue(world, account, CardBound(customer=CUSTOMER), CardBlocked(explanation="?"))
    unbound = issue(world, account, CardBound(customer=CUSTOMER), CardUnbound(customer=CUSTOMER, by=UnboundBy.BANK))
    moved = issue(world, account, CardBound(customer=CUSTOMER), CardBound(customer=OTHER))
    world.project(batch_size=batch_size)
    assert ids(world.reader.list_cards(customer=CUSTOMER.bytes).result) == [blocked, bound]
    assert ids(world.reader.list_cards(customer=OTHER.bytes).result) == [moved]
    assert ids(world.reader.list_cards(customer=b"").result) == [unbound]
    assert ids(world.reader.list_cards(account_id=account, states=[Status.BLOCKED]).result) == [blocked]
    card = world.reader.list_cards(account_id=account, states=[Status.BLOCKED]).result[0].card
    assert (card.customer, card.version, card.status) == (CUSTOMER.bytes, 3, Status.BLOCKED)


def test_a_list_names_one_owner(world: World) -> None:
    """None and two are errors of the caller."""
    world.project()
    for owners in ({}, {"participant": "bank-a", "account_id": 1}):
        with pytest.raises(ValueError, match="name a participant"):
            world.reader.list_cards(**owners)  # type: ignore[arg-type]


def test_authorisations_are_listed_by_card(world: World) -> None:
    """Those made with the card, whichever account holds them, and no others."""
    bank, customer = world.open_account(), world.open_account()
    card = UUID(int=9 << 64)
    world.authorize(customer, bank, 100)
    first = world.authorize(customer, bank, 200, card=card)
    second = world.authorize(bank, customer, 300, card=card)
    world.authorize(customer, bank, 400, card=CUSTOMER)
    world.project()
    found = world.reader.list_authorizations(card=card.bytes, now=world.now).result
    assert [record.authorization.authorization_id for record in found] == [second, first]
    assert world.reader.list_authorizations(card=OTHER.bytes, now=world.now).result == []
