"""Elcart Pay: the card is put into a phone as a token, switched on, and tapped at a till."""

from protos.esep.v1 import authorization_pb2, token_pb2
from protos.esep.v1.authorization_service_pb2 import CaptureAuthorizationRequest
from protos.esep.v1.token_payment_service_pb2 import AuthorizeTokenPaymentRequest
from protos.esep.v1.token_service_pb2 import ActivateTokenRequest, ProvisionTokenRequest, RequestTokenRequest
from scripts.demo_banks import Bank
from scripts.demo_client import Answer, new_id
from scripts.device import Phone, fiscal_receipt
from scripts.story.people import Person
from scripts.story.scene import Scene, expect


def tokenise(scene: Scene, person: Person, phone: Phone) -> token_pb2.Token:
    """Ask for a token of the card, and put its number and key into the phone."""
    app = scene.app(person.customer_id)
    request = RequestTokenRequest(
        request_id=new_id(), card_id=person.card_id, customer_id=person.customer_id, device=phone.device
    )
    token_id = scene.do(app.tokens.RequestToken, request).token.token_id
    given = scene.do(app.tokens.ProvisionToken, ProvisionTokenRequest(request_id=new_id(), token_id=token_id))
    scene.secret(given.token_number, given.key.key.hex())
    phone.provision(given.token_number, given.token.expiry, given.key)
    token: token_pb2.Token = given.token
    expect("the state of a token in a phone", token.state, token_pb2.TOKEN_STATE_INACTIVE)
    return token


def switch_on(scene: Scene, person: Person, token_id: str) -> None:
    """Switch contactless payment on."""
    request = ActivateTokenRequest(request_id=new_id(), token_id=token_id)
    token = scene.do(scene.app(person.customer_id).tokens.ActivateToken, request).token
    expect("the state of a token that was switched on", token.state, token_pb2.TOKEN_STATE_ACTIVE)


def tapped(phone: Phone, shop: Bank, amount: int, till: str, number: str) -> AuthorizeTokenPaymentRequest:
    """Return what the shop's terminal asks after a tap: the payment, with the fiscal receipt of its till."""
    return phone.pay(
        new_id(),
        amount,
        shop.merchant,
        merchant_name="Супермаркет",
        merchant_category_code="5411",
        fiscal_receipt=fiscal_receipt(till, number),
    )


def tap(scene: Scene, person: Person, phone: Phone, shop: Bank, amount: int, receipt: tuple[str, str]) -> str:
    """Unlock, tap and pay; the shop's bank clears it. Returns the authorisation's id."""
    terminal = scene.pos(shop.name)
    held = scene.do(terminal.token_payments.AuthorizeTokenPayment, tapped(phone, shop, amount, *receipt)).authorization
    expect("the held amount", held.remaining_tyiyn, amount)
    expect("till and receipt", (held.till_id, held.fiscal_receipt_number), receipt)
    expect("the card that pays", held.card_id, person.card_id)
    clearing = CaptureAuthorizationRequest(
        request_id=new_id(),
        authorization_id=held.authorization_id,
        amount_tyiyn=amount,
        final=True,
        clearing_reference=new_id(),
    )
    cleared = scene.do(terminal.authorizations.CaptureAuthorization, clearing).authorization
    expect("the state of a cleared payment", cleared.state, authorization_pb2.AUTHORIZATION_STATE_CAPTURED)
    return str(held.authorization_id)


def tap_refused(scene: Scene, phone: Phone, shop: Bank, amount: int, reason: str) -> Answer:
    """Tap, and be refused for this reason."""
    terminal = scene.pos(shop.name)
    request = tapped(phone, shop, amount, "KKM-0417", "000043")
    return scene.refused(terminal.token_payments.AuthorizeTokenPayment, request, reason)
