"""The life of a token: asked for, put into a phone, switched on, suspended, given new keys, ended.

The order of a new user (row S33) is kept by the guards: a card is tokenised once it is bound to an identified customer,
contactless payment is switched on once the token is in the phone, and only then is anything paid. Number and keys are
made and kept by the vault beforehand; a decision sees the masked number and the numbers of keys.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final
from uuid import UUID

from pydantic import Field

from domain import card as cards
from domain.card import CardTokensLinked, CardTokensUnlinked
from domain.command import Command, Explanation
from domain.device import Device, DeviceModel, device_key, register, too_old
from domain.event import Change, Context, Event
from domain.refusals import Reason, Refusal, refuse
from domain.times import MONTHS, SECOND, day_of, month_of
from domain.token import (
    Actor,
    Cause,
    KeysIssued,
    State,
    Token,
    TokenActivated,
    TokenDeactivated,
    TokenDeclined,
    TokenKeysReplenished,
    TokenProvisioned,
    TokenRelinked,
    TokenRequested,
    TokenResumed,
    TokenSuspended,
    find,
    following,
    state_refusal,
)

if TYPE_CHECKING:
    from domain.books import Books

MAX_SEQUENCE: Final = 65_535
"""The most keys one token may have: their numbers have two bytes (see ``ledger.vault.cryptogram``)."""


class Ender(StrEnum):
    """Who may end a token."""

    ISSUER = "issuer"
    WALLET = "wallet"
    CARDHOLDER = "cardholder"
    FRAUD = "fraud"


class RequestToken(Command):
    """Ask for a token of a card for a phone. Its number has been reserved in the vault under the request's id."""

    NAME: ClassVar[str] = "request_token"
    SECRETS: ClassVar[frozenset[str]] = frozenset({"masked_number"})

    card_id: UUID
    customer_id: UUID
    device: DeviceModel
    masked_number: str

    def needs(self) -> tuple[bytes, ...]:
        return (self.card_id.bytes, self.customer_id.bytes)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: the phone's NFC and Android, card and customer, the phone not blocked, how many tokens."""
        policy = context.policy.tokens
        if not self.device.nfc:
            return refuse(Reason.DEVICE_WITHOUT_NFC)
        if too_old(self.device.android_version, policy.minimum_android):
            return refuse(Reason.ANDROID_TOO_OLD, minimum=policy.minimum_android)
        found = cards.usable(books, self.card_id.bytes, self.customer_id.bytes, context.now)
        if isinstance(found, Refusal):
            return found
        card, customer = found
        registered = register(books, customer.customer_id, self.device)
        if isinstance(registered, Refusal):
            return registered
        if len(card.tokens) >= policy.per_card:
            return refuse(Reason.TOO_MANY_TOKENS, card_id=self.card_id, maximum=policy.per_card)
        # From here on the token is asked for.
        requested = TokenRequested(
            participant=card.participant,
            card=self.card_id,
            customer=self.customer_id,
            device=UUID(bytes=device_key(customer.customer_id, self.device.device_id)),
            device_id=self.device.device_id,
            masked=self.masked_number,
            par=card.par,
            fingerprint=self.fingerprint(),
        )
        linked = CardTokensLinked(tokens=(UUID(bytes=context.request_id),))
        return [
            Change(context.request_id, 1, requested),
            Change(card.card_id, card.version + 1, linked),
            *registered,
        ]


class _TokenCommand(Command):
    """A command on one existing token, with the version the caller expects it to have."""

    token_id: UUID
    expected_version: Annotated[int, Field(ge=1)] | None = None

    def target(self) -> UUID:
        return self.token_id

    def needs(self) -> tuple[bytes, ...]:
        return (self.token_id.bytes,)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        token = self._found(books, context)
        if isinstance(token, Refusal):
            return token
        return [following(token, self._event(token, context))]

    def _found(self, books: "Books", context: Context) -> Token | Refusal:
        """Return the token if it can be done to it. Guards in order: known, its version, what the command asks."""
        token = find(books, self.token_id.bytes)
        if isinstance(token, Refusal):
            return token
        if self.expected_version is not None and self.expected_version != token.version:
            return refuse(Reason.EXPECTED_VERSION_MISMATCH, expected=self.expected_version, actual=token.version)
        return self._guard(books, token, context) or token

    def _refuse(self, reason: Reason, **figures: object) -> Refusal:
        return refuse(reason, token_id=self.token_id, **figures)

    def _guard(self, books: "Books", token: Token, context: Context) -> Refusal | None:
        raise TypeError("a command on a token guards its steps")

    def _event(self, token: Token, context: Context) -> Event:
        raise TypeError("a command on a token names its event")


def ready(books: "Books", token: Token, now: int) -> Refusal | None:
    """Return why a token's card, customer or phone do not allow paying. In order: card and customer, phone."""
    found = cards.usable(books, token.card, token.customer, now)
    if isinstance(found, Refusal):
        return found
    device = books.aggregate(token.device)
    if isinstance(device, Device) and device.blocked:
        return refuse(Reason.DEVICE_BLOCKED, device_id=device.device_id)
    return None


class DeclineToken(_TokenCommand):
    """Refuse a token that was asked for, as its issuer."""

    NAME: ClassVar[str] = "decline_token"

    explanation: Explanation = ""

    def _guard(self, books: "Books", token: Token, context: Context) -> Refusal | None:
        if token.state(context.now) in (State.INACTIVE, State.ACTIVE, State.SUSPENDED):
            return self._refuse(Reason.TOKEN_ALREADY_PROVISIONED)
        return state_refusal(token, context.now, State.REQUESTED)

    def _event(self, token: Token, context: Context) -> Event:
        return TokenDeclined(explanation=self.explanation, fingerprint=self.fingerprint())


class _KeysCommand(_TokenCommand):
    """A command by which the phone gets a key that the vault has numbered."""

    SECRETS: ClassVar[frozenset[str]] = frozenset({"sequence", "master_key_id"})

    sequence: Annotated[int, Field(ge=1)]
    master_key_id: str

    def _newer(self, token: Token) -> Refusal | None:
        """Refuse keys for a suspended token, switched on or not, and numbers that were overtaken, or there are not."""
        if token.suspended_by:
            return self._refuse(Reason.TOKEN_SUSPENDED, suspended_by=",".join(token.suspended_by))
        if token.keys is not None and self.sequence <= token.keys.sequence:
            return self._refuse(Reason.KEY_SUPERSEDED)
        return self._refuse(Reason.KEYS_EXHAUSTED) if self.sequence > MAX_SEQUENCE else None

    def _issued(self, context: Context) -> dict[str, Any]:
        policy = context.policy.tokens
        return {
            "sequence": self.sequence,
            "master_key_id": self.master_key_id,
            "max_uses": policy.key_uses,
            "max_amount": policy.key_amount,
            "keys_until": context.now + policy.key_seconds * SECOND,
            "fingerprint": self.fingerprint(),
        }


class ProvisionToken(_KeysCommand):
    """Put a token into its phone, for the first time or anew: its counter begins at 0."""

    NAME: ClassVar[str] = "provision_token"

    def _guard(self, books: "Books", token: Token, context: Context) -> Refusal | None:
        return (
            state_refusal(token, context.now, State.REQUESTED, State.INACTIVE, State.ACTIVE)
            or ready(books, token, context.now)
            or self._newer(token)
        )

    def _event(self, token: Token, context: Context) -> KeysIssued:
        policy = context.policy.tokens
        return TokenProvisioned(
            **self._issued(context),
            expires=_expiry(context),
            activate_by=context.now + policy.inactive_seconds * SECOND,
        )


class ReplenishKeys(_KeysCommand):
    """Give the phone another key; the counter goes on."""

    NAME: ClassVar[str] = "replenish_keys"

    def _guard(self, books: "Books", token: Token, context: Context) -> Refusal | None:
        return (
            state_refusal(token, context.now, State.INACTIVE, State.ACTIVE)
            or ready(books, token, context.now)
            or self._newer(token)
        )

    def _event(self, token: Token, context: Context) -> KeysIssued:
        return TokenKeysReplenished(**self._issued(context))


class ActivateToken(_TokenCommand):
    """Switch contactless payment on."""

    NAME: ClassVar[str] = "activate_token"

    def _guard(self, books: "Books", token: Token, context: Context) -> Refusal | None:
        if token.state(context.now) is State.SUSPENDED:
            return self._refuse(Reason.TOKEN_ALREADY_ACTIVE)
        return state_refusal(token, context.now, State.INACTIVE) or ready(books, token, context.now)

    def _event(self, token: Token, context: Context) -> Event:
        return TokenActivated(fingerprint=self.fingerprint())


class SuspendToken(_TokenCommand):
    """Let a token not pay until whoever suspends it lifts that again."""

    NAME: ClassVar[str] = "suspend_token"

    by: Actor
    explanation: Explanation = ""

    def _guard(self, books: "Books", token: Token, context: Context) -> Refusal | None:
        refusal = _in_phone(token, context.now)
        if refusal is None and self.by in token.suspended_by:
            return self._refuse(Reason.TOKEN_ALREADY_SUSPENDED, suspended_by=self.by)
        return refusal

    def _event(self, token: Token, context: Context) -> Event:
        return TokenSuspended(by=self.by, explanation=self.explanation, fingerprint=self.fingerprint())


class ResumeToken(_TokenCommand):
    """Lift one's own suspension; the token pays again when nobody else's is left."""

    NAME: ClassVar[str] = "resume_token"

    by: Actor
    explanation: Explanation = ""

    def _guard(self, books: "Books", token: Token, context: Context) -> Refusal | None:
        refusal = _in_phone(token, context.now)
        if refusal is None and self.by not in token.suspended_by:
            return self._refuse(Reason.TOKEN_NOT_SUSPENDED, by=self.by, suspended_by=",".join(token.suspended_by))
        return refusal

    def _event(self, token: Token, context: Context) -> Event:
        return TokenResumed(by=self.by, explanation=self.explanation, fingerprint=self.fingerprint())


class DeactivateToken(_TokenCommand):
    """End a token for good."""

    NAME: ClassVar[str] = "deactivate_token"

    by: Ender
    explanation: Explanation = ""

    def _guard(self, books: "Books", token: Token, context: Context) -> Refusal | None:
        return _in_life(token, context.now)

    def _event(self, token: Token, context: Context) -> Event:
        cause = Cause(self.by.value)
        return TokenDeactivated(cause=cause, explanation=self.explanation, fingerprint=self.fingerprint())


class RecordInactivity(_TokenCommand):
    """Record that a token has ended because it was not switched on in time. Asked for by the ledger itself."""

    NAME: ClassVar[str] = "record_inactivity"

    def _guard(self, books: "Books", token: Token, context: Context) -> Refusal | None:
        return None if token.lapsed(context.now) else state_refusal(token, context.now)

    def _event(self, token: Token, context: Context) -> Event:
        return TokenDeactivated(cause=Cause.INACTIVITY, at=token.activate_by, fingerprint=self.fingerprint())


class RelinkToken(_TokenCommand):
    """Let a token whose card was lost or stolen stand for another card of the same customer and account."""

    NAME: ClassVar[str] = "relink_token"

    card_id: UUID

    def needs(self) -> tuple[bytes, ...]:
        return (self.token_id.bytes, self.card_id.bytes)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: the token, its card lost, the new card and its customer, the same account."""
        token = self._found(books, context)
        if isinstance(token, Refusal):
            return token
        old = cards.find(books, token.card)
        if isinstance(old, Refusal):
            return old
        if old.status not in (cards.Status.LOST, cards.Status.STOLEN):
            return refuse(Reason.CARD_NOT_LOST, card_id=UUID(bytes=token.card))
        usable = cards.usable(books, self.card_id.bytes, token.customer, context.now)
        if isinstance(usable, Refusal):
            return usable
        new, _ = usable
        if new.account != old.account:
            return refuse(Reason.CARD_REPLACEMENT_UNFIT, card_id=self.card_id)
        # From here on the token is the new card's.
        moved = (self.token_id,)
        return [
            following(token, TokenRelinked(card=self.card_id, par=new.par, fingerprint=self.fingerprint())),
            Change(old.card_id, old.version + 1, CardTokensUnlinked(tokens=moved)),
            Change(new.card_id, new.version + 1, CardTokensLinked(tokens=moved)),
        ]

    def _guard(self, books: "Books", token: Token, context: Context) -> Refusal | None:
        return _in_life(token, context.now)


def _in_life(token: Token, now: int) -> Refusal | None:
    return state_refusal(token, now, State.REQUESTED, State.INACTIVE, State.ACTIVE, State.SUSPENDED)


def _in_phone(token: Token, now: int) -> Refusal | None:
    return state_refusal(token, now, State.INACTIVE, State.ACTIVE, State.SUSPENDED)


def _expiry(context: Context) -> int:
    """Return the month in which a token that is provisioned now ends, ``year * 100 + month``."""
    month = month_of(day_of(context.now, context.policy.utc_offset_seconds))
    year, index = divmod(month + context.policy.tokens.months, MONTHS)
    return year * 100 + index + 1
