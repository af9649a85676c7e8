"""Retentions: who may not be erased, until when, and who lets that go."""

import msgspec
import pytest

from domain.command import Command
from domain.customer import Customer, CustomerConfirmed, CustomerErased, CustomerRegistered, EraseCustomer
from domain.event import Event
from domain.refusals import Reason
from domain.retaining import LiftRetention, PlaceRetention
from domain.retention import (
    MOST_STANDING,
    Authority,
    CustomerRetentionLifted,
    CustomerRetentionPlaced,
    RetentionReason,
    RetentionState,
)
from tests.domain.spec import DAY, NOW, SECOND, Spec, uid

WHO, ONE, TWO = uid(1), uid(11), uid(12)
REGISTERED = CustomerRegistered(participant="bank-a", login=b"\xff1", phone=b"\xff2", confirm_by=NOW)
CASE = "case 2026/118"
YEARS = 5 * 365 * DAY
DISPUTE, LAUNDERING = RetentionReason.DISPUTE, RetentionReason.MONEY_LAUNDERING
BANK, OPERATOR = Authority.BANK, Authority.OPERATOR
PLACED = CustomerRetentionPlaced(retention=ONE, reason=DISPUTE, authority=BANK)
ENDING = CustomerRetentionPlaced(retention=TWO, reason=LAUNDERING, authority=OPERATOR, until=NOW + YEARS)
LIFTED = CustomerRetentionLifted(retention=ONE)
ERASE = EraseCustomer(customer_id=WHO)
LIFT = LiftRetention(customer_id=WHO, retention_id=ONE, authority=BANK)


def given(*events: Event) -> Spec:
    return Spec().given(*((WHO, event) for event in (REGISTERED, *events)))


def place(**fields: object) -> PlaceRetention:
    return PlaceRetention(**{"customer_id": WHO, "reason": DISPUTE, "authority": BANK, **fields})


@pytest.mark.parametrize("before", [(), (CustomerConfirmed(),), (PLACED,), (PLACED, LIFTED)])
def test_a_retention_has_the_id_of_its_request(before: tuple[Event, ...]) -> None:
    """It is placed on whoever registered, confirmed or not, beside any others."""
    given(*before).when(place(reference=CASE, until=NOW + DAY), TWO).then(
        CustomerRetentionPlaced(retention=TWO, reason=DISPUTE, authority=BANK, reference=CASE, until=NOW + DAY)
    )


@pytest.mark.parametrize(
    ("before", "figures"),
    [
        ((PLACED,), {"retentions": 1}),
        ((ENDING,), {"retentions": 1, "until": NOW + YEARS}),
        ((ENDING, PLACED), {"retentions": 2}),
        ((msgspec.structs.replace(PLACED, until=NOW + DAY), ENDING), {"retentions": 2, "until": NOW + YEARS}),
        ((PLACED, LIFTED, ENDING), {"retentions": 1, "until": NOW + YEARS}),
    ],
)
def test_a_retention_that_stands_forbids_erasing(before: tuple[Event, ...], figures: dict[str, int]) -> None:
    """The refusal says how many stand, and until when if all of them end by themselves; never what case it is."""
    spec = given(*before).when(ERASE).then_refused(Reason.ERASURE_FORBIDDEN, **figures)
    assert spec.decided.metadata.keys() == {"customer_id", *figures}  # type: ignore[union-attr] # a refusal


@pytest.mark.parametrize(("late", "erased"), [(-2, False), (-1, True), (DAY, True)])
def test_the_end_of_a_retention_is_exact(late: int, erased: bool) -> None:  # noqa: FBT001
    """At the very instant it forbids nothing more, whoever looks and whenever."""
    spec = given(ENDING).after(YEARS + late).when(ERASE)
    if erased:
        spec.then(CustomerErased())
    else:
        spec.then_refused(Reason.ERASURE_FORBIDDEN)


def test_each_retention_is_lifted_by_itself() -> None:
    """The customer is kept until the last of them is lifted."""
    spec = given(PLACED, msgspec.structs.replace(PLACED, retention=TWO))
    spec.when(LIFT).then(LIFTED).when(ERASE).then_refused(Reason.ERASURE_FORBIDDEN, retentions=1)
    spec.when(LIFT.model_copy(update={"retention_id": TWO})).then(CustomerRetentionLifted(retention=TWO))
    spec.when(ERASE).then(CustomerErased())


@pytest.mark.parametrize(
    ("before", "command", "reason"),
    [
        ((CustomerErased(),), place(), Reason.CUSTOMER_ERASED),
        ((PLACED, LIFTED, CustomerErased()), LIFT, Reason.CUSTOMER_ERASED),
        ((), LIFT, Reason.RETENTION_NOT_FOUND),
        ((ENDING,), LIFT, Reason.RETENTION_NOT_FOUND),
        ((PLACED, LIFTED), LIFT, Reason.RETENTION_ALREADY_LIFTED),
        ((msgspec.structs.replace(PLACED, until=NOW),), LIFT, Reason.RETENTION_LAPSED),
        ((msgspec.structs.replace(PLACED, until=NOW), LIFTED), LIFT, Reason.RETENTION_ALREADY_LIFTED),
        ((PLACED,), LIFT.model_copy(update={"authority": OPERATOR}), Reason.RETENTION_OF_ANOTHER),
        ((msgspec.structs.replace(PLACED, authority=OPERATOR),), LIFT, Reason.RETENTION_OF_ANOTHER),
        ((PLACED, LIFTED), LIFT.model_copy(update={"authority": OPERATOR}), Reason.RETENTION_OF_ANOTHER),
    ],
)
def test_what_cannot_be_placed_or_lifted(before: tuple[Event, ...], command: Command, reason: Reason) -> None:
    """Nothing is placed on whoever is erased; a retention is lifted once, while it stands, by whoever placed it."""
    given(*before).when(command).then_refused(reason)


@pytest.mark.parametrize("command", [place(), LIFT])
def test_nobody_is_kept_who_does_not_exist(command: Command) -> None:
    """A retention is a customer's."""
    Spec().when(command).then_refused(Reason.CUSTOMER_NOT_FOUND)


@pytest.mark.parametrize(("until", "taken"), [(NOW + 2, True), (NOW + 1, False), (NOW, False), (1, False)])
def test_a_retention_ends_in_the_future(until: int, taken: bool) -> None:  # noqa: FBT001
    """An end that has passed when it is recorded is a mistake in the request."""
    spec = given().when(place(until=until))
    if taken:
        assert isinstance(spec.decided, list)
    else:
        spec.then_refused(Reason.INVALID_ARGUMENT)
        assert [wrong[:2] for wrong in spec.decided.violations] == [("until", "NOT_IN_FUTURE")]  # type: ignore[union-attr]


def test_no_more_than_so_many_stand_at_once() -> None:
    """What has been lifted or has ended makes room."""
    many = [
        CustomerRetentionPlaced(retention=uid(100 + number), reason=DISPUTE, authority=BANK, until=NOW + DAY)
        for number in range(MOST_STANDING - 1)
    ]
    given(*many, PLACED).when(place()).then_refused(Reason.TOO_MANY_RETENTIONS, most=MOST_STANDING)
    assert isinstance(given(*many, PLACED, LIFTED).when(place()).decided, list)
    assert isinstance(given(*many, PLACED).after(DAY).when(place()).decided, list)


def test_a_customer_remembers_every_retention() -> None:
    """In the order of their placing, each with its times."""
    customer = given(PLACED, ENDING, LIFTED).life(WHO)
    assert isinstance(customer, Customer)
    one, two = customer.retentions
    assert (one.retention_id, one.reason, one.authority, one.until) == (ONE.bytes, DISPUTE, BANK, None)
    assert (two.retention_id, two.until, two.lifted_at) == (TWO.bytes, NOW + YEARS, None)
    assert one.lifted_at is not None
    states = [each.state(NOW + SECOND) for each in (one, two)]
    assert states == [RetentionState.LIFTED, RetentionState.STANDING]
    assert two.state(NOW + YEARS) is RetentionState.LAPSED


def test_another_case_or_end_is_another_request() -> None:
    """All that is asked for tells a repeated request from another of the same id."""
    others = (place(reference=CASE), place(until=NOW + DAY), place(reason=LAUNDERING), place(authority=OPERATOR))
    assert len({each.fingerprint() for each in (place(), *others)}) == 1 + len(others)
    assert LIFT.fingerprint() != LIFT.model_copy(update={"retention_id": TWO}).fingerprint()
