"""Authorisations by id and in lists."""

import pytest

from domain.account import AccountKind
from domain.authorization import (
    AuthorizationIncremented,
    AuthorizationPartlyReversed,
    AuthorizationReversed,
    State,
)
from domain.transfer import TransferDeclined
from projections.answers import AuthorizationRecord, RecordCursor
from tests.projections.world import DAY, SECOND, World


@pytest.fixture
def pair(world: World) -> tuple[int, int]:
    """Give a bank's account and a customer's at another bank."""
    bank = world.open_account(kind=AccountKind.SETTLEMENT, participant="bank-b")
    return bank, world.open_account()


def ids(records: list[AuthorizationRecord]) -> list[bytes]:
    return [record.authorization.authorization_id for record in records]


def test_an_authorisation_is_what_its_events_make_of_it(world: World, pair: tuple[int, int]) -> None:
    """Its details, figures and the bank of its account are found by its id."""
    bank, customer = pair
    made = world.authorize(customer, bank, 100, merchant_name="Shop", tags={"a": "b"})
    world.capture(made, customer, bank, 60)
    world.project(batch_size=1)
    found = world.reader.authorization(made, now=world.now).result
    assert found is not None
    assert (found.participant, found.position) == ("bank-a", 3)
    authorization = found.authorization
    assert (authorization.state, authorization.remaining, authorization.captured) == (State.OPEN, 40, 60)
    assert (authorization.version, authorization.details.tags) == (2, {"a": "b"})


def test_a_lapsed_authorisation_is_shown_as_expired(world: World, pair: tuple[int, int]) -> None:
    """From its expiry on it is expired with nothing left, in every list, before any event says so."""
    bank, customer = pair
    made = world.authorize(customer, bank, 100, lasts=10 * SECOND)
    world.project()
    ends = world.now + 9 * SECOND
    for now, state, left in ((ends - 1, State.OPEN, 100), (ends, State.EXPIRED, 0)):
        found = world.reader.authorization(made, now=now).result
        assert found is not None
        assert (found.authorization.state, found.authorization.remaining) == (state, left)
        for asked in (State.OPEN, State.EXPIRED):
            listed = world.reader.list_authorizations(account_id=customer, states=[asked], now=now).result
            assert ids(listed) == ([made] if asked is state else [])


def test_lists_are_newest_first_and_paged(world: World, pair: tuple[int, int]) -> None:
    """By account or by the bank that keeps it; a page begins after the last one's record."""
    bank, customer = pair
    made = [world.authorize(customer, bank, 1, lasts=DAY) for _ in range(5)]
    theirs = world.authorize(bank, customer, 1, lasts=DAY)
    gone = AuthorizationReversed(account=customer, released=1, by="issuer")
    world.append(gone, originator=made[1])
    world.project()
    listed, after = [], None
    while True:
        page = world.reader.list_authorizations(participant="bank-a", now=world.now, after=after, limit=2).result
        if not page:
            break
        listed += ids(page)
        last = page[-1]
        after = RecordCursor(last.authorization.created_at, last.partition, last.position)
    assert listed == made[::-1]
    assert ids(world.reader.list_authorizations(account_id=bank, now=world.now).result) == [theirs]
    still = world.reader.list_authorizations(account_id=customer, states=[State.OPEN], now=world.now).result
    assert ids(still) == [made[4], made[3], made[2], made[0]]
    assert ids(
        world.reader.list_authorizations(
            account_id=customer, states=[State.REVERSED, State.DECLINED], now=world.now
        ).result
    ) == [made[1]]


def test_an_open_authorisation_that_holds_nothing_is_listed_and_not_printed(
    world: World, pair: tuple[int, int]
) -> None:
    """Reversed in parts, or captured, down to nothing it stays among the open ones; raised again, it is printed."""
    bank, customer = pair
    reversed_, captured, held = (world.authorize(customer, bank, amount) for amount in (60, 70, 80))
    for amount in (20, 40):
        world.append(AuthorizationPartlyReversed(account=customer, amount=amount), originator=reversed_)
    world.capture(captured, customer, bank, 70)
    world.project()

    def printed() -> tuple[list[bytes], int | None]:
        statement = world.reader.mini_statement(customer, now=world.now).result
        overview = world.reader.overview(
            customer, now=world.now, lines=9, authorizations_limit=9, only_open=True
        ).result
        assert statement is not None
        assert overview is not None
        assert ids(list(overview.authorizations)) == ids(list(statement.open_authorizations))
        return ids(list(statement.open_authorizations)), statement.balance.held

    listed = world.reader.list_authorizations(account_id=customer, states=[State.OPEN], now=world.now).result
    assert ids(listed) == [held, captured, reversed_]
    assert [each.authorization.remaining for each in listed] == [80, 0, 0]
    assert printed() == ([held], 80)
    world.append(AuthorizationIncremented(account=customer, amount=5), originator=reversed_)
    world.project()
    assert printed() == ([held, reversed_], 85)


def test_transfers_are_found_by_reference_and_by_tag(world: World, pair: tuple[int, int]) -> None:
    """Newest first, in pages; a declined transfer was not made, and is not found."""
    bank, customer = pair
    made = [world.transfer(bank, customer, 1, reference="r", tags={"k": "v"}) for _ in range(3)]
    world.transfer(bank, customer, 1)
    world.append(
        TransferDeclined(debit_account=customer, credit_account=bank, amount=1, reason="X", reference="r", tags={})
    )
    world.project()
    first = world.reader.transfers_by_reference("test", "r", limit=2).result
    assert [found.originator_id for found in first] == [made[2], made[1]]
    last = first[-1]
    after = RecordCursor(last.recorded_at, last.partition, last.position)
    assert [found.originator_id for found in world.reader.transfers_by_reference("test", "r", after=after).result] == [
        made[0]
    ]
    assert [found.originator_id for found in world.reader.transfers_by_tag("test", "k", "v").result] == made[::-1]
    assert world.reader.transfers_by_tag("test", "k", "w").result == []
