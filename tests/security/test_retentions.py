"""Who places, lifts and sees what forbids erasing a customer: their bank and the scheme, never the application."""

from functools import partial
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from ledger.rpc.callers import Role
from protos.esep.v1 import customer_pb2
from protos.esep.v1.customer_service_pb2 import (
    EraseCustomerRequest,
    GetCustomerRequest,
    LiftRetentionRequest,
    PlaceRetentionRequest,
)
from protos.esep.v1.transfer_service_pb2 import GetOutcomeRequest
from tests.rpc.world import World, new_id, refused
from tests.security.scenes import OTHER_BANK, OWN_BANK, Caller, Scene, make_scene

SERVICE = "/esep.v1.CustomerService"
CASE = "case 2026/118"
END = 4_000_000_000
STANDING, LIFTED = customer_pb2.RETENTION_STATE_STANDING, customer_pb2.RETENTION_STATE_LIFTED


@pytest.fixture
def scene(world: World) -> Scene:
    """Give a customer nobody else asks about."""
    return make_scene(world, OWN_BANK)


def bank(world: World, participant: str = OWN_BANK) -> Caller:
    return Caller(world, Role.BANK, participant)


def place(caller: Caller, customer: str, **fields: Any) -> customer_pb2.Customer:
    given = {"request_id": new_id(), "reason": customer_pb2.RETENTION_REASON_INVESTIGATION, "reference": CASE, **fields}
    kept: customer_pb2.Customer = caller.call(
        f"{SERVICE}/PlaceRetention", PlaceRetentionRequest(customer_id=customer, **given)
    ).customer
    return kept


def lift(caller: Caller, customer: str, retention_id: str) -> customer_pb2.Customer:
    request = LiftRetentionRequest(request_id=new_id(), customer_id=customer, retention_id=retention_id)
    left: customer_pb2.Customer = caller.call(f"{SERVICE}/LiftRetention", request).customer
    return left


def read(caller: Caller, customer: str) -> customer_pb2.Customer:
    found: customer_pb2.Customer = caller.call(
        f"{SERVICE}/GetCustomer", GetCustomerRequest(customer_id=customer)
    ).customer
    return found


def test_a_retention_is_told_as_it_was_placed(world: World, scene: Scene) -> None:
    """With its reason, case, end and on whose behalf; once lifted, also when."""
    retention_id = new_id()
    customer = place(bank(world), scene.customer, request_id=retention_id, expire_time=Timestamp(seconds=END))
    (told,) = customer.retentions
    assert (told.retention_id, told.reference, told.state) == (retention_id, CASE, STANDING)
    assert told.reason == customer_pb2.RETENTION_REASON_INVESTIGATION
    assert told.authority == customer_pb2.RETENTION_AUTHORITY_BANK
    assert (told.expire_time.seconds, told.place_time) == (END, customer.update_time)
    assert not told.HasField("lift_time")
    left = lift(bank(world), scene.customer, retention_id)
    assert [(each.state, each.lift_time) for each in left.retentions] == [(LIFTED, left.update_time)]


@pytest.mark.parametrize(
    ("role", "participant", "told"),
    [
        (Role.BANK, OWN_BANK, True),
        (Role.OPERATOR, "", True),
        (Role.AUDITOR, "", True),
        (Role.APP, "", False),
        (Role.APP, OWN_BANK, False),
    ],
)
def test_the_application_is_not_told_of_retentions(
    world: World,
    scene: Scene,
    role: Role,
    participant: str,
    told: bool,  # noqa: FBT001
) -> None:
    """Whoever is looked into learns nothing of it from the phone, whichever answer the customer stands in."""
    callers = [Caller(world, role, participant)]
    if role is Role.APP:
        callers.append(Caller(world, role, participant, customer=scene.customer))
    before = [read(caller, scene.customer) for caller in callers]
    (kept,) = place(bank(world), scene.customer).retentions
    for caller, customer in zip(callers, before, strict=True):
        kept_now = read(caller, scene.customer)
        assert [each.reference for each in kept_now.retentions] == ([CASE] if told else [])
        assert (kept_now == customer) is not told
    lift(bank(world), scene.customer, kept.retention_id)
    if not told:
        assert [read(caller, scene.customer) for caller in callers] == before
    if role is Role.APP:
        for caller in callers:
            outcome = caller.call("/esep.v1.TransferService/GetOutcome", GetOutcomeRequest(request_id=scene.customer))
            assert outcome.customer.customer_id == scene.customer
            assert CASE not in str(outcome)


def test_an_auditor_is_told_of_retentions_and_not_of_the_person(world: World, scene: Scene) -> None:
    """By id, with everything but login, phone number and name; by a login or a number an auditor may not even ask."""
    place(bank(world), scene.customer)
    full, told = read(Caller(world, Role.OPERATOR), scene.customer), read(Caller(world, Role.AUDITOR), scene.customer)
    assert full.login
    assert (told.login, told.phone_number, told.full_name) == ("", "", "")
    full.ClearField("login")
    full.ClearField("phone_number")
    assert told == full
    for naming in (
        GetCustomerRequest(login="somebody"),
        GetCustomerRequest(phone_number="+996700123456"),
        GetCustomerRequest(),
    ):
        asking = partial(Caller(world, Role.AUDITOR).call, f"{SERVICE}/GetCustomer", naming)
        assert refused(asking).reason == "PERMISSION_DENIED"


def test_each_lifts_only_its_own(world: World, scene: Scene) -> None:
    """The scheme's retention is not the bank's to lift, nor the bank's the scheme's; erasing waits for both."""
    operator = Caller(world, Role.OPERATOR)
    (banks,) = place(bank(world), scene.customer).retentions
    _, schemes = place(operator, scene.customer).retentions
    assert schemes.authority == customer_pb2.RETENTION_AUTHORITY_OPERATOR
    for caller, retention, whose in ((bank(world), schemes, "operator"), (operator, banks, "bank")):
        refusal = refused(partial(lift, caller, scene.customer, retention.retention_id))
        assert (refusal.reason, refusal.metadata["authority"]) == ("RETENTION_OF_ANOTHER", whose)
    erasing = EraseCustomerRequest(request_id=new_id(), customer_id=scene.customer)
    for left, caller, retention in ((2, bank(world), banks), (1, operator, schemes)):
        erasing.request_id = new_id()
        refusal = refused(partial(bank(world).call, f"{SERVICE}/EraseCustomer", erasing))
        assert (refusal.reason, refusal.metadata["retentions"]) == ("ERASURE_FORBIDDEN", str(left))
        assert CASE not in str(refusal.details)
        lift(caller, scene.customer, retention.retention_id)
    assert refused(partial(lift, bank(world, OTHER_BANK), scene.customer, banks.retention_id)).reason == (
        "PERMISSION_DENIED"
    )
    erasing.request_id = new_id()
    erased = bank(world).call(f"{SERVICE}/EraseCustomer", erasing).customer
    assert erased.state == customer_pb2.CUSTOMER_STATE_ERASED
    assert [each.reference for each in erased.retentions] == [CASE, CASE]
    assert refused(partial(place, operator, scene.customer)).reason == "CUSTOMER_ERASED"


def test_a_refused_erasure_is_final_and_erases_nothing(world: World, scene: Scene) -> None:
    """Sent again after the retention is lifted, it is answered as before; the customer is read as before."""
    before = read(bank(world), scene.customer)
    (kept,) = place(bank(world), scene.customer, expire_time=Timestamp(seconds=END)).retentions
    erasing = EraseCustomerRequest(request_id=new_id(), customer_id=scene.customer)
    erase = partial(bank(world).call, f"{SERVICE}/EraseCustomer", erasing)
    first = refused(erase)
    assert (first.metadata["until"], first.metadata["recorded"]) == (str(END * 1_000_000), "true")
    lift(bank(world), scene.customer, kept.retention_id)
    again = refused(erase)
    assert (again.reason, again.metadata["replayed"]) == ("ERASURE_FORBIDDEN", "true")
    after = read(bank(world), scene.customer)
    assert (after.login, after.phone_number) == (before.login, before.phone_number)


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_retention_that_has_ended_before_it_begins_is_malformed(world: World, scene: Scene, seconds: int) -> None:
    """The field is named as the caller knows it."""
    refusal = refused(partial(place, bank(world), scene.customer, expire_time=Timestamp(seconds=seconds)))
    assert refusal.fields.keys() == {"expire_time"}
    wordy = refused(partial(place, bank(world), scene.customer, reference="x" * 65, reason=0))
    assert wordy.fields.keys() == {"reference", "reason"}


def test_a_retention_that_is_only_tried_forbids_nothing(world: World, scene: Scene) -> None:
    """What would be told is told, and the customer can be erased all the same."""
    tried = place(bank(world), scene.customer, validate_only=True)
    assert [each.state for each in tried.retentions] == [STANDING]
    assert not read(bank(world), scene.customer).retentions
