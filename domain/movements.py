"""Which money an event moves: the one place where that is said, for the books, the projections and auditors."""

from domain.authorization import AuthorizationCaptured, ForcePosted, RefundPosted
from domain.bulk import BulkLegReversed, BulkPosted, posted_legs
from domain.crossing import TransferReceived, TransferReturned, TransferSent
from domain.event import Event, Leg
from domain.transfer import TransferPosted, TransferReversed

_LEGS_ONLY = (
    AuthorizationCaptured,
    ForcePosted,
    RefundPosted,
    TransferReversed,
    BulkLegReversed,
    TransferSent,
    TransferReceived,
    TransferReturned,
)


def movements(event: Event) -> tuple[Leg, ...]:
    """Return the event's movements in the order of their leg numbers; most events have none.

    The numbers are 0, 1, 2 …, except for those of bulks, whose refused legs are left out here, and of their reversals.
    """
    if isinstance(event, TransferPosted):
        first = Leg(event.kind, event.debit_account, event.credit_account, event.amount)
        return (first, *event.legs) if event.legs else (first,)
    if isinstance(event, _LEGS_ONLY):
        return event.legs
    if isinstance(event, BulkPosted):
        columns = (column.tolist() for column in posted_legs(event))
        return tuple(Leg(event.kind, *leg) for leg in zip(*columns, strict=True))
    return ()


def net(event: Event, account: int) -> int:
    """Return by how much an event's movements change what is posted to an account."""
    if isinstance(event, BulkPosted):
        debits, credits_, amounts = posted_legs(event)
        return int(amounts[credits_ == account].sum()) - int(amounts[debits == account].sum())
    return sum(
        (leg.credit_account == account) * leg.amount - (leg.debit_account == account) * leg.amount
        for leg in movements(event)
    )


def effective_time(event: Event, recorded_at: int) -> int:
    """Return when the event happened, in microseconds: as it says, or when it was recorded."""
    stated: int | None = getattr(event, "effective_time", None)
    return recorded_at if stated is None else stated
