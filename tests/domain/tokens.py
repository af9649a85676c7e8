"""What tests of tokens begin with: a card bound to an identified customer, a phone, and a token's way up to a tap."""

from datetime import datetime, timedelta, timezone
from typing import Any, Final
from uuid import UUID

from domain import wallet
from domain.card import CardBound, CardIssued
from domain.credentials import Verdict
from domain.customer import CustomerConfirmed, CustomerIdentified, CustomerRegistered, Tier
from domain.device import DeviceModel, device_key
from domain.token_payment import AuthorizeTokenPayment
from domain.tokenise import ActivateToken, ProvisionToken, RequestToken
from domain.wallet import WalletCardAdded
from tests.domain.spec import ANA, NOW, SECOND, SHOP, Spec, uid

CARD, OTHER_CARD, HOLDER, TOKEN, OTHER_TOKEN = uid(1), uid(2), uid(3), uid(11), uid(12)
DEVICE_ID: Final = "pixel-7"
DEVICE: Final = UUID(bytes=device_key(HOLDER.bytes, DEVICE_ID))
PAR, OTHER_PAR = "A" * 29, "B" * 29
FUNDS: Final = 100_000
TODAY: Final = datetime.fromtimestamp(NOW // SECOND, timezone(timedelta(hours=6))).date()
"""The day of Bishkek in which the tests begin."""
REGISTERED: Final = CustomerRegistered(participant="bank-a", login=b"\xff1", phone=b"\xff2", confirm_by=NOW)
PERSON: Final = (REGISTERED, CustomerConfirmed(), CustomerIdentified(tier=Tier.REMOTE))


def card(par: str = PAR, expires: int = 2030_12) -> CardIssued:
    """Return the issue of a card of Ana's account."""
    return CardIssued(participant="bank-a", account=ANA, masked="941700******7895", expires=expires, par=par)


def bound(spec: Spec | None = None) -> Spec:
    """Give a card bound to an identified customer, with money."""
    spec = spec or Spec()
    return spec.given(
        *((HOLDER, event) for event in PERSON),
        (CARD, card()),
        (CARD, CardBound(customer=HOLDER)),
        (wallet.wallet_id(HOLDER.bytes), WalletCardAdded(customer=HOLDER, card=CARD)),
    ).funds(ANA, FUNDS)


def device(**fields: Any) -> DeviceModel:
    """Return a phone that may pay, with some of it changed."""
    values = {"device_id": DEVICE_ID, "model": "Pixel 7", "android_version": "13", "nfc": True}
    return DeviceModel(**{**values, **fields})


def request(**fields: Any) -> RequestToken:
    """Return a request for a token of the card."""
    values = {"card_id": CARD, "customer_id": HOLDER, "device": device(), "masked_number": "941799******0001"}
    return RequestToken(**{**values, **fields})


def provision(token_id: UUID = TOKEN, sequence: int = 1) -> ProvisionToken:
    """Return the provisioning with a key of this number."""
    return ProvisionToken(token_id=token_id, sequence=sequence, master_key_id="1")


def requested(spec: Spec | None = None) -> Spec:
    """Give a token that was asked for."""
    spec = bound(spec).when(request(), TOKEN)
    assert isinstance(spec.decided, list), spec.decided
    return spec


def provisioned(spec: Spec | None = None) -> Spec:
    """Give a token in a phone."""
    return requested(spec).given_done(provision())


def active(spec: Spec | None = None) -> Spec:
    """Give a token that pays."""
    return provisioned(spec).given_done(ActivateToken(token_id=TOKEN))


def tap(**fields: Any) -> AuthorizeTokenPayment:
    """Return a tap with which nothing is wrong, with some of it changed."""
    values = {
        "token_id": TOKEN,
        "expires": 2029_09,
        "credit_account_id": SHOP,
        "amount_tyiyn": 4_500,
        "currency_code": "KGS",
        "entry_mode": "contactless",
        "cardholder_verified": True,
        "counter": 1,
        "key_sequence": 1,
        "verdict": Verdict.RIGHT,
        "transaction_date": TODAY,
    }
    return AuthorizeTokenPayment(**{**values, **fields})
