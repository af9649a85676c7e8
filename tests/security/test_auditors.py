"""What an auditor reads: the history of the money, and nothing that tells of a person."""

from uuid import UUID

import msgspec
import pytest

from domain.payment import PaymentPrepared
from ledger.rpc.callers import Role
from ledger.rpc.permissions import PERMISSIONS
from protos.esep.v1 import payment_pb2
from protos.esep.v1.payment_service_pb2 import GetPaymentRequest, ListPaymentsRequest
from tests.rpc.world import World, new_id
from tests.security.payment_scenes import payment_of
from tests.security.scenes import OWN_BANK, Caller, Scene
from tests.security.shortcuts import submit

ENTERED = {"account": "123456"}
BENEFICIARY = "А*** О."


@pytest.fixture(scope="module")
def payment_id(world: World, own: Scene) -> str:
    """Give a payment for which the payer entered something, and of whose beneficiary the provider told."""
    request_id = UUID(new_id()).bytes
    personal = {**ENTERED, "_beneficiary": BENEFICIARY}
    place = (request_id, PaymentPrepared.TOPIC)
    sealed = world.vault.vault.seal_fields(UUID(own.customer).bytes, place, personal)
    pay = payment_of(OWN_BANK, own.account, own.merchant, customer=own.customer, card=own.card, payee=own.payee)
    details = msgspec.structs.replace(pay.details, fields=sealed)
    return str(UUID(bytes=submit(world, pay.model_copy(update={"details": details}), request_id)))


def read(world: World, role: Role, payment_id: str) -> list[payment_pb2.Payment]:
    """Return the payment as it is told to a role, by itself and in a list."""
    caller = Caller(world, role)
    alone = caller.call("/esep.v1.PaymentService/GetPayment", GetPaymentRequest(payment_id=payment_id))
    listed = caller.call(
        "/esep.v1.PaymentService/ListPayments",
        ListPaymentsRequest(participant_id=OWN_BANK, min_position=alone.position),
    )
    return [alone.payment, *(one for one in listed.payments if one.payment_id == payment_id)]


@pytest.mark.parametrize(
    ("role", "entered", "beneficiary"), [(Role.OPERATOR, ENTERED, BENEFICIARY), (Role.AUDITOR, {}, "")]
)
def test_an_auditor_reads_payments_without_what_tells_of_people(
    world: World, payment_id: str, role: Role, entered: dict[str, str], beneficiary: str
) -> None:
    """What the payer entered and whom the provider named is told to an operator; both are told the money."""
    told = read(world, role, payment_id)
    assert [(dict(one.fields), one.beneficiary) for one in told] == [(entered, beneficiary)] * 2
    assert [one.amount_tyiyn for one in told] == [100, 100]


@pytest.mark.parametrize("method", ["AliasService/GetAlias", "AliasService/ListAliases"])
def test_an_auditor_reads_no_personal_data(method: str) -> None:
    """Methods that tell hardly anything but telephone numbers and names are not for auditors."""
    assert Role.AUDITOR not in PERMISSIONS[f"/esep.v1.{method}"].rules
