"""Binding a card to a customer: a small amount is held on the card's account, and whoever can name it holds the card.

A binding's id is the request id of its beginning. It holds no amount: the amount stands in the hold alone, an ordinary
authorisation that ends at the same instant. Nothing about a try stands in an event but that there was one. A binding
whose time is over is expired from that instant on, whether or not the end of its hold has been recorded yet: nothing
needs to be recorded for it.

A try at a binding that does not exist, or is somebody else's, is counted apart, under an id that follows from the
binding's and the customer's. It is answered as a wrong amount would be, to the last figure, and costs the real
binding no try.

The commands stand in ``domain.bind`` (beginning one) and ``domain.confirm`` (what comes after).
"""

from enum import StrEnum
from typing import Any, ClassVar, Final
from uuid import UUID

import msgspec

from domain.event import Change, Event
from domain.ids import derived_id

HOLD_KIND: Final = "card_verification"
"""The kind of a binding's hold. No request may name it: such a hold belongs to its binding."""
LEAST_AMOUNT: Final = 100
MOST_AMOUNT: Final = 999
"""Bounds of the amount to be named, in tyiyn: "up to 10 som" (leaflet row S06), 900 values."""


class BindingState(StrEnum):
    """How far a binding has come."""

    OPEN = "open"
    BOUND = "bound"
    LOCKED = "locked"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class CardBindingRequested(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A customer gave a card's number, expiry and CVV; ``hold`` holds the amount to be named before ``expires_at``.

    ``name`` is what the customer calls the card, encrypted, and ``name_mark`` tells it from any other while the key is
    there. ``sms`` says whether messages about the card go out.
    """

    TOPIC: ClassVar[str] = "card_binding.requested.v1"

    customer: UUID
    card: UUID
    participant: str
    masked: str
    hold: UUID
    expires_at: int
    tries: int
    name: bytes = b""
    sms: bool = False
    rule_version: str = ""
    fingerprint: str = ""
    name_mark: str = ""


class CardBindingMissed(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The customer named another amount than the one held; with no tries left the binding is locked."""

    TOPIC: ClassVar[str] = "card_binding.missed.v1"

    tries_left: int
    fingerprint: str = ""


class CardBindingConfirmed(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The customer named the amount held."""

    TOPIC: ClassVar[str] = "card_binding.confirmed.v1"

    fingerprint: str = ""


class CardBindingCancelled(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The customer gave up the binding."""

    TOPIC: ClassVar[str] = "card_binding.cancelled.v1"

    fingerprint: str = ""


class HeldAmountDisclosed(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The held amount was told to an operator, who is named by the bank's own mark."""

    TOPIC: ClassVar[str] = "card_binding.amount_disclosed.v1"

    operator: str
    explanation: str = ""
    fingerprint: str = ""


class UnknownBindingTried(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A customer tried an amount at a binding that is not theirs, or does not exist."""

    TOPIC: ClassVar[str] = "card_binding.unknown_tried.v1"

    binding: UUID
    customer: UUID
    tries_left: int
    fingerprint: str = ""


class Binding(msgspec.Struct, frozen=True):
    """A binding as its events tell it."""

    binding_id: bytes
    customer: bytes
    card: bytes
    participant: str
    masked: str
    hold: bytes
    expires_at: int
    tries_left: int
    name: bytes
    sms: bool
    created_at: int
    updated_at: int
    version: int = 1
    recorded_state: BindingState = BindingState.OPEN

    def state(self, now: int) -> BindingState:
        """Return the state at a moment: open ends at the exact instant."""
        if self.recorded_state is BindingState.OPEN and now >= self.expires_at:
            return BindingState.EXPIRED
        return self.recorded_state


class UnknownBinding(msgspec.Struct, frozen=True):
    """What is left of the tries at a binding that is not the customer's."""

    version: int
    tries_left: int


def unknown_id(binding_id: bytes, customer_id: bytes) -> bytes:
    """Return the id under which a customer's tries at a binding that is not theirs are counted."""
    return derived_id(customer_id, f"unknown binding:{binding_id.hex()}")


def evolve(binding: Binding | None, change: Change, recorded_at: int) -> Binding:
    """Return the binding after one more of its events."""
    event = change.event
    if isinstance(event, CardBindingRequested):
        return Binding(
            binding_id=change.originator_id,
            customer=event.customer.bytes,
            card=event.card.bytes,
            participant=event.participant,
            masked=event.masked,
            hold=event.hold.bytes,
            expires_at=event.expires_at,
            tries_left=event.tries,
            name=event.name,
            sms=event.sms,
            created_at=recorded_at,
            updated_at=recorded_at,
        )
    if binding is None:
        raise ValueError(f"{event.TOPIC} before card_binding.requested")
    changed: dict[str, Any]
    match event:
        case CardBindingMissed():
            changed = {"tries_left": event.tries_left}
            if event.tries_left == 0:
                changed["recorded_state"] = BindingState.LOCKED
        case CardBindingConfirmed():
            changed = {"recorded_state": BindingState.BOUND}
        case CardBindingCancelled():
            changed = {"recorded_state": BindingState.CANCELLED}
        case HeldAmountDisclosed():
            changed = {}
        case _:
            raise ValueError(f"{event.TOPIC} is not an event of a binding")
    return msgspec.structs.replace(binding, version=change.version, updated_at=recorded_at, **changed)


def evolve_unknown(_before: UnknownBinding | None, change: Change, _recorded_at: int) -> UnknownBinding:
    """Return what is left of the tries after one more."""
    if not isinstance(change.event, UnknownBindingTried):
        raise TypeError(f"{change.event.TOPIC} is not a try at an unknown binding")
    return UnknownBinding(change.version, change.event.tries_left)
