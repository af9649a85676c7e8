"""Customers: registered, confirmed, given a PIN, identified, erased unless a retention forbids it.

A customer's id is the request id of the registration. Personal data stands in the first event only, encrypted
under a key of the customer's own, so that destroying the key erases it and leaves the history as it is. No secret,
and no hash of a secret or of personal data, stands in any event or fingerprint: whoever asks for a decision has
tried the secret and reserved the names beforehand, in the vault, and brings the verdict along.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final
from uuid import UUID

import msgspec
from pydantic import Field

from domain.command import Command, ParticipantId, Reference
from domain.credentials import Verdict
from domain.event import Change, Context, Event
from domain.refusals import Reason, Refusal, refuse
from domain.retention import (
    CustomerRetentionLifted,
    CustomerRetentionPlaced,
    Retentions,
    following,
    last_end,
    standing,
)

if TYPE_CHECKING:
    from domain.books import Books


ERASED: Final = "[erased]"
"""What is read in the place of personal data whose key was destroyed."""


class Tier(StrEnum):
    """How well a customer is known."""

    UNIDENTIFIED = "unidentified"
    REMOTE = "remote"
    IN_PERSON = "in_person"


RANKS = {Tier.UNIDENTIFIED: 0, Tier.REMOTE: 1, Tier.IN_PERSON: 2}
"""Tiers only rise."""


class Taken(StrEnum):
    """What a registration could not reserve."""

    LOGIN = "login"
    PHONE = "phone"


TAKEN = {Taken.LOGIN: Reason.LOGIN_TAKEN, Taken.PHONE: Reason.PHONE_TAKEN}


class Sealed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Personal data of one customer, each field encrypted and bound to the event and the field it stands in."""

    login: bytes
    phone: bytes
    name: bytes = b""


class CustomerRegistered(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A customer registered; ``login``, ``phone`` and ``name`` are encrypted. To be confirmed before ``confirm_by``."""

    TOPIC: ClassVar[str] = "customer.registered.v1"

    participant: str
    login: bytes
    phone: bytes
    name: bytes = b""
    confirm_by: int
    fingerprint: str = ""


class CustomerConfirmed(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A customer gave the code that was sent to the phone."""

    TOPIC: ClassVar[str] = "customer.confirmed.v1"

    fingerprint: str = ""


class CustomerPinSet(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A customer chose a PIN for the application, with the right password."""

    TOPIC: ClassVar[str] = "customer.pin_set.v1"

    fingerprint: str = ""


class CustomerIdentified(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A customer was identified; ``reference`` is the bank's own mark of the evidence."""

    TOPIC: ClassVar[str] = "customer.identified.v1"

    tier: Tier
    reference: str = ""
    fingerprint: str = ""


class CustomerErased(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The key of a customer's personal data is to be destroyed, now and after every restore."""

    TOPIC: ClassVar[str] = "customer.erased.v1"

    fingerprint: str = ""


class Customer(msgspec.Struct, frozen=True):
    """A customer as the events tell it."""

    customer_id: bytes
    participant: str
    sealed: Sealed
    confirm_by: int
    created_at: int
    updated_at: int
    version: int = 1
    confirmed: bool = False
    pin_set: bool = False
    tier: Tier = Tier.UNIDENTIFIED
    erased: bool = False
    retentions: Retentions = ()
    """All that were ever placed, in that order."""
    retention_events: int = 0
    changed_at: int = 0
    """When something else than a retention changed last."""


def evolve(customer: Customer | None, change: Change, recorded_at: int) -> Customer:
    """Return the customer after one more of its events."""
    event = change.event
    if isinstance(event, CustomerRegistered):
        return Customer(
            customer_id=change.originator_id,
            participant=event.participant,
            sealed=Sealed(event.login, event.phone, event.name),
            confirm_by=event.confirm_by,
            created_at=recorded_at,
            updated_at=recorded_at,
            changed_at=recorded_at,
        )
    if customer is None:
        raise ValueError(f"{event.TOPIC} before customer.registered")
    changed: dict[str, bool | Tier | Retentions | int] = {"changed_at": recorded_at}
    match event:
        case CustomerConfirmed():
            changed["confirmed"] = True
        case CustomerPinSet():
            changed["pin_set"] = True
        case CustomerIdentified():
            changed["tier"] = event.tier
        case CustomerErased():
            changed["erased"] = True
        case CustomerRetentionPlaced() | CustomerRetentionLifted():
            changed = {
                "retentions": following(customer.retentions, event, recorded_at),
                "retention_events": customer.retention_events + 1,
            }
        case _:
            raise ValueError(f"{event.TOPIC} is not an event of a customer")
    return msgspec.structs.replace(customer, version=change.version, updated_at=recorded_at, **changed)


def without_retentions(customer: Customer) -> Customer:
    """Return a customer as if nothing had ever forbidden erasing them: neither version nor time betrays it."""
    return msgspec.structs.replace(
        customer,
        version=customer.version - customer.retention_events,
        updated_at=customer.changed_at,
        retentions=(),
        retention_events=0,
    )


class RegisterCustomer(Command):
    """Register a customer whose login and phone number have been reserved, or could not be."""

    NAME: ClassVar[str] = "register_customer"
    SECRETS: ClassVar[frozenset[str]] = frozenset({"login", "phone", "name", "confirm_by", "taken"})
    UNKEPT: ClassVar[Mapping[str, Any]] = {"login": b"", "phone": b"", "name": b""}

    participant_id: ParticipantId
    login: bytes
    phone: bytes
    name: bytes = b""
    confirm_by: Annotated[int, Field(strict=True, gt=0, lt=2**62)]
    taken: Taken | None = None

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Register the customer under the request's own id."""
        if self.taken is not None:
            return refuse(TAKEN[self.taken])
        registered = CustomerRegistered(
            participant=self.participant_id,
            login=self.login,
            phone=self.phone,
            name=self.name,
            confirm_by=self.confirm_by,
            fingerprint=self.fingerprint(),
        )
        return [Change(context.request_id, 1, registered)]


class CustomerCommand(Command):
    """A command on one existing customer who is not erased."""

    customer_id: UUID

    def target(self) -> UUID:
        return self.customer_id

    def needs(self) -> tuple[bytes, ...]:
        return (self.customer_id.bytes,)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        customer = books.aggregate(self.customer_id.bytes)
        if not isinstance(customer, Customer):
            return refuse(Reason.CUSTOMER_NOT_FOUND, customer_id=self.customer_id)
        if customer.erased:
            return self._refuse(Reason.CUSTOMER_ERASED)
        refusal = self._guard(customer, context.now)
        if refusal is not None:
            return refusal
        return [Change(customer.customer_id, customer.version + 1, self._event(context))]

    def _refuse(self, reason: Reason, **figures: object) -> Refusal:
        return refuse(reason, customer_id=self.customer_id, **figures)

    def _guard(self, customer: Customer, now: int) -> Refusal | None:
        return None

    def _event(self, context: Context) -> Event:
        raise TypeError("a command on a customer names its event")


class ConfirmRegistration(CustomerCommand):
    """Confirm a registration with a code that has been tried."""

    NAME: ClassVar[str] = "confirm_registration"
    SECRETS: ClassVar[frozenset[str]] = frozenset({"verdict", "tries_left"})

    verdict: Verdict
    tries_left: Annotated[int, Field(ge=0)] = 0

    def _guard(self, customer: Customer, now: int) -> Refusal | None:
        if customer.confirmed:
            return self._refuse(Reason.CUSTOMER_ALREADY_CONFIRMED)
        if now >= customer.confirm_by:
            return self._refuse(Reason.CONFIRMATION_EXPIRED)
        match self.verdict:
            case Verdict.RIGHT:
                return None
            case Verdict.WRONG:
                return self._refuse(Reason.CONFIRMATION_CODE_WRONG, tries_left=self.tries_left)
            case Verdict.LOCKED:
                return self._refuse(Reason.CONFIRMATION_LOCKED)
            case Verdict.LAPSED | Verdict.ABSENT:
                return self._refuse(Reason.CONFIRMATION_EXPIRED)

    def _event(self, context: Context) -> Event:
        return CustomerConfirmed(fingerprint=self.fingerprint())


class SetPin(CustomerCommand):
    """Set the application's PIN, with a password that has been tried."""

    NAME: ClassVar[str] = "set_pin"
    SECRETS: ClassVar[frozenset[str]] = frozenset({"verdict", "tries_left"})

    verdict: Verdict
    tries_left: Annotated[int, Field(ge=0)] = 0

    def _guard(self, customer: Customer, now: int) -> Refusal | None:
        if not customer.confirmed:
            return self._refuse(Reason.CUSTOMER_NOT_CONFIRMED)
        match self.verdict:
            case Verdict.RIGHT:
                return None
            case Verdict.LOCKED:
                return self._refuse(Reason.PASSWORD_LOCKED)
            case Verdict.WRONG | Verdict.LAPSED | Verdict.ABSENT:
                return self._refuse(Reason.PASSWORD_WRONG, tries_left=self.tries_left)

    def _event(self, context: Context) -> Event:
        return CustomerPinSet(fingerprint=self.fingerprint())


class IdentifyCustomer(CustomerCommand):
    """Record that a customer was identified."""

    NAME: ClassVar[str] = "identify_customer"

    tier: Tier
    reference: Reference = ""

    def _guard(self, customer: Customer, now: int) -> Refusal | None:
        if not customer.confirmed:
            return self._refuse(Reason.CUSTOMER_NOT_CONFIRMED)
        if RANKS[self.tier] <= RANKS[customer.tier]:
            return self._refuse(Reason.CUSTOMER_ALREADY_IDENTIFIED, tier=customer.tier.value)
        return None

    def _event(self, context: Context) -> Event:
        return CustomerIdentified(tier=self.tier, reference=self.reference, fingerprint=self.fingerprint())


class EraseCustomer(CustomerCommand):
    """Have the key of a customer's personal data destroyed, unless something forbids it."""

    NAME: ClassVar[str] = "erase_customer"

    def _guard(self, customer: Customer, now: int) -> Refusal | None:
        forbidding = standing(customer.retentions, now)
        if not forbidding:
            return None
        end = last_end(forbidding)
        figures = {"retentions": len(forbidding)} if end is None else {"retentions": len(forbidding), "until": end}
        return self._refuse(Reason.ERASURE_FORBIDDEN, **figures)

    def _event(self, context: Context) -> Event:
        return CustomerErased(fingerprint=self.fingerprint())
