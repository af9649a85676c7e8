"""A request about a scene's token, card, customer or merchant, for every method about tokens."""

from collections.abc import Callable
from typing import Any, Final

from google.protobuf.message import Message

from protos.esep.v1 import authorization_pb2 as held
from protos.esep.v1 import token_payment_service_pb2, token_pb2
from protos.esep.v1 import token_service_pb2 as tokens
from tests.rpc.world import new_id

TAP: Final = token_payment_service_pb2.Tap(
    country_number=417,
    transaction_date="261122",
    unpredictable_number=bytes(4),
    transaction_counter=1,
    key_sequence=1,
    cryptogram=bytes(8),
)


def _write(request: Callable[..., Message], /, **fields: Any) -> Message:
    return request(request_id=new_id(), validate_only=True, **fields)


TOKEN_REQUESTS: Final[dict[str, Callable[[Any], Message]]] = {
    "/esep.v1.TokenService/RequestToken": lambda of: _write(
        tokens.RequestTokenRequest,
        card_id=of.card,
        customer_id=of.customer,
        device=token_pb2.Device(device_id="d-1", model="Pixel 7", android_version="13", nfc=True),
    ),
    "/esep.v1.TokenService/DeclineToken": lambda of: _write(tokens.DeclineTokenRequest, token_id=of.token),
    "/esep.v1.TokenService/ProvisionToken": lambda of: tokens.ProvisionTokenRequest(
        request_id=new_id(), token_id=of.token
    ),
    "/esep.v1.TokenService/ActivateToken": lambda of: _write(tokens.ActivateTokenRequest, token_id=of.token),
    "/esep.v1.TokenService/ReplenishKeys": lambda of: tokens.ReplenishKeysRequest(
        request_id=new_id(), token_id=of.token
    ),
    "/esep.v1.TokenService/SuspendToken": lambda of: _write(
        tokens.SuspendTokenRequest, token_id=of.token, suspended_by=token_pb2.TOKEN_ACTOR_ISSUER
    ),
    "/esep.v1.TokenService/ResumeToken": lambda of: _write(
        tokens.ResumeTokenRequest, token_id=of.token, suspended_by=token_pb2.TOKEN_ACTOR_ISSUER
    ),
    "/esep.v1.TokenService/DeactivateToken": lambda of: _write(
        tokens.DeactivateTokenRequest, token_id=of.token, cause=token_pb2.TOKEN_DEACTIVATION_CAUSE_ISSUER
    ),
    "/esep.v1.TokenService/RelinkToken": lambda of: _write(
        tokens.RelinkTokenRequest, token_id=of.token, card_id=of.spare_card
    ),
    "/esep.v1.TokenService/BlockDevice": lambda of: _write(
        tokens.BlockDeviceRequest, customer_id=of.customer, device_id="d-1"
    ),
    "/esep.v1.TokenService/UnblockDevice": lambda of: _write(
        tokens.UnblockDeviceRequest, customer_id=of.customer, device_id="d-1"
    ),
    "/esep.v1.TokenService/GetToken": lambda of: tokens.GetTokenRequest(token_id=of.token),
    "/esep.v1.TokenService/ListTokens": lambda of: tokens.ListTokensRequest(card_id=of.card),
    "/esep.v1.TokenPaymentService/AuthorizeTokenPayment": lambda of: _write(
        token_payment_service_pb2.AuthorizeTokenPaymentRequest,
        token_number="9417990000000000",
        expiry="12/29",
        credit_account_id=of.merchant,
        amount_tyiyn=1,
        currency_code="KGS",
        entry_mode=held.ENTRY_MODE_CONTACTLESS,
        tap=TAP,
    ),
}
