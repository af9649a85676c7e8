"""Checkpoints and keys as they are told."""

from google.protobuf.timestamp_pb2 import Timestamp

from ledger.audit.self_audit import Audited
from ledger.audit.signing.checkpoints import Issued
from ledger.audit.signing.keys import SigningKey
from ledger.audit.signing.note import VerifierKey
from ledger.rpc.intake import timestamp
from protos.esep.v1.checkpoint_pb2 import (
    SELF_AUDIT_VERDICT_AGREES,
    SELF_AUDIT_VERDICT_DIFFERS,
    SELF_AUDIT_VERDICT_NONE,
    Checkpoint,
    CheckpointKey,
    SelfAudit,
)
from protos.esep.v1.common_pb2 import LogPosition


def checkpoint_message(issued: Issued, partition: int) -> Checkpoint:
    """Return a checkpoint as it is told."""
    return Checkpoint(
        tree=LogPosition(partition=partition, position=issued.checkpoint.size),
        root_hash=issued.checkpoint.root,
        note=str(issued.note),
        sign_time=timestamp(issued.signed_at),
    )


def self_audit_message(audited: Audited, partition: int) -> SelfAudit:
    """Return the result of the ledger's audit of itself as it is told."""
    found = audited.finding
    verdict = SELF_AUDIT_VERDICT_NONE if not audited.at else SELF_AUDIT_VERDICT_AGREES
    return SelfAudit(
        verdict=verdict if found is None else SELF_AUDIT_VERDICT_DIFFERS,
        reached=LogPosition(partition=partition, position=audited.position),
        reach_time=_time(audited.at or None),
        difference=_position(partition, found.position) if found is not None else None,
        finding="" if found is None else f"{found.check}: {found.message}",
    )


def _position(partition: int, position: int | None) -> LogPosition | None:
    return None if position is None else LogPosition(partition=partition, position=position)


def key_message(verifier: VerifierKey, key: SigningKey) -> CheckpointKey:
    """Return a key of the ledger as it is told: never the private one."""
    return CheckpointKey(
        verifier_key=str(verifier), valid_from=_time(key.validity.begins), valid_until=_time(key.validity.ends)
    )


def _time(microseconds: int | None) -> Timestamp | None:
    return None if microseconds is None else timestamp(microseconds)
