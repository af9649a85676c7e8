"""Lists of things by their owners: newest first, page by page, as they stand, whatever the batches were."""

from uuid import UUID

import pytest

from domain.event import Event
from domain.payee import PayeeKind, PayeeRegistered, PayeeUpdated
from domain.payment import (
    Decider,
    Details,
    PaymentConfirmed,
    PaymentFailed,
    PaymentPrepared,
    PaymentRefunded,
    PaymentState,
    PaymentSucceeded,
    PaymentUnresolved,
    ProviderAsked,
)
from domain.rules import Operation
from ledger.log.codec import decode
from projections.check import check
from projections.resources import LAPSED, PAYEE, PAYMENT, Kind, customer_owner, participant_owner, payee_owner
from tests.projections.world import SECOND, World

ANA, BEK = UUID(int=11), UUID(int=12)
SHOP, CAFE = UUID(int=21), UUID(int=22)
HOUR = 3_600 * SECOND
CONFIRMED = PaymentConfirmed(authorization=UUID(int=31))
SUCCEEDED = PaymentSucceeded(by=Decider.LEDGER)


def prepared(world: World, customer: UUID = ANA, payee: UUID = SHOP, participant: str = "bank-a") -> PaymentPrepared:
    details = Details(
        customer=customer,
        card=UUID(int=41),
        account=2,
        participant=participant,
        operation=Operation.QR_PAYMENT,
        payee=payee,
        payee_kind=PayeeKind.MERCHANT,
        payee_name="Дүкөн",
        credit_account=3,
        amount=100,
        currency="KGS",
        fields={"account": b"\xffsealed"},
    )
    return PaymentPrepared(details=details, rules="default-1", expires_at=world.now + HOUR)


def listed(world: World, owner: str, *states: str, kind: Kind = PAYMENT, now: int = 0, limit: int = 100) -> list[bytes]:
    """Return the ids of an owner's things, page by page."""
    ids: list[bytes] = []
    after = None
    while True:
        page = world.reader.list_resources(
            kind, owner, states=states, now=now or world.now, after=after, limit=limit
        ).result
        ids += [getattr(one.resource, f"{kind.name}_id") for one in page]
        if len(page) < limit:
            return ids
        after = page[-1].cursor


@pytest.mark.parametrize("batch_size", [1, 2, 8192])
def test_things_are_listed_by_each_of_their_owners(world: World, batch_size: int) -> None:
    """A payment is its payer's, the payer's bank's and the payee's; the newest comes first."""
    first = world.append(prepared(world), CONFIRMED, SUCCEEDED)
    second = world.append(prepared(world, BEK, CAFE))
    third = world.append(prepared(world, ANA, CAFE, "bank-b"))
    world.project(batch_size=batch_size)
    for owner, expected in (
        (customer_owner(ANA.bytes), [third, first]),
        (customer_owner(BEK.bytes), [second]),
        (payee_owner(CAFE.bytes), [third, second]),
        (participant_owner("bank-a"), [second, first]),
        (customer_owner(SHOP.bytes), []),
    ):
        assert listed(world, owner) == expected
        assert listed(world, owner, limit=1) == expected
    assert listed(world, participant_owner("bank-a"), kind=PAYEE) == []
    assert check(world.log, world.store, decode) == []


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ((), PaymentState.PREPARED),
        ((CONFIRMED, ProviderAsked()), PaymentState.PROCESSING),
        ((CONFIRMED, ProviderAsked(), PaymentUnresolved()), PaymentState.UNRESOLVED),
        ((CONFIRMED, SUCCEEDED), PaymentState.SUCCEEDED),
        ((CONFIRMED, SUCCEEDED, PaymentRefunded(amount=1)), PaymentState.SUCCEEDED),
        ((CONFIRMED, ProviderAsked(), PaymentFailed(by=Decider.PROVIDER)), PaymentState.FAILED),
    ],
)
@pytest.mark.parametrize("batch_size", [1, 8192])
def test_a_payment_is_listed_as_it_stands(
    world: World, events: tuple[Event, ...], state: PaymentState, batch_size: int
) -> None:
    """Under its state and no other."""
    payment = world.append(prepared(world), *events)
    world.project(batch_size=batch_size)
    owner = customer_owner(ANA.bytes)
    assert {one for one in PaymentState if listed(world, owner, one.value) == [payment]} == {state}
    assert listed(world, owner, LAPSED) == []
    assert listed(world, owner, *(one.value for one in PaymentState)) == [payment]


def test_what_was_not_confirmed_in_time_is_listed_as_lapsed(world: World) -> None:
    """From the instant on at which it cannot be confirmed any more; no event says so."""
    payment = world.append(prepared(world))
    done = world.append(prepared(world), CONFIRMED, SUCCEEDED)
    world.project()
    ends = world.events[0][1].expires_at  # type: ignore[attr-defined]
    owner = customer_owner(ANA.bytes)
    assert (listed(world, owner, "prepared", now=ends - 1), listed(world, owner, LAPSED, now=ends - 1)) == (
        [payment],
        [],
    )
    assert (listed(world, owner, "prepared", now=ends), listed(world, owner, LAPSED, now=ends)) == ([], [payment])
    assert listed(world, owner, LAPSED, "succeeded", now=ends + HOUR) == [done, payment]


def test_those_that_wait_are_found_whoever_owns_them(world: World) -> None:
    """The oldest first, page by page."""
    waiting = [world.append(prepared(world, UUID(int=50 + number)), CONFIRMED, ProviderAsked()) for number in range(5)]
    world.append(prepared(world), CONFIRMED, SUCCEEDED)
    world.project()
    found, after = [], None
    while page := world.reader.resources_in_state(PAYMENT, ("processing", "unresolved"), after=after, limit=2).result:
        found += [one.resource.payment_id for one in page]
        after = page[-1].cursor
    assert found == waiting


def test_a_payee_is_its_banks(world: World) -> None:
    """Switched off, it is listed still, as inactive."""
    registered = PayeeRegistered(kind=PayeeKind.MERCHANT, code="shop", participant="bank-a", account=3, name="Дүкөн")
    payee = world.append(registered, PayeeUpdated(account=3, name="Кафе", active=False))
    other = world.append(PayeeRegistered(kind=PayeeKind.PROVIDER, code="x", participant="bank-b", account=4, name="X"))
    world.project()
    (found,) = world.reader.list_resources(PAYEE, participant_owner("bank-a"), now=world.now).result
    assert (found.resource.payee_id, found.resource.name, found.resource.version) == (payee, "Кафе", 2)
    assert listed(world, participant_owner("bank-a"), "active", kind=PAYEE) == []
    assert listed(world, participant_owner("bank-a"), "inactive", kind=PAYEE) == [payee]
    assert listed(world, participant_owner("bank-b"), kind=PAYEE) == [other]
