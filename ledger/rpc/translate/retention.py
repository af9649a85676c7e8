"""Retentions of a customer, as they are asked for and told."""

from typing import Final

from domain import ids
from domain.retention import Authority, Retention, RetentionReason, Retentions, RetentionState
from ledger.rpc.intake import timestamp
from protos.esep.v1 import customer_pb2 as pb

REASONS: Final[dict[int, RetentionReason]] = {
    pb.RETENTION_REASON_DISPUTE: RetentionReason.DISPUTE,
    pb.RETENTION_REASON_INVESTIGATION: RetentionReason.INVESTIGATION,
    pb.RETENTION_REASON_COURT_ORDER: RetentionReason.COURT_ORDER,
    pb.RETENTION_REASON_MONEY_LAUNDERING: RetentionReason.MONEY_LAUNDERING,
    pb.RETENTION_REASON_STATUTE: RetentionReason.STATUTE,
}
RETENTION_PATHS: Final = {"until": "expire_time"}
"""Fields of the commands that have another name in the requests."""
MOST_ENDED: Final = 100
"""How many of those that have ended are told, the newest."""
_REASON_NUMBERS: Final = {
    RetentionReason.DISPUTE: pb.RETENTION_REASON_DISPUTE,
    RetentionReason.INVESTIGATION: pb.RETENTION_REASON_INVESTIGATION,
    RetentionReason.COURT_ORDER: pb.RETENTION_REASON_COURT_ORDER,
    RetentionReason.MONEY_LAUNDERING: pb.RETENTION_REASON_MONEY_LAUNDERING,
    RetentionReason.STATUTE: pb.RETENTION_REASON_STATUTE,
}
_AUTHORITIES: Final = {
    Authority.BANK: pb.RETENTION_AUTHORITY_BANK,
    Authority.OPERATOR: pb.RETENTION_AUTHORITY_OPERATOR,
}
_STATES: Final = {
    RetentionState.STANDING: pb.RETENTION_STATE_STANDING,
    RetentionState.LAPSED: pb.RETENTION_STATE_LAPSED,
    RetentionState.LIFTED: pb.RETENTION_STATE_LIFTED,
}


def retentions_message(retentions: Retentions, now: int) -> list[pb.Retention]:
    """Return the retentions that stand at a moment and the newest of the others, in the order of their placing."""
    ended = [each for each in retentions if each.state(now) is not RetentionState.STANDING]
    left_out = {each.retention_id for each in ended[:-MOST_ENDED]}
    return [_message(each, now) for each in retentions if each.retention_id not in left_out]


def _message(retention: Retention, now: int) -> pb.Retention:
    return pb.Retention(
        retention_id=ids.format_uuid(retention.retention_id),
        reason=_REASON_NUMBERS[retention.reason],
        authority=_AUTHORITIES[retention.authority],
        reference=retention.reference,
        state=_STATES[retention.state(now)],
        place_time=timestamp(retention.placed_at),
        expire_time=None if retention.until is None else timestamp(retention.until),
        lift_time=None if retention.lifted_at is None else timestamp(retention.lifted_at),
    )
