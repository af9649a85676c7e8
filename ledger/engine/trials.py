"""What a trial run answers: the decision as it was, without what it would have recorded."""

import msgspec

from domain.refusals import Reason, Refusal
from ledger.engine.tickets import Accepted, BatchOutcome, BatchTicket, CreditTicket, Declined, Ticket


def as_trial(outcome: object, ticket: Ticket, position: int) -> object:
    """Return an outcome without the positions after ``position``, which a trial run did not record."""
    if isinstance(outcome, Accepted | Declined):
        return msgspec.structs.replace(outcome, position=0)
    if not isinstance(outcome, BatchOutcome) or not isinstance(ticket, BatchTicket | CreditTicket):
        return outcome
    trial = BatchOutcome(outcome.recorded_at, [0] * len(outcome.positions))
    trial.declined = [(index, msgspec.structs.replace(result, position=0)) for index, result in outcome.declined]
    items, reused = _items(ticket)
    first: dict[bytes, object] = {}
    for key, item in items:
        first.setdefault(key, item)
    for index, repeated in outcome.repeated:
        key, item = items[index]
        if repeated.position <= position:
            trial.positions[index] = repeated.position
            trial.repeated.append((index, repeated))
        elif item != first[key]:
            trial.declined.append((index, Declined(Refusal(reused))))
    trial.declined.sort(key=lambda each: each[0])
    return trial


def _items(ticket: BatchTicket | CreditTicket) -> tuple[list[tuple[bytes, object]], Reason]:
    """Return a ticket's items by their ids, and why an item of another one's id is refused."""
    if isinstance(ticket, CreditTicket):
        return [(line.line_id, line) for line in ticket.lines], Reason.CREDIT_LINE_REUSED
    return [(each.request_id, each) for each in ticket.transfers], Reason.REQUEST_ID_REUSED
