"""Placing and lifting retentions of a customer. A retention's id is the request id of its placing."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from domain.command import Reference
from domain.customer import Customer, CustomerCommand
from domain.event import Context, Event
from domain.refusals import Reason, Refusal, invalid
from domain.retention import (
    MOST_STANDING,
    Authority,
    CustomerRetentionLifted,
    CustomerRetentionPlaced,
    RetentionReason,
    RetentionState,
    standing,
)


class PlaceRetention(CustomerCommand):
    """Forbid that a customer is erased, until an end or until it is lifted."""

    NAME: ClassVar[str] = "place_retention"

    reason: RetentionReason
    authority: Authority
    reference: Reference = ""
    until: Annotated[int, Field(strict=True, gt=0, lt=2**62)] | None = None

    def _guard(self, customer: Customer, now: int) -> Refusal | None:
        if self.until is not None and self.until <= now:
            return invalid("until", "NOT_IN_FUTURE", "is not in the future")
        if len(standing(customer.retentions, now)) >= MOST_STANDING:
            return self._refuse(Reason.TOO_MANY_RETENTIONS, most=MOST_STANDING)
        return None

    def _event(self, context: Context) -> Event:
        return CustomerRetentionPlaced(
            retention=UUID(bytes=context.request_id),
            reason=self.reason,
            authority=self.authority,
            reference=self.reference,
            until=self.until,
            fingerprint=self.fingerprint(),
        )


class LiftRetention(CustomerCommand):
    """Let a retention forbid nothing any more. Whoever placed it lifts it."""

    NAME: ClassVar[str] = "lift_retention"

    retention_id: UUID
    authority: Authority

    def _guard(self, customer: Customer, now: int) -> Refusal | None:
        found = next((each for each in customer.retentions if each.retention_id == self.retention_id.bytes), None)
        if found is None:
            return self._refuse(Reason.RETENTION_NOT_FOUND, retention_id=self.retention_id)
        if found.authority is not self.authority:
            return self._refuse(Reason.RETENTION_OF_ANOTHER, authority=found.authority.value)
        match found.state(now):
            case RetentionState.STANDING:
                return None
            case RetentionState.LIFTED:
                return self._refuse(Reason.RETENTION_ALREADY_LIFTED, retention_id=self.retention_id)
            case RetentionState.LAPSED:
                return self._refuse(Reason.RETENTION_LAPSED, retention_id=self.retention_id, until=found.until)

    def _event(self, context: Context) -> Event:
        return CustomerRetentionLifted(retention=self.retention_id, fingerprint=self.fingerprint())
