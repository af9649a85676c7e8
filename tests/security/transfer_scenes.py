"""A request about a scene for every method about phone numbers, codes and quotes."""

from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

from google.protobuf.message import Message

from protos.esep.v1 import alias_service_pb2 as aliases
from protos.esep.v1 import qr_service_pb2 as qrs
from protos.esep.v1 import quote_service_pb2 as quotes
from tests.rpc.world import new_id

LINK: Final = "https://pay.payqr.kg/#00020101021132380012shop.example010111001712021113021253034176304c731"


def _number() -> str:
    return f"+99655{uuid4().int % 10**7:07}"


TRANSFER_REQUESTS: Final[dict[str, Callable[[Any], Message]]] = {
    "/esep.v1.AliasService/SendAliasCode": lambda of: aliases.SendAliasCodeRequest(
        customer_id=of.customer, phone_number=_number()
    ),
    "/esep.v1.AliasService/LinkPhone": lambda of: aliases.LinkPhoneRequest(
        request_id=new_id(), customer_id=of.customer, card_id=of.card, phone_number=_number()
    ),
    "/esep.v1.AliasService/UnlinkPhone": lambda of: aliases.UnlinkPhoneRequest(
        request_id=new_id(), customer_id=of.customer, alias_id=new_id()
    ),
    "/esep.v1.AliasService/GetAlias": lambda of: aliases.GetAliasRequest(customer_id=of.customer, alias_id=new_id()),
    "/esep.v1.AliasService/ListAliases": lambda of: aliases.ListAliasesRequest(customer_id=of.customer),
    "/esep.v1.QrService/DecodeQr": lambda _: qrs.DecodeQrRequest(qr_text=LINK),
    "/esep.v1.QrService/IssueTransferQr": lambda of: qrs.IssueTransferQrRequest(
        request_id=new_id(), customer_id=of.customer, card_id=of.card
    ),
    "/esep.v1.QrService/GetTransferQr": lambda of: qrs.GetTransferQrRequest(
        customer_id=of.customer, transfer_qr_id=new_id()
    ),
    "/esep.v1.QuoteService/CreateQuote": lambda of: quotes.CreateQuoteRequest(
        request_id=new_id(),
        customer_id=of.customer,
        card_id=of.card,
        amount_tyiyn=100,
        card_number="9417001234567895",
    ),
    "/esep.v1.QuoteService/ConfirmQuote": lambda of: quotes.ConfirmQuoteRequest(
        request_id=new_id(), customer_id=of.customer, quote_id=new_id()
    ),
    "/esep.v1.QuoteService/GetQuote": lambda of: quotes.GetQuoteRequest(customer_id=of.customer, quote_id=new_id()),
}
