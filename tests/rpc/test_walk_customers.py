"""One customer's quote, binding, alias, code or payment, asked about in the name of another, who is no stranger."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from google.protobuf import descriptor_pool

from protos.esep.v1 import alias_service_pb2 as aliases
from protos.esep.v1 import card_binding_service_pb2 as bindings
from protos.esep.v1 import qr_service_pb2 as qrs
from protos.esep.v1 import quote_service_pb2 as quotes
from tests.rpc.every_write import EVERY_WRITE
from tests.rpc.stage import Stage
from tests.rpc.world import new_id, refused

REASONS: Final = {
    "/esep.v1.AliasService/LinkPhone": "CARD_NOT_BOUND",
    "/esep.v1.AliasService/UnlinkPhone": "ALIAS_NOT_FOUND",
    "/esep.v1.CardBindingService/CancelCardBinding": "BINDING_NOT_FOUND",
    "/esep.v1.CardBindingService/ConfirmCardBinding": "BINDING_AMOUNT_WRONG",
    "/esep.v1.CardService/UnbindCard": "CARD_NOT_BOUND",
    "/esep.v1.CustomerService/LiftRetention": "RETENTION_NOT_FOUND",
    "/esep.v1.PaymentService/ConfirmPayment": "PAYMENT_NOT_FOUND",
    "/esep.v1.PaymentService/PrepareQrPayment": "CARD_NOT_BOUND",
    "/esep.v1.PaymentService/PrepareServicePayment": "CARD_NOT_BOUND",
    "/esep.v1.QrService/IssueTransferQr": "CARD_NOT_BOUND",
    "/esep.v1.QuoteService/ConfirmQuote": "QUOTE_NOT_FOUND",
    "/esep.v1.QuoteService/CreateQuote": "CARD_NOT_BOUND",
    "/esep.v1.TokenService/BlockDevice": "DEVICE_NOT_FOUND",
    "/esep.v1.TokenService/RequestToken": "CARD_NOT_BOUND",
    "/esep.v1.TokenService/UnblockDevice": "DEVICE_NOT_FOUND",
}
"""With what each write is refused that names a customer beside something of theirs."""
ABOUT_THEMSELVES: Final = {
    "/esep.v1.CardBindingService/RequestCardBinding",
    *(
        f"/esep.v1.CustomerService/{name}"
        for name in ("ConfirmRegistration", "SetPin", "IdentifyCustomer", "EraseCustomer", "PlaceRetention")
    ),
}
"""Writes that name a customer and nothing that is another's already."""
READS: Final[dict[str, tuple[str, Callable[[Any], Any], str]]] = {
    "/esep.v1.QuoteService/GetQuote": (
        "/esep.v1.QuoteService/CreateQuote",
        lambda made: quotes.GetQuoteRequest(quote_id=made.quote.quote_id),
        "QUOTE_NOT_FOUND",
    ),
    "/esep.v1.CardBindingService/GetCardBinding": (
        "/esep.v1.CardBindingService/RequestCardBinding",
        lambda made: bindings.GetCardBindingRequest(binding_id=made.binding.binding_id),
        "BINDING_NOT_FOUND",
    ),
    "/esep.v1.AliasService/GetAlias": (
        "/esep.v1.AliasService/LinkPhone",
        lambda made: aliases.GetAliasRequest(alias_id=made.alias.alias_id),
        "ALIAS_NOT_FOUND",
    ),
    "/esep.v1.QrService/GetTransferQr": (
        "/esep.v1.QrService/IssueTransferQr",
        lambda made: qrs.GetTransferQrRequest(transfer_qr_id=made.transfer_qr.transfer_qr_id),
        "TRANSFER_QR_NOT_FOUND",
    ),
}
"""Of each read: the write that makes what it reads, the request but for the customer, and the refusal."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Give a ledger that all methods share."""
    with Stage(tmp_path_factory.mktemp("ledger")) as opened:
        yield opened


@pytest.fixture(scope="module")
def another(stage: Stage) -> str:
    """Give a customer who is identified and has a card bound."""
    return stage.bound().customer_id


@pytest.mark.parametrize("method", sorted(REASONS))
def test_nothing_is_done_with_anothers_things(stage: Stage, another: str, method: str) -> None:
    """A request that would succeed is refused in another customer's name, and then succeeds in its own."""
    request: Any = EVERY_WRITE[method](stage)
    theirs = type(request)()
    theirs.CopyFrom(request)
    theirs.customer_id, theirs.request_id = another, new_id()
    assert refused(lambda: stage.call(method, theirs)).reason == REASONS[method]
    assert not stage.call(method, request).receipt.replayed


@pytest.mark.parametrize("method", sorted(READS))
def test_nothing_is_told_of_anothers_things(stage: Stage, another: str, method: str) -> None:
    """What is answered to its own customer is not found for another."""
    making, read, reason = READS[method]
    request: Any = EVERY_WRITE[making](stage)
    question = read(stage.call(making, request))
    question.customer_id = request.customer_id
    stage.call(method, question)
    question.customer_id = another
    assert refused(lambda: stage.call(method, question)).reason == reason


def test_every_write_that_names_a_customer_is_walked() -> None:
    """A method that is added is added to one of the tables."""
    named = {method for method in EVERY_WRITE if _names_a_customer(method)}
    assert named == REASONS.keys() | ABOUT_THEMSELVES


def _names_a_customer(method: str) -> bool:
    _, service, name = method.split("/")
    asked = descriptor_pool.Default().FindServiceByName(service).FindMethodByName(name).input_type
    return "customer_id" in asked.fields_by_name
