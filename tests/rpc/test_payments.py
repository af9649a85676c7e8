"""Reading payees and payments over a whole ledger in this process: lists, pages, states, and what erasure leaves."""

from typing import Any

import pytest

from protos.esep.v1 import customer_service_pb2, payee_pb2, payee_service_pb2, payment_pb2
from protos.esep.v1 import payment_service_pb2 as api
from protos.esep.v1.common_pb2 import LogPosition
from tests.paying import FIELDS, PROVIDER, WATER, Scheme, elqr
from tests.rpc.payment_cases import change, provider_of, scheme_of
from tests.rpc.world import Bank, new_id

SUCCEEDED = payment_pb2.PAYMENT_STATE_SUCCEEDED
PREPARED = payment_pb2.PAYMENT_STATE_PREPARED
LAPSED = payment_pb2.PAYMENT_STATE_LAPSED


def listed(bank: Bank, scheme: Scheme, **fields: Any) -> list[str]:
    """Return the ids of the payments that a question lists, page by page, after all that was written."""
    request = api.ListPaymentsRequest(page_size=2, min_position=scheme._position(), **fields)
    found: list[str] = []
    while True:
        answer = bank.call(bank.ledger.payments.ListPayments, request)
        found += [payment.payment_id for payment in answer.payments]
        if not answer.next_page_token:
            return found
        request.page_token = answer.next_page_token


def test_payments_are_listed_by_payer_payee_and_bank(bank: Bank) -> None:
    """The newest first, and those in some states where any are named; one that lapsed is told as such."""
    scheme = scheme_of(bank)
    payer, other = scheme.payer(), scheme.payer()
    done = [scheme.confirm(scheme.prepare(scheme.qr(payer, elqr(), 100))).payment.payment_id for _ in range(3)]
    open_ = scheme.prepare(scheme.qr(payer, elqr(), 100)).payment_id
    others = scheme.prepare(scheme.qr(other, elqr(), 100)).payment_id
    newest = [open_, *reversed(done)]
    cafe = scheme.payees["kent-cafe"].payee_id
    assert listed(bank, scheme, customer_id=payer.customer_id) == newest
    assert listed(bank, scheme, payee_id=cafe) == [others, *newest]
    assert listed(bank, scheme, participant_id="bank-a") == [others, *newest]
    assert listed(bank, scheme, participant_id="bank-b") == []
    assert listed(bank, scheme, payee_id=cafe, states=[SUCCEEDED]) == newest[1:]
    bank.world.clock.ahead += 300_000_000
    assert listed(bank, scheme, payee_id=cafe, states=[PREPARED]) == []
    assert listed(bank, scheme, payee_id=cafe, states=[LAPSED]) == [others, open_]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, "owner"),
        ({"customer_id": "x"}, "customer_id"),
        ({"participant_id": "bank-a", "states": [99]}, "states[0]"),
    ],
)
def test_what_is_wrong_with_a_question_is_named(bank: Bank, fields: dict[str, Any], wrong: str) -> None:
    """Whose payments, and in which states."""
    refusal = bank.refused(bank.ledger.payments.ListPayments, api.ListPaymentsRequest(**fields))
    assert (refusal.reason, list(refusal.fields)) == ("INVALID_ARGUMENT", [wrong])


def test_a_payee_is_read_by_id_and_by_code(bank: Bank) -> None:
    """The code together with its kind; a change shows, and its version must be the one that was seen."""
    scheme = scheme_of(bank)
    payee = scheme.payees[WATER]
    for named in ({"payee_id": payee.payee_id}, {"code": WATER, "kind": PROVIDER}):
        wanted = payee_service_pb2.GetPayeeRequest(**named)
        assert bank.call(bank.ledger.payees.GetPayee, wanted).payee == payee
    changed = bank.call(bank.ledger.payees.UpdatePayee, change(payee, name="Суу", expected_version=1))
    assert (changed.payee.name, changed.payee.version) == ("Суу", 2)
    assert bank.refused(bank.ledger.payees.UpdatePayee, change(payee, expected_version=1)).reason == (
        "EXPECTED_VERSION_MISMATCH"
    )
    for wrong in ({}, {"code": WATER}):
        assert bank.refused(bank.ledger.payees.GetPayee, payee_service_pb2.GetPayeeRequest(**wrong)).fields  # type: ignore[arg-type]
    position = LogPosition(position=changed.receipt.position)
    request = payee_service_pb2.ListPayeesRequest(participant_id="bank-a", page_size=1, min_position=position)
    first = bank.call(bank.ledger.payees.ListPayees, request)
    request.page_token = first.next_page_token
    second = bank.call(bank.ledger.payees.ListPayees, request)
    assert [each.payees[0] for each in (first, second)] == [changed.payee, scheme.payees["kent-cafe"]]
    assert changed.payee.kind == payee_pb2.PAYEE_KIND_PROVIDER


def test_what_an_erased_payer_entered_is_erased(bank: Bank) -> None:
    """The payment stays, with its amounts; its request sent again is still the same request."""
    scheme = scheme_of(bank)
    payer = scheme.payer()
    with provider_of(bank):
        request = scheme.service(payer)
        payment = scheme.confirm(scheme.prepare(request)).payment
        assert (payment.state, dict(payment.fields)) == (SUCCEEDED, FIELDS)
        erasure = customer_service_pb2.EraseCustomerRequest(request_id=new_id(), customer_id=payer.customer_id)
        bank.call(bank.ledger.customers.EraseCustomer, erasure)
        told = scheme.get(payment.payment_id)
        assert (dict(told.fields), told.beneficiary) == ({"account": "[erased]"}, "[erased]")
        assert (told.amount_tyiyn, told.state) == (20_000, SUCCEEDED)
        assert scheme.prepare(request).payment_id == payment.payment_id
