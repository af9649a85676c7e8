"""What the answers of every service share."""

from domain import ids
from ledger.rpc.intake import set_timestamp
from ledger.rpc.outcomes import Done
from protos.esep.v1.common_pb2 import Receipt


def receipt(done: Done) -> Receipt | None:
    """Return the receipt of an outcome, None for a trial run: nothing was recorded."""
    if done.position == 0:
        return None
    message = Receipt(
        partition=done.partition,
        position=done.position,
        replayed=done.replayed,
        caller=done.caller,
        request_id=ids.format_uuid(done.request_id),
    )
    set_timestamp(message.record_time, done.recorded_at)
    return message
