"""Examples of tokens' and devices' events for the golden files."""

from typing import Any, Final
from uuid import UUID

from domain.authorization import AuthorizationAdvised, AuthorizationApproved, AuthorizationDeclined
from domain.card import CardTokensLinked, CardTokensUnlinked
from domain.device import DeviceBlocked, DeviceRegistered, DeviceUnblocked
from domain.event import Event
from domain.token import (
    Actor,
    Cause,
    TokenActivated,
    TokenDeactivated,
    TokenDeclined,
    TokenKeysReplenished,
    TokenProvisioned,
    TokenRelinked,
    TokenRequested,
    TokenResumed,
    TokenSuspended,
    TokenUsed,
)

FINGERPRINT: Final = "00112233445566778899aabb"
ID: Final = UUID("0190a5f0-1234-7abc-8def-0123456789ab")
TIME: Final = 1_790_000_000_000_000
PAR: Final = "A1" * 14 + "Z"
TOKEN: Final[dict[str, Any]] = {
    "participant": "bank-a",
    "card": ID,
    "customer": ID,
    "device": ID,
    "device_id": "pixel-7",
    "masked": "941799******1234",
    "par": PAR,
}
KEYS: Final[dict[str, Any]] = {
    "sequence": 1,
    "master_key_id": "1",
    "max_uses": 50,
    "max_amount": 5_000_000,
    "keys_until": TIME,
}
PROVISIONED: Final[dict[str, Any]] = {**KEYS, "expires": 2029_11, "activate_by": TIME}
DEVICE: Final = DeviceRegistered(customer=ID, device_id="pixel-7", model="Pixel 7", android_version="6.0.1", nfc=True)

TOKEN_EXAMPLES: Final[dict[type[Event], tuple[Event, Event]]] = {
    CardTokensLinked: (CardTokensLinked(tokens=(ID,)), CardTokensLinked(tokens=(ID, ID))),
    CardTokensUnlinked: (CardTokensUnlinked(tokens=(ID,)), CardTokensUnlinked(tokens=(ID, ID))),
    TokenRequested: (TokenRequested(**TOKEN), TokenRequested(**TOKEN, fingerprint=FINGERPRINT)),
    TokenDeclined: (TokenDeclined(), TokenDeclined(explanation="тобокелдик", fingerprint=FINGERPRINT)),
    TokenProvisioned: (TokenProvisioned(**PROVISIONED), TokenProvisioned(**PROVISIONED, fingerprint=FINGERPRINT)),
    TokenKeysReplenished: (TokenKeysReplenished(**KEYS), TokenKeysReplenished(**KEYS, fingerprint=FINGERPRINT)),
    TokenActivated: (TokenActivated(), TokenActivated(fingerprint=FINGERPRINT)),
    TokenSuspended: (
        TokenSuspended(by=Actor.ISSUER),
        TokenSuspended(by=Actor.DEVICE_LOCK, explanation="жоголду", fingerprint=FINGERPRINT),
    ),
    TokenResumed: (
        TokenResumed(by=Actor.CARDHOLDER),
        TokenResumed(by=Actor.WALLET, explanation="табылды", fingerprint=FINGERPRINT),
    ),
    TokenDeactivated: (
        TokenDeactivated(cause=Cause.CARD_CLOSED),
        TokenDeactivated(cause=Cause.INACTIVITY, at=TIME, explanation="30 күн", fingerprint=FINGERPRINT),
    ),
    TokenRelinked: (TokenRelinked(card=ID, par=PAR), TokenRelinked(card=ID, par=PAR, fingerprint=FINGERPRINT)),
    TokenUsed: (TokenUsed(counter=1, authorization=ID), TokenUsed(counter=65_435, authorization=ID, amount=10**12)),
    DeviceRegistered: (DEVICE, DEVICE),
    DeviceBlocked: (DeviceBlocked(), DeviceBlocked(explanation="уурдалды", fingerprint=FINGERPRINT)),
    DeviceUnblocked: (DeviceUnblocked(), DeviceUnblocked(explanation="табылды", fingerprint=FINGERPRINT)),
}

_TAP: Final[dict[str, Any]] = {
    "account": 2,
    "credit_account": 3,
    "amount": 1,
    "currency": "KGS",
    "kind": "purchase",
    "rule_version": "rules-1",
    "card": ID,
    "token": ID,
    "till_id": "till-17",
    "fiscal_receipt_number": "000123",
}

TAPPED: Final[dict[type[Event], dict[str, Event]]] = {
    AuthorizationApproved: {"token": AuthorizationApproved(**_TAP, expires_at=TIME)},
    AuthorizationAdvised: {"token": AuthorizationAdvised(**_TAP, expires_at=TIME)},
    AuthorizationDeclined: {"token": AuthorizationDeclined(**_TAP, reason="COUNTER_REPEATED")},
}
"""Forms of authorisations with what they hold of a tap."""
