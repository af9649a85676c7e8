"""Phones that pay: what they are, and whether one is blocked.

A device is known from the first token that is requested for it. Its id is the application's own mark of one
installation; the same mark given by two customers is two devices. A blocked device pays with none of its tokens, and
gets no further one, but the tokens themselves stay as they are.
"""

import re
from typing import TYPE_CHECKING, Annotated, ClassVar, Final
from uuid import UUID

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from domain.command import Command, Explanation, printable
from domain.event import Change, Context, Event
from domain.ids import claim_id
from domain.refusals import Reason, Refusal, refuse

if TYPE_CHECKING:
    from domain.books import Books

DEVICE: Final = "device"
DeviceId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]

_VERSION: Final = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4}){0,3}")


def _version(text: str) -> str:
    if _VERSION.fullmatch(text) is None:
        raise ValueError("is not a version such as 6.0.1")
    return text


class DeviceModel(BaseModel):
    """The rules of a device's fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device_id: DeviceId
    model: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(printable)]
    android_version: Annotated[str, AfterValidator(_version)]
    nfc: Annotated[bool, Field(strict=True)]


class DeviceRegistered(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A customer's phone was recorded with a request for a token, or recorded anew after it had changed."""

    TOPIC: ClassVar[str] = "device.registered.v1"

    customer: UUID
    device_id: str
    model: str
    android_version: str
    nfc: bool


class DeviceBlocked(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """No token pays from a device until it is unblocked."""

    TOPIC: ClassVar[str] = "device.blocked.v1"

    explanation: str = ""
    fingerprint: str = ""


class DeviceUnblocked(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The tokens of a device may pay again."""

    TOPIC: ClassVar[str] = "device.unblocked.v1"

    explanation: str = ""
    fingerprint: str = ""


class Device(msgspec.Struct, frozen=True):
    """A device as its events tell it."""

    key: bytes
    customer: bytes
    device_id: str
    model: str
    android_version: str
    nfc: bool
    created_at: int
    updated_at: int
    version: int = 1
    blocked: bool = False


def device_key(customer_id: bytes, device_id: str) -> bytes:
    """Return the id under which a customer's device stands in the log."""
    return claim_id(DEVICE, f"{customer_id.hex()}/{device_id}")


def evolve(device: Device | None, change: Change, recorded_at: int) -> Device:
    """Return the device after one more of its events."""
    event = change.event
    if isinstance(event, DeviceRegistered):
        return Device(
            key=change.originator_id,
            customer=event.customer.bytes,
            device_id=event.device_id,
            model=event.model,
            android_version=event.android_version,
            nfc=event.nfc,
            created_at=recorded_at if device is None else device.created_at,
            updated_at=recorded_at,
            version=change.version,
            blocked=device is not None and device.blocked,
        )
    if device is None or not isinstance(event, DeviceBlocked | DeviceUnblocked):
        raise ValueError(f"{event.TOPIC} is not the first event of a device")
    return msgspec.structs.replace(
        device, version=change.version, updated_at=recorded_at, blocked=isinstance(event, DeviceBlocked)
    )


def register(books: "Books", customer_id: bytes, seen: DeviceModel) -> list[Change] | Refusal:
    """Return what records a device as it is now, nothing where it has not changed, or that it is blocked."""
    key = device_key(customer_id, seen.device_id)
    known = books.aggregate(key)
    version = 1
    if isinstance(known, Device):
        if known.blocked:
            return refuse(Reason.DEVICE_BLOCKED, device_id=seen.device_id)
        if (known.model, known.android_version, known.nfc) == (seen.model, seen.android_version, seen.nfc):
            return []
        version = known.version + 1
    registered = DeviceRegistered(customer=UUID(bytes=customer_id), **seen.model_dump())
    return [Change(key, version, registered)]


def too_old(android_version: str, minimum: str) -> bool:
    """Compare versions by their numbers: 10 is newer than 6.0.1, and 6.0 older."""
    return _numbers(android_version) < _numbers(minimum)


def _numbers(version: str) -> list[int]:
    numbers = [int(part) for part in version.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return numbers


class _DeviceCommand(Command):
    """A command on one device."""

    customer_id: UUID
    device_id: DeviceId
    explanation: Explanation = ""

    def target(self) -> UUID:
        return UUID(bytes=self._key())

    def needs(self) -> tuple[bytes, ...]:
        return (self._key(),)

    def _key(self) -> bytes:
        return device_key(self.customer_id.bytes, self.device_id)

    def _decide(self, books: "Books", *, block: bool) -> list[Change] | Refusal:
        device = books.aggregate(self._key())
        if not isinstance(device, Device):
            return refuse(Reason.DEVICE_NOT_FOUND, device_id=self.device_id)
        if device.blocked == block:
            return refuse(Reason.DEVICE_BLOCKED if block else Reason.DEVICE_NOT_BLOCKED, device_id=self.device_id)
        kind = DeviceBlocked if block else DeviceUnblocked
        event = kind(explanation=self.explanation, fingerprint=self.fingerprint())
        return [Change(device.key, device.version + 1, event)]


class BlockDevice(_DeviceCommand):
    """Let no token pay from a device."""

    NAME: ClassVar[str] = "block_device"

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: known, not blocked."""
        return self._decide(books, block=True)


class UnblockDevice(_DeviceCommand):
    """Let the tokens of a device pay again."""

    NAME: ClassVar[str] = "unblock_device"

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: known, blocked."""
        return self._decide(books, block=False)
