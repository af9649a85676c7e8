"""Lists of cards, and authorisations by card."""

from uuid import UUID

import pytest

from domain.card import CardBlocked, CardBound, CardIssued, CardUnbound, Status, UnboundBy
from domain.event import Event
from ledger.log.codec import decode
from projections.answers import RecordCursor
from projections.check import check
from projections.resources import CARD, account_owner, customer_owner, participant_owner
from tests.projections.world import World

CUSTOMER, OTHER = UUID(int=7 << 64), UUID(int=8 << 64)


def issue(world: World, account: int, *events: Event, participant: str = "bank-a") -> bytes:
    """Issue a card, and return its id."""
    issued = CardIssued(
        participant=participant, account=account, masked="941700******7895", expires=2028_12, par="A" * 29
    )
    return world.append(issued, *events)


def listed(world: World, owner: str, *states: Status, after: RecordCursor | None = None) -> list[bytes]:
    """Return the ids of an owner's cards."""
    found = world.reader.list_resources(CARD, owner, states=states, now=world.now, after=after).result
    return [one.resource.card_id for one in found]


def test_cards_are_listed_newest_first_a_page_at_a_time(world: World) -> None:
    """By bank and by account; a page begins behind the last card of the one before."""
    account, other = world.open_account(), world.open_account()
    first, second, third = (issue(world, account) for _ in range(3))
    foreign = issue(world, other, participant="bank-b")
    world.project(batch_size=2)
    assert listed(world, participant_owner("bank-a")) == [third, second, first]
    assert listed(world, account_owner(other)) == [foreign]
    owner = account_owner(account)
    page = world.reader.list_resources(CARD, owner, now=world.now, limit=2).result
    assert [one.resource.card_id for one in page] == [third, second]
    assert listed(world, owner, after=page[-1].cursor) == [first]
    assert page[-1].cursor.position == 4


@pytest.mark.parametrize("batch_size", [1, 100])
def test_a_card_is_listed_as_it_is_now(world: World, batch_size: int) -> None:
    """Its customer and its status follow its events, however they are batched."""
    account = world.open_account()
    bound = issue(world, account, CardBound(customer=CUSTOMER))
    blocked = issue(world, account, CardBound(customer=CUSTOMER), CardBlocked(explanation="?"))
    unbound = issue(world, account, CardBound(customer=CUSTOMER), CardUnbound(customer=CUSTOMER, by=UnboundBy.BANK))
    moved = issue(world, account, CardBound(customer=CUSTOMER), CardBound(customer=OTHER))
    world.project(batch_size=batch_size)
    assert listed(world, customer_owner(CUSTOMER.bytes)) == [blocked, bound]
    assert listed(world, customer_owner(OTHER.bytes)) == [moved]
    assert listed(world, account_owner(account)) == [moved, unbound, blocked, bound]
    assert listed(world, account_owner(account), Status.BLOCKED) == [blocked]
    (found,) = world.reader.list_resources(CARD, account_owner(account), states=["blocked"], now=world.now).result
    card = found.resource
    assert (card.customer, card.version, card.status) == (CUSTOMER.bytes, 3, Status.BLOCKED)
    assert check(world.log, world.store, decode) == []


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
