"""Bulks: columns of a request to a command, and bulks, legs and reversals as they are told.

Columns are looked at as arrays, never entry by entry; what is wrong is named by the entry's path.
"""

from collections.abc import Iterable

import numpy as np

from domain import ids
from domain.bulk import Bulk, BulkLegReversed, PostBulk, ReverseBulkLeg, asked_legs, posted_legs
from domain.legs import MAX_LEGS, STORED, Legs, Numbers, violations
from ledger.rpc.intake import Intake, timestamp
from ledger.rpc.outcomes import Done
from protos.esep.v1 import bulk_pb2
from protos.esep.v1 import bulk_service_pb2 as pb

_COLUMNS = ("debit_account_ids", "credit_account_ids", "amounts_tyiyn")


def post_bulk(request: pb.PostBulkRequest) -> tuple[PostBulk, bytes]:
    """Return the command and its request id; raises Refused with the fields at fault."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    count = len(request.debit_account_ids)
    if not 1 <= count <= MAX_LEGS:
        intake.wrong("debit_account_ids", "LENGTH", f"holds {count} legs, not 1 to {MAX_LEGS}")
    for name in _COLUMNS[1:]:
        _same_length(intake, name, len(getattr(request, name)), count)
    if request.references:
        _same_length(intake, "references", len(request.references), count)
    intake.check()
    columns = Legs(*(np.fromiter(getattr(request, name), STORED, count) for name in _COLUMNS))
    intake.violations += violations(columns)
    values: dict[str, object] = {
        **{name: column.tobytes() for name, column in zip(_COLUMNS, columns, strict=True)},
        "currency_code": request.currency_code,
    }
    if request.kind:
        values["kind"] = request.kind
    if request.references and any(request.references):
        values["references"] = tuple(request.references)
    if request.HasField("effective_time"):
        values["effective_time"] = intake.time(request.effective_time, "effective_time")
    return intake.build(PostBulk, values), request_id


def _same_length(intake: Intake, field: str, length: int, count: int) -> None:
    if length != count:
        intake.wrong(field, "LENGTH", f"holds {length} entries, and debit_account_ids {count}")


def reverse_bulk_leg(request: pb.ReverseBulkLegRequest) -> tuple[ReverseBulkLeg, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {
        "bulk_id": intake.uuid(request.bulk_id, "bulk_id"),
        "leg": request.leg,
        "amount_tyiyn": request.amount_tyiyn if request.HasField("amount_tyiyn") else None,
        "explanation": request.explanation,
    }
    return intake.build(ReverseBulkLeg, values), request_id


def bulk_message(bulk: Bulk) -> bulk_pb2.Bulk:
    """Return a bulk as it is told."""
    posted = bulk.posted
    return bulk_pb2.Bulk(
        bulk_id=ids.format_uuid(bulk.bulk_id),
        currency_code=posted.currency,
        kind=posted.kind,
        leg_count=posted.count,
        posted_count=posted.count - len(posted.refused),
        posted_tyiyn=posted_legs(posted).total,
        reversed_tyiyn=sum(bulk.reversed.values()),
        refusals=bulk_pb2.BulkRefusals(
            legs=[each.leg for each in posted.refused],
            reasons=[each.reason for each in posted.refused],
            account_ids=[each.account for each in posted.refused],
        ),
        effective_time=timestamp(bulk.effective_time),
        record_time=timestamp(bulk.created_at),
    )


def wanted_legs(bulk: Bulk, *, account: int, refused_only: bool, after: int) -> Numbers:
    """Return the numbers behind one of a bulk's legs that are asked for, ascending."""
    debits, credits_, _ = asked_legs(bulk.posted)
    wanted = np.arange(bulk.posted.count) > after
    if account:
        wanted &= (debits == account) | (credits_ == account)
    if refused_only:
        refused = np.zeros(bulk.posted.count, np.bool_)
        refused[[each.leg for each in bulk.posted.refused]] = True
        wanted &= refused
    numbers: Numbers = np.flatnonzero(wanted)
    return numbers


def leg_messages(bulk: Bulk, numbers: Iterable[int]) -> list[bulk_pb2.BulkLeg]:
    """Return legs of a bulk as they are told."""
    posted = bulk.posted
    debits, credits_, amounts = asked_legs(posted)
    refused = {each.leg: each for each in posted.refused}
    told = []
    for number in numbers:
        refusal = refused.get(number)
        told.append(
            bulk_pb2.BulkLeg(
                leg=number,
                debit_account_id=int(debits[number]),
                credit_account_id=int(credits_[number]),
                amount_tyiyn=int(amounts[number]),
                reference=posted.references[number] if posted.references else "",
                refusal="" if refusal is None else refusal.reason,
                refusal_account_id=0 if refusal is None else refusal.account,
                reversed_tyiyn=bulk.reversed.get(number, 0),
            )
        )
    return told


def reversal_message(done: Done, event: BulkLegReversed, bulk: Bulk) -> bulk_pb2.BulkLegReversal:
    """Return the reversal of a leg as it is told."""
    return bulk_pb2.BulkLegReversal(
        reversal_id=ids.format_uuid(done.request_id),
        bulk_id=ids.format_uuid(bulk.bulk_id),
        leg=event.leg,
        amount_tyiyn=sum(leg.amount for leg in event.legs),
        explanation=event.explanation,
        record_time=timestamp(done.recorded_at) if done.position else None,
    )
