"""Which money an event moves: the one place where that is said, for the books, the projections and auditors."""

from domain.authorization import AuthorizationCaptured, ForcePosted, RefundPosted
from domain.crossing import TransferReceived, TransferReturned, TransferSent
from domain.event import Event, Leg
from domain.transfer import TransferPosted, TransferReversed

_LEGS_ONLY = (
    AuthorizationCaptured,
    ForcePosted,
    RefundPosted,
    TransferReversed,
    TransferSent,
    TransferReceived,
    TransferReturned,
)


def movements(event: Event) -> tuple[Leg, ...]:
    """Return the event's movements in the order of their leg numbers 0, 1, 2 …; most events have none."""
    if isinstance(event, TransferPosted):
        first = Leg(event.kind, event.debit_account, event.credit_account, event.amount)
        return (first, *event.legs) if event.legs else (first,)
    if isinstance(event, _LEGS_ONLY):
        return event.legs
    return ()


def effective_time(event: Event, recorded_at: int) -> int:
    """Return when the event happened, in microseconds: as it says, or when it was recorded."""
    stated: int | None = getattr(event, "effective_time", None)
    return recorded_at if stated is None else stated
