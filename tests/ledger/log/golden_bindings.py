"""Examples of the events of bindings of cards, least and full: what their golden files hold."""

from uuid import UUID

from domain.binding import (
    CardBindingCancelled,
    CardBindingConfirmed,
    CardBindingMissed,
    CardBindingRequested,
)
from domain.event import Event

FINGERPRINT = "00112233445566778899aabb"
ID = UUID("0190a5f0-1234-7abc-8def-0123456789ab")
SEALED = bytes(range(48))
MONEY = 10**15
TIME = 1_790_000_000_000_000

BINDING_EXAMPLES: dict[type[Event], tuple[Event, Event]] = {
    CardBindingRequested: (
        CardBindingRequested(
            customer=ID, card=ID, participant="bank-a", masked="941700******1234", hold=ID, expires_at=TIME, tries=3
        ),
        CardBindingRequested(
            customer=ID,
            card=ID,
            participant="bank-a",
            masked="941700******1234",
            hold=ID,
            expires_at=TIME,
            tries=3,
            name=SEALED,
            sms=True,
            rule_version="default-1",
            fingerprint=FINGERPRINT,
        ),
    ),
    CardBindingMissed: (
        CardBindingMissed(tries_left=2),
        CardBindingMissed(tries_left=0, fingerprint=FINGERPRINT),
    ),
    CardBindingConfirmed: (CardBindingConfirmed(), CardBindingConfirmed(fingerprint=FINGERPRINT)),
    CardBindingCancelled: (CardBindingCancelled(), CardBindingCancelled(fingerprint=FINGERPRINT)),
}
