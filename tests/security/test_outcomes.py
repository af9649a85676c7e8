"""Whose outcome an application is told: the customer's for whom it acts, whatever ids it has come to know."""

import pytest
from google.protobuf.message import Message

from ledger.rpc.callers import Role
from protos.esep.v1.card_service_pb2 import BlockCardRequest, UnbindCardRequest
from protos.esep.v1.qr_service_pb2 import IssueTransferQrRequest
from protos.esep.v1.quote_service_pb2 import ConfirmQuoteRequest
from protos.esep.v1.transfer_service_pb2 import GetOutcomeRequest
from tests.people import Person
from tests.rpc.payers import Payers
from tests.rpc.world import World, new_id, refused
from tests.security.scenes import Caller


@pytest.fixture(scope="module")
def payers(world: World) -> Payers:
    return Payers(world)


def confirming(payers: Payers, payer: Person, paid: Person) -> tuple[str, Message]:
    payers.link(paid)
    quote = payers.quote(payer, 10_000, phone_number=paid.phone_number)
    request = ConfirmQuoteRequest(request_id=new_id(), quote_id=quote.quote_id, customer_id=payer.customer_id)
    return "/esep.v1.QuoteService/ConfirmQuote", request


def issuing(_: Payers, payer: Person, paid: Person) -> tuple[str, Message]:
    request = IssueTransferQrRequest(request_id=new_id(), customer_id=payer.customer_id, card_id=payer.card_id)
    return "/esep.v1.QrService/IssueTransferQr", request


def blocking(_: Payers, payer: Person, paid: Person) -> tuple[str, Message]:
    return "/esep.v1.CardService/BlockCard", BlockCardRequest(request_id=new_id(), card_id=payer.card_id)


def unbinding(_: Payers, payer: Person, paid: Person) -> tuple[str, Message]:
    return "/esep.v1.CardService/UnbindCard", UnbindCardRequest(request_id=new_id(), card_id=payer.card_id)


@pytest.mark.parametrize("case", [confirming, issuing, blocking, unbinding])
def test_an_application_asks_after_its_customers_requests_only(world: World, payers: Payers, case: object) -> None:
    """A transfer's id is told to whoever is paid, who learns no more by it; the payer is answered as before."""
    payer, paid = payers.payer("bank-a", "Адил Осмонов"), payers.payer("bank-b", "Бакыт Асанова", funds=0)
    method, request = case(payers, payer, paid)  # type: ignore[operator] # each of the cases above
    own = Caller(world, Role.APP, customer=payer.customer_id)
    own.call(method, request)
    asked = GetOutcomeRequest(request_id=request.request_id)

    def outcome(caller: Caller) -> Message:
        answer: Message = caller.call("/esep.v1.TransferService/GetOutcome", asked)
        return answer

    assert outcome(own).receipt.replayed  # type: ignore[attr-defined]
    another = Caller(world, Role.APP, customer=paid.customer_id)
    assert refused(lambda: outcome(another)).reason == "OUTCOME_NOT_FOUND"
    assert outcome(Caller(world, Role.APP)).receipt.replayed  # type: ignore[attr-defined]
