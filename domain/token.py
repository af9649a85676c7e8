"""Tokens: what stands for a card in a phone (EMVCo Payment Tokenisation; leaflet "Elcart Pay").

``requested -> inactive -> active <-> suspended -> deactivated``; a request may end declined. A token looks like a card
number and is one card's at a time; its number stands in the vault only, and everything else refers to it by its id,
the request id of the request for it. Who suspended it is a set: each lifts only its own, and an active token is
suspended while the set is not empty. A token that is not switched on in time is deactivated at that very instant,
whenever that comes to be recorded.

The commands stand in ``domain.tokenise``, what happens to a card's tokens in ``domain.card_tokens``, paying with one
in ``domain.token_payment``.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import UUID

import msgspec

from domain.event import Change, Event
from domain.refusals import Reason, Refusal, refuse
from domain.token_counter import Counter, use_up

if TYPE_CHECKING:
    from domain.books import Books


class State(StrEnum):
    """How a token stands."""

    REQUESTED = "requested"
    DECLINED = "declined"
    INACTIVE = "inactive"
    """In the phone; contactless payment is not switched on yet."""
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DEACTIVATED = "deactivated"


class Actor(StrEnum):
    """Who suspends a token, and lifts it again."""

    ISSUER = "issuer"
    WALLET = "wallet"
    CARDHOLDER = "cardholder"
    DEVICE_LOCK = "device_lock"


class Cause(StrEnum):
    """Why a token was deactivated."""

    ISSUER = "issuer"
    WALLET = "wallet"
    CARDHOLDER = "cardholder"
    FRAUD = "fraud"
    INACTIVITY = "inactivity"
    CARD_CLOSED = "card_closed"
    CARD_UNBOUND = "card_unbound"


class TokenRequested(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A token was asked for, for a card bound to ``customer`` and a phone (``device``)."""

    TOPIC: ClassVar[str] = "token.requested.v1"

    participant: str
    card: UUID
    customer: UUID
    device: UUID
    device_id: str
    masked: str
    par: str
    fingerprint: str = ""


class TokenDeclined(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The issuer did not grant a token."""

    TOPIC: ClassVar[str] = "token.declined.v1"

    explanation: str = ""
    fingerprint: str = ""


class KeysIssued(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A limited-use key for the phone, by its number: ``max_uses`` taps, ``max_amount`` tyiyn, until ``keys_until``.

    ``master_key_id`` names the key in the vault that it follows from.
    """

    sequence: int
    master_key_id: str
    max_uses: int
    max_amount: int
    keys_until: int
    fingerprint: str = ""


class TokenProvisioned(KeysIssued, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The token was put into the phone, with its first key; its counter begins anew.

    It is valid through the last day of ``expires`` (year * 100 + month), and deactivated if it is not switched on
    before ``activate_by``.
    """

    TOPIC: ClassVar[str] = "token.provisioned.v1"

    expires: int
    activate_by: int


class TokenKeysReplenished(KeysIssued, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The phone got another key; the one before it is not taken any more."""

    TOPIC: ClassVar[str] = "token.keys_replenished.v1"


class TokenActivated(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Contactless payment was switched on."""

    TOPIC: ClassVar[str] = "token.activated.v1"

    fingerprint: str = ""


class TokenSuspended(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """``by`` suspended the token."""

    TOPIC: ClassVar[str] = "token.suspended.v1"

    by: Actor
    explanation: str = ""
    fingerprint: str = ""


class TokenResumed(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """``by`` lifted its own suspension; others' stay."""

    TOPIC: ClassVar[str] = "token.resumed.v1"

    by: Actor
    explanation: str = ""
    fingerprint: str = ""


class TokenDeactivated(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The token ended; ``at`` says when, where that was before it was recorded."""

    TOPIC: ClassVar[str] = "token.deactivated.v1"

    cause: Cause
    at: int | None = None
    explanation: str = ""
    fingerprint: str = ""


class TokenRelinked(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The token stands for another card from now on: the replacement of the one before."""

    TOPIC: ClassVar[str] = "token.relinked.v1"

    card: UUID
    par: str
    fingerprint: str = ""


class TokenUsed(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A right cryptogram used up a value of the counter; ``amount`` tyiyn were approved, 0 in a decline."""

    TOPIC: ClassVar[str] = "token.used.v1"

    counter: int
    authorization: UUID
    amount: int = 0


class Keys(msgspec.Struct, frozen=True, gc=False):
    """The limited-use key in the phone: what it is good for."""

    sequence: int
    max_uses: int
    max_amount: int
    until: int


class Token(msgspec.Struct, frozen=True):
    """A token as its events tell it. Times are in microseconds, amounts in tyiyn."""

    token_id: bytes
    participant: str
    card: bytes
    customer: bytes
    device: bytes
    device_id: str
    masked: str
    par: str
    created_at: int
    updated_at: int
    version: int = 1
    stage: State = State.REQUESTED
    """How far it has come; what it is now, ``state`` says."""
    suspended_by: tuple[Actor, ...] = ()
    activate_by: int = 0
    expires: int = 0
    keys: Keys | None = None
    counter: Counter = Counter()
    uses: int = 0
    """Taps with the present key."""
    spent: int = 0
    """Approved with the present key."""
    cause: Cause | None = None
    ended_at: int | None = None

    def state(self, now: int) -> State:
        """Return what the token is at a moment."""
        if self.lapsed(now):
            return State.DEACTIVATED
        return State.SUSPENDED if self.stage is State.ACTIVE and self.suspended_by else self.stage

    def lapsed(self, now: int) -> bool:
        """Tell whether it has ended because it was not switched on in time, and that is not recorded yet."""
        return self.stage is State.INACTIVE and now >= self.activate_by

    def live(self, now: int) -> bool:
        """Tell whether it has not ended."""
        return self.state(now) not in (State.DECLINED, State.DEACTIVATED)


def evolve(token: Token | None, change: Change, recorded_at: int) -> Token:
    """Return the token after one more of its events."""
    event = change.event
    if isinstance(event, TokenRequested):
        return Token(
            token_id=change.originator_id,
            participant=event.participant,
            card=event.card.bytes,
            customer=event.customer.bytes,
            device=event.device.bytes,
            device_id=event.device_id,
            masked=event.masked,
            par=event.par,
            created_at=recorded_at,
            updated_at=recorded_at,
        )
    if token is None:
        raise ValueError(f"{event.TOPIC} before token.requested")
    changed = _changed(token, event, recorded_at)
    return msgspec.structs.replace(token, version=change.version, updated_at=recorded_at, **changed)


def _changed(token: Token, event: Event, recorded_at: int) -> dict[str, Any]:
    match event:
        case TokenDeclined():
            return {"stage": State.DECLINED}
        case TokenProvisioned():
            stage = State.INACTIVE if token.stage is State.REQUESTED else token.stage
            until = event.activate_by if token.stage is State.REQUESTED else token.activate_by
            anew = {"stage": stage, "activate_by": until, "expires": event.expires, "counter": Counter()}
            return {**_fresh(event), **anew}
        case TokenKeysReplenished():
            return _fresh(event)
        case TokenActivated():
            return {"stage": State.ACTIVE}
        case TokenSuspended():
            return {"suspended_by": (*token.suspended_by, event.by)}
        case TokenResumed():
            return {"suspended_by": tuple(actor for actor in token.suspended_by if actor is not event.by)}
        case TokenDeactivated():
            ended_at = recorded_at if event.at is None else event.at
            return {"stage": State.DEACTIVATED, "cause": event.cause, "ended_at": ended_at}
        case TokenRelinked():
            return {"card": event.card.bytes, "par": event.par}
        case TokenUsed():
            counter = use_up(token.counter, event.counter)
            return {"counter": counter, "uses": token.uses + 1, "spent": token.spent + event.amount}
        case _:
            raise ValueError(f"{event.TOPIC} is not an event of a token")


def _fresh(event: KeysIssued) -> dict[str, Any]:
    keys = Keys(event.sequence, event.max_uses, event.max_amount, event.keys_until)
    return {"keys": keys, "uses": 0, "spent": 0}


NOT_ACTIVE: Final = {
    State.REQUESTED: Reason.TOKEN_NOT_PROVISIONED,
    State.DECLINED: Reason.TOKEN_DECLINED,
    State.INACTIVE: Reason.TOKEN_NOT_ACTIVE,
    State.SUSPENDED: Reason.TOKEN_SUSPENDED,
    State.DEACTIVATED: Reason.TOKEN_DEACTIVATED,
}
"""Why a token in such a state cannot do what only an active one can."""


def find(books: "Books", token_id: bytes) -> Token | Refusal:
    """Return a token that exists."""
    token = books.aggregate(token_id)
    return token if isinstance(token, Token) else refuse(Reason.TOKEN_NOT_FOUND, token_id=UUID(bytes=token_id))


def state_refusal(token: Token, now: int, *allowed: State) -> Refusal | None:
    """Return why a token in no allowed state cannot do what is asked; the figures say who suspended it."""
    state = token.state(now)
    if state in allowed:
        return None
    if state is State.ACTIVE:
        return refuse(Reason.TOKEN_ALREADY_ACTIVE, token_id=UUID(bytes=token.token_id))
    figures = {"suspended_by": ",".join(token.suspended_by)} if state is State.SUSPENDED else {}
    return refuse(NOT_ACTIVE[state], token_id=UUID(bytes=token.token_id), **figures)


def following(token: Token, event: Event) -> Change:
    """Return an event as the next of a token's life."""
    return Change(token.token_id, token.version + 1, event)
