"""Checkpoints and keys as they are told."""

from google.protobuf.timestamp_pb2 import Timestamp

from ledger.audit.checkpoints import Issued
from ledger.audit.keys import SigningKey
from ledger.audit.note import VerifierKey
from ledger.rpc.intake import timestamp
from protos.esep.v1.checkpoint_pb2 import Checkpoint, CheckpointKey
from protos.esep.v1.common_pb2 import LogPosition


def checkpoint_message(issued: Issued, partition: int) -> Checkpoint:
    """Return a checkpoint as it is told."""
    return Checkpoint(
        tree=LogPosition(partition=partition, position=issued.checkpoint.size),
        root_hash=issued.checkpoint.root,
        note=str(issued.note),
        sign_time=timestamp(issued.signed_at),
    )


def key_message(verifier: VerifierKey, key: SigningKey) -> CheckpointKey:
    """Return a key of the ledger as it is told: never the private one."""
    return CheckpointKey(
        verifier_key=str(verifier), valid_from=_time(key.validity.begins), valid_until=_time(key.validity.ends)
    )


def _time(microseconds: int | None) -> Timestamp | None:
    return None if microseconds is None else timestamp(microseconds)
