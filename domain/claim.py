"""Claims make something unique: an account number, a clearing reference, an acquirer's reference.

A claim is an aggregate whose id follows from its kind and key, appended together with what it protects; the
log's unique key on an aggregate's versions does the rest, without a lock or a look-up. Never for personal data.
"""

from typing import ClassVar
from uuid import UUID

import msgspec

from domain.event import Change, Event
from domain.ids import claim_id


class ClaimMade(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """``key`` was taken by the aggregate ``holder``, for a movement of ``amount`` tyiyn where there is one."""

    TOPIC: ClassVar[str] = "claim.made.v1"

    kind: str
    key: str
    holder: UUID
    amount: int = 0


class EarlyReversalRecorded(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A reversal arrived before the authorisation it reverses.

    It is kept under the acquirer's reference until ``expires_at``: an authorisation that arrives before then is
    declined.
    """

    TOPIC: ClassVar[str] = "early_reversal.recorded.v1"

    acquirer_id: str
    acquirer_reference: str
    expires_at: int
    by: str = ""
    explanation: str = ""
    fingerprint: str = ""


class SettlementNoticed(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A clearing line named a movement that was already posted. It moves nothing."""

    TOPIC: ClassVar[str] = "settlement.noticed.v1"

    clearing_reference: str
    amount: int
    fingerprint: str = ""
    acquirer: str = ""


class Claim(msgspec.Struct, frozen=True):
    """A key that is taken. ``holder`` is None while only a reversal has been seen under it."""

    version: int
    holder: bytes | None
    early_reversal_until: int | None = None
    amount: int = 0


def claim(kind: str, key: str, *, holder: bytes, amount: int = 0, after: Claim | None = None) -> Change:
    """Return the change by which ``holder`` takes ``key``."""
    version = 1 if after is None else after.version + 1
    return Change(claim_id(kind, key), version, ClaimMade(kind=kind, key=key, holder=UUID(bytes=holder), amount=amount))


def evolve(state: Claim | None, change: Change, _recorded_at: int) -> Claim:
    """Return the claim after one more of its events."""
    before = state or Claim(0, None)
    match change.event:
        case ClaimMade():
            return Claim(change.version, change.event.holder.bytes, before.early_reversal_until, change.event.amount)
        case EarlyReversalRecorded():
            until = change.event.expires_at
            return msgspec.structs.replace(before, version=change.version, early_reversal_until=until)
        case SettlementNoticed():
            return msgspec.structs.replace(before, version=change.version)
        case _:
            raise ValueError(f"{change.event.TOPIC} is not an event of a claim")
