"""Retentions: what forbids that a customer is erased, for as long as it stands.

A bank must keep what it knows of a person while a dispute or an investigation is open, for years after the last
transaction under the rules against money laundering, or because a court says so. Each such duty is a retention of its
own, with an id, a reason and the reference of its case, and often an end that is known from the beginning. Any number
may stand at once, and each is lifted by itself, by whoever placed it: a bank lifts none of the scheme's, and the scheme
none of a bank's. One that reached its end forbids nothing any more, at that very instant, and nothing needs to be
recorded for it.

The commands stand in ``domain.retaining``.
"""

from enum import StrEnum
from typing import ClassVar, Final
from uuid import UUID

import msgspec

from domain.event import Event

MOST_STANDING: Final = 32
"""How many retentions of one customer may stand at once."""


class RetentionReason(StrEnum):
    """Why a customer must be kept."""

    DISPUTE = "dispute"
    """A payment or a debt is disputed."""
    INVESTIGATION = "investigation"
    """Fraud or another offence is being looked into."""
    COURT_ORDER = "court_order"
    """A court or another authority has ordered it."""
    MONEY_LAUNDERING = "money_laundering"
    """The rules against money laundering demand it, for five years as a rule."""
    STATUTE = "statute"
    """Another law demands it, such as that on taxes."""


class Authority(StrEnum):
    """On whose behalf a retention was placed, and so who lifts it."""

    BANK = "bank"
    OPERATOR = "operator"


class RetentionState(StrEnum):
    """Whether a retention still forbids erasing."""

    STANDING = "standing"
    LAPSED = "lapsed"
    LIFTED = "lifted"


class CustomerRetentionPlaced(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """From now on, and until ``until`` where that is known, the customer may not be erased."""

    TOPIC: ClassVar[str] = "customer.retention_placed.v1"

    retention: UUID
    reason: RetentionReason
    authority: Authority
    reference: str = ""
    until: int | None = None
    fingerprint: str = ""


class CustomerRetentionLifted(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A retention forbids nothing any more; others may."""

    TOPIC: ClassVar[str] = "customer.retention_lifted.v1"

    retention: UUID
    fingerprint: str = ""


class Retention(msgspec.Struct, frozen=True):
    """A retention as the events tell it. Times are in microseconds since the Unix epoch."""

    retention_id: bytes
    reason: RetentionReason
    authority: Authority
    reference: str
    placed_at: int
    until: int | None = None
    lifted_at: int | None = None

    def state(self, now: int) -> RetentionState:
        """Return the state at a moment: the end is exact."""
        if self.lifted_at is not None:
            return RetentionState.LIFTED
        ended = self.until is not None and now >= self.until
        return RetentionState.LAPSED if ended else RetentionState.STANDING


Retentions = tuple[Retention, ...]
"""A customer's, in the order in which they were placed."""


def following(
    before: Retentions, event: CustomerRetentionPlaced | CustomerRetentionLifted, recorded_at: int
) -> Retentions:
    """Return the retentions with one more, or with one of them lifted."""
    match event:
        case CustomerRetentionPlaced():
            placed = Retention(
                retention_id=event.retention.bytes,
                reason=event.reason,
                authority=event.authority,
                reference=event.reference,
                placed_at=recorded_at,
                until=event.until,
            )
            return (*before, placed)
        case CustomerRetentionLifted():
            lifted = event.retention.bytes
            return tuple(
                msgspec.structs.replace(each, lifted_at=recorded_at) if each.retention_id == lifted else each
                for each in before
            )


def standing(retentions: Retentions, now: int) -> Retentions:
    """Return those that forbid erasing at a moment."""
    return tuple(each for each in retentions if each.state(now) is RetentionState.STANDING)


def last_end(retentions: Retentions) -> int | None:
    """Return when the last of these ends by itself, None where one of them does not."""
    ends = [each.until for each in retentions]
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None
